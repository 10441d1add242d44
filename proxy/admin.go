package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"yiqiao/proxy/store"
)

// Admin is the handler for people and probes. It never shares a listener with
// the devices.
//
//	GET  /-/healthy           the process lives
//	GET  /-/ready             it takes events: 200 or 503, with details
//	POST /-/reload            load the site's files now; answers with the problems
//	GET  /metrics             Prometheus
//	GET  /-/store             what the store holds
//	GET  /-/dead?source=…     list by source, interface, device, class, since,
//	                          until (RFC 3339), after (an id), limit
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
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /-/store", p.storeStats)
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

// ReloadReply answers POST /-/reload.
type ReloadReply struct {
	OK         bool     `json:"ok"`
	Generation string   `json:"generation"` // in use now
	Problems   []string `json:"problems,omitempty"`
}

func (p *Proxy) reload(w http.ResponseWriter, r *http.Request) {
	g, ps := p.Reload(r.Context(), "POST /-/reload")
	out := ReloadReply{OK: g != nil, Generation: p.Generation().Name()}
	for _, problem := range ps {
		out.Problems = append(out.Problems, problem.Excerpt())
	}
	status := http.StatusOK
	if g == nil {
		status = http.StatusUnprocessableEntity
	}
	reply(w, status, out)
}

// StoreStats answers GET /-/store.
type StoreStats struct {
	Waiting      int        `json:"waiting"`
	WaitingBytes int64      `json:"waitingBytes"`
	Oldest       *time.Time `json:"oldest,omitempty"`
	Dead         int        `json:"dead"`
	DeadBytes    int64      `json:"deadBytes"`
	Keys         int        `json:"keys"`
	Promise      string     `json:"promise"`
}

func (p *Proxy) storeStats(w http.ResponseWriter, r *http.Request) {
	st, err := p.store.Stats(r.Context(), time.Now())
	out := StoreStats{Waiting: st.Ready, WaitingBytes: st.ReadyBytes, Dead: st.Dead, DeadBytes: st.DeadBytes, Keys: st.Keys, Promise: p.store.Promise()}
	if !st.Oldest.IsZero() {
		out.Oldest = &st.Oldest
	}
	replyOr(w, out, err)
}

// deadFilter reads what a request selects.
func deadFilter(r *http.Request) (store.Filter, error) {
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
	f, err := deadFilter(r)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	list, err := p.ListDead(r.Context(), f)
	replyOr(w, list, err)
}

func (p *Proxy) summarizeDead(w http.ResponseWriter, r *http.Request) {
	f, err := deadFilter(r)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	list, err := p.SummarizeDead(r.Context(), f)
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
