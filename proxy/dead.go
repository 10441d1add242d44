package proxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// A store keeps one text as an entry's reason. Where a refusal said it in two
// languages, both are in it, and who lists or searches dead letters may use
// either.
const reasonGlue = "\x1e"

func joinReason(why *transform.Refusal) string {
	if why.Chinese == "" || why.Chinese == why.Text {
		return why.Text
	}
	return why.Text + reasonGlue + why.Chinese
}

// splitReason is the inverse; entries of other origin have no Chinese.
func splitReason(text string) (english, chinese string) {
	english, chinese, _ = strings.Cut(text, reasonGlue)
	return english, chinese
}

// DeadLetter is a dead letter for a person.
type DeadLetter struct {
	ID         string    `json:"id"`
	Admitted   time.Time `json:"admitted"`
	Class      string    `json:"class"`
	Reason     string    `json:"reason"`
	Chinese    string    `json:"chinese,omitempty"` // the reason for who reads Chinese, if it was told so
	Source     string    `json:"source"`
	Mapping    string    `json:"mapping,omitempty"`
	Interface  string    `json:"interface,omitempty"`
	Device     string    `json:"device,omitempty"`
	Generation string    `json:"generation"`
	Attempts   int       `json:"attempts"`
	Size       int       `json:"size"`
}

// Original is a dead letter opened: the request as it came, and the record if
// it got that far.
type Original struct {
	DeadLetter
	Request request `json:"request"`
	Record  string  `json:"record,omitempty"` // pictures described, personal values masked
	// Trace is how the rules of now map the original: each rule, its value and
	// its place, up to what refuses it.
	Trace string `json:"trace"`
	Body  []byte `json:"body"`
}

// ListDead lists dead letters, oldest first.
func (p *Proxy) ListDead(ctx context.Context, f store.Filter) ([]DeadLetter, error) {
	f.State = store.Dead
	infos, err := p.store.List(ctx, f)
	list := make([]DeadLetter, len(infos))
	for i := range infos {
		list[i] = deadLetter(&infos[i])
	}
	return list, err
}

// FindDead lists dead letters that f selects and whose reason holds a text:
// the code of the platform, the name of a field.
func (p *Proxy) FindDead(ctx context.Context, f store.Filter, reason string) ([]DeadLetter, error) {
	if reason == "" {
		return p.ListDead(ctx, f)
	}
	found, limit := []DeadLetter{}, f.Limit
	f.Limit = 1000
	for {
		page, err := p.ListDead(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if f.After = d.ID; strings.Contains(d.Reason, reason) || strings.Contains(d.Chinese, reason) {
				if found = append(found, d); len(found) == limit {
					return found, nil
				}
			}
		}
		if len(page) < f.Limit {
			return found, nil
		}
	}
}

func deadLetter(i *store.Info) DeadLetter {
	english, chinese := splitReason(i.Reason.Text)
	return DeadLetter{
		ID: i.ID, Admitted: i.Admitted, Class: string(i.Reason.Class), Reason: english, Chinese: chinese,
		Source: i.Labels.Source, Mapping: i.Labels.Mapping, Interface: i.Labels.Interface,
		Device: i.Labels.Device, Generation: i.Labels.Generation, Attempts: i.Attempts, Size: i.Size,
	}
}

// ShowDead opens one dead letter.
func (p *Proxy) ShowDead(ctx context.Context, id string) (*Original, error) {
	info, e, err := p.loadDead(ctx, id)
	if err != nil {
		return nil, err
	}
	g := p.gen.Load()
	o := &Original{DeadLetter: deadLetter(info), Request: e.head.Request.masked(), Body: e.original}
	if e.head.Interface != "" {
		o.Record = string(e.record.Masked(g.Rules.Catalogue.Interface(e.head.Interface)))
	}
	o.Trace = traceOf(g, e)
	return o, nil
}

// traceOf maps an original with the rules of g and tells each step.
func traceOf(g *Generation, e *entry) string {
	s := g.Rules.Source(e.head.Source)
	if s == nil {
		return fmt.Sprintf("source %q is not in use", e.head.Source)
	}
	var tr transform.Trace
	var res transform.Result
	g.Rules.ApplyBody(s, e.head.Request.event(), bytes.Clone(e.original), &res, &tr)
	var b strings.Builder
	tr.Write(&b)
	if res.Refusal != nil {
		transform.WriteResult(&b, &res, message.English)
	}
	return b.String()
}

// Summary counts dead letters by source, class and device, the most first.
type Summary struct {
	Source string    `json:"source"`
	Class  string    `json:"class"`
	Device string    `json:"device,omitempty"`
	Count  int       `json:"count"`
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
	Sample string    `json:"sample"` // the reason of the newest
	// Chinese is the sample for who reads Chinese, if it was told so.
	Chinese string `json:"chinese,omitempty"`
}

// SummarizeDead counts the dead letters that f selects and whose reason holds
// a text.
func (p *Proxy) SummarizeDead(ctx context.Context, f store.Filter, reason string) ([]Summary, error) {
	f.State, f.Limit = store.Dead, 1000
	groups := map[[3]string]*Summary{}
	for {
		page, err := p.store.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, i := range page {
			if f.After = i.ID; !strings.Contains(i.Reason.Text, reason) {
				continue
			}
			key := [3]string{i.Labels.Source, string(i.Reason.Class), i.Labels.Device}
			g := groups[key]
			if g == nil {
				g = &Summary{Source: key[0], Class: key[1], Device: key[2], Oldest: i.Admitted}
				groups[key] = g
			}
			g.Count++
			g.Newest = i.Admitted
			g.Sample, g.Chinese = splitReason(i.Reason.Text)
		}
		if len(page) < f.Limit {
			break
		}
	}
	list := make([]Summary, 0, len(groups))
	for _, g := range groups {
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b Summary) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Source+a.Class+a.Device, b.Source+b.Class+b.Device))
	})
	return list, nil
}

func (p *Proxy) loadDead(ctx context.Context, id string) (*store.Info, *entry, error) {
	infos, err := p.store.List(ctx, store.Filter{ID: id, State: store.Dead, Limit: 1})
	if err != nil {
		return nil, nil, err
	}
	if len(infos) == 0 {
		return nil, nil, fmt.Errorf("dead letter %q: %w", id, store.ErrNotFound)
	}
	sealed, err := p.store.Load(ctx, id, nil)
	if err != nil {
		return nil, nil, err
	}
	e, err := p.open(sealed, id)
	return &infos[0], e, err
}

// Retried says what became of a dead letter that was mapped again.
type Retried struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome"` // accepted, duplicate, ignored; empty: still dead
	Reason  string `json:"reason,omitempty"`
	Chinese string `json:"chinese,omitempty"` // the reason for who reads Chinese, if it is told so
}

// RetryDead maps the original again, with the rules of now. If it gives
// records they take the dead letter's place in one atomic step; if a rule
// ignores it, it is dropped; if it is refused again, it stays.
func (p *Proxy) RetryDead(ctx context.Context, id string) (Retried, error) {
	_, e, err := p.loadDead(ctx, id)
	if err != nil {
		return Retried{ID: id}, err
	}
	g := p.gen.Load()
	s := g.Rules.Source(e.head.Source)
	if s == nil {
		return Retried{ID: id, Reason: fmt.Sprintf("source %q is not in use", e.head.Source)}, nil
	}
	w := p.works.Get().(*work)
	defer p.release(w)
	w.event.Request = e.head.Request.event()
	res := &w.result
	if err := g.Rules.Decode(s, &w.event, e.original); err != nil {
		why := transform.NewRefusal(transform.Undecodable, err)
		return Retried{ID: id, Reason: why.Text, Chinese: why.Chinese}, nil
	}
	g.Rules.Apply(s, &w.event, res, nil)
	if res.Refusal != nil {
		return Retried{ID: id, Reason: res.Refusal.Text, Chinese: res.Refusal.Chinese}, nil
	}
	p.takeBack(res, e)
	if why := p.madeAtOnce(ctx, g, res); why != nil {
		return Retried{ID: id, Reason: why.Text, Chinese: why.Chinese}, nil
	}
	entries, err := p.entries(g, s, w, e.original)
	if err != nil {
		return Retried{ID: id}, err
	}
	made := len(entries)
	entries = e.head.missing(entries, res)
	if why, err := p.newer(ctx, entries); why != "" || err != nil {
		return Retried{ID: id, Reason: why}, err
	}
	if res.Left != nil {
		return p.retryPart(ctx, g, s, w, e, id, entries)
	}
	admissions, err := p.store.Replace(ctx, time.Now(), id, entries)
	if err != nil {
		return Retried{ID: id}, err
	}
	if len(entries) == 0 && made > 0 {
		return Retried{ID: id, Outcome: string(transform.Duplicate)}, nil
	}
	if len(entries) == 0 {
		p.metrics.ignored(s, res.Ignored)
		return Retried{ID: id, Outcome: string(transform.Ignored)}, nil
	}
	return Retried{ID: id, Outcome: string(p.admitted(ctx, s, w, entries, admissions))}, nil
}

// retryPart admits what the rules of now make of a dead letter some of whose
// elements are of devices that nobody knows still. In the same step a dead
// letter that knows what is admitted takes its place.
func (p *Proxy) retryPart(ctx context.Context, g *Generation, s *transform.Source, w *work, e *entry, id string, entries []store.Entry) (Retried, error) {
	still := Retried{ID: id, Reason: w.result.Left.Text, Chinese: w.result.Left.Chinese}
	if len(entries) == 0 {
		return still, nil
	}
	dead, err := p.deadEntry(g, s, w, e.original, kept{why: w.result.Left, at: len(w.sealed), done: entries, keys: e.head.Done})
	if err != nil {
		return Retried{ID: id}, err
	}
	admissions, err := p.store.Replace(ctx, time.Now(), id, append(entries, dead))
	if err != nil {
		return Retried{ID: id}, err
	}
	p.admitted(ctx, s, w, entries, admissions[:len(entries)])
	still.ID = dead.ID
	return still, nil
}

// missing is those entries of an event that were not admitted when it became a
// dead letter; the result keeps their records only.
func (h *head) missing(entries []store.Entry, res *transform.Result) []store.Entry {
	if len(h.Done) == 0 {
		return entries
	}
	left, records := entries[:0], res.Records[:0]
	for i := range entries {
		if h.admitted(doneKey(&entries[i])) {
			continue
		}
		left = append(left, entries[i])
		if i < len(res.Records) {
			records = append(records, res.Records[i])
		}
	}
	res.Records = records
	return left
}

// admitted tells whether a record of the event was admitted when it became a
// dead letter.
func (h *head) admitted(k store.Key) bool {
	for keys := range slices.Chunk(h.Done, len(k)) {
		if bytes.Equal(keys, k[:]) {
			return true
		}
	}
	return false
}

// DropDead removes a dead letter for good.
func (p *Proxy) DropDead(ctx context.Context, id string) error {
	_, err := p.store.Replace(ctx, time.Now(), id, nil)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("dead letter %q: %w", id, store.ErrNotFound)
	}
	return err
}
