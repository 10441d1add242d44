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
	args, err := s.pack([]any{nanos(now)}, now, entries)
	if err != nil {
		return nil, err
	}
	values, err := s.runDurable(ctx, "admit", args)
	if err != nil {
		return nil, failure("admit", err)
	}
	return admissions(values, len(entries))
}

// Replace implements store.Store.
func (s *Store) Replace(ctx context.Context, now time.Time, id string, entries []store.Entry) ([]store.Admission, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	args, err := s.pack([]any{nanos(now), id}, now, entries)
	if err != nil {
		return nil, err
	}
	values, err := s.runDurable(ctx, "replace", args)
	if errors.Is(err, redis.Nil) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, failure("replace", err)
	}
	return admissions(values, len(entries))
}

// pack appends nine arguments for each entry, in the order of lib.lua.
func (s *Store) pack(args []any, now time.Time, entries []store.Entry) ([]any, error) {
	total := 0
	for _, e := range entries {
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
		if e.Dead != nil {
			state, reason = store.Dead, *e.Dead
		}
		args = append(args, e.ID, key, nanos(now.Add(e.KeyTTL)), e.Lane, labels,
			string(state), string(reason.Class), reason.Text, e.Body)
	}
	return args, nil
}

func admissions(values []any, n int) ([]store.Admission, error) {
	a := answer{values: values}
	out := make([]store.Admission, 0, n)
	for a.more() {
		out = append(out, store.Admission{ID: a.text(), Duplicate: a.text() == "1"})
	}
	if a.err == nil && len(out) != n {
		a.err = errAnswer
	}
	if a.err != nil {
		return nil, failure("admit", a.err)
	}
	return out, nil
}

// maxClaims bounds the time of one script; more are claimed by the next call.
const maxClaims = 1000

// Claim implements store.Store. A call gives out at most 1000 leases.
func (s *Store) Claim(ctx context.Context, now time.Time, w store.Want) ([]store.Claim, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if w.Max <= 0 {
		return nil, nil
	}
	until := now.Add(w.Lease)
	values, err := s.run(ctx, "claim", []any{nanos(now), nanos(until), min(w.Max, maxClaims), min(w.Newest, w.Max, maxClaims)}).Slice()
	if err != nil {
		return nil, failure("claim", err)
	}
	a := answer{values: values}
	var out []store.Claim
	for a.more() {
		c := store.Claim{ID: a.text(), Lane: a.text(), Token: a.number(), Attempts: int(a.number()), Admitted: a.time(), Size: int(a.number())}
		c.Labels = a.labels()
		out = append(out, c)
	}
	if a.err != nil {
		return nil, failure("claim", a.err)
	}
	s.hold(now, until, out)
	return out, nil
}

// Extend implements store.Store.
func (s *Store) Extend(ctx context.Context, now time.Time, c store.Claim, lease time.Duration) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	until := now.Add(lease)
	if err := s.fenced(ctx, "extend", []any{nanos(now), c.ID, c.Token, nanos(until)}); err != nil {
		return err
	}
	s.extend(c, until)
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
	args := []any{nanos(now), c.ID, c.Token, o.Do.String(), nanos(o.At), attempts, string(o.Reason.Class), o.Reason.Text}
	err := s.fenced(ctx, "settle", args)
	if err == nil || errors.Is(err, store.ErrFenced) {
		s.extend(c, time.Time{})
	}
	return err
}

// fenced runs a script that answers 1, or 0 if the lease is lost.
func (s *Store) fenced(ctx context.Context, name string, args []any) error {
	done, err := s.run(ctx, name, args).Int()
	if err != nil {
		return failure(name, err)
	}
	if done != 1 {
		return store.ErrFenced
	}
	return nil
}
