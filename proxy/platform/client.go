// Package platform is the client of the upstream platform. It posts sealed
// records, one at a time, and turns whatever comes back into a Verdict: what to
// do with this record, and why. It never retries by itself; the store does.
//
// Two guards keep it from hammering a platform that cannot answer. A circuit
// breaker for the whole platform opens when it is away (network, HTTP 5xx). A
// pause for one interface begins when its answers say that the configuration is
// wrong. Behind both, Post returns at once and After tells when to come again.
package platform

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
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Config of a Client. Every field but URL and AppKey has a default.
type Config struct {
	// URL is the base, up to and with the version: http://192.0.2.10:8000/api/v1
	URL string
	// AppKey is the caller's id. It goes out in the query of every request and
	// appears in no error, verdict or String.
	AppKey string
	// Timeout of one Post, from dialing to the last byte of the answer; 30 s.
	Timeout time.Duration
	// Codes says what codes of the platform mean, before any rule of this
	// package: {"1003": Later}. A code in no list is Rejected, "0" is Delivered.
	Codes map[string]Kind
	// Breaker of the whole platform.
	Breaker Breaker
	// Pause is how long an interface rests after Misconfigured; 1 min.
	Pause time.Duration
	// Client, if given, is used as it is, except that redirects are treated as
	// those of this package. The fields below are then not looked at. Its
	// transport must close request bodies, as net/http demands: Post waits for it.
	Client *http.Client
	// Dial opens connections; default a net.Dialer with a timeout of 10 s.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS for an https URL; default the system's.
	TLS *tls.Config
	// Connections to keep open between requests; 16.
	Connections int
}

// Breaker settings.
type Breaker struct {
	// Failures in a row after which it opens; 5.
	Failures int
	// Open is for how long nothing is sent then; 5 s. Afterwards one record
	// tries: it closes the breaker or opens it again. One record in so long
	// burdens nobody, and a backlog goes on soon after an outage.
	Open time.Duration
}

// Client posts records to one platform. It is safe for many goroutines.
type Client struct {
	cfg     Config
	base    string // with a slash at its end
	query   string
	secrets []string // forms of the appKey, for clean
	http    *http.Client
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	until   atomic.Int64 // unix ns when an open breaker lets one record try
	pauses  pauses
}

// New checks cfg and makes a Client. It does not connect. The error names the
// key that is wrong and never quotes the appKey.
func New(cfg Config) (*Client, error) {
	base, err := checkURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(cfg.AppKey) == "" {
		return nil, errors.New("appKey: is empty: want the caller's id given by the platform's administrator")
	}
	if cfg.Timeout < 0 || cfg.Pause < 0 || cfg.Breaker.Open < 0 || cfg.Breaker.Failures < 0 {
		return nil, errors.New("timeout, pause, breaker: want no negative values")
	}
	cfg.AppKey = strings.TrimSpace(cfg.AppKey)
	orElse(&cfg.Timeout, 30*time.Second)
	orElse(&cfg.Pause, time.Minute)
	orElse(&cfg.Breaker.Open, 5*time.Second)
	orElse(&cfg.Breaker.Failures, 5)
	orElse(&cfg.Connections, 16)
	c := &Client{
		cfg:     cfg,
		base:    base,
		query:   "?appKey=" + url.QueryEscape(cfg.AppKey),
		secrets: []string{cfg.AppKey, url.QueryEscape(cfg.AppKey), url.PathEscape(cfg.AppKey)},
		http:    newHTTPClient(cfg),
		pauses:  pauses{every: cfg.Pause, routes: map[string]*pausedRoute{}},
	}
	c.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout: cfg.Breaker.Open,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			return int64(n.ConsecutiveFailures) >= int64(cfg.Breaker.Failures)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				c.until.Store(time.Now().Add(cfg.Breaker.Open).UnixNano())
			}
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errSaysNothing) },
	})
	return c, nil
}

func orElse[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func checkURL(text string) (base string, err error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return "", fmt.Errorf("url: %w", withoutURL(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", errors.New("url: want http://HOST:PORT/api/v1")
	case u.User != nil:
		return "", errors.New("url: want no user and password in it")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("url: want it to end before the question mark: the appKey has its own setting")
	}
	return strings.TrimRight(u.String(), "/") + "/", nil
}

// newHTTPClient speaks HTTP/1.1 only: HTTP/2 costs a third more CPU for one
// large body a request.
func newHTTPClient(cfg Config) *http.Client {
	client := new(http.Client)
	if cfg.Client != nil {
		*client = *cfg.Client
	} else {
		dial := cfg.Dial
		if dial == nil {
			dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
		}
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		client.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dial,
			TLSClientConfig:     cfg.TLS,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConns:        cfg.Connections,
			MaxIdleConnsPerHost: cfg.Connections,
			// Below the 20 s after which Tomcat closes: a request on a
			// connection that is just being closed would look like an outage.
			IdleConnTimeout:        15 * time.Second,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
			Protocols:              protocols,
		}
	}
	client.CheckRedirect = checkRedirect
	return client
}

// checkRedirect follows at most three redirects, and only those that keep the
// method, the scheme and the host: a record with its appKey goes nowhere else,
// and a POST that became a GET would lose it silently.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || next.Method != first.Method ||
		next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		// net/http has opened the body for the next request and forgets it here.
		if next.Body != nil {
			next.Body.Close()
		}
		return http.ErrUseLastResponse
	}
	return nil
}

// String names the platform, without the appKey.
func (c *Client) String() string { return c.clean(strings.TrimSuffix(c.base, "/")) }

// Post sends one sealed record to an interface ("stk/zpjl") and says what became
// of it. It returns when the platform has answered, the timeout or ctx has
// ended, or at once when the breaker is open or the interface is paused.
// envelope may be used again as soon as Post has returned.
func (c *Client) Post(ctx context.Context, iface string, envelope []byte) Verdict {
	if v, held := c.pauses.hold(iface); held {
		return v
	}
	v := c.guarded(ctx, iface, envelope)
	c.pauses.note(iface, v)
	return v
}

// guarded is the exchange behind the circuit breaker.
func (c *Client) guarded(ctx context.Context, iface string, envelope []byte) Verdict {
	done, err := c.breaker.Allow()
	if err != nil {
		return c.refused()
	}
	start := time.Now()
	v := c.exchange(ctx, iface, envelope)
	v.Latency = time.Since(start)
	done(v.failure())
	return v
}

// refused is the verdict behind an open breaker, or while another record is
// trying whether it may close: then the wait is a guess.
func (c *Client) refused() Verdict {
	return Verdict{
		Kind: Later, Why: Open, After: orSecond(time.Until(time.Unix(0, c.until.Load()))),
		Message: "the platform is away: nothing was sent",
	}
}

var (
	errAway        = errors.New("the platform is away")
	errSaysNothing = errors.New("says nothing about the platform")
)

// failure is what the breaker is told: only a platform that is away is a
// failure. One that answers, whatever it answers, is there.
func (v Verdict) failure() error {
	switch v.Why {
	case Network, Timeout, ServerError:
		return errAway
	case Canceled:
		return errSaysNothing
	}
	return nil
}

// exchange does not return before the transport has let go of the envelope,
// which after an early answer or a timeout may be later than the answer.
func (c *Client) exchange(ctx context.Context, iface string, envelope []byte) Verdict {
	p := payload{data: envelope}
	defer p.lent.Wait()
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, c.base+iface+c.query, nil)
	if err != nil {
		return Verdict{Kind: Misconfigured, Why: Refused, Message: c.clean(withoutURL(err).Error())}
	}
	p.attach(req)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "yiqiao")
	resp, err := c.http.Do(req)
	if err != nil {
		return c.judgeError(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return c.judgeError(ctx, err)
	}
	return c.judge(resp.StatusCode, resp.Header, body)
}

// State of the circuit breaker, for health pages: closed, open or half-open.
func (c *Client) State() string { return c.breaker.State().String() }

// Wait is how long the breaker keeps every record back; 0 if it does not. A
// caller that asks before it loads and seals a record saves that work.
func (c *Client) Wait() time.Duration {
	if c.breaker.State() != gobreaker.StateOpen {
		return 0
	}
	return max(0, time.Until(time.Unix(0, c.until.Load())))
}

// Paused lists the paused interfaces by name, for health pages and metrics.
func (c *Client) Paused() []Pause { return c.pauses.list() }

// Resume ends all pauses: someone has mended the configuration, here or there.
func (c *Client) Resume() { c.pauses.end() }

// Close closes idle connections. Posts under way end as they would.
func (c *Client) Close() { c.http.CloseIdleConnections() }
