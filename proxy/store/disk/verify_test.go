package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

func TestVerify(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{Segment: 3_000, still: true})
	fill(t, s, 0, 12)
	if _, err := Verify(folder); err == nil {
		t.Error("verified a store that is in use")
	}
	s.Close()
	r, err := Verify(folder)
	list, records := r.Segments, 0
	for _, c := range list {
		records += c.Records
		if len(c.Damage) > 0 {
			t.Errorf("got %+v", c)
		}
	}
	if err != nil || records != 12 || len(list) < 3 || r.Entries != 12 || r.Behind != 0 || len(r.Index) != 0 {
		t.Errorf("want 12 records in several segments, got %+v %v", r, err)
	}
	name := filepath.Join(folder, logFolder, liveName(2))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[100] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err = Verify(folder)
	list = r.Segments
	if len(r.Index) != 1 || !strings.Contains(r.Index[0], `has no sound body in `+liveName(2)) {
		t.Errorf("of the index it says %q", r.Index)
	}
	if err != nil || len(list[1].Damage) != 1 || list[1].Damage[0].File != liveName(2) || list[1].Damage[0].Offset != 0 {
		t.Errorf("got %+v %v", list, err)
	}
	if after, err := os.ReadFile(name); err != nil || !bytes.Equal(after, data) {
		t.Error("the file was changed", err)
	}
}

// liveName is the file name of a segment of the traffic.
func liveName(n int64) string { return segment{n, live}.String() }

// An index that does not fit the log is told, in words.
func TestVerifyIndex(t *testing.T) {
	for _, c := range []struct{ change, want string }{
		{"DELETE FROM entry WHERE id = 'e0003'", "the index has 11 waiting and 0 dead entries, and counts 12 and 0"},
		{"UPDATE entry SET off = off + 8 WHERE id = 'e0003'", `entry "e0003" has no sound body in `},
		{"UPDATE entry SET seg = 99 WHERE id = 'e0003'", `entry "e0003" lies in segment 0000000000000063, which is not there`},
		{"DROP TABLE pos", "the index cannot be read"},
	} {
		folder := t.TempDir()
		s := open(t, folder, Options{Segment: 3_000, still: true})
		fill(t, s, 0, 12)
		s.pragma(t, c.change)
		s.Close()
		r, err := Verify(folder)
		if err != nil || len(r.Index) != 1 || !strings.Contains(r.Index[0], c.want) {
			t.Errorf("%s: %q %v", c.change, r.Index, err)
		}
	}
}

// Compact gives back what is not needed and loses nothing.
func TestCompact(t *testing.T) {
	folder := t.TempDir()
	o := Options{Segment: 20_000, still: true}
	s := open(t, folder, o)
	ids := fill(t, s, 0, 200)
	deliver(t, s, 100)
	for range 60 { // the rest, with a gap between each two
		deliver(t, s, 1)
	}
	s.Close()
	before, after, err := Compact(folder, o)
	if err != nil || after*2 > before {
		t.Errorf("from %d to %d bytes, %v", before, after, err)
	}
	r, err := Verify(folder)
	if err != nil || r.Entries != 40 || len(r.Index) > 0 {
		t.Errorf("got %+v %v", r, err)
	}
	s = open(t, folder, o)
	there := holds(t, s)
	for _, id := range ids[160:] {
		if !there[id] {
			t.Errorf("%s is lost", id)
		}
	}
	for _, id := range ids[:3] {
		if a, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry("again"+id, "l", id, nil)}); err != nil || !a[0].Duplicate {
			t.Errorf("the key of %s is lost: %v %v", id, a, err)
		}
	}
}
