package disk

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// What is acknowledged stands in the log before the index has it: a process
// that dies meanwhile has lost nothing, and knows a resend.
func TestAcknowledgedBeforeTheIndexHasIt(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{still: true, late: true})
	ids := fill(t, s, 0, 50)
	if n := s.unseen.Load(); n != 50 {
		t.Fatalf("the index is %d operations behind", n)
	}
	died := t.TempDir()
	if err := os.CopyFS(died, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	after := open(t, died, Options{still: true})
	there := holds(t, after)
	for _, id := range ids {
		if !there[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
		if a, err := after.Admit(t.Context(), time.Now(), []store.Entry{entry("again"+id, id, id, nil)}); err != nil || !a[0].Duplicate || a[0].ID != id {
			t.Errorf("the resend of %s: %+v %v", id, a, err)
		}
	}
	// Whoever asks this one sees all of it.
	if there := holds(t, s); len(there) != len(ids) || s.unseen.Load() != 0 {
		t.Errorf("%d are there, %d to come", len(there), s.unseen.Load())
	}
}

// An id that another entry has, which only a mistake can bring about, loses
// nothing.
func TestIDOfAnother(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{still: true})
	for _, key := range []string{"a", "b"} {
		if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry("one", "lane", key, body(key))}); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		list, err := s.List(t.Context(), store.Filter{})
		if err != nil || len(list) != 2 || list[0].ID != "one" || list[1].ID != "one-2" {
			t.Fatalf("%+v %v", list, err)
		}
		for i, key := range []string{"a", "b"} {
			if b, err := s.Load(t.Context(), list[i].ID, nil); err != nil || string(b) != string(body(key)) {
				t.Errorf("%s: %q %v", list[i].ID, b, err)
			}
		}
	}
	check()
	s.Close()
	for _, name := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(filepath.Join(folder, fileName+name))
	}
	s = open(t, folder, Options{still: true})
	check()
}
