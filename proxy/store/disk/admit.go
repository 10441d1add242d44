package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
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
	if old != "" {
		if err := s.catchUp(ctx); err != nil {
			return nil, err
		}
	}
	a := admission{store: s, now: now, entries: entries, admissions: make([]store.Admission, len(entries))}
	o := &op{old: old, plan: a.plan, apply: a.apply}
	if err := a.records(o, entries); err != nil {
		return nil, err
	}
	if err := s.do(ctx, o); err != nil {
		return nil, err
	}
	return a.admissions, nil
}

// admission is what becomes of the entries of one call.
type admission struct {
	store      *Store
	now        time.Time
	entries    []store.Entry
	admissions []store.Admission
}

// records builds what the log will hold, in the caller's goroutine.
func (a *admission) records(o *op, entries []store.Entry) error {
	o.records = make([]record, len(entries))
	o.class = dead
	for i := range entries {
		e := &entries[i]
		if len(e.Body) > a.store.opts.MaxEntry {
			return fmt.Errorf("%w: %d bytes, at most %d", store.ErrTooLarge, len(e.Body), a.store.opts.MaxEntry)
		}
		if e.Dead == nil {
			o.class = live // one that is dead among others stands with them
		}
		o.bytes += len(e.Body)
		m := meta{ID: e.ID, Lane: e.Lane, Labels: e.Labels, Admitted: nanos(a.now), metaRegistry: registryOf(e)}
		m.keep(e.Dead)
		if key := e.DedupKey(); key != (store.Key{}) {
			m.Key, m.Expires = key[:], nanos(a.now.Add(e.KeyTTL))
		}
		if i == 0 {
			m.Replaces = o.old
		}
		var err error
		if o.records[i], err = newRecord(m, 0, e.Body); err != nil {
			return err
		}
	}
	return nil
}

// keep copies what is the caller's again before the row is written: names may
// be slices of the body of a request.
func (m *meta) keep(why *store.Reason) {
	if why != nil {
		m.Dead = &store.Reason{Class: store.Class(strings.Clone(string(why.Class))), Text: strings.Clone(why.Text)}
	}
	l := &m.Labels
	names := [...]*string{&m.ID, &m.Lane, &l.Source, &l.Mapping, &l.Interface, &l.Device, &l.Generation}
	n := 0
	for _, name := range names {
		n += len(*name)
	}
	var all strings.Builder
	all.Grow(n)
	for _, name := range names {
		all.WriteString(*name)
	}
	rest := all.String()
	for _, name := range names {
		*name, rest = rest[:len(*name)], rest[len(*name):]
	}
}

// plan keeps the records of those that are no duplicates. The writer's.
func (a *admission) plan(o *op) error {
	if o.old != "" {
		if err := a.store.claimDead(o); err != nil {
			return err
		}
	}
	records := o.records
	o.records = records[:0]
	for i := range records {
		m := &records[i].meta
		a.admissions[i] = store.Admission{ID: m.ID}
		if first, isNew := a.isNew(o, m, a.entries[i].Again); !isNew {
			a.admissions[i] = store.Admission{ID: first.id, Duplicate: true}
			if first.op != nil && first.op != o {
				o.after = append(o.after, first.op)
			}
			continue
		}
		o.records = append(o.records, records[i])
		o.planned += int64(len(records[i].body))
	}
	a.store.flight.add(o.planned)
	if len(o.records) == 0 {
		return nil
	}
	return a.store.room(o.planned)
}

// isNew says whether an entry is no duplicate, and notes it then; or else the
// first one. first.op is the operation that this one rests on.
func (a *admission) isNew(o *op, m *meta, again bool) (first version, isNew bool) {
	f := &a.store.flight
	switch {
	case m.Registers != nil:
		first, isNew = f.newVersion(o, m, again)
		if isNew {
			a.store.noteKey(store.Key(m.Registers))
		}
		return first, isNew
	case m.Key != nil:
		k := store.Key(m.Key)
		if v, ok := f.first(k, nanos(a.now)); ok && v.id != o.old {
			return version{op: v.op, id: v.id}, false
		}
		f.enter(k, flying{o, m.ID, m.Expires})
		a.store.noteKey(k)
	}
	return first, true
}

// claimDead takes the dead letter that an operation removes: nobody else may
// meanwhile.
func (s *Store) claimDead(o *op) error {
	s.flight.Lock()
	if s.flight.olds[o.old] != nil {
		s.flight.Unlock()
		return fmt.Errorf("dead letter %q: %w", o.old, store.ErrNotFound)
	}
	s.flight.olds[o.old] = o
	s.flight.Unlock()
	var seq int64
	err := s.readers.QueryRow("SELECT seq FROM entry WHERE id = ? AND dead = 1", o.old).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("dead letter %q: %w", o.old, store.ErrNotFound)
	}
	return explain(err)
}

// apply writes the rows. The indexer's.
func (a *admission) apply(t *txn, o *op) error {
	if o.old != "" {
		if err := t.removeDead(o.old); err != nil {
			return err
		}
	}
	for i := range o.records {
		m := &o.records[i].meta
		if err := t.takeKey(m); err != nil {
			return err
		}
		if err := t.insert(m, o.at[i]); err != nil {
			return err
		}
	}
	t.expireKeys(nanos(a.now), 16+2*len(o.records))
	return nil
}

// insert writes the index row of an entry whose body stands at p. An id that
// is another entry's already, against the contract, gets the record's number:
// the entry has been acknowledged.
func (t *txn) insert(m *meta, p place) error {
	var why store.Reason
	if m.Dead != nil {
		why = *m.Dead
	}
	l := &m.Labels
	row := func(id string) (int64, error) {
		return t.exec(`INSERT INTO entry(seq, id, lane, dead, due, attempts, admitted, size, source, mapping, interface, device, generation, class, reason, seg, off, crc)
			VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			m.Seq, id, m.Lane, m.Dead != nil, m.Admitted, m.Attempts, m.Admitted, p.len, l.Source, l.Mapping, l.Interface, l.Device, l.Generation, string(why.Class), why.Text, p.seg, p.off, p.crc)
	}
	n, err := row(m.ID)
	if n == 0 && err == nil {
		n, err = row(numbered(m))
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return final(fmt.Errorf("entry %q: the index has another entry with its number, %d", m.ID, m.Seq))
	}
	t.came(p)
	if m.Dead != nil {
		t.count.dead++
		t.count.deadBytes += int64(p.len)
		return nil
	}
	t.count.ready++
	t.count.readyBytes += int64(p.len)
	if err := t.register(m); err != nil {
		return err
	}
	return t.wake(m)
}

// numbered is an entry's id when another one has it.
func numbered(m *meta) string { return fmt.Sprintf("%s-%d", m.ID, m.Seq) }

// wake gives a lane that has none a head.
func (t *txn) wake(m *meta) error {
	if t.lanes[m.Lane] {
		return nil
	}
	if _, err := t.exec("INSERT INTO lane(name, head, due) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", m.Lane, m.Seq, m.Admitted); err != nil {
		return err
	}
	if len(t.lanes) >= maxLanes {
		clear(t.lanes)
	}
	t.lanes[m.Lane] = true
	return nil
}

// takeKey gives an entry's key to it; one that has expired may be another's.
func (t *txn) takeKey(m *meta) error {
	if len(m.Key) == 0 {
		return nil
	}
	if isNew, err := t.newKey(m); isNew || err != nil {
		return err
	}
	_, err := t.exec("UPDATE key SET id = ?, expires = ? WHERE key = ?", m.ID, m.Expires, m.Key)
	return err
}

// newKey gives an entry a key that nobody has had.
func (t *txn) newKey(m *meta) (isNew bool, err error) {
	n, err := t.exec("INSERT INTO key(key, id, expires) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", m.Key, m.ID, m.Expires)
	t.count.keys += int(n)
	return n > 0, err
}

// expireKeys removes some expired keys, once for a transaction: more than an
// admission adds, so that they never pile up, and few enough that nobody waits
// for it. (Tables of keys that expire together and are dropped whole would
// read all their pages at once when they are.)
func (t *txn) expireKeys(now int64, some int) {
	t.expired.now = min(t.expired.now, now)
	t.expired.some += some
}

func (t *txn) removeDead(id string) error {
	var seq int64
	err := t.row("SELECT seq FROM entry WHERE id = ? AND dead = 1", id).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return final(fmt.Errorf("dead letter %q: %w", id, store.ErrNotFound))
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
	if err := t.row("DELETE FROM entry WHERE seq = ? RETURNING seg, off, size, crc", seq).Scan(&p.seg, &p.off, &p.len, &p.crc); err != nil {
		return p, err
	}
	t.went(p)
	return p, nil
}
