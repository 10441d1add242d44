package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"yiqiao/transform"
	"yiqiao/transform/event"
)

// The bounds of a capture: it is for a person who looks at some requests, and
// may not hold the memory of the process.
const (
	captureMost  = 100
	captureBytes = 64 << 20 // of all requests of one capture
	captureFor   = time.Hour
)

// taps are the captures under way. Each gets copies of the next requests, as
// they come, whatever becomes of them.
type taps struct {
	waiting atomic.Int32 // so that on other days a request pays for one look
	mu      sync.Mutex
	list    map[*tap]bool
}

type tap struct {
	source string // empty: all, and what no source takes
	out    chan Captured
	left   int // bytes that it may still take
}

// Captured is one request of a capture, a line of the answer of
// GET /-/capture.
type Captured struct {
	Source string `json:"source,omitempty"` // empty: no source listens there
	Path   string `json:"path"`
	HTTP   []byte `json:"http"` // the request as a .http file
}

func (t *taps) open(source string, n int) *tap {
	one := &tap{source: source, out: make(chan Captured, n), left: captureBytes}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.list == nil {
		t.list = map[*tap]bool{}
	}
	t.list[one] = true
	t.waiting.Store(int32(len(t.list)))
	return one
}

func (t *taps) close(one *tap) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.list, one)
	t.waiting.Store(int32(len(t.list)))
}

// wanted tells whether a capture waits for requests of a source.
func (t *taps) wanted(source string) bool {
	if t.waiting.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for one := range t.list {
		if one.takes(source) {
			return true
		}
	}
	return false
}

func (one *tap) takes(source string) bool {
	return (one.source == "" || one.source == source) && len(one.out) < cap(one.out)
}

// offer copies a request to the captures that wait for it.
func (t *taps) offer(source string, q *event.Request, body []byte) {
	if t.waiting.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var file []byte
	for one := range t.list {
		if !one.takes(source) || one.left < len(body) {
			continue
		}
		if file == nil {
			kept := keptRequest(q).masked()
			masked := kept.event()
			file = transform.AppendInput(nil, &masked, body)
		}
		one.left -= len(body)
		one.out <- Captured{source, q.Path, file} // there is room: only offers fill it
	}
}

// offerUnclaimed reads the body of a request that no source takes, for
// captures of all: an integrator with a new device has no source yet.
func (p *Proxy) offerUnclaimed(rw http.ResponseWriter, r *http.Request, g *Generation, begun time.Time) {
	if !p.taps.wanted("") {
		return
	}
	body, held, refused := p.read(rw, r, g)
	if refused != nil {
		return // it is answered with 404 in any case
	}
	defer p.memory.Release(held)
	defer p.buffers.put(body)
	q := requestOf(r, nil, begun)
	p.taps.offer("", &q, body)
}

// capture answers with the next n requests of a source, each as soon as it
// comes, one JSON object a line.
func (p *Proxy) capture(w http.ResponseWriter, r *http.Request) {
	source, n, length, err := p.captureQuery(r)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), length)
	defer cancel()
	one := p.taps.open(source, n)
	defer p.taps.close(one)
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Now().Add(length + time.Minute))
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	_ = out.Flush()
	for range n {
		select {
		case c := <-one.out:
			if json.NewEncoder(w).Encode(c) != nil || out.Flush() != nil {
				return // the asker is gone
			}
		case <-ctx.Done():
			return
		}
	}
}

func (p *Proxy) captureQuery(r *http.Request) (source string, n int, length time.Duration, err error) {
	q := r.URL.Query()
	source = q.Get("source")
	if source != "" && p.gen.Load().Rules.Source(source) == nil {
		return "", 0, 0, fmt.Errorf("source: no source %q is in use", source)
	}
	if n, err = strconv.Atoi(q.Get("n")); err != nil || n < 1 || n > captureMost {
		return "", 0, 0, fmt.Errorf("n: want 1 to %d, got %q", captureMost, q.Get("n"))
	}
	if length, err = time.ParseDuration(q.Get("for")); err != nil || length <= 0 || length > captureFor {
		return "", 0, 0, fmt.Errorf("for: want a duration of at most %s, got %q", captureFor, q.Get("for"))
	}
	return source, n, length, nil
}
