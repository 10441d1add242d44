package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/store"
)

const (
	leaseSlack  = 10 * time.Second // a lease is the platform's timeout and this
	idlePoll    = 250 * time.Millisecond
	settleTries = 5
)

// Deliver takes entries from the store and brings them to the platform until
// ctx ends; then it brings what is still due, for at most grace.
func (p *Proxy) Deliver(ctx context.Context, grace time.Duration) {
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	slots := make(chan struct{}, p.gen.Load().Config.Platform.Concurrency)
	var under sync.WaitGroup
	under.Go(func() { p.attend(ctx) })
	under.Go(func() { p.makePictures(ctx) })
	idle := time.NewTimer(0)
	defer idle.Stop()
	for ctx.Err() == nil {
		claims := p.claim(ctx, cap(slots)-len(slots))
		for _, c := range claims {
			slots <- struct{}{}
			under.Go(func() {
				defer func() { <-slots; p.wake() }()
				p.deliver(work, c)
			})
		}
		if len(claims) > 0 && len(slots) < cap(slots) {
			continue
		}
		idle.Reset(p.allowance.wait(time.Now()))
		select {
		case <-ctx.Done():
		case <-p.woken:
		case <-idle.C:
		}
	}
	stop := time.AfterFunc(grace, cut)
	defer stop.Stop()
	under.Wait()
	p.drain(work, cap(slots))
}

// drain delivers what is due when the process ends, until nothing is, a
// delivery fails or ctx ends. What is left waits in the store for the next
// start.
func (p *Proxy) drain(ctx context.Context, width int) {
	for ctx.Err() == nil {
		claims := p.claim(ctx, width)
		var failed atomic.Bool
		var under sync.WaitGroup
		for _, c := range claims {
			under.Go(func() {
				if p.deliver(ctx, c) == store.Retry {
					failed.Store(true)
				}
			})
		}
		under.Wait()
		if len(claims) == 0 || failed.Load() {
			return
		}
	}
}

// claim leases what is due, if a worker is free and the platform is not known
// to be away.
func (p *Proxy) claim(ctx context.Context, free int) []store.Claim {
	g, now := p.gen.Load(), time.Now()
	free = p.allowance.of(now, free, g.Config.Platform.Rate)
	if free == 0 || g.client.Wait() > 0 {
		return nil
	}
	lease := g.Config.Platform.Timeout + leaseSlack
	newest := p.newest.of(free, g.Config.Platform.Newest)
	claims, err := p.store.Claim(ctx, now, store.Want{Max: free, Newest: newest, Lease: lease})
	p.allowance.took(now, len(claims))
	p.newest.took(newest, len(claims), g.Config.Platform.Newest)
	if err != nil && ctx.Err() == nil {
		p.metrics.storeErrors.Inc()
		p.log.Error("the store gives no entries", "err", err)
	}
	return claims
}

// share counts what the newest events have coming of many claims, of which
// most are for one entry. In hundredths of a delivery.
type share struct{ owed int }

// of says how many of max claims go to the newest events.
func (s *share) of(max, percent int) int { return (s.owed + max*percent) / 100 }

// took accounts for n claims, when newest were asked for.
func (s *share) took(newest, n, percent int) { s.owed = s.owed + n*percent - 100*min(newest, n) }

// deliver brings one entry to the platform and settles it: load, open, wait
// for what it refers to, seal, post, verdict, settle. Whatever happens, the
// entry stays until the platform has it or a person decides. What has to wait
// was not tried: then the action is 0.
func (p *Proxy) deliver(ctx context.Context, c store.Claim) store.Action {
	g := p.gen.Load()
	if w, ok := p.gate.take(c.ID); ok && p.heldUp(ctx, g, c, []need{w.need}) {
		return 0
	}
	buf := p.buffers.get(c.Size)
	defer func() { p.buffers.put(buf) }()
	sealed, err := p.store.Load(ctx, c.ID, buf)
	if errors.Is(err, store.ErrNotFound) {
		return store.Delivered // dropped by a person meanwhile
	}
	if damage := new(store.CorruptError); errors.As(err, &damage) {
		p.log.ErrorContext(ctx, "an entry is damaged", "id", c.ID, "interface", c.Labels.Interface, "device", c.Labels.Device, "err", err)
		p.settle(ctx, c, store.Outcome{Do: store.Bury, Reason: store.Reason{Class: store.Damaged, Text: err.Error()}})
		return store.Bury
	}
	if err != nil {
		p.settle(ctx, c, store.Outcome{Do: store.Retry, At: time.Now().Add(time.Second), Free: true, Reason: store.Reason{Text: err.Error()}})
		return store.Retry
	}
	buf = sealed
	e, err := p.open(sealed, c.ID)
	if err != nil {
		p.settle(ctx, c, store.Outcome{Do: store.Bury, Reason: store.Reason{Class: store.Undecodable, Text: err.Error()}})
		return store.Bury
	}
	if p.heldUp(ctx, g, c, p.needs(g, e.head.Interface, e.record.Doc)) {
		return 0
	}
	verdict := p.post(ctx, g, e)
	outcome := p.judge(g, c, verdict)
	p.settle(ctx, c, outcome)
	p.callers.hear(c.ID, outcome.Do, verdict, outcome.Reason)
	if ref := p.refOf(g, e.head.Interface, e.record.Doc); outcome.Do != store.Retry && ref != (store.Ref{}) {
		p.gate.note(ref, false) // whether that was noted, the store knows
	}
	p.metrics.verdict(c.Labels.Interface, verdict, outcome.Do, c.Admitted)
	p.tell(ctx, c, e, verdict, outcome)
	return outcome.Do
}

// open unseals and reads a body in place.
func (p *Proxy) open(sealed []byte, id string) (*entry, error) {
	plain, err := p.vault.open(sealed, id)
	if err != nil {
		return nil, err
	}
	return readEntry(plain)
}

// post seals the record for the platform and sends it.
func (p *Proxy) post(ctx context.Context, g *Generation, e *entry) platform.Verdict {
	record, err := g.Config.Platform.dress().put(&e.record, g.Rules.Catalogue.Interface(e.head.Interface))
	if err != nil {
		return platform.Verdict{Kind: platform.Rejected, Message: err.Error()}
	}
	n := record.Len()
	envelope := p.buffers.get(g.sealer.Size(n))
	scratch := p.buffers.get(12 << 10)
	defer func() { p.buffers.put(envelope); p.buffers.put(scratch) }()
	envelope, err = g.sealer.Seal(envelope, n, record.Pieces(scratch[:cap(scratch)]))
	if err != nil {
		return platform.Verdict{Kind: platform.Later, Message: err.Error()}
	}
	return g.client.Post(ctx, e.head.Interface, envelope)
}

// judge decides what a verdict means for the entry.
func (p *Proxy) judge(g *Generation, c store.Claim, v platform.Verdict) store.Outcome {
	now := time.Now()
	reason := store.Reason{Class: store.Rejected, Text: v.String()}
	switch v.Kind {
	case platform.Delivered:
		return store.Outcome{Do: store.Delivered}
	case platform.Rejected:
		return store.Outcome{Do: store.Bury, Reason: reason}
	}
	if max := g.Config.Platform.MaxAttempts; max > 0 && c.Attempts+1 >= max && !p.ending.Load() {
		reason.Class = store.GaveUp
		return store.Outcome{Do: store.Bury, Reason: reason}
	}
	wait := v.After
	if wait <= 0 {
		wait = platform.Backoff(c.Attempts+1, rand.Int64N)
	}
	if p.ending.Load() {
		return store.Outcome{Do: store.Retry, At: now, Reason: reason, Free: true}
	}
	return store.Outcome{Do: store.Retry, At: now.Add(wait), Reason: reason, Free: v.Blameless()}
}

// settle tells the store, and insists: an entry whose end is not noted would
// be delivered again when its lease ends.
func (p *Proxy) settle(ctx context.Context, c store.Claim, o store.Outcome) {
	ctx = context.WithoutCancel(ctx)
	var err error
	for try := range settleTries {
		if err = p.store.Settle(ctx, time.Now(), c, o); err == nil || errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrClosed) {
			break
		}
		timer := time.NewTimer(time.Duration(try+1) * 200 * time.Millisecond)
		<-timer.C
	}
	if err != nil {
		p.metrics.storeErrors.Inc()
		p.log.Warn("the end of a delivery could not be noted; the record may be sent again", "id", c.ID, "end", o.Do.String(), "err", err)
	}
}

// tell logs and observes the end of a try. Records are described by their
// labels only: nothing personal goes into the log.
func (p *Proxy) tell(ctx context.Context, c store.Claim, e *entry, v platform.Verdict, o store.Outcome) {
	attrs := []any{"id", c.ID, "interface", c.Labels.Interface, "source", c.Labels.Source, "device", c.Labels.Device, "generation", c.Labels.Generation, "attempt", c.Attempts + 1}
	switch o.Do {
	case store.Delivered:
		p.log.DebugContext(ctx, "delivered", append(attrs, "latency", v.Latency.Round(time.Millisecond))...)
	case store.Bury:
		p.log.WarnContext(ctx, "dead letter", append(attrs, "class", o.Reason.Class, "reason", o.Reason.Text)...)
	default:
		p.log.InfoContext(ctx, "will try again", append(attrs, "at", o.At.Format(time.TimeOnly), "why", v.String())...)
	}
	p.live.tried(&c, v, o)
	p.observe(Delivery{Claim: c, Doc: e.record.Doc, Verdict: v, Do: o.Do})
}

func (d Delivery) String() string {
	return fmt.Sprintf("%s %s %s", d.Claim.ID, d.Claim.Labels.Interface, d.Do)
}
