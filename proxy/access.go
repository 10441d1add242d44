package proxy

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"yiqiao/proxy/device"
	"yiqiao/transform"
	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// AccessConfig says how the devices of one source prove themselves. A text is
// the kind.
type AccessConfig struct {
	Kind string `yaml:"kind"` // see device.Access
	// Accounts are user:password, one or, as file:NAME, one on each line.
	Accounts string `yaml:"accounts" secret:""`
	Token    string `yaml:"token" secret:""` // one or, as file:NAME, one on each line
	// In and Name say where the token stands: query, header or path (a {name}
	// in the source's listen).
	In        string   `yaml:"in"`
	Name      string   `yaml:"name"`
	Addresses []string `yaml:"addresses"` // addresses and ranges that devices may post from
}

// UnmarshalText reads a kind alone; {kind: …, accounts: …} is read as a section.
func (c *AccessConfig) UnmarshalText(b []byte) error {
	c.Kind = string(b)
	return nil
}

var tokenPlaces = []string{"query", "header", "path"}

// drainTime bounds how long a device that is not let in may go on sending.
const drainTime = 10 * time.Second

// access makes what devices are checked with, and tells k what keeps it from
// that.
func (g *Generation) access(dir string, k *checker) {
	var sources []string
	if g.Rules != nil {
		for _, s := range g.Rules.Sources {
			sources = append(sources, s.Name)
		}
	}
	g.accesses = map[string]*device.Access{}
	for _, name := range slices.Sorted(maps.Keys(g.Config.Access)) {
		path := "access." + name
		if g.Rules != nil && !slices.Contains(sources, name) {
			k.fail(path, "access-source", name, transform.Nearby(name, sources))
			continue
		}
		c := g.Config.Access[name]
		a := &device.Access{Kind: c.Kind, In: c.In, Name: c.Name}
		k.accessKind(path, &c, a, dir)
		for i, text := range c.Addresses {
			p, ok := prefixOf(text)
			k.want(ok, fmt.Sprintf("%s.addresses[%d]", path, i), "access-address", text)
			a.Addresses = append(a.Addresses, p)
		}
		g.accesses[name] = a
	}
}

// accessKind proves what a kind needs, and fills a with it.
func (c *checker) accessKind(path string, a *AccessConfig, into *device.Access, dir string) {
	if a.Kind == "" && len(a.Addresses) > 0 {
		into.Kind = device.None
	}
	c.oneOf(path+".kind", into.Kind, device.Kinds()...)
	switch into.Kind {
	case device.Token:
		into.Tokens = c.secretLines(path+".token", a.Token, dir)
		c.want(len(into.Tokens) > 0, path+".token", "access-token")
		c.oneOf(path+".in", a.In, tokenPlaces...)
		c.want(a.Name != "", path+".name", "access-name")
	case device.Basic, device.Digest, device.DigestOrName:
		into.Accounts = map[string]string{}
		for _, line := range c.secretLines(path+".accounts", a.Accounts, dir) {
			user, password, ok := strings.Cut(line, ":")
			c.want(ok && user != "" && password != "", path+".accounts", "access-accounts")
			into.Accounts[user] = password
		}
		c.want(len(into.Accounts) > 0, path+".accounts", "access-accounts")
	}
	if into.Kind == device.DigestOrName {
		p := c.doc.At(path+".kind", message.New("access-name-only", path+".kind"))
		p.Warning = true
		c.problems = append(c.problems, p)
	}
}

// secretLines are the lines of file:NAME that say something, or the text itself.
func (c *checker) secretLines(path, text, dir string) (lines []string) {
	b, err := fileOrText(dir, text)
	if err != nil {
		c.fail(path, "access-file", err)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// prefixOf reads an address or a range.
func prefixOf(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil
}

// strangers is what the proxy knows of devices that are not let in.
type strangers struct {
	nonces *device.Nonces
	logged *rate.Sometimes
}

func newStrangers() strangers {
	return strangers{nonces: device.NewNonces(), logged: &rate.Sometimes{Interval: refusedLog}}
}

// letIn tells whether a request may come in, or else answers it. Its body is
// read only after that, to be thrown away.
func (p *Proxy) letIn(rw http.ResponseWriter, r *http.Request, g *Generation, source string, params map[string]string) bool {
	no := g.accesses[source].Check(r, params, p.strangers.nonces)
	if no == nil {
		return true
	}
	if no.Asked {
		p.metrics.refusedRequest("access-asked")
	} else {
		p.metrics.refusedRequest("access-" + no.Why)
		p.strangers.logged.Do(func() {
			p.log.Warn("a device was not let in (access in yiqiao.yaml); others are counted", "source", source, "why", no.Why, "remote", r.RemoteAddr)
		})
	}
	for _, c := range no.Challenge {
		rw.Header().Add("WWW-Authenticate", c)
	}
	control := http.NewResponseController(rw)
	_ = control.SetReadDeadline(time.Now().Add(drainTime))
	drain := device.Drains(r) && r.ContentLength <= int64(g.Config.Limits.Body)
	if drain {
		// The answer goes out first: a device may wait for it while it sends.
		_ = control.EnableFullDuplex()
	}
	text := fmt.Sprintf("source %s: not let in\n", source)
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Content-Length", strconv.Itoa(len(text))) // old devices know no chunks
	rw.WriteHeader(no.Status)
	_, _ = io.WriteString(rw, text) // a device that is gone asks again
	if drain {
		_ = control.Flush()
		_, _ = io.CopyN(io.Discard, r.Body, int64(g.Config.Limits.Body)) // what is left ends with the connection
	}
	return false
}

// hideToken takes the token of a source out of what mappings, dead letters and
// people see.
func (g *Generation) hideToken(source string, q *event.Request) {
	a := g.accesses[source]
	if a == nil || a.Kind != device.Token {
		return
	}
	switch a.In {
	case "query":
		delete(q.Query, a.Name)
	case "header":
		delete(q.Header, strings.ToLower(a.Name))
	case "path":
		if token := q.Params[a.Name]; token != "" {
			q.Path = strings.ReplaceAll(q.Path, token, "***")
			q.Params = maps.Clone(q.Params)
			q.Params[a.Name] = "***"
		}
	}
}
