package device

import (
	"net"
	"net/netip"
	"sync"
)

// Connections bounds the connections of a listener.
type Connections struct {
	Total      int // at once; 0: any number
	PerAddress int // at once, of one remote address; 0: any number
	// Refused is told of each connection that is closed unread, and which bound
	// it met: connections or connections-address. It must not block.
	Refused func(remote net.Addr, why string)
}

// Listen returns l within the bounds. A connection above them is closed at
// once, not left waiting: one address that opens many must not keep others
// out of the queue.
func (c Connections) Listen(l net.Listener) net.Listener {
	return &bounded{Listener: l, bounds: c, of: map[netip.Addr]int{}}
}

type bounded struct {
	net.Listener
	bounds Connections

	mu    sync.Mutex
	total int
	of    map[netip.Addr]int // of those that are open: never more than total
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(conn.RemoteAddr())
		why := b.enter(from)
		if why == "" {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { b.leave(from) })}, nil
		}
		_ = conn.Close()
		b.bounds.Refused(conn.RemoteAddr(), why)
	}
}

func (b *bounded) enter(from netip.Addr) (why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.bounds.PerAddress > 0 && b.of[from] >= b.bounds.PerAddress:
		return "connections-address"
	case b.bounds.Total > 0 && b.total >= b.bounds.Total:
		return "connections"
	}
	b.total++
	b.of[from]++
	return ""
}

func (b *bounded) leave(from netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total--
	if b.of[from]--; b.of[from] <= 0 {
		delete(b.of, from)
	}
}

// addressOf is the address without its port, ::ffff:192.0.2.1 as 192.0.2.1.
func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
