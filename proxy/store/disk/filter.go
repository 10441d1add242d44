package disk

import (
	"cmp"
	"context"
	"hash/maphash"
	"sync/atomic"

	"yiqiao/proxy/store"
)

// filter is a Bloom filter of the keys, and of what is registered, that the
// index knows or that are on their way: what it does not hold need not be asked
// for, and most of what comes is new. Asking costs pages at random places,
// which after each commit are read again.
//
// It is made in memory from the index; until it is whole everything is asked
// for. What has expired stays in it until it is made anew, when it has become
// too full.
//
// A key takes two bytes; of keys that are new one in some hundreds is asked
// for.
type filter struct {
	seed  maphash.Seed
	words []atomic.Uint64
	room  int // keys
	held  int // keys that the writer has added
	whole atomic.Bool
}

const (
	filterRoom  = 1 << 20 // at least
	filterBits  = 16      // of a key
	filterBlock = 8       // words of a block, in which the bits of one key lie
	filterMarks = 8       // bits that a key sets
)

func newFilter(room int) *filter {
	blocks := (room*filterBits + 64*filterBlock - 1) / (64 * filterBlock)
	return &filter{seed: maphash.MakeSeed(), words: make([]atomic.Uint64, blocks*filterBlock), room: room}
}

// marks calls with each word and bit of a key, until one says no.
func (f *filter) marks(k store.Key, each func(word *atomic.Uint64, bit uint64) bool) bool {
	h := maphash.Comparable(f.seed, k)
	blocks := uint64(len(f.words) / filterBlock)
	block := f.words[(h>>32)%blocks*filterBlock:][:filterBlock]
	h = h*0x9e3779b97f4a7c15 ^ h>>29
	for range filterMarks {
		if !each(&block[h>>58%filterBlock], 1<<(h>>52&63)) {
			return false
		}
		h *= 0x9e3779b97f4a7c15
	}
	return true
}

func (f *filter) add(k store.Key) {
	f.marks(k, func(word *atomic.Uint64, bit uint64) bool {
		word.Or(bit)
		return true
	})
}

// knows says whether a key may be in the index, or on its way. The writer's.
func (f *filter) knows(k store.Key) bool {
	return !f.whole.Load() || f.marks(k, func(word *atomic.Uint64, bit uint64) bool { return word.Load()&bit != 0 })
}

// noteKey adds a key that is on its way, and makes the filter anew when it is too
// full. The writer's.
func (s *Store) noteKey(k store.Key) {
	f := s.filter
	f.add(k)
	if f.held++; f.held > f.room && f.whole.Load() {
		s.refill(max(s.counters().keys, f.held))
	}
}

// refill makes the filter anew, with room for twice as many keys as there are.
// What is on its way now is in it, and so is what comes; the rest stands in the
// index.
func (s *Store) refill(keys int) {
	f := newFilter(max(2*keys, cmp.Or(s.opts.keyRoom, filterRoom)))
	s.flight.Lock()
	for k := range s.flight.keys {
		f.add(k)
	}
	for k := range s.flight.versions {
		f.add(k)
	}
	s.flight.Unlock()
	s.filter = f
	s.filling.Go(func() { s.fill(f) })
}

// fill adds what the index knows. Without it the store is only slower.
func (s *Store) fill(f *filter) {
	for _, table := range []string{"key", "registration", "registering"} {
		after := []byte{}
		for after != nil {
			var err error
			if after, err = s.fillSome(f, table, after); err != nil || s.stopping() {
				return
			}
		}
	}
	f.whole.Store(true)
}

// fillStep is how many keys are read at once: while rows are read, the WAL
// cannot begin anew.
const fillStep = 4096

// fillSome adds the next keys of a table; nil: there are no more.
func (s *Store) fillSome(f *filter, table string, after []byte) (last []byte, err error) {
	rows, err := s.readers.QueryContext(context.Background(), "SELECT DISTINCT key FROM "+table+" WHERE key > ? ORDER BY key LIMIT ?", after, fillStep)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&last); err != nil {
			return nil, err
		}
		if len(last) == len(store.Key{}) {
			f.add(store.Key(last))
		}
	}
	return last, rows.Err()
}
