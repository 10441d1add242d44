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

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id string, dst []byte) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return dst, err
	}
	defer s.leave()
	// A body may be moved while it is looked for: then it stands elsewhere now.
	for try, late := 0, false; ; try++ {
		var p place
		err := s.readers.QueryRowContext(ctx, "SELECT seg, off, size, crc FROM entry WHERE id = ?", id).Scan(&p.seg, &p.off, &p.len, &p.crc)
		if errors.Is(err, sql.ErrNoRows) && !late {
			late = true
			if err := s.catchUp(ctx); err != nil {
				return dst, err
			}
			continue
		}
		if errors.Is(err, sql.ErrNoRows) {
			return dst, fmt.Errorf("entry %q: %w", id, store.ErrNotFound)
		}
		if err != nil {
			return dst, explain(err)
		}
		out, err := s.log.read(p, dst)
		if errors.Is(err, store.ErrNotFound) && try < 3 {
			continue
		}
		return out, err
	}
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, f store.Filter) ([]store.Info, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	where, args := []string{"1"}, []any{}
	add := func(clause string, on bool, value ...any) {
		if on {
			where, args = append(where, clause), append(args, value...)
		}
	}
	add("id = ?", f.ID != "", f.ID)
	add("dead = ?", f.State != "", f.State == store.Dead)
	add("source = ?", f.Source != "", f.Source)
	add("interface = ?", f.Interface != "", f.Interface)
	add("device = ?", f.Device != "", f.Device)
	add("class = ?", f.Class != "", string(f.Class))
	add("admitted >= ?", !f.Since.IsZero(), nanos(f.Since))
	add("admitted < ?", !f.Until.IsZero(), nanos(f.Until))
	// An entry that has gone meanwhile has left its id: ids grow with time.
	add("seq > COALESCE((SELECT seq FROM entry WHERE id = ?), (SELECT MAX(seq) FROM entry WHERE id < ?), 0)", f.After != "", f.After, f.After)
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT id, lane, dead, due, attempts, admitted, size, source, mapping, interface, device, generation, class, reason
		FROM entry WHERE `+strings.Join(where, " AND ")+" ORDER BY seq LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var infos []store.Info
	for rows.Next() {
		var i store.Info
		var dead bool
		var due, admitted int64
		l := &i.Labels
		if err := rows.Scan(&i.ID, &i.Lane, &dead, &due, &i.Attempts, &admitted, &i.Size, &l.Source, &l.Mapping, &l.Interface, &l.Device, &l.Generation, &i.Reason.Class, &i.Reason.Text); err != nil {
			return nil, explain(err)
		}
		i.State, i.Due, i.Admitted = store.Ready, timeOf(due), timeOf(admitted)
		if dead {
			i.State, i.Due = store.Dead, time.Time{}
		}
		infos = append(infos, i)
	}
	return infos, explain(rows.Err())
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context, now time.Time) (store.Stats, error) {
	if err := s.enter(ctx); err != nil {
		return store.Stats{}, err
	}
	defer s.leave()
	if err := s.catchUp(ctx); err != nil {
		return store.Stats{}, err
	}
	c := s.counters()
	st := store.Stats{Ready: c.ready, ReadyBytes: c.readyBytes, Dead: c.dead, DeadBytes: c.deadBytes}
	var expired int
	if err := s.readers.QueryRowContext(ctx, "SELECT COUNT(*) FROM key WHERE expires <= ?", nanos(now)).Scan(&expired); err != nil {
		return st, explain(err)
	}
	st.Keys = c.keys - expired
	var oldest int64
	err := s.readers.QueryRowContext(ctx, "SELECT admitted FROM entry WHERE seq = (SELECT MIN(head) FROM lane)").Scan(&oldest)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return st, explain(err)
	default:
		st.Oldest = timeOf(oldest)
	}
	return st, nil
}
