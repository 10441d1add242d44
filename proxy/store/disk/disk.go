// Package disk is the store of one machine: an SQLite database in a folder that
// one process owns.
//
// One goroutine writes. It takes all admissions and settlements that wait,
// runs them in one transaction and commits it with one sync of the disk, so a
// sync is shared by whoever came meanwhile. Leases live in memory: the process
// that dies has lost its claims, which is what a lease's end would say too.
package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"yiqiao/proxy/store"
)

// Options of a store. The zero value has the defaults.
type Options struct {
	// MaxBytes of all bodies together, ready and dead; default 20 GiB. Beyond
	// it Admit returns store.ErrFull.
	MaxBytes int64
	// MaxEntry is the size of the largest body; default 64 MiB.
	MaxEntry int
	// Segment is the size of a log file; default 128 MiB.
	Segment int64
	// MinFree is how much of the disk is left to others; default 256 MiB. Below
	// it Admit returns store.ErrFull.
	MinFree int64

	// Of tests: another folder for the log, what stands for barrier, and
	// tidying only when the test says so.
	files   fileSystem
	barrier func(s *Store) error
	still   bool
}

// Store implements store.Store.
type Store struct {
	opts    Options
	folder  string
	lock    *os.File
	log     *segLog
	writer  *sql.DB // of one connection
	readers *sql.DB
	ops     chan *op
	ended   chan struct{} // closed when the writer has returned
	commits int64         // for tests
	notes   []string      // what opening found
	freeAt  time.Time     // when the disk's free space was asked; the writer's own
	freeErr error

	closing sync.RWMutex // held for reading while an operation is under way
	closed  bool

	leases struct {
		sync.Mutex
		byLane map[string]*lease
		token  int64
	}
	count counters // after the last commit
	mu    sync.Mutex
}

// counters of what is committed.
type counters struct {
	ready, dead           int
	readyBytes, deadBytes int64
}

func (c counters) bytes() int64 { return c.readyBytes + c.deadBytes }

// fileName of the index inside the folder; the log stands in logFolder.
const (
	fileName  = "index.db"
	logFolder = "log"
)

// Open opens the store in a folder, which is made if it is missing. It fails
// when another process, or this one, has it open.
func Open(folder string, o Options) (*Store, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 20 << 30
	}
	if o.MaxEntry == 0 {
		o.MaxEntry = 64 << 20
	}
	if o.Segment == 0 {
		o.Segment = 128 << 20
	}
	if o.MinFree == 0 {
		o.MinFree = 256 << 20
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("store folder: %w", err)
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: o, folder: folder, lock: lock, ops: make(chan *op, 1024), ended: make(chan struct{})}
	s.leases.byLane = map[string]*lease{}
	// Tokens of an earlier life are never given out again.
	s.leases.token = time.Now().UnixNano()
	if err := s.start(); err != nil {
		s.release()
		return nil, fmt.Errorf("store %q: %w", filepath.Join(folder, fileName), explain(err))
	}
	go s.write()
	return s, nil
}

// start opens index and log and brings them together.
func (s *Store) start() error {
	files := s.opts.files
	if files == nil {
		dir := filepath.Join(s.folder, logFolder)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		files = osFiles{dir}
	}
	s.log = newSegLog(files, s.opts.Segment)
	if err := s.openIndex(); err != nil {
		return err
	}
	return s.recover()
}

func lockFolder(folder string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("store folder %q is in use: another yiqiao has it open (%w)", folder, err)
	}
	return f, nil
}

// pragmas of every connection. With NORMAL a commit is not synced: after a
// power cut the index may be older than the log, which is replayed then.
var pragmas = []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(67108864)", "cache_size(-16384)"}

func (s *Store) open() error {
	name := filepath.Join(s.folder, fileName)
	// Made here, so that nobody else may read it.
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: name}).EscapedPath(), RawQuery: url.Values{"_pragma": append([]string{"page_size(8192)"}, pragmas...), "_txlock": {"immediate"}}.Encode()}).String()
	if s.writer, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if err := s.prepare(); err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return err
	}
	s.readers.SetMaxOpenConns(4)
	s.readers.SetMaxIdleConns(4)
	return nil
}

// minimum is the first SQLite without the WAL-reset race that could corrupt a
// database (sqlite.org/wal.html).
var minimum = [3]int{3, 51, 3}

func (s *Store) prepare() error {
	var version, mode string
	var sync, user int
	if err := s.writer.QueryRow("SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	var v [3]int
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2])
	if v[0] < minimum[0] || v[0] == minimum[0] && (v[1] < minimum[1] || v[1] == minimum[1] && v[2] < minimum[2]) {
		return fmt.Errorf("want SQLite %d.%d.%d or newer, got %s", minimum[0], minimum[1], minimum[2], version)
	}
	if err := s.writer.QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if err := s.writer.QueryRow("PRAGMA synchronous").Scan(&sync); err != nil {
		return err
	}
	if mode != "wal" || sync != 1 {
		return fmt.Errorf("want journal_mode wal and synchronous 1 (NORMAL), got %s and %d: is this a network file system?", mode, sync)
	}
	if err := s.writer.QueryRow("PRAGMA user_version").Scan(&user); err != nil {
		return err
	}
	switch user {
	case schemaVersion:
		return nil
	case 0:
		_, err := s.writer.Exec(schema + registrySchema)
		return err
	case 1:
		_, err := s.writer.Exec(registrySchema)
		return err
	}
	return fmt.Errorf("the database has version %d, this yiqiao knows version %d: it was written by a newer one", user, schemaVersion)
}

const schemaVersion = 2

// Times are nanoseconds since 1970. A lane's row names its oldest ready entry
// and since when (or from when on) that waits to be given out.
const schema = `
BEGIN IMMEDIATE;
CREATE TABLE entry(
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	lane TEXT NOT NULL,
	dead INTEGER NOT NULL,
	due INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	admitted INTEGER NOT NULL,
	size INTEGER NOT NULL,
	source TEXT NOT NULL, mapping TEXT NOT NULL, interface TEXT NOT NULL, device TEXT NOT NULL, generation TEXT NOT NULL,
	class TEXT NOT NULL, reason TEXT NOT NULL,
	seg INTEGER NOT NULL, off INTEGER NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_state ON entry(dead, seq);
CREATE INDEX entry_lane ON entry(lane, seq) WHERE dead = 0;
CREATE INDEX entry_seg ON entry(seg);
CREATE TABLE pos(id INTEGER PRIMARY KEY CHECK(id = 1), seg INTEGER NOT NULL, off INTEGER NOT NULL) STRICT;
INSERT INTO pos VALUES(1, 0, 0);
CREATE TABLE barrier(id INTEGER PRIMARY KEY CHECK(id = 1), n INTEGER NOT NULL) STRICT;
INSERT INTO barrier VALUES(1, 0);
CREATE TABLE lane(name TEXT PRIMARY KEY, head INTEGER NOT NULL, due INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX lane_head ON lane(head);
CREATE INDEX lane_due ON lane(due, head);
CREATE TABLE key(key BLOB PRIMARY KEY, id TEXT NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX key_expires ON key(expires);
CREATE INDEX key_id ON key(id);
PRAGMA user_version = 1;
COMMIT;
`

func (s *Store) loadCounters() error {
	rows, err := s.writer.Query("SELECT seg, dead, COUNT(*), COALESCE(SUM(size), 0) FROM entry GROUP BY seg, dead")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var seg, n, bytes int64
		var dead bool
		if err := rows.Scan(&seg, &dead, &n, &bytes); err != nil {
			return err
		}
		if u := s.log.live[seg]; u != nil {
			u.entries += n
			u.bytes += bytes
		}
		if dead {
			s.count.dead += int(n)
			s.count.deadBytes += bytes
		} else {
			s.count.ready += int(n)
			s.count.readyBytes += bytes
		}
	}
	return rows.Err()
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.closing.Lock()
	if s.closed {
		s.closing.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	close(s.ops)
	s.closing.Unlock()
	<-s.ended
	return s.release()
}

func (s *Store) release() error {
	var errs []error
	for _, db := range []*sql.DB{s.readers, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.log != nil {
		errs = append(errs, s.log.close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// enter begins an operation; leave ends it. Between them nothing is closed.
func (s *Store) enter(ctx context.Context) error {
	s.closing.RLock()
	if s.closed {
		s.closing.RUnlock()
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		s.closing.RUnlock()
		return err
	}
	return nil
}

func (s *Store) leave() { s.closing.RUnlock() }

// Promise implements store.Store.
func (s *Store) Promise() string {
	return fmt.Sprintf("disk: what was acknowledged is synced to the log in %s: it survives a crash of the process, "+
		"of the machine and a power cut, as long as the disk keeps what it has synced. It does not survive the loss of the disk.", filepath.Join(s.folder, logFolder))
}

// nanos of a time; the zero time and those beyond the range are the ends of it.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero() || t.Year() < 1700:
		return math.MinInt64
	case t.Year() > 2200:
		return math.MaxInt64
	}
	return t.UnixNano()
}

func timeOf(n int64) time.Time { return time.Unix(0, n) }
