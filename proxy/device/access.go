package device

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
)

// Realm is what devices are told that their accounts are of. It is part of
// what a device computes, so it never changes.
const Realm = "yiqiao"

// Access says how the devices of one source prove themselves. The zero Access
// asks for nothing.
type Access struct {
	Kind      string            // none (or ""), token, basic, digest, digest-or-name
	Accounts  map[string]string // passwords by user; of basic and digest
	Tokens    []string          // any of them; of token
	In, Name  string            // where the token stands: query, header or path, under which name
	Addresses []netip.Prefix    // where devices may be; none: anywhere
}

// The kinds of Access.
const (
	None   = "none"
	Token  = "token"
	Basic  = "basic"
	Digest = "digest"
	// DigestOrName takes, beside Digest, an account's user name alone from
	// devices whose header has an empty realm and nonce (some of Dahua's): of
	// these no password is checked.
	DigestOrName = "digest-or-name"
)

// Kinds are the kinds of Access.
func Kinds() []string { return []string{None, Token, Basic, Digest, DigestOrName} }

// Denial says why a request is not let in. Why is a word for metrics.
type Denial struct {
	Status    int
	Why       string
	Challenge []string // values of WWW-Authenticate
	// Asked: the device showed no credentials at all, as the first request of
	// a digest does, so this is no failure.
	Asked bool
}

// Check returns nil for a request that may come in. It reads no body. params
// are the names in the source's path.
func (a *Access) Check(r *http.Request, params map[string]string, nonces *Nonces) *Denial {
	if a == nil {
		return nil
	}
	if !a.near(r.RemoteAddr) {
		return &Denial{Status: http.StatusForbidden, Why: "address"}
	}
	switch a.Kind {
	case Token:
		return a.token(r, params)
	case Basic:
		return a.basic(r)
	case Digest, DigestOrName:
		return a.digest(r, nonces)
	}
	return nil
}

func (a *Access) near(remote string) bool {
	if len(a.Addresses) == 0 {
		return true
	}
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addr := plain(at.Addr())
	for _, p := range a.Addresses {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func (a *Access) token(r *http.Request, params map[string]string) *Denial {
	var got string
	switch a.In {
	case "query":
		got = r.URL.Query().Get(a.Name)
	case "header":
		got = r.Header.Get(a.Name)
	case "path":
		got = params[a.Name]
	}
	if got == "" {
		return &Denial{Status: http.StatusUnauthorized, Why: "no-token"}
	}
	right := 0
	for _, want := range a.Tokens {
		right |= same(got, want)
	}
	if right != 1 {
		return &Denial{Status: http.StatusForbidden, Why: "token"}
	}
	return nil
}

func (a *Access) basic(r *http.Request) *Denial {
	no := func(why string) *Denial {
		return &Denial{Status: http.StatusUnauthorized, Why: why, Challenge: []string{`Basic realm="` + Realm + `", charset="UTF-8"`}, Asked: why == "asked"}
	}
	if r.Header.Get("Authorization") == "" {
		return no("asked")
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return no("credentials")
	}
	want, known := a.Accounts[user]
	// Compared for an unknown user too, so that time does not tell which are known.
	if right := same(password, want); !known || right != 1 {
		return no("password")
	}
	return nil
}

// same compares in a time that depends on neither text's content nor length.
func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}
