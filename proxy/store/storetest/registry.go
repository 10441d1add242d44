package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store"
)

var registryRules = []rule{
	{"an unchanged version that waits is a duplicate", func(f *fixture) {
		first := f.admitNew(f.version("a", 1))
		f.admitDuplicate(f.version("a", 1), first)
		f.wantList(store.Filter{}, first)
	}},
	{"an unchanged version that was accepted is a duplicate for good", func(f *fixture) {
		first := f.admitNew(ttl(f.version("a", 1), time.Minute))
		f.deliver(first)
		f.later(1000 * time.Hour)
		f.admitDuplicate(f.version("a", 1), first)
		f.claimNone()
	}},
	{"A, B, A are three versions", func(f *fixture) {
		first := f.admitNew(f.version("a", 1))
		f.deliver(first)
		b, again := f.admitNew(f.version("a", 2)), f.admitNew(f.version("a", 1))
		f.admitDuplicate(f.version("a", 1), again)
		f.deliver(b)
		f.deliver(again)
		f.admitDuplicate(f.version("a", 1), again)
	}},
	{"versions of one call follow each other", func(f *fixture) {
		a, b, c, d := f.version("a", 1), f.version("a", 2), f.version("a", 2), f.version("a", 1)
		want := []store.Admission{{ID: a.ID}, {ID: b.ID}, {ID: b.ID, Duplicate: true}, {ID: d.ID}}
		if diff := cmp.Diff(want, f.admit(a, b, c, d)); diff != "" {
			f.Fatalf("Admit (-want +got):\n%s", diff)
		}
	}},
	{"versions are told apart by their digest, not by their key", func(f *fixture) {
		a, b := f.version("a", 1), f.version("a", 2)
		a.Key, b.Key = store.Key{7}, store.Key{7}
		f.admitNew(a)
		f.admitNew(b)
	}},
	{"Again sends what is unchanged", func(f *fixture) {
		first := f.admitNew(f.version("a", 1))
		f.deliver(first)
		again := f.version("a", 1)
		again.Again = true
		f.admitNew(again)
		f.admitDuplicate(f.version("a", 1), again.ID)
	}},
	{"a buried version is not the latest any more", checkBuriedVersion},
	{"a dead letter registers nothing", func(f *fixture) {
		e := f.version("a", 1)
		e.Dead = &store.Reason{Class: store.Refused}
		f.admitNew(e)
		f.wantRegistered("a", store.Registration{})
		f.admitNew(f.version("a", 1))
	}},
	{"a replacement registers", func(f *fixture) {
		dead := f.admitNew(f.dead("a", 1, store.Refused))
		e := f.version("a", 1)
		f.replace(dead, e)
		f.wantRegistered("a", store.Registration{Waiting: e.ID, Since: f.now})
		f.admitDuplicate(f.version("a", 1), e.ID)
	}},
	{"tells what waits and what was accepted", checkRegistered},
	{"older versions never overtake newer ones", checkVersionsInOrder},
	{"Hasten makes entries due", checkHasten},
}

// version makes an entry that registers the one thing of its lane.
func (f *fixture) version(lane string, digest byte) store.Entry {
	e := f.entry(lane, 0)
	e.Registers, e.Digest = f.ref(lane), store.Key{digest}
	return e
}

func (f *fixture) ref(lane string) store.Ref {
	return store.Ref{Group: f.entry(lane, 0).Group, Key: store.Key(append([]byte("thing of 0123456"[:15]), lane[0]))}
}

// deliver claims and delivers the entry id, which must be the only one due.
func (f *fixture) deliver(id string) {
	f.Helper()
	f.settle(f.claimOne(id, time.Minute), store.Outcome{Do: store.Delivered})
}

func (f *fixture) wantRegistered(lane string, want store.Registration) {
	f.Helper()
	got, err := f.s.Registered(f.ctx, []store.Ref{f.ref(lane)})
	if err != nil {
		f.Fatalf("Registered: %v", err)
	}
	if diff := cmp.Diff([]store.Registration{want}, got); diff != "" {
		f.Fatalf("Registered (-want +got):\n%s", diff)
	}
}

func checkBuriedVersion(f *fixture) {
	bury := store.Outcome{Do: store.Bury, Reason: store.Reason{Class: store.Rejected}}
	first := f.admitNew(f.version("a", 1))
	f.settle(f.claimOne(first, time.Minute), bury)
	f.wantRegistered("a", store.Registration{})
	second := f.admitNew(f.version("a", 1))
	f.deliver(second)
	accepted := f.now
	f.later(time.Minute)
	third := f.admitNew(f.version("a", 2))
	f.settle(f.claimOne(third, time.Minute), bury)
	f.wantRegistered("a", store.Registration{Accepted: accepted, AcceptedID: second})
	f.admitDuplicate(f.version("a", 1), second)
	f.admitNew(f.version("a", 2))
}

func checkRegistered(f *fixture) {
	f.wantRegistered("a", store.Registration{})
	first := f.admitNew(f.version("a", 1))
	admitted := f.now
	f.later(time.Minute)
	second := f.admitNew(f.version("a", 2))
	f.admitNew(f.entry("b", 3)) // of another kind
	f.wantRegistered("a", store.Registration{Waiting: first, Since: admitted})
	f.wantRegistered("b", store.Registration{})

	claims := f.claim(10, time.Minute)
	f.wantRegistered("a", store.Registration{Waiting: first, Since: admitted})
	for _, c := range claims {
		f.settle(c, store.Outcome{Do: store.Delivered})
	}
	accepted := f.now
	f.wantRegistered("a", store.Registration{Accepted: accepted, AcceptedID: first, Waiting: second, Since: f.now})
	f.later(time.Minute)
	f.deliver(second)

	got, err := f.s.Registered(f.ctx, []store.Ref{f.ref("b"), f.ref("a"), f.ref("c"), f.ref("a")})
	if err != nil {
		f.Fatalf("Registered: %v", err)
	}
	a := store.Registration{Accepted: f.now, AcceptedID: second}
	if diff := cmp.Diff([]store.Registration{{}, a, {}, a}, got); diff != "" {
		f.Fatalf("Registered (-want +got):\n%s", diff)
	}
	if got, err := f.s.Registered(f.ctx, nil); err != nil || len(got) != 0 {
		f.Fatalf("Registered of nothing = %v, %v", got, err)
	}
}

// checkVersionsInOrder delivers versions of which every other try fails.
func checkVersionsInOrder(f *fixture) {
	var want, got []string
	for n := range 6 {
		want = append(want, f.admitNew(f.version("a", byte(1+n%2))))
	}
	for try := range 12 {
		claims := f.claim(10, time.Minute)
		if len(claims) != 1 {
			f.Fatalf("Claim = %+v, want one version", claims)
		}
		if try%2 == 0 {
			f.settle(claims[0], store.Outcome{Do: store.Retry, At: f.now.Add(time.Minute)})
			f.claimNone()
			f.later(time.Minute)
			continue
		}
		f.settle(claims[0], store.Outcome{Do: store.Delivered})
		got = append(got, claims[0].ID)
		f.wantRegistered("a", f.after(f.now, want, len(got)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("delivered (-want +got):\n%s", diff)
	}
}

// after is the registration when n of the versions were delivered, the last
// one at now.
func (f *fixture) after(now time.Time, versions []string, n int) store.Registration {
	r := store.Registration{Accepted: now, AcceptedID: versions[n-1]}
	if n < len(versions) {
		r.Waiting, r.Since = versions[n], start()
	}
	return r
}

func checkHasten(f *fixture) {
	a, behind, b := f.admitNew(f.entry("a", 0)), f.admitNew(f.entry("a", 0)), f.admitNew(f.entry("b", 0))
	dead := f.admitNew(f.dead("c", 0, store.Unmapped))
	for _, c := range f.claim(10, time.Minute) {
		f.settle(c, store.Outcome{Do: store.Retry, At: f.now.Add(time.Hour), Free: true, Reason: store.Reason{Class: store.Waiting, Text: "for another"}})
	}
	f.wantList(store.Filter{State: store.Ready, Class: store.Waiting}, a, b)
	f.claimNone()
	f.later(time.Second)
	hasten := func(ids ...string) {
		f.Helper()
		if err := f.s.Hasten(f.ctx, f.now, ids); err != nil {
			f.Fatalf("Hasten: %v", err)
		}
	}
	hasten()
	hasten(f.id(), dead, behind)
	f.claimNone()
	hasten(a)
	if got := f.info(a).Due; !got.Equal(f.now) {
		f.Fatalf("a hastened entry is due at %v, want %v", got, f.now)
	}
	c := f.claimOne(a, time.Minute)
	if c.Attempts != 0 {
		f.Fatalf("a hastened entry has %d attempts, want 0", c.Attempts)
	}
	hasten(a, b) // a is leased
	f.settle(f.claimOne(b, time.Minute), store.Outcome{Do: store.Delivered})
	f.settle(c, store.Outcome{Do: store.Delivered})
	f.claimOne(behind, time.Minute)
}

// checkRegistryReopen proves that registrations outlive Close: those that were
// accepted and those that wait.
func checkRegistryReopen(f *fixture, reopen func(*testing.T, store.Store) store.Store) {
	first := f.admitNew(f.version("a", 1))
	f.deliver(first)
	accepted := f.now
	f.later(time.Minute)
	waiting := f.admitNew(f.version("a", 2))
	if err := f.s.Close(); err != nil {
		f.Fatalf("Close: %v", err)
	}
	f.s = reopen(f.T, f.s)
	f.wantRegistered("a", store.Registration{Accepted: accepted, AcceptedID: first, Waiting: waiting, Since: f.now})
	f.admitDuplicate(f.version("a", 2), waiting)
	again := f.admitNew(f.version("a", 1))
	f.deliver(waiting)
	f.deliver(again)
	f.wantRegistered("a", store.Registration{Accepted: f.now, AcceptedID: again})
}
