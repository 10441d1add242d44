// Package storetest is the contract of package store as tests. Every store
// passes Run; a rule that is not tested here is not a rule.
//
// What the contract leaves open is settled here, for all stores alike:
//
//   - A lease ends at now+lease: a Claim at that very time gives the entry out
//     again, and Extend at that time is fenced. Settle still works until
//     another claim has taken the entry.
//   - Retry and Bury count one attempt, unless Free. A lease that just ended
//     counts none.
//   - A dead letter has no Due. A key that has expired belongs to the next
//     entry that brings it.
//   - List.After may name an entry that is gone meanwhile: then the list goes
//     on with the ids behind it.
//   - Which lanes a Claim chooses when there are more than max is not fixed.
//   - A store may cut times to milliseconds; the suite passes whole seconds.
package storetest

import (
	"bytes"
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"yiqiao/proxy/store"
)

// Options say what a store can do beyond the common part.
type Options struct {
	// Reopen is given a store that the suite has closed and opens what it has
	// left behind. Nil: nothing outlives Close, and this is not tested.
	Reopen func(t *testing.T, closed store.Store) store.Store
	// MaxEntry is the longest body that is taken; 0: there is no limit.
	MaxEntry int
	// Small opens an empty store that answers ErrFull before it holds 16 MiB
	// of bodies. Nil: fullness is not tested.
	Small func(t *testing.T) store.Store
	// Alone: the replicas do not reach each other, so they cannot meet.
	Alone bool
}

// Run tests a store. open returns a new and empty one each time; the suite
// closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store, opts Options) {
	groups := []struct {
		name  string
		rules []rule
	}{
		{"Admit", admitRules},
		{"Lease", leaseRules},
		{"Registry", registryRules},
		{"List", listRules},
		{"Replace", replaceRules},
		{"Meet", meetRules},
		{"Life", lifeRules},
	}
	for _, g := range groups {
		if opts.Alone && g.name == "Meet" {
			g.rules = []rule{{"nobody leads", checkNobodyLeads}}
		}
		t.Run(g.name, func(t *testing.T) {
			for _, r := range g.rules {
				t.Run(r.name, func(t *testing.T) { r.check(newFixture(t, open(t))) })
			}
		})
	}
	if opts.MaxEntry > 0 {
		t.Run("TooLarge", func(t *testing.T) { checkTooLarge(newFixture(t, open(t)), opts.MaxEntry) })
	}
	if opts.Small != nil {
		t.Run("Full", func(t *testing.T) { oneGroup(checkFull)(newFixture(t, opts.Small(t))) })
	}
	if opts.Reopen != nil {
		t.Run("ReopenRegistry", func(t *testing.T) { checkRegistryReopen(newFixture(t, open(t)), opts.Reopen) })
		t.Run("ReopenMeet", func(t *testing.T) { checkMeetReopen(newFixture(t, open(t)), opts.Reopen) })
		t.Run("Reopen", func(t *testing.T) { checkReopen(newFixture(t, open(t)), opts.Reopen) })
	}
	t.Run("Model", func(t *testing.T) { checkModel(t, open) })
}

type rule struct {
	name  string
	check func(f *fixture)
}

// fixture is a store under test with a clock and helpers that end the test on
// an error that was not expected.
type fixture struct {
	*testing.T
	s   store.Store
	ctx context.Context
	now time.Time
	ids int
	// group of all entries; empty: each lane is a group of its own, so that a
	// store which spreads groups spreads them everywhere.
	group string
}

func newFixture(t *testing.T, s store.Store) *fixture {
	f := &fixture{T: t, s: s, ctx: context.Background(), now: start()}
	t.Cleanup(func() { f.s.Close() })
	return f
}

func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

// later moves the clock.
func (f *fixture) later(d time.Duration) { f.now = f.now.Add(d) }

// id returns a new id; ids ascend.
func (f *fixture) id() string {
	f.ids++
	return store.NewID(start().Add(time.Duration(f.ids) * time.Millisecond))
}

// oneGroup is for rules that bring one key, or one whole call, in several
// lanes.
func oneGroup(check func(f *fixture)) func(f *fixture) {
	return func(f *fixture) {
		f.group = "one"
		check(f)
	}
}

// entry makes an entry with a key (0: the zero key) that lives for an hour.
func (f *fixture) entry(lane string, key byte) store.Entry {
	id := f.id()
	return store.Entry{
		ID: id, Key: store.Key{0: key}, KeyTTL: time.Hour, Lane: lane, Group: stdcmp.Or(f.group, lane), Body: []byte("body of " + id),
		Labels: store.Labels{Source: "acme", Mapping: "acme/face.yaml", Interface: "stk/zpjl", Device: "gate " + lane, Generation: "g1"},
	}
}

func (f *fixture) dead(lane string, key byte, class store.Class) store.Entry {
	e := f.entry(lane, key)
	e.Dead = &store.Reason{Class: class, Text: "because of " + string(class)}
	return e
}

func (f *fixture) admit(entries ...store.Entry) []store.Admission {
	f.Helper()
	got, err := f.s.Admit(f.ctx, f.now, entries)
	if err != nil {
		f.Fatalf("Admit: %v", err)
	}
	if len(got) != len(entries) {
		f.Fatalf("Admit answered %d admissions for %d entries", len(got), len(entries))
	}
	return got
}

// admitNew admits one entry that must not be a duplicate.
func (f *fixture) admitNew(e store.Entry) string {
	f.Helper()
	if got := f.admit(e)[0]; got.Duplicate || got.ID != e.ID {
		f.Fatalf("Admit(%s) = %+v, want a first admission", e.ID, got)
	}
	return e.ID
}

// admitDuplicate admits one entry that must be a duplicate of first.
func (f *fixture) admitDuplicate(e store.Entry, first string) {
	f.Helper()
	if got := f.admit(e)[0]; !got.Duplicate || got.ID != first {
		f.Fatalf("Admit(%s) = %+v, want a duplicate of %s", e.ID, got, first)
	}
}

// ttl returns e with another life of its key.
func ttl(e store.Entry, d time.Duration) store.Entry {
	e.KeyTTL = d
	return e
}

func (f *fixture) claim(max int, lease time.Duration) []store.Claim {
	f.Helper()
	got, err := f.s.Claim(f.ctx, f.now, store.Want{Max: max, Lease: lease})
	if err != nil {
		f.Fatalf("Claim: %v", err)
	}
	return got
}

// claimOne claims and wants exactly the entry id.
func (f *fixture) claimOne(id string, lease time.Duration) store.Claim {
	f.Helper()
	got := f.claim(10, lease)
	if len(got) != 1 || got[0].ID != id {
		f.Fatalf("Claim = %+v, want only %s", got, id)
	}
	return got[0]
}

func (f *fixture) claimNone() {
	f.Helper()
	if got := f.claim(10, time.Minute); len(got) != 0 {
		f.Fatalf("Claim = %+v, want nothing", got)
	}
}

func (f *fixture) settle(c store.Claim, o store.Outcome) {
	f.Helper()
	if err := f.s.Settle(f.ctx, f.now, c, o); err != nil {
		f.Fatalf("Settle(%s, %v): %v", c.ID, o.Do, err)
	}
}

func (f *fixture) list(filter store.Filter) []store.Info {
	f.Helper()
	got, err := f.s.List(f.ctx, filter)
	if err != nil {
		f.Fatalf("List(%+v): %v", filter, err)
	}
	return got
}

// info returns the one entry of that id.
func (f *fixture) info(id string) store.Info {
	f.Helper()
	got := f.list(store.Filter{ID: id})
	if len(got) != 1 {
		f.Fatalf("List of id %s gave %d entries, want 1", id, len(got))
	}
	return got[0]
}

func (f *fixture) wantList(filter store.Filter, want ...string) {
	f.Helper()
	got := []string{}
	for _, i := range f.list(filter) {
		got = append(got, i.ID)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.Fatalf("List(%+v): ids (-want +got):\n%s", filter, diff)
	}
}

func (f *fixture) wantBody(id string, want []byte) {
	f.Helper()
	got, err := f.s.Load(f.ctx, id, nil)
	if err != nil {
		f.Fatalf("Load(%s): %v", id, err)
	}
	if !bytes.Equal(got, want) {
		f.Fatalf("Load(%s) gave %d bytes, not the %d admitted ones", id, len(got), len(want))
	}
}

func (f *fixture) wantErr(what string, err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func (f *fixture) wantStats(want store.Stats) {
	f.Helper()
	got, err := f.s.Stats(f.ctx, f.now)
	if err != nil {
		f.Fatalf("Stats: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("Stats (-want +got):\n%s", diff)
	}
}

func body(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i*7)
	}
	return b
}

func laneName(i int) string { return fmt.Sprintf("lane-%d", i) }
