package proxy

import (
	"net"
	"strings"
	"testing"
	"time"
)

// dial opens a plain connection, for requests that net/http would not send.
func dial(t testing.TB, url string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn.(*net.TCPConn)
}
