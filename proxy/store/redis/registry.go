package redis

import (
	"context"
	"slices"
	"time"

	"yiqiao/proxy/store"
)

// Registered implements store.Store.
func (s *Store) Registered(ctx context.Context, refs []store.Ref) ([]store.Registration, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	byPartition := map[int][]int{} // places in refs
	for i, ref := range refs {
		p := s.partition(ref.Group)
		byPartition[p] = append(byPartition[p], i)
	}
	var calls []*call
	for p, places := range byPartition {
		for part := range slices.Chunk(places, listBatch) {
			c := &call{p: p, script: "registered"}
			for _, i := range part {
				c.args = append(c.args, refs[i].Key[:])
			}
			calls = append(calls, c)
		}
	}
	if len(calls) == 0 {
		return nil, nil
	}
	s.do(ctx, s.options.patience, calls...)
	if err := failed(calls); err != nil {
		return nil, failure("registered", err)
	}
	out := make([]store.Registration, len(refs))
	for _, c := range calls {
		values, err := c.answer.Slice()
		a := answer{values: values, err: err}
		n := len(c.args)
		for _, i := range byPartition[c.p][:n] {
			r := &out[i]
			r.Accepted, r.AcceptedID = s.ours(a.time()), a.text()
			r.Waiting, r.Since = a.text(), s.ours(a.time())
		}
		byPartition[c.p] = byPartition[c.p][n:]
		if a.err != nil {
			return nil, failure("registered", a.err)
		}
	}
	return out, nil
}

// Hasten implements store.Store. Ids do not tell their partitions, so all are
// asked.
func (s *Store) Hasten(ctx context.Context, now time.Time, ids []string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	for part := range slices.Chunk(ids, listBatch) {
		args := []any{nanos(s.theirs(now))}
		for _, id := range part {
			args = append(args, id)
		}
		calls := s.everywhere("hasten", args...)
		s.do(ctx, s.options.patience, calls...)
		if err := failed(calls); err != nil {
			return failure("hasten", err)
		}
	}
	return nil
}
