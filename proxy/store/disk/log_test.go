package disk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// fill admits n entries into lanes of their own and returns their ids.
func fill(t *testing.T, s *Store, from, n int) []string {
	t.Helper()
	var ids []string
	for i := from; i < from+n; i++ {
		id := fmt.Sprintf("e%04d", i)
		if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry(id, id, id, body(id))}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func body(id string) []byte { return bytes.Repeat([]byte(id+" "), 100) }

// deliver settles entries.
func deliver(t *testing.T, s *Store, n int) {
	t.Helper()
	for range n {
		claims, err := s.Claim(t.Context(), time.Now().Add(time.Minute), store.Want{Max: 1, Lease: time.Minute})
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		if err := s.Settle(t.Context(), time.Now(), claims[0], store.Outcome{Do: store.Delivered}); err != nil {
			t.Fatal(err)
		}
	}
}

// holds lists what a store holds whole.
func holds(t *testing.T, s *Store) map[string]bool {
	t.Helper()
	list, err := s.List(t.Context(), store.Filter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, i := range list {
		if b, err := s.Load(t.Context(), i.ID, nil); err == nil && bytes.Equal(b, body(i.ID)) {
			there[i.ID] = true
		}
	}
	return there
}

func removeIndex(t *testing.T, folder string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(folder, fileName+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// An index that is gone or damaged is made anew from the log: everything that
// was not delivered is there, resends are known, and it is told what was lost.
func TestPromiseIndexIsMadeAnew(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, folder string){
		"gone": removeIndex,
		"garbage": func(t *testing.T, folder string) {
			removeIndex(t, folder)
			if err := os.WriteFile(filepath.Join(folder, fileName), bytes.Repeat([]byte("no database. "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			s := open(t, folder, Options{Segment: 20_000, still: true})
			promises(t, s, "An index that is damaged is made anew from the log: what is not delivered is there")
			ids := fill(t, s, 0, 60)
			deliver(t, s, 30)
			if err := s.tidy(); err != nil {
				t.Fatal(err)
			}
			s.Close()
			damage(t, folder)
			s = open(t, folder, Options{Segment: 20_000})
			there := holds(t, s)
			for _, id := range ids[30:] {
				if !there[id] {
					t.Errorf("%s is lost", id)
				}
				if a, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry("again"+id, id, id, nil)}); err != nil || !a[0].Duplicate {
					t.Errorf("%s is not known any more: %v %v", id, a, err)
				}
			}
			if name == "garbage" && (len(s.Notes()) == 0 || !strings.Contains(fmt.Sprint(s.Notes()), "Lost: the dedup keys")) {
				t.Errorf("it was not told: %q", s.Notes())
			}
		})
	}
}

// A process that ends while the index is being made anew leaves that to the
// next one: what stands in copies is not taken for settled.
func TestIndexIsMadeAnewTwice(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{Segment: 100_000, still: true})
	var entries []store.Entry
	for n := range replayGroup + 500 {
		id := fmt.Sprintf("%06d", n)
		entries = append(entries, entry(id, id, id, body(id)))
	}
	if _, err := s.Admit(t.Context(), time.Now(), entries); err != nil {
		t.Fatal(err)
	}
	before := s.log.last
	for n := 10_000; s.log.last == before; n++ {
		fill(t, s, n, 1)
	}
	if err := s.tidyBelow(2, 1); err != nil { // every segment is copied
		t.Fatal(err)
	}
	want := holds(t, s)
	s.Close()
	removeIndex(t, folder)
	begun, ended := 0, errors.New("the process ends here")
	_, err := Open(folder, Options{Segment: 100_000, still: true, replaying: func() error {
		if begun++; begun == 2 {
			return ended
		}
		return nil
	}})
	if !errors.Is(err, ended) {
		t.Fatalf("Open = %v, want that it ended after its first transaction", err)
	}
	s = open(t, folder, Options{Segment: 100_000, still: true})
	got := holds(t, s)
	for id := range want {
		if !got[id] {
			t.Fatalf("of %d entries %d are there; %s is lost", len(want), len(got), id)
		}
	}
	if !strings.Contains(fmt.Sprint(s.Notes()), "Lost: the dedup keys") {
		t.Errorf("it was not told: %q", s.Notes())
	}
	s.Close()
	s = open(t, folder, Options{Segment: 100_000, still: true})
	if len(s.Notes()) != 0 {
		t.Errorf("a third start notes %q", s.Notes())
	}
}

// A flipped byte anywhere, or a file cut anywhere, loses at most the record it
// lies in, and its place is told.
func TestPromiseDamageIsOneRecordWide(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{still: true})
	promises(t, s, "Damage loses the entry that it lies in, and is told.")
	ids := fill(t, s, 0, 5)
	s.Close()
	name := filepath.Join(folder, logFolder, liveName(1))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	size := len(whole) / 5 // all are alike
	try := func(t *testing.T, data []byte, lost int, told bool) {
		t.Helper()
		removeIndex(t, folder)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(folder, Options{still: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		there := holds(t, s)
		for i, id := range ids {
			if !there[id] && i != lost {
				t.Errorf("%s is lost", id)
			}
		}
		if there[ids[lost]] {
			t.Errorf("%s was not noticed to be damaged", ids[lost])
		}
		if told != (len(s.Notes()) > 0) || told && !strings.Contains(s.Notes()[0], liveName(1)+" is damaged at byte") {
			t.Errorf("told %q", s.Notes())
		}
	}
	for _, at := range []int{0, 4, 8, 12, 16, 20, 24, recordHead, recordHead + 10, size - 20} {
		for _, n := range []int{0, 2} {
			t.Run(fmt.Sprintf("flip %d of record %d", at, n), func(t *testing.T) {
				data := bytes.Clone(whole)
				data[n*size+at] ^= 1
				try(t, data, n, true)
			})
		}
		t.Run(fmt.Sprintf("cut at %d", at), func(t *testing.T) { try(t, whole[:4*size+at], 4, false) })
	}
}

// A body that is damaged after it was indexed is not given out.
func TestDamagedBody(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{still: true})
	fill(t, s, 0, 2)
	name := filepath.Join(folder, logFolder, liveName(1))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)/2-40] ^= 1
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *store.CorruptError
	if _, err := s.Load(t.Context(), "e0000", nil); !errors.As(err, &damage) || damage.File != liveName(1) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Load(t.Context(), "e0001", nil); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
}

// Dead letters do not hold whole segments: what is left in a thin one is
// written again.
func TestThinSegmentsAreEmptied(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{Segment: 20_000, still: true})
	var dead []string
	for i := range 10 {
		fill(t, s, i*20, 20)
		e := entry(fmt.Sprintf("d%04d", i), "dead", fmt.Sprintf("dk%04d", i), nil)
		e.Body, e.Dead = body(e.ID), &store.Reason{Class: store.Refused, Text: "why"}
		if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{e}); err != nil {
			t.Fatal(err)
		}
		dead = append(dead, e.ID)
	}
	deliver(t, s, 200)
	for range 40 {
		if err := s.tidy(); err != nil {
			t.Fatal(err)
		}
	}
	if n := folderSize(t, filepath.Join(folder, logFolder)); n > 40_000 {
		t.Errorf("10 dead letters of 600 bytes take %d bytes", n)
	}
	check := func(s *Store) {
		t.Helper()
		there := holds(t, s)
		for _, id := range dead {
			if !there[id] {
				t.Errorf("%s is lost", id)
			}
		}
		list, err := s.List(t.Context(), store.Filter{State: store.Dead})
		if err != nil || len(list) != 10 || list[0].Reason.Text != "why" {
			t.Errorf("got %+v %v", list, err)
		}
	}
	check(s)
	s.Close()
	removeIndex(t, folder)
	check(open(t, folder, Options{Segment: 20_000}))
}

// Every operation on a file may fail, for a moment or from then on for a while:
// what was acknowledged is there, also after a power cut, what was not is whole
// or not at all, and the store goes on by itself.
func TestFailingDisk(t *testing.T) {
	for _, planted := range []error{errIO, syscall.ENOSPC} {
		for _, lasting := range []int{1, 7} {
			failed := 0
			for nth := 0; nth < 45; nth += stride {
				failed += failAt(t, planted, nth, lasting)
			}
			if failed < 20/stride {
				t.Errorf("%v: only %d operations failed", planted, failed)
			}
		}
	}
}

// failAt lets so many operations on files fail from the nth on, and returns
// how many operations of the store failed by it.
func failAt(t *testing.T, planted error, nth, lasting int) (failed int) {
	t.Helper()
	fs := newCrashFS()
	l := newLife(t, uint64(nth), mutant{})
	l.fs = fs
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	n := 0
	fs.plant(func(string) error {
		if n++; n > nth && n <= nth+lasting {
			return planted
		}
		return nil
	})
	for range 25 {
		err := l.step()
		if err == nil {
			continue
		}
		failed++
		if !errors.Is(err, planted) || planted == syscall.ENOSPC && !errors.Is(err, store.ErrFull) {
			t.Errorf("operation %d fails with %v: got %v", nth, planted, err)
		}
	}
	fs.plant(nil)
	for range 2 {
		if err := errors.Join(l.check(), l.cut()); err != nil {
			t.Errorf("operation %d of %d fails with %v: %v", nth, n, planted, err)
		}
	}
	if state := l.s.State(); state != "ok" {
		t.Errorf("operation %d: state %q", nth, state)
	}
	l.s.Close()
	return failed
}

// A duplicate is answered only when the first admission is on the disk: it is
// not answered while that is being synced, and not as stored when that fails.
func TestDuplicateWaitsForTheFirst(t *testing.T) {
	a := func(id string) store.Entry { return entry(id, "lane", "key", body(id)) }
	b := func(id string) store.Entry { return versionOf("lane", id, "one") }
	for _, c := range []struct {
		entry func(id string) store.Entry
		fails bool
	}{{a, false}, {a, true}, {b, false}, {b, true}} {
		fails := c.fails
		fs := newCrashFS()
		planned := make(chan *op, 2)
		s := open(t, t.TempDir(), Options{files: fs, still: true, planned: func(o *op) { planned <- o }})
		release := make(chan struct{})
		fs.before(func() { <-release })
		answered := make(chan error, 2)
		admit := func(id string) {
			a, err := s.Admit(t.Context(), time.Now(), []store.Entry{c.entry(id)})
			if err == nil && (a[0].ID != "first" || a[0].Duplicate != (id == "second")) {
				t.Errorf("%s: %+v", id, a)
			}
			answered <- err
		}
		go admit("first")
		<-planned
		go admit("second")
		if o := <-planned; len(o.records) > 0 {
			t.Error("the second was taken for a new one")
		}
		select {
		case err := <-answered:
			t.Errorf("one was answered before anything was synced: %v", err)
		default:
		}
		if fails {
			fs.mu.Lock()
			fs.fail = func(op string) error {
				if op == "sync" {
					return errIO
				}
				return nil
			}
			fs.mu.Unlock()
		}
		close(release)
		for range 2 {
			if err := <-answered; (err != nil) != fails {
				t.Errorf("the first fails: %v; got %v", fails, err)
			}
		}
	}
}

// What a process had written when it was killed, and had not synced, is found
// by the next start. A duplicate of it is acknowledged, so it survives a power
// cut from then on.
func TestWhatIsFoundIsSynced(t *testing.T) {
	folder, fs := t.TempDir(), newCrashFS()
	start := func() *Store { return open(t, folder, Options{files: fs, still: true}) }
	s := start()
	fs.lazy = true
	ids := fill(t, s, 0, 1)
	s.Close()
	fs.lazy = false
	removeIndex(t, folder) // which had not come so far
	s = start()
	e := entry("again", "lane", ids[0], nil)
	if a, err := s.Admit(t.Context(), time.Now(), []store.Entry{e}); err != nil || a[0] != (store.Admission{ID: ids[0], Duplicate: true}) {
		t.Fatalf("Admit = %+v, %v", a, err)
	}
	s.Close()
	for seed := range uint64(8) {
		removeIndex(t, folder)
		left := fs.crashed(rand.New(rand.NewPCG(seed, 1)))
		s := open(t, folder, Options{files: left, still: true})
		if there := holds(t, s); !there[ids[0]] {
			t.Errorf("seed %d: %v are there", seed, there)
		}
		s.Close()
	}
}

// Space that others need is left to them.
func TestMinFree(t *testing.T) {
	s := open(t, t.TempDir(), Options{MinFree: 1 << 60})
	if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry("a", "l", "k", []byte("x"))}); !errors.Is(err, store.ErrFull) {
		t.Errorf("got %v", err)
	}
}

func FuzzReadRecord(f *testing.F) {
	r, err := newRecord(meta{ID: "a", Lane: "l", Key: []byte("0123456789abcdef")}, 0, []byte("body"))
	if err != nil {
		f.Fatal(err)
	}
	r.finish(1, 0)
	f.Add(append(bytes.Clone(r.head), r.body...))
	f.Add([]byte("yq\n\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := newCrashFS()
		cf := &crashFile{fs: fs, data: b}
		if _, err := readRecord(cf, 0, int64(len(b)), true); err != nil {
			_ = resync(cf, 8, int64(len(b)))
		}
	})
}
