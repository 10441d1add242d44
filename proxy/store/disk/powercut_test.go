package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// life is a store that is used at random and loses its power, again and again.
// The log stands in memory and forgets what was not synced. The index is a
// real SQLite; after a power cut it is as it was after some commit since its
// last barrier, which is what synchronous=NORMAL promises.
type life struct {
	t       *testing.T
	r       *rand.Rand
	folder  string
	fs      *crashFS
	mutant  mutant
	s       *Store
	now     time.Time
	n       int
	snaps   []int64 // lengths of the index's WAL after each commit since the last barrier
	acked   map[string]store.Key
	settled map[string]bool
	latest  map[string][]store.Entry // by lane: the versions of what it registers that were not buried
	doubt   map[string][]store.Entry // by lane: those that may be there or not
	known   map[string]string        // by lane: the version accepted last
	pair    [2]string                // admitted by one call when the power went: both or none
	plans   chan *op                 // if not nil: what the writer has planned
	taken   atomic.Int64
}

// mutant is a planted bug.
type mutant struct {
	name          string
	lazy, lazyDir bool
	hasty         bool // duplicates are answered before the first is durable
	barrier       func(s *Store) error
}

func (l *life) open() error {
	s, err := Open(l.folder, Options{Segment: 20_000, files: l.fs, still: true, late: true, planned: l.planned, barrier: func(s *Store) error {
		before := l.walSize()
		do := (*Store).barrier
		if l.mutant.barrier != nil {
			do = l.mutant.barrier
		}
		if err := do(s); err != nil {
			return err
		}
		// Only what was written is synced.
		if after := l.walSize(); after != before {
			l.snaps = []int64{after}
		}
		return nil
	}})
	if err != nil {
		return err
	}
	l.s = s
	// Checkpoints sync, and so hide bugs; without them the WAL has it all.
	_, err = s.db.conn.ExecContext(l.t.Context(), "PRAGMA wal_autocheckpoint = 0")
	l.snaps = []int64{l.walSize()}
	return err
}

func (l *life) planned(o *op) {
	if l.mutant.hasty && o.err == nil && o.plan != nil && len(o.records) == 0 {
		o.answered = true
		o.done <- nil
	}
	if l.plans != nil {
		l.taken.Add(1)
		l.plans <- o
	}
}

// walSize is how long the index's WAL is. Nobody writes meanwhile.
func (l *life) walSize() int64 {
	st, err := os.Stat(filepath.Join(l.folder, fileName+"-wal"))
	if err != nil {
		return 0
	}
	return st.Size()
}

func (l *life) body(id string) []byte {
	return bytes.Repeat([]byte(id+"."), 20+len(id)%7*60)
}

// step does one thing at random.
func (l *life) step() error {
	l.now = l.now.Add(time.Second)
	ctx := l.t.Context()
	switch k := l.r.IntN(10); {
	case k < 5:
		l.n++
		id := fmt.Sprintf("%06d", l.n)
		e := entry(id, fmt.Sprint("lane", l.n%5), "k"+id, l.body(id))
		switch {
		case l.r.IntN(10) == 0:
			e.Dead = &store.Reason{Class: store.Refused, Text: "x"}
		case l.r.IntN(4) == 0:
			e = l.version(e)
		}
		entries := []store.Entry{e}
		if l.r.IntN(4) == 0 {
			entries = append(entries, entry(id+"b", "lane", "l"+id, l.body(id+"b")))
		}
		if _, err := l.s.Admit(ctx, l.now, entries); err != nil {
			l.mayBe(e)
			return err
		}
		for _, e := range entries {
			l.admitted(e)
		}
	case k < 9:
		claims, err := l.s.Claim(ctx, l.now, store.Want{Max: 2, Lease: time.Minute})
		if err != nil {
			return err
		}
		for _, c := range claims {
			o := store.Outcome{Do: store.Delivered}
			switch l.r.IntN(12) {
			case 0:
				o = store.Outcome{Do: store.Retry, At: l.now.Add(time.Second)}
			case 1:
				o = store.Outcome{Do: store.Bury, Reason: store.Reason{Class: store.Rejected, Text: "y"}}
			}
			if o.Do == store.Bury {
				l.bury(c)
			}
			if err := l.s.Settle(ctx, l.now, c, o); err != nil {
				return err
			}
			if o.Do == store.Delivered {
				l.settled[c.ID] = true
				l.accept(c)
			}
		}
	case l.r.IntN(2) == 0:
		return l.replace()
	default:
		if err := l.s.tidy(); err != nil {
			return err
		}
	}
	l.snaps = append(l.snaps, l.walSize())
	return nil
}

// replace gives the place of a dead letter to a new entry, or to none.
func (l *life) replace() error {
	ctx := l.t.Context()
	list, err := l.s.List(ctx, store.Filter{State: store.Dead, Limit: 1 + l.r.IntN(5)})
	if err != nil || len(list) == 0 {
		return err
	}
	old := list[len(list)-1].ID
	l.n++
	id := fmt.Sprintf("%06d", l.n)
	entries := []store.Entry{entry(id, "lane", "k"+id, l.body(id))}[l.r.IntN(2):]
	if _, err := l.s.Replace(ctx, l.now, old, entries); err != nil {
		return err
	}
	l.settled[old] = true
	for _, e := range entries {
		l.acked[e.ID] = e.Key
	}
	l.snaps = append(l.snaps, l.walSize())
	return nil
}

// caught begins to admit two entries, and a duplicate of the first, so that
// the power goes while they are being synced. end lets the sync go on.
func (l *life) caught() (end func()) {
	ctx, s := l.t.Context(), l.s
	l.taken.Store(0)
	l.plans = make(chan *op, 2)
	gate, syncing := make(chan struct{}), make(chan struct{}, 1)
	l.fs.before(func() {
		if l.taken.Load() == 0 {
			return // the writer seals a segment
		}
		select {
		case syncing <- struct{}{}:
		default:
		}
		<-gate
	})
	var entries []store.Entry
	for i := range l.pair {
		l.n++
		l.pair[i] = fmt.Sprintf("%06d", l.n)
		entries = append(entries, entry(l.pair[i], "lane", "k"+l.pair[i], l.body(l.pair[i])))
	}
	if l.r.IntN(2) == 0 {
		entries[0] = l.version(entries[0])
	}
	l.mayBe(entries[0])
	again := entries[0]
	again.ID, again.Body = again.ID+"again", nil
	first, second := make(chan error, 1), make(chan error, 1)
	admit := func(to chan error, entries ...store.Entry) {
		_, err := s.Admit(ctx, l.now, entries)
		to <- err
	}
	go admit(first, entries...)
	<-l.plans
	<-syncing
	go admit(second, again)
	<-l.plans
	if l.mutant.hasty {
		<-second
		second <- nil
		l.admitted(entries[0]) // the duplicate says so
	}
	return func() {
		l.plans = nil
		close(gate)
		<-first
		<-second
	}
}

// cut takes the power away and gives it back.
func (l *life) cut() error {
	end := func() {}
	if l.r.IntN(2) == 0 {
		end = l.caught()
	}
	kept := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(l.folder, fileName+suffix))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		kept[suffix] = b
	}
	kept["-wal"] = kept["-wal"][:l.snaps[l.r.IntN(len(l.snaps))]]
	left := l.fs.crashed(l.r)
	end()
	l.s.Close()
	l.fs = left
	l.fs.lazy, l.fs.lazyDir = l.mutant.lazy, l.mutant.lazyDir
	l.folder = l.t.TempDir()
	for suffix, b := range kept {
		if err := os.WriteFile(filepath.Join(l.folder, fileName+suffix), b, 0o600); err != nil {
			return err
		}
	}
	if err := l.open(); err != nil {
		return err
	}
	return l.check()
}

// check proves the promise: what was acknowledged and not settled is there,
// once and whole; what was acknowledged is a duplicate.
func (l *life) check() error {
	ctx := l.t.Context()
	list, err := l.s.List(ctx, store.Filter{Limit: 1 << 20})
	if err != nil {
		return err
	}
	there := map[string]store.State{}
	for _, i := range list {
		if there[i.ID] != "" {
			return fmt.Errorf("%s is there twice", i.ID)
		}
		there[i.ID] = i.State
		if body, err := l.s.Load(ctx, i.ID, nil); err != nil || !bytes.Equal(body, l.body(i.ID)) {
			return fmt.Errorf("%s: body of %d bytes, %v", i.ID, len(body), err)
		}
	}
	for id := range l.acked {
		if there[id] == "" && !l.settled[id] {
			return fmt.Errorf("%s was acknowledged and is lost", id)
		}
	}
	if (there[l.pair[0]] == "") != (there[l.pair[1]] == "") {
		return fmt.Errorf("of %v, which were admitted at once, one is there", l.pair)
	}
	l.pair = [2]string{}
	if err := l.checkRegistry(there); err != nil {
		return err
	}
	var ids []string
	var resends []store.Entry
	for _, id := range slices.Sorted(maps.Keys(l.acked)) {
		if l.acked[id] == (store.Key{}) {
			continue // a version
		}
		ids = append(ids, id)
		e := entry("again-"+id, "lane", "", nil)
		e.Key = l.acked[id]
		resends = append(resends, e)
	}
	admissions, err := l.s.Admit(ctx, l.now, resends)
	if err != nil {
		return err
	}
	for i, a := range admissions {
		if !a.Duplicate {
			return fmt.Errorf("the key of %s was forgotten", ids[i])
		}
	}
	st, err := l.s.Stats(ctx, l.now)
	if err != nil || st.Ready+st.Dead != len(list) {
		return fmt.Errorf("%d entries, counted %+v, %v", len(list), st, err)
	}
	return nil
}

func (l *life) run() error {
	if err := l.open(); err != nil {
		return err
	}
	defer func() { l.s.Close() }()
	for range 3 {
		for range 30 + l.r.IntN(70) {
			if err := l.step(); err != nil {
				return err
			}
		}
		if err := l.cut(); err != nil {
			return err
		}
	}
	return nil
}

func newLife(t *testing.T, seed uint64, m mutant) *life {
	l := &life{t: t, r: rand.New(rand.NewPCG(seed, 1)), folder: t.TempDir(), fs: newCrashFS(), mutant: m, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		acked: map[string]store.Key{}, settled: map[string]bool{}, latest: map[string][]store.Entry{}, doubt: map[string][]store.Entry{}, known: map[string]string{}}
	l.fs.lazy, l.fs.lazyDir = m.lazy, m.lazyDir
	return l
}

func TestPromiseSurvivesPowerCut(t *testing.T) {
	dropped := 0
	for seed := range uint64(lives) {
		l := newLife(t, seed, mutant{})
		if err := l.run(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		promises(t, l.s, "of the machine and a power cut")
		dropped += int(l.s.log.last) - len(l.s.log.segs)
	}
	if dropped < lives {
		t.Errorf("only %d segments went: too little happened", dropped)
	}
}

// The test above finds the bugs that such a store may have.
func TestPowerCutFindsBugs(t *testing.T) {
	for _, m := range []mutant{
		{name: "data not synced", lazy: true},
		{name: "duplicate answered before it is durable", hasty: true},
		{name: "folder not synced", lazyDir: true},
		{name: "segment removed without a barrier", barrier: func(*Store) error { return nil }},
		{name: "barrier that changes nothing", barrier: func(s *Store) error { return s.durably("UPDATE barrier SET n = n") }},
	} {
		t.Run(m.name, func(t *testing.T) {
			for seed := range uint64(40) {
				if err := newLife(t, seed, m).run(); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("it was not found")
		})
	}
}

var _ io.ReaderAt = (*crashFile)(nil)
