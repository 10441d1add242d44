package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"yiqiao/transform"
	"yiqiao/transform/event"
)

// bodyTimeout bounds how long a device may take to send a body: slow links
// are normal, a stuck one must not hold memory for ever.
const bodyTimeout = 60 * time.Second

// memoryWait is how long a request waits for memory before it is told to come
// again.
const memoryWait = 50 * time.Millisecond

// Devices is the handler that devices post to. Nothing else answers there.
func (p *Proxy) Devices() http.Handler { return http.HandlerFunc(p.ingest) }

// ingest turns a request into an event and the outcome into an answer.
func (p *Proxy) ingest(rw http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	g := p.gen.Load()
	s, params, ok := g.Rules.Match(r.Method, r.URL.Path)
	switch {
	case s == nil:
		p.offerUnclaimed(rw, r, g, begun)
		p.metrics.refusedRequest("path")
		p.log.Info("no source listens there", "method", r.Method, "path", r.URL.Path, "remote", r.RemoteAddr)
		http.Error(rw, fmt.Sprintf("no source listens at %s; see listen in the source.yaml files", r.URL.Path), http.StatusNotFound)
		return
	case !ok:
		p.metrics.refusedRequest("method")
		http.Error(rw, fmt.Sprintf("source %s does not take %s at %s", s.Name, r.Method, r.URL.Path), http.StatusMethodNotAllowed)
		return
	}
	defer p.recovered(rw, s)
	body, held, refused := p.read(rw, r, g)
	if refused != nil {
		p.metrics.refusedRequest(refused.why)
		if refused.status == http.StatusServiceUnavailable {
			p.full(rw, g, s, refused)
			return
		}
		http.Error(rw, refused.Error(), refused.status)
		return
	}
	defer p.memory.Release(held)
	defer p.buffers.put(body)
	if room := int64(event.InflatedRoom(r.Header.Get("Content-Encoding"), body)); room > 0 {
		// Only now, so that a slow sender does not hold it.
		if room = min(room, int64(g.Config.Limits.Memory)-held); !p.hold(r.Context(), room) {
			p.metrics.refusedRequest("memory")
			p.full(rw, g, s, nil)
			return
		}
		defer p.memory.Release(room)
	}

	w := p.works.Get().(*work)
	defer p.release(w)
	w.event.Request = requestOf(r, params, begun)
	p.taps.offer(s.Name, &w.event.Request, body)
	outcome, err := p.Accept(r.Context(), g, s, w, body)
	p.presence.sighted(s, &w.result, begun)
	if err != nil {
		p.metrics.refusedRequest("store")
		p.log.Error("event not stored, the device has to send it again", "source", s.Name, "remote", r.RemoteAddr, "err", err)
		p.full(rw, g, s, nil)
		return
	}
	p.past.keep(s.Name, w, body)
	p.metrics.event(s, outcome, time.Since(begun), len(body))
	var said transform.PlatformAnswer
	if outcome == transform.Accepted {
		outcome, said = w.call.wait(r.Context(), held)
	}
	write(rw, g.Rules.AnswerWaited(s, outcome, said, &w.event))
}

// full answers that the event could not be taken now.
func (p *Proxy) full(rw http.ResponseWriter, g *Generation, s *transform.Source, _ error) {
	p.metrics.event(s, transform.Full, 0, 0)
	rw.Header().Set("Connection", "close") // the body may be unread
	write(rw, g.Rules.Answer(s, transform.Full, nil))
}

func write(rw http.ResponseWriter, a transform.Answer) {
	for _, h := range a.Header {
		rw.Header().Set(h[0], h[1])
	}
	if len(a.Body) > 0 && rw.Header().Get("Content-Type") == "" {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	rw.WriteHeader(a.Status)
	_, _ = rw.Write(a.Body) // a device that is gone will send again
}

// recovered turns a panic of one event into a 503 for its device. It is a
// mistake of ours, so the device must keep the event.
func (p *Proxy) recovered(rw http.ResponseWriter, s *transform.Source) {
	if v := recover(); v != nil {
		if v == http.ErrAbortHandler {
			panic(v)
		}
		p.metrics.refusedRequest("panic")
		p.log.Error("panic while an event was taken; please report this", "source", s.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		rw.Header().Set("Retry-After", "60")
		http.Error(rw, "internal error", http.StatusServiceUnavailable)
	}
}

// refused says why a request was turned away before it became an event.
type refused struct {
	status int
	why    string // for metrics
	text   string
}

func (r *refused) Error() string { return r.text }

// read reads the body into a buffer of its size class. held bytes of memory
// are taken first, so the total is bounded whatever devices do.
func (p *Proxy) read(rw http.ResponseWriter, r *http.Request, g *Generation) (body []byte, held int64, no *refused) {
	limit := int64(g.Config.Limits.Body)
	tooLarge := &refused{http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body is larger than %d bytes (limits.body)", limit)}
	if r.ContentLength > limit {
		return nil, 0, tooLarge
	}
	// An unknown length is held at its limit: chunked bodies are rare and short.
	size := r.ContentLength
	if size < 0 {
		size = limit
	}
	// The body, and the entry that is made of it.
	held = 2*size + 8<<10
	if held > int64(g.Config.Limits.Memory) {
		held = int64(g.Config.Limits.Memory)
	}
	if !p.hold(r.Context(), held) {
		return nil, 0, &refused{http.StatusServiceUnavailable, "memory", "too many requests at once (limits.memory)"}
	}
	_ = http.NewResponseController(rw).SetReadDeadline(time.Now().Add(bodyTimeout))
	if r.ContentLength >= 0 {
		body = p.buffers.get(int(size))[:size]
		n, err := io.ReadFull(r.Body, body)
		if err == nil || size == 0 {
			return body, held, nil
		}
		p.buffers.put(body)
		p.memory.Release(held)
		return nil, 0, cutOff(err, n, size)
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, limit))
	if err != nil {
		p.memory.Release(held)
		var max *http.MaxBytesError
		if errors.As(err, &max) {
			return nil, 0, tooLarge
		}
		return nil, 0, cutOff(err, len(body), -1)
	}
	return body, held, nil
}

// hold takes memory, and waits for it only if it is not there: on a machine
// that stalls for longer than memoryWait nobody is refused what is free.
func (p *Proxy) hold(ctx context.Context, n int64) bool {
	if p.memory.TryAcquire(n) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, memoryWait)
	defer cancel()
	return p.memory.Acquire(ctx, n) == nil
}

func cutOff(err error, got int, want int64) *refused {
	return &refused{http.StatusBadRequest, "cut-off", fmt.Sprintf("the body ended after %d bytes of %d: %v", got, want, err)}
}

func requestOf(r *http.Request, params map[string]string, received time.Time) event.Request {
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	q := event.Request{
		Method: r.Method, Path: r.URL.Path, Params: params, Remote: remote,
		Received: received, ContentType: r.Header.Get("Content-Type"),
	}
	if r.URL.RawQuery != "" {
		q.Query = map[string]string{}
		for k, v := range r.URL.Query() {
			q.Query[k] = v[0]
		}
	}
	q.Header = keptHeaders(r.Header)
	return q
}
