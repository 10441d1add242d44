package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"yiqiao/proxy/store"
)

const meetLease = 15 * time.Second

func (f *fixture) meet(holder string, notes ...store.Sighting) store.Attendance {
	f.Helper()
	a, err := f.s.Meet(f.ctx, f.now, store.Meeting{Holder: holder, Lease: meetLease, Notes: notes})
	if err != nil {
		f.Fatalf("Meet: %v", err)
	}
	slices.SortFunc(a.All, func(x, y store.Sighting) int { return strings.Compare(x.Device, y.Device) })
	return a
}

func (f *fixture) wantSightings(got []store.Sighting, want ...store.Sighting) {
	f.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
		f.Fatalf("sightings (-want +got):\n%s", diff)
	}
}

func (f *fixture) wantLead(holder string, want bool) store.Attendance {
	f.Helper()
	a := f.meet(holder)
	if a.Leads != want {
		f.Fatalf("%s leads: %v, want %v", holder, a.Leads, want)
	}
	return a
}

var meetRules = []rule{
	{"one leads until its lease ends", func(f *fixture) {
		f.wantLead("a", true)
		f.wantLead("b", false)
		f.later(meetLease - time.Second)
		f.wantLead("b", false)
		f.wantLead("a", true) // which renews it
		f.later(meetLease - time.Second)
		f.wantLead("b", false)
		f.later(time.Second)
		f.wantLead("b", true)
		f.wantLead("a", false)
	}},
	{"since when somebody listens, whoever leads", func(f *fixture) {
		begun := f.now
		f.meet("a")
		for range 5 {
			f.later(meetLease)
			if got := f.meet("b").Since; !got.Equal(begun) {
				f.Fatalf("since %v, want %v", got, begun)
			}
		}
		f.later(meetLease + time.Second)
		if got := f.meet("b").Since; !got.Equal(f.now) {
			f.Fatalf("after a break since %v, want now, %v", got, f.now)
		}
	}},
	{"the later of two sightings counts, and of two that were told", func(f *fixture) {
		early, late := f.now.Add(-time.Minute), f.now.Add(-time.Second)
		f.meet("a", store.Sighting{Device: "gate", Source: "hikvision", Seen: late}, store.Sighting{})
		f.meet("b", store.Sighting{Device: "gate", Source: "dahua", Seen: early, Beats: true, Online: true, Told: late})
		a := f.meet("a", store.Sighting{Device: "gate", Told: early}, store.Sighting{Device: "|odd \x1f 东门|", Seen: early, Source: "x"})
		f.wantSightings(a.All,
			store.Sighting{Device: "gate", Source: "hikvision", Seen: late, Beats: true, Online: true, Told: late},
			store.Sighting{Device: "|odd \x1f 东门|", Seen: early, Source: "x"})
		a = f.meet("b", store.Sighting{Device: "gate", Online: false, Told: f.now})
		if got := a.All[0]; got.Online || !got.Told.Equal(f.now) || !got.Seen.Equal(late) {
			f.Fatalf("after it was told to be offline: %+v", got)
		}
	}},
	{"as many devices as a town has", func(f *fixture) {
		var notes []store.Sighting
		for i := range 5000 {
			notes = append(notes, store.Sighting{Device: fmt.Sprintf("cam-%05d", i), Source: "hikvision", Seen: f.now, Beats: i%2 == 0})
		}
		f.meet("a", notes...)
		f.wantSightings(f.meet("b").All, notes...)
	}},
}

// checkNobodyLeads: who cannot ask the others must not decide.
func checkNobodyLeads(f *fixture) {
	a, err := f.s.Meet(f.ctx, f.now, store.Meeting{Holder: "a", Lease: meetLease})
	if err == nil || a.Leads {
		f.Fatalf("Meet = %+v, %v; want an error", a, err)
	}
}

// checkMeetReopen proves that sightings outlive the process that kept them,
// and that its lead does not hinder the next for longer than the lease.
func checkMeetReopen(f *fixture, reopen func(*testing.T, store.Store) store.Store) {
	one := store.Sighting{Device: "gate", Source: "hikvision", Seen: f.now, Beats: true, Online: true, Told: f.now}
	f.meet("a", one)
	f.later(time.Second)
	one.Seen = f.now
	f.meet("a", one)
	if err := f.s.Close(); err != nil {
		f.Fatalf("Close: %v", err)
	}
	f.s = reopen(f.T, f.s)
	f.later(meetLease + time.Second)
	a := f.wantLead("b", true)
	f.wantSightings(a.All, one)
	if !a.Since.Equal(f.now) {
		f.Fatalf("since %v, want now, %v: nobody listened meanwhile", a.Since, f.now)
	}
}
