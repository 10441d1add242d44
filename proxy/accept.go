package proxy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/event"
)

// work is the memory that one event needs on its way in. It is reused.
type work struct {
	event  event.Event
	result transform.Result
	sealed [][]byte // bodies of entries
	short  []byte   // memory for the event among the past ones
	again  bool     // registrations are sent even if they are unchanged
	// attended: who sent it waits to hear why it is refused, and has it still;
	// it is no dead letter then. The reason is result.Refusal.
	attended bool
	call     *call // the sender waits for what the platform says
}

var newWork = func() any { return new(work) }

// Accept takes one event from its bytes to the store: decode, map, prove,
// admit. When it returns without an error, the event is durable, as records,
// as a duplicate of durable ones or as a dead letter that holds the whole
// original, or a rule says that nobody wants it. An error means that it could
// not be stored, and only that: the sender has to send it again.
//
// w.event.Request must be set. The answer to the sender is g.Rules.Answer.
func (p *Proxy) Accept(ctx context.Context, g *Generation, s *transform.Source, w *work, body []byte) (transform.Outcome, error) {
	ev, res := &w.event, &w.result
	if err := g.Rules.Decode(s, ev, body); err != nil {
		*res = transform.Result{} // of the event before
		return p.keep(ctx, g, s, w, body, transform.NewRefusal(transform.Undecodable, err))
	}
	if len(ev.Notes) > 0 {
		p.log.DebugContext(ctx, "odd body", "source", s.Name, "remote", ev.Request.Remote, "kind", ev.Kind, "notes", ev.Notes)
	}
	g.Rules.Apply(s, ev, res, nil)
	p.earlier.compare(res)
	p.metrics.warned(s, res.Violations)
	switch {
	case res.Refusal != nil:
		return p.keep(ctx, g, s, w, body, res.Refusal)
	case len(res.Records)+len(res.Brought) == 0:
		p.metrics.ignored(s, res.Ignored)
		p.live.ignored(s.Name, res)
		return transform.Ignored, nil
	}
	if why := p.madeAtOnce(ctx, g, res); why != nil {
		return p.keep(ctx, g, s, w, body, why)
	}
	entries, err := p.entries(g, s, w, body)
	if err != nil {
		return "", err
	}
	w.call = p.callers.expect(entries, res.Records, ev.Request.Received)
	n := len(entries)
	if res.Left != nil {
		e, err := p.deadEntry(g, s, w, body, kept{why: res.Left, at: n, done: entries})
		if err != nil {
			return "", err
		}
		entries = append(entries, e)
	}
	admissions, err := p.admit(ctx, ev.Request.Received, entries)
	if err == nil {
		err = p.meet(ctx, w, entries, admissions)
	}
	if err != nil {
		return "", err
	}
	w.call.admitted(admissions[:n], entries[:n])
	outcome := p.admitted(ctx, s, w, entries[:n], admissions[:n])
	if res.Left != nil {
		p.live.kept(&entries[n], admissions[n], res.Left)
		if !admissions[n].Duplicate {
			p.tellKept(ctx, s, &entries[n], res.Left)
			outcome = transform.Accepted
		}
	}
	return outcome, nil
}

// admit asks the store, and remembers for the health page how that went.
func (p *Proxy) admit(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	admissions, err := p.store.Admit(ctx, now, entries)
	switch {
	case err == nil:
		p.admitState.Store(nil)
	case errors.Is(err, store.ErrFull):
		state := "full: devices are told to come again until there is room"
		p.admitState.Store(&state)
	case ctx.Err() == nil && !errors.Is(err, store.ErrTooLarge) && !errors.Is(err, store.ErrClosed):
		p.metrics.storeErrors.Inc()
		state := "degraded: " + err.Error()
		p.admitState.Store(&state)
	}
	return admissions, err
}

// keep admits the event as a dead letter. A resend of it is a duplicate.
func (p *Proxy) keep(ctx context.Context, g *Generation, s *transform.Source, w *work, body []byte, why *transform.Refusal) (transform.Outcome, error) {
	if w.attended {
		w.result.Refusal = why
		return transform.Kept, nil
	}
	e, err := p.deadEntry(g, s, w, body, kept{why: why})
	if err != nil {
		return "", err
	}
	admissions, err := p.admit(ctx, w.event.Request.Received, []store.Entry{e})
	if err != nil {
		return "", err
	}
	p.live.kept(&e, admissions[0], why)
	if admissions[0].Duplicate {
		return transform.Duplicate, nil
	}
	p.tellKept(ctx, s, &e, why)
	return transform.Kept, nil
}

// kept is why an event becomes a dead letter, and which records of it were
// admitted all the same: a retry leaves those out, however late it comes.
type kept struct {
	why  *transform.Refusal
	at   int // which of w's buffers is free
	done []store.Entry
	keys []byte // of records admitted before, as head.Done
}

// deadEntry is the event as a dead letter.
func (p *Proxy) deadEntry(g *Generation, s *transform.Source, w *work, body []byte, k kept) (store.Entry, error) {
	q := &w.event.Request
	device := cmp.Or(w.result.Device, q.Remote)
	sum := sha256.Sum256(body)
	e := store.Entry{
		ID: store.NewID(q.Received), Lane: "dead", Group: device,
		Key: p.vault.key("dead", s.Name, q.Path, device, string(sum[:])), KeyTTL: g.Config.Dedup.Window,
		Labels: store.Labels{Source: s.Name, Mapping: k.why.Mapping, Device: device, Generation: g.Name()},
		Dead:   &store.Reason{Class: store.Class(k.why.Class), Text: joinReason(k.why)},
	}
	h := head{Source: s.Name, Mapping: k.why.Mapping, Generation: g.Name(), Request: keptRequest(q), Done: k.keys}
	for i := range k.done {
		key := doneKey(&k.done[i])
		h.Done = append(h.Done, key[:]...)
	}
	err := p.seal(w, k.at, &e, h, nil, body)
	return e, err
}

// doneKey is by which a dead letter knows a record again; of a registration it
// is that of the thing.
func doneKey(e *store.Entry) store.Key {
	if e.Key == (store.Key{}) {
		return e.Registers.Key
	}
	return e.Key
}

// tellKept counts a dead letter and tells the operator.
func (p *Proxy) tellKept(ctx context.Context, s *transform.Source, e *store.Entry, why *transform.Refusal) {
	p.metrics.kept(s, e.Dead.Class)
	p.log.WarnContext(ctx, "dead letter", "id", e.ID, "source", s.Name, "device", e.Labels.Device, "class", e.Dead.Class, "reason", why.Text)
}

// entries seals the records of an event, each with the whole original.
func (p *Proxy) entries(g *Generation, s *transform.Source, w *work, body []byte) ([]store.Entry, error) {
	q := &w.event.Request
	name := g.Name()
	entries := make([]store.Entry, len(w.result.Records))
	for i := range w.result.Records {
		rec := &w.result.Records[i]
		iface := rec.Interface.Name
		e := &entries[i]
		*e = store.Entry{
			ID: store.NewID(q.Received), Lane: lane(g, rec, q.Received), Group: rec.Device,
			Key: p.vault.key(iface, rec.Device, rec.Time, rec.Distinct), KeyTTL: cmp.Or(rec.Mapping.Window, g.Config.Dedup.Window),
			Labels: store.Labels{Source: s.Name, Mapping: rec.Mapping.Name, Interface: iface, Device: cmp.Or(rec.FoundBy, w.result.Device, rec.Device), Generation: name},
		}
		p.register(g, rec, e)
		e.Again = w.again
		h := head{Source: s.Name, Mapping: rec.Mapping.Name, Generation: name, Interface: iface, Device: rec.Device, Time: rec.Time, Request: keptRequest(q)}
		if rec.Unmade() {
			p.await(e, &h, rec)
		}
		if err := p.seal(w, i, e, h, rec, body); err != nil {
			return nil, err
		}
	}
	return p.brought(g, s, w, body, entries)
}

// lane orders the records of one device or code. Where the newest events have
// a share of the deliveries, records with a time of their own are in order
// within the minute only, or that share would stand at the end of the backlog.
func lane(g *Generation, rec *transform.Record, received time.Time) string {
	if g.Config.Platform.Newest > 0 && rec.Interface.Time >= 0 {
		return fmt.Sprintf("%s %s %d", rec.Interface.Name, rec.Device, received.Unix()/60)
	}
	return rec.Interface.Name + " " + rec.Device
}

// seal writes the body of entry i into a buffer of w.
func (p *Proxy) seal(w *work, i int, e *store.Entry, h head, rec *transform.Record, original []byte) error {
	for len(w.sealed) <= i {
		w.sealed = append(w.sealed, nil)
	}
	size := overhead + 2048 + len(original)
	if rec != nil {
		size += len(rec.Doc)
	}
	if cap(w.sealed[i]) < size {
		p.buffers.put(w.sealed[i])
		w.sealed[i] = p.buffers.get(size)
	}
	buf, err := appendEntry(p.vault.begin(w.sealed[i]), h, rec, original)
	if err != nil {
		return err
	}
	if w.sealed[i], err = p.vault.end(buf, e.ID); err != nil {
		return err
	}
	e.Body = w.sealed[i]
	return nil
}

// admitted counts what the store said and wakes the delivery.
func (p *Proxy) admitted(ctx context.Context, s *transform.Source, w *work, entries []store.Entry, admissions []store.Admission) transform.Outcome {
	outcome := transform.Duplicate
	p.pictures.admitted(entries, admissions, w.result.Records)
	for i, a := range admissions {
		iface := entries[i].Labels.Interface
		p.live.admitted(&entries[i], a)
		if a.Duplicate {
			p.metrics.records.WithLabelValues(s.Name, iface, "duplicate").Inc()
			p.log.DebugContext(ctx, "duplicate", "source", s.Name, "interface", iface, "device", entries[i].Labels.Device, "of", a.ID)
			continue
		}
		outcome = transform.Accepted
		p.metrics.records.WithLabelValues(s.Name, iface, "admitted").Inc()
	}
	if outcome == transform.Accepted {
		p.wake()
	}
	return outcome
}

// release gives w's buffers back.
func (p *Proxy) release(w *work) {
	for i := range w.sealed {
		p.buffers.put(w.sealed[i])
		w.sealed[i] = nil
	}
	w.sealed = w.sealed[:0]
	w.call.end()
	w.event.Request, w.again, w.attended, w.call = event.Request{}, false, false, nil
	p.works.Put(w)
}
