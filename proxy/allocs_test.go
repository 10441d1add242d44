//go:build !race

package proxy

import (
	"testing"

	"yiqiao/proxy/seal"
)

// The race detector empties pools at random, so this runs without it.

// One event costs at most 20 objects and 4 KB beyond pooled buffers, whatever
// its size: a picture is never copied into a Go string.
func TestHotPathAllocations(t *testing.T) {
	for _, reuse := range []int{0, seal.MaxReuse} {
		b := newBench(t, reuse)
		for _, size := range benchSizes {
			body := benchBody(size.n)
			objects, bytes := allocations(func() { b.product(t, body) })
			if objects > 20 || bytes > 4096 {
				t.Errorf("%s, key reused %d times: %.1f objects and %.0f bytes an event, want at most 20 and 4096", size.name, reuse, objects, bytes)
			}
		}
	}
}

// Keeping an event among the past ones takes no memory of its own once the ring
// is full, whatever the event's size.
func TestPastAllocations(t *testing.T) {
	for _, size := range benchSizes {
		b, w, r := newPastBench(t, size.n)
		for range 20 {
			b()
		}
		if objects, bytes := allocations(b); objects > 0.1 || bytes > 64 {
			t.Errorf("%s: %.1f objects and %.0f bytes an event, want none", size.name, objects, bytes)
		}
		if len(w.short) == 0 && cap(w.short) == 0 || r.n != len(r.slots) {
			t.Errorf("%s: nothing is kept", size.name)
		}
	}
}
