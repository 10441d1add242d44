package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestVerify(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{Segment: 3_000, still: true})
	fill(t, s, 0, 12)
	if _, err := Verify(folder); err == nil {
		t.Error("verified a store that is in use")
	}
	s.Close()
	list, err := Verify(folder)
	records := 0
	for _, c := range list {
		records += c.Records
		if len(c.Damage) > 0 {
			t.Errorf("got %+v", c)
		}
	}
	if err != nil || records != 12 || len(list) < 3 {
		t.Errorf("want 12 records in several segments, got %+v %v", list, err)
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
	list, err = Verify(folder)
	if err != nil || len(list[1].Damage) != 1 || list[1].Damage[0].File != liveName(2) || list[1].Damage[0].Offset != 0 {
		t.Errorf("got %+v %v", list, err)
	}
	if after, err := os.ReadFile(name); err != nil || !bytes.Equal(after, data) {
		t.Error("the file was changed", err)
	}
}

// liveName is the file name of a segment of the traffic.
func liveName(n int64) string { return segment{n, live}.String() }
