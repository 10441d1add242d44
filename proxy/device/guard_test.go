package device

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func guard(t *testing.T, allowed ...string) *Guard {
	t.Helper()
	g, err := NewGuard(allowed)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGuard(t *testing.T) {
	everything := []string{"0.0.0.0/0", "::/0"}
	tests := []struct {
		allowed []string
		host    string // empty: the address itself
		addr    string
		ok      bool
	}{
		{nil, "", "192.0.2.1", false},
		{[]string{"192.0.2.0/24"}, "", "192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, "", "::ffff:192.0.2.1", true},
		{[]string{"::ffff:192.0.2.0/120"}, "", "192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, "", "192.0.3.1", false},
		{[]string{"192.0.2.7"}, "", "192.0.2.7", true},
		{[]string{"192.0.2.7/32"}, "", "192.0.2.8", false},
		{[]string{"ISC.example.com"}, "isc.example.com.:443", "192.0.2.7", true},
		{[]string{"isc.example.com"}, "evil.isc.example.com", "192.0.2.7", false},
		// A name never opens what is special, whatever it resolves to.
		{[]string{"isc.example.com"}, "isc.example.com", "127.0.0.1", false},
		{[]string{"isc.example.com"}, "isc.example.com", "169.254.169.254", false},
		{[]string{"127.0.0.1"}, "anything", "127.0.0.1", true},
		{[]string{"127.0.0.1"}, "", "127.0.0.2", false},
		{[]string{"127.0.0.0/8"}, "", "127.0.0.1", false},
		{[]string{"169.254.1.64"}, "", "169.254.1.64", true},
		{[]string{"2001:db8::/32"}, "", "2001:db8::7", true},
		{[]string{"2001:db8::/32"}, "", "2001:db9::7", false},
		{[]string{"64:ff9b::/96", "192.0.2.0/24"}, "", "64:ff9b::192.0.2.7", true},
		{[]string{"64:ff9b::/96"}, "", "64:ff9b::192.0.2.7", false},
		{[]string{"10.0.0.0/8"}, "", "10.1.2.3", true},
	}
	for _, special := range []string{
		"127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "0.1.2.3", "169.254.169.254", "169.254.7.7", "fe80::1", "fe80::1%eth0", "fec0::1",
		"224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255", "240.0.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "::ffff:0:127.0.0.1",
	} {
		tests = append(tests, struct {
			allowed []string
			host    string
			addr    string
			ok      bool
		}{everything, "", special, false})
	}
	for _, tt := range tests {
		host := tt.host
		if host == "" {
			host = tt.addr
		}
		err := guard(t, tt.allowed...).Check(host, netip.MustParseAddr(tt.addr))
		if (err == nil) != tt.ok {
			t.Errorf("%v: Check(%q, %s) = %v, want allowed %v", tt.allowed, host, tt.addr, err, tt.ok)
		}
	}
}

func TestGuardRefusesEntries(t *testing.T) {
	for _, text := range []string{"", "http://192.0.2.1/", "192.0.2.1:80", "isc.example.com:443", "192.0.2", "2130706433", "::ffff:0.0.0.0/90", "192.0.2.0/33", "host name", "主机"} {
		if _, err := NewGuard([]string{text}); err == nil {
			t.Errorf("NewGuard(%q) allows something", text)
		}
	}
}

// A server on a special address that nobody may ask: each form of its address
// is refused before a byte is sent.
func TestForgedAddresses(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	c := NewClient(Options{Guard: guard(t, "0.0.0.0/0", "::/0", "localhost", "isc.example.com")})
	defer c.Close()
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "[::1]", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1."} {
		if _, err := c.Picture(context.Background(), "http://"+host+":"+port+"/", Credentials{}, 1000); err == nil {
			t.Errorf("http://%s was asked", host)
		}
	}
	for _, address := range []string{"file:///etc/passwd", "gopher://127.0.0.1:" + port + "/", "ftp://192.0.2.1/", "//127.0.0.1/", "/etc/passwd", "http://", "http:127.0.0.1", "data:image/jpeg;base64,/9j/", "http://%zz/"} {
		if _, err := c.Picture(context.Background(), address, Credentials{}, 1000); !errors.Is(err, ErrScheme) {
			t.Errorf("%s: %v, want %v", address, err, ErrScheme)
		}
	}
	if asked > 0 {
		t.Errorf("the server was asked %d times", asked)
	}
}

// A redirect to where the site does not allow is not followed.
func TestRedirects(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer secret.Close()
	inside := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the credentials went to another host")
		}
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	inside.Listener = listen(t, "127.0.0.3:0")
	inside.Start()
	defer inside.Close()
	var to string
	door := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, to, http.StatusFound) }))
	door.Listener = listen(t, "127.0.0.2:0")
	door.Start()
	defer door.Close()
	c := NewClient(Options{Guard: guard(t, "127.0.0.2", "127.0.0.3", "0.0.0.0/0")})
	defer c.Close()
	tests := []struct{ to, want string }{
		{secret.URL, "only its own entry"},
		{"http://169.254.169.254/latest/meta-data/", "only its own entry"},
		{"file:///etc/passwd", ErrScheme.Error()},
		{door.URL, "more than 5 redirects"},
		{inside.URL, "401"},
	}
	for _, tt := range tests {
		to = tt.to
		if _, err := c.Picture(context.Background(), door.URL, Credentials{"admin", "pw"}, 1000); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("a redirect to %s: %v, want %q", tt.to, err, tt.want)
		}
	}
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A name that resolves to an allowed address when it is looked at and to
// another one when it is dialled: what counts is what is dialled.
func TestRebinding(t *testing.T) {
	g := guard(t, "192.0.2.0/24")
	if err := g.checkDial("rebind.example.com:80", "tcp4", "192.0.2.7:80"); err != nil {
		t.Fatal(err)
	}
	if err := g.checkDial("rebind.example.com:80", "tcp4", "127.0.0.1:80"); err == nil {
		t.Error("the second address was allowed")
	}
	// The same through the dialler and the resolver: localhost is a name whose
	// addresses no rule for names opens.
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") }))
	defer server.Close()
	c := NewClient(Options{Guard: guard(t, "localhost")})
	defer c.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	_, err := c.Picture(context.Background(), "http://localhost:"+port, Credentials{}, 1000)
	if refused := new(Refused); !errors.As(err, &refused) || !refused.Special {
		t.Errorf("got %v, want it refused as special", err)
	}
}
