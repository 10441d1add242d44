package disk

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// What the store is measured against: the least that must be done (records in
// segments, one sync for all that was written meanwhile, and no index), and
// the simplest that would do (SQLite alone).

// bareLog writes records and knows nothing of them afterwards.
type bareLog struct {
	log     *segLog
	ops     chan *op
	written chan []*op
	ended   chan struct{}
}

func newBareLog(t testing.TB, folder string) *bareLog {
	t.Helper()
	b := &bareLog{log: newSegLog(osFiles{folder}, 128<<20), ops: make(chan *op, 1024), written: make(chan []*op, 1024), ended: make(chan struct{})}
	go b.write()
	go b.sync()
	t.Cleanup(func() {
		close(b.ops)
		<-b.ended
		b.log.close()
	})
	return b
}

func (b *bareLog) Admit(_ context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	a := admission{store: &Store{opts: Options{MaxEntry: 1 << 30}}, now: now, admissions: make([]store.Admission, len(entries))}
	o := &op{done: make(chan error, 1)}
	if err := a.records(o, entries); err != nil {
		return nil, err
	}
	b.ops <- o
	return a.admissions, <-o.done
}

func (b *bareLog) write() {
	defer close(b.written)
	s := &Store{log: b.log, ops: b.ops}
	for first := range b.ops {
		ops := s.gather(first)
		var batches [classes]*batch
		for _, o := range ops {
			o.err = s.place(&batches, o)
		}
		s.flush(batches[live])
		b.written <- ops
	}
}

func (b *bareLog) sync() {
	defer close(b.ended)
	s := &Store{log: b.log}
	for ops := range b.written {
		for more := true; more; {
			select {
			case next, ok := <-b.written:
				ops, more = append(ops, next...), ok
			default:
				more = false
			}
		}
		s.makeDurable(ops)
		for _, o := range ops {
			o.done <- o.err
		}
	}
}

// sqliteOnly has the bodies in the database too.
type sqliteOnly struct {
	db    *sql.DB
	ops   chan *sqliteOp
	ended chan struct{}
}

type sqliteOp struct {
	e    *store.Entry
	done chan error
}

func newSQLiteOnly(t testing.TB, folder string) *sqliteOnly {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "only.db")+"?_pragma=page_size(16384)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE entry(seq INTEGER PRIMARY KEY, id TEXT UNIQUE, lane TEXT, body BLOB); CREATE TABLE key(key BLOB PRIMARY KEY, id TEXT) WITHOUT ROWID"); err != nil {
		t.Fatal(err)
	}
	q := &sqliteOnly{db: db, ops: make(chan *sqliteOp, 1024), ended: make(chan struct{})}
	go q.write()
	t.Cleanup(func() {
		close(q.ops)
		<-q.ended
		db.Close()
	})
	return q
}

func (q *sqliteOnly) Admit(_ context.Context, _ time.Time, entries []store.Entry) ([]store.Admission, error) {
	o := &sqliteOp{&entries[0], make(chan error, 1)}
	q.ops <- o
	return nil, <-o.done
}

func (q *sqliteOnly) write() {
	defer close(q.ended)
	for first := range q.ops {
		ops, bytes := []*sqliteOp{first}, len(first.e.Body)
		for more := true; more && bytes < writeBytes; {
			select {
			case o, ok := <-q.ops:
				if more = ok; ok {
					ops, bytes = append(ops, o), bytes+len(o.e.Body)
				}
			default:
				more = false
			}
		}
		err := q.commit(ops)
		for _, o := range ops {
			o.done <- err
		}
	}
}

func (q *sqliteOnly) commit(ops []*sqliteOp) error {
	tx, err := q.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, o := range ops {
		if _, err := tx.Exec("INSERT INTO key VALUES(?, ?)", o.e.Key[:], o.e.ID); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO entry(id, lane, body) VALUES(?, ?, ?)", o.e.ID, o.e.Lane, o.e.Body); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// speed is how many entries a second so many producers get admitted.
func speed(t *testing.T, do admit, size, producers, each int) float64 {
	t.Helper()
	body := make([]byte, size)
	var wg sync.WaitGroup
	began := time.Now()
	for p := range producers {
		wg.Go(func() {
			for range each {
				id := store.NewID(time.Now())
				e := store.Entry{ID: id, KeyTTL: time.Hour, Lane: fmt.Sprint("lane ", p), Body: body}
				copy(e.Key[:], id[10:])
				if _, err := do(t.Context(), time.Now(), []store.Entry{e}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return float64(producers*each) / time.Since(began).Seconds()
}

// BenchmarkFloor is BenchmarkAdmit of what the store is measured against.
func BenchmarkFloor(b *testing.B) {
	for _, size := range []int{1_000, 300_000} {
		for name, do := range map[string]func(testing.TB, string) admit{
			"log":    func(t testing.TB, folder string) admit { return newBareLog(t, folder).Admit },
			"sqlite": func(t testing.TB, folder string) admit { return newSQLiteOnly(t, folder).Admit },
		} {
			b.Run(fmt.Sprintf("%s/%dKB", name, size/1000), func(b *testing.B) { admitMany(b, do(b, b.TempDir()), size, 16) })
		}
	}
}
