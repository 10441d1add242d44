package proxy

import (
	"math/bits"
	"sync"
)

// buffers are byte slices by size class, reused so that the memory of a
// picture is not given to the collector for each event. Classes grow by a
// quarter of a power of two, so at most a fifth of a buffer lies idle.
type buffers struct{ classes [64]sync.Pool }

const (
	smallest = 4 << 10
	largest  = 64 << 20
)

// classOf returns the class for n bytes and its size; -1 above the largest.
func classOf(n int) (class, size int) {
	if n <= smallest {
		return 0, smallest
	}
	if n > largest {
		return -1, n
	}
	top := bits.Len(uint(n-1)) - 1 // n lies in (2^top, 2^(top+1)]
	quarter := 1 << (top - 2)
	k := (n - 1<<top + quarter - 1) / quarter // 1…4 quarters above 2^top
	return (top-12)*4 + k, 1<<top + k*quarter
}

// get returns an empty slice with room for n bytes.
func (b *buffers) get(n int) []byte {
	class, size := classOf(n)
	if class >= 0 {
		if buf, ok := b.classes[class].Get().(*[]byte); ok {
			return (*buf)[:0]
		}
	}
	return make([]byte, 0, size)
}

// put takes a slice back; the caller must not touch it any more.
func (b *buffers) put(buf []byte) {
	if class, size := classOf(cap(buf)); class >= 0 && size == cap(buf) {
		b.classes[class].Put(&buf)
	}
}
