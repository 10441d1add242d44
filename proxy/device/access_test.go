package device

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The examples of RFC 7616 3.9.1.
func TestDigestResponse(t *testing.T) {
	for alg, want := range map[string]string{
		"MD5": "8ca523f5e9506fed4657c9700eebdbec", "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		p, ok := parseDigest(`Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=` + alg + `,
       nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
       response="` + want + `", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
		if !ok || p["response"] != want {
			t.Fatalf("%s: %v %v", alg, ok, p)
		}
		if got := response(p, http.MethodGet, "Circle of Life"); got != want {
			t.Errorf("%s: want %s, got %s", alg, want, got)
		}
	}
	if got := response(map[string]string{"algorithm": "SHA-512"}, http.MethodGet, ""); got != "" {
		t.Errorf("an algorithm that is not offered: %q", got)
	}
}

// header is what a device with that password sends for a nonce.
func header(nonce, user, password, uri string, nc int, alg string) string {
	p := map[string]string{"username": user, "realm": Realm, "nonce": nonce, "uri": uri, "qop": "auth", "cnonce": "abc", "nc": fmt.Sprintf("%08x", nc), "algorithm": alg}
	return fmt.Sprintf(`Digest username=%q, realm=%q, nonce=%q, uri=%q, qop=auth, cnonce="abc", nc=%s, algorithm=%s, response=%q`,
		user, Realm, nonce, uri, p["nc"], alg, response(p, http.MethodPost, password))
}

func TestDigestOfDevices(t *testing.T) {
	a := &Access{Kind: Digest, Accounts: map[string]string{"camera": "pass"}}
	n := NewNonces()
	now := time.Unix(1_700_000_000, 0)
	n.now = func() time.Time { return now }
	nonce := n.issue()
	for _, c := range []struct{ name, header, want string }{
		{"nothing", "", "asked"},
		{"good", header(nonce, "camera", "pass", "/a?b=1", 1, "MD5"), ""},
		{"replayed", header(nonce, "camera", "pass", "/a?b=1", 1, "MD5"), "stale"},
		{"next", header(nonce, "camera", "pass", "/a?b=1", 2, "SHA-256"), ""},
		{"with the host", header(nonce, "camera", "pass", "http://h/a?b=1", 3, "MD5"), ""},
		{"other request", header(nonce, "camera", "pass", "/other", 4, "MD5"), "uri"},
		{"wrong password", header(nonce, "camera", "word", "/a?b=1", 5, "MD5"), "password"},
		{"unknown user", header(nonce, "door", "", "/a?b=1", 5, "MD5"), "password"},
		{"no count", strings.Replace(header(nonce, "camera", "pass", "/a?b=1", 5, "MD5"), "nc=00000005", "nc=", 1), "qop"},
		{"forged nonce", header("A"+nonce[1:], "camera", "pass", "/a?b=1", 1, "MD5"), "stale"},
		{"empty realm", `Digest username="camera", realm="", nonce="", uri="/a", response=""`, "realm"},
		{"a name twice", `Digest username="camera", username="door"`, "credentials"},
		{"basic", "Basic Y2FtZXJhOnBhc3M=", "credentials"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/a?b=1", nil)
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		no := a.Check(r, nil, n)
		switch {
		case no == nil && c.want == "":
		case no == nil || no.Why != c.want:
			t.Errorf("%s: want %q, got %+v", c.name, c.want, no)
		case no.Status != http.StatusUnauthorized || len(no.Challenge) != 2 || strings.Contains(no.Challenge[0], "stale=true") != (c.want == "stale"):
			t.Errorf("%s: %+v", c.name, no)
		}
	}
	empty := httptest.NewRequest(http.MethodPost, "/a", nil)
	for user, in := range map[string]bool{"camera": true, "door": false} {
		empty.Header.Set("Authorization", fmt.Sprintf(`Digest username=%q, realm="", nonce="", uri="/a", response=""`, user))
		if no := (&Access{Kind: DigestOrName, Accounts: a.Accounts}).Check(empty, nil, n); (no == nil) != in {
			t.Errorf("%s with an empty realm: %+v", user, no)
		}
	}
}

func TestNonces(t *testing.T) {
	n := NewNonces()
	now := time.Unix(1_700_000_000, 0)
	n.now = func() time.Time { return now }
	nonce := n.issue()
	for _, c := range []struct {
		count uint32
		want  bool
	}{{3, true}, {1, true}, {2, true}, {2, false}, {3, false}, {100, true}, {3, false}, {36, false}, {37, true}, {1 << 31, true}, {100, false}} {
		if got := n.use(nonce, c.count); got != c.want {
			t.Errorf("count %d: want %v, got %v", c.count, c.want, got)
		}
	}
	unused := n.issue()
	now = now.Add(nonceLife + time.Second)
	if n.use(unused, 1) {
		t.Error("an old nonce is good")
	}
	if NewNonces().use(n.issue(), 1) {
		t.Error("a nonce of another process is good")
	}
}

// The table is bounded, and what falls out of it cannot be used again.
func TestNoncesForget(t *testing.T) {
	n := NewNonces()
	n.order = make([]string, 0, 3)
	now := time.Unix(1_700_000_000, 0)
	n.now = func() time.Time { now = now.Add(time.Millisecond); return now }
	first := n.issue()
	late := n.issue() // comes when newer ones are known
	for i := range 5 {
		nonce := first
		if i > 0 {
			nonce = n.issue()
		}
		if !n.use(nonce, 1) {
			t.Fatalf("nonce %d is not good", i)
		}
	}
	if len(n.used) != 3 || len(n.order) != 3 {
		t.Errorf("want 3 in the table, got %d and %d", len(n.used), len(n.order))
	}
	if n.use(first, 1) || n.use(first, 2) || n.use(late, 1) {
		t.Error("one that may have been forgotten is good")
	}
}

func TestAccess(t *testing.T) {
	near := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	token := func(in string) *Access {
		return &Access{Kind: Token, In: in, Name: "key", Tokens: []string{"one", "two"}}
	}
	basic := &Access{Kind: Basic, Accounts: map[string]string{"camera": "pass", "door": "pass2"}}
	for _, c := range []struct {
		name     string
		a        *Access
		remote   string
		target   string
		set      func(*http.Request)
		status   int
		segments map[string]string
	}{
		{name: "nobody asks", a: nil},
		{name: "near", a: &Access{Addresses: near}, remote: "192.0.2.7:1"},
		{name: "near, as IPv6 has it", a: &Access{Addresses: near}, remote: "[::ffff:192.0.2.7]:1"},
		{name: "far", a: &Access{Addresses: near}, remote: "198.51.100.7:1", status: 403},
		{name: "query", a: token("query"), target: "/a?key=two"},
		{name: "query, wrong", a: token("query"), target: "/a?key=three", status: 403},
		{name: "query, none", a: token("query"), target: "/a", status: 401},
		{name: "header", a: token("header"), set: func(r *http.Request) { r.Header.Set("Key", "one") }},
		{name: "path", a: token("path"), segments: map[string]string{"key": "one"}},
		{name: "path, wrong", a: token("path"), segments: map[string]string{"key": "on"}, status: 403},
		{name: "basic", a: basic, set: func(r *http.Request) { r.SetBasicAuth("door", "pass2") }},
		{name: "basic of another", a: basic, set: func(r *http.Request) { r.SetBasicAuth("door", "pass") }, status: 401},
		{name: "basic of nobody", a: basic, set: func(r *http.Request) { r.SetBasicAuth("gate", "") }, status: 401},
		{name: "basic, none", a: basic, status: 401},
	} {
		target := c.target
		if target == "" {
			target = "/a"
		}
		r := httptest.NewRequest(http.MethodPost, target, nil)
		if c.remote != "" {
			r.RemoteAddr = c.remote
		}
		if c.set != nil {
			c.set(r)
		}
		no := c.a.Check(r, c.segments, nil)
		if (no == nil) != (c.status == 0) || no != nil && no.Status != c.status {
			t.Errorf("%s: want %d, got %+v", c.name, c.status, no)
		}
	}
}

func FuzzDigestHeader(f *testing.F) {
	f.Add(`Digest username="a\"b", realm=x , nc=00000001,, qop=auth`)
	f.Add(`Digest username="`)
	f.Add("Digest =")
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := parseDigest(text)
		if ok && (p["username"] == "" || len(text) > maxDigest) {
			t.Errorf("%q: %v", text, p)
		}
		for name := range p {
			if name == "" || name != strings.ToLower(name) {
				t.Errorf("%q: a name %q", text, name)
			}
		}
	})
}
