// Package proxy is the daemon between devices and the platform: it takes
// events, maps and proves them, keeps them and delivers them.
//
// Two functions tell the story: Accept and deliver.
package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/store"
)

// Proxy is the daemon. Make it with New, serve its Devices and Admin handlers,
// and let Deliver run.
type Proxy struct {
	site    Site
	store   store.Store
	vault   *Vault
	log     *slog.Logger
	metrics *metrics
	observe func(Delivery)

	gen          atomic.Pointer[Generation]
	reloading    sync.Mutex
	reloadState  atomic.Pointer[reloadState]
	dictionaries atomic.Pointer[dictionaryState]
	admitState   atomic.Pointer[string] // why the last admission failed; nil: it did not

	pending pending // a generation that waits for a person; guarded by reloading
	past    past
	trials  trials
	live    live
	saving  sync.Mutex // one person saves at a time

	taps      taps
	buffers   buffers
	works     sync.Pool
	memory    *semaphore.Weighted // bytes of requests under way
	woken     chan struct{}
	started   time.Time
	ending    atomic.Bool
	callers   *callers
	newest    share // Deliver's own
	allowance allowance
	earlier   *earlier
	gate      *gate
	presence  *presence
	pictures  *pictures

	subscriptions *subscriptions
}

// Options are what a Proxy is made of.
type Options struct {
	Site       Site
	Generation *Generation // the first one, from Site.Load
	Store      store.Store
	Vault      *Vault
	Log        *slog.Logger
	// Observe, if not nil, hears of each end of a delivery. It must not block.
	Observe func(Delivery)
}

// Delivery is one end of an entry's way.
type Delivery struct {
	Claim   store.Claim
	Doc     []byte // the record without its pictures; good during the call only
	Verdict platform.Verdict
	Do      store.Action
}

// New makes a Proxy. It starts nothing.
func New(o Options) *Proxy {
	p := &Proxy{
		site: o.Site, store: o.Store, vault: o.Vault, log: o.Log, observe: o.Observe,
		memory: semaphore.NewWeighted(int64(o.Generation.Config.Limits.Memory)),
		woken:  make(chan struct{}, 1), started: time.Now(), gate: newGate(), pictures: newPictures(), earlier: newEarlier(o.Site.Catalogue), live: newLive(),
		subscriptions: newSubscriptions(),
	}
	p.presence = newPresence(p.started)
	p.callers = newCallers(int64(o.Generation.Config.Limits.Memory))
	p.works.New = newWork
	if p.observe == nil {
		p.observe = func(Delivery) {}
	}
	o.Generation.Number = 1
	p.gen.Store(o.Generation)
	p.past.resize(o.Generation)
	p.reloadState.Store(&reloadState{At: o.Generation.Loaded, OK: true, Problems: o.Generation.Warnings})
	p.dictionaries.Store(o.Generation.checked)
	p.metrics = newMetrics(p)
	return p
}

// Generation returns the rules in use.
func (p *Proxy) Generation() *Generation { return p.gen.Load() }

// Ending tells the proxy that the process is about to end: it reports itself
// not ready, and entries whose delivery fails now are left for the next start.
func (p *Proxy) Ending() {
	p.ending.Store(true)
	p.callers.stop()
	p.live.end()
}

// wake tells the delivery that something may be due.
func (p *Proxy) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// Health says whether the proxy works, and what not, in words.
type Health struct {
	OK         bool      `json:"ok"`
	Generation string    `json:"generation"`
	Started    time.Time `json:"started"`
	Reload     string    `json:"reload"`
	Store      string    `json:"store"`
	Promise    string    `json:"promise"`
	Platform   string    `json:"platform"`
	// Dictionaries says how many are the platform's own, and how old.
	Dictionaries string `json:"dictionaries"`
	Waiting      int    `json:"waiting"`
	Oldest       string `json:"oldest,omitempty"`
	Dead         int    `json:"dead"`
	Pictures     int    `json:"pictures,omitempty"` // records whose pictures are being made
}

// storeState is what the store says of itself, or else how the last admission
// failed.
func (p *Proxy) storeState() string {
	state := p.store.State()
	if last := p.admitState.Load(); state == "ok" && last != nil {
		return *last
	}
	return state
}

// breakerWords say what a state of the circuit breaker means to a person.
var breakerWords = map[string]string{
	"closed": "ok", "half-open": "was away, one record is trying", "open": "away: records wait",
}

// Health asks the store and the platform's route.
func (p *Proxy) Health(ctx context.Context) Health {
	g := p.gen.Load()
	h := Health{OK: true, Generation: g.Name(), Started: p.started, Store: "ok", Promise: p.store.Promise(), Reload: "ok"}
	if w := p.pending.waits.Load(); w != nil {
		h.Reload = w.words()
	}
	if r := p.reloadState.Load(); !r.OK {
		h.Reload = fmt.Sprintf("the last reload (%s) was refused: %d problems", r.At.Format(time.DateTime), len(r.Problems.Errors()))
	}
	h.Platform = breakerWords[g.client.State()]
	for _, paused := range g.client.Paused() {
		h.Platform += fmt.Sprintf("; %s paused until %s: %s", paused.Interface, paused.Until.Format(time.TimeOnly), paused.Verdict)
	}
	h.Dictionaries = p.dictionaries.Load().words(p.site.askable(g.Config))
	st, err := p.store.Stats(ctx, time.Now())
	if err != nil {
		h.OK, h.Store = false, err.Error()
		return h
	}
	h.Store = p.storeState()
	// By its own words, which end by themselves: those of the last admission
	// would keep a load balancer away that could bring the next one.
	if word, _, _ := strings.Cut(p.store.State(), ":"); word == "full" || word == "read-only" {
		h.OK = false
	}
	// What waits for its pictures is with the dead letters in the store.
	h.Pictures = p.pictures.waiting()
	h.Waiting, h.Dead = st.Ready, max(0, st.Dead-h.Pictures)
	if !st.Oldest.IsZero() {
		h.Oldest = time.Since(st.Oldest).Round(time.Second).String()
	}
	if p.ending.Load() {
		h.OK, h.Store = false, "ending"
	}
	return h
}
