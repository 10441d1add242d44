package disk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// promises proves that the store says so.
func promises(t *testing.T, s *Store, text string) {
	t.Helper()
	if !strings.Contains(s.Promise(), text) {
		t.Errorf("Promise does not say %q:\n%s", text, s.Promise())
	}
}

func TestPromiseDeliveriesMayRepeat(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{still: true})
	promises(t, s, "After a crash the last deliveries may be repeated.")
	s.pragma(t, "PRAGMA wal_autocheckpoint = 0")
	fill(t, s, 0, 3)
	wal := filepath.Join(folder, fileName+"-wal")
	before, err := os.Stat(wal)
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, s, 2)
	kept := map[string][]byte{}
	for _, name := range []string{fileName, fileName + "-wal"} {
		if kept[name], err = os.ReadFile(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	kept[fileName+"-wal"] = kept[fileName+"-wal"][:before.Size()] // the commits of the deliveries were not synced
	s.Close()
	removeIndex(t, folder)
	for name, b := range kept {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, folder, Options{still: true})
	claims, err := s.Claim(t.Context(), time.Now().Add(time.Minute), store.Want{Max: 9, Lease: time.Minute})
	if err != nil || len(claims) != 3 {
		t.Errorf("want all three again, got %+v %v", claims, err)
	}
}

func TestPromiseNothingSurvivesLossOfDisk(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{still: true})
	promises(t, s, "Nothing survives the loss of the disk.")
	fill(t, s, 0, 3)
	s.Close()
	if err := os.RemoveAll(filepath.Join(folder, logFolder)); err != nil {
		t.Fatal(err)
	}
	s = open(t, folder, Options{still: true})
	if st, err := s.Stats(t.Context(), time.Now()); err != nil || st.Ready != 0 || st.ReadyBytes != 0 {
		t.Errorf("without its log it has %+v, %v", st, err)
	}
	if err := admitOne(t, s, "new"); err != nil {
		t.Error(err)
	}
	if claims, err := s.Claim(t.Context(), time.Now().Add(time.Minute), store.Want{Max: 9, Lease: time.Minute}); err != nil || len(claims) != 1 {
		t.Errorf("got %+v %v", claims, err)
	}
}
