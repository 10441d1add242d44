package device

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// algorithms are offered in this order: RFC 7616 3.7 has the preferred one
// first, but old devices read the first challenge only, and know MD5.
var algorithms = []struct {
	name string
	make func() hash.Hash
}{{"MD5", md5.New}, {"SHA-256", sha256.New}}

func (a *Access) digest(r *http.Request, nonces *Nonces) *Denial {
	no := func(why string, stale bool) *Denial {
		d := &Denial{Status: http.StatusUnauthorized, Why: why, Asked: why == "asked" || stale}
		nonce := nonces.issue()
		for _, alg := range algorithms {
			c := fmt.Sprintf(`Digest realm="%s", qop="auth", nonce="%s", algorithm=%s`, Realm, nonce, alg.name)
			if stale {
				c += ", stale=true"
			}
			d.Challenge = append(d.Challenge, c)
		}
		return d
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return no("asked", false)
	}
	p, ok := parseDigest(header)
	if !ok {
		return no("credentials", false)
	}
	password, known := a.Accounts[p["username"]]
	if a.Kind == DigestOrName && p["realm"] == "" && p["nonce"] == "" && known {
		return nil
	}
	nc, err := strconv.ParseUint(p["nc"], 16, 32)
	switch {
	case p["realm"] != Realm:
		return no("realm", false)
	case p["qop"] != "auth" || p["cnonce"] == "" || len(p["nc"]) != 8 || err != nil || nc == 0:
		return no("qop", false)
	case !ofRequest(p["uri"], r.RequestURI):
		return no("uri", false)
	}
	want := response(p, r.Method, password)
	if right := same(strings.ToLower(p["response"]), want); want == "" || !known || right != 1 {
		return no("password", false)
	}
	// Only now: whoever does not know a password leaves nothing in the table.
	// Whoever does, and comes with a nonce that is old or was counted already,
	// is told to take the new one.
	if !nonces.use(p["nonce"], uint32(nc)) {
		return no("stale", true)
	}
	return nil
}

// response is what a device that knows the password answers; empty for an
// algorithm that was not offered.
func response(p map[string]string, method, password string) string {
	for _, alg := range algorithms {
		if !strings.EqualFold(p["algorithm"], alg.name) && (p["algorithm"] != "" || alg.name != "MD5") {
			continue
		}
		h := func(parts ...string) string {
			d := alg.make()
			d.Write([]byte(strings.Join(parts, ":")))
			return hex.EncodeToString(d.Sum(nil))
		}
		return h(h(p["username"], p["realm"], password), p["nonce"], p["nc"], p["cnonce"], p["qop"], h(method, p["uri"]))
	}
	return ""
}

// ofRequest tells whether uri is that of the request; devices write it with or
// without the host.
func ofRequest(uri, request string) bool {
	if uri == request {
		return true
	}
	u, err := url.Parse(uri)
	return err == nil && u.Host != "" && u.RequestURI() == request
}

// maxDigest bounds the header that is looked at, in bytes.
const maxDigest = 4096

// parseDigest reads `Digest name=value, name="value"`. A name that comes twice
// makes it none: which one counts would be a guess.
func parseDigest(header string) (map[string]string, bool) {
	scheme, rest, ok := strings.Cut(header, " ")
	if !ok || len(header) > maxDigest || !strings.EqualFold(scheme, "Digest") {
		return nil, false
	}
	p := map[string]string{}
	for rest = strings.Trim(rest, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := p[name]; !ok || name == "" || twice {
			return nil, false
		}
		value, left, ok := digestValue(strings.TrimLeft(after, " \t"))
		if !ok {
			return nil, false
		}
		p[name], rest = value, left
	}
	return p, p["username"] != ""
}

// digestValue reads a token or a quoted string, and returns what follows.
func digestValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexByte(s, ',')
		if i < 0 {
			i = len(s)
		}
		return strings.TrimSpace(s[:i]), s[i:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// Drains tells whether the rest of a body has to be read for the answer to be
// heard: a device that waits for 100 Continue has sent none of it.
func Drains(r *http.Request) bool {
	return r.ContentLength != 0 && r.Header.Get("Expect") == ""
}
