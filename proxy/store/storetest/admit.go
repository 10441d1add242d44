package storetest

import (
	"context"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store"
)

var admitRules = []rule{
	{"stores every part of an entry", checkAdmitStores},
	{"takes nothing for no entries", func(f *fixture) {
		f.admit()
		f.wantList(store.Filter{})
	}},
	{"takes bodies of all sizes", checkBodySizes},
	{"knows a duplicate in one call", checkDuplicateInCall},
	{"knows a duplicate across calls", oneGroup(func(f *fixture) {
		first := f.admitNew(f.entry("a", 1))
		f.admitDuplicate(f.entry("b", 1), first)
		f.admitNew(f.entry("a", 2))
		f.wantList(store.Filter{Device: "gate b"})
	})},
	{"stores the rest of a call with a duplicate", checkMixedCall},
	{"forgets a key that expired", checkKeyExpiry},
	{"a duplicate does not prolong the key", func(f *fixture) {
		first := f.admitNew(ttl(f.entry("a", 1), time.Hour))
		f.later(50 * time.Minute)
		f.admitDuplicate(ttl(f.entry("a", 1), 10*time.Hour), first)
		f.later(11 * time.Minute)
		f.admitNew(f.entry("a", 1))
	}},
	{"never takes the zero key for a duplicate", func(f *fixture) {
		got := f.admit(f.entry("a", 0), f.entry("a", 0))
		if got[0].Duplicate || got[1].Duplicate {
			f.Fatalf("Admit = %+v, want two first admissions", got)
		}
		f.admitNew(f.entry("a", 0))
		f.wantStats(store.Stats{Ready: 3, ReadyBytes: 3 * 34, Oldest: f.now})
	}},
	{"a key outlives its delivered entry", func(f *fixture) {
		first := f.admitNew(f.entry("a", 1))
		f.settle(f.claimOne(first, time.Minute), store.Outcome{Do: store.Delivered})
		f.admitDuplicate(f.entry("a", 1), first)
		f.claimNone()
	}},
	{"a dead letter has a key too", func(f *fixture) {
		first := f.admitNew(f.dead("a", 1, store.Unmapped))
		f.admitDuplicate(f.entry("a", 1), first)
	}},
	{"admits a dead letter at once", checkDeadAtOnce},
	{"gives a key to one of many producers", oneGroup(checkRace)},
	{"does not keep the body", checkBodyNotKept},
	{"does not keep the body of a cancelled call", checkCancelledBody},
	{"does not keep the strings", oneGroup(checkStringsNotKept)},
}

// checkStringsNotKept admits entries whose strings are slices of buffers that
// are used again at once, as those of requests are.
func checkStringsNotKept(f *fixture) {
	var buffers [][]byte
	slice := func(s string) string {
		b := []byte(s)
		buffers = append(buffers, b)
		return unsafe.String(unsafe.SliceData(b), len(b))
	}
	var want []store.Entry
	for i := range 20 {
		e := f.entry(laneName(i), byte(i+1))
		if i%4 == 0 {
			e.Dead = &store.Reason{Class: store.Refused, Text: "because " + e.ID}
		}
		want = append(want, e)
		kept, why := e, store.Reason{}
		for _, s := range []*string{&e.ID, &e.Lane, &e.Group, &e.Labels.Source, &e.Labels.Mapping, &e.Labels.Interface, &e.Labels.Device, &e.Labels.Generation} {
			*s = slice(*s)
		}
		if kept.Dead != nil {
			why = store.Reason{Class: store.Class(slice(string(kept.Dead.Class))), Text: slice(kept.Dead.Text)}
			e.Dead = &why
		}
		f.admit(e)
		why = store.Reason{}
		for _, b := range buffers {
			for i := range b {
				b[i] = 'X'
			}
		}
		buffers = nil
	}
	for _, e := range want {
		got := f.info(e.ID)
		if got.Lane != e.Lane || got.Labels != e.Labels || e.Dead != nil && got.Reason != *e.Dead {
			f.Fatalf("of %+v it kept %+v", e, got)
		}
		again := f.entry(e.Lane, e.Key[0])
		f.admitDuplicate(again, e.ID)
	}
	for _, c := range f.claim(len(want), time.Minute) {
		if i := slices.IndexFunc(want, func(e store.Entry) bool { return e.ID == c.ID }); i < 0 || c.Lane != want[i].Lane || c.Labels != want[i].Labels {
			f.Fatalf("claimed %+v", c)
		}
	}
}

func checkAdmitStores(f *fixture) {
	e := f.entry("a", 1)
	f.admitNew(e)
	want := store.Info{
		ID: e.ID, State: store.Ready, Lane: "a", Labels: e.Labels,
		Admitted: f.now, Due: f.now, Size: len(e.Body),
	}
	if diff := cmp.Diff(want, f.info(e.ID)); diff != "" {
		f.Fatalf("Info (-want +got):\n%s", diff)
	}
	f.wantBody(e.ID, e.Body)
	got, err := f.s.Load(f.ctx, e.ID, []byte("head:"))
	if err != nil || string(got) != "head:"+string(e.Body) {
		f.Fatalf("Load does not append to dst: %q, %v", got, err)
	}
	_, err = f.s.Load(f.ctx, f.id(), nil)
	f.wantErr("Load of an unknown id", err, store.ErrNotFound)
}

func checkBodySizes(f *fixture) {
	var entries []store.Entry
	for i, n := range []int{0, 1, 4095, 4096, 65_537, 1_000_003} {
		e := f.entry(laneName(i), 0)
		e.Body = body(n, byte(i))
		entries = append(entries, e)
	}
	f.admit(entries...)
	for _, e := range entries {
		f.wantBody(e.ID, e.Body)
		if got := f.info(e.ID).Size; got != len(e.Body) {
			f.Fatalf("size of %s is %d, want %d", e.ID, got, len(e.Body))
		}
	}
}

func checkDuplicateInCall(f *fixture) {
	a, b, c := f.entry("a", 1), f.entry("a", 1), f.entry("a", 2)
	want := []store.Admission{{ID: a.ID}, {ID: a.ID, Duplicate: true}, {ID: c.ID}}
	if diff := cmp.Diff(want, f.admit(a, b, c)); diff != "" {
		f.Fatalf("Admit (-want +got):\n%s", diff)
	}
	f.wantList(store.Filter{}, a.ID, c.ID)
	f.wantBody(a.ID, a.Body)
}

func checkMixedCall(f *fixture) {
	first := f.admitNew(f.entry("a", 1))
	b, c, d := f.entry("a", 2), f.entry("a", 1), f.entry("a", 3)
	want := []store.Admission{{ID: b.ID}, {ID: first, Duplicate: true}, {ID: d.ID}}
	if diff := cmp.Diff(want, f.admit(b, c, d)); diff != "" {
		f.Fatalf("Admit (-want +got):\n%s", diff)
	}
	f.wantList(store.Filter{}, first, b.ID, d.ID)
}

func checkKeyExpiry(f *fixture) {
	first := f.admitNew(ttl(f.entry("a", 1), time.Hour))
	f.later(time.Hour - time.Second)
	f.admitDuplicate(f.entry("a", 1), first)
	f.later(2 * time.Second)
	second := f.admitNew(ttl(f.entry("a", 1), time.Minute))
	f.admitDuplicate(f.entry("a", 1), second)
	f.wantList(store.Filter{}, first, second)
	f.later(time.Minute + time.Second)
	f.admitNew(f.entry("a", 1))
}

func checkDeadAtOnce(f *fixture) {
	e := f.dead("a", 1, store.UnknownDevice)
	f.admitNew(e)
	next := f.admitNew(f.entry("a", 2))
	want := store.Info{
		ID: e.ID, State: store.Dead, Lane: "a", Labels: e.Labels, Reason: *e.Dead,
		Admitted: f.now, Size: len(e.Body),
	}
	if diff := cmp.Diff(want, f.info(e.ID)); diff != "" {
		f.Fatalf("Info (-want +got):\n%s", diff)
	}
	f.wantBody(e.ID, e.Body)
	f.claimOne(next, time.Minute)
}

func checkRace(f *fixture) {
	const producers = 32
	entries := make([]store.Entry, producers)
	for i := range entries {
		entries[i] = f.entry(laneName(i), 7)
	}
	got := make([]store.Admission, producers)
	var group sync.WaitGroup
	for i := range entries {
		group.Go(func() {
			a, err := f.s.Admit(f.ctx, f.now, entries[i:i+1])
			if err != nil {
				f.Errorf("Admit: %v", err)
				return
			}
			got[i] = a[0]
		})
	}
	group.Wait()
	winners := 0
	for i, a := range got {
		if a.ID != got[0].ID {
			f.Errorf("producers %d and 0 were told different entries: %s and %s", i, a.ID, got[0].ID)
		}
		if !a.Duplicate {
			winners++
		}
	}
	if winners != 1 {
		f.Fatalf("%d producers won the key, want 1", winners)
	}
	f.wantList(store.Filter{}, got[0].ID)
}

func checkBodyNotKept(f *fixture) {
	e := f.entry("a", 1)
	e.Body = body(10_000, 3)
	want := body(10_000, 3)
	f.admitNew(e)
	clear(e.Body)
	f.wantBody(e.ID, want)
}

// checkCancelledBody is for the race detector: whoever still reads the body
// after a cancelled call has returned is caught. Whatever was admitted must be
// whole.
func checkCancelledBody(f *fixture) {
	want := body(200_000, 5)
	for range 20 {
		e := f.entry("a", 0)
		e.Body = body(200_000, 5)
		ctx, cancel := context.WithCancel(f.ctx)
		go cancel()
		_, err := f.s.Admit(ctx, f.now, []store.Entry{e})
		clear(e.Body)
		stored := len(f.list(store.Filter{ID: e.ID})) == 1
		if err == nil && !stored {
			f.Fatalf("%s is not there, but was acknowledged", e.ID)
		}
		if stored {
			f.wantBody(e.ID, want)
		}
	}
}

func checkTooLarge(f *fixture, limit int) {
	small, fits, large := f.entry("a", 1), f.entry("a", 2), f.entry("a", 3)
	fits.Body = body(limit, 1)
	large.Body = body(limit+1, 1)
	_, err := f.s.Admit(f.ctx, f.now, []store.Entry{small, large})
	f.wantErr("Admit", err, store.ErrTooLarge)
	f.wantList(store.Filter{})
	f.wantStats(store.Stats{})
	f.admitNew(small)
	f.admitNew(fits)
	f.wantBody(fits.ID, fits.Body)

	dead := f.dead("a", 4, store.Unmapped)
	f.admitNew(dead)
	_, err = f.s.Replace(f.ctx, f.now, dead.ID, []store.Entry{large})
	f.wantErr("Replace", err, store.ErrTooLarge)
	f.wantList(store.Filter{State: store.Dead}, dead.ID)
}

// checkFull fills a small store, proves that nothing is half stored, that
// settling works, and that admission resumes by itself.
func checkFull(f *fixture) {
	const size = 64 << 10
	make2 := func() []store.Entry {
		a, b := f.entry("a", 0), f.entry("b", 0)
		a.Body, b.Body = body(size, 1), body(size, 2)
		return []store.Entry{a, b}
	}
	// One entry first: where the limit is an even number of bodies, the last
	// call finds room for one of its two.
	f.admitNew(make2()[0])
	count := 1
	for {
		_, err := f.s.Admit(f.ctx, f.now, make2())
		if err != nil {
			f.wantErr("Admit", err, store.ErrFull)
			break
		}
		if count += 2; count*size > 16<<20 {
			f.Fatal("the store is not full at 16 MiB")
		}
	}
	f.wantStats(store.Stats{Ready: count, ReadyBytes: int64(count * size), Oldest: f.now})
	// More room than the two need: a store may have gone beyond its limit by
	// one call, and count its own buffers.
	for range 4 {
		claims := f.claim(2, time.Minute)
		if len(claims) != 2 {
			f.Fatalf("a full store gives out %d claims, want 2", len(claims))
		}
		for _, c := range claims {
			f.settle(c, store.Outcome{Do: store.Delivered})
		}
	}
	for _, e := range make2() {
		f.admitNew(e)
	}
}
