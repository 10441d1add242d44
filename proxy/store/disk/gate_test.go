//go:build !race

package disk

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// The gates compare within one run, best of several rounds: a busy neighbour
// slows all sides.
const rounds = 5

// slowFS is a real folder whose syncs take 5 ms more.
type slowFS struct{ fileSystem }

type slowFile struct{ file }

func (s slowFS) create(name string) (file, error) {
	f, err := s.fileSystem.create(name)
	return slowFile{f}, err
}

func (f slowFile) sync() error {
	wait := time.NewTimer(5 * time.Millisecond)
	<-wait.C
	return f.file.sync()
}

// With a sync of 5 ms, 64 producers get at least eight times as much admitted
// as one.
func TestGateSlowSync(t *testing.T) {
	s := open(t, t.TempDir(), Options{files: slowFS{osFiles{t.TempDir()}}, still: true})
	best := 0.0
	for range rounds {
		one := speed(t, s.Admit, 1_000, 1, 10)
		many := speed(t, s.Admit, 1_000, 64, 5)
		t.Logf("one producer %.0f/s, 64 %.0f/s", one, many)
		if best = max(best, many/one); best >= 8 {
			return
		}
	}
	t.Errorf("64 producers are %.1f times as fast as one, want 8", best)
}

// With pictures the index costs little: the store is at least 0.8 times as
// fast as the bare log, and 1.5 times as fast as SQLite alone.
func TestGateFloors(t *testing.T) {
	var log, sqlite, ours float64
	for range rounds {
		log = max(log, speed(t, newBareLog(t, t.TempDir()).Admit, 300_000, 16, 20))
		ours = max(ours, speed(t, open(t, t.TempDir(), Options{MinFree: 1}).Admit, 300_000, 16, 20))
		sqlite = max(sqlite, speed(t, newSQLiteOnly(t, t.TempDir()).Admit, 300_000, 16, 20))
		t.Logf("bare log %.0f/s, store %.0f/s, SQLite alone %.0f/s", log, ours, sqlite)
		if ours >= 0.8*log && ours >= 1.5*sqlite {
			return
		}
	}
	t.Errorf("the store is %.2f times as fast as the bare log, want 0.8, and %.2f times as SQLite alone, want 1.5", ours/log, ours/sqlite)
}

// written is how many bytes this process has handed to the system.
func written(t *testing.T) (n int64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(b, []byte("wchar: "))
	if _, err := fmt.Sscan(string(rest), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Little more is written than what is kept, log and index together.
func TestGateWriteAmplification(t *testing.T) {
	s := open(t, t.TempDir(), Options{still: true})
	const producers, each, size = 16, 20, 300_000
	before := written(t)
	speed(t, s.Admit, size, producers, each)
	if err := s.barrier(); err != nil {
		t.Fatal(err)
	}
	ratio := float64(written(t)-before) / (producers * each * size)
	t.Logf("%.3f bytes are written for a byte that is kept", ratio)
	if ratio < 1 || ratio > 1.1 {
		t.Errorf("want at most 1.1, and the counter to count")
	}
}

// However many producers: one sync for a group, and one transaction for many.
func TestGateSyncs(t *testing.T) {
	fs := newCrashFS()
	syncs := 0
	fs.before(func() {
		syncs++
		slow := time.NewTimer(time.Millisecond)
		<-slow.C
	})
	s := open(t, t.TempDir(), Options{files: fs, still: true})
	speed(t, s.Admit, 100, 64, 30)
	caughtUp(t, s)
	t.Logf("%d admissions took %d syncs and %d commits", 64*30, syncs, s.commits)
	if syncs*8 > 64*30 || s.commits < 1 || s.commits*2 > int64(syncs) {
		t.Errorf("want one sync for at least 8 admissions, and a commit for at least two syncs")
	}
	if a, err := s.Admit(t.Context(), time.Now(), []store.Entry{{ID: "x", Lane: "l"}}); err != nil || a[0].ID != "x" {
		t.Error(a, err)
	}
}
