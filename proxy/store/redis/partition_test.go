package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

func TestPartitionsAreFixed(t *testing.T) {
	server := storetest.StartRedis(t)
	first := open(t, server.URL(), Options{Partitions: 4})
	e := entry(1, "a", 10)
	e.Group = "somewhere"
	admit(t, first, e)
	t.Run("left out", func(t *testing.T) {
		s := open(t, server.URL(), Options{})
		if s.options.Partitions != 4 {
			t.Errorf("%d partitions, want the 4 that are there", s.options.Partitions)
		}
		wantStats(t, s, 1, 0)
	})
	t.Run("another prefix", func(t *testing.T) {
		s := open(t, server.URL(), Options{Prefix: "other"})
		if s.options.Partitions != 1 {
			t.Errorf("%d partitions on one server, want 1", s.options.Partitions)
		}
		wantStats(t, s, 0, 0)
	})
	for name, tt := range map[string]struct {
		o    Options
		want string
	}{
		"another number": {Options{Partitions: 8}, `the store with prefix "yiqiao" has 4 partitions, which are fixed; the options say 8`},
		"none":           {Options{Partitions: -1}, "-1 partitions, want 1 to 1024"},
		"too many":       {Options{Partitions: 1025}, "1025 partitions, want 1 to 1024"},
		"a brace":        {Options{Prefix: "a{b"}, `prefix "a{b" contains a brace`},
		"old layout":     {Options{Prefix: "old"}, `the keys of prefix "old" have layout "1", this program knows 3`},
	} {
		t.Run(name, func(t *testing.T) {
			server.Do(t.Context(), "SET", "{old}:layout", "1")
			if _, err := Open(t.Context(), server.URL(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %v, want %q", err, tt.want)
			}
		})
	}
}

// groups gives n groups that lie in different partitions.
func groups(s *Store, n int) (out []string) {
	seen := map[int]bool{}
	for i := 0; len(out) < n; i++ {
		if g := fmt.Sprint("group ", i); !seen[s.partition(g)] {
			seen[s.partition(g)] = true
			out = append(out, g)
		}
	}
	return out
}

// TestReplaceAcrossPartitions: the entries of other partitions are admitted
// first. A process that ends before the dead letter is removed leaves it
// there, and Replace again, with new ids as a person would, loses nothing and
// doubles nothing.
func TestReplaceAcrossPartitions(t *testing.T) {
	server := storetest.StartRedis(t)
	for name, crash := range map[string]bool{"at once": false, "again after a crash": true} {
		t.Run(name, func(t *testing.T) {
			s := open(t, server.URL(), Options{Prefix: name, Partitions: 5})
			g := groups(s, 3)
			dead := entry(1, "dead", 10)
			dead.Group, dead.Dead = g[0], &store.Reason{Class: store.Unmapped}
			admit(t, s, dead)
			better := func() (out []store.Entry) {
				for i := range g {
					e := entry(2+i, fmt.Sprint("lane ", i), 20)
					e.Group = g[i]
					out = append(out, e)
				}
				return out
			}
			old := better()
			if crash {
				batches, err := s.pack(start(), old)
				if err != nil {
					t.Fatal(err)
				}
				away := slices.DeleteFunc(batches, func(b batch) bool { return b.p == s.partition(g[0]) })
				if err := s.admit(t.Context(), "replace", away, make([]store.Admission, len(old))); err != nil {
					t.Fatal(err)
				}
				wantStats(t, s, 2, 1)
			}
			entries := better()
			for range 2 { // and once more the same call, as if its answer had got lost
				got, err := s.Replace(t.Context(), start(), dead.ID, entries)
				if err != nil {
					t.Fatal(err)
				}
				for i, a := range got {
					want := store.Admission{ID: entries[i].ID}
					if crash && i > 0 {
						want = store.Admission{ID: old[i].ID, Duplicate: true}
					}
					if a != want {
						t.Errorf("Replace: entry %d = %+v, want %+v", i, a, want)
					}
				}
				wantStats(t, s, 3, 0)
			}
			if _, err := s.Replace(t.Context(), start(), dead.ID, better()); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Replace of what is gone: %v, want %v", err, store.ErrNotFound)
			}
			wantWhole(t, s, 3)
		})
	}
}

// TestReplaceFull: where a partition is full after others took their entries,
// the dead letter stays, and the caller is not told that nothing was stored.
func TestReplaceFull(t *testing.T) {
	server := storetest.StartRedis(t)
	s := open(t, server.URL(), Options{Partitions: 5, patience: 1})
	g := groups(s, 2)
	dead := entry(1, "dead", 10)
	dead.Group, dead.Dead = g[0], &store.Reason{Class: store.Unmapped}
	admit(t, s, dead)
	a, b := entry(2, "a", 10), entry(3, "b", 10)
	a.Group, b.Group = g[0], g[1]
	batches, err := s.pack(start(), []store.Entry{a, b})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]store.Admission, 2)
	if err := s.admit(t.Context(), "replace", batches[1:], out); err != nil {
		t.Fatal(err)
	}
	server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1mb")
	s.do(t.Context(), 0, batches[0].call)
	if err := s.gather("replace", batches, out); !errors.Is(err, store.ErrUncertain) || errors.Is(err, store.ErrFull) {
		t.Errorf("one of two partitions is full: %v, want %v", err, store.ErrUncertain)
	}
	if _, err := s.Replace(t.Context(), start(), dead.ID, []store.Entry{a, b}); !errors.Is(err, store.ErrFull) {
		t.Errorf("all partitions are full: %v, want %v", err, store.ErrFull)
	}
	wantStats(t, s, 1, 1)
}

// TestHangingMaster: a server that does not answer holds up the others for as
// long as one of its calls, and is then left alone for as long.
func TestHangingMaster(t *testing.T) {
	cluster := storetest.StartCluster(t, 3, 0, "cluster-require-full-coverage no", "appendfsync no")
	s := open(t, cluster.URL()+"&read_timeout=500ms", Options{patience: 1})
	hanging := cluster.Owner(t.Context(), s.tag(0))
	lanes := 0
	for i, g := range groups(s, s.options.Partitions) {
		e := entry(i, g, 10)
		e.Group = g
		admit(t, s, e)
		if cluster.Owner(t.Context(), s.tag(s.partition(g))) != hanging {
			lanes++
		}
	}
	hanging.Freeze()
	t.Cleanup(hanging.Thaw)
	if got := claim(t, s, 100); len(got) != lanes {
		t.Errorf("Claim gave %d lanes, want the %d of the others", len(got), lanes)
	}
	if !s.faults.spare(0) {
		t.Error("the next Claim would wait for the server that hangs")
	}
	if got := s.State(); !strings.HasPrefix(got, "degraded: partitions [0 ") {
		t.Errorf("State = %q, want the partitions that hang", got)
	}
	hanging.Thaw()
	eventually(t, func() error {
		got, err := s.Claim(t.Context(), start(), store.Want{Max: 100, Lease: time.Minute})
		if lanes += len(got); lanes < s.options.Partitions {
			return fmt.Errorf("%d of %d lanes were given out, %v", lanes, s.options.Partitions, err)
		}
		return nil
	})
	if got := s.State(); got != "ok" {
		t.Errorf("State = %q, want ok", got)
	}
}

// TestScriptFlushInTraffic: a server that forgets the scripts again and again
// loses nothing and repeats nothing.
func TestScriptFlushInTraffic(t *testing.T) {
	server := storetest.StartRedis(t)
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			w := begin(t, open(t, server.URL(), Options{Prefix: t.Name(), Partitions: partitions}), 3, time.Minute)
			for range 30 {
				server.Do(t.Context(), "SCRIPT", "FLUSH")
				w.await(3)
			}
			w.account(false)
		})
	}
}

// TestTakeOverByUnsafeServer: what Open would have refused is told.
func TestTakeOverByUnsafeServer(t *testing.T) {
	server := storetest.StartRedis(t, "maxmemory 64mb")
	s := open(t, server.URL(), Options{})
	if got := s.State(); got != "ok" {
		t.Fatalf("State = %q, want ok", got)
	}
	server.Do(t.Context(), "CONFIG", "SET", "appendonly", "no")
	s.look(t.Context())
	if got := s.State(); !strings.Contains(got, `degraded: the server would lose entries: appendonly is "no"`) {
		t.Errorf("State = %q, want what is wrong", got)
	}
	if got := s.Promise(); !strings.Contains(got, `but: appendonly is "no"`) {
		t.Errorf("Promise does not mention it: %s", got)
	}
	admit(t, s, entry(1, "a", 1)) // to take none would lose all
	server.Do(t.Context(), "CONFIG", "SET", "appendonly", "yes")
	s.look(t.Context())
	if got := s.State(); got != "ok" {
		t.Errorf("State = %q, want ok", got)
	}
}

func TestDivide(t *testing.T) {
	old := []waiting{{0, "a", 30, 3}, {0, "b", 10, 9}, {1, "c", 20, 5}, {2, "d", 40, 1}, {2, "e", 20, 4}}
	new := []waiting{{0, "b", 10, 9}, {1, "c", 20, 5}, {2, "e", 20, 4}, {0, "a", 30, 3}}
	for _, tt := range []struct {
		want store.Want
		max  [3]int
		new  [3]int
	}{
		{store.Want{Max: 1}, [3]int{1, 0, 0}, [3]int{}},             // b
		{store.Want{Max: 2}, [3]int{1, 0, 1}, [3]int{}},             // b, and e before c
		{store.Want{Max: 2, Newest: 1}, [3]int{1, 0, 1}, [3]int{1}}, // b is the newest and not counted twice
		{store.Want{Max: 3, Newest: 2}, [3]int{1, 1, 1}, [3]int{1, 1}},
		{store.Want{Max: 9, Newest: 9}, [3]int{2, 1, 2}, [3]int{2, 1, 1}},
		{store.Want{Max: 9}, [3]int{2, 1, 2}, [3]int{}},
	} {
		got := divide(tt.want, 3, slices.Clone(old), slices.Clone(new))
		for p, share := range got {
			if share.Max != tt.max[p] || share.Newest != tt.new[p] {
				t.Errorf("%+v: partition %d gets %+v, want %d, %d of them newest", tt.want, p, share, tt.max[p], tt.new[p])
			}
		}
	}
}
