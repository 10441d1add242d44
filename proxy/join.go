package proxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// A record that waits for a picture of another request (join in a mapping), and
// a picture that waits for its record, are entries of class Awaiting under one
// dedup key, that of the join: so the store itself tells the second half, in
// the same durable step, which entry is the first, on whichever replica that
// came. The whole then takes the first half's place. A record whose picture did
// not come in time is a dead letter under the same key, which a late picture
// still makes whole.

// joined makes e one half of a join.
func (p *Proxy) joined(e *store.Entry, w *awaitHead, source, key string, until time.Time) {
	k := p.vault.key("join", source, key)
	w.Join, w.Until = &k, until
	w.atJoin(e)
}

// atJoin puts an entry where the other half finds it.
func (w *awaitHead) atJoin(e *store.Entry) {
	e.Key, e.Group = *w.Join, "join "+hex.EncodeToString(w.Join[:])
	e.Lane = e.Group
}

// brought appends the entries of pictures that belong to other requests'
// records to those of the records.
func (p *Proxy) brought(g *Generation, s *transform.Source, w *work, body []byte, entries []store.Entry) ([]store.Entry, error) {
	q := &w.event.Request
	for i := range w.result.Brought {
		b := &w.result.Brought[i]
		e := store.Entry{
			ID: store.NewID(q.Received), KeyTTL: cmp.Or(b.Mapping.Window, g.Config.Dedup.Window),
			Labels: store.Labels{Source: s.Name, Mapping: b.Mapping.Name, Device: w.result.Device, Generation: g.Name()},
		}
		h := head{Source: s.Name, Mapping: b.Mapping.Name, Generation: g.Name(), Request: keptRequest(q), Await: &awaitHead{Brings: true, TTL: e.KeyTTL, Labels: e.Labels}}
		p.joined(&e, h.Await, s.Name, b.Key, q.Received.Add(b.Mapping.JoinWait()))
		e.Dead = awaitingReason(message.New("picture-brought", recipesOf(b.Pictures.Holes)))
		if err := p.seal(w, len(entries), &e, h, &b.Pictures, body); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// meet brings those entries of an event together with their other halves whose
// join the store knew already. An error: it could not be stored.
func (p *Proxy) meet(ctx context.Context, w *work, entries []store.Entry, admissions []store.Admission) error {
	for i := range entries {
		if !admissions[i].Duplicate || entries[i].Dead == nil || entries[i].Dead.Class != store.Awaiting {
			continue
		}
		mine, err := p.open(bytes.Clone(entries[i].Body), entries[i].ID)
		if err != nil {
			return err
		}
		if mine.head.Await == nil || mine.head.Await.Join == nil {
			continue
		}
		if admissions[i], err = p.meetOne(ctx, &entries[i], mine, admissions[i]); err != nil {
			return err
		}
	}
	return nil
}

// meetTries bounds how often the other half may be another one each time: it
// becomes one only by ending its wait.
const meetTries = 4

func (p *Proxy) meetOne(ctx context.Context, e *store.Entry, mine *entry, first store.Admission) (store.Admission, error) {
	now := mine.head.Request.Received
	for range meetTries {
		sealed, err := p.store.Load(ctx, first.ID, nil)
		if errors.Is(err, store.ErrNotFound) {
			if mine.head.Await.Brings {
				return first, nil // the record is whole already
			}
			return p.alone(ctx, now, e, mine)
		}
		if err != nil {
			return first, err
		}
		other, err := p.open(sealed, first.ID)
		if err != nil {
			return first, err
		}
		if other.head.Await == nil || other.head.Await.Brings == mine.head.Await.Brings {
			return first, nil // a resend
		}
		event, pictures := mine, other
		if mine.head.Await.Brings {
			event, pictures = other, mine
		}
		if !event.record.Take(&pictures.record) {
			return first, nil // none of the pictures is one that it waits for
		}
		a, err := p.together(ctx, now, first.ID, event)
		if !errors.Is(err, store.ErrNotFound) {
			return a, err
		}
		// The other half's wait ended meanwhile: it has another id now.
		list, err := p.store.Admit(ctx, now, []store.Entry{*e})
		if err != nil || !list[0].Duplicate {
			return list0(list), err
		}
		first = list[0]
	}
	return first, store.ErrUncertain
}

func list0(list []store.Admission) store.Admission {
	if len(list) == 0 {
		return store.Admission{}
	}
	return list[0]
}

// alone admits a record under its own key, where the key of the join is known
// but nothing stands under it: the record was made whole, and this is a resend
// of it, or its picture gave up waiting.
func (p *Proxy) alone(ctx context.Context, now time.Time, e *store.Entry, mine *entry) (store.Admission, error) {
	w := mine.head.Await
	e.Key, e.Group, e.Lane = w.Key, w.Group, w.Lane
	w.Join = nil
	return p.admitAgain(ctx, now, e, mine)
}

func (p *Proxy) admitAgain(ctx context.Context, now time.Time, e *store.Entry, x *entry) (store.Admission, error) {
	if err := p.sealAwaiting(e, x); err != nil {
		return store.Admission{}, err
	}
	list, err := p.store.Admit(ctx, now, []store.Entry{*e})
	return list0(list), err
}

// together puts a record with its pictures in the place of the half that
// waited. They are made and proved as any others.
func (p *Proxy) together(ctx context.Context, now time.Time, first string, x *entry) (store.Admission, error) {
	w := x.head.Await
	e := store.Entry{ID: store.NewID(x.head.Request.Received), Lane: w.Lane, Group: w.Group, Key: w.Key, KeyTTL: w.TTL, Labels: w.Labels}
	if x.record.Later() {
		w.atJoin(&e) // it waits for another picture
	} else {
		w.Join = nil
	}
	x.head.Joined = &w.Key
	e.Dead = awaitingReason(message.New("picture-awaited", recipesOf(x.record.Holes)))
	if err := p.sealAwaiting(&e, x); err != nil {
		return store.Admission{}, err
	}
	list, err := p.store.Replace(ctx, now, first, []store.Entry{e})
	a := list0(list)
	if err == nil {
		p.pictures.done(first)
	}
	if err == nil && !a.Duplicate {
		p.pictures.add(a.ID, firstExpiry(x.record.Holes))
	}
	return a, err
}

// sealAwaiting seals an opened entry again, as the body of e.
func (p *Proxy) sealAwaiting(e *store.Entry, x *entry) error {
	h := x.head
	h.Holes, h.Extra = nil, 0
	buf, err := appendEntry(p.vault.begin(nil), h, &x.record, x.original)
	if err == nil {
		e.Body, err = p.vault.end(buf, e.ID)
	}
	return err
}

// unjoined ends the wait of a half whose time is over, or says how long it
// waits yet.
func (p *Proxy) unjoined(ctx context.Context, g *Generation, a *awaited, e *entry) (why *noPicture, more time.Duration, done bool) {
	w := e.head.Await
	if !w.Brings && !e.record.Later() {
		return nil, 0, false
	}
	if more = time.Until(w.Until); more > 0 {
		return nil, more, false
	}
	if i := g.Rules.Catalogue.Interface(e.head.Interface); w.Send && i != nil {
		if rest := e.record; len(rest.Without(i)) == 0 {
			e.record, w.Join = rest, nil
			return nil, 0, false
		}
	}
	if !w.Brings {
		return &noPicture{message.New("picture-late", w.Until.Sub(e.head.Request.Received), recipesOf(e.record.Holes)), true}, 0, false
	}
	_, err := p.store.Replace(ctx, time.Now(), a.id, nil)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		p.log.WarnContext(ctx, "a picture without its event could not be dropped", "id", a.id, "err", err)
		return nil, maxPictureWait, false
	}
	p.pictures.done(a.id)
	if err == nil {
		p.metrics.pictures.WithLabelValues(w.Labels.Source, "unclaimed").Inc()
		p.log.InfoContext(ctx, "a picture was dropped: the event that it belongs to did not come", "id", a.id, "source", w.Labels.Source, "device", w.Labels.Device, "waited", w.Until.Sub(e.head.Request.Received))
	}
	return nil, 0, true
}

// takeBack gives a record that is mapped again the pictures that had come for
// it in another request.
func (p *Proxy) takeBack(res *transform.Result, e *entry) {
	if e.head.Joined == nil {
		return
	}
	for i := range res.Records {
		rec := &res.Records[i]
		if !rec.Later() || p.vault.key(rec.Interface.Name, rec.Device, rec.Time, rec.Distinct) != *e.head.Joined {
			continue
		}
		for n := range rec.Holes {
			if rc := rec.Holes[n].Recipe; rc != nil && rc.Later != "" {
				if b := e.hole(rc.Field); b != nil && len(b.Blob.Data) > 0 {
					rec.Holes[n].Blob, rec.Holes[n].Recipe = b.Blob, &transform.Recipe{Field: rc.Field}
				}
			}
		}
	}
}

// hole is that of a field of the record.
func (e *entry) hole(field string) *transform.Hole {
	for i := range e.record.Holes {
		if h := &e.record.Holes[i]; bytes.HasSuffix(e.record.Doc[:h.At], []byte(`"`+field+`":"`)) {
			return h
		}
	}
	return nil
}
