package shared

import (
	"context"
	"fmt"
	"time"

	"yiqiao/proxy/store"
)

const (
	// retryEvery is how often keys that are out of reach are tried.
	retryEvery = time.Second
	// page is how many keys are confirmed in one call.
	page = 500
)

// isAway is why the keys are out of reach, or nil.
func (s *Store) isAway() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away
}

// lose notes that the keys are out of reach: until they are back nobody waits
// for them.
func (s *Store) lose(err error) {
	s.mu.Lock()
	first := s.away == nil
	if s.away = err; first {
		s.since = time.Now()
	}
	s.mu.Unlock()
	if first {
		policy := "events are admitted without them"
		if s.options.OnOutage == Refuse {
			policy = "events are refused"
		}
		s.options.Note(fmt.Sprintf("the keys that replicas share are out of reach, %s: %v", policy, err))
		s.wake()
	}
}

// confirmAll wants all keys to be confirmed.
func (s *Store) confirmAll() {
	s.mu.Lock()
	s.stale = true
	s.mu.Unlock()
	s.wake()
}

func (s *Store) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// mend tries to reach the keys while they are away, and confirms all that is
// durable here when that is wanted, until ctx ends.
func (s *Store) mend(ctx context.Context) {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		if s.isAway() != nil {
			if err := s.keys.Ready(ctx); err == nil {
				s.found()
			} else if ctx.Err() == nil {
				s.lose(err)
			}
		}
		if s.isAway() == nil && s.takeStale() && s.confirmPages(ctx) != nil {
			s.mu.Lock()
			s.stale = true // from the beginning, a moment later
			s.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-s.woken:
		case <-tick.C:
		}
	}
}

// found notes that the keys are back. What is durable here is confirmed anew,
// because some was not, and because the server may have lost some.
func (s *Store) found() {
	s.mu.Lock()
	s.away, s.stale = nil, true
	took := time.Since(s.since)
	s.mu.Unlock()
	s.options.Note(fmt.Sprintf("the keys that replicas share are back after %v; %d events were admitted without them since the start", took.Round(time.Second), s.unshared.Load()))
}

func (s *Store) takeStale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := s.stale
	s.stale = false
	return stale
}

// confirmPages confirms every key that is known here.
func (s *Store) confirmPages(ctx context.Context) error {
	before := s.twice.Load()
	for after := (store.Key{}); ; {
		last, n, err := s.confirmPage(ctx, after)
		if err != nil {
			return err
		}
		if after = last; n < page {
			break
		}
	}
	if n := s.twice.Load() - before; n > 0 {
		s.options.Note(fmt.Sprintf("%d events had been admitted by another replica too, and are delivered twice", n))
	}
	return nil
}

// confirmPage confirms the keys behind after. Meanwhile no key passes from a
// dead letter to its replacement: it would be told from a page that is old.
func (s *Store) confirmPage(ctx context.Context, after store.Key) (last store.Key, n int, err error) {
	s.replacing.Lock()
	defer s.replacing.Unlock()
	now := time.Now()
	known, err := s.Local.Keys(ctx, now, after, page)
	if err != nil || len(known) == 0 {
		return after, 0, err
	}
	twice, err := s.keys.Confirm(ctx, now, store.Hold{}, known)
	s.twice.Add(int64(twice))
	if err != nil && ctx.Err() == nil {
		s.lose(err)
	}
	return known[len(known)-1].Key, len(known), err
}
