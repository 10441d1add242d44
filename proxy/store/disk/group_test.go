package disk

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// With a sync of 5 ms, 64 producers together admit at least eight times as
// much as one: they share it.
func TestGroupsShareASlowSync(t *testing.T) {
	fs := newCrashFS()
	fs.before(func() {
		slow := time.NewTimer(5 * time.Millisecond)
		<-slow.C
	})
	s := open(t, t.TempDir(), Options{files: fs, still: true})
	rate := func(producers, each int) float64 {
		begun := time.Now()
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				for i := range each {
					id := fmt.Sprintf("%d-%d-%d", producers, p, i)
					if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry(id, id, id, []byte("x"))}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		return float64(producers*each) / time.Since(begun).Seconds()
	}
	one, many := rate(1, 30), rate(64, 30)
	t.Logf("1 producer %.0f/s, 64 producers %.0f/s: %.1f times", one, many, many/one)
	if many < 8*one {
		t.Errorf("64 producers admit %.1f times what one does, want at least 8", many/one)
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
