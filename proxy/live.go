package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/store"
	"yiqiao/transform"
)

// live tells those who watch what happens to events, as it happens. It keeps
// nothing, and while nobody watches an event pays for one look.
type live struct {
	watching atomic.Int32
	mu       sync.Mutex
	watchers map[*Watcher]bool
	ended    chan struct{}
}

// Happening is one thing that happened to an event: labels and reasons, as logs
// tell them, and nothing of its inside.
type Happening struct {
	At time.Time `json:"at"`
	// What: admitted, duplicate (of an entry, Of), ignored, kept (a dead letter),
	// or the end of a try to deliver it: delivered, retry, dead.
	What      string `json:"what"`
	ID        string `json:"id,omitempty"` // of the entry; an ignored event has none
	Of        string `json:"of,omitempty"`
	Source    string `json:"source"`
	Mapping   string `json:"mapping,omitempty"`
	Interface string `json:"interface,omitempty"`
	Device    string `json:"device,omitempty"`
	Class     string `json:"class,omitempty"` // of a dead letter
	Reason    string `json:"reason,omitempty"`
	Chinese   string `json:"chinese,omitempty"`  // the reason for who reads Chinese
	Attempt   int    `json:"attempt,omitempty"`  // of a delivery, from 1
	Millis    int64  `json:"millis,omitempty"`   // that the platform took to answer
	Admitted  string `json:"admitted,omitempty"` // of a delivery: when the entry was, RFC 3339
}

const (
	watchersMost = 20
	watchedMost  = 1000 // happenings that wait for a watcher; more are counted only
)

// Watcher is somebody who watches. Take empties it.
type Watcher struct {
	mu     sync.Mutex
	list   []Happening
	missed int
}

// Take returns what happened since the last time, and how much more did than a
// watcher is told.
func (w *Watcher) Take() (list []Happening, missed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list, missed = w.list, w.missed
	w.list, w.missed = nil, 0
	return list, missed
}

// WatchEvents begins to watch; nil: too many do. ended is closed when the
// process is about to end. stop has to be called.
func (p *Proxy) WatchEvents() (w *Watcher, ended <-chan struct{}, stop func()) {
	l := &p.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watchers) >= watchersMost {
		return nil, nil, nil
	}
	w = new(Watcher)
	l.watchers[w] = true
	l.watching.Store(int32(len(l.watchers)))
	return w, l.ended, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, w)
		l.watching.Store(int32(len(l.watchers)))
	}
}

func newLive() live { return live{watchers: map[*Watcher]bool{}, ended: make(chan struct{})} }

// end lets all watchers go.
func (l *live) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.ended:
	default:
		close(l.ended)
	}
}

func (l *live) tell(h Happening) {
	h.At = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.watchers {
		w.mu.Lock()
		if len(w.list) < watchedMost {
			w.list = append(w.list, h)
		} else {
			w.missed++
		}
		w.mu.Unlock()
	}
}

func happeningOf(what, id string, l store.Labels) Happening {
	return Happening{What: what, ID: id, Source: l.Source, Mapping: l.Mapping, Interface: l.Interface, Device: l.Device}
}

func (l *live) admitted(e *store.Entry, a store.Admission) {
	if l.watching.Load() == 0 {
		return
	}
	h := happeningOf("admitted", e.ID, e.Labels)
	if a.Duplicate {
		h.What, h.Of = "duplicate", a.ID
	}
	l.tell(h)
}

func (l *live) kept(e *store.Entry, a store.Admission, why *transform.Refusal) {
	if l.watching.Load() == 0 {
		return
	}
	h := happeningOf("kept", e.ID, e.Labels)
	if a.Duplicate {
		h.What, h.Of = "duplicate", a.ID
	}
	h.Class, h.Reason, h.Chinese = string(why.Class), why.Text, why.Chinese
	l.tell(h)
}

func (l *live) ignored(source string, res *transform.Result) {
	if l.watching.Load() == 0 {
		return
	}
	h := Happening{What: "ignored", Source: source, Device: res.Device}
	if len(res.Ignored) > 0 {
		h.Mapping, h.Reason = res.Ignored[0].Mapping, res.Ignored[0].Because
	}
	l.tell(h)
}

func (l *live) tried(c *store.Claim, v platform.Verdict, o store.Outcome) {
	if l.watching.Load() == 0 {
		return
	}
	h := happeningOf("retry", c.ID, c.Labels)
	switch o.Do {
	case store.Delivered:
		h.What = "delivered"
	case store.Bury:
		h.What, h.Class = "dead", string(o.Reason.Class)
	}
	if o.Do != store.Delivered {
		h.Reason = v.String()
	}
	h.Attempt, h.Millis, h.Admitted = c.Attempts+1, v.Latency.Milliseconds(), c.Admitted.Format(time.RFC3339Nano)
	l.tell(h)
}
