package device

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Guard says which addresses may be called. The zero Guard allows none: where
// to call is said by what devices send, and whoever can post an event must not
// be able to have us ask the machines behind us (SSRF).
type Guard struct {
	ranges []netip.Prefix
	exact  map[netip.Addr]bool
	hosts  map[string]bool
}

// NewGuard makes a guard of what a site allows: addresses, ranges
// (192.0.2.0/24) and host names.
func NewGuard(allowed []string) (*Guard, error) {
	g := &Guard{exact: map[netip.Addr]bool{}, hosts: map[string]bool{}}
	for _, text := range allowed {
		if err := g.allow(text); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// ErrAllowed says that a text is none of what NewGuard takes.
var ErrAllowed = errors.New("want an address, a range such as 192.0.2.0/24 or a host name, without a port")

func (g *Guard) allow(text string) error {
	if p, err := netip.ParsePrefix(text); err == nil {
		if p.IsSingleIP() {
			g.exact[plain(p.Addr())] = true
			return nil
		}
		if p.Addr().Is4In6() { // ::ffff:192.0.2.0/120
			if p.Bits() < 96 {
				return ErrAllowed
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		g.ranges = append(g.ranges, p.Masked())
		return nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		g.exact[plain(a)] = true
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	if name == "" || len(name) > 253 || strings.Trim(name, "0123456789.") == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r > 0x7f || !(r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z')
	}) {
		return ErrAllowed
	}
	g.hosts[name] = true
	return nil
}

// Refused says that an address may not be called.
type Refused struct {
	Host string // as the URL has it
	Addr netip.Addr
	// Special: the address is one that a range or a host name never opens
	// (loopback, link-local, metadata service, multicast …).
	Special bool
}

func (e *Refused) Error() string {
	if e.Special {
		return fmt.Sprintf("%s (%s) is an address of this machine or its network, which only its own entry in pictures.from opens", e.Host, e.Addr)
	}
	return fmt.Sprintf("%s (%s) is none of the addresses in pictures.from", e.Host, e.Addr)
}

// Check tells whether the address that a host was resolved to may be called.
// It is asked at the moment of the connection, with the address that is dialled:
// a name that resolves to another one the second time gains nothing.
func (g *Guard) Check(host string, addr netip.Addr) error {
	addr = plain(addr)
	if g.exact[addr] {
		return nil
	}
	inner := embedded(addr)
	if special(addr) || inner.IsValid() && special(inner) {
		return &Refused{Host: host, Addr: addr, Special: true}
	}
	if g.hosts[hostName(host)] {
		return nil
	}
	for _, p := range g.ranges {
		// Of an address that carries another one, both have to be allowed.
		if p.Contains(addr) && (!inner.IsValid() || g.contains(inner)) {
			return nil
		}
	}
	return &Refused{Host: host, Addr: addr}
}

func (g *Guard) contains(addr netip.Addr) bool {
	for _, p := range g.ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return g.exact[addr]
}

// checkDial is Check of what a dialler is about to connect to.
func (g *Guard) checkDial(host, network, address string) error {
	if !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("no connection by %s", network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("no address in %q", address)
	}
	return g.Check(host, ap.Addr())
}

// plain is an address in the one form that is compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func hostName(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}

// specials are what no range opens, beside what netip knows by itself.
var specials = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),          // this network: 0.1.2.3 reaches this host on some systems
	netip.MustParsePrefix("240.0.0.0/4"),        // reserved, broadcast
	netip.MustParsePrefix("192.0.0.192/32"),     // metadata: Oracle
	netip.MustParsePrefix("100.100.100.200/32"), // metadata: Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),   // metadata: Azure
	netip.MustParsePrefix("fd00:ec2::/32"),      // metadata: AWS
	netip.MustParsePrefix("fec0::/10"),          // site-local, what link-local was once
}

func special(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return true
	}
	for _, p := range specials {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	compatible = netip.MustParsePrefix("::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
)

// embedded is the IPv4 address that an IPv6 address leads to, if it is of a
// form that carries one.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return netip.Addr{}
	}
	b := a.As16()
	switch {
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case nat64.Contains(a), nat64Local.Contains(a), compatible.Contains(a), translated.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.Addr{}
}
