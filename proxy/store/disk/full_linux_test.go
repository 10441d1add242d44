package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// smallDisk mounts a file system in memory.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Fatalf("this test mounts a tmpfs, which only root may: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// stuff takes what is left of a disk, to the last byte.
func stuff(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := 64 << 10; n > 0; {
		if _, err := f.Write(make([]byte, n)); err != nil {
			n /= 2
		}
	}
}

// A disk that is full to its last byte: admissions are refused, nothing is
// lost, deliveries are noted, it opens, and with room it goes on by itself.
func TestPromiseFullDiskRefusesWhole(t *testing.T) {
	dir := smallDisk(t, 48<<20)
	folder, rest := filepath.Join(dir, "data"), filepath.Join(dir, "rest")
	o := Options{Segment: 2 << 20, MinFree: 1, still: true}
	s := open(t, folder, o)
	promises(t, s, "A full disk refuses events before anything of them counts, while deliveries go on.")
	var acked []string
	var err error
	for i := 0; ; i++ {
		id := fmt.Sprintf("e%04d", i)
		if _, err = s.Admit(t.Context(), time.Now(), []store.Entry{entry(id, id, id, append(make([]byte, 100_000), id...))}); err != nil {
			break
		}
		acked = append(acked, id)
	}
	if !errors.Is(err, store.ErrFull) || len(acked) < 300 {
		t.Fatalf("%d admitted, then %v", len(acked), err)
	}
	stuff(t, rest)
	// Small ones may still find room in a page.
	if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry("x", "x", "x", make([]byte, 100_000))}); !errors.Is(err, store.ErrFull) {
		t.Errorf("full to the last byte: %v", err)
	}
	if state := s.State(); !strings.HasPrefix(state, "full: ") {
		t.Errorf("state %q", state)
	}
	deliver(t, s, 100)
	s.Close()
	stuff(t, rest)
	s = open(t, folder, o)
	s.filling.Wait() // a reader may keep the WAL from beginning anew
	list, err := s.List(t.Context(), store.Filter{Limit: 1 << 20})
	if err != nil || len(list) != len(acked)-100 {
		t.Errorf("%d of %d are there, %v", len(list), len(acked)-100, err)
	}
	deliver(t, s, 100)
	if err := s.tidy(); err != nil {
		t.Error(err)
	}
	if err := admitOne(t, s, "y"); err != nil {
		t.Errorf("with room again: %v", err)
	}
	for _, id := range acked[200:] {
		if b, err := s.Load(t.Context(), id, nil); err != nil || !strings.HasSuffix(string(b), id) {
			t.Errorf("%s: %d bytes, %v", id, len(b), err)
		}
	}
}
