package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"yiqiao/proxy/store"
)

// Admit implements store.Store.
func (s *Store) Admit(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	return s.replace(ctx, now, "", entries)
}

// Replace implements store.Store.
func (s *Store) Replace(ctx context.Context, now time.Time, id string, entries []store.Entry) ([]store.Admission, error) {
	if id == "" {
		return nil, store.ErrNotFound
	}
	return s.replace(ctx, now, id, entries)
}

// replace removes the dead letter old, unless it is empty, and admits entries.
func (s *Store) replace(ctx context.Context, now time.Time, old string, entries []store.Entry) ([]store.Admission, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	records, size, err := s.records(now, old, entries)
	if err != nil {
		return nil, err
	}
	var admissions []store.Admission
	err = s.do(ctx, size, func(t *txn) error {
		admissions = make([]store.Admission, len(entries)) // afresh when it is run again
		if old != "" {
			if err := t.removeDead(old); err != nil {
				return err
			}
		}
		if err := t.expireKeys(now); err != nil {
			return err
		}
		for i := range entries {
			a, err := t.admit(now, &entries[i], &records[i], old)
			if err != nil {
				return err
			}
			admissions[i] = a
		}
		if size == 0 {
			return nil
		}
		if t.count.bytes() > t.opts.MaxBytes {
			return fmt.Errorf("%w: %d bytes, at most %d", store.ErrFull, t.count.bytes(), t.opts.MaxBytes)
		}
		return s.room()
	})
	if err != nil {
		return nil, err
	}
	return admissions, nil
}

// records builds what the log will hold, in the caller's goroutine.
func (s *Store) records(now time.Time, old string, entries []store.Entry) (records []record, size int, err error) {
	records = make([]record, len(entries))
	for i := range entries {
		e := &entries[i]
		if len(e.Body) > s.opts.MaxEntry {
			return nil, 0, fmt.Errorf("%w: %d bytes, at most %d", store.ErrTooLarge, len(e.Body), s.opts.MaxEntry)
		}
		size += len(e.Body)
		m := meta{ID: e.ID, Lane: e.Lane, Labels: e.Labels, Dead: e.Dead, Admitted: nanos(now), metaRegistry: registryOf(e)}
		if e.Key != (store.Key{}) && m.Registers == nil {
			m.Key, m.Expires = e.Key[:], nanos(now.Add(e.KeyTTL))
		}
		if i == 0 {
			m.Replaces = old
		}
		if records[i], err = newRecord(m, 0, e.Body); err != nil {
			return nil, 0, err
		}
	}
	return records, size, nil
}

func (t *txn) admit(now time.Time, e *store.Entry, r *record, old string) (store.Admission, error) {
	m := meta{ID: e.ID, Lane: e.Lane, Labels: e.Labels, Dead: e.Dead, Admitted: nanos(now), metaRegistry: registryOf(e)}
	if m.Registers != nil && !e.Again {
		if first, err := t.unchanged(&m.metaRegistry); err != nil || first != "" {
			return store.Admission{ID: first, Duplicate: true}, err
		}
	}
	if e.Key != (store.Key{}) && m.Registers == nil {
		first, err := t.known(now, e.Key)
		if err != nil {
			return store.Admission{}, err
		}
		if first != "" && first != old {
			return store.Admission{ID: first, Duplicate: true}, nil
		}
		if _, err := t.tx.Exec("INSERT INTO key(key, id, expires) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET id = excluded.id, expires = excluded.expires",
			e.Key[:], e.ID, nanos(now.Add(e.KeyTTL))); err != nil {
			return store.Admission{}, err
		}
	}
	return store.Admission{ID: e.ID}, t.insert(&m, t.append(r))
}

// insert writes the index row of an entry whose body stands at p.
func (t *txn) insert(m *meta, p place) error {
	var why store.Reason
	if m.Dead != nil {
		why = *m.Dead
	}
	l := &m.Labels
	res, err := t.tx.Exec(`INSERT INTO entry(id, lane, dead, due, attempts, admitted, size, source, mapping, interface, device, generation, class, reason, seg, off, crc)
		VALUES(?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.Lane, m.Dead != nil, m.Admitted, m.Admitted, p.len, l.Source, l.Mapping, l.Interface, l.Device, l.Generation, string(why.Class), why.Text, p.seg, p.off, p.crc)
	if err != nil {
		return err
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return err
	}
	t.use(p, 1)
	if m.Dead != nil {
		t.count.dead++
		t.count.deadBytes += int64(p.len)
		return nil
	}
	if err := t.register(seq, &m.metaRegistry); err != nil {
		return err
	}
	t.count.ready++
	t.count.readyBytes += int64(p.len)
	_, err = t.tx.Exec("INSERT INTO lane(name, head, due) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", m.Lane, seq, m.Admitted)
	return err
}

// known returns the id of the first entry with a key, or nothing.
func (t *txn) known(now time.Time, key store.Key) (string, error) {
	var id string
	err := t.tx.QueryRow("SELECT id FROM key WHERE key = ? AND expires > ?", key[:], nanos(now)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// expireKeys removes some expired keys: more than an admission adds, so that
// they never pile up, and few enough that nobody waits for it.
func (t *txn) expireKeys(now time.Time) error {
	_, err := t.tx.Exec("DELETE FROM key WHERE key IN (SELECT key FROM key WHERE expires <= ? ORDER BY expires LIMIT 16)", nanos(now))
	return err
}

func (t *txn) removeDead(id string) error {
	var seq int64
	err := t.tx.QueryRow("SELECT seq FROM entry WHERE id = ? AND dead = 1", id).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("dead letter %q: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return err
	}
	p, err := t.remove(seq)
	t.count.dead--
	t.count.deadBytes -= int64(p.len)
	return err
}

// remove removes an entry's row; its body stays in the log until its segment
// goes.
func (t *txn) remove(seq int64) (p place, err error) {
	if err := t.tx.QueryRow("DELETE FROM entry WHERE seq = ? RETURNING seg, off, size, crc", seq).Scan(&p.seg, &p.off, &p.len, &p.crc); err != nil {
		return p, err
	}
	t.use(p, -1)
	return p, nil
}
