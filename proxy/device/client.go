package device

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/icholy/digest"

	"yiqiao/transform/event"
)

// Bounds of a call. How long it may take as a whole is its context's.
const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 15 * time.Second
	maxRedirects  = 5
	maxHeader     = 64 << 10
	maxChallenge  = 64 << 10 // bytes of the body of a 401, which is read to keep the connection
	maxKnown      = 4096     // credentials at hosts that are remembered
	deniedFor     = 10 * time.Minute
)

// Credentials are what a device asks for. The zero value is none.
type Credentials struct{ User, Password string }

// Options are what a Client is made of.
type Options struct {
	Guard *Guard
	// AnyCertificate takes TLS certificates that nobody vouches for, as
	// devices have them.
	AnyCertificate bool
}

// Client calls devices over HTTP. It is safe for many goroutines.
//
// Credentials go to the host of the first URL only, and only when it asks for
// them: Digest (MD5, SHA-256, SHA-512-256) if it offers it, or else Basic.
type Client struct {
	guard *Guard
	base  *http.Transport

	mu    sync.Mutex
	known map[login]*digest.Transport // they hold the nonces of a host
	// denied are logins that a host refused, and until when they are not tried
	// again: devices lock an account after a few wrong passwords, for all.
	denied map[login]time.Time
}

type login struct {
	Credentials
	host string // with its port
}

// NewClient makes a client. Close it when it is no longer used.
func NewClient(o Options) *Client {
	if o.Guard == nil {
		o.Guard = new(Guard)
	}
	c := &Client{guard: o.Guard, known: map[login]*digest.Transport{}, denied: map[login]time.Time{}}
	c.base = &http.Transport{
		DialContext:            c.dial, // and no Proxy: it would be who dials
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: o.AnyCertificate, MinVersion: tls.VersionTLS10},
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    2,
		MaxIdleConns:           256,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // a limit is one of what is read
	}
	return c
}

// Close lets go of idle connections; calls under way end by themselves.
func (c *Client) Close() { c.base.CloseIdleConnections() }

// dial connects, and asks the guard about each address that it tries.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, ControlContext: func(_ context.Context, network, resolved string, _ syscall.RawConn) error {
		return c.guard.checkDial(address, network, resolved)
	}}
	return d.DialContext(ctx, network, address)
}

// Do sends a request as http.Client does, redirects included. Each hop is
// checked: its scheme here, its address when it is dialled. The caller bounds
// and closes the body, which may be endless, and ends it by the request's
// context. A 401 in spite of credentials is no error of Do; after it the same
// credentials are *Denied at that host for a while, without a request.
//
// Errors show no secret of the URL.
func (c *Client) Do(req *http.Request, cred Credentials) (*http.Response, error) {
	if err := checkURL(req.URL); err != nil {
		return nil, err
	}
	l := login{cred, req.URL.Scheme + "://" + req.URL.Host}
	if until := c.deniedUntil(l); !until.IsZero() {
		return nil, &Denied{until}
	}
	h := http.Client{
		Transport: &hop{c, l.host, cred},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return checkURL(next.URL)
		},
	}
	res, err := h.Do(req)
	if err != nil {
		if ue := new(url.Error); errors.As(err, &ue) {
			err = ue.Err // the URL stands in its text
		}
		return nil, err
	}
	if res.StatusCode == http.StatusUnauthorized && cred != (Credentials{}) && res.Request.URL.Host == req.URL.Host {
		c.deny(l)
	}
	return res, nil
}

// Denied says that a host refused the credentials lately.
type Denied struct{ Until time.Time }

func (e *Denied) Error() string {
	return "the user or password was refused; it is not tried again before " + e.Until.Format(time.TimeOnly) + ", so that the device does not lock the account"
}

func (c *Client) deniedUntil(l login) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, ok := c.denied[l]
	if ok && time.Now().After(until) {
		delete(c.denied, l)
		return time.Time{}
	}
	return until
}

func (c *Client) deny(l login) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.denied) >= maxKnown {
		clear(c.denied)
	}
	c.denied[l] = time.Now().Add(deniedFor)
}

// ErrScheme says that a URL is none of http or https.
var ErrScheme = errors.New("want an http:// or https:// address")

func checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return ErrScheme
	}
	return nil
}

// hop is one way of a request and its redirects.
type hop struct {
	c      *Client
	origin string // scheme, host and port that cred belongs to
	cred   Credentials
}

func (h *hop) RoundTrip(req *http.Request) (*http.Response, error) {
	if h.cred == (Credentials{}) || req.URL.Scheme+"://"+req.URL.Host != h.origin {
		return h.c.round(req)
	}
	res, err := h.c.digest(login{h.cred, h.origin}).RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusUnauthorized || !asksBasic(res.Header) || sentDigest(res) {
		return res, err
	}
	res.Body.Close()
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	} else if req.Body != nil && req.Body != http.NoBody {
		return res, nil // it is gone; whoever asks Basic with bodies gives GetBody
	}
	again.SetBasicAuth(h.cred.User, h.cred.Password)
	return h.c.round(again)
}

func asksBasic(h http.Header) bool {
	for _, v := range h.Values("WWW-Authenticate") {
		if scheme, _, _ := strings.Cut(strings.TrimSpace(v), " "); strings.EqualFold(scheme, "Basic") {
			return true
		}
	}
	return false
}

// sentDigest: the password was refused already; it is not sent in the clear
// after that.
func sentDigest(res *http.Response) bool {
	return res.Request != nil && digest.IsDigest(res.Request.Header.Get("Authorization"))
}

// digest is the transport that remembers the nonces of one login.
func (c *Client) digest(l login) *digest.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.known[l]
	if t == nil {
		if len(c.known) >= maxKnown {
			clear(c.known) // the URLs come from events: it costs a challenge each
		}
		t = &digest.Transport{Username: l.User, Password: l.Password, Transport: roundTripper(c.round)}
		c.known[l] = t
	}
	return t
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// round is one exchange. The body of a challenge is bounded, since it is read
// before the request is sent again.
func (c *Client) round(req *http.Request) (*http.Response, error) {
	res, err := c.base.RoundTrip(req)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxChallenge), res.Body}
	}
	return res, err
}

// Status says that a device answered with something else than 200.
type Status struct{ Code int }

func (e *Status) Error() string {
	return fmt.Sprintf("the answer is %d %s", e.Code, http.StatusText(e.Code))
}

// TooLarge says that an answer has more bytes than are taken.
type TooLarge struct{ Limit int64 }

func (e *TooLarge) Error() string { return fmt.Sprintf("the answer has more than %d bytes", e.Limit) }

// NotPicture says that what came is no picture.
type NotPicture struct{ Head []byte }

func (e *NotPicture) Error() string {
	return fmt.Sprintf("want a picture, got what begins with %q", e.Head)
}

// Picture fetches a picture of at most limit bytes into memory of its own.
// What it is is told by its bytes, whatever its type says.
func (c *Client) Picture(ctx context.Context, address string, cred Credentials, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, ErrScheme // the error has the URL in it
	}
	res, err := c.Do(req, cred)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, &Status{res.StatusCode}
	case res.ContentLength > limit:
		return nil, &TooLarge{limit}
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > limit:
		return nil, &TooLarge{limit}
	case event.PictureType(data) == "":
		return nil, &NotPicture{data[:min(len(data), 12)]}
	}
	return data, nil
}
