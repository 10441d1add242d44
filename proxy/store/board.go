package store

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Board is what Meet is in the memory of one process: for stores that no
// other process shares. The zero value is empty. Its user locks it.
type Board struct {
	sightings map[string]Sighting
	since     time.Time
	met       time.Time // when anybody met last
	holder    string
	until     time.Time // of the lead
}

// Load puts in what an earlier life has left.
func (b *Board) Load(all []Sighting) {
	b.sightings = map[string]Sighting{}
	for _, s := range all {
		b.sightings[s.Device] = s
	}
}

// Meet is Store.Meet. told: something was told that is to be kept now.
func (b *Board) Meet(now time.Time, m Meeting) (a Attendance, told bool) {
	if b.met.IsZero() || now.Sub(b.met) > m.Lease {
		b.since = now
	}
	if now.After(b.met) {
		b.met = now
	}
	if b.holder == m.Holder || !now.Before(b.until) {
		b.holder, b.until = m.Holder, now.Add(m.Lease)
		a.Leads = true
	}
	if b.sightings == nil {
		b.sightings = map[string]Sighting{}
	}
	for _, n := range m.Notes {
		if n.Device == "" {
			continue
		}
		old := b.sightings[n.Device]
		old.Device = strings.Clone(n.Device)
		next := old.Merge(n)
		told = told || !next.Told.Equal(old.Told)
		b.sightings[old.Device] = next
	}
	a.Since, a.All = b.since, b.All()
	return a, told
}

// All sightings, by device.
func (b *Board) All() []Sighting {
	return slices.SortedFunc(maps.Values(b.sightings), func(x, y Sighting) int { return strings.Compare(x.Device, y.Device) })
}
