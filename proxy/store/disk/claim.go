package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"yiqiao/proxy/store"
)

// lease of a lane's head.
type lease struct {
	seq      int64
	token    int64
	until    time.Time
	settling bool // its end is being written: nobody else gets it
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, now time.Time, w store.Want) ([]store.Claim, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if w.Newest > 0 {
		if err := s.catchUp(ctx); err != nil {
			return nil, err
		}
	}
	// What the index does not have yet came last: it is looked for when there is
	// nothing else.
	claims, err := s.claimBoth(ctx, now, w)
	if w.Max -= len(claims); err != nil || w.Max <= 0 || s.unseen.Load() == 0 {
		return claims, err
	}
	if err := s.catchUp(ctx); err != nil {
		return claims, nil // they are leased
	}
	more, err := s.claimBoth(ctx, now, w)
	return append(claims, more...), err
}

func (s *Store) claimBoth(ctx context.Context, now time.Time, w store.Want) ([]store.Claim, error) {
	// Held while the heads are read: a settlement takes its lease away after
	// its commit, so no head is seen here that is settled already.
	s.leases.Lock()
	defer s.leases.Unlock()
	claims, err := s.claim(ctx, now, newestFirst, min(w.Newest, w.Max), w.Lease)
	if err != nil {
		return nil, err
	}
	more, err := s.claim(ctx, now, longestFirst, w.Max-len(claims), w.Lease)
	return append(claims, more...), err
}

// Orders of lanes.
const (
	longestFirst = "l.due, l.head"
	newestFirst  = "l.head DESC"
)

// claim leases the heads of up to max lanes; s.leases is locked.
func (s *Store) claim(ctx context.Context, now time.Time, order string, max int, length time.Duration) ([]store.Claim, error) {
	if max <= 0 {
		return nil, nil
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT e.seq, e.id, e.lane, e.attempts, e.admitted, e.size, e.source, e.mapping, e.interface, e.device, e.generation
		FROM lane l JOIN entry e ON e.seq = l.head WHERE l.due <= ? ORDER BY `+order+` LIMIT ?`, nanos(now), max+len(s.leases.byLane))
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var claims []store.Claim
	for rows.Next() && len(claims) < max {
		var c store.Claim
		var seq, admitted int64
		l := &c.Labels
		if err := rows.Scan(&seq, &c.ID, &c.Lane, &c.Attempts, &admitted, &c.Size, &l.Source, &l.Mapping, &l.Interface, &l.Device, &l.Generation); err != nil {
			return nil, explain(err)
		}
		if held := s.leases.byLane[c.Lane]; held != nil && (held.settling || held.until.After(now)) {
			continue
		}
		s.leases.token++
		c.Token, c.Admitted = s.leases.token, timeOf(admitted)
		s.leases.byLane[c.Lane] = &lease{seq: seq, token: c.Token, until: now.Add(length)}
		claims = append(claims, c)
	}
	return claims, explain(rows.Err())
}

// Extend implements store.Store.
func (s *Store) Extend(ctx context.Context, now time.Time, c store.Claim, length time.Duration) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.leases.Lock()
	defer s.leases.Unlock()
	l := s.leases.byLane[c.Lane]
	if l == nil || l.token != c.Token || l.settling || !l.until.After(now) {
		return fmt.Errorf("entry %q: %w", c.ID, store.ErrFenced)
	}
	l.until = now.Add(length)
	return nil
}

// Settle implements store.Store.
func (s *Store) Settle(ctx context.Context, now time.Time, c store.Claim, o store.Outcome) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.leases.Lock()
	l := s.leases.byLane[c.Lane]
	if l == nil || l.token != c.Token || l.settling {
		s.leases.Unlock()
		return fmt.Errorf("entry %q: %w", c.ID, store.ErrFenced)
	}
	l.settling = true
	s.leases.Unlock()

	err := s.settle(ctx, l.seq, settlement{now, o})

	s.leases.Lock()
	defer s.leases.Unlock()
	l.settling = false
	if err == nil {
		delete(s.leases.byLane, c.Lane)
	}
	return err
}

// settlement is the end of a lease.
type settlement struct {
	now time.Time
	store.Outcome
}

func (s *Store) settle(ctx context.Context, seq int64, e settlement) error {
	if e.Do == store.Bury {
		if err := s.bury(ctx, seq, e); err == nil || errors.Is(err, store.ErrUncertain) || errors.Is(err, store.ErrFenced) {
			return err
		}
		// There is no room for a copy, or nothing to copy: it is buried where it
		// lies.
	}
	return s.do(ctx, &op{apply: func(t *txn, _ *op) error { return t.settle(seq, e) }})
}

// bury settles with a copy of the body among the dead letters.
func (s *Store) bury(ctx context.Context, seq int64, e settlement) error {
	m, from, err := s.described(ctx, seq)
	if err != nil {
		return err
	}
	if s.log.classOf(from) == dead {
		return errors.New("it lies there already")
	}
	if err := s.space(int64(from.len)); err != nil {
		return err
	}
	m.Dead, m.Attempts = &e.Reason, m.Attempts+e.tried()
	o, err := s.copyOf([]copied{{m, from}}, dead)
	if err != nil {
		return err
	}
	move := o.apply
	o.apply = func(t *txn, o *op) error {
		if err := t.settle(seq, e); err != nil {
			return err
		}
		return move(t, o)
	}
	return s.do(ctx, o)
}

func (e *settlement) tried() int {
	if e.Free {
		return 0
	}
	return 1
}

func (t *txn) settle(seq int64, e settlement) error {
	var size int64
	var lane string
	err := t.row("SELECT size, lane FROM entry WHERE seq = ? AND dead = 0", seq).Scan(&size, &lane)
	if errors.Is(err, errNoRows) {
		return final(fmt.Errorf("the entry is not waiting any more: %w", store.ErrFenced))
	}
	if err != nil {
		return err
	}
	switch e.Do {
	case store.Retry:
		at := nanos(e.At)
		if _, err := t.exec("UPDATE entry SET due = ?, attempts = attempts + ?, class = ?, reason = ? WHERE seq = ?", at, e.tried(), string(e.Reason.Class), e.Reason.Text, seq); err != nil {
			return err
		}
		_, err := t.exec("UPDATE lane SET due = ? WHERE name = ?", max(at, nanos(e.now)), lane)
		return err
	case store.Delivered:
		if err := t.accept(e.now, seq); err != nil {
			return err
		}
		if _, err := t.remove(seq); err != nil {
			return err
		}
	case store.Bury:
		if _, err := t.exec("UPDATE entry SET dead = 1, attempts = attempts + ?, class = ?, reason = ? WHERE seq = ?", e.tried(), string(e.Reason.Class), e.Reason.Text, seq); err != nil {
			return err
		}
		t.count.dead++
		t.count.deadBytes += size
	default:
		return fmt.Errorf("unknown outcome %s", e.Do)
	}
	t.count.ready--
	t.count.readyBytes -= size
	return t.advance(nanos(e.now), lane)
}

// advance makes the lane's next entry its head, and puts the lane behind those
// that wait already.
func (t *txn) advance(now int64, lane string) error {
	var seq, due int64
	err := t.row("SELECT seq, due FROM entry INDEXED BY entry_lane WHERE lane = ? AND dead = 0 ORDER BY seq LIMIT 1", lane).Scan(&seq, &due)
	if errors.Is(err, sql.ErrNoRows) {
		delete(t.lanes, lane)
		_, err = t.exec("DELETE FROM lane WHERE name = ?", lane)
		return err
	}
	if err != nil {
		return err
	}
	_, err = t.exec("UPDATE lane SET head = ?, due = ? WHERE name = ?", seq, max(due, now), lane)
	return err
}
