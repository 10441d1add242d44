package disk

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

func admitOne(t *testing.T, s *Store, id string) error {
	t.Helper()
	_, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry(id, id, id, body(id))})
	return err
}

// caughtUp waits until the index has all that was acknowledged.
func caughtUp(t *testing.T, s *Store) {
	t.Helper()
	if err := s.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// pragma runs a statement on the connection that writes.
func (s *Store) pragma(t *testing.T, text string) {
	t.Helper()
	caughtUp(t, s)
	s.db.Lock()
	defer s.db.Unlock()
	if _, err := s.db.conn.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// What the index cannot take is safe in the log: nothing more is admitted until
// the index has it, which comes by itself; then all of it is there, and a resend
// a duplicate. An operation that waits for the index is told.
func TestIndexThatCannotGrow(t *testing.T) {
	s := open(t, t.TempDir(), Options{still: true})
	fill(t, s, 0, 5)
	var pages int
	if err := s.db.row("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	s.pragma(t, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	dead := entry("dead", "l", "dead", nil)
	dead.Dead = &store.Reason{Class: store.Refused}
	if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{dead}); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, s)
	var acked []string
	err := error(nil)
	for i := 0; err == nil; i++ {
		id := fmt.Sprintf("f%04d", i)
		if err = admitOne(t, s, id); err == nil {
			acked = append(acked, id)
		}
		caughtUp(t, s)
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("held: got %v", err)
	}
	if state := s.State(); !strings.HasPrefix(state, "full: ") {
		t.Errorf("state %q", state)
	}
	deliver(t, s, 5)
	s.pragma(t, "PRAGMA max_page_count = 1000000")
	for s.State() != "ok" {
		runtime.Gosched()
	}
	there := holds(t, s)
	for _, id := range acked {
		a, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry("again"+id, "l", id, nil)})
		if err != nil || !a[0].Duplicate || a[0].ID != id {
			t.Errorf("its resend: %+v %v", a, err)
		}
		if !there[id] {
			t.Errorf("%s was acknowledged and is not there", id)
		}
	}
	if err := admitOne(t, s, "after"); err != nil {
		t.Error(err)
	}
}

// A log that cannot be written is told, and told no more when it can.
func TestStateReadOnly(t *testing.T) {
	fs := newCrashFS()
	s := open(t, t.TempDir(), Options{files: fs, still: true})
	if state := s.State(); state != "ok" {
		t.Errorf("state %q", state)
	}
	fs.fail = func(op string) error { return errIO }
	if err := admitOne(t, s, "a"); !errors.Is(err, errIO) {
		t.Errorf("got %v", err)
	}
	if state := s.State(); state != "read-only: "+errIO.Error() {
		t.Errorf("state %q", state)
	}
	if err := s.log.probe(); err == nil {
		t.Error("the probe finds nothing")
	}
	fs.fail = nil
	if err := s.log.probe(); err != nil {
		t.Error(err)
	}
	if err := admitOne(t, s, "a"); err != nil || s.State() != "ok" {
		t.Errorf("got %v, %q", err, s.State())
	}
}

func TestStateFull(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxBytes: 1_000, still: true})
	if err := errors.Join(admitOne(t, s, "a"), admitOne(t, s, "b")); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		if err := admitOne(t, s, fmt.Sprint("c", i)); err != nil {
			break
		}
	}
	if state := s.State(); !strings.HasPrefix(state, "full: ") || !strings.Contains(state, "store.maxBytes") {
		t.Errorf("state %q", state)
	}
	deliver(t, s, 2)
	if state := s.State(); state != "ok" {
		t.Errorf("state with room again %q", state)
	}
}

// A segment whose sync failed is never synced again, and what is admitted
// afterwards stands in another one.
func TestFailedSyncIsNotBelieved(t *testing.T) {
	fs := newCrashFS()
	folder := t.TempDir()
	s := open(t, folder, Options{files: fs, still: true})
	if err := admitOne(t, s, "a"); err != nil {
		t.Fatal(err)
	}
	synced := len(fs.files[liveName(1)].synced)
	failed := false
	fs.fail = func(op string) error {
		if op == "sync" && !failed {
			failed = true
			return errIO
		}
		return nil
	}
	if err := admitOne(t, s, "b"); !errors.Is(err, errIO) {
		t.Fatalf("got %v", err)
	}
	if err := admitOne(t, s, "c"); err != nil {
		t.Fatal(err)
	}
	if f := fs.files[liveName(1)]; len(f.synced) != synced || len(f.data) != synced {
		t.Errorf("the segment has %d bytes, %d synced; want it cut at %d", len(f.data), len(f.synced), synced)
	}
	if fs.files[liveName(2)] == nil {
		t.Error("no new segment was begun")
	}
	if there := holds(t, s); !there["a"] || there["b"] || !there["c"] {
		t.Errorf("got %v", there)
	}
}

// The ballast goes when the index finds the disk full, and comes back.
func TestBallast(t *testing.T) {
	s := open(t, t.TempDir(), Options{still: true, MinFree: 1})
	st, err := os.Stat(s.ballast.name)
	if err != nil || st.Size() == 0 || st.Size() > ballastBytes {
		t.Fatal(st, err)
	}
	if !s.ballast.release() || s.ballast.release() {
		t.Error("it is released once")
	}
	s.ballast.fill(1 << 60)
	if _, err := os.Stat(s.ballast.name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it takes the room of others: %v", err)
	}
	s.ballast.fill(1)
	if again, err := os.Stat(s.ballast.name); err != nil || again.Size() != st.Size() {
		t.Error(again, err)
	}
}

func TestFloor(t *testing.T) {
	for _, c := range []struct{ total, want int64 }{{100 << 20, 10 << 20}, {10 << 30, 1 << 30}, {30 << 30, 2 << 30}, {1000 << 30, 50 << 30}} {
		if got := floor(sized(c.total)); got != c.want {
			t.Errorf("of %d bytes %d are left to others, want %d", c.total, got, c.want)
		}
	}
}

// sized is a folder of a disk of a size.
func sized(total int64) fileSystem { return sizedFS{newCrashFS(), total} }

type sizedFS struct {
	*crashFS
	total int64
}

func (s sizedFS) space() (free, total int64, err error) { return s.total, s.total, nil }
