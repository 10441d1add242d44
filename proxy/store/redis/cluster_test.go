package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

// TestCluster runs the whole contract and the life of a cluster against three
// masters with a replica each.
func TestCluster(t *testing.T) {
	cluster := storetest.StartCluster(t, 3, 1, "appendfsync no") // speed only: nothing is started again from its file alone
	t.Run("conformance", func(t *testing.T) {
		conform(t, cluster.URL(), 16, func(t *testing.T) store.Store {
			small := storetest.StartCluster(t, 3, 0, "maxmemory 12mb", "appendfsync no")
			return open(t, small.URL(), Options{})
		})
	})
	t.Run("partitions are on all masters", func(t *testing.T) { testSpread(t, cluster) })
	t.Run("slots move during traffic", func(t *testing.T) { testMove(t, cluster) })
	t.Run("a replica takes over during traffic", func(t *testing.T) { testTakeOver(t, cluster) })
}

func testSpread(t *testing.T, cluster *storetest.RedisCluster) {
	s := open(t, cluster.URL(), Options{})
	if s.options.Partitions != defaultPartitions {
		t.Fatalf("%d partitions, want %d", s.options.Partitions, defaultPartitions)
	}
	owners := map[*storetest.RedisServer]int{}
	for p := range s.options.Partitions {
		owners[cluster.Owner(t.Context(), s.tag(p))]++
	}
	if len(owners) != 3 {
		t.Errorf("the partitions are on %d masters, want 3", len(owners))
	}
}

// testMove moves the slot of a partition there and back while entries come and
// go, in that partition too.
func testMove(t *testing.T, cluster *storetest.RedisCluster) {
	s := open(t, cluster.URL(), Options{Prefix: "move"})
	hasty := open(t, cluster.URL(), Options{Prefix: "move", patience: 1})
	w := begin(t, s, 6, time.Minute)
	w.await(30)
	p := s.partition("lane 0")
	refused := 0
	for i := range 4 {
		from := cluster.Owner(t.Context(), s.tag(p))
		to := cluster.Masters[(i+1)%3]
		if to == from {
			to = cluster.Masters[(i+2)%3]
		}
		// A backlog that nobody delivers meanwhile, so that there is something
		// to move.
		for n := range 20 {
			e := entry(1000*i+n, fmt.Sprintf("backlog %d", n), 10)
			e.Group, e.Dead = "lane 0", &store.Reason{Class: store.Unmapped}
			admit(t, s, e)
		}
		cluster.Move(t.Context(), s.tag(p), to, func() {
			w.await(1) // other partitions go on
			e := entry(9999, "refused", 10)
			e.Group = "lane 0"
			_, err := hasty.Admit(t.Context(), start(), []store.Entry{e})
			switch {
			case err == nil:
				t.Error("an entry was admitted into a partition that was being moved")
			case errors.Is(err, store.ErrUncertain):
				t.Errorf("Admit: %v, want a plain refusal", err)
			default:
				refused++
			}
		})
		if _, err := hasty.Stats(t.Context(), time.Now()); err != nil {
			t.Errorf("Stats after a move, at the first try: %v", err)
		}
		w.await(10)
	}
	if refused == 0 {
		t.Error("no admission met the move")
	}
	w.account(false)
	wantWhole(t, s, 80)
}

// wantWhole compares what is counted, what is listed and what lies there.
func wantWhole(t *testing.T, s *Store, want int) {
	t.Helper()
	stats, err := s.Stats(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context(), store.Filter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	entries, bodies := 0, 0
	nodes, err := s.masters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		keys, err := n.Keys(t.Context(), "{"+s.options.Prefix+":*").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			_, name, _ := strings.Cut(k, "}:")
			if strings.HasPrefix(name, "e:") {
				entries++
			}
			if strings.HasPrefix(name, "b:") {
				bodies++
			}
		}
	}
	if got := stats.Ready + stats.Dead; got != want || len(list) != want || entries != want || bodies != want {
		t.Errorf("%d entries are counted, %d listed, %d with %d bodies lie there, want %d", got, len(list), entries, bodies, want)
	}
}

// testTakeOver kills a master, lets its replica take over and starts it again
// as a replica: with WAIT nothing that was acknowledged is lost.
func testTakeOver(t *testing.T, cluster *storetest.RedisCluster) {
	s := open(t, cluster.URL(), Options{Prefix: "over", Replicas: 1})
	w := begin(t, s, 6, 3*time.Second)
	w.await(30)
	p := s.partition("lane 0")
	old := cluster.Owner(t.Context(), s.tag(p))
	old.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i, m := range cluster.Masters {
		if m == old {
			cluster.Replicas[i][0].AwaitLine(ctx, "role:master", "INFO", "replication")
		}
	}
	old.Restart()
	eventually(t, func() error { // the lane of the lost master goes on
		soon, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		e := entry(1, "afterwards", 10)
		e.Group, e.Dead = "lane 0", &store.Reason{Class: store.Unmapped}
		_, err := s.Admit(soon, start(), []store.Entry{e})
		return err
	})
	w.await(20)
	w.account(true)
	if got := s.State(); got != "ok" {
		t.Errorf("State = %q, want ok", got)
	}
}
