package disk

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

func keyOf(n uint64) (k store.Key) {
	binary.BigEndian.PutUint64(k[:], n)
	return k
}

func TestFilter(t *testing.T) {
	const keys = 20_000
	f := newFilter(keys)
	f.whole.Store(true)
	for n := range uint64(keys) {
		f.add(keyOf(n))
	}
	wrong := 0
	for n := range uint64(keys) {
		if !f.knows(keyOf(n)) {
			t.Fatalf("it has forgotten %d", n)
		}
		if f.knows(keyOf(keys + n)) {
			wrong++
		}
	}
	if wrong > keys/100 {
		t.Errorf("of %d strange keys it takes %d for known ones", keys, wrong)
	}
	f.whole.Store(false)
	if !f.knows(keyOf(1 << 40)) {
		t.Error("one that is not whole takes a key for new")
	}
}

// However many keys come, and while the filter is made anew: a key that is
// known is a duplicate, and a version too. So it is in the next life.
func TestFilterForgetsNothing(t *testing.T) {
	folder := t.TempDir()
	o := Options{still: true, keyRoom: 50}
	s := open(t, folder, o)
	const each, producers = 150, 8
	admit := func(again bool) {
		var under sync.WaitGroup
		for p := range producers {
			under.Go(func() {
				for n := range each {
					id := fmt.Sprintf("%d-%04d", p, n)
					e := entry(id, id, "k"+id, nil)
					if n%3 == 0 {
						e = versionOf("lane"+id, id, "a")
					}
					if again {
						e.ID += "again"
					}
					a, err := s.Admit(t.Context(), time.Now(), []store.Entry{e})
					if err != nil || a[0].Duplicate != again || a[0].ID != id {
						t.Errorf("%s, again %t: %+v %v", id, again, a, err)
					}
				}
			})
		}
		under.Wait()
	}
	admit(false)
	if s.filter.room <= o.keyRoom {
		t.Errorf("the filter has room for %d still", s.filter.room)
	}
	admit(true)
	s.Close()
	s = open(t, folder, o)
	admit(true)
}
