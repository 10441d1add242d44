package proxy

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"yiqiao/proxy/store"
)

const (
	// gateEvery is how often the registrations that others wait for are asked
	// after. Those that this process delivers are known at once.
	gateEvery = time.Second
	gateRefs  = 1000 // at most so many of them
	gateIDs   = 500  // entries that one call of the store hastens
	// waitPause is when an entry looks again by itself, if nobody hastens it:
	// one that maxWaiters left out, or that stood in the gate of a replica
	// which has ended.
	waitPause = 5 * time.Minute
	// maxWaiters and maxAccepted bound the memory of a gate. An entry beyond
	// goes on when its pause ends.
	maxWaiters  = 100_000
	maxAccepted = 100_000
)

// gate is where the entries of this process stand that wait for a
// registration. In the store they have long pauses, so that ten thousand that
// wait for one thing cost next to nothing; the gate lets them go when it has
// arrived.
type gate struct {
	mu       sync.Mutex
	accepted map[store.Key]bool // what is known to be accepted stays so
	waiters  map[string]waiter  // by id of the entry
	byRef    map[store.Ref]map[string]bool
	arrived  map[store.Ref]bool
	signal   chan struct{} // something has arrived
}

// waiter is one entry, and the first thing that it waits for.
type waiter struct {
	need
	iface string
	until time.Time // of its pause in the store
}

func newGate() *gate {
	return &gate{
		accepted: map[store.Key]bool{}, waiters: map[string]waiter{}, byRef: map[store.Ref]map[string]bool{},
		arrived: map[store.Ref]bool{}, signal: make(chan struct{}, 1),
	}
}

func (g *gate) add(id string, w waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiters) >= maxWaiters {
		return
	}
	g.waiters[id] = w
	if g.byRef[w.ref] == nil {
		g.byRef[w.ref] = map[string]bool{}
	}
	g.byRef[w.ref][id] = true
}

// take removes an entry.
func (g *gate) take(id string) (waiter, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w, ok := g.waiters[id]
	if ok {
		g.drop(id, w)
	}
	return w, ok
}

// drop removes an entry; g is locked.
func (g *gate) drop(id string, w waiter) {
	delete(g.waiters, id)
	delete(g.byRef[w.ref], id)
	if len(g.byRef[w.ref]) == 0 {
		delete(g.byRef, w.ref)
	}
}

// unknown are the needs of which it is not known that they were accepted.
func (g *gate) unknown(list []need) []need {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(list, func(n need) bool { return g.accepted[n.ref.Key] })
}

// note that a registration was accepted, or arrived in another way: those who
// wait for it may look again.
func (g *gate) note(ref store.Ref, accepted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if accepted {
		if len(g.accepted) >= maxAccepted {
			clear(g.accepted)
		}
		g.accepted[ref.Key] = true
	}
	if g.byRef[ref] == nil {
		return
	}
	g.arrived[ref] = true
	select {
	case g.signal <- struct{}{}:
	default:
	}
}

// free takes out the entries whose registrations have arrived. They are out
// before they are hastened: an entry that goes on at once and then waits for
// something else stands in the gate anew.
func (g *gate) free() (ids []string, freed map[string]waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	freed = map[string]waiter{}
	for ref := range g.arrived {
		for id := range g.byRef[ref] {
			ids, freed[id] = append(ids, id), g.waiters[id]
			g.drop(id, freed[id])
		}
	}
	clear(g.arrived)
	return ids, freed
}

// refs are some of the things that entries wait for. Entries whose pauses have
// ended long since are with another replica, or gone.
func (g *gate) refs(now time.Time) []store.Ref {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, w := range g.waiters {
		if now.Sub(w.until) > time.Minute {
			g.drop(id, w)
		}
	}
	var list []store.Ref
	for ref := range g.byRef { // in random order: of many, others come next time
		if len(list) == gateRefs {
			break
		}
		list = append(list, ref)
	}
	return list
}

// waitingFor counts the entries by their interface and the one they wait for.
func (g *gate) waitingFor() map[[2]string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := map[[2]string]int{}
	for _, w := range g.waiters {
		counts[[2]string{w.iface, w.of.Name}]++
	}
	return counts
}

// heldUp lets an entry wait if one of needs is not there yet; then its lease
// has ended.
func (p *Proxy) heldUp(ctx context.Context, g *Generation, c store.Claim, needs []need) bool {
	mode := g.Config.Platform.Prerequisites
	if mode == off || len(needs) == 0 {
		return false
	}
	if needs = p.gate.unknown(needs); len(needs) == 0 {
		return false
	}
	refs := make([]store.Ref, len(needs))
	for i := range needs {
		refs[i] = needs[i].ref
	}
	known, err := p.store.Registered(ctx, refs)
	if err != nil {
		p.metrics.storeErrors.Inc()
		p.settle(ctx, c, store.Outcome{Do: store.Retry, At: time.Now().Add(time.Second), Free: true, Reason: store.Reason{Text: err.Error()}})
		return true
	}
	for i, r := range known {
		if !holdsUp(mode, r) {
			if !r.Accepted.IsZero() {
				p.gate.note(refs[i], true)
			}
			continue
		}
		now := time.Now()
		until := now.Add(waitPause + rand.N(waitPause/5))
		why := needs[i].waiting(r)
		p.settle(ctx, c, store.Outcome{Do: store.Retry, At: until, Free: true, Reason: store.Reason{Class: store.Waiting, Text: why}})
		p.gate.add(c.ID, waiter{needs[i], c.Labels.Interface, until}) // after that: an entry that is leased cannot be hastened
		p.log.DebugContext(ctx, "waits", "id", c.ID, "interface", c.Labels.Interface, "device", c.Labels.Device, "why", why)
		return true
	}
	return false
}

// attend lets entries go whose registrations have arrived, until ctx ends.
func (p *Proxy) attend(ctx context.Context) {
	p.hastenAll(ctx)
	tick := time.NewTicker(gateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.gate.signal:
		case <-tick.C:
			p.lookAgain(ctx)
		}
		all, freed := p.gate.free()
		for ids := range slices.Chunk(all, gateIDs) {
			if err := p.store.Hasten(ctx, time.Now(), ids); err != nil {
				p.storeTrouble(ctx, "what waits could not be hastened", err)
				for _, id := range ids {
					p.gate.add(id, freed[id]) // lookAgain finds it
				}
				continue
			}
			p.wake()
		}
	}
}

// lookAgain asks the store for what entries wait for: another replica may have
// delivered it, a person may have dropped it, or the site may say now that
// nobody waits.
func (p *Proxy) lookAgain(ctx context.Context) {
	refs := p.gate.refs(time.Now())
	if len(refs) == 0 {
		return
	}
	known, err := p.store.Registered(ctx, refs)
	if err != nil {
		p.storeTrouble(ctx, "it is not known what was registered", err)
		return
	}
	mode := p.gen.Load().Config.Platform.Prerequisites
	for i, r := range known {
		if !holdsUp(mode, r) {
			p.gate.note(refs[i], !r.Accepted.IsZero())
		}
	}
}

// hastenAll lets all look again that waited when the last process ended: what
// they wait for may have arrived meanwhile, and this gate does not know them.
func (p *Proxy) hastenAll(ctx context.Context) {
	f := store.Filter{State: store.Ready, Class: store.Waiting, Limit: gateIDs}
	for {
		page, err := p.store.List(ctx, f)
		var ids []string
		for _, i := range page {
			ids = append(ids, i.ID)
			f.After = i.ID
		}
		if err == nil {
			err = p.store.Hasten(ctx, time.Now(), ids)
		}
		if err != nil {
			p.storeTrouble(ctx, "what waits could not be hastened", err)
			return
		}
		if p.wake(); len(page) < f.Limit {
			return
		}
	}
}

func (p *Proxy) storeTrouble(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		p.metrics.storeErrors.Inc()
		p.log.ErrorContext(ctx, what, "err", err)
	}
}
