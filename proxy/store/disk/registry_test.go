package disk

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

func laneRef(lane string) store.Ref {
	ref := store.Ref{Group: lane}
	copy(ref.Key[:], lane)
	return ref
}

func version(id, lane, digest string) store.Entry {
	e := entry(id, lane, "", body(id))
	e.Registers = laneRef(lane)
	copy(e.Digest[:], digest)
	return e
}

// version makes e a version, unlike all others, of what its lane registers.
func (l *life) version(e store.Entry) store.Entry {
	e.Key, e.Registers = store.Key{}, laneRef(e.Lane)
	copy(e.Digest[:], e.ID)
	return e
}

// accept remembers what was told to be accepted.
func (l *life) accept(c store.Claim) {
	r, err := l.s.Registered(l.t.Context(), []store.Ref{laneRef(c.Lane)})
	if err != nil {
		l.t.Fatal(err)
	}
	if r[0].AcceptedID == c.ID {
		l.known[c.Lane] = c.ID
	}
}

// checkRegistry proves that an acceptance is known, or its entry is there and
// will be delivered again; and that the newest version is known as such.
func (l *life) checkRegistry(there map[string]bool) error {
	for lane, e := range l.latest {
		r, err := l.s.Registered(l.t.Context(), []store.Ref{e.Registers})
		if err != nil {
			return err
		}
		if id := l.known[lane]; id != "" && r[0].AcceptedID < id && !there[id] {
			return fmt.Errorf("that %s was accepted is forgotten: %+v", id, r[0])
		}
		if there[e.ID] && r[0].Waiting == "" {
			return fmt.Errorf("%s waits, but not as a registration", e.ID)
		}
		again := e
		again.ID = "again-" + e.ID
		if a, err := l.s.Admit(l.t.Context(), l.now, []store.Entry{again}); err != nil || a[0] != (store.Admission{ID: e.ID, Duplicate: true}) {
			return fmt.Errorf("the newest version %s is not known as such: %+v, %v", e.ID, a, err)
		}
	}
	return nil
}

// A store of before the registry gets one, and its entries stay.
func TestRegistryOfAnOlderStore(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{})
	ids := fill(t, s, 0, 3)
	if _, err := s.writer.Exec("DROP TRIGGER registering_gone; DROP TRIGGER registering_dead; DROP TABLE registering; DROP TABLE registration; PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, folder, Options{})
	if there := holds(t, s); len(there) != len(ids) {
		t.Fatalf("%d entries are there, want %d", len(there), len(ids))
	}
	deliver(t, s, 3)
	for _, want := range []bool{false, true} {
		a, err := s.Admit(t.Context(), time.Now(), []store.Entry{version(store.NewID(time.Now()), "lane", "one")})
		if err != nil || a[0].Duplicate != want {
			t.Fatalf("Admit = %+v, %v, want duplicate %t", a, err, want)
		}
		if !want {
			deliver(t, s, 1)
		}
	}
}

// A registration that waits is one still when its record was moved to another
// segment and the index is lost; what was accepted is not known then, and is
// sent again.
func TestRegistrationsAreMadeAnew(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{Segment: 20_000, still: true})
	now := time.Now()
	accepted := version("v0000", "accepted", "one")
	if _, err := s.Admit(t.Context(), now, []store.Entry{accepted}); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, 1)
	var waiting []store.Entry
	for i := range 10 {
		fill(t, s, i*20, 20)
		e := version(fmt.Sprintf("w%04d", i), fmt.Sprintf("lane %d", i), "one")
		if _, err := s.Admit(t.Context(), now, []store.Entry{e}); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, e)
	}
	for range 200 { // all but the registrations, which are put off
		claims, err := s.Claim(t.Context(), now.Add(time.Minute), store.Want{Max: 1 << 10, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims {
			o := store.Outcome{Do: store.Delivered}
			if c.ID[0] == 'w' {
				o = store.Outcome{Do: store.Retry, At: now.Add(time.Hour)}
			}
			if err := s.Settle(t.Context(), now, c, o); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 40 {
		if err := s.tidy(); err != nil {
			t.Fatal(err)
		}
	}
	if n := folderSize(t, filepath.Join(folder, logFolder)); n > 40_000 {
		t.Fatalf("nothing was moved: %d bytes", n)
	}
	s.Close()
	removeIndex(t, folder)
	s = open(t, folder, Options{Segment: 20_000})
	for _, e := range waiting {
		r, err := s.Registered(t.Context(), []store.Ref{e.Registers})
		if err != nil || r[0].Waiting != e.ID {
			t.Errorf("%s: %+v, %v", e.ID, r, err)
		}
	}
	accepted.ID = "v0001"
	if a, err := s.Admit(t.Context(), now, []store.Entry{accepted}); err != nil || a[0].Duplicate {
		t.Errorf("Admit of what is not known any more = %+v, %v", a, err)
	}
}
