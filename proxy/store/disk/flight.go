package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"

	"yiqiao/proxy/store"
)

// flight knows what is on its way between the writer and the index: keys and
// versions that are admitted, dead letters that are replaced. An operation is in it until it
// is committed or has failed.
type flight struct {
	sync.Mutex
	keys     map[store.Key]flying
	versions versions
	olds     map[string]*op
	bytes    int64

	// The writer's own, for the group at hand: the rows of its keys, and the
	// latest versions of what it registers.
	rows  map[store.Key]flying
	known map[store.Key]version
}

func newFlight() flight {
	return flight{
		keys: map[store.Key]flying{}, versions: versions{}, olds: map[string]*op{},
		rows: map[store.Key]flying{}, known: map[store.Key]version{},
	}
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
		if m.Registers != nil {
			f.versions.land(store.Key(m.Registers), o)
		}
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

// look finds what is known of the keys that a group brings and of what it
// registers: what is on its way may have landed when it is asked for.
func (f *flight) look(s *Store, ops []*op) error {
	clear(f.rows)
	clear(f.known)
	var keys, refs []any
	f.Lock()
	for _, o := range ops {
		for i := range o.records {
			m := &o.records[i].meta
			switch {
			case o.plan == nil:
			case m.Registers != nil:
				ref := store.Key(m.Registers)
				if v := f.versions[ref]; len(v) > 0 {
					f.known[ref] = v[len(v)-1]
				} else if s.filter.knows(ref) {
					refs = append(refs, m.Registers)
				}
			case m.Key != nil:
				if v, ok := f.keys[store.Key(m.Key)]; ok {
					f.rows[store.Key(m.Key)] = v
				} else if s.filter.knows(store.Key(m.Key)) {
					keys = append(keys, m.Key)
				}
			}
		}
	}
	f.Unlock()
	err := s.ask(rowsOf, ", ?", keys, func(rows *sql.Rows) error {
		var k []byte
		var v flying
		err := rows.Scan(&k, &v.id, &v.expires)
		if err == nil {
			f.rows[store.Key(k)] = v
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.ask(latestOf, ", (?)", refs, func(rows *sql.Rows) error {
		var ref, digest []byte
		var v version
		err := rows.Scan(&ref, &v.id, &digest)
		if err == nil {
			v.digest = store.Key(digest)
			f.known[store.Key(ref)] = v
		}
		return err
	})
}

const rowsOf = "SELECT key, id, expires FROM key WHERE key IN (?%s)"

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

// ask runs a query for keys; text has %s where those after the first go, each
// as one.
func (s *Store) ask(text, one string, keys []any, row func(*sql.Rows) error) error {
	for len(keys) > 0 {
		n := min(len(keys), lookWidths[len(lookWidths)-1])
		if err := s.askAtOnce(text, one, padKeys(keys[:n:n]), row); err != nil {
			return explain(err)
		}
		keys = keys[n:]
	}
	return nil
}

func (s *Store) askAtOnce(text, one string, keys []any, row func(*sql.Rows) error) error {
	stmt, err := s.lookup.get(fmt.Sprintf(text, strings.Repeat(one, len(keys)-1)))
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), keys...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// errFirst answers a duplicate whose first entry was not stored after all.
var errFirst = errors.New("the first entry, of which this is a duplicate, could not be stored")
