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

const (
	defaultLimit = 100
	// listBatch bounds how long one script holds up a server.
	listBatch    = 500
	minListBatch = 50
)

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string, dst []byte) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return dst, err
	}
	defer s.leave()
	calls := s.everywhere("")
	if p, ok := s.holder(id); ok {
		calls = []*call{{p: p}}
	}
	for _, c := range calls {
		c.args = []any{"GET", s.tag(c.p) + "b:" + id}
	}
	s.do(ctx, s.options.patience, calls...)
	err := error(store.ErrNotFound)
	for _, c := range calls {
		if c.err == nil {
			body, err := c.answer.Text()
			return append(dst, body...), err
		}
		if !errors.Is(c.err, redis.Nil) {
			err = failure("load", c.err)
		}
	}
	return dst, err
}

// place is where an entry lies.
type place struct {
	p     int
	seq   int64 // 0: there is none
	state store.State
}

// find asks all partitions for an entry.
func (s *Store) find(ctx context.Context, id string) (place, error) {
	calls := s.everywhere("")
	if p, ok := s.holder(id); ok {
		calls = []*call{{p: p}}
	}
	for _, c := range calls {
		c.args = []any{"HMGET", s.tag(c.p) + "e:" + id, "seq", "state"}
	}
	s.do(ctx, s.options.patience, calls...)
	for _, c := range calls {
		if c.err != nil {
			continue
		}
		values, err := c.answer.Slice()
		if err == nil && len(values) == 2 && values[0] == nil {
			continue
		}
		a := answer{values: values, err: err}
		at := place{c.p, a.number(), store.State(a.text())}
		return at, a.err
	}
	return place{}, failed(calls)
}

// List implements store.Store. It reads in batches: entries that come or go
// meanwhile may be in the list or not.
func (s *Store) List(ctx context.Context, f store.Filter) ([]store.Info, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	cursors, err := s.spans(ctx, &f)
	if err != nil {
		return nil, failure("list", err)
	}
	size := min(max(f.Limit, minListBatch), listBatch)
	var out []store.Info
	for len(out) < f.Limit {
		if err := s.read(ctx, f.State, cursors, size); err != nil {
			return nil, failure("list", err)
		}
		next := first(cursors)
		if next == nil {
			break
		}
		if i := next.rows[0].info; matches(f, i) {
			out = append(out, i)
		}
		next.rows = next.rows[1:]
	}
	return out, nil
}

// cursor reads the entries of one partition in order of admission.
type cursor struct {
	p        int
	from, to int64 // seq: behind from, up to to
	rows     []row // read and not given yet
	end      bool  // there are no more
}

type row struct {
	seq  int64
	info store.Info
}

// first is the cursor with the oldest row.
func first(cursors []*cursor) (out *cursor) {
	for _, c := range cursors {
		if len(c.rows) > 0 && (out == nil || c.rows[0].seq < out.rows[0].seq) {
			out = c
		}
	}
	return out
}

// spans gives a cursor for each partition in which entries of f may lie. It
// clears f.After if the cursors say it already.
func (s *Store) spans(ctx context.Context, f *store.Filter) ([]*cursor, error) {
	const all = 1 << 53
	var after, only place
	var err error
	if f.After != "" {
		if after, err = s.find(ctx, f.After); err != nil {
			return nil, err
		}
	}
	if f.ID != "" {
		if only, err = s.find(ctx, f.ID); err != nil || only.seq == 0 {
			return nil, err
		}
	}
	if after.seq > 0 {
		f.After = ""
	}
	var out []*cursor
	for p := range s.options.Partitions {
		c := &cursor{p: p, from: after.seq, to: all}
		if p > after.p { // an equal seq comes behind
			c.from = max(after.seq-1, 0)
		}
		if f.ID != "" {
			if p != only.p {
				continue
			}
			c.from, c.to = max(c.from, only.seq-1), only.seq
		}
		out = append(out, c)
	}
	return out, nil
}

// read fills the cursors that have no row left.
func (s *Store) read(ctx context.Context, state store.State, cursors []*cursor, size int) error {
	var calls []*call
	var of []*cursor
	for _, c := range cursors {
		if len(c.rows) > 0 || c.end || c.from >= c.to {
			continue
		}
		args := []any{c.from, min(c.to-c.from, int64(size))}
		for _, set := range []store.State{store.Ready, store.Dead} {
			if state == "" || state == set {
				args = append(args, string(set))
			}
		}
		calls, of = append(calls, &call{p: c.p, script: "list", args: args}), append(of, c)
	}
	if len(calls) == 0 {
		return nil
	}
	s.do(ctx, s.options.patience, calls...)
	for i, c := range calls {
		if c.err != nil {
			return c.err
		}
		values, err := c.answer.Slice()
		if err != nil {
			return err
		}
		if of[i].rows, err = s.rows(values); err != nil {
			return err
		}
		if of[i].end = len(of[i].rows) == 0; !of[i].end {
			of[i].from = of[i].rows[len(of[i].rows)-1].seq
		}
	}
	return nil
}

func (s *Store) rows(values []any) (out []row, err error) {
	a := answer{values: values}
	for a.more() {
		i := store.Info{ID: a.text()}
		seq := a.number()
		i.State, i.Lane = store.State(a.text()), a.text()
		i.Labels = a.labels()
		i.Reason = store.Reason{Class: store.Class(a.text()), Text: a.text()}
		i.Attempts, i.Admitted, i.Due, i.Size = int(a.number()), s.ours(a.time()), s.ours(a.time()), int(a.number())
		out = append(out, row{seq, i})
	}
	return out, a.err
}

func (a *answer) labels() (l store.Labels) {
	if err := json.Unmarshal([]byte(a.text()), &l); err != nil && a.err == nil {
		a.err = fmt.Errorf("%w: labels: %w", errAnswer, err)
	}
	return l
}

func matches(f store.Filter, i store.Info) bool {
	for _, p := range [][2]string{
		{f.ID, i.ID}, {string(f.State), string(i.State)}, {f.Source, i.Labels.Source},
		{f.Interface, i.Labels.Interface}, {f.Device, i.Labels.Device}, {string(f.Class), string(i.Reason.Class)},
	} {
		if p[0] != "" && p[0] != p[1] {
			return false
		}
	}
	if !f.Since.IsZero() && i.Admitted.Before(f.Since) || !f.Until.IsZero() && !i.Admitted.Before(f.Until) {
		return false
	}
	return f.After == "" || i.ID > f.After
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context, now time.Time) (store.Stats, error) {
	if err := s.enter(ctx); err != nil {
		return store.Stats{}, err
	}
	defer s.leave()
	calls := s.everywhere("stats", nanos(s.theirs(now)))
	s.do(ctx, s.options.patience, calls...)
	var out store.Stats
	for _, c := range calls {
		if c.err != nil {
			return store.Stats{}, failure("stats", c.err)
		}
		values, err := c.answer.Slice()
		a := answer{values: values, err: err}
		out.Ready += int(a.number())
		out.ReadyBytes += a.number()
		if oldest := s.ours(a.time()); out.Oldest.IsZero() || !oldest.IsZero() && oldest.Before(out.Oldest) {
			out.Oldest = oldest
		}
		out.Dead += int(a.number())
		out.DeadBytes += a.number()
		out.Keys += int(a.number())
		if a.err != nil {
			return store.Stats{}, failure("stats", a.err)
		}
	}
	return out, nil
}
