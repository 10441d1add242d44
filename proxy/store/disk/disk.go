// Package disk is the store of one machine: a folder that one process owns. The
// bodies stand in a log of segments that are only appended to, the rest in an
// SQLite database, the index.
//
// Admissions pass three goroutines, each of which takes all that came while it
// was busy: the writer finds duplicates, gives out places and writes; the syncer
// makes durable what is written, with one sync for all, and answers the
// callers; the indexer applies it to the index, many admissions in one
// transaction. So the index may be a little behind what was acknowledged; who
// reads it lets it catch up first. A fourth, the keeper, removes segments in
// which nothing is needed.
//
// Leases live in memory: the process that dies has lost its claims, which is
// what a lease's end would say too.
//
// What Promise says, sentence by sentence, is what these tests show:
//
//	a crash of the process             TestPromiseSurvivesKill
//	of the machine and a power cut     TestPromiseSurvivesPowerCut
//	deliveries may be repeated         TestPromiseDeliveriesMayRepeat
//	a full disk refuses                TestPromiseFullDiskRefusesWhole
//	damage loses the entry             TestPromiseDamageIsOneRecordWide
//	an index made anew                 TestPromiseIndexIsMadeAnew
//	the loss of the disk               TestPromiseNothingSurvivesLossOfDisk
//
// The power cuts are those of a file system in memory; whether a real disk
// keeps what it says it has synced is not tested.
package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"

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
	// MinFree is how much of the disk is left to others, in bytes. Below it
	// Admit returns store.ErrFull. Default: 5 % of the disk, 2 GiB at least, but
	// never more than 10 %.
	MinFree int64

	// Of tests: another folder for the log, what stands for barrier, tidying
	// only when the test says so, commits only when somebody waits, a small filter, what hears of each operation that the writer
	// has planned, and what may fail before each transaction of the replay.
	files     fileSystem
	barrier   func(s *Store) error
	still     bool
	late      bool // the index is behind until somebody waits for it
	keyRoom   int  // least of the filter
	planned   func(o *op)
	replaying func() error
}

// Store implements store.Store.
type Store struct {
	opts    Options
	folder  string
	lock    *os.File
	log     *segLog
	ballast ballast
	notes   []string // what opening found

	writer  *sql.DB // of one connection, which is db's
	readers *sql.DB
	db      *index      // the indexer's, the keeper's for barriers
	lookup  *statements // the writer's

	ops     chan *op   // to the writer
	written chan []*op // to the syncer
	synced  chan []*op // to the indexer
	ended   chan struct{}
	stop    chan struct{} // ends the keeper
	stopped sync.Once
	kept    chan struct{} // it has ended
	flight  flight
	filter  *filter             // the writer's
	filling sync.WaitGroup      // of the filter
	unseen  atomic.Int64        // operations that are acknowledged, and not in the index yet
	lag     *semaphore.Weighted // records on their way from the syncer to the index
	health  health

	presence presence

	closing sync.RWMutex // held for reading while an operation is under way
	closed  bool

	leases struct {
		sync.Mutex
		byLane map[string]*lease
		token  int64
	}
	mu      sync.Mutex
	count   counters // after the last commit
	commits int64    // for tests
}

// counters of what is committed.
type counters struct {
	ready, dead           int
	readyBytes, deadBytes int64
	keys                  int
}

func (c counters) bytes() int64 { return c.readyBytes + c.deadBytes }

func (s *Store) counters() counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

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
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("store folder: %w", err)
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opts: o, folder: folder, lock: lock,
		ops: make(chan *op, 1024), written: make(chan []*op, 1024), synced: make(chan []*op, 1024), lag: semaphore.NewWeighted(mostLag),
		ended: make(chan struct{}), stop: make(chan struct{}), kept: make(chan struct{}),
	}
	s.flight = newFlight()
	s.leases.byLane = map[string]*lease{}
	// Tokens of an earlier life are never given out again.
	s.leases.token = time.Now().UnixNano()
	if err := s.start(); err != nil {
		s.release()
		return nil, fmt.Errorf("store %q: %w", folder, explain(err))
	}
	s.loadPresence()
	s.refill(s.count.keys)
	go s.write()
	go s.sync()
	go s.index()
	go s.keep()
	return s, nil
}

// start opens index and log and brings them together. On a full disk that may
// need the ballast's room.
func (s *Store) start() error {
	files := s.opts.files
	if files == nil {
		dir := filepath.Join(s.folder, logFolder)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		files = osFiles{dir}
		s.ballast = ballast{name: filepath.Join(s.folder, "ballast"), space: files.space}
	}
	if s.opts.MinFree == 0 {
		s.opts.MinFree = floor(files)
	}
	err := s.openAll(files)
	if mayBeFull(err) && s.ballast.release() {
		err = s.openAll(files)
	}
	if isDamaged(err) {
		if err = s.putAside(err); err == nil {
			err = s.openAll(files)
		}
	}
	if err == nil {
		s.ballast.fill(s.opts.MinFree)
	}
	return err
}

func (s *Store) openAll(files fileSystem) error {
	if s.log != nil {
		if err := errors.Join(s.closeDatabase(), s.log.close()); err != nil {
			return err
		}
	}
	s.log = newSegLog(files, s.opts.Segment)
	if err := s.openDatabase(); err != nil {
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

// Close implements store.Store.
func (s *Store) Close() error {
	s.stopped.Do(func() { close(s.stop) })
	s.closing.Lock()
	if s.closed {
		s.closing.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	close(s.ops)
	s.closing.Unlock()
	<-s.ended
	<-s.kept
	s.filling.Wait()
	_ = s.savePresence() // nothing can be done about it now, and little is lost
	return s.release()
}

func (s *Store) release() error {
	err := s.closeDatabase()
	if s.log != nil {
		err = errors.Join(err, s.log.close())
	}
	return errors.Join(err, s.lock.Close())
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

// stopping tells work that can wait that the store is about to close.
func (s *Store) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

func (s *Store) leave() { s.closing.RUnlock() }

// Promise implements store.Store.
func (s *Store) Promise() string {
	return fmt.Sprintf("disk: what was acknowledged is synced to the log in %s; it survives a crash of the process, "+
		"of the machine and a power cut, as long as the disk keeps what it has synced. "+
		"After a crash the last deliveries may be repeated. "+
		"A full disk refuses events before anything of them counts, while deliveries go on. "+
		"Damage loses the entry that it lies in, and is told. "+
		"An index that is damaged is made anew from the log: what is not delivered is there, what was delivered lately may be again. "+
		"Nothing survives the loss of the disk.", filepath.Join(s.folder, logFolder))
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
