package disk

import (
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"

	"yiqiao/proxy/store"
)

var errNoRows = sql.ErrNoRows

// found is a record of the log that is sound.
type found struct {
	meta   meta
	place  place
	flags  uint32
	number int64
	end    int64
}

// segmentReader reads the records of a segment, one after the other, and
// passes over what is damaged.
type segmentReader struct {
	file     file
	at, size int64
	heads    bool // bodies are not proved
	// damage hears of what is passed over; end: nothing sound follows.
	damage func(at, next int64, err error) (stop bool)
}

// next reads one record; nil at the end.
func (r *segmentReader) next() (*found, error) {
	for r.at < r.size {
		f, err := readRecord(r.file, r.at, r.size, !r.heads)
		if err == nil {
			r.at = f.end
			return &f, nil
		}
		next := resync(r.file, r.at+8, r.size)
		if r.damage != nil && r.damage(r.at, next, err) || next < 0 {
			return nil, nil
		}
		r.at = next
	}
	return nil, nil
}

// take reads up to n records.
func (r *segmentReader) take(n int) (list []found, err error) {
	for len(list) < n {
		f, err := r.next()
		if f == nil || err != nil {
			return list, err
		}
		list = append(list, *f)
	}
	return list, nil
}

// logReader reads the segments of one class from a place on, run by run.
type logReader struct {
	store *Store
	from  cursor
	segs  []*segmentState // that are left
	seg   *segmentState   // at hand
	in    *segmentReader
	torn  bool
	anew  bool // the index is made from nothing
	run   []found
}

// peek returns the next run without going past it; nil at the end.
func (l *logReader) peek() ([]found, error) {
	for len(l.run) == 0 {
		if l.in == nil && !l.open() {
			return nil, nil
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
	return l.run, nil
}

func (l *logReader) open() bool {
	if len(l.segs) == 0 {
		return false
	}
	l.seg, l.segs, l.torn = l.segs[0], l.segs[1:], false
	l.in = &segmentReader{file: l.seg.file, size: l.seg.size, damage: l.damaged}
	if l.seg.n == l.from.seg {
		l.in.at = l.from.off
	}
	return true
}

// fill reads a run: what was admitted by one call. One that is not whole was
// not acknowledged, and none of it counts: the power went while it was written.
// Only when the index is made anew, all of the log may have been damaged since
// it was acknowledged, and each record counts.
func (l *logReader) fill() error {
	l.run = nil
	from := l.in.at // where the run begins
	for {
		at := l.in.at
		f, err := l.in.next()
		if err != nil {
			return err
		}
		whole := len(l.run) == 0 || l.run[len(l.run)-1].flags&flagMore == 0
		if f == nil {
			l.in = nil
			if whole {
				from = at
			} else if l.torn = l.torn || len(l.segs) == 0; !l.anew {
				l.run = nil
			}
			if l.torn {
				return l.cut(from)
			}
			return nil
		}
		f.place.seg = l.seg.n
		switch {
		case l.anew:
		case !whole && f.flags&flagRest == 0:
			l.run, from = nil, at // the one before is not whole
		case len(l.run) == 0 && f.flags&flagRest != 0:
			continue // its first is missing
		}
		if l.run = append(l.run, *f); f.flags&flagMore == 0 || l.anew {
			return nil
		}
	}
}

// damaged is told what is passed over.
func (l *logReader) damaged(at, next int64, err error) bool {
	what := &store.CorruptError{File: l.seg.String(), Offset: at, Err: err}
	switch {
	case next >= 0:
		l.store.note("%v; %d bytes were passed over", what, next-at)
	case len(l.segs) == 0:
		l.torn = true // the end of what was being written when the power went
	default:
		l.store.note("%v; nothing sound follows in this file", what)
	}
	return false
}

// cut takes off the end of a segment.
func (l *logReader) cut(at int64) error {
	if err := errors.Join(l.seg.file.Truncate(at), l.seg.file.sync()); err != nil {
		return err
	}
	l.seg.size, l.seg.synced = at, at
	return nil
}

func readRecord(f file, at, size int64, prove bool) (r found, err error) {
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
	if prove {
		if sum, err := checksum(f, r.place.off, h.body); err != nil || sum != h.bodyCRC {
			return r, errors.Join(errors.New("the body's sum does not fit"), err)
		}
	}
	if r.meta.Seq == 0 {
		r.meta.Seq = h.number
	}
	r.flags, r.number, r.end = h.flags, h.number, min(at+h.size(), size)
	return r, nil
}

func checksum(f file, off, n int64) (uint32, error) {
	sum := crc32.New(castagnoli)
	_, err := io.Copy(sum, io.NewSectionReader(f, off, n))
	return sum.Sum32(), err
}

// recordAt reads the head of the record whose body stands at p. It lies at
// most maxMeta before it, at a multiple of 8, and says so itself.
func (l *segLog) recordAt(p place) (r found, err error) {
	l.mu.RLock()
	s := l.segs[p.seg]
	l.mu.RUnlock()
	if s == nil {
		return r, store.ErrNotFound
	}
	for width := int64(4 << 10); ; width *= 16 {
		from := max(0, p.off-width) &^ 7
		b := make([]byte, p.off-from)
		if _, err := s.file.ReadAt(b, from); err != nil {
			return r, err
		}
		for i := (len(b) - recordHead) &^ 7; i >= 0; i -= 8 {
			h, ok := readHead(b[i:])
			if !ok || h.meta+recordHead != int64(len(b)-i) || crc32.Checksum(b[i+8:], castagnoli) != h.crc {
				continue
			}
			return r, json.Unmarshal(b[i+recordHead:], &r.meta)
		}
		if from == 0 || width > maxMeta {
			return r, &store.CorruptError{File: s.String(), Offset: p.off, Err: errors.New("the record has no head")}
		}
	}
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
			if _, err := readRecord(f, at+int64(i), size, true); err == nil {
				return at + int64(i)
			}
		}
	}
	return -1
}
