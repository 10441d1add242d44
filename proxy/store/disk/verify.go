package disk

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"yiqiao/proxy/store"
)

// Report is what Verify found.
type Report struct {
	Segments []Checked
	Entries  int // rows of the index
	// Behind are records that the index does not know yet; the next start
	// brings them in.
	Behind int
	// Index says what of the index does not fit the log, at most 100 lines.
	Index []string
}

// Checked is what Verify found in one segment.
type Checked struct {
	File    string
	Bytes   int64
	Records int
	Damage  []*store.CorruptError
}

// Verify reads the whole log of a folder and proves every sum, and that each
// row of the index names a sound record. Nothing is changed. Nobody else may
// have the store open.
func Verify(folder string) (Report, error) {
	var r Report
	lock, err := lockFolder(folder)
	if err != nil {
		return r, err
	}
	defer lock.Close()
	db, err := sql.Open("sqlite", dataSource(folder, "query_only(1)"))
	if err != nil {
		return r, err
	}
	defer db.Close()
	v := verifier{Report: &r, fs: osFiles{filepath.Join(folder, logFolder)}, db: db, sound: map[int64]bool{}}
	segs, err := segments(v.fs)
	if err != nil {
		return r, err
	}
	if err := v.position(); err != nil {
		v.tell("the index cannot be read (it is made anew at the next start): %v", err)
		v.db = nil
	}
	for _, seg := range segs {
		if err := v.segment(seg); err != nil {
			return r, fmt.Errorf("%s: %w", seg, err)
		}
	}
	if v.db == nil {
		return r, nil
	}
	return r, v.index(segs)
}

// verifier is at work.
type verifier struct {
	*Report
	fs     fileSystem
	db     *sql.DB
	number int64          // up to which the index knows the log
	counts [2]int         // ready and dead, as the index has them
	sound  map[int64]bool // entries whose row names a sound record
}

func (v *verifier) tell(format string, args ...any) {
	if len(v.Index) < 100 {
		v.Index = append(v.Index, fmt.Sprintf(format, args...))
	}
}

func (v *verifier) position() error {
	return v.db.QueryRow("SELECT number, ready, dead FROM pos").Scan(&v.number, &v.counts[0], &v.counts[1])
}

func (v *verifier) segment(seg segment) error {
	f, err := v.fs.open(seg.String())
	if err != nil {
		return err
	}
	defer f.Close()
	c := Checked{File: seg.String()}
	if c.Bytes, err = f.size(); err != nil {
		return err
	}
	r := &segmentReader{file: f, size: c.Bytes, damage: func(at, _ int64, err error) bool {
		c.Damage = append(c.Damage, &store.CorruptError{File: c.File, Offset: at, Err: err})
		return false
	}}
	for {
		found, err := r.next()
		if err != nil {
			return err
		}
		if found == nil {
			v.Segments = append(v.Segments, c)
			return nil
		}
		c.Records++
		if err := v.record(found, seg.n); err != nil {
			return err
		}
	}
}

// record compares a record with its row.
func (v *verifier) record(f *found, seg int64) error {
	if v.db == nil {
		return nil
	}
	if f.number > v.number {
		v.Behind++
		return nil
	}
	var id string
	var at place
	err := v.db.QueryRow("SELECT id, seg, off, size, crc FROM entry WHERE seq = ?", f.meta.Seq).Scan(&id, &at.seg, &at.off, &at.len, &at.crc)
	if errors.Is(err, errNoRows) {
		return nil // settled
	}
	here := f.place
	here.seg = seg
	if id == f.meta.ID && at == here {
		v.sound[f.meta.Seq] = true
	}
	return err
}

// index looks for rows without a sound record, and counts.
func (v *verifier) index(segs []segment) error {
	rows, err := v.db.Query("SELECT seq, id, seg, off, dead FROM entry ORDER BY seq")
	if err != nil {
		return err
	}
	defer rows.Close()
	var counts [2]int
	for rows.Next() {
		var seq, n, off int64
		var id string
		var dead int
		if err := rows.Scan(&seq, &id, &n, &off, &dead); err != nil {
			return err
		}
		v.Entries++
		counts[dead]++
		if v.sound[seq] {
			continue
		}
		i := slices.IndexFunc(segs, func(s segment) bool { return s.n == n })
		if i < 0 {
			v.tell("entry %q lies in segment %016x, which is not there: it counts as settled", id, n)
			continue
		}
		v.tell("entry %q has no sound body in %s at byte %d", id, segs[i], off)
	}
	if counts != v.counts {
		v.tell("the index has %d waiting and %d dead entries, and counts %d and %d", counts[0], counts[1], v.counts[0], v.counts[1])
	}
	var said string
	if err := errors.Join(rows.Err(), rows.Close(), v.db.QueryRow("PRAGMA quick_check(1)").Scan(&said)); err != nil {
		return err
	}
	if said != "ok" {
		v.tell("SQLite says of it: %s", said)
	}
	return nil
}
