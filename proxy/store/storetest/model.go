package storetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"yiqiao/proxy/store"
)

// Model is the contract in its shortest form: a store in memory, slow and
// obvious, against which the real ones are checked. It serves as well where a
// test needs some store and no disk. Nothing survives the process.
type Model struct {
	// MaxEntry and MaxBytes refuse as the real stores do; 0 means no limit.
	MaxEntry int
	MaxBytes int

	mu      sync.Mutex
	closed  bool
	token   int64
	entries []*modelEntry // in order of admission
	keys    map[store.Key]modelKey

	accepted map[store.Key]modelVersion
	board    store.Board
}

type modelEntry struct {
	info store.Info

	registers, digest store.Key
	body              []byte
	token             int64
	until             time.Time // end of the lease; zero: not leased
	turn              time.Time // of its lane, when it became the head
}

type modelKey struct {
	id      string
	expires time.Time
}

// NewModel returns an empty model without limits.
func NewModel() *Model {
	return &Model{keys: map[store.Key]modelKey{}, accepted: map[store.Key]modelVersion{}}
}

// enter locks the model; the caller unlocks it if there is no error.
func (m *Model) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return store.ErrClosed
	}
	return nil
}

// Admit implements store.Store.
func (m *Model) Admit(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.admit(now, entries, "")
}

// admit stores entries; replaced is the dead letter whose own key does not
// count. It checks everything before it changes anything.
func (m *Model) admit(now time.Time, entries []store.Entry, replaced string) ([]store.Admission, error) {
	var out []store.Admission
	var fresh []store.Entry
	seen := map[store.Key]string{}
	versions := map[store.Key]modelVersion{}
	bytes := 0
	for _, e := range entries {
		if m.MaxEntry > 0 && len(e.Body) > m.MaxEntry {
			return nil, store.ErrTooLarge
		}
		if ref := registers(&e); ref != (store.Key{}) {
			e.Key = store.Key{}
			if first, ok := m.unchanged(&e, versions); ok {
				out = append(out, store.Admission{ID: first, Duplicate: true})
				continue
			}
			versions[ref] = modelVersion{id: e.ID, digest: e.Digest}
		}
		if first, ok := m.known(now, e.Key, seen, replaced); ok {
			out = append(out, store.Admission{ID: first, Duplicate: true})
			continue
		}
		if e.Key != (store.Key{}) {
			seen[e.Key] = e.ID
		}
		out = append(out, store.Admission{ID: e.ID})
		fresh = append(fresh, e)
		bytes += len(e.Body)
	}
	if m.MaxBytes > 0 && bytes > 0 && m.bytes(replaced)+bytes > m.MaxBytes {
		return nil, store.ErrFull
	}
	m.remove(replaced)
	for i := range out {
		out[i].ID = strings.Clone(out[i].ID)
	}
	for _, e := range fresh {
		m.insert(now, own(e))
	}
	return out, nil
}

func (m *Model) known(now time.Time, k store.Key, seen map[store.Key]string, replaced string) (string, bool) {
	if k == (store.Key{}) {
		return "", false
	}
	if id, ok := seen[k]; ok {
		return id, true
	}
	old, ok := m.keys[k]
	if !ok || !now.Before(old.expires) || (replaced != "" && old.id == replaced) {
		return "", false
	}
	return old.id, true
}

// own copies an entry's strings.
func own(e store.Entry) store.Entry {
	l := &e.Labels
	for _, s := range []*string{&e.ID, &e.Lane, &l.Source, &l.Mapping, &l.Interface, &l.Device, &l.Generation} {
		*s = strings.Clone(*s)
	}
	if e.Dead != nil {
		e.Dead = &store.Reason{Class: store.Class(strings.Clone(string(e.Dead.Class))), Text: strings.Clone(e.Dead.Text)}
	}
	return e
}

func (m *Model) insert(now time.Time, e store.Entry) {
	if e.Key != (store.Key{}) {
		m.keys[e.Key] = modelKey{e.ID, now.Add(e.KeyTTL)}
	}
	info := store.Info{ID: e.ID, State: store.Ready, Lane: e.Lane, Labels: e.Labels, Admitted: now, Due: now, Size: len(e.Body)}
	if e.Dead != nil {
		info.State, info.Reason, info.Due = store.Dead, *e.Dead, time.Time{}
	}
	m.entries = append(m.entries, &modelEntry{info: info, body: slices.Clone(e.Body), registers: registers(&e), digest: e.Digest})
}

func (m *Model) remove(id string) {
	m.entries = slices.DeleteFunc(m.entries, func(e *modelEntry) bool { return e.info.ID == id })
}

func (m *Model) find(id string) *modelEntry {
	for _, e := range m.entries {
		if e.info.ID == id {
			return e
		}
	}
	return nil
}

func (m *Model) bytes(except string) int {
	n := 0
	for _, e := range m.entries {
		if e.info.ID != except {
			n += len(e.body)
		}
	}
	return n
}

// heads returns what a Claim at now may give out: the first ready entry of
// each lane, if it is due and not leased.
func (m *Model) heads(now time.Time) []*modelEntry {
	var out []*modelEntry
	seen := map[string]bool{}
	for _, e := range m.entries {
		if e.info.State != store.Ready || seen[e.info.Lane] {
			continue
		}
		seen[e.info.Lane] = true
		if !now.Before(e.info.Due) && !now.Before(e.until) {
			out = append(out, e)
		}
	}
	return out
}

func (m *Model) lease(e *modelEntry, until time.Time) store.Claim {
	m.token++
	e.token, e.until = m.token, until
	return store.Claim{
		ID: e.info.ID, Lane: e.info.Lane, Token: e.token, Attempts: e.info.Attempts,
		Admitted: e.info.Admitted, Size: e.info.Size, Labels: e.info.Labels,
	}
}

// Claim implements store.Store.
func (m *Model) Claim(ctx context.Context, now time.Time, w store.Want) ([]store.Claim, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	heads := m.heads(now)
	var chosen []*modelEntry
	for range min(w.Newest, w.Max, len(heads)) { // heads are in order of admission
		last := len(heads) - 1
		chosen, heads = append(chosen, heads[last]), heads[:last]
	}
	slices.SortStableFunc(heads, func(a, b *modelEntry) int { return a.since().Compare(b.since()) })
	chosen = append(chosen, heads[:min(w.Max-len(chosen), len(heads))]...)
	var out []store.Claim
	for _, e := range chosen {
		out = append(out, m.lease(e, now.Add(w.Lease)))
	}
	return out, nil
}

// since is how long the lane of a head has waited.
func (e *modelEntry) since() time.Time {
	if e.turn.After(e.info.Due) {
		return e.turn
	}
	return e.info.Due
}

// next gives a lane's turn to its head.
func (m *Model) next(now time.Time, lane string) {
	for _, e := range m.entries {
		if e.info.Lane == lane && e.info.State == store.Ready {
			e.turn = now
			return
		}
	}
}

// holder returns the entry that c still holds. A lease that has ended holds
// its entry until another claim takes it.
func (m *Model) holder(c store.Claim) (*modelEntry, error) {
	e := m.find(c.ID)
	if e == nil || e.info.State != store.Ready || e.token == 0 || e.token != c.Token {
		return nil, store.ErrFenced
	}
	return e, nil
}

// Extend implements store.Store.
func (m *Model) Extend(ctx context.Context, now time.Time, c store.Claim, lease time.Duration) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	e, err := m.holder(c)
	if err != nil {
		return err
	}
	if !now.Before(e.until) {
		return store.ErrFenced
	}
	e.until = now.Add(lease)
	return nil
}

// Settle implements store.Store.
func (m *Model) Settle(ctx context.Context, now time.Time, c store.Claim, o store.Outcome) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	e, err := m.holder(c)
	if err != nil {
		return err
	}
	if !o.Free {
		e.info.Attempts++
	}
	e.token, e.until = 0, time.Time{}
	switch o.Do {
	case store.Delivered:
		if e.registers != (store.Key{}) {
			m.accepted[e.registers] = modelVersion{c.ID, e.digest, now}
		}
		m.remove(c.ID)
	case store.Retry:
		e.info.Due, e.info.Reason = o.At, o.Reason
	case store.Bury:
		e.info.State, e.info.Reason, e.info.Due = store.Dead, o.Reason, time.Time{}
	}
	m.next(now, c.Lane)
	return nil
}

// Load implements store.Store.
func (m *Model) Load(ctx context.Context, id string, dst []byte) ([]byte, error) {
	if err := m.enter(ctx); err != nil {
		return dst, err
	}
	defer m.mu.Unlock()
	e := m.find(id)
	if e == nil {
		return dst, store.ErrNotFound
	}
	return append(dst, e.body...), nil
}

// List implements store.Store.
func (m *Model) List(ctx context.Context, f store.Filter) ([]store.Info, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if f.Limit <= 0 {
		f.Limit = 100
	}
	at := slices.IndexFunc(m.entries, func(e *modelEntry) bool { return e.info.ID == f.After })
	var out []store.Info
	for i, e := range m.entries {
		behind := i > at
		if f.After != "" && at < 0 {
			behind = e.info.ID > f.After
		}
		if behind && matches(f, e.info) && len(out) < f.Limit {
			out = append(out, e.info)
		}
	}
	return out, nil
}

func matches(f store.Filter, i store.Info) bool {
	pairs := [][2]string{
		{f.ID, i.ID}, {string(f.State), string(i.State)}, {f.Source, i.Labels.Source},
		{f.Interface, i.Labels.Interface}, {f.Device, i.Labels.Device}, {string(f.Class), string(i.Reason.Class)},
	}
	if !f.Since.IsZero() && i.Admitted.Before(f.Since) || !f.Until.IsZero() && !i.Admitted.Before(f.Until) {
		return false
	}
	return !slices.ContainsFunc(pairs, func(p [2]string) bool { return p[0] != "" && p[0] != p[1] })
}

// Replace implements store.Store.
func (m *Model) Replace(ctx context.Context, now time.Time, id string, entries []store.Entry) ([]store.Admission, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if e := m.find(id); e == nil || e.info.State != store.Dead {
		return nil, store.ErrNotFound
	}
	return m.admit(now, entries, id)
}

// Stats implements store.Store.
func (m *Model) Stats(ctx context.Context, now time.Time) (store.Stats, error) {
	if err := m.enter(ctx); err != nil {
		return store.Stats{}, err
	}
	defer m.mu.Unlock()
	var s store.Stats
	for _, e := range m.entries {
		if e.info.State == store.Dead {
			s.Dead++
			s.DeadBytes += int64(e.info.Size)
			continue
		}
		s.Ready++
		s.ReadyBytes += int64(e.info.Size)
		if s.Oldest.IsZero() || e.info.Admitted.Before(s.Oldest) {
			s.Oldest = e.info.Admitted
		}
	}
	for _, k := range m.keys {
		if now.Before(k.expires) {
			s.Keys++
		}
	}
	return s, nil
}

// Promise implements store.Store.
// State implements store.Store.
func (m *Model) State() string { return "ok" }

// Promise implements store.Store.
func (m *Model) Promise() string { return "nothing survives the end of the process" }

// Close implements store.Store.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
