package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store"
)

var listRules = []rule{
	{"each filter selects", checkFilters},
	{"filters combine", func(f *fixture) {
		f.admitNew(f.dead("a", 0, store.Unmapped))
		want := f.admitNew(f.dead("b", 0, store.Unmapped))
		f.admitNew(f.dead("b", 0, store.Refused))
		f.admitNew(f.entry("b", 0))
		f.wantList(store.Filter{State: store.Dead, Device: "gate b", Class: store.Unmapped}, want)
	}},
	{"pages follow each other", checkPages},
	{"goes on behind an entry that is gone", func(f *fixture) {
		first, gone, last := f.admitNew(f.dead("a", 0, store.Unmapped)), f.admitNew(f.entry("a", 0)), f.admitNew(f.entry("a", 0))
		f.settle(f.claimOne(gone, time.Minute), store.Outcome{Do: store.Delivered})
		f.wantList(store.Filter{}, first, last)
		f.wantList(store.Filter{After: gone}, last)
	}},
	{"gives 100 entries by default", func(f *fixture) {
		var entries []store.Entry
		for range 103 {
			entries = append(entries, f.entry("a", 0))
		}
		f.admit(entries...)
		if got := len(f.list(store.Filter{})); got != 100 {
			f.Fatalf("List gave %d entries, want 100", got)
		}
		if got := len(f.list(store.Filter{Limit: 200})); got != 103 {
			f.Fatalf("List gave %d entries, want 103", got)
		}
	}},
	{"stats count", checkStats},
}

func checkFilters(f *fixture) {
	a, b, c := f.entry("a", 0), f.entry("b", 0), f.dead("c", 0, store.Refused)
	b.Labels = store.Labels{Source: "other", Mapping: "m", Interface: "stk/other", Device: "door", Generation: "g2"}
	f.admit(a, b, c)
	cases := []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{}, []string{a.ID, b.ID, c.ID}},
		{store.Filter{ID: b.ID}, []string{b.ID}},
		{store.Filter{ID: f.id()}, nil},
		{store.Filter{State: store.Ready}, []string{a.ID, b.ID}},
		{store.Filter{State: store.Dead}, []string{c.ID}},
		{store.Filter{Source: "acme"}, []string{a.ID, c.ID}},
		{store.Filter{Interface: "stk/other"}, []string{b.ID}},
		{store.Filter{Device: "gate c"}, []string{c.ID}},
		{store.Filter{Device: "gate"}, nil},
		{store.Filter{Class: store.Refused}, []string{c.ID}},
		{store.Filter{Class: store.GaveUp}, nil},
		{store.Filter{Limit: 2}, []string{a.ID, b.ID}},
		{store.Filter{After: a.ID}, []string{b.ID, c.ID}},
		{store.Filter{After: a.ID, Limit: 1}, []string{b.ID}},
		{store.Filter{After: a.ID, Source: "acme"}, []string{c.ID}},
		{store.Filter{After: c.ID}, nil},
	}
	for _, tc := range cases {
		f.wantList(tc.filter, tc.want...)
	}
	first := f.now
	f.later(time.Minute)
	d := f.admitNew(f.entry("d", 0))
	f.wantList(store.Filter{Since: first}, a.ID, b.ID, c.ID, d)
	f.wantList(store.Filter{Since: first.Add(time.Second)}, d)
	f.wantList(store.Filter{Until: f.now}, a.ID, b.ID, c.ID)
	f.wantList(store.Filter{Since: first, Until: first})
	if diff := cmp.Diff(b.Labels, f.info(b.ID).Labels); diff != "" {
		f.Fatalf("labels (-want +got):\n%s", diff)
	}
}

func checkPages(f *fixture) {
	var want []string
	for i := range 10 {
		if i%3 == 0 {
			f.admitNew(f.entry("a", 0))
			continue
		}
		want = append(want, f.admitNew(f.dead("a", 0, store.Unmapped)))
	}
	var got []string
	filter := store.Filter{State: store.Dead, Limit: 2}
	for range 10 {
		page := f.list(filter)
		for _, i := range page {
			got = append(got, i.ID)
			filter.After = i.ID
		}
		if len(page) < 2 {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("all pages (-want +got):\n%s", diff)
	}
}

func checkStats(f *fixture) {
	f.wantStats(store.Stats{})
	oldest := f.now
	a := f.entry("a", 1)
	a.Body = body(100, 1)
	f.admitNew(ttl(a, time.Hour))
	f.later(time.Minute)
	second := f.now
	b := f.entry("b", 2)
	b.Body = body(10, 1)
	f.admitNew(ttl(b, 2*time.Hour))
	d := f.dead("c", 3, store.Unmapped)
	d.Body = body(1000, 1)
	f.admitNew(ttl(d, 2*time.Hour))
	f.wantStats(store.Stats{Ready: 2, ReadyBytes: 110, Oldest: oldest, Dead: 1, DeadBytes: 1000, Keys: 3})

	for _, c := range f.claim(2, time.Minute) {
		if c.ID == a.ID {
			f.settle(c, store.Outcome{Do: store.Delivered})
		} else {
			f.settle(c, store.Outcome{Do: store.Retry, At: f.now})
		}
	}
	f.wantStats(store.Stats{Ready: 1, ReadyBytes: 10, Oldest: second, Dead: 1, DeadBytes: 1000, Keys: 3})
	f.settle(f.claimOne(b.ID, time.Minute), store.Outcome{Do: store.Bury, Reason: store.Reason{Class: store.GaveUp}})
	f.wantStats(store.Stats{Dead: 2, DeadBytes: 1010, Keys: 3})
	f.later(time.Hour)
	f.wantStats(store.Stats{Dead: 2, DeadBytes: 1010, Keys: 2})
}
