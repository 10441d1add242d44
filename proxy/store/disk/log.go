package disk

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"syscall"

	"yiqiao/proxy/store"
)

// segLog is the log of bodies: files that are only appended to, one after the
// other. Only the writer goroutine appends; anybody reads.
//
// A segment that has an error while it is written or synced is never written
// again: after a failed sync nobody knows which of its pages are on the disk.
type segLog struct {
	fs    fileSystem
	limit int64 // bytes of a segment

	mu    sync.RWMutex
	files map[int64]file

	// The writer's own.
	current int64 // segment that is appended to; 0: none yet
	end     int64 // its length
	last    int64 // greatest number ever used
	live    map[int64]*usage
}

// usage of a segment by entries that are still there.
type usage struct {
	entries, bytes int64
	size           int64 // of the segment
}

// place of a body in the log.
type place struct {
	seg, off int64
	len      int
	crc      uint32
}

func newSegLog(fs fileSystem, limit int64) *segLog {
	return &segLog{fs: fs, limit: limit, files: map[int64]file{}, live: map[int64]*usage{}}
}

// cursor is where the next record goes. It moves while a group is planned and
// counts only when the group is written.
type cursor struct{ seg, off int64 }

// next plans a record of n bytes; a full segment is followed by a new one.
func (l *segLog) next(c *cursor, n int64) {
	if c.seg == 0 || c.off > 0 && c.off+n > l.limit {
		*c = cursor{seg: max(l.last, c.seg) + 1}
	}
}

func (l *segLog) cursor() cursor { return cursor{l.current, l.end} }

// planned is a record with its place.
type planned struct {
	record
	at cursor
}

// write writes records at their places and syncs the segments they went to.
// After an error the segments that were touched are closed for writing.
func (l *segLog) write(records []planned) (err error) {
	defer func() {
		if err != nil {
			l.current, l.end = 0, 0 // the next record begins a new segment
		}
	}()
	var touched file
	for i := range records {
		r := &records[i]
		if r.at.seg != l.current {
			if touched != nil {
				if err := touched.sync(); err != nil {
					return err
				}
			}
			if err := l.begin(r.at.seg); err != nil {
				return err
			}
		}
		touched = l.file(r.at.seg)
		if _, err := touched.WriteAt(r.head, r.at.off); err != nil {
			return err
		}
		if _, err := touched.WriteAt(pad(r.body, len(r.head)), r.at.off+int64(len(r.head))); err != nil {
			return err
		}
		l.end = r.at.off + r.size()
		l.live[r.at.seg].size = l.end
	}
	if touched == nil {
		return nil
	}
	return touched.sync()
}

// pad returns the body, and where that is cheap the padding behind it; a file
// that ends short of it is extended by the next record.
func pad(body []byte, before int) []byte {
	n := int(padded(int64(before+len(body)))) - before - len(body)
	if n == 0 || len(body) > 4<<10 {
		return body
	}
	return append(body[:len(body):len(body)], make([]byte, n)...)
}

// begin makes a segment. Its name is durable before anything in it counts.
func (l *segLog) begin(n int64) error {
	l.last = max(l.last, n)
	f, err := l.fs.create(segmentName(n))
	if err != nil {
		return err
	}
	if err := l.fs.syncDir(); err != nil {
		f.Close()
		return err
	}
	l.mu.Lock()
	l.files[n] = f
	l.mu.Unlock()
	l.current, l.end, l.live[n] = n, 0, new(usage)
	return nil
}

func (l *segLog) file(n int64) file {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.files[n]
}

// read appends a body to dst and proves its sum.
func (l *segLog) read(p place, dst []byte) ([]byte, error) {
	l.mu.RLock() // no segment goes away meanwhile
	defer l.mu.RUnlock()
	f := l.files[p.seg]
	if f == nil {
		return dst, store.ErrNotFound
	}
	from := len(dst)
	if cap(dst)-from < p.len {
		dst = append(make([]byte, 0, from+p.len), dst...)
	}
	dst = dst[:from+p.len]
	if _, err := f.ReadAt(dst[from:], p.off); err != nil && !(errors.Is(err, io.EOF) && p.len == 0) {
		return dst[:from], &store.CorruptError{File: segmentName(p.seg), Offset: p.off, Err: err}
	}
	if crc32.Checksum(dst[from:], castagnoli) != p.crc {
		return dst[:from], &store.CorruptError{File: segmentName(p.seg), Offset: p.off, Err: errors.New("the sum does not fit")}
	}
	return dst, nil
}

// count notes that a body came to a segment or went from it.
func (l *segLog) count(p place, n int) {
	u := l.live[p.seg]
	if u == nil {
		return
	}
	u.entries += int64(n)
	u.bytes += int64(n * p.len)
}

// drop removes a segment. Whoever calls it has made durable that nothing in
// it is needed any more.
func (l *segLog) drop(n int64) error {
	l.mu.Lock()
	f := l.files[n]
	delete(l.files, n)
	l.mu.Unlock()
	delete(l.live, n)
	if f != nil {
		f.Close()
	}
	return l.fs.remove(segmentName(n))
}

func (l *segLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	clear(l.files)
	return errors.Join(errs...)
}

// explainLog turns errors of files into those of the contract.
func explainLog(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
