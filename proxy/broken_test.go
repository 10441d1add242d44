package proxy

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"yiqiao/transform"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

var update = flag.Bool("update", false, "write golden files")

// brokenAt is where the files of a folder of testdata/broken belong in a site.
var brokenAt = map[string]string{
	"mapping": "mappings/acme/face.yaml", "source": "mappings/acme/source.yaml", "fragment": "mappings/acme/_common.yaml",
	"table": "tables/devices.csv", "rows": "tables/people.yaml", "site": "yiqiao.yaml",
}

// placed begins a problem with file:line:col.
var placed = regexp.MustCompile(`^[^:\n]+:[1-9]\d*:[1-9]\d*: `)

// Each file of testdata/broken, put into the site testdata/broken/good, is told in
// both languages, at its place. testdata/broken/several holds folders that are
// put over the whole site.
func TestBroken(t *testing.T) {
	good := os.DirFS("testdata/broken/good")
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("YIQIAO_APP_KEY", "secret-app-key")
	public := publicKeyOf(t)
	got := map[message.Language]*strings.Builder{message.English: {}, message.Chinese: {}}
	names, err := filepath.Glob("testdata/broken/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		kind := filepath.Base(filepath.Dir(name))
		if kind == "good" {
			continue
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, good); err != nil {
			t.Fatal(err)
		}
		if kind == "several" {
			put(t, name, dir)
		} else {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			writeTo(t, filepath.Join(dir, brokenAt[kind]), data)
		}
		writeTo(t, filepath.Join(dir, "platform.pub"), public)
		title := kind + "/" + strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
		_, problems := Site{Dir: dir, Catalogue: catalogue}.Load()
		if len(problems) == 0 {
			t.Errorf("%s: nothing was reported", title)
		}
		for l, b := range got {
			fmt.Fprintf(b, "== %s\n", title)
			for _, p := range problems {
				text := strings.ReplaceAll(p.Excerpt(l), dir+string(filepath.Separator), "")
				checkProblem(t, title, p, text)
				b.WriteString(text)
			}
			b.WriteByte('\n')
		}
	}
	for l, b := range got {
		golden := filepath.Join("testdata", "broken."+l.String()+".golden")
		if *update {
			writeTo(t, golden, []byte(b.String()))
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s (-update writes it):\n%s", golden, d)
		}
	}
}

var unfilledGap = regexp.MustCompile(`\{\dq?\}`)

// checkProblem proves what every problem has, in whatever language.
func checkProblem(t *testing.T, title string, p transform.Problem, text string) {
	t.Helper()
	switch {
	case !placed.MatchString(text):
		t.Errorf("%s: no file:line:col: %s", title, text)
	case p.Rule == "" || unfilledGap.MatchString(text):
		t.Errorf("%s: no rule, or a gap that nothing fills: %s", title, text)
	case p.In(message.English) == p.In(message.Chinese) || !strings.ContainsFunc(p.In(message.Chinese), func(r rune) bool { return unicode.Is(unicode.Han, r) }):
		t.Errorf("%s: the same in both languages: %s", title, text)
	case strings.Contains(text, "secret-app-key"):
		t.Errorf("%s: a secret is told: %s", title, text)
	}
}

// put puts the files of a folder over those of another.
func put(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		writeTo(t, filepath.Join(to, rel), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func writeTo(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func publicKeyOf(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(der))
}
