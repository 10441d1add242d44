package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"yiqiao/proxy/store"
)

// maxLanes is how many lanes the indexer remembers to have a row.
const maxLanes = 100_000

// txn is a transaction of the index under way.
type txn struct {
	*index
	count   counters
	pos     position
	used    map[int64]counted // by segment
	gone    []place
	changes int64 // of rows, by exec
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
	changed, err = res.RowsAffected()
	t.changes += changed
	return changed, err
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
