// Package shared lets replicas that keep their entries on disks of their own
// know each other's: the bodies stay where they were received, only the keys
// by which duplicates are known are shared.
//
// To admit is three steps: reserve the keys, make the entries durable here,
// confirm the keys. A key that another replica has confirmed is a duplicate of
// its entry; one that another has only reserved is waited for, because a
// duplicate is answered only when the first is durable. Who crashes between
// leaves a reservation that ends with its lease, so nothing is lost; if its
// entry was durable already, it may be admitted once more elsewhere.
//
// What is durable here is the truth, and all of it is confirmed anew in the
// background: at the start, when the keys' server was away, and when it turns
// out to have forgotten one.
//
// What Promise says, sentence by sentence, is what these tests show:
//
//	admitted by one                 TestPromiseAdmittedByOneReplica
//	duplicates wait                 TestPromiseDuplicateWaitsForTheFirst
//	the end between two steps       TestPromiseCrashGivesTheKeyBack, TestPromiseOwnerConfirmsAtStart
//	Redis away, admit               TestPromiseOutageAdmits
//	Redis away, refuse              TestPromiseOutageRefuses
//	own disk, own backlog           TestPromiseBacklogWaitsForItsReplica
//	order of a device               TestPromiseOrderOnOneReplica
//	registrations of one replica    TestPromiseRegistrationsOfOneReplica
//	what weakens it                 TestPromiseTellsWeakness
package shared

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yiqiao/proxy/store"
)

// Local is the store of this replica. disk is one.
type Local interface {
	store.Store
	// Keys are those known at now, in their own order, beginning behind after.
	Keys(ctx context.Context, now time.Time, after store.Key, limit int) ([]store.Known, error)
}

// Keys are what the replicas share. Those of redis are documented there.
type Keys interface {
	// Reserve tells for each key the id of the entry that brought it, empty
	// where it is reserved now; or held, and then none is reserved.
	Reserve(ctx context.Context, now time.Time, h store.Hold, keys []store.Key) (first []string, held bool, err error)
	// Confirm tells which entries are durable. twice counts those whose key
	// is another entry's, once each.
	Confirm(ctx context.Context, now time.Time, h store.Hold, known []store.Known) (twice int, err error)
	GiveBack(ctx context.Context, h store.Hold, keys []store.Key) error
	// Meet is store.Store's, for all replicas.
	Meet(ctx context.Context, now time.Time, m store.Meeting) (store.Attendance, error)
	// Ready tells whether keys can be reserved.
	Ready(ctx context.Context) error
	State() string
	Warnings() []string
	Close() error
}

// Policy says what becomes of events while the keys are out of reach.
type Policy string

// The policies.
const (
	Admit  Policy = "admit"  // they are admitted, and may be so twice
	Refuse Policy = "refuse" // their devices are told to come again
)

const (
	defaultLease = 10 * time.Second
	// callLimit bounds a call that goes on although its device has gone.
	callLimit = 5 * time.Second
	// A key that another holds is asked for again after such pauses.
	firstPause, lastPause = 2 * time.Millisecond, 100 * time.Millisecond
)

// Options of a store; each zero value has a default.
type Options struct {
	// OnOutage: default Admit.
	OnOutage Policy
	// Lease of a reservation. Default 10 s. To make an entry durable may take
	// four fifths of it.
	Lease time.Duration
	// Note hears of each beginning and end of an outage. It must not block.
	Note func(text string)
}

// Store implements store.Store. All that is not about keys is the local one's.
type Store struct {
	Local
	keys     Keys
	options  Options
	tokens   string // begins the tokens of this Store
	admitted atomic.Int64

	unshared, twice atomic.Int64

	open   sync.RWMutex // held for reading by every admission, for writing by Close
	closed bool

	// replacing is held for reading while a dead letter's key passes to what
	// replaces it, for writing while a page of keys is confirmed.
	replacing sync.RWMutex

	mu    sync.Mutex
	away  error // why the keys are out of reach; nil: they are not
	since time.Time
	stale bool // all keys are to be confirmed

	woken  chan struct{}
	mender sync.WaitGroup
	end    context.CancelFunc
}

var _ store.Store = (*Store)(nil)

// New makes a store of a local one and of keys; Close closes both.
func New(ctx context.Context, local Local, keys Keys, o Options) *Store {
	o.OnOutage, o.Lease = cmp.Or(o.OnOutage, Admit), cmp.Or(o.Lease, defaultLease)
	if o.Note == nil {
		o.Note = func(string) {}
	}
	s := &Store{Local: local, keys: keys, options: o, tokens: store.NewID(time.Now()), stale: true, woken: make(chan struct{}, 1)}
	mend, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	if err := keys.Ready(ctx); err != nil {
		s.lose(err)
	}
	s.mender.Go(func() { s.mend(mend) })
	return s
}

// enter begins an admission.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.open.RLock()
	if s.closed {
		s.open.RUnlock()
		return store.ErrClosed
	}
	return nil
}

// Meet implements store.Store. While Redis is away nobody can know what the
// others have seen: then it fails, and nobody is said to be silent.
func (s *Store) Meet(ctx context.Context, now time.Time, m store.Meeting) (store.Attendance, error) {
	if err := s.enter(ctx); err != nil {
		return store.Attendance{}, err
	}
	defer s.open.RUnlock()
	return s.keys.Meet(ctx, now, m)
}

// Admit implements store.Store.
func (s *Store) Admit(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.open.RUnlock()
	return s.admit(ctx, now, admission{entries: entries, local: func(ctx context.Context, fresh []store.Entry) ([]store.Admission, error) {
		if len(fresh) == 0 {
			return nil, nil
		}
		return s.Local.Admit(ctx, now, fresh)
	}})
}

// Replace implements store.Store. The dead letter and its replacement are on
// the same disk, so they change places in one step there.
func (s *Store) Replace(ctx context.Context, now time.Time, id string, entries []store.Entry) ([]store.Admission, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.open.RUnlock()
	s.replacing.RLock()
	defer s.replacing.RUnlock()
	return s.admit(ctx, now, admission{entries: entries, replaces: id, local: func(ctx context.Context, fresh []store.Entry) ([]store.Admission, error) {
		return s.Local.Replace(ctx, now, id, fresh)
	}})
}

// admission is one call under way.
type admission struct {
	entries  []store.Entry
	replaces string
	local    func(ctx context.Context, fresh []store.Entry) ([]store.Admission, error)

	hold   store.Hold
	keys   []store.Key
	first  []string // by key: who brought it, "" if it is reserved
	shared bool     // the keys are reserved
}

// admit reserves, admits here, confirms.
func (s *Store) admit(ctx context.Context, now time.Time, a admission) ([]store.Admission, error) {
	a.hold = store.Hold{Token: fmt.Sprintf("%s-%d", s.tokens, s.admitted.Add(1)), Lease: s.options.Lease, Replaces: a.replaces}
	a.keys = distinct(a.entries)
	// Cut off before the reservation could end: then nobody else has the key.
	begun := time.Now()
	if err := s.reserve(ctx, now, &a, &begun); err != nil {
		return nil, err
	}
	out, fresh, places := a.split()
	within, cancel := context.WithDeadline(ctx, begun.Add(s.options.Lease*4/5))
	defer cancel()
	if !a.shared {
		within = ctx
	}
	got, err := a.local(within, fresh)
	if err != nil {
		s.giveBack(ctx, &a)
		if within.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("the entry was not durable within %v: %w", s.options.Lease*4/5, err)
		}
		return nil, err
	}
	for i, at := range places {
		out[at] = got[i]
	}
	s.confirm(ctx, now, &a, fresh, got)
	return out, nil
}

// distinct are the keys of entries, each once, without the zero key.
func distinct(entries []store.Entry) (keys []store.Key) {
	seen := make(map[store.Key]bool, len(entries))
	for i := range entries {
		if k := entries[i].DedupKey(); k != (store.Key{}) && !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys
}

// split tells the entries that nobody has admitted, and where their answers
// belong in out, which has those of the others.
func (a *admission) split() (out []store.Admission, fresh []store.Entry, places []int) {
	first := map[store.Key]string{}
	for i, id := range a.first {
		if id != "" {
			first[a.keys[i]] = id
		}
	}
	out = make([]store.Admission, len(a.entries))
	for i, e := range a.entries {
		if id := first[e.DedupKey()]; id != "" {
			out[i] = store.Admission{ID: id, Duplicate: true}
			continue
		}
		fresh, places = append(fresh, e), append(places, i)
	}
	return out, fresh, places
}

// reserve reserves the keys of a, or decides to go on without, or fails.
// begun is when the lease began at the earliest.
func (s *Store) reserve(ctx context.Context, now time.Time, a *admission, begun *time.Time) error {
	if len(a.keys) == 0 {
		return nil
	}
	if away := s.isAway(); away != nil {
		return s.without(a, away)
	}
	// Whoever holds a key confirms it or loses it within its lease.
	for wait, until := firstPause, begun.Add(s.options.Lease+s.options.Lease/4); ; wait = min(2*wait, lastPause) {
		*begun = time.Now()
		first, held, err := s.keys.Reserve(ctx, now, a.hold, a.keys)
		switch {
		case ctx.Err() != nil:
			a.shared = true // perhaps
			s.giveBack(ctx, a)
			return ctx.Err()
		case err != nil:
			s.lose(err)
			return s.without(a, err)
		case !held:
			a.first, a.shared = first, true
			return nil
		case time.Now().After(until):
			return errors.New("another replica has been admitting the same event for too long")
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
	}
}

// pause tells whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// without decides about an admission whose keys are out of reach.
func (s *Store) without(a *admission, why error) error {
	if s.options.OnOutage == Refuse {
		return fmt.Errorf("the keys by which replicas know duplicates are out of reach, and dedup.onOutage is refuse: %w", why)
	}
	return nil
}

func (s *Store) giveBack(ctx context.Context, a *admission) {
	if !a.shared || len(a.keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	if err := s.keys.GiveBack(ctx, a.hold, a.keys); err != nil {
		s.lose(err) // the lease ends by itself
	}
}

// confirm tells the others what is durable here. If that fails the answer is
// no other: the entries are durable, and they are confirmed later.
func (s *Store) confirm(ctx context.Context, now time.Time, a *admission, fresh []store.Entry, got []store.Admission) {
	if len(a.keys) == 0 || len(fresh) == 0 {
		return
	}
	if !a.shared {
		for _, g := range got {
			if !g.Duplicate {
				s.unshared.Add(1)
			}
		}
		if s.isAway() == nil {
			s.confirmAll() // they came back meanwhile, and this may have been passed over
		}
		return
	}
	ours := make(map[string]bool, len(fresh))
	var known []store.Known
	for i, e := range fresh {
		key := e.DedupKey()
		switch {
		case key == (store.Key{}) || got[i].Duplicate && ours[got[i].ID]:
			continue
		case got[i].Duplicate:
			s.confirmAll() // it was known here, and the server had not heard of it or forgot it
		}
		ours[got[i].ID] = true
		known = append(known, store.Known{Key: key, ID: got[i].ID, Expires: now.Add(e.KeyTTL)})
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	twice, err := s.keys.Confirm(ctx, now, a.hold, known)
	s.twice.Add(int64(twice))
	if err != nil {
		s.lose(err)
	}
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context, now time.Time) (store.Stats, error) {
	st, err := s.Local.Stats(ctx, now)
	st.Unshared, st.Twice = s.unshared.Load(), s.twice.Load()
	return st, err
}

// State implements store.Store. What is wrong with the disk comes first.
func (s *Store) State() string {
	var wrong []string
	if l := s.Local.State(); l != "ok" {
		wrong = append(wrong, l)
	}
	if away := s.isAway(); away != nil {
		wrong = append(wrong, fmt.Sprintf("degraded: the keys that replicas share are out of reach: %v", away))
	} else if k := s.keys.State(); k != "ok" {
		wrong = append(wrong, k)
	}
	return cmp.Or(strings.Join(wrong, "; "), "ok")
}

// Warnings are what weakens the Promise.
func (s *Store) Warnings() []string { return s.keys.Warnings() }

// Promise implements store.Store.
func (s *Store) Promise() string {
	out := []string{
		s.Local.Promise(),
		"shared keys: an event that several replicas receive is admitted by one of them; the others answer that it is a duplicate when that one has it durable.",
		fmt.Sprintf("A replica that ends between gives the key back after %v: nothing is lost, and at worst the event is admitted once more. At its next start it confirms what it has.", s.options.Lease),
	}
	if s.options.OnOutage == Refuse {
		out = append(out, "While Redis is away, events are refused and what waits is still delivered.")
	} else {
		out = append(out, "While Redis is away, events are admitted and each replica knows its own duplicates only; those admitted twice are counted when it is back.")
	}
	out = append(out,
		"What waits on the disk of a replica is delivered by that replica, when it runs.",
		"The records of a device keep their order on one replica, not between two.",
		"What was registered at the platform is known to the replica that delivered it: the others do not wait for it, and register the same once more.")
	if w := s.Warnings(); len(w) > 0 {
		out = append(out, "But keys may be lost, and then events be admitted twice: "+strings.Join(w, "; ")+".")
	}
	return strings.Join(out, " ")
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.open.Lock()
	defer s.open.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	s.end()
	s.mender.Wait()
	return errors.Join(s.Local.Close(), s.keys.Close())
}
