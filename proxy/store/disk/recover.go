package disk

import (
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"yiqiao/proxy/store"
)

// replayGroup is how many records one transaction of the replay takes.
const replayGroup = 1000

// openIndex opens the index; one that is damaged is put aside and made anew
// from the log.
func (s *Store) openIndex() error {
	err := s.open()
	var e *sqlite.Error
	if err == nil || !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_NOTADB && e.Code()&0xff != sqlite3.SQLITE_CORRUPT {
		return err
	}
	for _, db := range []*sql.DB{s.readers, s.writer} {
		if db != nil {
			db.Close()
		}
	}
	s.readers, s.writer = nil, nil
	aside := fmt.Sprintf("%s.damaged-%d", fileName, time.Now().Unix())
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(filepath.Join(s.folder, fileName+suffix), filepath.Join(s.folder, aside+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	s.note("the index was damaged (%v) and is made anew from the log; it is kept as %s. Lost: dedup keys of entries whose log files are gone, what was registered at the platform, and what had become of those whose log files are there: they are delivered again", err, aside)
	return s.open()
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
	ns, err := segments(l.fs)
	if err != nil {
		return err
	}
	for _, n := range ns {
		f, err := l.fs.open(segmentName(n))
		if err != nil {
			return err
		}
		size, err := f.size()
		if err != nil {
			return err
		}
		l.files[n], l.live[n], l.last = f, &usage{size: size}, n
	}
	var pos cursor
	if err := s.writer.QueryRow("SELECT seg, off FROM pos").Scan(&pos.seg, &pos.off); err != nil {
		return err
	}
	l.last = max(l.last, pos.seg) // no number is used twice
	if err := s.forgetMissing(ns); err != nil {
		return err
	}
	for _, n := range ns {
		if n < pos.seg {
			continue
		}
		from := int64(0)
		if n == pos.seg {
			from = pos.off
		}
		if err := s.replay(n, from, n == ns[len(ns)-1]); err != nil {
			return err
		}
	}
	return s.loadCounters()
}

// forgetMissing removes the rows of segments that are not there: a segment
// goes only when nothing in it is needed, but the index may have forgotten
// that at a power cut.
func (s *Store) forgetMissing(there []int64) error {
	rows, err := s.writer.Query("SELECT DISTINCT seg FROM entry")
	if err != nil {
		return err
	}
	defer rows.Close()
	var gone []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return err
		}
		if !slices.Contains(there, n) {
			gone = append(gone, n)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(gone) == 0 {
		return err
	}
	tx, err := s.writer.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, n := range gone {
		if _, err := tx.Exec("DELETE FROM entry WHERE seg = ?", n); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("DELETE FROM lane; INSERT INTO lane(name, head, due) SELECT lane, MIN(seq), 0 FROM entry WHERE dead = 0 GROUP BY lane; UPDATE lane SET due = (SELECT due FROM entry WHERE seq = head)"); err != nil {
		return err
	}
	return tx.Commit()
}

// found is a record of the log that is sound.
type found struct {
	meta  meta
	place place
	flags uint32
	end   int64
}

// replay brings what stands in a segment behind from into the index.
func (s *Store) replay(n, from int64, last bool) error {
	f, size := s.log.files[n], s.log.live[n].size
	for from < size {
		group, end, damage := scan(f, from, size)
		if err := s.apply(n, group, end); err != nil {
			return err
		}
		from = end
		if damage == nil {
			continue
		}
		next := resync(f, end+8, size)
		switch {
		case next < 0 && last:
			// The end of what was being written when the power went.
			if err := errors.Join(f.Truncate(end), f.sync()); err != nil {
				return err
			}
			s.log.live[n].size = end
			return nil
		case next < 0:
			s.note("%v; nothing sound follows in this file", &store.CorruptError{File: segmentName(n), Offset: end, Err: damage})
			return nil
		}
		s.note("%v; %d bytes were passed over", &store.CorruptError{File: segmentName(n), Offset: end, Err: damage}, next-end)
		from = next
	}
	return nil
}

// scan reads up to replayGroup records. damage says why it stopped at end, if
// not at the end of the file or of the group.
func scan(f file, from, size int64) (group []found, end int64, damage error) {
	end = from
	for len(group) < replayGroup && end < size {
		r, err := readRecord(f, end, size)
		if err != nil {
			return group, end, err
		}
		group = append(group, r)
		end = r.end
	}
	return group, end, nil
}

func readRecord(f file, at, size int64) (r found, err error) {
	b := make([]byte, recordHead)
	if _, err := f.ReadAt(b, at); err != nil {
		return r, err
	}
	h, ok := readHead(b)
	if !ok || at+recordHead+h.meta+h.body > size {
		return r, errors.New("no record begins here, or it ends beyond the file")
	}
	text := make([]byte, h.meta)
	if _, err := f.ReadAt(text, at+recordHead); err != nil && !errors.Is(err, io.EOF) {
		return r, err
	}
	if crc32.Update(crc32.Checksum(b[8:], castagnoli), castagnoli, text) != h.crc {
		return r, errors.New("the head's sum does not fit")
	}
	if err := json.Unmarshal(text, &r.meta); err != nil {
		return r, err
	}
	r.place = place{off: at + recordHead + h.meta, len: int(h.body), crc: h.bodyCRC}
	if sum, err := checksum(f, r.place.off, h.body); err != nil || sum != h.bodyCRC {
		return r, errors.Join(errors.New("the body's sum does not fit"), err)
	}
	r.flags, r.end = h.flags, at+h.size()
	return r, nil
}

func checksum(f file, off, n int64) (uint32, error) {
	sum := crc32.New(castagnoli)
	_, err := io.Copy(sum, io.NewSectionReader(f, off, n))
	return sum.Sum32(), err
}

// resync finds the next sound record behind a damaged place; -1 if there is
// none. Records begin at multiples of 8.
func resync(f file, from, size int64) int64 {
	const window = 1 << 20
	buf := make([]byte, window)
	for at := padded(from); at < size; at += window {
		n, _ := f.ReadAt(buf, at)
		for i := 0; i+4 <= n; i += 8 {
			if binary.BigEndian.Uint32(buf[i:]) != recordMagic {
				continue
			}
			if _, err := readRecord(f, at+int64(i), size); err == nil {
				return at + int64(i)
			}
		}
	}
	return -1
}

// apply writes replayed records into the index, with the position behind them.
func (s *Store) apply(n int64, group []found, end int64) error {
	tx, err := s.writer.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	t := &txn{tx: tx, opts: s.opts, log: s.log}
	for i := range group {
		r := &group[i]
		r.place.seg = n
		if err := t.again(r); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("UPDATE pos SET seg = ?, off = ?", n, end); err != nil {
		return err
	}
	return tx.Commit()
}

// again admits a record of the log. A key that is known already belongs to an
// earlier record of the same event, whose sender was told to come again.
func (t *txn) again(r *found) error {
	m := &r.meta
	res, err := t.tx.Exec("UPDATE entry SET seg = ?, off = ?, crc = ? WHERE id = ?", r.place.seg, r.place.off, r.place.crc, m.ID)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	if len(m.Key) == len(store.Key{}) {
		var first string
		err := t.tx.QueryRow("SELECT id FROM key WHERE key = ?", m.Key).Scan(&first)
		if err == nil && first != m.Replaces && (first != m.ID || r.flags&flagMoved != 0) {
			return nil
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := t.tx.Exec("INSERT INTO key(key, id, expires) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET id = excluded.id, expires = excluded.expires", m.Key, m.ID, m.Expires); err != nil {
			return err
		}
	} else if r.flags&flagMoved != 0 {
		if settled, err := t.settledSince(m); settled || err != nil {
			return err
		}
	}
	if m.Replaces != "" {
		if err := t.removeDead(m.Replaces); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return t.insert(m, r.place)
}
