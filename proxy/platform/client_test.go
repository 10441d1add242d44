package platform_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/platform"
)

const appKey = "TestKey/译 桥+7"

// newServer answers on loopback and ends with the test.
func newServer(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server
}

func newClient(t *testing.T, cfg platform.Config) *platform.Client {
	t.Helper()
	if cfg.AppKey == "" {
		cfg.AppKey = appKey
	}
	c, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func post(t *testing.T, c *platform.Client) platform.Verdict {
	t.Helper()
	v := c.Post(t.Context(), "stk/zpjl", []byte(`{"encrypted":"","requestData":""}`))
	masked(t, v.String(), v.Chinese(), v.Code, v.Message, fmt.Sprintf("%+v", v))
	return v
}

// masked fails if the appKey is in any of the texts, in whatever form.
func masked(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		for _, secret := range []string{appKey, url.QueryEscape(appKey), url.PathEscape(appKey), "TestKey"} {
			if strings.Contains(s, secret) {
				t.Errorf("%q is in %q", secret, s)
			}
		}
	}
}

func TestRequest(t *testing.T) {
	const envelope = `{"encrypted":"a","requestData":"b"}`
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/api/v1/stk/zpjl" || r.URL.Query().Get("appKey") != appKey ||
			r.Header.Get("Content-Type") != "application/json" || string(body) != envelope ||
			r.ContentLength != int64(len(envelope)) || r.Proto != "HTTP/1.1" {
			t.Errorf("got %s %s %v %q", r.Method, r.URL, r.Header, body)
		}
		io.WriteString(w, `{"code":"0","errMsg":"","data":{}}`)
	})
	for _, base := range []string{server.URL + "/api/v1", server.URL + "/api/v1/", " " + server.URL + "/api/v1\n"} {
		v := newClient(t, platform.Config{URL: base}).Post(t.Context(), "stk/zpjl", []byte(envelope))
		if v.Kind != platform.Delivered || v.HTTP != 200 || v.Code != "0" || v.Latency <= 0 {
			t.Errorf("%q: %+v", base, v)
		}
	}
}

func TestVerdicts(t *testing.T) {
	const spring = `{"timestamp":"2026-01-02T03:04:05.000+0000","status":400,"error":"Bad Request",` +
		`"message":"Required request body is missing","path":"/api/v1/stk/zpjl"}`
	later, rejected, wrong := platform.Later, platform.Rejected, platform.Misconfigured
	tests := []struct {
		name, body string
		status     int
		want       string // the verdict's line without its time
		kind       platform.Kind
	}{
		{"success", `{"code":"0"}`, 200, `delivered: answered: HTTP 200: code "0"`, platform.Delivered},
		{"number", `{"code":0,"errMsg":null}`, 200, `delivered: answered: HTTP 200: code "0"`, platform.Delivered},
		{"byte order mark", "\ufeff {\"code\": \"0\"}\n", 200, `delivered: answered: HTTP 200: code "0"`, platform.Delivered},
		{"created", `{"code":0}`, 201, `delivered: answered: HTTP 201: code "0"`, platform.Delivered},
		{"rejected", `{"code":"1001","errMsg":"抓拍时间\n格式错误"}`, 200,
			`rejected: answered: HTTP 200: code "1001": "抓拍时间 格式错误"`, rejected},
		{"negative", `{"code":-1,"msg":"x"}`, 200, `rejected: answered: HTTP 200: code "-1": "x"`, rejected},
		{"listed by the site", `{"code":"1003","errMsg":"繁忙"}`, 200,
			`later: answered: HTTP 200: code "1003": "繁忙"`, later},
		{"listed, with a status", `{"code":"1003"}`, 400, `later: answered: HTTP 400: code "1003"`, later},
		{"listed success", `{"code":200}`, 200, `delivered: answered: HTTP 200: code "200"`, platform.Delivered},
		{"appKey refused", `{"code":"401","errMsg":"appKey ` + appKey + ` 无效"}`, 200,
			`misconfigured: answered: HTTP 200: code "401": "appKey *** 无效"`, wrong},
		{"limited by code", `{"code":429}`, 200, `later: answered: HTTP 200: code "429"`, later},
		{"undecryptable", spring, 400,
			`misconfigured: refused: HTTP 400: "Required request body is missing"`, wrong},
		{"not found", `<html><head><TITLE>404 &lt;Not Found&gt;</TITLE></head></html>`, 404,
			`misconfigured: refused: HTTP 404: "404 <Not Found>"`, wrong},
		{"unauthorized", ``, 401, `misconfigured: refused: HTTP 401`, wrong},
		{"too large", `<html><title>413 Request Entity Too Large</title></html>`, 413,
			`rejected: too-large: HTTP 413: "413 Request Entity Too Large"`, rejected},
		{"a page", `<!DOCTYPE html><title>登录</title>`, 200,
			`misconfigured: unreadable: HTTP 200: "want JSON with a code, got the HTML page \"登录\""`, wrong},
		{"empty", ``, 200, `misconfigured: unreadable: HTTP 200: "want JSON with a code, got an empty answer"`, wrong},
		{"text", `ok`, 200, `misconfigured: unreadable: HTTP 200: "want JSON with a code, got \"ok\""`, wrong},
		{"an array", `[]`, 200, `misconfigured: unreadable: HTTP 200: "want JSON with a code, got \"[]\""`, wrong},
		{"no code", `{"message":"hi"}`, 200,
			`misconfigured: unreadable: HTTP 200: "want JSON with a code, got JSON without one: hi"`, wrong},
		{"empty code", `{"code":"","errMsg":"","data":{}}`, 200,
			`misconfigured: unreadable: HTTP 200: "want JSON with a code, got JSON without one:"`, wrong},
		{"endless", `{"code":"0","data":"` + strings.Repeat("x", 64<<10) + `"}`, 200,
			`misconfigured: unreadable: HTTP 200: "want JSON with a code, got more than 65536 bytes"`, wrong},
		{"server error", `{"status":500,"message":"NullPointerException"}`, 500,
			`later: server-error: HTTP 500: "NullPointerException"`, later},
		{"gateway", `<html><title>502 Bad Gateway</title></html>`, 502,
			`later: server-error: HTTP 502: "502 Bad Gateway"`, later},
		{"limited", ``, 429, `later: busy: HTTP 429, again after 7s`, later},
		{"unavailable", ``, 503, `later: server-error: HTTP 503, again after 7s`, later},
	}
	for _, test := range tests {
		server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if test.status == 429 || test.status == 503 {
				w.Header().Set("Retry-After", "7")
			}
			w.WriteHeader(test.status)
			io.WriteString(w, test.body)
		})
		codes := map[string]platform.Kind{"1003": later, "200": platform.Delivered}
		v := post(t, newClient(t, platform.Config{URL: server.URL, Codes: codes}))
		if v.Kind != test.kind {
			t.Errorf("%s: kind %s, want %s", test.name, v.Kind, test.kind)
		}
		v.Latency = 0
		if got := v.String(); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

func TestVerdictOfErrors(t *testing.T) {
	hang := make(chan struct{})
	release := sync.OnceFunc(func() { close(hang) })
	defer release()
	slow := newServer(t, func(w http.ResponseWriter, r *http.Request) { <-hang })
	t.Cleanup(release) // before the server's Close, which waits for the handler
	trickle := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"code":`)
		w.(http.Flusher).Flush()
		<-hang
	})
	t.Cleanup(release)
	dropped := newServer(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = nil
	plain := newServer(t, func(w http.ResponseWriter, r *http.Request) {})
	closed := httptest.NewServer(nil)
	closed.Close()

	tests := []struct {
		name, url string
		kind      platform.Kind
		why       platform.Why
	}{
		{"silent", slow.URL, platform.Later, platform.Timeout},
		{"stops in the middle", trickle.URL, platform.Later, platform.Timeout},
		{"drops", dropped.URL, platform.Later, platform.Network},
		{"away", closed.URL, platform.Later, platform.Network},
		{"unknown certificate", secure.URL, platform.Misconfigured, platform.Untrusted},
		{"https to http", strings.Replace(plain.URL, "http:", "https:", 1), platform.Misconfigured, platform.Untrusted},
	}
	for _, test := range tests {
		cfg := platform.Config{URL: test.url}
		if test.why == platform.Timeout {
			cfg.Timeout = 200 * time.Millisecond
		}
		c := newClient(t, cfg)
		v := post(t, c)
		if v.Kind != test.kind || v.Why != test.why || v.HTTP != 0 || v.Message == "" {
			t.Errorf("%s: %s", test.name, v)
		}
		masked(t, c.String())
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v := newClient(t, platform.Config{URL: slow.URL}).Post(ctx, "xq", []byte("{}")); v.Why != platform.Canceled || !v.Blameless() {
		t.Errorf("canceled: %s", v)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"code":"0"}`)
	}))
	defer server.Close()
	trust := server.Client().Transport.(*http.Transport).TLSClientConfig
	for name, cfg := range map[string]platform.Config{
		"tls":    {URL: server.URL, TLS: trust},
		"client": {URL: server.URL, Client: server.Client()},
		"dial": {URL: "https://platform.example:1", TLS: &tls.Config{RootCAs: trust.RootCAs, ServerName: "example.com"},
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
			}},
	} {
		if v := post(t, newClient(t, cfg)); v.Kind != platform.Delivered {
			t.Errorf("%s: %s", name, v)
		}
	}
}

// TestRedirects: a record goes to no other host and never becomes a GET.
func TestRedirects(t *testing.T) {
	var elsewhere atomic.Int32
	other := newServer(t, func(w http.ResponseWriter, r *http.Request) { elsewhere.Add(1) })
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/same/xq":
			http.Redirect(w, r, "/final?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
		case "/get/xq":
			http.Redirect(w, r, "/final", http.StatusFound)
		case "/other/xq":
			http.Redirect(w, r, other.URL+"/x?"+r.URL.RawQuery, http.StatusPermanentRedirect)
		case "/loop/xq":
			http.Redirect(w, r, "/loop/xq", http.StatusTemporaryRedirect)
		case "/final":
			if r.Method != "POST" || string(body) != "{}" || r.URL.Query().Get("appKey") != appKey {
				t.Errorf("got %s %s %q", r.Method, r.URL, body)
			}
			io.WriteString(w, `{"code":"0"}`)
		}
	})
	for path, want := range map[string]string{
		"same":  `delivered: answered: HTTP 200: code "0"`,
		"get":   `misconfigured: redirected: HTTP 302: "redirected to /final"`,
		"other": `misconfigured: redirected: HTTP 308: "redirected to ` + other.URL + `/x"`,
		"loop":  `misconfigured: redirected: HTTP 307: "redirected to /loop/xq"`,
	} {
		v := newClient(t, platform.Config{URL: server.URL + "/" + path}).Post(t.Context(), "xq", []byte("{}"))
		v.Latency = 0
		if got := v.String(); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
		masked(t, v.String(), v.Chinese())
	}
	if elsewhere.Load() != 0 {
		t.Error("a record went to another host")
	}
}

// TestLoan: after Post has returned nobody reads the envelope any more, even if
// the server answered before it had read it, or never did. The race detector is
// the judge.
func TestLoan(t *testing.T) {
	// net/http tells a handler that its client has gone only when the body was
	// read: these hang until the end of the test.
	ended := make(chan struct{})
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "hang") {
			<-ended
			return
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	t.Cleanup(func() { close(ended) })
	c := newClient(t, platform.Config{URL: server.URL, Timeout: 50 * time.Millisecond, Breaker: platform.Breaker{Failures: 1000}})
	envelope := make([]byte, 8<<20)
	for i := range 20 {
		c.Post(t.Context(), []string{"early", "hang"}[i%2], envelope)
		for j := range envelope {
			envelope[j] = byte(i)
		}
	}
}

func TestBadConfig(t *testing.T) {
	tests := []struct {
		cfg  platform.Config
		want string
	}{
		{platform.Config{AppKey: appKey}, "url: want http://HOST:PORT/api/v1"},
		{platform.Config{URL: "192.0.2.1:8000/api/v1", AppKey: appKey}, "url: first path segment in URL cannot contain colon"},
		{platform.Config{URL: "ftp://192.0.2.1", AppKey: appKey}, "url: want http://HOST:PORT/api/v1"},
		{platform.Config{URL: "http://u:p@192.0.2.1", AppKey: appKey}, "url: want no user and password in it"},
		{platform.Config{URL: "http://192.0.2.1?appKey=" + url.QueryEscape(appKey), AppKey: appKey},
			"url: want it to end before the question mark: the appKey has its own setting"},
		{platform.Config{URL: "http://192.0.2.1/api/v1", AppKey: " \n"},
			"appKey: is empty: want the caller's id given by the platform's administrator"},
		{platform.Config{URL: "http://192.0.2.1/api/v1", AppKey: appKey, Timeout: -1},
			"timeout, pause, breaker: want no negative values"},
	}
	for _, test := range tests {
		_, err := platform.New(test.cfg)
		if err == nil || err.Error() != test.want {
			t.Errorf("%+v: %v, want %s", test.cfg.URL, err, test.want)
		} else {
			masked(t, err.Error())
		}
	}
}
