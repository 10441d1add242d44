package disk

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"yiqiao/proxy/store"
)

const (
	tidyEvery = 500 * time.Millisecond
	// A segment whose bodies take less than a fourth of it is emptied by
	// writing them again, some at a time.
	sparse    = 4
	moveBytes = 4 << 20
	moveOps   = 500
	headBytes = 512 // of a record, about: small entries do not make a segment thin
	maxTries  = 3   // to empty a segment: what is left cannot be read
)

// keep is the keeper goroutine.
func (s *Store) keep() {
	defer close(s.kept)
	if s.opts.still {
		return
	}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		// What cannot be tidied now is tried again; nothing depends on it.
		err := s.tidy()
		if errors.Is(err, store.ErrClosed) {
			return
		}
		s.health.tidied(err)
		s.ballast.fill(s.opts.MinFree)
		s.health.Lock()
		failing := s.health.logErr != nil
		s.health.Unlock()
		if failing {
			s.health.log(s.log.probe())
		}
	}
}

// probe tries whether the log's folder takes anything.
func (l *segLog) probe() error {
	const name = "probe"
	_ = l.fs.remove(name) // of an earlier life
	f, err := l.fs.create(name)
	if err != nil {
		return err
	}
	return errors.Join(f.write([][]byte{make([]byte, 4096)}, 0), f.sync(), f.Close(), l.fs.remove(name))
}

// tidy removes segments in which nothing is needed, and empties those that are
// nearly empty.
func (s *Store) tidy() error { return s.tidyBelow(1, sparse) }

// tidyBelow empties segments of whose bytes less than part of whole is needed.
func (s *Store) tidyBelow(part, whole int64) error {
	if err := s.enter(context.Background()); err != nil {
		return err
	}
	defer s.leave()
	var errs []error
	thin := s.log.thin(part, whole)
	if len(thin) > 0 { // all that stands in them is known to the index then
		if err := s.catchUp(context.Background()); err != nil {
			return err
		}
	}
	for _, seg := range thin {
		errs = append(errs, s.empty(seg))
	}
	if empty := s.log.empty(); len(empty) > 0 {
		errs = append(errs, s.unlink(empty))
	}
	return errors.Join(errs...)
}

// empty lists the segments in which nothing is needed.
func (l *segLog) empty() []*segmentState {
	return l.choose(func(s *segmentState) bool { return s.entries == 0 })
}

// thin lists those in which little is needed.
func (l *segLog) thin(part, whole int64) []*segmentState {
	return l.choose(func(s *segmentState) bool {
		return s.entries > 0 && s.tries < maxTries && (s.bytes+s.entries*headBytes)*whole < s.size*part
	})
}

func (l *segLog) choose(fits func(*segmentState) bool) (list []*segmentState) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, s := range l.segs {
		if !s.open && fits(s) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *segmentState) int { return cmp.Compare(a.n, b.n) })
	return list
}

func (l *segLog) classOf(p place) class {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if s := l.segs[p.seg]; s != nil {
		return s.class
	}
	return live
}

// unlink removes segments behind a barrier: the index that knows that they are
// not needed, and the keys that came with them, are durable first.
func (s *Store) unlink(segs []*segmentState) error {
	barrier := (*Store).barrier
	if s.opts.barrier != nil {
		barrier = s.opts.barrier
	}
	if err := barrier(s); err != nil {
		return err
	}
	for _, seg := range segs {
		if err := s.log.drop(seg); err != nil {
			return explain(err)
		}
	}
	return explain(s.log.fs.syncDir())
}

// barrier syncs the index. The update must change a value: SQLite writes
// nothing for a row that stays as it was, and so would sync nothing.
func (s *Store) barrier() error { return s.durably("UPDATE barrier SET n = n + 1") }

// durably runs one statement and syncs the index with it. A pragma acts when
// it is prepared: these may not be kept.
func (s *Store) durably(change string) error {
	if err := s.catchUp(context.Background()); err != nil { // or the indexer has the connection for long
		return err
	}
	s.db.Lock()
	defer s.db.Unlock()
	for _, text := range []string{"PRAGMA synchronous = FULL", change, "PRAGMA synchronous = NORMAL"} {
		if _, err := s.db.conn.ExecContext(context.Background(), text); err != nil {
			return explain(err)
		}
	}
	return nil
}

// copied is an entry whose body is written again.
type copied struct {
	meta meta
	from place
}

// empty writes what is needed of a segment again, at the end of the log. What
// cannot be read stays, and the segment with it: its entry becomes a dead
// letter when it is loaded.
func (s *Store) empty(seg *segmentState) error {
	r := &segmentReader{file: seg.file, size: seg.size, heads: true}
	for {
		if s.stopping() {
			return nil
		}
		found, err := r.take(moveOps)
		if err != nil {
			return err
		}
		var lists [classes][]copied
		bytes := 0
		for i := range found {
			c, to, err := s.needed(&found[i], seg.n)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			lists[to] = append(lists[to], c)
			if bytes += c.from.len; bytes >= moveBytes {
				bytes = 0
				if err := s.copyAll(&lists); err != nil {
					return err
				}
			}
		}
		if err := s.copyAll(&lists); err != nil {
			return err
		}
		if len(found) == 0 {
			s.log.mu.Lock()
			seg.tries++
			s.log.mu.Unlock()
			return nil
		}
	}
}

// needed asks whether the row of an entry names this record of it.
func (s *Store) needed(r *found, n int64) (c copied, to class, err error) {
	c = copied{r.meta, r.place}
	c.from.seg = n
	var gone bool
	var why store.Reason
	err = s.readers.QueryRow("SELECT dead, attempts, class, reason FROM entry WHERE seq = ? AND seg = ? AND off = ?", c.meta.Seq, n, c.from.off).
		Scan(&gone, &c.meta.Attempts, &why.Class, &why.Text)
	if c.meta.Dead = nil; gone {
		c.meta.Dead, to = &why, dead
	}
	return c, to, err
}

// described is what the log says of an entry whose row is there.
func (s *Store) described(ctx context.Context, seq int64) (m meta, p place, err error) {
	l := &m.Labels
	err = s.readers.QueryRowContext(ctx, "SELECT seq, id, lane, attempts, admitted, source, mapping, interface, device, generation, seg, off, size, crc FROM entry WHERE seq = ?", seq).
		Scan(&m.Seq, &m.ID, &m.Lane, &m.Attempts, &m.Admitted, &l.Source, &l.Mapping, &l.Interface, &l.Device, &l.Generation, &p.seg, &p.off, &p.len, &p.crc)
	if err != nil {
		return m, p, explain(err)
	}
	// Its key, and what it registers, are copied from its record; a key that has
	// expired does no harm.
	r, err := s.log.recordAt(p)
	m.Key, m.Expires, m.metaRegistry = r.meta.Key, r.meta.Expires, r.meta.metaRegistry
	return m, p, err
}

func (s *Store) copyAll(lists *[classes][]copied) error {
	for kind, list := range lists {
		if len(list) == 0 {
			continue
		}
		o, err := s.copyOf(list, class(kind))
		if err != nil {
			return err
		}
		if err := s.do(context.Background(), o); err != nil {
			return err
		}
		lists[kind] = nil
	}
	return nil
}

// copyOf makes the operation that writes bodies again, of those that can be
// read.
func (s *Store) copyOf(list []copied, to class) (*op, error) {
	o := &op{class: to, moves: true}
	var from []place
	for i := range list {
		c := &list[i]
		body, err := s.log.read(c.from, nil)
		var damaged *store.CorruptError
		if errors.As(err, &damaged) && len(list) > 1 {
			continue
		}
		if err != nil {
			return nil, err
		}
		c.meta.Replaces = ""
		r, err := newRecord(c.meta, flagMoved, body)
		if err != nil {
			return nil, err
		}
		o.records, from = append(o.records, r), append(from, c.from)
		o.bytes += len(body)
	}
	o.apply = func(t *txn, o *op) error {
		for i := range o.records {
			if err := t.moved(&o.records[i].meta, from[i], o.at[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return o, nil
}

// moved notes that a body stands elsewhere now, if it is still needed.
func (t *txn) moved(m *meta, from, to place) error {
	n, err := t.exec("UPDATE entry SET seg = ?, off = ?, crc = ? WHERE seq = ? AND seg = ? AND off = ?", to.seg, to.off, to.crc, m.Seq, from.seg, from.off)
	if err != nil {
		return err
	}
	if n == 0 {
		t.gone = append(t.gone, to)
		return nil
	}
	t.came(to)
	t.went(from)
	return nil
}
