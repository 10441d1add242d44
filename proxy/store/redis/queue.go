package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"yiqiao/proxy/store"
)

// batch is what one partition gets of the entries of a call.
type batch struct {
	*call
	entries []int // their places in the call
}

// Admit implements store.Store. An entry whose ID is there already is answered
// as at its first admission, so a call whose answer got lost may be repeated
// even with zero keys.
func (s *Store) Admit(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if len(entries) == 0 {
		return nil, nil
	}
	batches, err := s.pack(now, entries)
	if err != nil {
		return nil, err
	}
	out := make([]store.Admission, len(entries))
	return out, s.admit(ctx, "admit", batches, out)
}

// Replace implements store.Store. Entries of other partitions than that of the
// dead letter are admitted first, and it is removed last: a crash between
// leaves it there, and Replace again finds its entries by their keys. So does
// the slower of two at once, which is then told ErrNotFound.
func (s *Store) Replace(ctx context.Context, now time.Time, id string, entries []store.Entry) ([]store.Admission, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	batches, err := s.pack(now, entries)
	if err != nil {
		return nil, err
	}
	home, err := s.find(ctx, id)
	if err != nil {
		return nil, failure("replace", err)
	}
	last := batch{call: &call{p: home.p, args: []any{nanos(s.theirs(now)), ""}}}
	var first []batch
	for _, b := range batches {
		if b.p == home.p {
			last = b
		} else {
			first = append(first, b)
		}
	}
	out := make([]store.Admission, len(entries))
	if home.state != store.Dead {
		if known, err := s.anyKnown(ctx, entries, batches); err != nil || !known {
			return nil, errors.Join(err, store.ErrNotFound)
		}
		return out, s.admit(ctx, "replace", batches, out) // the answer of an earlier call got lost
	}
	if err := s.admit(ctx, "replace", first, out); err != nil {
		return nil, err
	}
	last.script, last.admission, last.args[1] = "replace", true, id
	s.do(ctx, s.options.patience, last.call)
	if errors.Is(last.err, redis.Nil) {
		return nil, store.ErrNotFound // removed meanwhile
	}
	if err := s.gather("replace", append(first, last), out); err != nil {
		return nil, err
	}
	return out, nil
}

// anyKnown tells whether one of the entries is there under its own id.
func (s *Store) anyKnown(ctx context.Context, entries []store.Entry, batches []batch) (bool, error) {
	var calls []*call
	for _, b := range batches {
		args := []any{"EXISTS"}
		for _, i := range b.entries {
			args = append(args, s.tag(b.p)+"e:"+entries[i].ID)
		}
		calls = append(calls, &call{p: b.p, args: args})
	}
	if len(calls) == 0 {
		return false, nil
	}
	s.do(ctx, s.options.patience, calls...)
	if err := failed(calls); err != nil {
		return false, failure("replace", err)
	}
	for _, c := range calls {
		if n, err := c.answer.Int(); n > 0 || err != nil {
			return n > 0, err
		}
	}
	return false, nil
}

// pack makes the call of each partition. Each entry is 13 arguments, in the
// order of lib.lua.
func (s *Store) pack(now time.Time, entries []store.Entry) ([]batch, error) {
	total := 0
	order := s.order(len(entries))
	at := map[int]int{} // partition -> batch
	var out []batch
	for i, e := range entries {
		total += len(e.Body)
		if len(e.Body) > s.options.MaxEntry || total > maxCall {
			return nil, fmt.Errorf("entry %q of %d bytes: %w", e.ID, len(e.Body), store.ErrTooLarge)
		}
		labels, err := json.Marshal(e.Labels)
		if err != nil {
			return nil, fmt.Errorf("labels of entry %q: %w", e.ID, err)
		}
		var key []byte
		if e.Key != (store.Key{}) {
			key = e.Key[:]
		}
		state, reason := store.Ready, store.Reason{}
		var registers, digest []byte
		switch {
		case e.Dead != nil:
			state, reason = store.Dead, *e.Dead
		case e.Registers != (store.Ref{}):
			key, registers, digest = nil, e.Registers.Key[:], e.Digest[:]
		}
		p := s.partition(e.Group)
		if _, ok := at[p]; !ok {
			at[p] = len(out)
			out = append(out, batch{call: &call{p: p, script: "admit", admission: true, args: []any{nanos(s.theirs(now)), ""}}})
		}
		b := &out[at[p]]
		b.entries = append(b.entries, i)
		b.args = append(b.args, e.ID, order+int64(i), key, nanos(s.theirs(now.Add(e.KeyTTL))), e.Lane, labels,
			string(state), string(reason.Class), reason.Text, e.Body, registers, digest, e.Again)
	}
	return out, nil
}

// admit runs batches and puts their answers into out.
func (s *Store) admit(ctx context.Context, verb string, batches []batch, out []store.Admission) error {
	if len(batches) == 0 {
		return nil
	}
	calls := make([]*call, len(batches))
	for i, b := range batches {
		calls[i] = b.call
	}
	s.do(ctx, s.options.patience, calls...)
	return s.gather(verb, batches, out)
}

// gather puts the answers of batches into out. Where some partitions took
// their entries and others refused theirs, it is as uncertain as where an
// answer got lost: after ErrFull nothing at all was stored.
func (s *Store) gather(verb string, batches []batch, out []store.Admission) error {
	var errs []error
	doubt := false
	for _, b := range batches {
		if b.err == nil {
			b.err = admissions(b, out)
		}
		errs = append(errs, b.err)
		doubt = doubt || uncertain(b.err)
	}
	err := errors.Join(errs...)
	switch {
	case err == nil:
		return nil
	case doubt, len(batches) > len(refusals(errs)):
		return fmt.Errorf("redis %s: %w: %w", verb, store.ErrUncertain, err)
	}
	return failure(verb, err)
}

func refusals(errs []error) (out []error) {
	for _, err := range errs {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

func admissions(b batch, out []store.Admission) error {
	values, err := b.answer.Slice()
	a := answer{values: values, err: err}
	for _, i := range b.entries {
		out[i] = store.Admission{ID: a.text(), Duplicate: a.text() == "1"}
	}
	if a.err == nil && len(a.values) > 0 {
		a.err = errAnswer
	}
	return a.err
}

// Extend implements store.Store.
func (s *Store) Extend(ctx context.Context, now time.Time, c store.Claim, lease time.Duration) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	l := s.lease(c, now.Add(lease))
	if err := s.fenced(ctx, "extend", l, []any{nanos(s.theirs(now)), c.ID, l.token, nanos(s.theirs(l.until))}); err != nil {
		return err
	}
	s.extend(c.ID, l)
	return nil
}

// Settle implements store.Store.
func (s *Store) Settle(ctx context.Context, now time.Time, c store.Claim, o store.Outcome) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if o.Do < store.Delivered || o.Do > store.Bury {
		return fmt.Errorf("settle entry %q: unknown action %v", c.ID, o.Do)
	}
	attempts := 1
	if o.Free {
		attempts = 0
	}
	l := s.lease(c, time.Time{})
	err := s.fenced(ctx, "settle", l, []any{
		nanos(s.theirs(now)), c.ID, l.token, o.Do.String(), nanos(s.theirs(o.At)), attempts, string(o.Reason.Class), o.Reason.Text,
	})
	if err == nil || errors.Is(err, store.ErrFenced) {
		s.extend(c.ID, l)
	}
	return err
}

// lease reads a claim. Its token tells the partition too.
func (s *Store) lease(c store.Claim, until time.Time) lease {
	n := int64(s.options.Partitions)
	return lease{p: int(max(c.Token, 0) % n), token: c.Token / n, until: until}
}

// fenced runs a script that answers 1, or 0 if the lease is lost.
func (s *Store) fenced(ctx context.Context, name string, l lease, args []any) error {
	c := &call{p: l.p, script: name, args: args}
	s.do(ctx, s.options.patience, c)
	if c.err != nil {
		return failure(name, c.err)
	}
	if done, err := c.answer.Int(); err != nil {
		return failure(name, err)
	} else if done != 1 {
		return store.ErrFenced
	}
	return nil
}
