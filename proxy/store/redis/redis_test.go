package redis

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

func open(t *testing.T, url string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// entry makes an entry with a key of its own.
func entry(n int, lane string, size int) store.Entry {
	return store.Entry{
		ID: store.NewID(start()), Key: store.Key{byte(n), byte(n >> 8), 1}, KeyTTL: time.Hour,
		Lane: lane, Body: []byte(strings.Repeat("x", size)), Labels: store.Labels{Source: "acme"},
	}
}

func admit(t *testing.T, s *Store, entries ...store.Entry) []store.Admission {
	t.Helper()
	got, err := s.Admit(t.Context(), start(), entries)
	if err != nil {
		t.Fatalf("Admit: %v", err)
	}
	return got
}

func claim(t *testing.T, s *Store, max int) []store.Claim {
	t.Helper()
	got, err := s.Claim(t.Context(), start(), store.Want{Max: max, Lease: time.Minute})
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	return got
}

// eventually tries until there is no error, for at most 20 seconds.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	err := try()
	for deadline := time.Now().Add(20 * time.Second); err != nil; err = try() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %v", err)
		}
		pause(t.Context(), 10*time.Millisecond)
	}
}

func TestConformance(t *testing.T) {
	server := storetest.StartRedis(t, "appendfsync no") // speed only: nothing here ends the server
	small := func(partitions int) func(t *testing.T) store.Store {
		return func(t *testing.T) store.Store {
			server := storetest.StartRedis(t, "maxmemory 8mb", "appendfsync no")
			return open(t, server.URL(), Options{Partitions: partitions})
		}
	}
	t.Run("one partition", func(t *testing.T) { conform(t, server.URL(), 1, small(1)) })
	t.Run("five partitions", func(t *testing.T) { conform(t, server.URL(), 5, small(5)) })
}

func conform(t *testing.T, url string, partitions int, small func(t *testing.T) store.Store) {
	var n atomic.Int64
	fresh := func(t *testing.T) store.Store {
		return open(t, url, Options{Prefix: fmt.Sprintf("t%d-%d", partitions, n.Add(1)), Partitions: partitions, MaxEntry: 1 << 20})
	}
	storetest.Run(t, fresh, storetest.Options{
		MaxEntry: 1 << 20,
		Reopen: func(t *testing.T, closed store.Store) store.Store {
			return open(t, url, closed.(*Store).options)
		},
		Small: small,
	})
}

func TestLostAnswer(t *testing.T) {
	s := open(t, storetest.StartRedis(t).URL(), Options{})
	e := entry(0, "a", 10)
	e.Key = store.Key{}
	dead := entry(1, "a", 10)
	dead.Dead = &store.Reason{Class: store.Unmapped}
	admit(t, s, e, dead)

	t.Run("the same id again is no duplicate and no second entry", func(t *testing.T) {
		got := admit(t, s, e, dead)
		want := []store.Admission{{ID: e.ID}, {ID: dead.ID}}
		if got[0] != want[0] || got[1] != want[1] {
			t.Errorf("Admit = %+v, want %+v", got, want)
		}
		wantStats(t, s, 1, 1)
		if got, err := s.Stats(t.Context(), start()); err != nil || got.ReadyBytes != 10 || got.DeadBytes != 10 {
			t.Errorf("Stats = %+v, %v, want 10 bytes each", got, err)
		}
	})
	t.Run("the same id again after delivery, by its key", func(t *testing.T) {
		d := entry(2, "b", 10)
		admit(t, s, d)
		for _, c := range claim(t, s, 10) {
			if err := s.Settle(t.Context(), start(), c, store.Outcome{Do: store.Delivered}); err != nil {
				t.Fatal(err)
			}
		}
		if got := admit(t, s, d)[0]; got.Duplicate || got.ID != d.ID {
			t.Errorf("Admit = %+v, want the first admission of %s", got, d.ID)
		}
		wantStats(t, s, 0, 1)
	})
	t.Run("the same Replace again", func(t *testing.T) {
		better := entry(1, "a", 20)
		for range 2 {
			got, err := s.Replace(t.Context(), start(), dead.ID, []store.Entry{better})
			if err != nil || got[0] != (store.Admission{ID: better.ID}) {
				t.Fatalf("Replace = %+v, %v, want the first admission of %s", got, err, better.ID)
			}
		}
		wantStats(t, s, 1, 0)
	})
}

func wantStats(t *testing.T, s *Store, ready, dead int) {
	t.Helper()
	got, err := s.Stats(t.Context(), start())
	if err != nil {
		t.Fatal(err)
	}
	if got.Ready != ready || got.Dead != dead {
		t.Errorf("%d ready and %d dead, want %d and %d", got.Ready, got.Dead, ready, dead)
	}
}

func TestKeyEndsAtItsTime(t *testing.T) {
	s := open(t, storetest.StartRedis(t).URL(), Options{})
	admit(t, s, entry(1, "a", 1))
	for _, tt := range []struct {
		after     time.Duration
		duplicate bool
	}{{time.Hour - time.Microsecond, true}, {time.Hour, false}} {
		got, err := s.Admit(t.Context(), start().Add(tt.after), []store.Entry{entry(1, "a", 1)})
		if err != nil || got[0].Duplicate != tt.duplicate {
			t.Errorf("%v later: Admit = %+v, %v, want duplicate %v", tt.after, got, err, tt.duplicate)
		}
	}
}

// TestExpiredKeysLeave, also from partitions in which nothing happens.
func TestExpiredKeysLeave(t *testing.T) {
	server := storetest.StartRedis(t, "appendfsync no")
	for _, partitions := range []int{1, 3} {
		s := open(t, server.URL(), Options{Prefix: fmt.Sprint("p", partitions), Partitions: partitions})
		const n = 1000
		for i := range n {
			e := entry(i, "a", 1)
			e.Group, e.Dead = fmt.Sprint(i), &store.Reason{Class: store.Unmapped}
			admit(t, s, e)
		}
		for range partitions * (n/256 + 1) {
			if _, err := s.Claim(t.Context(), start().Add(2*time.Hour), store.Want{Max: 1, Lease: time.Minute}); err != nil {
				t.Fatal(err)
			}
		}
		for p := range partitions {
			left, err := s.client.Exists(t.Context(), s.tag(p)+"first", s.tag(p)+"expiry").Result()
			if err != nil || left != 0 {
				t.Errorf("expired keys are left in partition %d of %d: %d of the two structures exist, %v", p, partitions, left, err)
			}
		}
	}
}

func TestReplicasShareNoLease(t *testing.T) {
	server := storetest.StartRedis(t, "appendfsync no")
	first := open(t, server.URL(), Options{})
	const lanes, each, workers = 10, 20, 4
	for i := range lanes * each {
		admit(t, first, entry(i, fmt.Sprintf("lane %d", i%lanes), 10))
	}
	stores := []*Store{first, open(t, server.URL(), Options{})}
	var busy [lanes]atomic.Int32
	var given atomic.Int32
	var group sync.WaitGroup
	for w := range workers {
		s := stores[w%len(stores)]
		group.Go(func() {
			for given.Load() < lanes*each {
				claims, err := s.Claim(t.Context(), start(), store.Want{Max: 3, Lease: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				for _, c := range claims {
					var lane int
					fmt.Sscanf(c.Lane, "lane %d", &lane)
					if busy[lane].Add(1) != 1 {
						t.Errorf("%s is leased twice", c.Lane)
					}
					given.Add(1)
				}
				for _, c := range claims {
					var lane int
					fmt.Sscanf(c.Lane, "lane %d", &lane)
					busy[lane].Add(-1)
					if err := s.Settle(t.Context(), start(), c, store.Outcome{Do: store.Delivered}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	if n := given.Load(); n != lanes*each {
		t.Errorf("%d leases for %d entries", n, lanes*each)
	}
	wantStats(t, first, 0, 0)
}

func TestCloseEndsOwnLeases(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := open(t, server.URL(), Options{}), open(t, server.URL(), Options{})
	admit(t, a, entry(1, "a", 1), entry(2, "b", 1))
	mine, other := claim(t, a, 1), claim(t, b, 1)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	got := claim(t, b, 10)
	if len(got) != 1 || got[0].ID != mine[0].ID {
		t.Errorf("after Close of its holder Claim = %+v, want only %s, not %s", got, mine[0].ID, other[0].ID)
	}
}

func TestScriptFlush(t *testing.T) {
	s := open(t, storetest.StartRedis(t).URL(), Options{})
	flush := func() {
		t.Helper()
		if err := s.client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	admit(t, s, entry(1, "a", 1))
	flush()
	c := claim(t, s, 1)[0]
	flush()
	if err := s.Extend(t.Context(), start(), c, time.Hour); err != nil {
		t.Fatal(err)
	}
	flush()
	if err := s.Settle(t.Context(), start(), c, store.Outcome{Do: store.Bury}); err != nil {
		t.Fatal(err)
	}
	flush()
	wantStats(t, s, 0, 1)
	flush()
	if _, err := s.Replace(t.Context(), start(), c.ID, nil); err != nil {
		t.Fatal(err)
	}
	flush()
	if got, err := s.List(t.Context(), store.Filter{}); err != nil || len(got) != 0 {
		t.Errorf("List = %+v, %v, want nothing", got, err)
	}
}
