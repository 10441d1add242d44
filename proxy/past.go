package proxy

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"yiqiao/transform"
	"yiqiao/transform/event"
)

// past keeps the last events of each source in memory, to try new rules on. It
// never writes them anywhere. Of pictures only the ends are kept
// (event.Shorten), so an event is a few kilobytes; one that is larger for other
// reasons is left out.
type past struct {
	sources atomic.Pointer[map[string]*ring]
}

const (
	pastEventMost = 64 << 10 // bytes of one event
	pastOverhead  = 1 << 10  // what one costs beside its body: its headers and so on
)

// ring holds the last events of a source.
type ring struct {
	mu    sync.Mutex
	slots []pastEvent
	first int // the oldest
	n     int // how many are taken
	bytes int
	most  int // of bytes
}

type pastEvent struct {
	request event.Request
	body    []byte
}

func (e *pastEvent) size() int { return cap(e.body) + pastOverhead }

// resize takes the bounds and sources of a generation. Events of sources that
// are no more go.
func (p *past) resize(g *Generation) {
	sources := map[string]*ring{}
	if c := g.Config.Reload; c.Events > 0 && c.Bytes > 0 {
		for _, s := range g.Rules.Sources {
			sources[s.Name] = &ring{slots: make([]pastEvent, c.Events), most: int(c.Bytes) / len(g.Rules.Sources)}
		}
	}
	old := p.sources.Swap(&sources)
	if old == nil {
		return
	}
	for name, r := range sources {
		o := (*old)[name]
		if o == nil {
			continue
		}
		for _, e := range o.inOrder() {
			r.put(e)
		}
	}
}

// keep keeps an event that was accepted, as w has it decoded from body.
func (p *past) keep(source string, w *work, body []byte) {
	r := (*p.sources.Load())[source]
	if r == nil {
		return
	}
	short, ok := w.event.Shorten(w.short[:0], body, min(pastEventMost, r.most/4))
	if w.short = short; ok {
		w.short = r.put(pastEvent{w.event.Request, short})
	}
}

// put takes an event in and gives back memory that is free now: that of an
// older event that had to go.
func (r *ring) put(e pastEvent) (free []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.size() > r.most {
		return e.body
	}
	for r.n == len(r.slots) || r.bytes+e.size() > r.most {
		oldest := &r.slots[r.first]
		r.bytes -= oldest.size()
		free = oldest.body
		*oldest = pastEvent{}
		r.first = (r.first + 1) % len(r.slots)
		r.n--
	}
	r.slots[(r.first+r.n)%len(r.slots)] = e
	r.bytes += e.size()
	r.n++
	return free
}

// inOrder are copies of the events, the oldest first: those that come meanwhile
// do not wait for who looks at them.
func (r *ring) inOrder() []pastEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]pastEvent, r.n)
	for i := range list {
		e := r.slots[(r.first+i)%len(r.slots)]
		list[i] = pastEvent{e.request, bytes.Clone(e.body)}
	}
	return list
}

// each yields the events that are kept, source by source, the oldest first.
func (p *past) each(yield func(transform.PastEvent) bool) {
	sources := *p.sources.Load()
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		for _, e := range sources[name].inOrder() {
			q := e.request
			which := fmt.Sprintf("%s from %s at %s", name, q.Remote, q.Received.Format(time.DateTime))
			if !yield(transform.PastEvent{Name: which, Source: name, Request: q, Body: e.body}) {
				return
			}
		}
	}
}
