package storetest

import (
	"context"
	"time"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store"
)

var replaceRules = []rule{
	{"replaces a dead letter by entries", checkReplace},
	{"only removes if there are no entries", func(f *fixture) {
		id := f.admitNew(f.dead("a", 1, store.Unmapped))
		if got := f.replace(id); len(got) != 0 {
			f.Fatalf("Replace = %+v, want nothing", got)
		}
		f.wantList(store.Filter{})
		_, err := f.s.Load(f.ctx, id, nil)
		f.wantErr("Load of a removed dead letter", err, store.ErrNotFound)
		f.admitDuplicate(f.entry("a", 1), id)
	}},
	{"refuses what is not a dead letter", checkReplaceNotDead},
	{"the dead letter's own key is free for its replacement only", oneGroup(checkReplaceKeys)},
	{"a replacement may be a dead letter again", func(f *fixture) {
		id := f.admitNew(f.dead("a", 1, store.Unmapped))
		again := f.dead("a", 1, store.Refused)
		f.replace(id, again)
		f.wantList(store.Filter{State: store.Dead}, again.ID)
		last := f.entry("a", 1)
		f.replace(again.ID, last)
		f.admitDuplicate(f.entry("a", 1), last.ID)
	}},
	{"a replacement goes to the end of its lane", func(f *fixture) {
		dead := f.admitNew(f.dead("a", 0, store.Unmapped))
		first := f.admitNew(f.entry("a", 0))
		e := f.entry("a", 0)
		f.replace(dead, e)
		f.settle(f.claimOne(first, time.Minute), store.Outcome{Do: store.Delivered})
		f.claimOne(e.ID, time.Minute)
	}},
	{"replaces a buried entry", func(f *fixture) {
		id := f.admitNew(f.entry("a", 1))
		f.settle(f.claimOne(id, time.Minute), store.Outcome{Do: store.Bury, Reason: store.Reason{Class: store.Rejected}})
		e := f.entry("a", 1)
		if got := f.replace(id, e); got[0].Duplicate {
			f.Fatalf("Replace = %+v, want a first admission", got)
		}
		if c := f.claimOne(e.ID, time.Minute); c.Attempts != 0 {
			f.Fatalf("a replacement begins with %d attempts", c.Attempts)
		}
	}},
	{"changes nothing if it is cancelled before", func(f *fixture) {
		id := f.admitNew(f.dead("a", 1, store.Unmapped))
		ctx, cancel := context.WithCancel(f.ctx)
		cancel()
		_, err := f.s.Replace(ctx, f.now, id, []store.Entry{f.entry("a", 1)})
		f.wantErr("Replace", err, context.Canceled)
		f.wantList(store.Filter{}, id)
	}},
}

func (f *fixture) replace(id string, entries ...store.Entry) []store.Admission {
	f.Helper()
	got, err := f.s.Replace(f.ctx, f.now, id, entries)
	if err != nil {
		f.Fatalf("Replace(%s): %v", id, err)
	}
	if len(got) != len(entries) {
		f.Fatalf("Replace answered %d admissions for %d entries", len(got), len(entries))
	}
	return got
}

func checkReplace(f *fixture) {
	dead := f.dead("a", 1, store.Unmapped)
	f.admitNew(dead)
	f.later(time.Minute)
	a, b := f.entry("a", 1), f.entry("b", 2)
	want := []store.Admission{{ID: a.ID}, {ID: b.ID}}
	if diff := cmp.Diff(want, f.replace(dead.ID, a, b)); diff != "" {
		f.Fatalf("Replace (-want +got):\n%s", diff)
	}
	f.wantList(store.Filter{}, a.ID, b.ID)
	f.wantBody(a.ID, a.Body)
	f.wantStats(store.Stats{Ready: 2, ReadyBytes: int64(len(a.Body) + len(b.Body)), Oldest: f.now, Keys: 2})
	_, err := f.s.Replace(f.ctx, f.now, dead.ID, []store.Entry{f.entry("a", 9)})
	f.wantErr("a second Replace", err, store.ErrNotFound)
	f.wantList(store.Filter{}, a.ID, b.ID)
}

func checkReplaceNotDead(f *fixture) {
	ready := f.admitNew(f.entry("a", 1))
	_, err := f.s.Replace(f.ctx, f.now, ready, []store.Entry{f.entry("b", 2)})
	f.wantErr("Replace of a ready entry", err, store.ErrNotFound)
	_, err = f.s.Replace(f.ctx, f.now, f.id(), []store.Entry{f.entry("b", 3)})
	f.wantErr("Replace of an unknown id", err, store.ErrNotFound)
	_, err = f.s.Replace(f.ctx, f.now, ready, nil)
	f.wantErr("removal of a ready entry", err, store.ErrNotFound)
	c := f.claimOne(ready, time.Minute)
	_, err = f.s.Replace(f.ctx, f.now, ready, nil)
	f.wantErr("removal of a leased entry", err, store.ErrNotFound)
	f.settle(c, store.Outcome{Do: store.Retry, At: f.now})
	f.wantList(store.Filter{}, ready)
	f.admitNew(f.entry("b", 2))
	f.admitNew(f.entry("b", 3))
}

func checkReplaceKeys(f *fixture) {
	other := f.admitNew(f.entry("b", 2))
	dead := f.dead("a", 1, store.Unmapped)
	f.admitNew(dead)
	a, b, c := f.entry("a", 1), f.entry("a", 1), f.entry("a", 2)
	want := []store.Admission{{ID: a.ID}, {ID: a.ID, Duplicate: true}, {ID: other, Duplicate: true}}
	if diff := cmp.Diff(want, f.replace(dead.ID, a, b, c)); diff != "" {
		f.Fatalf("Replace (-want +got):\n%s", diff)
	}
	f.wantList(store.Filter{}, other, a.ID)
	f.admitDuplicate(f.entry("a", 1), a.ID)

	// The key went over to a later entry, so it is no longer the dead letter's.
	old := ttl(f.dead("a", 3, store.Unmapped), time.Minute)
	f.admitNew(old)
	f.later(2 * time.Minute)
	owner := f.admitNew(f.entry("b", 3))
	if got := f.replace(old.ID, f.entry("a", 3))[0]; !got.Duplicate || got.ID != owner {
		f.Fatalf("Replace = %+v, want a duplicate of %s", got, owner)
	}
	f.wantList(store.Filter{State: store.Dead})
}
