package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"yiqiao/proxy/store"
)

// againEvery is how often an index that is behind the log is tried again.
const againEvery = 100 * time.Millisecond

// maxLanes is how many lanes the committer remembers to have a row.
const maxLanes = 100_000

// commit is the committer goroutine.
func (s *Store) commit() {
	defer close(s.ended)
	again := time.NewTicker(againEvery)
	defer again.Stop()
	var behind []*op // what is in the log and could not be applied
	for {
		select {
		case ops, ok := <-s.written:
			for more := ok; more; {
				select {
				case next, open := <-s.written:
					ops, more = append(ops, next...), open && len(ops) < 4*groupOps
				default:
					more = false
				}
			}
			if !ok {
				return
			}
			s.sync(ops)
			behind = s.applyAll(append(behind, ops...))
		case <-again.C:
			if len(behind) > 0 {
				behind = s.applyAll(behind)
			}
		}
	}
}

// applyAll applies operations in their order and answers them. It returns
// those that are in the log and cannot be applied now: their callers are told
// so, and admissions are held until they are.
func (s *Store) applyAll(ops []*op) (behind []*op) {
	if err := s.transact(ops); err == nil {
		s.health.indexed(nil)
		for _, o := range ops {
			s.answer(o, o.err)
		}
		return nil
	}
	// One of them is to blame, or the disk is full: each by itself.
	var why error
	for _, o := range ops {
		logged := len(o.records) > 0 && o.err == nil
		if logged && len(behind) > 0 {
			behind = append(behind, o)
			continue
		}
		err := s.transact([]*op{o})
		if mayBeFull(err) && s.ballast.release() {
			err = s.transact([]*op{o})
		}
		if _, alone := errors.AsType[*finalError](err); err == nil || alone || !logged {
			s.answer(o, errors.Join(o.err, err))
			continue
		}
		why = err
		behind = append(behind, o)
	}
	s.health.indexed(why)
	for _, o := range behind {
		s.uncertain(o, why)
	}
	return behind
}

// answer tells the caller; nothing of the operation is on its way any more.
func (s *Store) answer(o *op, err error) {
	if o.err = err; err != nil && !o.applied {
		for _, p := range o.at { // that no row names
			s.log.gone(p)
		}
	}
	s.flight.land(o)
	if !o.answered {
		o.answered = true
		o.done <- err
	}
}

// uncertain tells the caller that the entries are in the log, and not yet in
// the index: they stay on their way.
func (s *Store) uncertain(o *op, why error) {
	if !o.answered {
		o.answered = true
		o.done <- fmt.Errorf("%w: the index cannot take it now: %v", store.ErrUncertain, why)
	}
}

// transact applies operations in one transaction. After an error nothing was
// changed.
//
// Their records are durable. The commit itself is not synced: after a power
// cut the index is as it was some commits ago, and the log is replayed from
// there.
func (s *Store) transact(ops []*op) error {
	s.db.Lock()
	defer s.db.Unlock()
	t, err := s.begin()
	if err != nil {
		return explain(err)
	}
	for _, o := range ops {
		if err = t.do(o, len(ops) == 1); err != nil {
			break
		}
	}
	if err == nil {
		err = t.commit()
	}
	if err != nil {
		t.rollback()
		return explain(err)
	}
	for _, o := range ops {
		o.applied = o.err == nil
	}
	s.mu.Lock()
	s.count = t.count
	s.commits++
	s.mu.Unlock()
	for _, p := range t.gone {
		s.log.gone(p)
	}
	return nil
}

// do applies one operation, unless it has failed already or one has that it
// rests on; alone: nothing before it is in the same transaction.
func (t *txn) do(o *op, alone bool) error {
	if o.err != nil {
		return nil
	}
	for _, first := range o.after {
		if first.err != nil || alone && !first.applied {
			return final(errFirst)
		}
	}
	if err := o.apply(t, o); err != nil {
		return err
	}
	if n := len(o.records); n > 0 {
		last := o.at[n-1]
		t.pos.at[o.class] = cursor{last.seg, padded(last.off + int64(last.len))}
		t.pos.number = max(t.pos.number, o.number)
	}
	return nil
}

// txn is a transaction of the index under way.
type txn struct {
	*index
	count counters
	pos   position
	used  map[int64]counted // by segment
	gone  []place
	// Keys to remove before the commit.
	expired struct {
		now  int64
		some int
	}
}

// counted is a change of what a segment holds.
type counted struct{ entries, bytes int64 }

func (s *Store) begin() (*txn, error) {
	t := &txn{index: s.db, count: s.counters(), pos: s.db.pos, used: map[int64]counted{}}
	t.expired.now = math.MaxInt64
	_, err := t.exec("BEGIN IMMEDIATE")
	return t, err
}

func (t *txn) came(p place) { t.use(p, 1) }

func (t *txn) went(p place) {
	t.use(p, -1)
	t.gone = append(t.gone, p)
}

func (t *txn) use(p place, n int64) {
	c := t.used[p.seg]
	t.used[p.seg] = counted{c.entries + n, c.bytes + n*int64(p.len)}
}

// commit ends the transaction with the position up to which it knows the log.
func (t *txn) commit() error {
	if t.expired.some > 0 {
		n, err := t.exec("DELETE FROM key WHERE key IN (SELECT key FROM key WHERE expires <= ? ORDER BY expires LIMIT ?)", t.expired.now, t.expired.some)
		if err != nil {
			return err
		}
		t.count.keys -= int(n)
	}
	for seg, c := range t.used {
		if _, err := t.exec("INSERT INTO usage(seg, entries, bytes) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET entries = entries + excluded.entries, bytes = bytes + excluded.bytes", seg, c.entries, c.bytes); err != nil {
			return err
		}
	}
	if err := t.savePosition(); err != nil {
		return err
	}
	if _, err := t.exec("COMMIT"); err != nil {
		return err
	}
	t.index.pos = t.pos
	return nil
}

func (t *txn) savePosition() error {
	c, p := &t.count, &t.pos
	_, err := t.exec("UPDATE pos SET seg = ?, off = ?, dead_seg = ?, dead_off = ?, number = ?, ready = ?, ready_bytes = ?, dead = ?, dead_bytes = ?, keys = ?, anew = ?",
		p.at[live].seg, p.at[live].off, p.at[dead].seg, p.at[dead].off, p.number, c.ready, c.readyBytes, c.dead, c.deadBytes, c.keys, p.anew)
	return err
}

func (t *txn) rollback() {
	clear(t.lanes)
	_, _ = t.exec("ROLLBACK") // fails when SQLite has rolled back already
}

func (t *txn) exec(text string, args ...any) (changed int64, err error) {
	stmt, err := t.get(text)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// scanner is the one row of a query.
type scanner interface{ Scan(dest ...any) error }

func (t *txn) row(text string, args ...any) scanner {
	stmt, err := t.get(text)
	if err != nil {
		return broken{err}
	}
	return stmt.QueryRowContext(context.Background(), args...)
}

// broken is a row that cannot be read.
type broken struct{ err error }

func (b broken) Scan(...any) error { return b.err }

// finalError ends an operation for good; trying it again is of no use.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

func final(err error) error { return &finalError{err} }

// isFull tells the errors of a full disk.
func isFull(err error) bool {
	return isSQLite(err, sqlite3.SQLITE_FULL) || errors.Is(err, store.ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// mayBeFull adds those that SQLite has where it could not make a file longer.
func mayBeFull(err error) bool {
	return isFull(err) || isSQLite(err, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
}

func isSQLite(err error, codes ...int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && slices.Contains(codes, e.Code()&0xff)
}

// isDamaged tells the errors of a database that has to be made anew.
func isDamaged(err error) bool {
	return isSQLite(err, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
}

// explain turns the errors of files and of SQLite into those of the contract.
func explain(err error) error {
	switch {
	case isDamaged(err):
		return fmt.Errorf("the index is damaged; stop, move index.db* away and keep them, start: it is made anew from the log: %w", err)
	case isFull(err) && !errors.Is(err, store.ErrFull):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
