package disk

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

func laneRef(lane string) store.Ref {
	ref := store.Ref{Group: lane}
	copy(ref.Key[:], lane)
	return ref
}

func versionOf(lane, id, digest string) store.Entry {
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

// admitted remembers what was acknowledged.
func (l *life) admitted(e store.Entry) {
	l.acked[e.ID] = e.Key
	if e.Registers != (store.Ref{}) && e.Dead == nil {
		l.latest[e.Lane] = append(l.latest[e.Lane], e)
	}
}

// mayBe remembers a version of which nobody knows whether it is there.
func (l *life) mayBe(e store.Entry) {
	if e.Registers != (store.Ref{}) && e.Dead == nil {
		l.doubt[e.Lane] = append(l.doubt[e.Lane], e)
	}
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

// bury forgets a version: the one before it is the latest, unless there is one
// after it. It may fail, or be taken back by a power cut when there was no room
// for the copy. That it was accepted was taken back, or it would not be here.
func (l *life) bury(c store.Claim) {
	if l.known[c.Lane] == c.ID {
		delete(l.known, c.Lane)
	}
	l.latest[c.Lane] = slices.DeleteFunc(l.latest[c.Lane], func(e store.Entry) bool {
		if e.ID == c.ID {
			l.mayBe(e)
		}
		return e.ID == c.ID
	})
}

// checkRegistry proves that an acceptance is known, or its entry is there and
// will be delivered again; and that the newest version is known as such.
func (l *life) checkRegistry(there map[string]store.State) error {
	for n := range 5 {
		lane := fmt.Sprint("lane", n)
		if err := l.checkLane(lane, there); err != nil {
			return err
		}
	}
	return l.checkLane("lane", there)
}

func (l *life) checkLane(lane string, there map[string]store.State) error {
	r, err := l.s.Registered(l.t.Context(), []store.Ref{laneRef(lane)})
	if err != nil {
		return err
	}
	if id := l.known[lane]; id != "" && r[0].AcceptedID < id && there[id] != store.Ready {
		return fmt.Errorf("that %s was accepted is forgotten: %+v", id, r[0])
	}
	versions := slices.Clone(l.latest[lane])
	for _, e := range l.doubt[lane] {
		if there[e.ID] == store.Ready || r[0].AcceptedID == e.ID {
			versions = append(versions, e)
		}
	}
	if len(versions) == 0 {
		return nil
	}
	e := slices.MaxFunc(versions, func(a, b store.Entry) int { return strings.Compare(a.ID, b.ID) })
	if there[e.ID] == store.Ready && r[0].Waiting == "" {
		return fmt.Errorf("%s waits, but not as a registration", e.ID)
	}
	again := e
	again.ID = "again-" + e.ID
	if a, err := l.s.Admit(l.t.Context(), l.now, []store.Entry{again}); err != nil || a[0] != (store.Admission{ID: e.ID, Duplicate: true}) {
		return fmt.Errorf("the newest version %s is not known as such: %+v, %v", e.ID, a, err)
	}
	return nil
}

// A registration that waits is one still when its record was moved to another
// segment and the index is lost; what was accepted is not known then, and is
// sent again.
func TestRegistrationsAreMadeAnew(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{Segment: 20_000, still: true})
	now := time.Now()
	accepted := versionOf("accepted", "v0000", "one")
	if _, err := s.Admit(t.Context(), now, []store.Entry{accepted}); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, 1)
	var waiting []store.Entry
	for i := range 10 {
		fill(t, s, i*20, 20)
		e := versionOf(fmt.Sprintf("lane %d", i), fmt.Sprintf("w%04d", i), "one")
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

// Versions are told apart by what is on its way, in the order in which the
// writer has planned it; when that fails, nothing of it is remembered.
func TestVersionsOnTheirWay(t *testing.T) {
	for _, fails := range []bool{false, true} {
		fs := newCrashFS()
		planned := make(chan *op, 1)
		s := open(t, t.TempDir(), Options{files: fs, still: true, planned: func(o *op) { planned <- o }})
		release := make(chan struct{})
		fs.before(func() { <-release })
		steps := []struct {
			id, digest, first string // first: that it repeats
			again             bool
			rests             int // on how many operations
		}{{id: "1", digest: "a"}, {id: "2", digest: "b"}, {id: "3", digest: "b", first: "2", rests: 1}, {id: "4", digest: "a"},
			{id: "5", digest: "a", again: true}, {id: "6", digest: "a", first: "5", rests: 1}}
		answers := make(chan error, len(steps))
		for _, c := range steps {
			e := versionOf("lane", c.id, c.digest)
			e.Again = c.again
			want := store.Admission{ID: cmp.Or(c.first, c.id), Duplicate: c.first != ""}
			go func() {
				a, err := s.Admit(t.Context(), time.Now(), []store.Entry{e})
				if err == nil && a[0] != want {
					t.Errorf("got %+v, want %+v", a[0], want)
				}
				answers <- err
			}()
			if o := <-planned; len(o.after) != c.rests || (len(o.records) == 0) != want.Duplicate {
				t.Errorf("%s: %d records, rests on %d", c.id, len(o.records), len(o.after))
			}
		}
		if fails {
			fs.plant(func(op string) error {
				if op == "sync" {
					return errIO
				}
				return nil
			})
		}
		close(release)
		for range steps {
			if err := <-answers; (err != nil) != fails {
				t.Errorf("syncs fail: %t, got %v", fails, err)
			}
		}
		fs.plant(nil)
		caughtUp(t, s)
		s.flight.Lock()
		if n := len(s.flight.versions); n > 0 {
			t.Errorf("%d are still on their way", n)
		}
		s.flight.Unlock()
		go func() { <-planned }()
		a, err := s.Admit(t.Context(), time.Now(), []store.Entry{versionOf("lane", "7", "a")})
		want := store.Admission{ID: "5", Duplicate: true}
		if fails {
			want = store.Admission{ID: "7"}
		}
		if err != nil || a[0] != want {
			t.Errorf("syncs fail: %t, then got %+v, %v, want %+v", fails, a, err, want)
		}
	}
}

// The copy of an older version stands behind a younger one in the log. When the
// index is made anew, the older one is still delivered first.
func TestOrderIsMadeAnew(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{Segment: 20_000, still: true})
	admit := func(e store.Entry) {
		t.Helper()
		if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, s, 0, 20)
	deliver(t, s, 20)
	admit(versionOf("lane", "v1", "one"))
	before := s.log.last
	for n := 20; s.log.last == before; n++ {
		fill(t, s, n, 1)
	}
	admit(versionOf("lane", "v2", "two"))
	caughtUp(t, s)
	var moved place
	if err := s.readers.QueryRow("SELECT seg FROM entry WHERE id = 'v1'").Scan(&moved.seg); err != nil || moved.seg != before {
		t.Fatalf("v1 lies in %d, want %d, %v", moved.seg, before, err)
	}
	if err := s.tidyBelow(2, 1); err != nil { // every segment
		t.Fatal(err)
	}
	if err := s.readers.QueryRow("SELECT seg FROM entry WHERE id = 'v1'").Scan(&moved.seg); err != nil || moved.seg == before {
		t.Fatalf("v1 was not moved: %v", err)
	}
	s.Close()
	removeIndex(t, folder)
	s = open(t, folder, Options{Segment: 20_000})
	for _, want := range []string{"v1", "v2"} {
		claims, err := s.Claim(t.Context(), time.Now().Add(time.Minute), store.Want{Max: 1 << 10, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(claims, func(c store.Claim) bool { return c.Lane == "lane" })
		if i < 0 || claims[i].ID != want {
			t.Fatalf("the head is not %s: %+v", want, claims)
		}
		if err := s.Settle(t.Context(), time.Now(), claims[i], store.Outcome{Do: store.Delivered}); err != nil {
			t.Fatal(err)
		}
	}
}
