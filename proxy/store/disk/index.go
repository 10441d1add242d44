package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// index is the one connection that writes rows.
type index struct {
	sync.Mutex // held by whoever uses it
	*statements
	pos   position
	lanes map[string]bool // known to have a row
}

// position up to which the index knows the log.
type position struct {
	at     [classes]cursor
	number int64 // of the last record
	// anew: the index is being made from nothing, and is not whole yet. A
	// process that ends meanwhile leaves that to the next.
	anew bool
}

// cursor is a place between two records.
type cursor struct{ seg, off int64 }

// statements are prepared when they are first used.
type statements struct {
	conn *sql.Conn
	mu   sync.Mutex
	all  map[string]*sql.Stmt
}

func (s *statements) get(text string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.all[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), text)
	if err == nil {
		s.all[text] = stmt
	}
	return stmt, err
}

func newStatements(db *sql.DB) (*statements, error) {
	conn, err := db.Conn(context.Background())
	return &statements{conn: conn, all: map[string]*sql.Stmt{}}, err
}

func (s *statements) close() error {
	if s == nil || s.conn == nil {
		return nil
	}
	var errs []error
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// pragmas of every connection. With NORMAL a commit is not synced: after a
// power cut the index may be older than the log, which is replayed then. A
// reader's cache is smaller: it is empty again after each commit.
var pragmas = []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(67108864)", "cache_size(-24576)"}

func dataSource(folder string, more ...string) string {
	name := (&url.URL{Path: filepath.Join(folder, fileName)}).EscapedPath()
	return (&url.URL{Scheme: "file", Opaque: name, RawQuery: url.Values{"_pragma": more}.Encode()}).String()
}

// openDatabase opens the index; it is made if there is none.
func (s *Store) openDatabase() error {
	// Made here, so that nobody else may read it.
	f, err := os.OpenFile(filepath.Join(s.folder, fileName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	pragmas := append([]string{"page_size(4096)", fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages(s.log.fs))}, pragmas...)
	if s.writer, err = sql.Open("sqlite", dataSource(s.folder, pragmas...)); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if err := s.prepare(); err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", dataSource(s.folder, append(pragmas, "query_only(1)", "cache_size(-8192)")...)); err != nil {
		return err
	}
	s.readers.SetMaxOpenConns(5)
	s.readers.SetMaxIdleConns(5)
	if s.lookup, err = newStatements(s.readers); err != nil {
		return err
	}
	s.db = &index{lanes: map[string]bool{}}
	if s.db.statements, err = newStatements(s.writer); err != nil {
		return err
	}
	// The WAL and its index outlive Close: on a full disk they could not be
	// made again.
	return s.db.conn.Raw(func(c any) error {
		_, err := c.(sqlite.FileControl).FileControlPersistWAL("main", 1)
		return err
	})
}

// checkpointPages is how many pages the WAL has when they are brought into the
// database: the more, the fewer are written twice. On a full disk the database
// may have to grow by as many, and all that it gets is the ballast.
func checkpointPages(fs fileSystem) int64 {
	const pageSize, least, most = 4096, 50, 8000
	_, total, err := fs.space()
	if err != nil {
		return least
	}
	return min(max(ballastSize(total)/2/pageSize, least), most)
}

func (s *Store) closeDatabase() error {
	errs := []error{s.lookup.close()}
	if s.db != nil && s.db.statements != nil {
		_, err := s.db.conn.ExecContext(context.Background(), "PRAGMA journal_size_limit = -1") // the room of the WAL is kept
		errs = append(errs, err, s.db.close())
	}
	for _, db := range []*sql.DB{s.readers, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	s.lookup, s.db, s.readers, s.writer = nil, nil, nil, nil
	return errors.Join(errs...)
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
		_, err := s.writer.Exec(schema)
		return err
	}
	return fmt.Errorf("the database has version %d, this yiqiao knows version %d: it was written by another one", user, schemaVersion)
}

const schemaVersion = 3

// Times are nanoseconds since 1970; seq is the number of the entry's first
// record. A lane's row names its oldest ready entry and since when (or from
// when on) that waits to be given out. pos holds how far the log is known, and
// the counts, so that opening counts nothing.
var schema = strings.TrimSpace(`
BEGIN IMMEDIATE;
CREATE TABLE entry(
	seq INTEGER PRIMARY KEY,
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
CREATE INDEX entry_dead ON entry(seq) WHERE dead = 1;
CREATE INDEX entry_lane ON entry(lane, seq) WHERE dead = 0;
CREATE TABLE usage(seg INTEGER PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
CREATE TABLE pos(
	id INTEGER PRIMARY KEY CHECK(id = 1),
	seg INTEGER NOT NULL, off INTEGER NOT NULL, dead_seg INTEGER NOT NULL, dead_off INTEGER NOT NULL, number INTEGER NOT NULL,
	ready INTEGER NOT NULL, ready_bytes INTEGER NOT NULL, dead INTEGER NOT NULL, dead_bytes INTEGER NOT NULL, keys INTEGER NOT NULL,
	anew INTEGER NOT NULL
) STRICT;
INSERT INTO pos VALUES(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
CREATE TABLE barrier(id INTEGER PRIMARY KEY CHECK(id = 1), n INTEGER NOT NULL) STRICT;
INSERT INTO barrier VALUES(1, 0);
CREATE TABLE lane(name TEXT PRIMARY KEY, head INTEGER NOT NULL, due INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX lane_head ON lane(head);
CREATE INDEX lane_due ON lane(due, head);
CREATE TABLE key(key BLOB PRIMARY KEY, id TEXT NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX key_expires ON key(expires);
` + registrySchema + `PRAGMA user_version = 3;
COMMIT;
`)

// load reads what the index says of itself.
func (s *Store) load() error {
	c, p := &s.count, &s.db.pos
	err := s.db.row("SELECT seg, off, dead_seg, dead_off, number, ready, ready_bytes, dead, dead_bytes, keys, anew FROM pos").
		Scan(&p.at[live].seg, &p.at[live].off, &p.at[dead].seg, &p.at[dead].off, &p.number, &c.ready, &c.readyBytes, &c.dead, &c.deadBytes, &c.keys, &p.anew)
	return err
}

func (x *index) row(text string, args ...any) scanner { return (&txn{index: x}).row(text, args...) }
