package disk

import (
	"fmt"
	"slices"
	"time"

	"yiqiao/proxy/store"
)

const (
	tidyEvery = 500 * time.Millisecond
	// A segment whose bodies take less than a fourth of it is emptied by
	// writing them again, some at a time.
	sparse    = 4
	moveBytes = 16 << 20
	freeEvery = time.Second
)

// tidy removes segments in which nothing is needed, and empties one that is
// nearly empty. The writer goroutine calls it between groups.
func (s *Store) tidy() error {
	var empty []int64
	thin := int64(0)
	for n, u := range s.log.live {
		switch {
		case n == s.log.current:
		case u.entries == 0:
			empty = append(empty, n)
		case u.bytes*sparse < u.size && (thin == 0 || n < thin):
			thin = n
		}
	}
	if len(empty) > 0 {
		if err := s.unlink(empty); err != nil {
			return err
		}
	}
	if thin == 0 {
		return nil
	}
	_, err := s.commit([]*op{{run: func(t *txn) error { return t.move(thin) }}})
	return err
}

// unlink removes segments behind a barrier: the index that knows that they are
// not needed, and the keys that came with them, are durable first.
func (s *Store) unlink(ns []int64) error {
	barrier := (*Store).barrier
	if s.opts.barrier != nil {
		barrier = s.opts.barrier
	}
	if err := barrier(s); err != nil {
		return err
	}
	slices.Sort(ns)
	for _, n := range ns {
		if err := s.log.drop(n); err != nil {
			return err
		}
	}
	return s.log.fs.syncDir()
}

// barrier syncs the index. The update must change a value: SQLite writes
// nothing for a row that stays as it was, and so would sync nothing.
func (s *Store) barrier() error {
	for _, stmt := range []string{"PRAGMA synchronous = FULL", "UPDATE barrier SET n = n + 1", "PRAGMA synchronous = NORMAL"} {
		if _, err := s.writer.Exec(stmt); err != nil {
			return explain(err)
		}
	}
	return nil
}

// move writes bodies of a segment again, at the end of the log.
func (t *txn) move(n int64) error {
	rows, err := t.tx.Query("SELECT id, lane, dead, admitted, size, source, mapping, interface, device, generation, class, reason, off, crc FROM entry WHERE seg = ? ORDER BY seq", n)
	if err != nil {
		return err
	}
	defer rows.Close()
	type moved struct {
		meta  meta
		place place
	}
	var list []moved
	for total := 0; total < moveBytes && rows.Next(); {
		var m moved
		var dead bool
		var why store.Reason
		l := &m.meta.Labels
		if err := rows.Scan(&m.meta.ID, &m.meta.Lane, &dead, &m.meta.Admitted, &m.place.len, &l.Source, &l.Mapping, &l.Interface, &l.Device, &l.Generation, &why.Class, &why.Text, &m.place.off, &m.place.crc); err != nil {
			return err
		}
		if dead {
			m.meta.Dead = &why
		}
		m.place.seg = n
		total += m.place.len
		list = append(list, m)
	}
	if err := rows.Close(); err != nil {
		return err
	}
	for i := range list {
		if err := t.moveOne(&list[i].meta, list[i].place); err != nil {
			return err
		}
	}
	return nil
}

// moveOne writes one body again. One that is damaged stays where it is as long
// as its segment does; its entry becomes a dead letter when it is loaded.
func (t *txn) moveOne(m *meta, from place) error {
	if err := t.key(m); err != nil {
		return err
	}
	if err := t.registry(m); err != nil {
		return err
	}
	body, err := t.log.read(from, nil)
	if err != nil {
		return err
	}
	r, err := newRecord(*m, flagMoved, body)
	if err != nil {
		return err
	}
	to := t.append(&r)
	t.use(from, -1)
	t.use(to, 1)
	_, err = t.tx.Exec("UPDATE entry SET seg = ?, off = ?, crc = ? WHERE id = ?", to.seg, to.off, to.crc, m.ID)
	return err
}

// key finds the dedup key of an entry, for the copy of its record.
func (t *txn) key(m *meta) error {
	rows, err := t.tx.Query("SELECT key, expires FROM key WHERE id = ?", m.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(&m.Key, &m.Expires); err != nil {
			return err
		}
	}
	return rows.Err()
}

// room says whether the disk has space for more; it is asked once a second.
func (s *Store) room() error {
	if now := time.Now(); now.Sub(s.freeAt) > freeEvery {
		s.freeAt, s.freeErr = now, nil
		if free, err := s.log.fs.free(); err == nil && free >= 0 && free < s.opts.MinFree {
			s.freeErr = fmt.Errorf("%w: the disk has %d bytes left, %d are left to others", store.ErrFull, free, s.opts.MinFree)
		}
	}
	return s.freeErr
}
