package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	slots        = 16384
	clusterLimit = 30 * time.Second
)

// RedisCluster is a Redis Cluster of real servers that live as long as one
// test.
type RedisCluster struct {
	Masters  []*RedisServer   // by the slots that they began with, in order
	Replicas [][]*RedisServer // by master
}

// StartCluster starts masters with the slots shared out evenly and replicas
// for each, and waits until all know each other and the replicas follow. A
// master that ends is replaced by its replica after about two seconds.
func StartCluster(t testing.TB, masters, replicasEach int, config ...string) *RedisCluster {
	t.Helper()
	servers := make([]*RedisServer, masters*(1+replicasEach))
	for i := range servers {
		servers[i] = StartRedis(t, append([]string{
			"cluster-enabled yes", "cluster-port " + strconv.Itoa(freePort(t)), "cluster-node-timeout 1000",
			"cluster-replica-validity-factor 0", "repl-diskless-sync-delay 0",
		}, config...)...)
	}
	c := &RedisCluster{Masters: servers[:masters]}
	for i := range masters {
		first := masters + i*replicasEach
		c.Replicas = append(c.Replicas, servers[first:first+replicasEach])
	}
	ctx, cancel := context.WithTimeout(context.Background(), clusterLimit)
	defer cancel()
	for i, m := range c.Masters {
		m.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		m.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", i*slots/masters, (i+1)*slots/masters-1)
	}
	for _, s := range servers[1:] {
		host, port, _ := strings.Cut(s.Addr(), ":")
		bus := s.info(ctx, "CONFIG", "GET", "cluster-port")
		servers[0].Do(ctx, "CLUSTER", "MEET", host, port, bus[len(bus)-1])
	}
	for _, s := range servers {
		s.AwaitLine(ctx, fmt.Sprintf("cluster_known_nodes:%d", len(servers)), "CLUSTER", "INFO")
	}
	for i, replicas := range c.Replicas {
		id := c.Masters[i].Do(ctx, "CLUSTER", "MYID")
		for _, r := range replicas {
			r.Do(ctx, "CLUSTER", "REPLICATE", id)
		}
	}
	for i, s := range servers {
		s.AwaitLine(ctx, "cluster_state:ok", "CLUSTER", "INFO")
		if i >= masters {
			s.AwaitLine(ctx, "master_link_status:up", "INFO", "replication")
		}
	}
	// A client that asks a replica for the slots must see the replicas as such.
	for _, s := range servers {
		s.await(ctx, "all replicas", func() bool {
			return strings.Count(fmt.Sprint(s.Do(ctx, "CLUSTER", "NODES")), "slave") == masters*replicasEach
		})
	}
	return c
}

// URL names all masters.
func (c *RedisCluster) URL() string {
	url := c.Masters[0].URL() + "?"
	for i, s := range c.Masters {
		if i > 0 {
			url += "&"
		}
		url += "addr=" + s.Addr()
	}
	return url
}

// Owner is the master that holds the slot of a key.
func (c *RedisCluster) Owner(ctx context.Context, key string) *RedisServer {
	s := c.Masters[0]
	s.t.Helper()
	slot, _ := s.Do(ctx, "CLUSTER", "KEYSLOT", key).(int64)
	ranges, _ := s.Do(ctx, "CLUSTER", "SLOTS").([]any)
	for _, r := range ranges {
		r := r.([]any)
		if from, to := r[0].(int64), r[1].(int64); slot < from || to < slot {
			continue
		}
		port := int(r[2].([]any)[1].(int64))
		for _, m := range c.Masters {
			if m.port == port {
				return m
			}
		}
	}
	s.t.Fatalf("no master has slot %d", slot)
	return nil
}

// Move gives the slot of a key from one master to another, key by key as
// redis-cli --cluster does; between is called after each handful of keys.
func (c *RedisCluster) Move(ctx context.Context, key string, to *RedisServer, between func()) {
	from := c.Owner(ctx, key)
	from.t.Helper()
	slot := from.Do(ctx, "CLUSTER", "KEYSLOT", key)
	source, target := from.Do(ctx, "CLUSTER", "MYID"), to.Do(ctx, "CLUSTER", "MYID")
	to.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", source)
	from.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", target)
	host, port, _ := strings.Cut(to.Addr(), ":")
	for {
		between()
		keys := from.Do(ctx, "CLUSTER", "GETKEYSINSLOT", slot, 5).([]any)
		if len(keys) == 0 {
			break
		}
		from.Do(ctx, append([]any{"MIGRATE", host, port, "", 0, 5000, "KEYS"}, keys...)...)
	}
	for _, s := range []*RedisServer{to, from} {
		s.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", target)
	}
}

// Sentinels are Redis Sentinels that watch over one master.
type Sentinels []*RedisServer

// StartSentinels starts n sentinels that know the master under the name
// "main" and promote a replica when it is gone for half a second. It waits
// until they know each other and all replicas.
func StartSentinels(t testing.TB, n, replicas int, master *RedisServer) Sentinels {
	t.Helper()
	host, port, _ := strings.Cut(master.Addr(), ":")
	var out Sentinels
	for range n {
		dir := t.TempDir()
		file := filepath.Join(dir, "sentinel.conf")
		text := fmt.Sprintf("sentinel monitor main %s %s %d\nsentinel down-after-milliseconds main 500\n"+
			"sentinel failover-timeout main 3000\n", host, port, n/2+1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out = append(out, startRedis(t, dir, func(port int) []string {
			return []string{file, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--sentinel"}
		}))
	}
	ctx, cancel := context.WithTimeout(context.Background(), clusterLimit)
	defer cancel()
	for _, s := range out {
		s.AwaitLine(ctx, fmt.Sprintf("slaves=%d,sentinels=%d", replicas, n), "INFO", "sentinel")
	}
	return out
}

// URL names all sentinels.
func (s Sentinels) URL() string {
	url := s[0].URL() + "?master_name=main"
	for _, more := range s[1:] {
		url += "&addr=" + more.Addr()
	}
	return url
}

// Do sends one command and ends the test if the server refuses it.
func (s *RedisServer) Do(ctx context.Context, args ...any) any {
	s.t.Helper()
	answer, err := s.try(ctx, args...)
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return answer
}

func (s *RedisServer) try(ctx context.Context, args ...any) (any, error) {
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DisableIdentity: true, Protocol: 2})
	defer client.Close()
	return client.Do(ctx, args...).Result()
}

// info gives the lines or elements of an answer.
func (s *RedisServer) info(ctx context.Context, args ...any) []string {
	answer, err := s.try(ctx, args...)
	if list, ok := answer.([]any); ok {
		var out []string
		for _, v := range list {
			out = append(out, fmt.Sprint(v))
		}
		return out
	}
	if err != nil {
		return []string{err.Error()}
	}
	return strings.Fields(fmt.Sprint(answer))
}

// AwaitLine asks until a line of the answer contains want.
func (s *RedisServer) AwaitLine(ctx context.Context, want string, args ...any) {
	s.t.Helper()
	var last []string
	s.await(ctx, want, func() bool {
		last = s.info(ctx, args...)
		return strings.Contains(strings.Join(last, "\n"), want)
	})
}

// await polls a condition until it holds or ctx ends, which ends the test.
func (s *RedisServer) await(ctx context.Context, what string, holds func() bool) {
	s.t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s: waited in vain for %q", s.Addr(), what)
		case <-poll.C:
		}
	}
}
