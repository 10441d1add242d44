package redis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

// ahead is a clock that is wrong.
func ahead(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}

// TestClocksApart: two replicas of yiqiao whose clocks are five seconds apart
// hold their leases, retries and keys by the server's clock.
func TestClocksApart(t *testing.T) {
	const off = 5 * time.Second
	server := storetest.StartRedis(t)
	right := open(t, server.URL(), Options{})
	wrong := open(t, server.URL(), Options{clock: ahead(off)})
	now := time.Now().Truncate(time.Second)
	// at gives each store the same moment as its own clock shows it.
	at := func(s *Store, d time.Duration) time.Time {
		if s == wrong {
			d += off
		}
		return now.Add(d)
	}
	near := func(t *testing.T, what string, got, want time.Time) {
		t.Helper()
		if d := got.Sub(want).Abs(); d > time.Second {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	claims := func(t *testing.T, s *Store, d time.Duration, want int) []store.Claim {
		t.Helper()
		got, err := s.Claim(t.Context(), at(s, d), store.Want{Max: 10, Lease: 10 * time.Second})
		if err != nil || len(got) != want {
			t.Fatalf("Claim = %+v, %v, want %d", got, err, want)
		}
		return got
	}
	e := entry(1, "a", 10)
	e.KeyTTL = 30 * time.Second
	if _, err := wrong.Admit(t.Context(), at(wrong, 0), []store.Entry{e}); err != nil {
		t.Fatal(err)
	}
	near(t, "Admitted", claims(t, right, 2*time.Second, 1)[0].Admitted, at(right, 0)) // until 12 s
	claims(t, wrong, 8*time.Second, 0)                                                // its own clock says 13 s
	c := claims(t, wrong, 14*time.Second, 1)[0]                                       // until 24 s
	claims(t, right, 20*time.Second, 0)
	retry := store.Outcome{Do: store.Retry, At: at(wrong, 28*time.Second)}
	if err := wrong.Settle(t.Context(), at(wrong, 21*time.Second), c, retry); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{right, wrong} {
		list, err := s.List(t.Context(), store.Filter{Since: at(s, -2*time.Second), Until: at(s, 2*time.Second)})
		if err != nil || len(list) != 1 {
			t.Fatalf("List = %+v, %v, want one", list, err)
		}
		near(t, "Due", list[0].Due, at(s, 28*time.Second))
		stats, err := s.Stats(t.Context(), at(s, 22*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		near(t, "Oldest", stats.Oldest, at(s, 0))
	}
	claims(t, wrong, 25*time.Second, 0)
	claims(t, right, 30*time.Second, 1)
	for _, tt := range []struct {
		d         time.Duration
		duplicate bool
	}{{28 * time.Second, true}, {33 * time.Second, false}} {
		e.ID = store.NewID(now)
		got, err := right.Admit(t.Context(), at(right, tt.d), []store.Entry{e})
		if err != nil || got[0].Duplicate != tt.duplicate {
			t.Errorf("%v later Admit = %+v, %v, want duplicate %v", tt.d, got, err, tt.duplicate)
		}
	}
}

func TestClockTold(t *testing.T) {
	server := storetest.StartRedis(t, "maxmemory 64mb")
	for _, tt := range []struct {
		off  time.Duration
		told bool
	}{{0, false}, {300 * time.Millisecond, false}, {-4 * time.Second, false}, {20 * time.Second, true}, {-time.Hour, true}} {
		t.Run(tt.off.String(), func(t *testing.T) {
			s := open(t, server.URL(), Options{clock: ahead(tt.off)})
			if got := strings.Join(s.Warnings(), "\n"); strings.Contains(got, "the clock of this machine is "+tt.off.Abs().String()) != tt.told ||
				tt.told == (got == "") {
				t.Errorf("Warnings = %q, want told %v", got, tt.told)
			}
			if small := tt.off.Abs() < leastOffset; small != (s.offset.Load() == 0) {
				t.Errorf("the offset is %v", time.Duration(s.offset.Load()))
			}
		})
	}
}

// TestOrderAcrossPartitions: a list shows entries in the order in which one
// process admitted them, whatever their partitions and ids.
func TestOrderAcrossPartitions(t *testing.T) {
	s := open(t, storetest.StartRedis(t).URL(), Options{Partitions: 7})
	var want []string
	var ids []string
	for range 60 {
		ids = append(ids, store.NewID(start()))
	}
	for i, id := range ids {
		e := entry(i, id, 1)
		e.ID, e.Group = ids[(i*37)%60], id
		admit(t, s, e)
		want = append(want, e.ID)
	}
	var got []string
	for f := (store.Filter{Limit: 7}); ; {
		page, err := s.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, i := range page {
			got = append(got, i.ID)
			f.After = i.ID
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("listed\n%v, want\n%v", got, want)
	}
}

// TestOrderOfProcesses: the clocks of two processes, a little apart, order
// what lies in different partitions. In one partition the first is first.
func TestOrderOfProcesses(t *testing.T) {
	server := storetest.StartRedis(t)
	now := time.Now()
	fixed := func(d time.Duration) func() time.Time { return func() time.Time { return now.Add(d) } }
	early := open(t, server.URL(), Options{Partitions: 5, clock: fixed(0)})
	same := open(t, server.URL(), Options{clock: fixed(0)})
	late := open(t, server.URL(), Options{clock: fixed(500 * time.Millisecond)})
	var want []string
	for i, s := range []*Store{late, early, late, early} {
		e := entry(i, "lane", 1)
		e.Group = groups(s, 1)[0]
		admit(t, s, e)
		want = append(want, e.ID)
	}
	for _, id := range want {
		c := claim(t, same, 10)
		if len(c) != 1 || c[0].ID != id {
			t.Fatalf("Claim = %+v, want %s", c, id)
		}
		if err := same.Settle(t.Context(), start(), c[0], store.Outcome{Do: store.Delivered}); err != nil {
			t.Fatal(err)
		}
	}
	// What another process admitted by a later clock is listed behind.
	var listed, wantList []string
	for i, s := range []*Store{late, early, early, early} {
		e := entry(20+i, fmt.Sprint("apart ", i), 1)
		e.Group, e.Dead = groups(s, 5)[i+1], &store.Reason{Class: store.Unmapped}
		admit(t, s, e)
		wantList = append(wantList, e.ID)
	}
	infos, err := same.List(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		listed = append(listed, i.ID)
		if _, err := same.Replace(t.Context(), start(), i.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	if wantList = append(wantList[1:], wantList[0]); !slices.Equal(listed, wantList) {
		t.Errorf("listed %q, want %q", listed, wantList)
	}
	// Two entries with one place in the order: a list goes on behind the first.
	early.lastOrder.Store(0)
	for i, s := range []*Store{early, same} {
		e := entry(10+i, "equal", 1)
		e.Group = groups(s, 3)[i+1]
		admit(t, s, e)
	}
	var seen []string
	for f := (store.Filter{Limit: 1}); len(seen) < 5; {
		page, err := early.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		seen, f.After = append(seen, page[0].ID), page[0].ID
	}
	if len(seen) != 2 || seen[0] == seen[1] {
		t.Errorf("listed %q, want two entries", seen)
	}
}
