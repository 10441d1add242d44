package shared_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/shared"
	"yiqiao/proxy/store/storetest"
)

func TestPromiseAdmittedByOneReplica(t *testing.T) {
	server := storetest.StartRedis(t)
	replicas := []*replica{start(t, server.URL(), nil), start(t, server.URL(), nil), start(t, server.URL(), nil)}
	replicas[0].promises("an event that several replicas receive is admitted by one of them")
	const events, sends = 30, 4
	var mu sync.Mutex
	first := map[int]map[string]bool{}
	var sending sync.WaitGroup
	for n := range events {
		for i := range sends {
			sending.Go(func() {
				r := replicas[(n+i)%len(replicas)]
				got, err := r.Admit(t.Context(), time.Now(), []store.Entry{entry(n, "a")})
				if err != nil {
					t.Errorf("Admit: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if first[n] == nil {
					first[n] = map[string]bool{}
				}
				first[n][got[0].ID] = true
			})
		}
	}
	sending.Wait()
	held := 0
	for _, r := range replicas {
		held += r.holds()
	}
	if held != events {
		t.Errorf("the replicas hold %d entries of %d events", held, events)
	}
	for n, ids := range first {
		if len(ids) != 1 {
			t.Errorf("event %d was told as %d entries", n, len(ids))
		}
	}
}

// Events of several records of which each replica has some: those that are
// known elsewhere are duplicates, the rest is admitted here.
func TestMixedEvents(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	two := a.admit(entry(2, "a"))
	var entries []store.Entry
	for _, n := range []int{1, 2, 1, 3} {
		entries = append(entries, entry(n, "a"))
	}
	entries[3].Key = store.Key{} // never a duplicate
	got, err := b.Admit(t.Context(), time.Now(), entries)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Admission{{ID: entries[0].ID}, {ID: two.ID, Duplicate: true}, {ID: entries[0].ID, Duplicate: true}, {ID: entries[3].ID}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d: %+v, want %+v", i, got[i], want[i])
		}
	}
	if n := b.holds(); n != 2 {
		t.Errorf("b holds %d entries, want 2", n)
	}
}

// Two events that have the same two records in another order do not wait for
// each other for ever.
func TestCrossedEvents(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	for n := range 20 {
		var sending sync.WaitGroup
		for i, r := range []*replica{a, b} {
			one, two := entry(2*n+i, "a"), entry(2*n+1-i, "a")
			sending.Go(func() {
				if _, err := r.Admit(t.Context(), time.Now(), []store.Entry{one, two}); err != nil {
					t.Errorf("Admit: %v", err)
				}
			})
		}
		sending.Wait()
	}
	if held := a.holds() + b.holds(); held != 40 {
		t.Errorf("the replicas hold %d entries, want 40", held)
	}
}

func TestPromiseDuplicateWaitsForTheFirst(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	a.promises("the others answer that it is a duplicate when that one has it durable")
	entered, open := make(chan struct{}), make(chan struct{})
	a.local.before = func() error { close(entered); <-open; return nil }
	firstDone := make(chan store.Admission, 1)
	go func() {
		got, err := a.Admit(context.Background(), time.Now(), []store.Entry{entry(1, "a")})
		if err != nil {
			t.Errorf("Admit: %v", err)
			got = []store.Admission{{}}
		}
		firstDone <- got[0]
	}()
	<-entered
	secondDone := make(chan store.Admission, 1)
	go func() {
		got, err := b.Admit(context.Background(), time.Now(), []store.Entry{entry(1, "a")})
		if err != nil {
			t.Errorf("Admit: %v", err)
			got = []store.Admission{{}}
		}
		secondDone <- got[0]
	}()
	select {
	case got := <-secondDone:
		close(open)
		t.Fatalf("b answered %+v before a had it durable", got)
	case <-time.After(300 * time.Millisecond):
	}
	// Whoever does not wait so long is told nothing that is not so.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.Admit(ctx, time.Now(), []store.Entry{entry(1, "a")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Admit = %v, want that the caller gave up", err)
	}
	close(open)
	first, second := <-firstDone, <-secondDone
	if first.Duplicate || !second.Duplicate || second.ID != first.ID {
		t.Errorf("a answered %+v, b %+v", first, second)
	}
	if n := b.holds(); n != 0 {
		t.Errorf("b holds %d entries", n)
	}
}

// What the disk refuses gives its key back at once.
func TestRefusalGivesTheKeyBack(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	for n, refusal := range []error{store.ErrFull, errors.New("the disk is broken")} {
		a.local.before = func() error { return refusal }
		if _, err := a.Admit(t.Context(), time.Now(), []store.Entry{entry(n, "a")}); !errors.Is(err, refusal) {
			t.Errorf("Admit = %v, want %v", err, refusal)
		}
		begun := time.Now()
		if got := b.admit(entry(n, "a")); got.Duplicate || time.Since(begun) > 5*time.Second {
			t.Errorf("after %v b answered %+v, %v later", refusal, got, time.Since(begun))
		}
	}
}

// a reserves and ends: nothing is durable, nothing is lost. The next one to
// send waits for the end of the lease, not longer.
func TestPromiseCrashGivesTheKeyBack(t *testing.T) {
	server := storetest.StartRedis(t)
	short := func(r *replica) { r.options.Lease = 500 * time.Millisecond }
	b := start(t, server.URL(), short)
	b.promises("A replica that ends between gives the key back after 500ms: nothing is lost")
	held := store.Hold{Token: "of a replica that ended", Lease: 500 * time.Millisecond}
	e := entry(1, "a")
	keys := openKeys(t, server.URL())
	if _, _, err := keys.Reserve(t.Context(), time.Now(), held, []store.Key{e.Key}); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if got := b.admit(e); got.Duplicate || got.ID != e.ID {
		t.Errorf("b answered %+v, want a first admission", got)
	}
	if took := time.Since(begun); took < 300*time.Millisecond {
		t.Errorf("b admitted it after %v, while it was reserved", took)
	}
}

// a makes its entry durable and ends before it has confirmed: at worst b
// admits the event once more. It is never more, and a counts it.
func TestPromiseOwnerConfirmsAtStart(t *testing.T) {
	server := storetest.StartRedis(t)
	short := func(r *replica) { r.options.Lease = 500 * time.Millisecond }
	a, b := start(t, server.URL(), short), start(t, server.URL(), short)
	a.promises("at worst the event is admitted once more. At its next start it confirms what it has.")
	ended := errors.New("the process ended here")
	a.local.after = func() error { return ended }
	for n := range 2 {
		if _, err := a.Admit(t.Context(), time.Now(), []store.Entry{entry(n, "a")}); !errors.Is(err, ended) {
			t.Fatal(err)
		}
	}
	again := b.admit(entry(0, "a")) // before a is back
	if again.Duplicate {
		t.Errorf("b answered %+v", again)
	}
	a.reopen()
	a.wantCounts(0, 1)
	eventually(t, func() bool { return b.admit(entry(1, "a")).Duplicate || b.holds() > 1 }, func() string { return "an answer" })
	if n := b.holds(); n != 1 {
		t.Errorf("b holds %d entries: a had confirmed the other", n)
	}
	for _, r := range []*replica{a, b} {
		if got := r.admit(entry(0, "a")); !got.Duplicate || got.ID != again.ID {
			t.Errorf("answered %+v, want a duplicate of %s", got, again.ID)
		}
	}
	a.reopen()
	a.wantState("ok")
	a.wantCounts(0, 0) // counted once
}

func TestPromiseOutageAdmits(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	a.promises("While Redis is away, events are admitted and each replica knows its own duplicates only; those admitted twice are counted when it is back.")
	before := a.admit(entry(0, "a"))
	server.Kill()
	one := a.admit(entry(1, "a"))
	if got := a.admit(entry(1, "a")); !got.Duplicate || got.ID != one.ID {
		t.Errorf("a answered %+v, want a duplicate of its own", got)
	}
	b.admit(entry(1, "a")) // twice
	b.admit(entry(2, "a"))
	if got := a.admit(entry(0, "a")); !got.Duplicate || got.ID != before.ID {
		t.Errorf("a answered %+v, want a duplicate of before", got)
	}
	a.wantState("degraded: the keys that replicas share are out of reach")
	if note := <-a.notes; !strings.Contains(note, "out of reach, events are admitted without them") {
		t.Errorf("a notes %q", note)
	}
	server.Restart()
	a.wantState("ok")
	b.wantState("ok")
	if note := <-a.notes; !strings.Contains(note, "are back after") || !strings.Contains(note, "1 events were admitted") {
		t.Errorf("a notes %q", note)
	}
	var twice int64
	eventually(t, func() bool {
		twice = 0
		for _, r := range []*replica{a, b} {
			twice += r.counts().Twice
		}
		return twice == 1
	}, func() string { return "the event that was admitted twice is counted once" })
	// Reconciled: what one admitted meanwhile the other knows.
	if got := a.admit(entry(2, "a")); !got.Duplicate {
		t.Errorf("a answered %+v, want a duplicate of b's", got)
	}
	if a, b := a.holds(), b.holds(); a != 2 || b != 2 {
		t.Errorf("a holds %d, b %d, want 2 each", a, b)
	}
	a.wantCounts(1, a.counts().Twice)
	b.wantCounts(2, b.counts().Twice)
}

func TestPromiseOutageRefuses(t *testing.T) {
	server := storetest.StartRedis(t)
	a := start(t, server.URL(), func(r *replica) { r.options.OnOutage = shared.Refuse })
	a.promises("While Redis is away, events are refused and what waits is still delivered.")
	first := a.admit(entry(0, "a"))
	server.Kill()
	for n := range 2 { // a duplicate and a new one
		if got, err := a.Admit(t.Context(), time.Now(), []store.Entry{entry(n, "a")}); err == nil || !strings.Contains(err.Error(), "dedup.onOutage is refuse") {
			t.Errorf("Admit = %+v, %v", got, err)
		}
	}
	free := entry(0, "b")
	free.Key = store.Key{}
	a.admit(free) // it needs no key
	claims, err := a.Claim(t.Context(), time.Now(), store.Want{Max: 1, Lease: time.Minute})
	if err != nil || len(claims) != 1 || claims[0].ID != first.ID {
		t.Fatalf("Claim = %+v, %v", claims, err)
	}
	if err := a.Settle(t.Context(), time.Now(), claims[0], store.Outcome{Do: store.Delivered}); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	a.wantState("ok")
	if got := a.admit(entry(1, "a")); got.Duplicate {
		t.Errorf("a answered %+v", got)
	}
	a.wantCounts(0, 0)
}

// A replica starts while Redis is away, with what it had.
func TestStartWithoutRedis(t *testing.T) {
	server := storetest.StartRedis(t)
	a := start(t, server.URL(), nil)
	first := a.admit(entry(0, "a"))
	server.Kill()
	a.reopen()
	a.wantState("out of reach")
	a.admit(entry(1, "a"))
	if got := a.admit(entry(0, "a")); !got.Duplicate || got.ID != first.ID {
		t.Errorf("a answered %+v", got)
	}
	server.Restart()
	a.wantState("ok")
	b := start(t, server.URL(), nil)
	eventually(t, func() bool { return b.admit(entry(1, "b")).Duplicate }, func() string { return "b knows what a admitted" })
	if n := b.holds(); n > 1 {
		t.Errorf("b holds %d entries", n)
	}
}

// A server that comes back without its keys is told them again: nobody had to
// notice that it was away.
func TestForgottenKeysAreConfirmedAnew(t *testing.T) {
	server := storetest.StartRedis(t)
	a := start(t, server.URL(), nil)
	for n := range 3 {
		a.admit(entry(n, "a"))
	}
	server.Do(t.Context(), "FLUSHALL")
	server.Do(t.Context(), "SET", "{yiqiao:keys}:layout", "2 1")
	if got := a.admit(entry(0, "a")); !got.Duplicate { // a notices
		t.Errorf("a answered %+v", got)
	}
	keys := openKeys(t, server.URL())
	eventually(t, func() bool {
		first, held, err := keys.Reserve(t.Context(), time.Now(), store.Hold{Token: "x", Lease: time.Millisecond}, []store.Key{entry(1, "").Key, entry(2, "").Key})
		return err == nil && !held && first[0] != "" && first[1] != ""
	}, func() string { return "the others' keys are confirmed too" })
}

// The lease of a reservation ends while the disk takes its time: the admission
// is given up before that, so that no two replicas have it.
func TestSlowDiskGivesUpInTime(t *testing.T) {
	server := storetest.StartRedis(t)
	a := start(t, server.URL(), func(r *replica) { r.options.Lease = time.Second })
	a.local.before = func() error {
		slow := time.NewTimer(900 * time.Millisecond)
		<-slow.C
		return nil
	}
	if _, err := a.Admit(t.Context(), time.Now(), []store.Entry{entry(0, "a")}); err == nil || !strings.Contains(err.Error(), "not durable within 800ms") {
		t.Errorf("Admit = %v", err)
	}
	if n := a.holds(); n != 0 {
		t.Errorf("a holds %d entries", n)
	}
}

// A dead letter is known to all; its replacement, here or refused, is known
// in its place.
func TestReplaceAmongReplicas(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	dead := entry(0, "dead")
	dead.Dead = &store.Reason{Class: store.Rejected, Text: "no"}
	a.admit(dead)
	if got := b.admit(entry(0, "a")); !got.Duplicate || got.ID != dead.ID {
		t.Errorf("b answered %+v, want a duplicate of the dead letter", got)
	}
	other := b.admit(entry(1, "a"))
	again, known, fresh := entry(0, "a"), entry(1, "a"), entry(2, "a")
	if _, err := b.Replace(t.Context(), time.Now(), dead.ID, []store.Entry{again}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("b replaced the dead letter of a: %v", err)
	}
	got, err := a.Replace(t.Context(), time.Now(), dead.ID, []store.Entry{again, known, fresh})
	if err != nil || got[0] != (store.Admission{ID: again.ID}) || got[1] != (store.Admission{ID: other.ID, Duplicate: true}) || got[2] != (store.Admission{ID: fresh.ID}) {
		t.Fatalf("Replace = %+v, %v", got, err)
	}
	for n, want := range map[int]string{0: again.ID, 1: other.ID, 2: fresh.ID} {
		for _, r := range []*replica{a, b} {
			if got := r.admit(entry(n, "a")); !got.Duplicate || got.ID != want {
				t.Errorf("event %d is %+v, want a duplicate of %s", n, got, want)
			}
		}
	}
	if _, err := a.Replace(t.Context(), time.Now(), dead.ID, []store.Entry{entry(9, "a")}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a second Replace: %v", err)
	}
	if got := b.admit(entry(9, "a")); got.Duplicate {
		t.Errorf("the key of a Replace that was refused is taken: %+v", got)
	}
	a.reopen()
	a.wantState("ok")
	a.wantCounts(0, 0)
}

func TestPromiseBacklogWaitsForItsReplica(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	a.promises("What waits on the disk of a replica is delivered by that replica, when it runs.")
	e := entry(1, "a")
	a.admit(e)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if claims, err := b.Claim(t.Context(), time.Now(), store.Want{Max: 10, Lease: time.Minute}); err != nil || len(claims) != 0 {
		t.Errorf("b gives out %+v, %v", claims, err)
	}
	a.open(diskOptions())
	if claims, err := a.Claim(t.Context(), time.Now(), store.Want{Max: 10, Lease: time.Minute}); err != nil || len(claims) != 1 || claims[0].ID != e.ID {
		t.Errorf("after its restart a gives out %+v, %v", claims, err)
	}
}

func TestPromiseOrderOnOneReplica(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	a.promises("The records of a device keep their order on one replica, not between two.")
	first, second, elsewhere := entry(1, "gate"), entry(2, "gate"), entry(3, "gate")
	a.admit(first)
	a.admit(second)
	b.admit(elsewhere)
	for _, tt := range []struct {
		r    *replica
		want string
	}{{a, first.ID}, {b, elsewhere.ID}} {
		claims, err := tt.r.Claim(t.Context(), time.Now(), store.Want{Max: 10, Lease: time.Minute})
		if err != nil || len(claims) != 1 || claims[0].ID != tt.want {
			t.Errorf("Claim = %+v, %v, want %s", claims, err, tt.want)
		}
	}
}

func TestPromiseRegistrationsOfOneReplica(t *testing.T) {
	server := storetest.StartRedis(t)
	a, b := start(t, server.URL(), nil), start(t, server.URL(), nil)
	a.promises("What was registered at the platform is known to the replica that delivered it: the others do not wait for it, and register the same once more.")
	registration := func(n int) store.Entry {
		e := entry(n, "xq")
		e.Registers, e.Digest = store.Ref{Group: "xq", Key: store.Key{9}}, store.Key{1}
		return e
	}
	a.admit(registration(1))
	claims, err := a.Claim(t.Context(), time.Now(), store.Want{Max: 1, Lease: time.Minute})
	if err != nil || len(claims) != 1 {
		t.Fatalf("Claim = %+v, %v", claims, err)
	}
	if err := a.Settle(t.Context(), time.Now(), claims[0], store.Outcome{Do: store.Delivered}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		r     *replica
		known bool
	}{{a, true}, {b, false}} {
		got, err := tt.r.Registered(t.Context(), []store.Ref{{Group: "xq", Key: store.Key{9}}})
		if err != nil || got[0].Accepted.IsZero() == tt.known {
			t.Errorf("Registered = %+v, %v, want it known: %t", got, err, tt.known)
		}
		if again := tt.r.admit(registration(2)); again.Duplicate != tt.known {
			t.Errorf("the same once more: %+v, want a duplicate: %t", again, tt.known)
		}
	}
}

func TestPromiseTellsWeakness(t *testing.T) {
	for config, want := range map[string]string{"appendfsync everysec": `appendfsync is "everysec"`, "appendfsync always": ""} {
		a := start(t, storetest.StartRedis(t, "maxmemory 64mb", config).URL(), nil)
		const but = "But keys may be lost, and then events be admitted twice: "
		if got := a.Promise(); strings.Contains(got, but) != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: the promise says %q", config, got)
		}
	}
}

// An event that is on its way to the disk while Redis comes back, and while
// all that is there already is confirmed, is confirmed too.
func TestAdmittedWhileRedisComesBack(t *testing.T) {
	server := storetest.StartRedis(t)
	a := start(t, server.URL(), nil)
	server.Kill()
	a.admit(entry(1, "a"))
	entered, open, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	a.local.before = func() error { close(entered); <-open; return nil }
	e := entry(2, "a")
	go func() {
		_, err := a.Admit(context.Background(), time.Now(), []store.Entry{e})
		done <- err
	}()
	<-entered
	server.Restart()
	a.wantState("ok")
	keys := openKeys(t, server.URL())
	knows := func(n int) bool {
		first, held, err := keys.Reserve(t.Context(), time.Now(), store.Hold{Token: "x", Lease: time.Millisecond}, []store.Key{entry(n, "").Key})
		return err == nil && !held && first[0] != ""
	}
	eventually(t, func() bool { return knows(1) }, func() string { return "all is confirmed" })
	close(open)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return knows(2) }, func() string { return "what came last is confirmed" })
}
