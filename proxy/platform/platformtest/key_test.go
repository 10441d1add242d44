package platformtest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"yiqiao/proxy/platform/platformtest"
)

func TestKeyFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "platform.key")
	first, public, created, err := platformtest.LoadOrCreateKey(name)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	if info, err := os.Stat(name + ".pub"); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("public key: mode %v %v", info.Mode(), err)
	}
	if err := os.Remove(name + ".pub"); err != nil {
		t.Fatal(err)
	}
	second, again, created, err := platformtest.LoadOrCreateKey(name)
	if err != nil || created || !bytes.Equal(first, second) || public != again {
		t.Error("the key was made anew", created, err)
	}
	if pub, err := os.ReadFile(name + ".pub"); err != nil || strings.TrimSpace(string(pub)) != public || !strings.HasPrefix(public, "MIIB") {
		t.Errorf("got %q %v", pub, err)
	}
	if err := os.WriteFile(name, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := platformtest.LoadOrCreateKey(name); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("want an error that names the file, got %v", err)
	}
}

// Two platforms that start at once end up with one key.
func TestKeyFileRace(t *testing.T) {
	name := filepath.Join(t.TempDir(), "platform.key")
	var publics [4]string
	var starting sync.WaitGroup
	for i := range publics {
		starting.Go(func() {
			var err error
			if _, publics[i], _, err = platformtest.LoadOrCreateKey(name); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	pub, err := os.ReadFile(name + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	for _, public := range publics {
		if public != strings.TrimSpace(string(pub)) {
			t.Errorf("got %s beside %s", public, pub)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 2 {
		t.Errorf("want the two files alone, got %v %v", left, err)
	}
}
