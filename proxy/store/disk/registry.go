package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"yiqiao/proxy/store"
)

// Registrations stand in two tables: registering has the ready entries that
// register something, registration what was accepted last. A row of registering
// goes with its entry, or when that becomes a dead letter, whoever does it.
//
// An acceptance is as durable as the end of its entry, with which it is one
// transaction: a power cut that takes one back takes the other back too, and
// the entry is delivered again.
const registrySchema = `
BEGIN IMMEDIATE;
CREATE TABLE registering(seq INTEGER PRIMARY KEY, key BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE INDEX registering_key ON registering(key, seq);
CREATE TABLE registration(key BLOB PRIMARY KEY, digest BLOB NOT NULL, id TEXT NOT NULL, accepted INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER registering_gone AFTER DELETE ON entry BEGIN DELETE FROM registering WHERE seq = OLD.seq; END;
CREATE TRIGGER registering_dead AFTER UPDATE OF dead ON entry WHEN NEW.dead = 1 BEGIN DELETE FROM registering WHERE seq = OLD.seq; END;
PRAGMA user_version = 2;
COMMIT;
`

// metaRegistry is what the log says of a registration.
type metaRegistry struct {
	Registers []byte `json:"registers,omitempty"`
	Digest    []byte `json:"digest,omitempty"`
}

func registryOf(e *store.Entry) metaRegistry {
	if e.Registers == (store.Ref{}) || e.Dead != nil {
		return metaRegistry{}
	}
	return metaRegistry{e.Registers.Key[:], e.Digest[:]}
}

// unchanged returns the id of the latest version of what is registered, if it
// is the same.
func (t *txn) unchanged(r *metaRegistry) (string, error) {
	var id string
	var digest []byte
	err := t.tx.QueryRow("SELECT e.id, r.digest FROM registering r JOIN entry e ON e.seq = r.seq WHERE r.key = ? ORDER BY r.seq DESC LIMIT 1", r.Registers).Scan(&id, &digest)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.tx.QueryRow("SELECT id, digest FROM registration WHERE key = ?", r.Registers).Scan(&id, &digest)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil || string(digest) != string(r.Digest):
		return "", err
	}
	return id, nil
}

// register notes that the entry seq registers something.
func (t *txn) register(seq int64, r *metaRegistry) error {
	if r.Registers == nil {
		return nil
	}
	_, err := t.tx.Exec("INSERT INTO registering(seq, key, digest) VALUES(?, ?, ?)", seq, r.Registers, r.Digest)
	return err
}

// accept notes what the entry seq registers, if anything, as accepted.
func (t *txn) accept(now time.Time, seq int64) error {
	_, err := t.tx.Exec(`INSERT OR REPLACE INTO registration(key, digest, id, accepted)
		SELECT r.key, r.digest, e.id, ? FROM registering r JOIN entry e ON e.seq = r.seq WHERE r.seq = ?`, nanos(now), seq)
	return err
}

// registry finds what an entry registers, for the copy of its record.
func (t *txn) registry(m *meta) error {
	err := t.tx.QueryRow("SELECT r.key, r.digest FROM registering r JOIN entry e ON e.seq = r.seq WHERE e.id = ?", m.ID).Scan(&m.Registers, &m.Digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// settledSince tells of the copy of a record without a key, whose entry is
// gone, whether that was settled. What registers something was if it, or a
// later version, was accepted; the index may have been made anew meanwhile.
func (t *txn) settledSince(m *meta) (settled bool, err error) {
	if m.Registers == nil {
		return true, nil
	}
	err = t.tx.QueryRow("SELECT EXISTS(SELECT 1 FROM registration WHERE key = ? AND id >= ?)", m.Registers, m.ID).Scan(&settled)
	return settled, err
}

// Registered implements store.Store.
func (s *Store) Registered(ctx context.Context, refs []store.Ref) ([]store.Registration, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	out := make([]store.Registration, len(refs))
	for i := range refs {
		// One statement, so that what waits at its beginning is not missed
		// because it is accepted before its end.
		var accepted, since sql.NullInt64
		var id, waiting sql.NullString
		err := s.readers.QueryRowContext(ctx, `SELECT a.accepted, a.id, e.id, e.admitted FROM (SELECT ?1 AS key) k
			LEFT JOIN registration a ON a.key = k.key
			LEFT JOIN entry e ON e.seq = (SELECT MIN(seq) FROM registering WHERE key = k.key)`, refs[i].Key[:]).Scan(&accepted, &id, &waiting, &since)
		if err != nil {
			return nil, explain(err)
		}
		r := &out[i]
		if accepted.Valid {
			r.Accepted, r.AcceptedID = timeOf(accepted.Int64), id.String
		}
		if waiting.Valid {
			r.Waiting, r.Since = waiting.String, timeOf(since.Int64)
		}
	}
	return out, nil
}

// Hasten implements store.Store.
func (s *Store) Hasten(ctx context.Context, now time.Time, ids []string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if len(ids) == 0 {
		return nil
	}
	return s.do(ctx, 0, func(t *txn) error {
		for _, id := range ids {
			if err := t.hasten(nanos(now), id); err != nil {
				return fmt.Errorf("hasten entry %q: %w", id, err)
			}
		}
		return nil
	})
}

func (t *txn) hasten(now int64, id string) error {
	var seq int64
	err := t.tx.QueryRow("UPDATE entry SET due = ?1 WHERE id = ?2 AND dead = 0 AND due > ?1 RETURNING seq", now, id).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = t.tx.Exec("UPDATE lane SET due = ? WHERE head = ?", now, seq)
	}
	return err
}
