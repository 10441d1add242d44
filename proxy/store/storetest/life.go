package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store"
)

var lifeRules = []rule{
	{"promises something", func(f *fixture) {
		if len(f.s.Promise()) < 20 {
			f.Fatalf("Promise() = %q", f.s.Promise())
		}
	}},
	{"every call after Close is ErrClosed", checkClosed},
	{"Close waits for admissions under way", checkCloseWaits},
	{"a cancelled call changes nothing", checkCancelled},
}

// calls are all methods that may fail, for an entry that is claimed by c and a
// dead letter.
func calls(f *fixture, ctx context.Context, c store.Claim, dead string) []struct {
	name string
	err  error
} {
	_, admit := f.s.Admit(ctx, f.now, []store.Entry{f.entry("z", 99)})
	_, claim := f.s.Claim(ctx, f.now, store.Want{Max: 1, Lease: time.Minute})
	extend := f.s.Extend(ctx, f.now, c, time.Hour)
	settle := f.s.Settle(ctx, f.now, c, store.Outcome{Do: store.Delivered})
	_, registered := f.s.Registered(ctx, []store.Ref{{Group: "z", Key: store.Key{9}}})
	hasten := f.s.Hasten(ctx, f.now, []string{c.ID})
	_, load := f.s.Load(ctx, c.ID, nil)
	_, list := f.s.List(ctx, store.Filter{})
	_, replace := f.s.Replace(ctx, f.now, dead, nil)
	_, stats := f.s.Stats(ctx, f.now)
	return []struct {
		name string
		err  error
	}{
		{"Admit", admit}, {"Claim", claim}, {"Extend", extend}, {"Settle", settle},
		{"Registered", registered}, {"Hasten", hasten},
		{"Load", load}, {"List", list}, {"Replace", replace}, {"Stats", stats},
	}
}

func checkClosed(f *fixture) {
	id := f.admitNew(f.entry("a", 1))
	dead := f.admitNew(f.dead("b", 2, store.Unmapped))
	c := f.claimOne(id, time.Minute)
	if err := f.s.Close(); err != nil {
		f.Fatalf("Close: %v", err)
	}
	for _, call := range calls(f, f.ctx, c, dead) {
		f.wantErr(call.name, call.err, store.ErrClosed)
	}
}

func checkCloseWaits(f *fixture) {
	const producers = 16
	entries := make([]store.Entry, producers)
	for i := range entries {
		entries[i] = f.entry(laneName(i), 0)
	}
	errs := make([]error, producers)
	var group sync.WaitGroup
	for i := range entries {
		group.Go(func() { _, errs[i] = f.s.Admit(f.ctx, f.now, entries[i:i+1]) })
	}
	if err := f.s.Close(); err != nil {
		f.Fatalf("Close: %v", err)
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			f.wantErr("Admit beside Close", err, store.ErrClosed)
		}
	}
}

func checkCancelled(f *fixture) {
	id := f.admitNew(f.entry("a", 1))
	next := f.admitNew(f.entry("b", 2))
	dead := f.admitNew(f.dead("c", 3, store.Unmapped))
	claims := f.claim(1, time.Minute)
	if len(claims) != 1 {
		f.Fatalf("Claim = %+v, want one", claims)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	for _, call := range calls(f, ctx, claims[0], dead) {
		f.wantErr(call.name, call.err, context.Canceled)
	}
	f.wantList(store.Filter{}, id, next, dead)
	f.settle(claims[0], store.Outcome{Do: store.Delivered})
	f.admitNew(f.entry("z", 99))
}

// checkReopen proves that what was acknowledged outlives Close: entries in
// their order, dead letters, keys, attempts and due times; and that leases do
// not.
func checkReopen(f *fixture, reopen func(*testing.T, store.Store) store.Store) {
	retried, leased, gone := f.entry("a", 1), f.entry("b", 2), f.entry("c", 3)
	dead := f.dead("d", 4, store.Unmapped)
	behind := f.entry("b", 5)
	for _, e := range []store.Entry{retried, leased, gone, dead, behind} {
		f.admitNew(e)
	}
	var old store.Claim
	for _, c := range f.claim(10, time.Hour) {
		switch c.ID {
		case retried.ID:
			f.settle(c, store.Outcome{Do: store.Retry, At: f.now.Add(time.Minute), Reason: store.Reason{Text: "502"}})
		case gone.ID:
			f.settle(c, store.Outcome{Do: store.Delivered})
		case leased.ID:
			old = c
		}
	}
	before := f.list(store.Filter{})
	if err := f.s.Close(); err != nil {
		f.Fatalf("Close: %v", err)
	}
	f.s = reopen(f.T, f.s)

	f.wantList(store.Filter{}, retried.ID, leased.ID, dead.ID, behind.ID)
	for _, want := range before {
		if diff := cmp.Diff(want, f.info(want.ID)); diff != "" {
			f.Fatalf("after reopening (-want +got):\n%s", diff)
		}
	}
	for _, e := range []store.Entry{retried, leased, dead, behind} {
		f.wantBody(e.ID, e.Body)
	}
	f.wantStats(store.Stats{
		Ready: 3, ReadyBytes: 3 * 34, Oldest: f.now, Dead: 1, DeadBytes: 34, Keys: 5,
	})
	f.admitDuplicate(f.entry("c", 3), gone.ID)
	f.admitDuplicate(f.entry("d", 4), dead.ID)

	fresh := f.claimOne(leased.ID, time.Minute)
	f.wantErr("Settle of a lease from before", f.s.Settle(f.ctx, f.now, old, store.Outcome{Do: store.Delivered}), store.ErrFenced)
	f.settle(fresh, store.Outcome{Do: store.Delivered})
	f.settle(f.claimOne(behind.ID, time.Minute), store.Outcome{Do: store.Delivered})
	f.later(time.Minute)
	if c := f.claimOne(retried.ID, time.Minute); c.Attempts != 1 {
		f.Fatalf("after reopening: %d attempts, want 1", c.Attempts)
	}
}
