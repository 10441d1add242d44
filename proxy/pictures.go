package proxy

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// A record whose pictures have yet to be made (fetched, cut out: see
// transform.Recipe) is durable before its event is acknowledged, as any other:
// it is admitted as an entry of class Awaiting, which nobody claims. Behind
// the acknowledgement its pictures are made, those whose URLs expire first
// before others, and the whole record takes the entry's place in one atomic
// step (store.Replace), under the same dedup key. That does not wait for the
// platform: a signed URL may be good for a quarter of an hour only. What cannot
// be made is a dead letter "picture-missing", also in one step. After a crash
// the entries are found in the store again.

// orphansEvery is how often the store is asked for entries that nobody here
// has in hand: another replica's, which is gone, or those of a list that failed.
const (
	orphansEvery = 30 * time.Second
	orphanAge    = 2 * time.Minute
)

// pictures are the entries that wait for their pictures.
type pictures struct {
	mu    sync.Mutex
	known map[string]bool // ids in the queue, in hand or waiting for a try
	queue pictureQueue
	woken chan struct{}
	edit  chan struct{} // held while a picture is decoded: one at a time, so that neither memory nor cores are taken from events
}

func newPictures() *pictures {
	return &pictures{known: map[string]bool{}, woken: make(chan struct{}, 1), edit: make(chan struct{}, 1)}
}

// awaited is one entry that waits.
type awaited struct {
	id      string
	expires time.Time // of its URL that expires first; zero: not known
	tries   int
}

// pictureQueue is a heap: what expires first, then what came first.
type pictureQueue []*awaited

func (q pictureQueue) Len() int      { return len(q) }
func (q pictureQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q pictureQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	switch {
	case a.expires.IsZero() != b.expires.IsZero():
		return b.expires.IsZero()
	case !a.expires.Equal(b.expires):
		return a.expires.Before(b.expires)
	}
	return a.id < b.id
}
func (q *pictureQueue) Push(x any) { *q = append(*q, x.(*awaited)) }
func (q *pictureQueue) Pop() any {
	n := len(*q) - 1
	x := (*q)[n]
	(*q)[n] = nil
	*q = (*q)[:n]
	return x
}

// add puts an entry into the queue, unless it is in hand already.
func (s *pictures) add(id string, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known[id] {
		s.known[id] = true
		s.push(&awaited{id: id, expires: expires})
	}
}

func (s *pictures) push(a *awaited) {
	heap.Push(&s.queue, a)
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// later puts an entry back after a while.
func (s *pictures) later(a *awaited, wait time.Duration) {
	a.tries++
	s.after(a, wait)
}

// after is later for one that was not tried.
func (s *pictures) after(a *awaited, wait time.Duration) {
	time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.push(a)
	})
}

func (s *pictures) done(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}

func (s *pictures) next() *awaited {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	return heap.Pop(&s.queue).(*awaited)
}

// waiting is how many entries wait for pictures, as far as this process knows.
func (s *pictures) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

// makePictures makes pictures until ctx ends.
func (p *Proxy) makePictures(ctx context.Context) {
	p.orphans(ctx, time.Now()) // of the last run
	tick := time.NewTicker(orphansEvery)
	defer tick.Stop()
	slots := make(chan struct{}, p.gen.Load().Config.Pictures.Concurrency)
	var under sync.WaitGroup
	defer under.Wait()
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		a := p.pictures.next()
		if a == nil {
			<-slots
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				p.orphans(ctx, time.Now().Add(-orphanAge))
			case <-p.pictures.woken:
			}
			continue
		}
		under.Go(func() {
			defer func() { <-slots }()
			p.complete(ctx, a)
		})
	}
}

// orphans takes the entries admitted before a time that wait for pictures.
// Two replicas may take the same one: the second has nothing to replace.
func (p *Proxy) orphans(ctx context.Context, before time.Time) {
	f := store.Filter{State: store.Dead, Class: store.Awaiting, Until: before.Add(time.Millisecond), Limit: 1000}
	for {
		list, err := p.store.List(ctx, f)
		if err != nil {
			if ctx.Err() == nil {
				p.metrics.storeErrors.Inc()
				p.log.WarnContext(ctx, "records that wait for pictures could not be listed", "err", err)
			}
			return
		}
		for _, i := range list {
			f.After = i.ID
			p.pictures.add(i.ID, time.Time{})
		}
		if len(list) < f.Limit {
			return
		}
	}
}

// await makes an entry one that waits for its record's pictures.
func (p *Proxy) await(e *store.Entry, h *head, rec *transform.Record) {
	h.Await = &awaitHead{Lane: e.Lane, Group: e.Group, Key: e.Key, TTL: e.KeyTTL, Labels: e.Labels}
	e.Dead = awaitingReason(message.New("picture-awaited", recipesOf(rec.Holes)))
	if rec.Later() {
		h.Await.Send = rec.Mapping.SendLate()
		p.joined(e, h.Await, h.Source, rec.Join, h.Request.Received.Add(rec.Mapping.JoinWait()))
	}
}

// awaitHead is what an entry becomes when its pictures are made.
type awaitHead struct {
	Lane   string        `json:"lane"`
	Group  string        `json:"group"`
	Key    store.Key     `json:"key"`
	TTL    time.Duration `json:"ttl"`
	Labels store.Labels  `json:"labels"`
	// Of a join: the key of both halves, and until when this one waits. Brings:
	// it is the pictures, not the record.
	Join   *store.Key `json:"join,omitempty"`
	Until  time.Time  `json:"until,omitzero"`
	Brings bool       `json:"brings,omitempty"`
	Send   bool       `json:"send,omitempty"` // when the time is over, without the pictures
}

func awaitingReason(why message.Message) *store.Reason {
	return &store.Reason{Class: store.Awaiting, Text: joinReason(&transform.Refusal{Text: why.In(message.English), Chinese: why.In(message.Chinese)})}
}

// admitted takes the entries of an event into the queue that were no
// duplicates and wait for pictures.
func (s *pictures) admitted(entries []store.Entry, admissions []store.Admission, records []transform.Record) {
	// Behind the records stand the pictures for others' records.
	for i := range entries {
		if d := entries[i].Dead; d != nil && d.Class == store.Awaiting && !admissions[i].Duplicate {
			var expires time.Time
			if i < len(records) {
				expires = firstExpiry(records[i].Holes)
			}
			s.add(admissions[i].ID, expires)
		}
	}
}

func firstExpiry(holes []transform.Hole) (first time.Time) {
	for i := range holes {
		if rc := holes[i].Recipe; rc != nil && !rc.Expires.IsZero() && (first.IsZero() || rc.Expires.Before(first)) {
			first = rc.Expires
		}
	}
	return first
}

// complete makes the pictures of one entry and puts the whole record, or a dead
// letter, in its place.
func (p *Proxy) complete(ctx context.Context, a *awaited) {
	sealed, err := p.store.Load(ctx, a.id, nil)
	if errors.Is(err, store.ErrNotFound) {
		p.pictures.done(a.id) // dropped by a person, or made by another replica
		return
	}
	var e *entry
	if err == nil {
		if e, err = p.open(sealed, a.id); err == nil && e.head.Await == nil {
			err = errors.New("the entry does not say what it becomes")
		}
	}
	if err != nil {
		p.log.ErrorContext(ctx, "a record that waits for its pictures cannot be read", "id", a.id, "err", err)
		p.pictures.later(a, time.Minute)
		return
	}
	g := p.gen.Load()
	why, more, done := p.unjoined(ctx, g, a, e)
	switch {
	case done:
		return
	case more > 0:
		p.pictures.after(a, more)
		return
	case why == nil:
		why = p.make(ctx, g, e)
	}
	labels := &e.head.Await.Labels
	switch {
	case ctx.Err() != nil:
		p.pictures.done(a.id) // it is found again at the next start
		return
	case why != nil && !why.final && time.Since(e.head.Request.Received) < g.Config.Pictures.Patience:
		wait := min(platform.Backoff(a.tries+1, rand.Int64N), maxPictureWait)
		p.metrics.pictures.WithLabelValues(labels.Source, "later").Inc()
		p.log.InfoContext(ctx, "a picture is tried again", "id", a.id, "source", labels.Source, "device", labels.Device, "attempt", a.tries+1, "in", wait.Round(time.Millisecond), "why", why.text)
		p.pictures.later(a, wait)
		return
	}
	p.replaceAwaited(ctx, a, e, why)
}

// maxPictureWait bounds the time between two tries: a camera that starts again
// is back within it, and its pictures may be gone soon.
const maxPictureWait = 30 * time.Second

// replaceAwaited puts the whole record in the place of the entry that waited;
// or the dead letter, if why says so.
func (p *Proxy) replaceAwaited(ctx context.Context, a *awaited, e *entry, why *noPicture) {
	h, w := e.head, e.head.Await
	made := store.Entry{ID: store.NewID(h.Request.Received), Lane: w.Lane, Group: w.Group, Key: w.Key, KeyTTL: w.TTL, Labels: w.Labels}
	outcome := "made"
	if why != nil {
		outcome = "missing"
		text := message.In(why.text, message.English)
		if w.Join != nil {
			w.atJoin(&made) // a late picture still finds it
		}
		made.Dead = &store.Reason{Class: store.NoPicture, Text: joinReason(&transform.Refusal{Text: text, Chinese: message.In(why.text, message.Chinese)})}
	} else {
		h.Await = nil
	}
	h.Holes, h.Extra = nil, 0
	buf, err := appendEntry(p.vault.begin(nil), h, &e.record, e.original)
	if err == nil {
		made.Body, err = p.vault.end(buf, made.ID)
	}
	if err == nil {
		_, err = p.store.Replace(ctx, time.Now(), a.id, []store.Entry{made})
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		p.pictures.done(a.id)
		return
	case err != nil:
		p.log.WarnContext(ctx, "a record with its pictures could not be stored; it is tried again", "id", a.id, "err", err)
		p.pictures.later(a, cmp.Or(min(platform.Backoff(a.tries+1, rand.Int64N), maxPictureWait), time.Second))
		return
	}
	p.pictures.done(a.id)
	p.metrics.pictures.WithLabelValues(w.Labels.Source, outcome).Inc()
	if why != nil {
		p.metrics.deadLetters.WithLabelValues(w.Labels.Source, string(store.NoPicture)).Inc()
		p.log.WarnContext(ctx, "dead letter", "id", made.ID, "source", w.Labels.Source, "device", w.Labels.Device, "class", store.NoPicture, "reason", why.text)
		return
	}
	p.wake()
}
