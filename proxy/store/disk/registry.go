package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"yiqiao/proxy/store"
)

// Registrations stand in two tables: registering has the ready entries that
// register something, registration what was accepted last. A row of registering
// goes with its entry, or when that becomes a dead letter, whoever does it.
//
// An acceptance is as durable as the end of its entry, with which it is one
// transaction: a power cut that takes one back takes the other back too, and
// the entry is delivered again. A replay compares no versions: each was new
// when it came, and what had become of those before it may be forgotten.
const registrySchema = `
CREATE TABLE registering(seq INTEGER PRIMARY KEY, key BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE INDEX registering_key ON registering(key, seq);
CREATE TABLE registration(key BLOB PRIMARY KEY, digest BLOB NOT NULL, id TEXT NOT NULL, accepted INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER registering_gone AFTER DELETE ON entry BEGIN DELETE FROM registering WHERE seq = OLD.seq; END;
CREATE TRIGGER registering_dead AFTER UPDATE OF dead ON entry WHEN NEW.dead = 1 BEGIN DELETE FROM registering WHERE seq = OLD.seq; END;
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
	return metaRegistry{slices.Clone(e.Registers.Key[:]), slices.Clone(e.Digest[:])}
}

// version is one of what is registered.
type version struct {
	op     *op // nil: it is committed
	id     string
	digest store.Key
}

// versions are what is on its way of them. Unlike a key's first entry, the
// newest counts; when it fails, it is the one before it.
type versions map[store.Key][]version

// enter notes a version that is newer than all others.
func (v versions) enter(ref store.Key, newest version) { v[ref] = append(v[ref], newest) }

// land takes out those of an operation.
func (v versions) land(ref store.Key, o *op) {
	left := slices.DeleteFunc(v[ref], func(one version) bool { return one.op == o })
	if v[ref] = left; len(left) == 0 {
		delete(v, ref)
	}
}

// latest is the newest version of what is registered, if there is one.
//
// All that is on its way is newer than all rows, because the writer is alone
// and the indexer keeps its order; and none of it is settled, because nobody
// claims what is not committed, and settlements pass the indexer too. Without
// any, it is what the rows said when the group was begun. A settlement since
// then is later than the admission, which had not been answered: a duplicate
// may name a version that is buried meanwhile, as if it had come just before.
func (f *flight) latest(ref store.Key) (v version, ok bool) {
	f.Lock()
	defer f.Unlock()
	if flying := f.versions[ref]; len(flying) > 0 {
		return flying[len(flying)-1], true
	}
	v, ok = f.known[ref]
	return v, ok
}

// registers says whether a version of one of refs is on its way.
func (f *flight) registers(refs []store.Ref) bool {
	f.Lock()
	defer f.Unlock()
	for i := range refs {
		if len(f.versions[refs[i].Key]) > 0 {
			return true
		}
	}
	return false
}

// newVersion says whether what an entry registers is to be admitted, and notes
// it then; or else which version it repeats.
func (f *flight) newVersion(o *op, m *meta, again bool) (first version, isNew bool) {
	ref, digest := store.Key(m.Registers), store.Key(m.Digest)
	if v, ok := f.latest(ref); ok && v.digest == digest && !again {
		return v, false
	}
	f.Lock()
	defer f.Unlock()
	f.versions.enter(ref, version{o, m.ID, digest})
	return first, true
}

// latestOf asks for the latest versions that are committed: the newest that
// waits, or else what was accepted last.
const latestOf = `WITH k(key) AS (VALUES(?)%s)
	SELECT k.key, COALESCE(e.id, a.id), COALESCE(r.digest, a.digest) FROM k
	LEFT JOIN registering r ON r.seq = (SELECT MAX(seq) FROM registering WHERE key = k.key)
	LEFT JOIN entry e ON e.seq = r.seq
	LEFT JOIN registration a ON a.key = k.key
	WHERE COALESCE(e.id, a.id) IS NOT NULL`

// register notes that an entry registers something.
func (t *txn) register(m *meta) error {
	if m.Registers == nil {
		return nil
	}
	_, err := t.exec("INSERT INTO registering(seq, key, digest) VALUES(?, ?, ?)", m.Seq, m.Registers, m.Digest)
	return err
}

// accept notes what the entry seq registers, if anything, as accepted.
func (t *txn) accept(now time.Time, seq int64) error {
	_, err := t.exec(`INSERT OR REPLACE INTO registration(key, digest, id, accepted)
		SELECT r.key, r.digest, e.id, ? FROM registering r JOIN entry e ON e.seq = r.seq WHERE r.seq = ?`, nanos(now), seq)
	return err
}

// Registered implements store.Store.
func (s *Store) Registered(ctx context.Context, refs []store.Ref) ([]store.Registration, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if s.flight.registers(refs) {
		if err := s.catchUp(ctx); err != nil {
			return nil, err
		}
	}
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
	return s.do(ctx, &op{apply: func(t *txn, _ *op) error {
		for _, id := range ids {
			if err := t.hasten(nanos(now), id); err != nil {
				return fmt.Errorf("hasten entry %q: %w", id, err)
			}
		}
		return nil
	}})
}

func (t *txn) hasten(now int64, id string) error {
	var seq int64
	err := t.row("UPDATE entry SET due = ?1 WHERE id = ?2 AND dead = 0 AND due > ?1 RETURNING seq", now, id).Scan(&seq)
	if errors.Is(err, errNoRows) {
		return nil
	}
	if err == nil {
		_, err = t.exec("UPDATE lane SET due = ? WHERE head = ?", now, seq)
	}
	return err
}
