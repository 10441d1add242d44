package disk

import (
	"errors"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"yiqiao/proxy/store"
)

// segLog is the log of bodies: files that are only appended to, for each class
// one after the other. Only the writer appends, only the syncer
// syncs; anybody reads.
//
// A segment that has an error while it is written or synced is never written
// again: after a failed sync nobody knows which of its pages are on the disk.
type segLog struct {
	fs    fileSystem
	limit int64 // bytes of a segment

	mu   sync.RWMutex
	segs map[int64]*segmentState

	// The writer's own.
	current [classes]*segmentState // that is appended to; nil: none yet
	last    int64                  // greatest number of a segment ever used
	number  int64                  // of the last record
}

// segmentState is an open segment and what of it is used by entries that are
// still there, or on their way.
type segmentState struct {
	segment
	file file

	// Under segLog.mu.
	entries, bytes int64
	size           int64 // written
	synced         int64
	open           bool  // the writer appends to it
	broken         error // of a sync
	tries          int   // to empty it
}

// place of a body in the log.
type place struct {
	seg, off int64
	len      int
	crc      uint32
}

func newSegLog(fs fileSystem, limit int64) *segLog {
	return &segLog{fs: fs, limit: limit, segs: map[int64]*segmentState{}}
}

// batch is what goes to one segment by one write.
type batch struct {
	seg   *segmentState
	off   int64
	size  int64
	parts [][]byte
	ops   []*op
}

var zeros [8]byte

// add puts an operation's records, which stand together, behind the others.
func (b *batch) add(l *segLog, o *op) {
	for i := range o.records {
		r := &o.records[i]
		l.number++
		r.finish(l.number, o.run(i))
		at := b.off + b.size + int64(len(r.head))
		o.at = append(o.at, place{b.seg.n, at, len(r.body), r.crc})
		n := r.size()
		b.parts = append(b.parts, r.head, r.body)
		if pad := n - int64(len(r.head)+len(r.body)); pad > 0 {
			b.parts = append(b.parts, zeros[:pad])
		}
		b.size += n
	}
	o.seg, o.number = b.seg, l.number
	b.ops = append(b.ops, o)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range o.at {
		b.seg.entries++
		b.seg.bytes += int64(p.len)
	}
}

// run says which records belong together.
func (o *op) run(i int) (flags uint32) {
	if i > 0 && !o.moves {
		flags |= flagRest
	}
	if i+1 < len(o.records) && !o.moves {
		flags |= flagMore
	}
	return flags
}

// next returns the segment of a class that takes n more bytes.
func (l *segLog) next(c class, n int64) (*segmentState, error) {
	if s := l.current[c]; s != nil {
		l.mu.RLock()
		fits := s.broken == nil && (s.size == 0 || s.size+n <= l.limit)
		l.mu.RUnlock()
		if fits {
			return s, nil
		}
	}
	return l.begin(c)
}

// begin makes the next segment of a class. Its name is durable before anything
// in it counts, and what stands in the one before it is: only the last segment
// of a class may end in a torn record.
func (l *segLog) begin(c class) (*segmentState, error) {
	if old := l.current[c]; old != nil {
		l.leave(c)
		if err := l.seal(old); err != nil {
			return nil, err
		}
	}
	l.last++
	s := &segmentState{segment: segment{l.last, c}, open: true}
	var err error
	if s.file, err = l.fs.create(s.String()); err != nil {
		if !errors.Is(err, os.ErrExist) {
			l.last-- // a number that no file has says that one is gone (see recover)
		}
		return nil, err
	}
	if err := l.fs.syncDir(); err != nil {
		why := l.fs.remove(s.String())
		if why == nil {
			l.last--
		}
		return nil, errors.Join(err, s.file.Close(), why)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segs[s.n], l.current[c] = s, s
	return s, nil
}

// seal syncs a segment that is not appended to any more, unless that has
// failed before.
func (l *segLog) seal(s *segmentState) error {
	l.mu.RLock()
	broken := s.broken
	l.mu.RUnlock()
	if broken != nil {
		return nil
	}
	return l.sync(s, 0)
}

// leave ends the appending to the current segment of a class.
func (l *segLog) leave(c class) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.current[c]; s != nil {
		s.open = false
	}
	l.current[c] = nil
}

// write writes a batch. After an error its segment is not appended to any
// more: what was written before the batch stands, what came of it is cut off.
func (l *segLog) write(b *batch) error {
	if err := b.seg.file.write(b.parts, b.off); err != nil {
		l.leave(b.seg.class)
		_ = b.seg.file.Truncate(b.off) // or a start finds what was not acknowledged, and its key
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b.seg.size = b.off + b.size
	return nil
}

// sync makes durable what is written of a segment up to end. It is never tried
// again when it has failed once.
func (l *segLog) sync(s *segmentState, end int64) error {
	l.mu.RLock()
	broken := s.broken
	l.mu.RUnlock()
	if broken != nil {
		return broken
	}
	err := s.file.sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		s.broken = err
		_ = s.file.Truncate(s.synced)
		return err
	}
	s.synced = max(s.synced, end)
	return s.broken
}

// read appends a body to dst and proves its sum.
func (l *segLog) read(p place, dst []byte) ([]byte, error) {
	l.mu.RLock()
	s := l.segs[p.seg]
	l.mu.RUnlock()
	if s == nil {
		return dst, store.ErrNotFound
	}
	from := len(dst)
	if cap(dst)-from < p.len {
		dst = append(make([]byte, 0, from+p.len), dst...)
	}
	dst = dst[:from+p.len]
	_, err := s.file.ReadAt(dst[from:], p.off)
	switch {
	case errors.Is(err, os.ErrClosed): // its segment went meanwhile
		return dst[:from], store.ErrNotFound
	case err != nil && !(errors.Is(err, io.EOF) && p.len == 0):
		return dst[:from], &store.CorruptError{File: s.String(), Offset: p.off, Err: err}
	}
	if crc32.Checksum(dst[from:], castagnoli) != p.crc {
		return dst[:from], &store.CorruptError{File: s.String(), Offset: p.off, Err: errors.New("the sum does not fit")}
	}
	return dst, nil
}

// gone notes that a body is not needed any more.
func (l *segLog) gone(p place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.segs[p.seg]; s != nil {
		s.entries--
		s.bytes -= int64(p.len)
	}
}

// drop removes a segment. Whoever calls it has made durable that nothing in
// it is needed any more.
func (l *segLog) drop(s *segmentState) error {
	l.mu.Lock()
	delete(l.segs, s.n)
	l.mu.Unlock()
	return errors.Join(s.file.Close(), l.fs.remove(s.String()))
}

func (l *segLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, s := range l.segs {
		errs = append(errs, s.file.Close())
	}
	clear(l.segs)
	return errors.Join(errs...)
}
