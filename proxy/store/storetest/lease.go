package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store"
)

var leaseRules = []rule{
	{"a claim says what the entry is", checkClaimFields},
	{"a lane is given out in the order of admission", checkLaneOrder},
	{"the order is that of admission, not of ids", func(f *fixture) {
		older, newer := f.entry("a", 0), f.entry("a", 0)
		f.admitNew(newer)
		f.admitNew(older)
		f.wantList(store.Filter{}, newer.ID, older.ID)
		f.settle(f.claimOne(newer.ID, time.Minute), store.Outcome{Do: store.Delivered})
		f.claimOne(older.ID, time.Minute)
	}},
	{"a lane gives one entry at a time", func(f *fixture) {
		first := f.admitNew(f.entry("a", 0))
		f.admitNew(f.entry("a", 0))
		other := f.admitNew(f.entry("b", 0))
		if got := f.claim(10, time.Minute); len(got) != 2 || got[0].Lane == got[1].Lane {
			f.Fatalf("Claim = %+v, want %s and %s", got, first, other)
		}
		f.claimNone()
	}},
	{"max bounds a claim", checkMax},
	{"lanes take turns", checkTurns},
	{"a share of the claims goes to the newest", checkNewest},
	{"a lease that has ended is given out with a new token", checkLeaseEnd},
	{"an ended lease settles until another took the entry", func(f *fixture) {
		id := f.admitNew(f.entry("a", 0))
		c := f.claimOne(id, time.Minute)
		f.later(2 * time.Minute)
		f.settle(c, store.Outcome{Do: store.Delivered})
		f.wantList(store.Filter{})
	}},
	{"extend moves the end of the lease", checkExtend},
	{"settle happens once", checkSettleOnce},
	{"a retry waits and blocks its lane", checkRetry},
	{"lanes in backoff hold up no other", checkBackoff},
	{"a free retry counts no attempt", checkFree},
	{"a buried entry is a dead letter and frees its lane", checkBury},
	{"a dead letter does not block its lane", func(f *fixture) {
		f.admitNew(f.dead("a", 0, store.Unmapped))
		f.claimOne(f.admitNew(f.entry("a", 0)), time.Minute)
	}},
	{"many workers never share a lease", checkWorkers},
}

func checkClaimFields(f *fixture) {
	e := f.entry("a", 1)
	f.admitNew(e)
	admitted := f.now
	f.later(time.Minute)
	got := f.claimOne(e.ID, time.Minute)
	if got.Token == 0 {
		f.Fatal("a token is never 0")
	}
	want := store.Claim{ID: e.ID, Lane: "a", Token: got.Token, Admitted: admitted, Size: len(e.Body), Labels: e.Labels}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("Claim (-want +got):\n%s", diff)
	}
	f.wantBody(e.ID, e.Body)
	if got := f.info(e.ID).State; got != store.Ready {
		f.Fatalf("a leased entry is %q, want %q", got, store.Ready)
	}
}

func checkLaneOrder(f *fixture) {
	var want []string
	for range 3 {
		got := f.admit(f.entry("a", 0), f.entry("a", 0))
		want = append(want, got[0].ID, got[1].ID)
		f.later(time.Second)
	}
	for _, id := range want {
		f.settle(f.claimOne(id, time.Minute), store.Outcome{Do: store.Delivered})
	}
	f.claimNone()
	f.claimOne(f.admitNew(f.entry("a", 0)), time.Minute)
}

func checkMax(f *fixture) {
	for i := range 5 {
		f.admitNew(f.entry(laneName(i), 0))
	}
	seen := map[string]bool{}
	for _, want := range []int{2, 2, 1, 0} {
		got := f.claim(2, time.Minute)
		if len(got) != want {
			f.Fatalf("Claim gave %d, want %d", len(got), want)
		}
		for _, c := range got {
			if seen[c.ID] {
				f.Fatalf("%s was given out twice", c.ID)
			}
			seen[c.ID] = true
		}
	}
}

// checkTurns: a lane with a backlog that is older than all others gets no more
// than its turn.
func checkTurns(f *fixture) {
	for range 3 {
		f.admitNew(f.entry("a", 0))
	}
	f.later(time.Hour)
	for range 3 {
		f.admitNew(f.entry("b", 0))
	}
	f.admitNew(f.entry("c", 0))
	var order string
	for range 7 {
		f.later(time.Second)
		got := f.claim(1, time.Minute)
		if len(got) != 1 {
			f.Fatalf("after %q Claim gave %d", order, len(got))
		}
		order += got[0].Lane
		if len(order) == 2 { // a lane in backoff gives its turn away
			f.settle(got[0], store.Outcome{Do: store.Retry, At: f.now.Add(3 * time.Second)})
			continue
		}
		f.settle(got[0], store.Outcome{Do: store.Delivered})
	}
	if want := "abcaabb"; order != want {
		f.Fatalf("lanes were served in the order %q, want %q", order, want)
	}
}

func checkNewest(f *fixture) {
	for i := range 6 {
		f.admitNew(f.entry(laneName(i), 0))
		f.later(time.Second)
	}
	lanes := func(max, newest int) (got []string) {
		claims, err := f.s.Claim(f.ctx, f.now, store.Want{Max: max, Newest: newest, Lease: time.Minute})
		if err != nil {
			f.Fatalf("Claim: %v", err)
		}
		for _, c := range claims {
			got = append(got, c.Lane)
		}
		slices.Sort(got)
		return got
	}
	for _, want := range [][]string{{laneName(0), laneName(5)}, {laneName(1), laneName(4)}, {laneName(2), laneName(3)}, nil} {
		if got := lanes(2, 1); !slices.Equal(got, want) {
			f.Fatalf("Claim of 2, 1 of them newest: lanes %q, want %q", got, want)
		}
	}
	f.later(time.Hour) // all leases have ended
	if got, want := lanes(2, 5), []string{laneName(4), laneName(5)}; !slices.Equal(got, want) {
		f.Fatalf("Claim of 2, all newest: lanes %q, want %q", got, want)
	}
}

func checkLeaseEnd(f *fixture) {
	id := f.admitNew(f.entry("a", 0))
	old := f.claimOne(id, time.Minute)
	f.later(59 * time.Second)
	f.claimNone()
	f.later(time.Second)
	fresh := f.claimOne(id, time.Minute)
	if fresh.Token == old.Token {
		f.Fatalf("both leases have token %d", old.Token)
	}
	if fresh.Attempts != 0 {
		f.Fatalf("an ended lease counted %d attempts", fresh.Attempts)
	}
	for _, o := range []store.Outcome{
		{Do: store.Delivered},
		{Do: store.Retry, At: f.now},
		{Do: store.Bury, Reason: store.Reason{Class: store.Rejected}},
	} {
		f.wantErr("Settle of the old lease", f.s.Settle(f.ctx, f.now, old, o), store.ErrFenced)
	}
	f.wantErr("Extend of the old lease", f.s.Extend(f.ctx, f.now, old, time.Hour), store.ErrFenced)
	f.wantList(store.Filter{State: store.Ready}, id)
	f.settle(fresh, store.Outcome{Do: store.Delivered})
	f.wantList(store.Filter{})
}

func checkExtend(f *fixture) {
	id := f.admitNew(f.entry("a", 0))
	c := f.claimOne(id, time.Minute)
	f.later(50 * time.Second)
	if err := f.s.Extend(f.ctx, f.now, c, time.Minute); err != nil {
		f.Fatalf("Extend: %v", err)
	}
	f.later(50 * time.Second)
	f.claimNone()
	f.later(10 * time.Second)
	f.wantErr("Extend of an ended lease", f.s.Extend(f.ctx, f.now, c, time.Minute), store.ErrFenced)
	fresh := f.claimOne(id, time.Minute)
	f.settle(fresh, store.Outcome{Do: store.Delivered})
	f.wantErr("Extend after Settle", f.s.Extend(f.ctx, f.now, fresh, time.Minute), store.ErrFenced)
}

func checkSettleOnce(f *fixture) {
	outcomes := []store.Outcome{
		{Do: store.Delivered},
		{Do: store.Retry, At: f.now.Add(time.Hour)},
		{Do: store.Bury, Reason: store.Reason{Class: store.Rejected, Text: "no"}},
	}
	for i, first := range outcomes {
		id := f.admitNew(f.entry(laneName(i), 0))
		c := f.claimOne(id, time.Minute)
		f.settle(c, first)
		before := f.list(store.Filter{})
		for _, again := range outcomes {
			f.wantErr("a second Settle", f.s.Settle(f.ctx, f.now, c, again), store.ErrFenced)
		}
		if diff := cmp.Diff(before, f.list(store.Filter{})); diff != "" {
			f.Fatalf("a fenced Settle changed something:\n%s", diff)
		}
	}
	c := store.Claim{ID: f.id(), Lane: "a", Token: 1}
	f.wantErr("Settle of an unknown entry", f.s.Settle(f.ctx, f.now, c, outcomes[0]), store.ErrFenced)
}

func checkRetry(f *fixture) {
	id := f.admitNew(f.entry("a", 0))
	next := f.admitNew(f.entry("a", 0))
	at := f.now.Add(10 * time.Minute)
	f.settle(f.claimOne(id, time.Minute), store.Outcome{Do: store.Retry, At: at, Reason: store.Reason{Text: "platform said 502"}})

	i := f.info(id)
	if i.State != store.Ready || !i.Due.Equal(at) || i.Attempts != 1 || i.Reason.Text != "platform said 502" {
		f.Fatalf("after Retry: %+v", i)
	}
	f.later(10*time.Minute - time.Second)
	f.claimNone()
	f.later(time.Second)
	c := f.claimOne(id, time.Minute)
	if c.Attempts != 1 {
		f.Fatalf("the second try says %d attempts before it, want 1", c.Attempts)
	}
	f.settle(c, store.Outcome{Do: store.Retry, At: f.now})
	c = f.claimOne(id, time.Minute)
	if c.Attempts != 2 {
		f.Fatalf("the third try says %d attempts before it, want 2", c.Attempts)
	}
	f.settle(c, store.Outcome{Do: store.Delivered})
	f.claimOne(next, time.Minute)
}

// checkBackoff: the longest backlogs wait for a retry, more of them than a
// claim takes, and the others are served as if these were not there.
func checkBackoff(f *fixture) {
	const lanes, max = 6, 2
	for range 3 {
		for i := range lanes {
			f.admitNew(f.entry(laneName(i), 0))
		}
	}
	for range lanes / max {
		for _, c := range f.claim(max, time.Minute) {
			f.settle(c, store.Outcome{Do: store.Retry, At: f.now.Add(time.Hour)})
		}
	}
	f.later(time.Minute)
	var want, got []string
	for range 3 {
		want = append(want, f.admitNew(f.entry("late", 0)))
		claims := f.claim(max, time.Minute)
		for _, c := range claims {
			got = append(got, c.ID)
			f.settle(c, store.Outcome{Do: store.Delivered})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("beside lanes in backoff (-want +got):\n%s", diff)
	}
	f.claimNone()
	f.later(time.Hour)
	if got := len(f.claim(2*lanes, time.Minute)); got != lanes {
		f.Fatalf("after the backoff Claim gave %d lanes, want %d", got, lanes)
	}
}

func checkFree(f *fixture) {
	id := f.admitNew(f.entry("a", 0))
	for range 3 {
		c := f.claimOne(id, time.Minute)
		if c.Attempts != 0 {
			f.Fatalf("free retries counted %d attempts", c.Attempts)
		}
		f.settle(c, store.Outcome{Do: store.Retry, At: f.now, Free: true})
	}
}

func checkBury(f *fixture) {
	e := f.entry("a", 1)
	id := f.admitNew(e)
	next := f.admitNew(f.entry("a", 0))
	why := store.Reason{Class: store.Rejected, Text: "field sfzh is missing"}
	f.settle(f.claimOne(id, time.Minute), store.Outcome{Do: store.Bury, Reason: why})
	want := store.Info{
		ID: id, State: store.Dead, Lane: "a", Labels: e.Labels, Reason: why,
		Attempts: 1, Admitted: f.now, Size: len(e.Body),
	}
	if diff := cmp.Diff(want, f.info(id)); diff != "" {
		f.Fatalf("Info (-want +got):\n%s", diff)
	}
	f.wantBody(id, e.Body)
	f.admitDuplicate(f.entry("a", 1), id)
	f.claimOne(next, time.Minute)
}

// checkWorkers lets several workers deliver a few lanes and proves that each
// entry was delivered once and in order.
func checkWorkers(f *fixture) {
	const lanes, perLane, workers = 4, 8, 6
	for range perLane {
		for l := range lanes {
			f.admitNew(f.entry(laneName(l), 0))
		}
	}
	var mu sync.Mutex
	delivered := map[string][]string{}
	total := 0
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				claims, err := f.s.Claim(f.ctx, f.now, store.Want{Max: 2, Lease: time.Minute})
				if err != nil {
					f.Errorf("Claim: %v", err)
					return
				}
				mu.Lock()
				for _, c := range claims {
					delivered[c.Lane] = append(delivered[c.Lane], c.ID)
					total++
				}
				done := total >= lanes*perLane
				mu.Unlock()
				for _, c := range claims {
					if err := f.s.Settle(f.ctx, f.now, c, store.Outcome{Do: store.Delivered}); err != nil {
						f.Errorf("Settle: %v", err)
						return
					}
				}
				if done {
					return
				}
			}
		})
	}
	group.Wait()
	for lane, ids := range delivered {
		if len(ids) != perLane {
			f.Errorf("lane %s gave out %d entries, want %d", lane, len(ids), perLane)
		}
		for i := 1; i < len(ids); i++ {
			if ids[i-1] >= ids[i] {
				f.Errorf("lane %s gave out %s before %s", lane, ids[i-1], ids[i])
			}
		}
	}
	f.wantList(store.Filter{})
}
