package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// The page runs nothing but its own files, and stands in no other page.
// CodeMirror writes its styles into the document, so those are allowed.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard keeps out who is not to look. A request of another site's page that
// would change something is refused. Then, with a password, who does not know
// it; without one, who is not on this machine, and who asks for a Host that is
// a name: an attacker's may be made to lead to 127.0.0.1 after his page was
// loaded (DNS rebinding), an address may not. Probes and scrapers go through:
// they see nothing of anybody.
func guard(next http.Handler, password func() string) http.Handler {
	protected := http.NewCrossOriginProtection().Handler(next)
	attempts := rate.NewLimiter(rate.Every(time.Second), 10) // wrong passwords, of all who try
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		switch want := password(); {
		case open(r):
		case want != "":
			if knows(r, want) {
				break
			}
			if _, _, tries := r.BasicAuth(); tries && !attempts.Allow() {
				http.Error(w, "译桥：密码错得太多，请稍候 / too many wrong passwords, wait a moment", http.StatusTooManyRequests)
				return
			}
			h.Set("WWW-Authenticate", `Basic realm="yiqiao", charset="UTF-8"`)
			http.Error(w, "译桥：请输入 yiqiao.yaml 里 admin.password 的密码（用户名随意） / the password is admin.password of yiqiao.yaml, with any user", http.StatusUnauthorized)
			return
		case !ours(r):
			http.Error(w, "译桥：请用 IP 地址或 localhost 打开，或设置 admin.password / use the IP address or localhost, or set admin.password", http.StatusMisdirectedRequest)
			return
		case !onLoopback(r) && !strings.HasPrefix(r.URL.Path, "/-/"):
			http.Error(w, "译桥：控制台没有密码时只给本机用；请在 yiqiao.yaml 设置 admin.password / without admin.password the console is for this machine only", http.StatusForbidden)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

// knows tells whether a request brings the password, with any user's name.
func knows(r *http.Request, want string) bool {
	_, got, ok := r.BasicAuth()
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// ours tells whether the request was made to an address or to this machine.
func ours(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "localhost" {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// open tells whether anybody may ask this, by whatever name.
func open(r *http.Request) bool {
	switch r.URL.Path {
	case "/metrics", "/-/healthy", "/-/ready":
		return true
	}
	return false
}

// onLoopback tells whether a request came from this machine itself.
func onLoopback(r *http.Request) bool {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}
