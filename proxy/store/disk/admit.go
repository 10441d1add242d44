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
	size := 0
	for i := range entries {
		n := len(entries[i].Body)
		if n > s.opts.MaxEntry {
			return nil, fmt.Errorf("%w: %d bytes, at most %d", store.ErrTooLarge, n, s.opts.MaxEntry)
		}
		size += n
	}
	var admissions []store.Admission
	err := s.do(ctx, size, func(t *txn) error {
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
			a, err := t.admit(now, &entries[i], old)
			if err != nil {
				return err
			}
			admissions[i] = a
		}
		if t.count.bytes() > t.opts.MaxBytes && size > 0 {
			return fmt.Errorf("%w: %d bytes, at most %d", store.ErrFull, t.count.bytes(), t.opts.MaxBytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return admissions, nil
}

func (t *txn) admit(now time.Time, e *store.Entry, old string) (store.Admission, error) {
	if e.Key != (store.Key{}) {
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
	var why store.Reason
	if e.Dead != nil {
		why = *e.Dead
	}
	l := &e.Labels
	res, err := t.tx.Exec(`INSERT INTO entry(id, lane, dead, due, attempts, admitted, size, source, mapping, interface, device, generation, class, reason)
		VALUES(?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.Lane, e.Dead != nil, nanos(now), nanos(now), len(e.Body), l.Source, l.Mapping, l.Interface, l.Device, l.Generation, string(why.Class), why.Text)
	if err != nil {
		return store.Admission{}, err
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return store.Admission{}, err
	}
	body := e.Body
	if body == nil {
		body = []byte{}
	}
	if _, err := t.tx.Exec("INSERT INTO body(seq, data) VALUES(?, ?)", seq, body); err != nil {
		return store.Admission{}, err
	}
	if e.Dead != nil {
		t.count.dead++
		t.count.deadBytes += int64(len(e.Body))
		return store.Admission{ID: e.ID}, nil
	}
	t.count.ready++
	t.count.readyBytes += int64(len(e.Body))
	_, err = t.tx.Exec("INSERT INTO lane(name, head, due) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", e.Lane, seq, nanos(now))
	return store.Admission{ID: e.ID}, err
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
	var size int
	err := t.tx.QueryRow("SELECT seq, size FROM entry WHERE id = ? AND dead = 1", id).Scan(&seq, &size)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("dead letter %q: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return err
	}
	t.count.dead--
	t.count.deadBytes -= int64(size)
	return t.remove(seq)
}

func (t *txn) remove(seq int64) error {
	if _, err := t.tx.Exec("DELETE FROM entry WHERE seq = ?", seq); err != nil {
		return err
	}
	_, err := t.tx.Exec("DELETE FROM body WHERE seq = ?", seq)
	return err
}
