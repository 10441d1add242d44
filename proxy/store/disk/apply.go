package disk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yiqiao/proxy/store"
)

// A transaction of the index takes what came in commitEvery, or so many
// records or bytes of bodies: a page that many of them change is written
// once then, and not once for each sync. It ends at once when somebody waits
// for it. What it has not taken yet is replayed after a crash.
const (
	commitEvery   = 250 * time.Millisecond
	commitRecords = 2000
	commitBytes   = 16 << 20
)

// againEvery is how often an index that is behind the log is tried again.
const againEvery = 100 * time.Millisecond

// index is the indexer goroutine.
func (s *Store) index() {
	defer close(s.ended)
	again := time.NewTicker(againEvery)
	defer again.Stop()
	g := group{store: s}
	var due <-chan time.Time
	for open := true; open; {
		var ops []*op
		select {
		case ops, open = <-s.synced:
			if g.apply(ops); due == nil && !s.opts.late {
				due = time.After(commitEvery)
			}
		case <-due:
			g.due = true
		case <-again.C:
			g.due = g.behind != nil
		}
		if g.due || !open {
			g.commit()
			due = nil
		}
	}
}

// group is what is applied to the index in one transaction, under way.
type group struct {
	store   *Store
	ops     []*op
	records int
	bytes   int64
	due     bool
	t       *txn // nil: not begun
	// behind is why what is in the log could not be applied: it is tried again,
	// one operation after the other.
	behind error
}

// apply takes operations, in their order.
//
// Their records are durable. The commit itself is not synced: after a power
// cut the index is as it was some commits ago, and the log is replayed from
// there.
func (g *group) apply(ops []*op) {
	for _, o := range ops {
		g.records += len(o.records)
		g.bytes += o.planned
		g.due = g.due || !o.answered
	}
	from := len(g.ops)
	g.ops = append(g.ops, ops...)
	g.due = g.due || len(g.ops) >= commitRecords || g.records >= commitRecords || g.bytes >= commitBytes
	if g.behind != nil || len(ops) == 0 {
		return
	}
	g.try(g.ops[from:])
	g.due = g.due || g.behind != nil
}

func (g *group) do(ops []*op) (err error) {
	if g.t == nil {
		g.store.db.Lock()
		if g.t, err = g.store.begin(); err != nil {
			return err
		}
	}
	for _, o := range ops {
		if err := g.t.do(o); err != nil {
			return err
		}
	}
	return nil
}

// try applies operations; after an error nothing of the transaction is left.
func (g *group) try(ops []*op) {
	if err := g.do(ops); err != nil {
		g.rollback(err)
	}
}

func (g *group) rollback(why error) {
	g.t.rollback()
	g.store.db.Unlock()
	g.t, g.behind = nil, why
}

// commit ends the transaction, and answers those that are not answered yet. On
// a full disk there may be room for it in the WAL, and in the ballast's place.
func (g *group) commit() {
	g.end()
	for _, room := range []func() bool{g.store.restartWAL, g.store.ballast.release} {
		if mayBeFull(g.behind) && room() {
			g.behind = nil
			g.try(g.ops)
			g.end()
		}
	}
	if g.due = false; g.behind != nil {
		g.oneByOne()
		return
	}
	g.store.health.indexed(nil)
}

// end commits; without an error the group is empty then.
func (g *group) end() {
	if g.t == nil {
		return
	}
	if err := g.t.commit(); err != nil {
		g.rollback(err)
		return
	}
	g.store.db.Unlock()
	g.store.committed(g.t, g.ops)
	*g = group{store: g.store}
}

// oneByOne applies each operation by itself: one is to blame, or the disk is
// full. What is in the log and cannot be applied stays: whoever waits for it is
// told so, and admissions are held until it is.
func (g *group) oneByOne() {
	s := g.store
	var behind []*op
	var why error
	for _, o := range g.ops {
		logged := len(o.records) > 0 && o.err == nil
		if logged && len(behind) > 0 {
			behind = append(behind, o)
			continue
		}
		err := o.resting()
		if err == nil {
			err = s.transact(o)
		}
		switch {
		case err == nil:
		case logged:
			why = err
			behind = append(behind, o)
		default:
			s.answer(o, errors.Join(o.err, err))
		}
	}
	*g = group{store: s, ops: behind, behind: why}
	s.health.indexed(why)
	for _, o := range behind {
		s.uncertain(o, why)
	}
}

// restartWAL brings the WAL into the database, so that its room can be used
// again. False: that was not possible.
func (s *Store) restartWAL() bool {
	s.db.Lock()
	defer s.db.Unlock()
	_, err := s.db.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint")
	return err == nil
}

// resting says whether what an operation rests on may still fail.
func (o *op) resting() error {
	for _, first := range o.after {
		if !first.early && !first.applied {
			return errFirst
		}
	}
	return nil
}

// transact applies one operation in a transaction of its own. After an error
// nothing was changed.
func (s *Store) transact(o *op) error {
	g := group{store: s}
	if g.try([]*op{o}); g.behind == nil {
		g.ops = []*op{o}
		g.end()
	}
	return explain(g.behind)
}

// committed lands the operations of a transaction that has ended.
func (s *Store) committed(t *txn, ops []*op) {
	s.counted(t, ops)
	for _, p := range t.gone {
		s.log.gone(p)
	}
	for _, o := range ops {
		o.applied = o.err == nil
		s.answer(o, o.err)
	}
}

// counted takes over what a transaction has counted, and at the same moment
// takes it from what is on its way: the quota never sees it twice.
func (s *Store) counted(t *txn, ops []*op) {
	s.flight.Lock()
	defer s.flight.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = t.count
	s.commits++
	for _, o := range ops {
		if o.err == nil {
			s.flight.bytes -= o.planned
			o.planned = 0
		}
	}
}

// answer tells the caller; nothing of the operation is on its way any more.
func (s *Store) answer(o *op, err error) {
	if o.err = err; err != nil {
		s.drop(o)
	} else {
		s.flight.land(o)
	}
	s.lighten(o)
	if o.early {
		s.unseen.Add(-1)
	}
	if !o.answered {
		o.answered = true
		o.done <- err
	}
}

// uncertain tells the caller that the entries are in the log, and not yet in
// the index: they stay on their way.
func (s *Store) uncertain(o *op, why error) {
	s.lighten(o) // who comes is refused, and waits for nothing
	if !o.answered {
		o.answered = true
		o.done <- fmt.Errorf("%w: the index cannot take it now: %v", store.ErrUncertain, why)
	}
}

// do applies one operation, unless it has failed already or one has that it
// rests on. One that fails for good says so before it changes anything, and
// the transaction goes on without it.
func (t *txn) do(o *op) error {
	if o.err != nil {
		return nil
	}
	for _, first := range o.after {
		if first.err != nil {
			o.err = errFirst
			return nil
		}
	}
	if o.apply != nil {
		before := t.changes
		err := o.apply(t, o)
		if _, alone := errors.AsType[*finalError](err); alone && t.changes == before {
			o.err = err
			return nil
		}
		if err != nil {
			return err
		}
	}
	if n := len(o.records); n > 0 {
		last := o.at[n-1]
		t.pos.at[o.class] = cursor{last.seg, padded(last.off + int64(last.len))}
		t.pos.number = max(t.pos.number, o.number)
	}
	return nil
}
