package device

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var jpeg = append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte("x"), 3000)...)

// camera asks for Digest as devices do: a nonce, counted, good for some uses.
type camera struct {
	algorithm string
	uses      int // of a nonce before it is stale

	mu       sync.Mutex
	nonce    int
	used     map[string]int // highest nc of each nonce
	requests atomic.Int32
	refused  atomic.Int32
}

var field = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

func (c *camera) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	c.requests.Add(1)
	body, _ := io.ReadAll(r.Body)
	if !c.authorized(r) {
		c.refused.Add(1)
		c.mu.Lock()
		c.nonce++
		rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="IP Camera", nonce="n%d", qop="auth", algorithm=%s, stale=false`, c.nonce, c.algorithm))
		c.mu.Unlock()
		rw.WriteHeader(http.StatusUnauthorized)
		_, _ = rw.Write(bytes.Repeat([]byte("no "), 1000))
		return
	}
	if len(body) > 0 {
		_, _ = rw.Write(body)
		return
	}
	_, _ = rw.Write(jpeg)
}

func (c *camera) authorized(r *http.Request) bool {
	f := map[string]string{}
	for _, m := range field.FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
		f[m[1]] = m[2]
	}
	h := func(parts ...string) string {
		var h hash.Hash = md5.New()
		if c.algorithm == "SHA-256" {
			h = sha256.New()
		}
		fmt.Fprint(h, strings.Join(parts, ":"))
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	want := h(h("admin", "IP Camera", "pass,word"), f["nonce"], f["nc"], f["cnonce"], "auth", h(r.Method, r.URL.RequestURI()))
	var nc int
	_, _ = fmt.Sscanf(f["nc"], "%x", &nc)
	c.mu.Lock()
	defer c.mu.Unlock()
	if f["response"] != want || f["username"] != "admin" || nc <= c.used[f["nonce"]] || nc > c.uses {
		return false
	}
	c.used[f["nonce"]] = nc
	return true
}

func client(t *testing.T) *Client {
	c := NewClient(Options{Guard: guard(t, "127.0.0.1")})
	t.Cleanup(c.Close)
	return c
}

// The nonce of a challenge serves many requests, a stale one costs one more,
// and a body is sent whole again.
func TestDigest(t *testing.T) {
	for _, algorithm := range []string{"MD5", "SHA-256"} {
		cam := &camera{algorithm: algorithm, uses: 4, used: map[string]int{}}
		server := httptest.NewServer(cam)
		defer server.Close()
		c, cred := client(t), Credentials{"admin", "pass,word"}
		for i := range 10 {
			got, err := c.Picture(context.Background(), server.URL+"/pic/1.jpeg@WEB?id=1&a=*b", cred, 1<<20)
			if err != nil || !bytes.Equal(got, jpeg) {
				t.Fatalf("%s: picture %d: %d bytes, %v", algorithm, i, len(got), err)
			}
		}
		if n := cam.refused.Load(); n != 3 {
			t.Errorf("%s: %d challenges for 10 requests with 4 uses of a nonce, want 3", algorithm, n)
		}
		req, _ := http.NewRequest(http.MethodPost, server.URL+"/ISAPI/AccessControl/AcsEvent?format=json", io.MultiReader(strings.NewReader(`{"AcsEventCond":`), strings.NewReader(`{}}`)))
		res, err := c.Do(req, cred)
		if err != nil {
			t.Fatal(err)
		}
		echo, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(echo) != `{"AcsEventCond":{}}` {
			t.Errorf("%s: the body came as %q", algorithm, echo)
		}
		// A wrong password is tried once: devices lock accounts.
		before := cam.requests.Load()
		_, err = c.Picture(context.Background(), server.URL, Credentials{"admin", "wrong"}, 1000)
		if status := new(Status); !errors.As(err, &status) || status.Code != 401 {
			t.Errorf("%s: a wrong password: %v", algorithm, err)
		}
		if n := cam.requests.Load() - before; n != 2 {
			t.Errorf("%s: a wrong password took %d requests, want 2", algorithm, n)
		}
		for range 10 { // the next events of the same camera
			if _, err := c.Picture(context.Background(), server.URL+"/2", Credentials{"admin", "wrong"}, 1000); !errors.As(err, new(*Denied)) {
				t.Errorf("%s: a wrong password again: %v", algorithm, err)
			}
		}
		if n := cam.requests.Load() - before; n != 2 {
			t.Errorf("%s: it was tried again: %d requests", algorithm, n)
		}
		if _, err := c.Picture(context.Background(), server.URL, cred, 1<<20); err != nil {
			t.Errorf("%s: the right password after it: %v", algorithm, err)
		}
	}
}

func TestBasic(t *testing.T) {
	challenges := []string{`Basic realm="x"`}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok || user != "u" || password != "p" {
			for _, c := range challenges {
				rw.Header().Add("WWW-Authenticate", c)
			}
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = rw.Write(jpeg)
	}))
	defer server.Close()
	c := client(t)
	if _, err := c.Picture(context.Background(), server.URL, Credentials{"u", "p"}, 1<<20); err != nil {
		t.Error(err)
	}
	if _, err := c.Picture(context.Background(), server.URL, Credentials{}, 1<<20); err == nil {
		t.Error("a picture without credentials")
	}
	// Where Digest is offered, the password is not sent in the clear.
	challenges = append(challenges, `Digest realm="x", nonce="n", qop="auth"`)
	if _, err := c.Picture(context.Background(), server.URL, Credentials{"u", "p"}, 1<<20); err == nil {
		t.Error("Basic was sent though Digest was offered")
	}
}

func TestPictureLimits(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = rw.Write(make([]byte, 2000))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := rw.Write(jpeg); err != nil {
					return
				}
			}
		case "/html":
			rw.Header().Set("Content-Type", "image/jpeg")
			_, _ = io.WriteString(rw, "<html>login</html>")
		case "/slow":
			_, _ = rw.Write(jpeg[:10])
			_ = http.NewResponseController(rw).Flush()
			<-hold
		case "/never":
			<-hold
		case "/challenge": // a 401 whose body never ends
			rw.Header().Set("WWW-Authenticate", `Digest realm="x", nonce="n", qop="auth"`)
			rw.WriteHeader(http.StatusUnauthorized)
			for r.Context().Err() == nil {
				if _, err := rw.Write(jpeg); err != nil {
					return
				}
			}
		case "/header":
			rw.Header().Set("X", strings.Repeat("x", 100<<10))
		default:
			http.NotFound(rw, r)
		}
	}))
	defer server.Close()
	defer close(hold)
	for path, want := range map[string]string{
		"/long": "more than 1000 bytes", "/endless": "more than 1000 bytes", "/html": "want a picture", "/missing?sign=secret": "404",
		"/slow": "deadline", "/never": "deadline", "/challenge": "401", "/header": "header",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		_, err := client(t).Picture(ctx, server.URL+path, Credentials{"u", "p"}, 1000)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// A certificate that nobody vouches for is taken only if the site says so.
func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = rw.Write(jpeg) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	if _, err := client(t).Picture(context.Background(), server.URL, Credentials{}, 1<<20); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	c := NewClient(Options{Guard: guard(t, "127.0.0.1"), AnyCertificate: true})
	defer c.Close()
	if _, err := c.Picture(context.Background(), server.URL, Credentials{}, 1<<20); err != nil {
		t.Error(err)
	}
}
