package disk

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"yiqiao/proxy/store"
)

// health remembers what is wrong now.
type health struct {
	sync.Mutex
	logErr   error // of the last write or sync of the log
	indexErr error // why the index is behind the log
	tidyErr  error
	refused  int64 // bytes of the last admission, if there was no room for it
	asked    time.Time
	left     int64 // bytes that may still be written before the disk is asked again
}

// log notes how a write or a sync of the log ended.
func (h *health) log(err error) {
	h.Lock()
	defer h.Unlock()
	h.logErr = err
	if isFull(err) {
		h.left = 0
	}
}

// indexed notes whether the index is behind the log, and why.
func (h *health) indexed(why error) {
	h.Lock()
	defer h.Unlock()
	h.indexErr = why
}

func (h *health) tidied(err error) {
	h.Lock()
	defer h.Unlock()
	h.tidyErr = err
}

// State says "ok", or what is wrong now: "full: …", when nothing more is
// admitted until there is room; "read-only: …", when the log cannot be written;
// "degraded: …" for the rest.
func (s *Store) State() string {
	s.health.Lock()
	logErr, indexErr, tidyErr, refused := s.health.logErr, s.health.indexErr, s.health.tidyErr, s.health.refused
	s.health.Unlock()
	var full error
	if refused > 0 {
		full = errors.Join(s.quota(refused), s.space(refused))
	}
	say := func(word string, err error) string {
		return word + ": " + strings.ReplaceAll(strings.TrimPrefix(err.Error(), store.ErrFull.Error()+": "), "\n", "; ")
	}
	switch {
	case full != nil:
		return say("full", full)
	case isFull(logErr), isFull(indexErr):
		return say("full", errors.Join(logErr, indexErr))
	case logErr != nil:
		return say("read-only", logErr)
	case indexErr != nil:
		return say("degraded", fmt.Errorf("the index is behind the log: %w", indexErr))
	case tidyErr != nil:
		return say("degraded", fmt.Errorf("segments cannot be removed: %w", tidyErr))
	}
	return "ok"
}

// room says whether so many bytes may be admitted, whose operation is among
// those on their way.
func (s *Store) room(n int64) error {
	s.health.Lock()
	behind := s.health.indexErr
	s.health.Unlock()
	if behind != nil {
		return fmt.Errorf("nothing is admitted until the index has caught up with the log: %w", explain(behind))
	}
	err := s.quota(0)
	if err == nil {
		err = s.space(n)
	}
	s.health.Lock()
	defer s.health.Unlock()
	if s.health.refused = 0; err != nil {
		s.health.refused = max(n, 1)
	}
	return err
}

// quota says whether n more bytes stay within MaxBytes.
func (s *Store) quota(n int64) error {
	s.flight.Lock()
	n += s.flight.bytes + s.counters().bytes()
	s.flight.Unlock()
	if n > s.opts.MaxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d (store.maxBytes)", store.ErrFull, n, s.opts.MaxBytes)
	}
	return nil
}

// freeEvery is for how long an answer of the disk about its space holds, unless
// what it left was written before.
const freeEvery = time.Second

// space says whether the disk has room for n bytes more, and leaves to others
// what is theirs.
func (s *Store) space(n int64) error {
	h := &s.health
	h.Lock()
	defer h.Unlock()
	if now := time.Now(); h.left < n || now.Sub(h.asked) > freeEvery {
		free, total, err := s.log.fs.space()
		if err != nil || total == 0 {
			return nil // the write will tell
		}
		h.asked, h.left = now, free-s.opts.MinFree
		if h.left < n {
			return fmt.Errorf("%w: the disk has %d bytes left, %d of them are for others (store.minFree)", store.ErrFull, free, s.opts.MinFree)
		}
	}
	h.left -= n
	return nil
}

// floor is the default of MinFree.
func floor(fs fileSystem) int64 {
	_, total, err := fs.space()
	if err != nil {
		return 0
	}
	return min(max(total/20, 2<<30), total/10)
}

// ballastBytes is the size of the ballast, at most.
const ballastBytes = 64 << 20

// ballastSize is that of the ballast on a disk of so many bytes.
func ballastSize(total int64) int64 { return min(ballastBytes, total/64) }

// ballast is a file that only takes room. When the disk is full it goes, so
// that deliveries can still be noted. It comes back when there is room.
type ballast struct {
	name  string // empty: there is none
	space func() (free, total int64, err error)
}

// release gives the room back; false if there was none to give.
func (b *ballast) release() bool { return b.name != "" && os.Remove(b.name) == nil }

// fill makes the file if it is not there and the disk has enough left.
func (b *ballast) fill(minFree int64) {
	if b.name == "" {
		return
	}
	if _, err := os.Stat(b.name); err == nil {
		return
	}
	free, total, err := b.space()
	size := ballastSize(total)
	if err != nil || size == 0 || free < minFree+2*size {
		return
	}
	f, err := os.OpenFile(b.name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	err = allocate(f, size)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(b.name)
	}
}
