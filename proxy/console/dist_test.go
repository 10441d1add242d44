package console_test

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// firstLoad is how many bytes, compressed, the page may be until it shows.
const firstLoad = 350 << 10

// files are those of a folder, by their names below it.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found[name], err = os.ReadFile(filepath.Join(dir, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The files that are committed are what the sources give: nothing is in the
// binary that nobody can read.
func TestDistIsBuilt(t *testing.T) {
	out := t.TempDir()
	for _, args := range [][]string{{"tsc", "--noEmit"}, {"vite", "build", "--outDir", out, "--logLevel", "warn"}} {
		cmd := exec.Command(filepath.Join("node_modules", ".bin", args[0]), args[1:]...)
		cmd.Dir = "ui"
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v (make setup installs what this needs): %v\n%s", args, err, text)
		}
	}
	built, committed := files(t, out), files(t, "dist")
	for name, data := range built {
		if !bytes.Equal(committed[name], data) {
			t.Errorf("dist/%s is not what a fresh build gives; run npm run build in proxy/console/ui", name)
		}
	}
	for name := range committed {
		if built[name] == nil {
			t.Errorf("dist/%s is none of the build's files", name)
		}
	}
}

// The page is small, and needs nothing from elsewhere.
func TestFirstLoad(t *testing.T) {
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files(t, "dist") {
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		for _, far := range []string{"src=\"http", "href=\"http", "url(http", "@import", "import(\"http"} {
			if strings.Contains(string(data), far) {
				t.Errorf("dist/%s loads something from elsewhere: %s", name, far)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := small.Len(); n > firstLoad || n < 10<<10 {
		t.Errorf("the page is %d bytes compressed, want at most %d", n, firstLoad)
	}
}
