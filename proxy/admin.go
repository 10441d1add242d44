package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// Admin is the handler for people and probes. It never shares a listener with
// the devices.
//
//	GET  /-/healthy           the process lives
//	GET  /-/ready             it takes events: 200 or 503, with details
//	POST /-/reload            load the site's files now; answers with the problems
//	                          and with what changes for past events
//	GET  /-/reload            the same of the last reload, and what waits
//	POST /-/reload/accept?generation=…
//	                          let the generation that waits take traffic
//	POST /-/reload/reject?generation=…
//	                          drop it
//	GET  /metrics             Prometheus
//	POST /-/events            a captured request (.http) is taken as if it came
//	                          now; ?again=true: registrations are sent even if
//	                          they are unchanged
//	GET  /-/import            whose records an import would be
//	POST /-/import/{interface}?again=true
//	                          JSON lines: a record each, told what became of it
//	GET  /-/capture?source=…&n=…&for=…
//	                          the next requests of a source, as they come
//	GET  /-/devices           the devices, whether they are there, and their last problem
//	GET  /-/subscriptions     the devices that are listened to, and how that goes
//	GET  /-/store             what the store holds
//	GET  /-/waiting           list what waits, with why; filters as below,
//	                          class=waiting for what waits for a registration
//	GET  /-/dead?source=…     list by source, interface, device, class, reason
//	                          (a text in it), since, until (RFC 3339), after
//	                          (an id), limit
//	GET  /-/dead/summary      counts by source, class and device
//	GET  /-/dead/{id}         one, with its original, and how it maps now
//	POST /-/dead/{id}/retry   map it again with the rules of now
//	POST /-/dead/{id}/drop    remove it for good
func (p *Proxy) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /-/ready", p.ready)
	mux.HandleFunc("POST /-/reload", p.reload)
	mux.HandleFunc("GET /-/reload", p.showReload)
	mux.HandleFunc("POST /-/reload/{verdict}", p.judgeReload)
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /-/capture", p.capture)
	mux.HandleFunc("GET /-/devices", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, p.Presence(time.Now())) })
	mux.HandleFunc("GET /-/store", p.storeStats)
	mux.HandleFunc("GET /-/subscriptions", p.listSubscriptions)
	mux.HandleFunc("POST /-/events", p.importEvent)
	mux.HandleFunc("GET /-/import", p.importSite)
	mux.HandleFunc("POST /-/import/{interface...}", p.importRecords)
	mux.HandleFunc("GET /-/dead/{id}/original", p.exportDead)
	mux.HandleFunc("GET /-/waiting", p.listWaiting)
	mux.HandleFunc("GET /-/dead", p.listDead)
	mux.HandleFunc("GET /-/dead/summary", p.summarizeDead)
	mux.HandleFunc("GET /-/dead/{id}", p.showDead)
	mux.HandleFunc("POST /-/dead/{id}/retry", p.retryDead)
	mux.HandleFunc("POST /-/dead/{id}/drop", p.dropDead)
	return sameSite(mux)
}

// sameSite refuses what a web page of another site makes a browser send: a
// console on loopback is no defence against that.
func sameSite(next http.Handler) http.Handler { return http.NewCrossOriginProtection().Handler(next) }

func (p *Proxy) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	h := p.Health(ctx)
	status := http.StatusOK
	if !h.OK {
		status = http.StatusServiceUnavailable
	}
	reply(w, status, h)
}

// languageOf is the language that who asks reads.
func languageOf(r *http.Request) message.Language {
	if strings.HasPrefix(r.Header.Get("Accept-Language"), "zh") {
		return message.Chinese
	}
	return message.English
}

// Imported answers POST /-/events.
type Imported struct {
	Source  string `json:"source"`
	Outcome string `json:"outcome"` // accepted, duplicate, ignored, kept
}

// importEvent takes an event that was captured or exported: as its device
// would send it, with the time and the address that it had.
func (p *Proxy) importEvent(w http.ResponseWriter, r *http.Request) {
	g := p.gen.Load()
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(g.Config.Limits.Body)+64<<10))
	if err != nil {
		reply(w, http.StatusRequestEntityTooLarge, map[string]string{"error": err.Error()})
		return
	}
	q, body, err := transform.ReadCapture(data)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	s, params, ok := g.Rules.Match(q.Method, q.Path)
	if name, imported := strings.CutPrefix(q.Path, importPath); imported && g.Rules.Catalogue.Interface(name) != nil {
		s, ok = g.Rules.Source(transform.ImportSource), true // a dead letter of an import, exported
	}
	if !ok {
		reply(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("no source takes %s %s", q.Method, q.Path)})
		return
	}
	wk := p.works.Get().(*work)
	defer p.release(wk)
	q.Params = params
	if q.Header["x-received"] == "" {
		q.Received = time.Now()
	}
	wk.event.Request, wk.again = q, r.URL.Query().Get("again") == "true"
	outcome, err := p.Accept(r.Context(), g, s, wk, body)
	if err == nil {
		p.metrics.event(s, outcome, 0, len(body))
	}
	replyOr(w, Imported{s.Name, string(outcome)}, err)
}

// exportDead answers with a dead letter's original as a captured request.
func (p *Proxy) exportDead(w http.ResponseWriter, r *http.Request) {
	_, e, err := p.loadDead(r.Context(), r.PathValue("id"))
	if err != nil {
		replyOr(w, nil, err)
		return
	}
	masked := e.head.Request.masked()
	q := masked.event()
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(transform.AppendInput(nil, &q, e.original))
}

// StoreStats answers GET /-/store.
type StoreStats struct {
	Waiting      int        `json:"waiting"`
	WaitingBytes int64      `json:"waitingBytes"`
	Oldest       *time.Time `json:"oldest,omitempty"`
	Dead         int        `json:"dead"`
	DeadBytes    int64      `json:"deadBytes"`
	Keys         int        `json:"keys"`
	Unshared     int64      `json:"unshared,omitempty"` // admitted while the replicas' keys were out of reach
	Twice        int64      `json:"twice,omitempty"`    // admitted by another replica too
	State        string     `json:"state"`              // ok, or what is wrong: full, read-only, degraded
	Promise      string     `json:"promise"`
}

func (p *Proxy) storeStats(w http.ResponseWriter, r *http.Request) {
	st, err := p.store.Stats(r.Context(), time.Now())
	out := StoreStats{Waiting: st.Ready, WaitingBytes: st.ReadyBytes, Dead: st.Dead, DeadBytes: st.DeadBytes, Keys: st.Keys, Unshared: st.Unshared, Twice: st.Twice, State: p.storeState(), Promise: p.store.Promise()}
	if !st.Oldest.IsZero() {
		out.Oldest = &st.Oldest
	}
	replyOr(w, out, err)
}

// listFilter reads what a request selects.
func listFilter(r *http.Request) (store.Filter, error) {
	q := r.URL.Query()
	f := store.Filter{Source: q.Get("source"), Interface: q.Get("interface"), Device: q.Get("device"), Class: store.Class(q.Get("class")), After: q.Get("after"), Limit: 100}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1000 {
			return f, fmt.Errorf("limit: want 1 to 1000, got %q", s)
		}
		f.Limit = n
	}
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if s := q.Get(name); s != "" {
			t, err := time.Parse(time.RFC3339, s)
			if err != nil {
				return f, fmt.Errorf("%s: want a time like 2026-01-02T15:04:05+08:00, got %q", name, s)
			}
			*at = t
		}
	}
	return f, nil
}

func (p *Proxy) listDead(w http.ResponseWriter, r *http.Request) {
	f, err := listFilter(r)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	list, err := p.FindDead(r.Context(), f, r.URL.Query().Get("reason"))
	replyOr(w, list, err)
}

func (p *Proxy) summarizeDead(w http.ResponseWriter, r *http.Request) {
	f, err := listFilter(r)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	list, err := p.SummarizeDead(r.Context(), f, r.URL.Query().Get("reason"))
	replyOr(w, list, err)
}

func (p *Proxy) showDead(w http.ResponseWriter, r *http.Request) {
	o, err := p.ShowDead(r.Context(), r.PathValue("id"))
	replyOr(w, o, err)
}

func (p *Proxy) retryDead(w http.ResponseWriter, r *http.Request) {
	out, err := p.RetryDead(r.Context(), r.PathValue("id"))
	replyOr(w, out, err)
}

func (p *Proxy) dropDead(w http.ResponseWriter, r *http.Request) {
	err := p.DropDead(r.Context(), r.PathValue("id"))
	replyOr(w, struct{}{}, err)
}

func replyOr(w http.ResponseWriter, v any, err error) {
	switch {
	case err == nil:
		reply(w, http.StatusOK, v)
	case errors.Is(err, store.ErrNotFound):
		reply(w, http.StatusNotFound, map[string]string{"error": err.Error()})
	default:
		reply(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the asker is gone
}
