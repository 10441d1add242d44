package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"yiqiao/proxy/store"
)

// replayGroup is how many records one transaction of the replay takes.
const replayGroup = 3000

// putAside keeps a damaged index under another name, so that it is made anew
// from the log.
func (s *Store) putAside(why error) error {
	if err := errors.Join(s.closeDatabase(), s.log.close()); err != nil {
		return err
	}
	aside := fmt.Sprintf("%s.damaged-%d", fileName, time.Now().Unix())
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(filepath.Join(s.folder, fileName+suffix), filepath.Join(s.folder, aside+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	s.note("the index was damaged (%v); it is kept as %s", why, aside)
	return nil
}

func (s *Store) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// Notes say what opening found: damage, repairs, what was lost by them.
func (s *Store) Notes() []string { return s.notes }

// recover brings index and log together: rows of segments that are gone are
// removed (all in them was settled), and what the index does not know yet is
// replayed.
func (s *Store) recover() error {
	l := s.log
	list, err := segments(l.fs)
	if err != nil {
		return err
	}
	for _, seg := range list {
		st := &segmentState{segment: seg}
		if st.file, err = l.fs.open(seg.String()); err != nil {
			return err
		}
		l.segs[seg.n], l.last = st, seg.n
		if st.size, err = st.file.size(); err != nil {
			return err
		}
		st.synced = st.size
	}
	if err := s.load(); err != nil {
		return err
	}
	p := s.db.pos
	l.last = max(l.last, p.at[live].seg, p.at[dead].seg) // no number is used twice
	// An index that knows nothing, while segments have gone or it was put aside,
	// has been lost; else the power went before its first commit was synced.
	anew := p.anew || p.number == 0 && len(list) > 0 && (list[len(list)-1].n != int64(len(list)) || len(s.notes) > 0)
	if anew {
		s.note("the index is made anew from the log. Lost: the dedup keys of entries whose log files are gone, what was registered at the platform, and what had become of those whose log files are there: they are delivered again")
	}
	if err := s.forgetMissing(); err != nil {
		return err
	}
	if err := s.replay(list, anew); err != nil {
		return err
	}
	l.number = s.db.pos.number
	return s.loadUsage()
}

// forgetMissing removes the rows of segments that are not there: a segment
// goes only when nothing in it is needed, but the index may have forgotten
// that at a power cut.
func (s *Store) forgetMissing() error {
	usage, err := s.usage()
	if err != nil {
		return err
	}
	var gone []int64
	for seg := range usage {
		if s.log.segs[seg] == nil {
			gone = append(gone, seg)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	t, err := s.begin()
	if err != nil {
		return err
	}
	for _, seg := range gone {
		if err = t.forget(seg, usage[seg].entries > 0); err != nil {
			break
		}
	}
	if err == nil {
		err = t.commit()
	}
	if err != nil {
		t.rollback()
		return err
	}
	s.count = t.count
	return nil
}

// forget removes what rows say of a segment.
func (t *txn) forget(seg int64, used bool) error {
	if used {
		for _, text := range []string{
			"DELETE FROM entry WHERE seg = ?1",
			"DELETE FROM lane WHERE ?1 > 0",
			"INSERT INTO lane(name, head, due) SELECT lane, MIN(seq), 0 FROM entry WHERE dead = 0 AND ?1 > 0 GROUP BY lane",
			"UPDATE lane SET due = (SELECT due FROM entry WHERE seq = head) WHERE ?1 > 0",
		} {
			if _, err := t.exec(text, seg); err != nil {
				return err
			}
		}
		if err := t.row("SELECT COUNT(*) FILTER (WHERE dead = 0), COALESCE(SUM(size) FILTER (WHERE dead = 0), 0), COUNT(*) FILTER (WHERE dead = 1), COALESCE(SUM(size) FILTER (WHERE dead = 1), 0) FROM entry").
			Scan(&t.count.ready, &t.count.readyBytes, &t.count.dead, &t.count.deadBytes); err != nil {
			return err
		}
	}
	_, err := t.exec("DELETE FROM usage WHERE seg = ?", seg)
	return err
}

func (s *Store) usage() (map[int64]counted, error) {
	rows, err := s.readers.Query("SELECT seg, entries, bytes FROM usage")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	usage := map[int64]counted{}
	for rows.Next() {
		var n int64
		var c counted
		if err := rows.Scan(&n, &c.entries, &c.bytes); err != nil {
			return nil, err
		}
		usage[n] = c
	}
	return usage, rows.Err()
}

func (s *Store) loadUsage() error {
	usage, err := s.usage()
	for n, c := range usage {
		if seg := s.log.segs[n]; seg != nil {
			seg.entries, seg.bytes = c.entries, c.bytes
		}
	}
	return err
}

// replay brings into the index what stands in the log behind its position, in
// the order in which it was written. What a killed process has written may not
// be synced; that is done first, because duplicates of it are acknowledged.
func (s *Store) replay(list []segment, anew bool) error {
	var readers [classes]*logReader
	for c := range readers {
		readers[c] = &logReader{store: s, from: s.db.pos.at[c], anew: anew}
	}
	for _, seg := range list {
		if r := readers[seg.class]; seg.n >= r.from.seg {
			st := s.log.segs[seg.n]
			if err := st.file.sync(); err != nil {
				return fmt.Errorf("%s: %w", seg, err)
			}
			r.segs = append(r.segs, st)
		}
	}
	for {
		if s.opts.replaying != nil {
			if err := s.opts.replaying(); err != nil {
				return err
			}
		}
		t, err := s.begin()
		if err != nil {
			return err
		}
		more, err := t.replay(&readers, anew)
		t.pos.anew = anew && more
		if err == nil && t.pos == s.db.pos { // nothing new: a full disk can be opened
			t.rollback()
			return nil
		}
		if err == nil {
			err = t.commit()
		}
		if err != nil {
			t.rollback()
			return err
		}
		if s.count = t.count; !more {
			return nil
		}
	}
}

// replay applies the next records of both classes.
func (t *txn) replay(readers *[classes]*logReader, anew bool) (more bool, err error) {
	for range replayGroup {
		var next *logReader
		for _, r := range readers {
			head, err := r.peek()
			if err != nil {
				return false, err
			}
			if head != nil && (next == nil || head[0].number < next.run[0].number) {
				next = r
			}
		}
		if next == nil {
			return false, nil
		}
		for i := range next.run {
			if err := t.again(&next.run[i], anew); err != nil {
				return false, err
			}
		}
		last := &next.run[len(next.run)-1]
		t.pos.at[next.seg.class] = cursor{next.seg.n, last.end}
		t.pos.number = max(t.pos.number, last.number)
		next.run = nil
	}
	return true, nil
}

// again admits a record of the log. A key that is known already belongs to an
// earlier record of the same event, whose sender was told to come again.
// anew: the index is made from nothing, so nobody knows what was settled.
func (t *txn) again(r *found, anew bool) error {
	m := &r.meta
	moved := r.flags&flagMoved != 0
	var at place
	var gone bool
	if r.number <= t.pos.number || moved { // else it is newer than all that the index has
		err := t.row("SELECT seg, off, size, dead FROM entry WHERE seq = ? AND id IN (?, ?)", m.Seq, m.ID, numbered(m)).Scan(&at.seg, &at.off, &at.len, &gone)
		switch {
		case err == nil && moved:
			return t.againMoved(r, at, gone)
		case err == nil:
			return nil
		case !errors.Is(err, errNoRows):
			return err
		}
	}
	if moved && !anew {
		return nil // settled since
	}
	if others, err := t.takeKeyAgain(m); others || err != nil {
		return err
	}
	if m.Replaces != "" {
		if err := t.removeDead(m.Replaces); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	err := t.insert(m, r.place)
	if _, damaged := errors.AsType[*finalError](err); damaged {
		return nil // two records have one number
	}
	if err == nil && moved && m.Dead == nil { // younger ones of its lane may have come before the copy
		_, err = t.exec("UPDATE lane SET head = ?1, due = ?2 WHERE name = ?3 AND head > ?1", m.Seq, m.Admitted, m.Lane)
	}
	return err
}

// takeKeyAgain gives an entry of the log its key, unless that is another's.
func (t *txn) takeKeyAgain(m *meta) (others bool, err error) {
	if len(m.Key) != len(store.Key{}) {
		return false, nil
	}
	if isNew, err := t.newKey(m); isNew || err != nil {
		return false, err
	}
	var first string
	err = t.row("SELECT id FROM key WHERE key = ? AND expires > ?", m.Key, m.Admitted).Scan(&first)
	if err == nil && first != m.Replaces && first != m.ID {
		return true, nil
	}
	if err != nil && !errors.Is(err, errNoRows) {
		return false, err
	}
	return false, t.takeKey(m)
}

// againMoved takes a copy's place, and what it knows: that it was buried.
func (t *txn) againMoved(r *found, at place, gone bool) error {
	m := &r.meta
	if _, err := t.exec("UPDATE entry SET seg = ?, off = ?, crc = ? WHERE seq = ?", r.place.seg, r.place.off, r.place.crc, m.Seq); err != nil {
		return err
	}
	t.use(at, -1)
	t.came(r.place)
	if m.Dead == nil || gone {
		return nil
	}
	if _, err := t.exec("UPDATE entry SET dead = 1, attempts = ?, class = ?, reason = ? WHERE seq = ?", m.Attempts, string(m.Dead.Class), m.Dead.Text, m.Seq); err != nil {
		return err
	}
	t.count.ready--
	t.count.readyBytes -= int64(at.len)
	t.count.dead++
	t.count.deadBytes += int64(at.len)
	return t.advance(m.Admitted, m.Lane)
}
