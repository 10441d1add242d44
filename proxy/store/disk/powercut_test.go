package disk

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
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
	snaps   []map[string][]byte // of the index, since the last barrier
	acked   map[string]store.Key
	settled map[string]bool
	latest  map[string]store.Entry // by lane: the newest version of what it registers
	known   map[string]string      // by lane: the version accepted last
}

// mutant is a planted bug.
type mutant struct {
	name          string
	lazy, lazyDir bool
	barrier       func(s *Store) error
}

func (l *life) open() error {
	s, err := Open(l.folder, Options{Segment: 20_000, files: l.fs, still: true, barrier: func(s *Store) error {
		before := l.index()
		do := (*Store).barrier
		if l.mutant.barrier != nil {
			do = l.mutant.barrier
		}
		if err := do(s); err != nil {
			return err
		}
		// Only what was written is synced.
		if after := l.index(); !bytes.Equal(before["-wal"], after["-wal"]) {
			l.snaps = []map[string][]byte{after}
		}
		return nil
	}})
	l.s = s
	return err
}

// index copies the index's files. Nobody writes meanwhile.
func (l *life) index() map[string][]byte {
	files := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(l.folder, fileName+suffix))
		if err == nil {
			files[suffix] = b
		}
	}
	return files
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
		if _, err := l.s.Admit(ctx, l.now, []store.Entry{e}); err != nil {
			return err
		}
		l.acked[id] = e.Key
		if e.Registers != (store.Ref{}) {
			l.latest[e.Lane] = e
		}
	case k < 9:
		claims, err := l.s.Claim(ctx, l.now, store.Want{Max: 2, Lease: time.Minute})
		if err != nil {
			return err
		}
		for _, c := range claims {
			o := store.Outcome{Do: store.Delivered}
			if l.r.IntN(6) == 0 {
				o = store.Outcome{Do: store.Retry, At: l.now.Add(time.Second)}
			}
			if err := l.s.Settle(ctx, l.now, c, o); err != nil {
				return err
			}
			if o.Do == store.Delivered {
				l.settled[c.ID] = true
				l.accept(c)
			}
		}
	default:
		done := make(chan error, 1)
		if err := l.s.do(ctx, 0, func(*txn) error { return nil }); err != nil {
			return err
		}
		// The writer rests: nothing else runs while tidy does.
		done <- l.s.tidy()
		if err := <-done; err != nil {
			return err
		}
	}
	if len(l.snaps) < 40 || l.r.IntN(4) == 0 {
		l.snaps = append(l.snaps, l.index())
	}
	return nil
}

// cut takes the power away and gives it back.
func (l *life) cut() error {
	l.s.Close()
	l.fs = l.fs.crashed(l.r)
	l.fs.lazy, l.fs.lazyDir = l.mutant.lazy, l.mutant.lazyDir
	snap := l.snaps[l.r.IntN(len(l.snaps))]
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(filepath.Join(l.folder, fileName+suffix))
		if b, ok := snap[suffix]; ok {
			if err := os.WriteFile(filepath.Join(l.folder, fileName+suffix), b, 0o600); err != nil {
				return err
			}
		}
	}
	if err := l.open(); err != nil {
		return err
	}
	l.snaps = []map[string][]byte{l.index()}
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
	there := map[string]bool{}
	for _, i := range list {
		if there[i.ID] {
			return fmt.Errorf("%s is there twice", i.ID)
		}
		there[i.ID] = true
		if body, err := l.s.Load(ctx, i.ID, nil); err != nil || !bytes.Equal(body, l.body(i.ID)) {
			return fmt.Errorf("%s: body of %d bytes, %v", i.ID, len(body), err)
		}
	}
	for id := range l.acked {
		if !there[id] && !l.settled[id] {
			return fmt.Errorf("%s was acknowledged and is lost", id)
		}
	}
	if err := l.checkRegistry(there); err != nil {
		return err
	}
	for id, key := range l.acked {
		if key == (store.Key{}) {
			continue
		}
		e := entry("again-"+id, "lane", "", nil)
		e.Key = key
		a, err := l.s.Admit(ctx, l.now, []store.Entry{e})
		if err != nil {
			return err
		}
		if !a[0].Duplicate {
			return fmt.Errorf("the key of %s was forgotten", id)
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
	l.snaps = []map[string][]byte{l.index()}
	for range 3 {
		for range 60 + l.r.IntN(120) {
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
	l := &life{t: t, r: rand.New(rand.NewPCG(seed, 1)), folder: t.TempDir(), fs: newCrashFS(), mutant: m,
		now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), acked: map[string]store.Key{}, settled: map[string]bool{}, latest: map[string]store.Entry{}, known: map[string]string{}}
	l.fs.lazy, l.fs.lazyDir = m.lazy, m.lazyDir
	return l
}

func TestSurvivesPowerCut(t *testing.T) {
	dropped := 0
	for seed := range uint64(lives) {
		l := newLife(t, seed, mutant{})
		if err := l.run(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		dropped += int(l.s.log.last) - len(l.s.log.live)
	}
	if dropped < lives {
		t.Errorf("only %d segments went: too little happened", dropped)
	}
}

// The test above finds the bugs that such a store may have.
func TestPowerCutFindsBugs(t *testing.T) {
	for _, m := range []mutant{
		{name: "data not synced", lazy: true},
		{name: "folder not synced", lazyDir: true},
		{name: "segment removed without a barrier", barrier: func(*Store) error { return nil }},
		{name: "barrier that changes nothing", barrier: func(s *Store) error {
			for _, stmt := range []string{"PRAGMA synchronous = FULL", "UPDATE barrier SET n = n", "PRAGMA synchronous = NORMAL"} {
				if _, err := s.writer.Exec(stmt); err != nil {
					return err
				}
			}
			return nil
		}},
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
