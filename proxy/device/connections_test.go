package device

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// dial opens a connection from a loopback address of its own.
func dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp4", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	return c
}

func TestConnections(t *testing.T) {
	plain, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	why := make(chan string, 16)
	taken := make(chan net.Conn, 16)
	l := Connections{Total: 3, PerAddress: 2, Refused: func(_ net.Addr, w string) { why <- w }}.Listen(plain)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			taken <- c
		}
	}()
	to := l.Addr().String()
	refused := func(from, want string) {
		t.Helper()
		c := dial(t, from, to)
		if got := <-why; got != want {
			t.Errorf("from %s: refused by %s, want %s", from, got, want)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("from %s: the connection was not closed: %v", from, err)
		}
	}
	dial(t, "127.0.0.1", to)
	first := <-taken
	dial(t, "127.0.0.1", to)
	<-taken
	refused("127.0.0.1", "connections-address")
	dial(t, "127.0.0.2", to) // another address does not notice
	<-taken
	refused("127.0.0.3", "connections")

	// Closed twice, as net/http does: it counts once.
	_ = first.Close()
	_ = first.Close()
	dial(t, "127.0.0.1", to)
	<-taken
	refused("127.0.0.1", "connections-address")
	b := l.(*bounded)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total != 3 || len(b.of) != 2 || b.of[netip.MustParseAddr("127.0.0.1")] != 2 {
		t.Errorf("counted %d, %v", b.total, b.of)
	}
}
