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
	listBatch    = 500 // entries that one script reads; bounds how long it holds up the server
)

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string, dst []byte) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return dst, err
	}
	defer s.leave()
	body, err := s.client.Get(ctx, s.tag+"b:"+id).Bytes()
	if errors.Is(err, redis.Nil) {
		return dst, store.ErrNotFound
	}
	if err != nil {
		return dst, failure("load", err)
	}
	return append(dst, body...), nil
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
	from, to, err := s.span(ctx, &f)
	if err != nil {
		return nil, failure("list", err)
	}
	var out []store.Info
	for from < to {
		batch, last, err := s.batch(ctx, f.State, from, min(to-from, listBatch))
		if err != nil {
			return nil, failure("list", err)
		}
		for _, i := range batch {
			if matches(f, i) {
				out = append(out, i)
			}
			if len(out) == f.Limit {
				return out, nil
			}
		}
		if len(batch) == 0 {
			break
		}
		from = last
	}
	return out, nil
}

// span gives the sequence numbers between which the entries of f lie: behind
// from, up to to. It clears f.After if from says it already.
func (s *Store) span(ctx context.Context, f *store.Filter) (from, to int64, err error) {
	const all = 1 << 53
	to = all
	if f.After != "" {
		from, err = s.seq(ctx, f.After)
		if err == nil {
			f.After = ""
		} else if !errors.Is(err, redis.Nil) {
			return 0, 0, err
		}
	}
	if f.ID != "" {
		seq, err := s.seq(ctx, f.ID)
		if errors.Is(err, redis.Nil) {
			return 0, 0, nil
		}
		return max(from, seq-1), seq, err
	}
	return from, to, nil
}

func (s *Store) seq(ctx context.Context, id string) (int64, error) {
	return s.client.HGet(ctx, s.tag+"e:"+id, "seq").Int64()
}

// batch reads up to n entries behind a sequence number, and gives the number
// of the last.
func (s *Store) batch(ctx context.Context, state store.State, from, n int64) ([]store.Info, int64, error) {
	args := []any{from, n}
	for _, set := range []store.State{store.Ready, store.Dead} {
		if state == "" || state == set {
			args = append(args, string(set))
		}
	}
	values, err := s.run(ctx, "list", args).Slice()
	if err != nil {
		return nil, 0, err
	}
	a := answer{values: values}
	var out []store.Info
	for a.more() {
		i := store.Info{ID: a.text()}
		from = a.number()
		i.State, i.Lane = store.State(a.text()), a.text()
		i.Labels = a.labels()
		i.Reason = store.Reason{Class: store.Class(a.text()), Text: a.text()}
		i.Attempts, i.Admitted, i.Due, i.Size = int(a.number()), a.time(), a.time(), int(a.number())
		out = append(out, i)
	}
	return out, from, a.err
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
	values, err := s.run(ctx, "stats", []any{nanos(now)}).Slice()
	if err != nil {
		return store.Stats{}, failure("stats", err)
	}
	a := answer{values: values}
	out := store.Stats{
		Ready: int(a.number()), ReadyBytes: a.number(), Oldest: a.time(),
		Dead: int(a.number()), DeadBytes: a.number(), Keys: int(a.number()),
	}
	if a.err != nil {
		return store.Stats{}, failure("stats", a.err)
	}
	return out, nil
}
