package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"yiqiao/proxy/store"
)

// One transaction takes at most so many operations and bytes of bodies.
const (
	groupOps   = 256
	groupBytes = 64 << 20
)

// op is one operation that waits for the writer.
type op struct {
	run   func(t *txn) error
	bytes int
	state atomic.Int32 // queued, then taken or given up
	done  chan error
}

const (
	queued int32 = iota
	taken
	givenUp
)

// do hands an operation to the writer and waits until it is durable. When ctx
// ends first, the operation is given up, unless the writer has begun with it:
// then do waits, because the operation reads the caller's buffers.
func (s *Store) do(ctx context.Context, bytes int, run func(t *txn) error) error {
	o := &op{run: run, bytes: bytes, done: make(chan error, 1)}
	select {
	case s.ops <- o:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		if o.state.CompareAndSwap(queued, givenUp) {
			return ctx.Err()
		}
		return <-o.done
	}
}

// write is the writer goroutine.
func (s *Store) write() {
	defer close(s.ended)
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case first, ok := <-s.ops:
			if !ok {
				return
			}
			s.serve(s.gather(first))
		case <-tick.C:
			if s.opts.still {
				continue
			}
			// What cannot be tidied now is tried again; nothing depends on it.
			_ = s.tidy()
		}
	}
}

// serve commits a group and answers its operations.
func (s *Store) serve(group []*op) {
	errs, err := s.commit(group)
	if err != nil && len(group) > 1 {
		// One of them may be to blame (the disk is full): each by itself.
		for _, o := range group {
			one, err := s.commit([]*op{o})
			o.done <- errors.Join(one[0], err)
		}
		return
	}
	for i, o := range group {
		o.done <- errors.Join(errs[i], err)
	}
}

// gather takes what waits, without waiting for more.
func (s *Store) gather(first *op) []*op {
	var group []*op
	bytes := 0
	for o := first; ; {
		if o.state.CompareAndSwap(queued, taken) {
			group = append(group, o)
			bytes += o.bytes
		}
		if len(group) >= groupOps || bytes >= groupBytes {
			return group
		}
		select {
		case next, ok := <-s.ops:
			if !ok {
				return group
			}
			o = next
		default:
			return group
		}
	}
}

// commit runs a group in one transaction. errs are those of the operations,
// each of which changed nothing; err is that of the transaction: then none
// changed anything.
//
// The log is synced before the index is committed. The index's commit is not
// synced: after a power cut the index is as it was some commits ago, and the
// log is replayed from there.
func (s *Store) commit(group []*op) (errs []error, err error) {
	errs = make([]error, len(group))
	if len(group) == 0 {
		return errs, nil
	}
	tx, err := s.writer.Begin()
	if err != nil {
		return errs, explain(err)
	}
	t := &txn{tx: tx, count: s.counters(), opts: s.opts, log: s.log, at: s.log.cursor()}
	for i, o := range group {
		if errs[i], err = t.attempt(o); err != nil {
			break
		}
	}
	if err == nil {
		err = t.finish()
	}
	if err != nil {
		_ = tx.Rollback()
		return make([]error, len(group)), explain(err)
	}
	for p, n := range t.used {
		s.log.count(p, n)
	}
	s.mu.Lock()
	s.count = t.count
	s.commits++
	s.mu.Unlock()
	return errs, nil
}

func (s *Store) counters() counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// txn is a transaction under way, with what it will write to the log.
type txn struct {
	tx      *sql.Tx
	count   counters
	opts    Options
	log     *segLog
	at      cursor
	records []planned
	used    map[place]int // bodies that came (1) or went (-1)
}

// append plans a record and tells where its body will stand.
func (t *txn) append(r *record) place {
	t.log.next(&t.at, r.size())
	t.records = append(t.records, planned{*r, t.at})
	p := place{t.at.seg, t.at.off + int64(len(r.head)), len(r.body), r.crc}
	t.at.off += r.size()
	return p
}

func (t *txn) use(p place, n int) {
	if t.used == nil {
		t.used = map[place]int{}
	}
	t.used[p] += n
}

// attempt runs one operation so that its failure undoes it alone. broken is
// an error that ends the whole transaction.
func (t *txn) attempt(o *op) (failed, broken error) {
	if _, err := t.tx.Exec("SAVEPOINT op"); err != nil {
		return nil, err
	}
	before := *t
	before.used = maps.Clone(t.used)
	failed = o.run(t)
	if failed == nil {
		_, broken = t.tx.Exec("RELEASE op")
		return nil, broken
	}
	*t = before
	_, broken = t.tx.Exec("ROLLBACK TO op; RELEASE op")
	return explain(failed), broken
}

// finish writes and syncs the log, then commits the index with the position up
// to which it knows the log.
func (t *txn) finish() error {
	if len(t.records) > 0 {
		if err := t.log.write(t.records); err != nil {
			return explainLog(err)
		}
		if _, err := t.tx.Exec("UPDATE pos SET seg = ?, off = ?", t.at.seg, t.at.off); err != nil {
			return err
		}
	}
	return t.tx.Commit()
}

// explain turns the errors of SQLite into those of the contract.
func explain(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("%w: %w", store.ErrFull, err)
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			return fmt.Errorf("the database is damaged; move the file away to start afresh, keep it for recovery: %w", err)
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
