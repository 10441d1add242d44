package proxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/store"
	"yiqiao/transform"
)

// callers are those who sent an event by whose mapping they are told what the
// platform says of it (wait in a mapping). The event is durable before they
// wait, so nothing depends on it: when the time ends, or the process, they are
// told that it was accepted. With several replicas another one may deliver it;
// that is the same as if the time ended.
type callers struct {
	mu    sync.Mutex
	byID  map[string]chan<- said
	ended bool
	// room is the memory of requests that may wait: a part of limits.memory, so
	// that a platform that is away does not shut out other devices.
	room *semaphore.Weighted
}

// waitingPart of limits.memory is what requests that wait may hold.
const waitingPart = 4

// said is what became of one entry.
type said struct {
	delivered     bool
	code, message string
}

func newCallers(memory int64) *callers {
	return &callers{byID: map[string]chan<- said{}, room: semaphore.NewWeighted(memory / waitingPart)}
}

// call is one who waits for some entries.
type call struct {
	of    *callers
	ids   []string
	heard chan said // buffered: nobody waits for the caller
	until time.Time
}

// expect begins to listen for the entries whose mappings say so, before they
// are admitted; nil: none does.
func (c *callers) expect(entries []store.Entry, records []transform.Record, now time.Time) *call {
	var longest time.Duration
	var ids []string
	for i := range records {
		if wait := records[i].Mapping.Wait; wait > 0 {
			longest = max(longest, wait)
			ids = append(ids, entries[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	one := &call{of: c, ids: ids, heard: make(chan said, len(ids)), until: now.Add(longest)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	for _, id := range one.ids {
		c.byID[id] = one.heard
	}
	return one
}

// admitted leaves out the duplicates: nobody delivers them.
func (c *call) admitted(admissions []store.Admission, entries []store.Entry) {
	if c == nil {
		return
	}
	for i, a := range admissions {
		if a.Duplicate {
			c.forget(entries[i].ID)
		}
	}
}

func (c *call) forget(id string) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.byID, id)
	c.ids = slices.DeleteFunc(c.ids, func(one string) bool { return one == id })
}

// end stops listening.
func (c *call) end() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	for _, id := range c.ids {
		delete(c.of.byID, id)
	}
}

// wait hears what became of all entries: they are delivered, or one is
// rejected; accepted when it cannot be heard in time. held is the memory of
// the request.
func (c *call) wait(ctx context.Context, held int64) (transform.Outcome, transform.PlatformAnswer) {
	if c == nil || len(c.ids) == 0 || !c.of.room.TryAcquire(held) {
		return transform.Accepted, transform.PlatformAnswer{}
	}
	defer c.of.room.Release(held)
	timer := time.NewTimer(time.Until(c.until))
	defer timer.Stop()
	var last transform.PlatformAnswer
	for range c.ids {
		select {
		case s, ok := <-c.heard:
			switch last = (transform.PlatformAnswer{Code: s.code, Message: s.message}); {
			case !ok:
				return transform.Accepted, transform.PlatformAnswer{}
			case !s.delivered:
				return transform.Rejected, last
			}
		case <-timer.C:
			return transform.Accepted, transform.PlatformAnswer{}
		case <-ctx.Done():
			return transform.Accepted, transform.PlatformAnswer{}
		}
	}
	return transform.Delivered, last
}

// hear tells who waits for an entry what became of it; a retry is no end.
func (c *callers) hear(id string, do store.Action, v platform.Verdict, why store.Reason) {
	if do != store.Delivered && do != store.Bury {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.byID[id]
	if to == nil {
		return
	}
	delete(c.byID, id)
	s := said{delivered: do == store.Delivered, code: v.Code, message: v.Message}
	if !s.delivered && s.message == "" {
		s.message = why.Text
	}
	to <- s
}

// stop lets all go: the process ends.
func (c *callers) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	closed := map[chan<- said]bool{}
	for _, to := range c.byID {
		if !closed[to] {
			closed[to] = true
			close(to)
		}
	}
	clear(c.byID)
}
