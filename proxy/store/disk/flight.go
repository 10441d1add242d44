package disk

import (
	"context"
	"errors"
	"strings"
	"sync"

	"yiqiao/proxy/store"
)

// flight knows what is on its way between the writer and the index: keys that
// are admitted, dead letters that are replaced. An operation is in it until it
// is committed or has failed.
type flight struct {
	sync.Mutex
	keys  map[store.Key]flying
	olds  map[string]*op
	bytes int64

	// The writer's own: the rows of the keys of the group at hand.
	rows map[store.Key]flying
}

// flying is the first entry with a key.
type flying struct {
	op      *op // nil: it is committed
	id      string
	expires int64
}

// enter notes an operation's key.
func (f *flight) enter(k store.Key, v flying) {
	f.Lock()
	defer f.Unlock()
	f.keys[k] = v
}

func (f *flight) add(bytes int64) {
	f.Lock()
	defer f.Unlock()
	f.bytes += bytes
}

// first is the entry that has a key now, if there is one.
func (f *flight) first(k store.Key, now int64) (v flying, ok bool) {
	f.Lock()
	v, ok = f.keys[k]
	f.Unlock()
	if !ok {
		v, ok = f.rows[k]
	}
	return v, ok && v.expires > now
}

// land takes out what an operation has entered.
func (f *flight) land(o *op) {
	f.Lock()
	defer f.Unlock()
	for i := range o.records {
		m := &o.records[i].meta
		if len(m.Key) == len(store.Key{}) {
			if k := store.Key(m.Key); f.keys[k].op == o {
				delete(f.keys, k)
			}
		}
	}
	if f.olds[o.old] == o {
		delete(f.olds, o.old)
	}
	f.bytes -= o.planned
	o.planned = 0
}

// look finds the rows of the keys that a group brings, and which of them are
// on their way: those may have landed when they are asked for.
func (f *flight) look(s *Store, ops []*op) error {
	clear(f.rows)
	var ask []any
	f.Lock()
	for _, o := range ops {
		for i := range o.records {
			m := &o.records[i].meta
			if o.plan == nil || len(m.Key) != len(store.Key{}) {
				continue
			}
			if v, ok := f.keys[store.Key(m.Key)]; ok {
				f.rows[store.Key(m.Key)] = v
			} else {
				ask = append(ask, m.Key)
			}
		}
	}
	f.Unlock()
	for len(ask) > 0 {
		n := min(len(ask), lookWidths[len(lookWidths)-1])
		if err := f.query(s, padKeys(ask[:n:n])); err != nil {
			return explain(err)
		}
		ask = ask[n:]
	}
	return nil
}

// lookWidths are for how many keys there are statements. A group is asked for
// by one: after each commit a reader begins with an empty cache.
var lookWidths = [...]int{1, 4, 16, 64, 256}

// padKeys repeats the last key, which costs next to nothing.
func padKeys(keys []any) []any {
	for _, width := range lookWidths {
		if len(keys) <= width {
			for len(keys) < width {
				keys = append(keys, keys[len(keys)-1])
			}
			break
		}
	}
	return keys
}

func (f *flight) query(s *Store, keys []any) error {
	stmt, err := s.lookup.get("SELECT key, id, expires FROM key WHERE key IN (?" + strings.Repeat(", ?", len(keys)-1) + ")")
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), keys...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k []byte
		var v flying
		if err := rows.Scan(&k, &v.id, &v.expires); err != nil {
			return err
		}
		f.rows[store.Key(k)] = v
	}
	return rows.Err()
}

// errFirst answers a duplicate whose first entry was not stored after all.
var errFirst = errors.New("the first entry with this key could not be stored")
