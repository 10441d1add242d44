package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"yiqiao/proxy/store"
)

// maxClaims bounds the time of one script; more are claimed by the next call.
const maxClaims = 1000

// Claim implements store.Store. A call gives out at most 1000 leases. Of
// several partitions it first asks all which lanes they could give out, so
// that the lanes of all take turns as those of one do.
func (s *Store) Claim(ctx context.Context, now time.Time, w store.Want) ([]store.Claim, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if w.Max <= 0 {
		return nil, nil
	}
	w.Max = min(w.Max, maxClaims)
	w.Newest = max(min(w.Newest, w.Max), 0)
	shares, err := []store.Want{w}, error(nil)
	if s.options.Partitions > 1 {
		shares, err = s.share(ctx, now, w)
	}
	until := now.Add(w.Lease)
	var calls []*call
	for p, share := range shares {
		if share.Max > 0 {
			calls = append(calls, &call{p: p, script: "claim", args: []any{
				nanos(s.theirs(now)), nanos(s.theirs(until)), share.Max, share.Newest,
			}})
		}
	}
	if len(calls) > 0 {
		s.do(ctx, 0, calls...)
	}
	var out []store.Claim
	leases := map[string]lease{}
	for _, c := range calls {
		claims := s.claims(c)
		for _, claim := range claims {
			leases[claim.ID] = s.lease(claim, until)
		}
		out = append(out, claims...)
		if c.err != nil {
			err = c.err
		}
	}
	s.hold(now, leases)
	if len(out) == 0 && err != nil {
		return nil, failure("claim", err)
	}
	return out, nil // what one partition refuses does not keep the others waiting; State tells it
}

// claims reads the answer of a claim; what does not fit is put into c.err.
func (s *Store) claims(c *call) (out []store.Claim) {
	if c.err != nil {
		return nil
	}
	values, err := c.answer.Slice()
	a := answer{values: values, err: err}
	for a.more() {
		claim := store.Claim{ID: a.text(), Lane: a.text()}
		claim.Token = a.number()*int64(s.options.Partitions) + int64(c.p)
		claim.Attempts, claim.Admitted, claim.Size = int(a.number()), s.ours(a.time()), int(a.number())
		claim.Labels = a.labels()
		out = append(out, claim)
	}
	if c.err = a.err; c.err != nil {
		return nil
	}
	return out
}

// waiting is a lane that a partition could give out.
type waiting struct {
	p        int
	name     string
	due, seq int64
}

// share says how much each partition shall give. Between this and the claims
// another replica may be faster; then there are fewer. An error is that of a
// partition that did not answer; the others have their shares.
func (s *Store) share(ctx context.Context, now time.Time, w store.Want) ([]store.Want, error) {
	calls := slices.DeleteFunc(s.everywhere("peek", nanos(s.theirs(now)), w.Max, w.Newest),
		func(c *call) bool { return s.faults.spare(c.p) })
	if len(calls) == 0 {
		return nil, fmt.Errorf("no partition answers: %s", s.State())
	}
	// Where nothing is claimed nothing is admitted either, and the keys that
	// expire there would stay.
	trim := &call{p: int(s.turn.Add(1)) % s.options.Partitions, script: "trim", args: []any{nanos(s.theirs(now))}}
	if !s.faults.spare(trim.p) {
		calls = append(calls, trim)
	}
	s.do(ctx, 0, calls...)
	var old, new []waiting
	var err error
	for _, c := range calls {
		if c.err != nil {
			err = c.err
			continue
		}
		if c == trim {
			continue
		}
		values, readErr := c.answer.Slice()
		a := answer{values: values, err: readErr}
		for a.more() {
			kind := a.text()
			lane := waiting{c.p, a.text(), a.number(), a.number()}
			if kind == "new" {
				new = append(new, lane)
			} else {
				old = append(old, lane)
			}
		}
		if a.err != nil {
			return nil, a.err
		}
	}
	return divide(w, s.options.Partitions, old, new), err
}

// divide shares w out among partitions: the newest first, then the lanes that
// have waited longest. Of two that have waited equally long, the one whose
// head was admitted first.
func divide(w store.Want, partitions int, old, new []waiting) []store.Want {
	slices.SortFunc(new, func(a, b waiting) int { return cmp.Or(cmp.Compare(b.seq, a.seq), a.p-b.p) })
	slices.SortFunc(old, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.seq, b.seq), a.p-b.p)
	})
	out := make([]store.Want, partitions)
	type lane struct {
		p    int
		name string
	}
	taken := map[lane]bool{}
	take := func(l waiting, newest int) {
		taken[lane{l.p, l.name}] = true
		out[l.p].Max++
		out[l.p].Newest += newest
	}
	for _, l := range new[:min(w.Newest, len(new))] {
		take(l, 1)
	}
	for _, l := range old {
		if len(taken) < w.Max && !taken[lane{l.p, l.name}] {
			take(l, 0)
		}
	}
	return out
}
