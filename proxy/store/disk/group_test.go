package disk

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// With a sync of 5 ms, 64 producers share each among at least eight of them:
// what a slow disk costs is the number of its syncs.
func TestGroupsShareASlowSync(t *testing.T) {
	fs := newCrashFS()
	syncs := 0
	fs.before(func() {
		syncs++
		slow := time.NewTimer(5 * time.Millisecond)
		<-slow.C
	})
	s := open(t, t.TempDir(), Options{files: fs, still: true})
	const producers, each = 64, 30
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", p, i)
				if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry(id, id, id, []byte("x"))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d admissions took %d syncs", producers*each, syncs)
	if syncs*8 > producers*each {
		t.Errorf("%d admissions took %d syncs, want at most one for 8", producers*each, syncs)
	}
}

// Little more is written than what is kept: one time the body, the head and
// the meta of its record.
func TestWriteAmplification(t *testing.T) {
	fs := newCrashFS()
	s := open(t, t.TempDir(), Options{files: fs, still: true})
	const n, size = 20, 300_000
	for i := range n {
		id := fmt.Sprint(i)
		if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry(id, id, id, make([]byte, size))}); err != nil {
			t.Fatal(err)
		}
	}
	var written int
	for _, f := range fs.files {
		written += f.written
	}
	if ratio := float64(written) / (n * size); ratio > 1.01 {
		t.Errorf("%.3f bytes are written for a byte that is kept", ratio)
	}
}
