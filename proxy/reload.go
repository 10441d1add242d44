package proxy

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"yiqiao/transform"
)

// A reload builds a new generation aside and tries it on the last events of
// each source. With reload: auto it takes traffic then; with reload: confirm it
// waits for a person who has seen what it changes. What waits is memory only: a
// start takes the files as they are.

// pending is the generation that waits, and the one that a person did not want.
type pending struct {
	waits    atomic.Pointer[Candidate] // nil: none
	rejected *Generation               // nil: none; guarded by Proxy.reloading
}

// Candidate is a generation that waits for a person.
type Candidate struct {
	Generation *Generation
	Since      time.Time
	Why        string // it was loaded
	Rehearsal  *transform.Rehearsal
}

func (w *Candidate) words() string {
	return fmt.Sprintf("generation %s waits since %s for yiqiao reload -accept: %s", w.Generation.Name(), w.Since.Format(time.DateTime), w.Rehearsal.Headline())
}

type reloadState struct {
	At       time.Time
	OK       bool
	Problems transform.Problems
	Changed  bool // there was something new to load
	// Rehearsal is what the last new generation, Of, changes; nil: there was
	// none since the start.
	Rehearsal *transform.Rehearsal
	Of        string
}

// Reload builds a new generation aside and swaps it in, or lets it wait, or
// changes nothing and returns the problems and nil. Warnings come with a swap
// too. The generation is the one in use then.
func (p *Proxy) Reload(ctx context.Context, why string) (*Generation, transform.Problems) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	p.pending.rejected = nil // a person asks
	return p.load(ctx, why, p.site.Load)
}

// reloadChanged is Reload without a person who asks: what was rejected stays so.
func (p *Proxy) reloadChanged(ctx context.Context, why string, load func() (*Generation, transform.Problems)) (*Generation, transform.Problems) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	return p.load(ctx, why, load)
}

func (p *Proxy) load(ctx context.Context, why string, load func() (*Generation, transform.Problems)) (*Generation, transform.Problems) {
	old, last := p.gen.Load(), p.reloadState.Load()
	g, ps := load()
	state := &reloadState{At: time.Now(), OK: g != nil, Problems: ps, Rehearsal: last.Rehearsal, Of: last.Of}
	defer func() { p.reloadState.Store(state) }()
	if g == nil {
		p.metrics.reload(false)
		p.log.ErrorContext(ctx, "reload refused, the rules in use stay", "why", why, "generation", old.Name(), "problems", len(ps.Errors()), "first", ps.Errors()[0].Error())
		p.forget(ctx, "the files have changed and do not load")
		return nil, ps
	}
	p.metrics.reload(true)
	switch {
	case g.same(old):
		p.forget(ctx, "the files are as those in use again")
		p.log.DebugContext(ctx, "reload: nothing has changed", "why", why)
		return old, ps
	case p.pending.rejected != nil && g.same(p.pending.rejected):
		p.log.DebugContext(ctx, "reload: these files were rejected", "why", why)
		return old, ps
	}
	if w := p.pending.waits.Load(); w != nil && g.same(w.Generation) {
		return old, ps // it waits already
	}
	g.Number = old.Number + 1
	state.Changed, state.Rehearsal, state.Of = true, p.rehearse(ctx, old, g), g.Name()
	// What the generation in use says counts: nobody turns confirmation off
	// without being confirmed. New dictionaries alone are no change of a person.
	if old.Config.Reload.Mode == reloadConfirm && !(g.Rules.Digest == old.Rules.Digest && g.sameConfig(old)) {
		p.forget(ctx, "the files have changed again")
		p.wait(ctx, &Candidate{g, state.At, why, state.Rehearsal})
		return old, ps
	}
	p.install(ctx, old, g, why)
	return g, ps
}

// same tells whether nothing differs.
func (g *Generation) same(o *Generation) bool {
	return g.Rules.Digest == o.Rules.Digest && g.Rules.SameSecrets(o.Rules) && g.dictionaries == o.dictionaries && g.sameConfig(o)
}

// rehearse tries a generation on the past events and tells what it changes. A
// panic is a mistake of ours; the rules in use met these events without one, so
// it is told loudly.
func (p *Proxy) rehearse(ctx context.Context, old, g *Generation) (r *transform.Rehearsal) {
	begun := time.Now()
	defer func() {
		if v := recover(); v != nil {
			p.log.ErrorContext(ctx, "panic while new rules were tried; please report this", "generation", g.Name(), "panic", fmt.Sprint(v))
			r = new(transform.Rehearsal)
		}
	}()
	r = transform.Rehearse(g.Rules.Catalogue, old.Rules.ForAll, g.Rules.ForAll, p.past.each)
	p.metrics.rehearsed(r)
	if r.Events == 0 {
		return r
	}
	p.log.InfoContext(ctx, "new rules were tried on past events", "generation", g.Name(), "events", r.Events, "took", time.Since(begun), "result", r.Headline())
	for i, line := range r.Lines() {
		if i == loggedChanges {
			p.log.InfoContext(ctx, "and more; yiqiao reload -show tells all", "generation", g.Name())
			break
		}
		p.log.InfoContext(ctx, "new rules change records", "generation", g.Name(), "change", line)
	}
	return r
}

// loggedChanges is how many changes of a reload stand in the log.
const loggedChanges = 20

// install lets a generation take traffic.
func (p *Proxy) install(ctx context.Context, old, g *Generation, why string) {
	g.Number = old.Number + 1
	if g.sameRoute(old) {
		g.client = old.client
		g.client.Resume() // what was misconfigured may be mended
	}
	if reflect.DeepEqual(g.Config.Pictures, old.Config.Pictures) {
		g.caller = old.caller // it knows the devices' nonces
	}
	for _, change := range g.needsRestart(old) {
		p.log.WarnContext(ctx, "this change needs a restart", "key", change)
	}
	p.gen.Store(g)
	p.past.resize(g)
	p.subscriptions.wake()
	p.wake()
	p.metrics.generation.Set(float64(g.Number))
	p.log.InfoContext(ctx, "reloaded", "why", why, "generation", g.Name(), "sources", len(g.Rules.Sources))
}

func (p *Proxy) wait(ctx context.Context, w *Candidate) {
	p.pending.waits.Store(w)
	p.metrics.pending.Set(1)
	p.log.WarnContext(ctx, "a generation waits for a person; yiqiao reload -accept takes it, -reject does not", "why", w.Why, "generation", w.Generation.Name(), "inUse", p.gen.Load().Name(), "result", w.Rehearsal.Headline())
}

// forget drops the generation that waits, if one does.
func (p *Proxy) forget(ctx context.Context, because string) {
	if w := p.pending.waits.Swap(nil); w != nil {
		p.metrics.pending.Set(0)
		p.log.InfoContext(ctx, "a generation waits no more", "generation", w.Generation.Name(), "because", because)
	}
}

// ErrNotWaiting says that the generation that a person means does not wait.
var ErrNotWaiting = errors.New("no such generation waits")

// AcceptReload lets the generation that waits take traffic; name, if not empty, is
// the one that the person has seen.
func (p *Proxy) AcceptReload(ctx context.Context, name string) (*Generation, error) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	w, err := p.candidate(name)
	if err != nil {
		return nil, err
	}
	p.forget(ctx, "it was accepted")
	p.install(ctx, p.gen.Load(), w.Generation, w.Why+", accepted")
	return w.Generation, nil
}

// RejectReload drops the generation that waits. The same files do not wait
// again until a person reloads them.
func (p *Proxy) RejectReload(ctx context.Context, name string) error {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	w, err := p.candidate(name)
	if err != nil {
		return err
	}
	p.pending.rejected = w.Generation
	p.forget(ctx, "it was rejected")
	return nil
}

func (p *Proxy) candidate(name string) (*Candidate, error) {
	w := p.pending.waits.Load()
	switch {
	case w == nil:
		return nil, fmt.Errorf("%w: none does, %s is in use", ErrNotWaiting, p.gen.Load().Name())
	case name != "" && name != w.Generation.Name():
		return nil, fmt.Errorf("%w: %s does, not %s; the files have changed since", ErrNotWaiting, w.Generation.Name(), name)
	}
	return w, nil
}
