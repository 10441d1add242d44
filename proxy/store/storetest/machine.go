package storetest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"yiqiao/proxy/store"
)

// checkModel runs random calls on a store and on Model and compares every
// answer, and after each call all that can be seen of both.
func checkModel(t *testing.T, open func(t *testing.T) store.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{s: open(t), model: NewModel(), now: start()}
		defer m.s.Close()
		rt.Repeat(map[string]func(*rapid.T){
			"admit":   m.admit,
			"claim":   m.claim,
			"extend":  m.extend,
			"settle":  m.settle,
			"replace": m.replace,
			"hasten":  m.hasten,
			"list":    m.list,
			"later":   m.later,
			"":        m.compare,
		})
	})
}

type machine struct {
	s     store.Store
	model *Model
	now   time.Time
	ids   []string
	held  []heldClaim
}

// heldClaim is one lease as both stores know it: their tokens differ.
type heldClaim struct{ real, model store.Claim }

func (m *machine) entries(t *rapid.T, min int) []store.Entry {
	var out []store.Entry
	for range rapid.IntRange(min, 3).Draw(t, "entries") {
		id := store.NewID(start().Add(time.Duration(len(m.ids)) * time.Millisecond))
		m.ids = append(m.ids, id)
		lane := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "lane")
		group := map[string]string{"a": "east", "b": "east", "c": "west"}[lane]
		e := store.Entry{
			ID:     id,
			KeyTTL: time.Duration(rapid.IntRange(1, 4).Draw(t, "ttl"))*time.Minute + 30*time.Second,
			Lane:   lane, Group: group,
			Labels: store.Labels{Device: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "device")},
			Body:   bytes.Repeat([]byte{byte(len(m.ids))}, rapid.SampledFrom([]int{0, 5, 5000}).Draw(t, "size")),
		}
		if key := rapid.ByteRange(0, 3).Draw(t, "key"); key > 0 { // a key belongs to one group
			e.Key = store.Key{key, group[0]}
		}
		if rapid.Bool().Draw(t, "registers") {
			e.Registers = laneRef(lane, group)
			e.Digest = store.Key{rapid.ByteRange(0, 1).Draw(t, "version")}
			e.Again = rapid.IntRange(0, 4).Draw(t, "again") == 0
		}
		if rapid.IntRange(0, 4).Draw(t, "dead") == 0 {
			e.Dead = &store.Reason{Class: m.class(t), Text: "at once"}
		}
		out = append(out, e)
	}
	return out
}

func (m *machine) class(t *rapid.T) store.Class {
	return rapid.SampledFrom([]store.Class{store.Unmapped, store.Rejected}).Draw(t, "class")
}

func (m *machine) admit(t *rapid.T) {
	entries := m.entries(t, 1)
	want, wantErr := m.model.Admit(context.Background(), m.now, entries)
	got, err := m.s.Admit(context.Background(), m.now, entries)
	same(t, "Admit", answer{got, err}, answer{want, wantErr})
}

func (m *machine) replace(t *rapid.T) {
	if len(m.ids) == 0 {
		t.Skip("nothing to replace")
	}
	id := rapid.SampledFrom(m.ids).Draw(t, "id")
	entries := m.entries(t, 0)
	want, wantErr := m.model.Replace(context.Background(), m.now, id, entries)
	got, err := m.s.Replace(context.Background(), m.now, id, entries)
	same(t, "Replace", answer{got, err}, answer{want, wantErr})
}

// claim checks that the store gave out as many lanes as it could, each by its
// head; which lanes it chose is free, so the model follows the store.
func (m *machine) claim(t *rapid.T) {
	max := rapid.IntRange(1, 4).Draw(t, "max")
	lease := time.Duration(rapid.IntRange(1, 3).Draw(t, "lease")) * time.Minute
	got, err := m.s.Claim(context.Background(), m.now, store.Want{Max: max, Newest: rapid.IntRange(0, 4).Draw(t, "newest"), Lease: lease})
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	heads := map[string]*modelEntry{}
	for _, e := range m.model.heads(m.now) {
		heads[e.info.ID] = e
	}
	if want := min(max, len(heads)); len(got) != want {
		t.Fatalf("Claim gave %d, want %d of %d heads: %+v", len(got), want, len(heads), got)
	}
	for _, c := range got {
		e, ok := heads[c.ID]
		if !ok {
			t.Fatalf("Claim gave %s, which is not a head or not due", c.ID)
		}
		delete(heads, c.ID)
		mc := m.model.lease(e, m.now.Add(lease))
		m.held = append(m.held, heldClaim{real: c, model: mc})
		if diff := cmp.Diff(mc, c, cmpopts.IgnoreFields(store.Claim{}, "Token")); diff != "" {
			t.Fatalf("Claim (-want +got):\n%s", diff)
		}
	}
}

func (m *machine) pick(t *rapid.T) heldClaim {
	if len(m.held) == 0 {
		t.Skip("no lease")
	}
	return rapid.SampledFrom(m.held).Draw(t, "claim")
}

func (m *machine) extend(t *rapid.T) {
	c := m.pick(t)
	want := m.model.Extend(context.Background(), m.now, c.model, 2*time.Minute)
	err := m.s.Extend(context.Background(), m.now, c.real, 2*time.Minute)
	same(t, "Extend", answer{nil, err}, answer{nil, want})
}

func (m *machine) settle(t *rapid.T) {
	c := m.pick(t)
	o := store.Outcome{Do: rapid.SampledFrom([]store.Action{store.Delivered, store.Retry, store.Bury}).Draw(t, "do")}
	switch o.Do {
	case store.Retry:
		o.At = m.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "at")) * time.Minute)
		o.Free = rapid.Bool().Draw(t, "free")
		o.Reason = store.Reason{Text: "again"}
	case store.Bury:
		o.Reason = store.Reason{Class: m.class(t), Text: "buried"}
	}
	want := m.model.Settle(context.Background(), m.now, c.model, o)
	err := m.s.Settle(context.Background(), m.now, c.real, o)
	same(t, "Settle", answer{nil, err}, answer{nil, want})
}

func (m *machine) hasten(t *rapid.T) {
	if len(m.ids) == 0 {
		t.Skip("nothing to hasten")
	}
	ids := rapid.SliceOfN(rapid.SampledFrom(m.ids), 0, 3).Draw(t, "ids")
	want := m.model.Hasten(context.Background(), m.now, ids)
	err := m.s.Hasten(context.Background(), m.now, ids)
	same(t, "Hasten", answer{nil, err}, answer{nil, want})
}

// laneRef is the one thing that entries of a lane register.
func laneRef(lane, group string) store.Ref {
	return store.Ref{Group: group, Key: store.Key{9, lane[0]}}
}

func (m *machine) list(t *rapid.T) {
	f := store.Filter{
		State:  rapid.SampledFrom([]store.State{"", store.Ready, store.Dead}).Draw(t, "state"),
		Device: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "device"),
		Class:  rapid.SampledFrom([]store.Class{"", store.Unmapped, store.Rejected}).Draw(t, "class"),
		Limit:  rapid.IntRange(0, 3).Draw(t, "limit"),
	}
	if len(m.ids) > 0 && rapid.Bool().Draw(t, "paged") {
		f.After = rapid.SampledFrom(m.ids).Draw(t, "after")
	}
	m.compareLists(t, f)
}

func (m *machine) later(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 4).Draw(t, "minutes")) * time.Minute)
}

func (m *machine) compare(t *rapid.T) {
	m.compareLists(t, store.Filter{Limit: 1000})
	want, _ := m.model.Stats(context.Background(), m.now)
	got, err := m.s.Stats(context.Background(), m.now)
	if err != nil {
		t.Fatalf("Stats: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Stats (-want +got):\n%s", diff)
	}
	refs := []store.Ref{laneRef("a", "east"), laneRef("b", "east"), laneRef("c", "west")}
	wantRefs, _ := m.model.Registered(context.Background(), refs)
	gotRefs, err := m.s.Registered(context.Background(), refs)
	if err != nil {
		t.Fatalf("Registered: %v", err)
	}
	if diff := cmp.Diff(wantRefs, gotRefs); diff != "" {
		t.Fatalf("Registered (-want +got):\n%s", diff)
	}
	if len(m.ids) == 0 {
		return
	}
	id := rapid.SampledFrom(m.ids).Draw(t, "load")
	wantBody, wantErr := m.model.Load(context.Background(), id, nil)
	gotBody, err := m.s.Load(context.Background(), id, nil)
	if !errors.Is(err, wantErr) || !bytes.Equal(wantBody, gotBody) {
		t.Fatalf("Load(%s) = %d bytes, %v, want %d bytes, %v", id, len(gotBody), err, len(wantBody), wantErr)
	}
}

func (m *machine) compareLists(t *rapid.T, f store.Filter) {
	want, _ := m.model.List(context.Background(), f)
	got, err := m.s.List(context.Background(), f)
	if err != nil {
		t.Fatalf("List(%+v): %v", f, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("List(%+v) (-want +got):\n%s", f, diff)
	}
}

type answer struct {
	admissions []store.Admission
	err        error
}

func same(t *rapid.T, what string, got, want answer) {
	if !errors.Is(got.err, want.err) || (want.err == nil) != (got.err == nil) {
		t.Fatalf("%s: error %v, want %v", what, got.err, want.err)
	}
	if diff := cmp.Diff(want.admissions, got.admissions, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
