package redis

import (
	"context"
	"net"
	"testing"
	"time"

	"yiqiao/proxy/store/storetest"
)

// TestSentinel kills the master during traffic; the sentinels promote one of
// two replicas, and the store finds it and goes on. Nothing that was
// acknowledged is lost.
func TestSentinel(t *testing.T) {
	master := storetest.StartRedis(t, "repl-diskless-sync-delay 0")
	host, port, _ := net.SplitHostPort(master.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var replicas []*storetest.RedisServer
	for range 2 {
		r := storetest.StartRedis(t, "replicaof "+host+" "+port, "repl-diskless-sync-delay 0")
		r.AwaitLine(ctx, "master_link_status:up", "INFO", "replication")
		replicas = append(replicas, r)
	}
	sentinels := storetest.StartSentinels(t, 3, len(replicas), master)
	s := open(t, sentinels.URL(), Options{Replicas: 1})
	w := begin(t, s, 4, 2*time.Second)
	w.await(30)
	master.Kill()
	w.await(30)
	w.account(true)
	if got := s.State(); got != "ok" {
		t.Errorf("State = %q, want ok", got)
	}
}
