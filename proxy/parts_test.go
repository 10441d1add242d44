package proxy

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yiqiao/transform"
	"yiqiao/transform/event"
)

func testVault(t testing.TB, seed byte) *Vault {
	t.Helper()
	v, err := NewVault(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What is sealed opens under its own id and key only, and shows nothing.
func TestVault(t *testing.T) {
	v := testVault(t, 1)
	plain := []byte("张三 340102199001010015")
	sealed := mustSeal(t, v, plain, "id-1")
	if len(sealed) != len(plain)+overhead || bytes.Contains(sealed, []byte("3401")) {
		t.Errorf("sealed to %d bytes: %q", len(sealed), sealed)
	}
	again := mustSeal(t, v, plain, "id-1")
	if bytes.Equal(sealed, again) {
		t.Error("sealed twice to the same bytes")
	}
	if got, err := v.open(bytes.Clone(sealed), "id-1"); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %q %v", got, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another id":  func() ([]byte, error) { return v.open(bytes.Clone(sealed), "id-2") },
		"a head":      func() ([]byte, error) { b := bytes.Clone(sealed); b[4] ^= 1; return v.open(b, "id-1") },
		"another key": func() ([]byte, error) { return testVault(t, 2).open(bytes.Clone(sealed), "id-1") },
		"a bit":       func() ([]byte, error) { b := bytes.Clone(sealed); b[len(b)-1] ^= 1; return v.open(b, "id-1") },
		"cut":         func() ([]byte, error) { return v.open(bytes.Clone(sealed[:20]), "id-1") },
		"empty":       func() ([]byte, error) { return v.open(nil, "id-1") },
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s: opened to %q", name, got)
		}
	}
}

func mustSeal(t *testing.T, v *Vault, plain []byte, id string) []byte {
	t.Helper()
	sealed, err := v.end(append(v.begin(nil), plain...), id)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// After Rekey new entries have the new key, old ones still open, and a resend
// is still known.
func TestRekey(t *testing.T) {
	dir := t.TempDir()
	cfg := StoreConfig{Disk: "data"}
	old, err := LoadVault(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, old, []byte("before"), "id-1")
	name := filepath.Join(dir, "data", "store.key")
	if err := Rekey(name); err != nil {
		t.Fatal(err)
	}
	both, err := LoadVault(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := both.open(bytes.Clone(sealed), "id-1"); err != nil || string(got) != "before" {
		t.Errorf("an old entry: %q %v", got, err)
	}
	after := mustSeal(t, both, []byte("after"), "id-2")
	if bytes.Equal(after[1:5], sealed[1:5]) {
		t.Error("the old key still seals")
	}
	if both.key("a") != old.key("a") {
		t.Error("resends are not known any more")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(name, []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	only, err := LoadVault(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := only.open(sealed, "id-1"); err == nil || !strings.Contains(err.Error(), "another store key") {
		t.Errorf("without the old key: got %v", err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
}

// Keys tell parts apart, not their concatenation, and differ between sites.
func TestVaultKey(t *testing.T) {
	v := testVault(t, 1)
	if v.key("a", "bc") == v.key("ab", "c") || v.key("a") == testVault(t, 2).key("a") || v.key("a", "b") != v.key("a", "b") {
		t.Error("keys do not tell their parts")
	}
}

func TestVaultKeyFile(t *testing.T) {
	dir := t.TempDir()
	cfg := StoreConfig{Disk: "data"}
	first, err := LoadVault(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "data", "store.key")
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	second, err := LoadVault(dir, cfg)
	if err != nil || first.key("x") != second.key("x") {
		t.Error("another key on the second start", err)
	}
	for text, want := range map[string]string{"zz": "want 64 hex digits", hex.EncodeToString([]byte("short")): "want 32"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadVault(dir, cfg); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), text+" ") {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if _, err := LoadVault(dir, StoreConfig{Redis: "redis://x", Key: "file:none"}); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Errorf("got %v", err)
	}
}

// An entry holds the original once, whatever pictures the record takes from it.
func TestEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		original := []byte(rapid.StringN(0, 4000, -1).Draw(t, "original"))
		rec := &transform.Record{Doc: []byte(rapid.StringN(2, 200, -1).Draw(t, "doc"))}
		at := 0
		for range rapid.IntRange(0, 3).Draw(t, "holes") {
			at = rapid.IntRange(at, len(rec.Doc)).Draw(t, "at")
			data := []byte(rapid.StringN(0, 100, -1).Draw(t, "foreign"))
			if len(original) > 0 && rapid.Bool().Draw(t, "inside") {
				from := rapid.IntRange(0, len(original)-1).Draw(t, "from")
				data = original[from:rapid.IntRange(from, len(original)).Draw(t, "to")]
			}
			rec.Holes = append(rec.Holes, transform.Hole{At: at, Blob: event.Blob{Data: data, Raw: rapid.Bool().Draw(t, "raw")}})
		}
		h := head{Source: "s", Generation: "1-x", Interface: "stk/zpjl", Request: request{Method: "POST", Path: "/x", Received: time.Unix(1, 0).UTC()}}
		b, err := appendEntry(nil, h, rec, original)
		if err != nil {
			t.Fatal(err)
		}
		e, err := readEntry(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e.original, original) || !bytes.Equal(e.record.Doc, rec.Doc) || e.head.Request.Path != "/x" || len(e.record.Holes) != len(rec.Holes) {
			t.Fatalf("got %+v", e)
		}
		for i, hole := range rec.Holes {
			got := e.record.Holes[i]
			if got.At != hole.At || got.Blob.Raw != hole.Blob.Raw || !bytes.Equal(got.Blob.Data, hole.Blob.Data) {
				t.Fatalf("hole %d: want %+v, got %+v", i, hole, got)
			}
		}
	})
}

func FuzzReadEntry(f *testing.F) {
	good, err := appendEntry(nil, head{Source: "s"}, &transform.Record{Doc: []byte("{}"), Holes: []transform.Hole{{At: 1, Blob: event.Blob{Data: []byte("foreign")}}}}, []byte("original"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := readEntry(b); err == nil {
			e.record.Len()
			for range e.record.Pieces(make([]byte, 12<<10)) {
			}
		}
	})
}

func TestBuffers(t *testing.T) {
	last := -1
	for n := 1; n <= largest; n = n*5/4 + 1 {
		class, size := classOf(n)
		if class < last || class >= 64 || size < n || n > smallest && float64(size) > 1.26*float64(n) {
			t.Errorf("%d bytes: class %d of %d bytes", n, class, size)
		}
		if c, s := classOf(size); c != class || s != size {
			t.Errorf("a buffer of class %d (%d bytes) goes back to %d (%d bytes)", class, size, c, s)
		}
		last = class
	}
	if class, size := classOf(largest + 1); class != -1 || size != largest+1 {
		t.Errorf("above the largest: %d %d", class, size)
	}
	var b buffers
	b.put(b.get(100_000))
	b.put(make([]byte, 5000)) // of no class: not kept
	b.put(nil)
	if buf := b.get(100_000); cap(buf) < 100_000 || len(buf) != 0 {
		t.Errorf("got %d of %d", len(buf), cap(buf))
	}
}

func TestConfig(t *testing.T) {
	t.Setenv("YIQIAO_TEST_KEY", "from-environment")
	const platform = "platform:\n  url: http://192.0.2.10:8000/api/v1\n  appKey: ${YIQIAO_TEST_KEY}\n  publicKey: x\n"
	c, ps := parseConfig("yiqiao.yaml", []byte(platform+"limits: {body: 2.5MB}\ndedup:\n  window: 1h30m\n"), true)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	if c.Platform.AppKey != "from-environment" || c.Limits.Body != 2_621_440 || c.Dedup.Window != 90*time.Minute || c.Store.Disk != "data" || c.Admin.Listen != "127.0.0.1:8081" || c.Listen != ":8080" {
		t.Errorf("got %+v", c)
	}
	c, ps = parseConfig("yiqiao.yaml", []byte(platform+"store: {dedup: 'redis://y', key: k, partitions: 4, replicas: 1, prefix: p}\ndedup: {onOutage: refuse}\n"), true)
	if want := (StoreConfig{Disk: "data", Dedup: "redis://y", Key: "k", Prefix: "p", Partitions: 4, Replicas: 1, MaxBytes: 20 << 30}); len(ps) > 0 || c.Store != want || c.Dedup != (DedupConfig{72 * time.Hour, "refuse"}) {
		t.Errorf("got %+v, %v", c, ps)
	}
	c, ps = parseConfig("yiqiao.yaml", []byte(platform+"tables:\n  devices: d.csv\n  doors: {file: doors.yaml, key: [building, door]}\n"), true)
	if want := map[string]TableConfig{"devices": {File: "d.csv"}, "doors": {"doors.yaml", []string{"building", "door"}}}; len(ps) > 0 || !reflect.DeepEqual(c.Tables, want) {
		t.Errorf("got %+v, %v", c.Tables, ps)
	}
	for text, want := range map[string]string{
		platform + "tables: {doors: {file: a.csv, keys: [x]}}\n": `unknown key "keys" of tables.doors; did you mean "key"?`,
		"":                                  "the file is empty",
		"platform: [":                       "yiqiao.yaml:1:",
		platform + "liste: :1\n":            `yiqiao.yaml:5:1: unknown key "liste" of a site; did you mean "listen"?`,
		platform + "limits: {body: -1MB}\n": "-1MB",
		platform + "limits: {body: 100, memory: 1MB}\n":                        "limits.body:",
		platform + "  concurrency: 0\n":                                        "platform.concurrency",
		platform + "  newest: 100\n":                                           "platform.newest",
		platform + "listen: :1\nlisten: :2\n":                                  "is there already, in line 5",
		platform + "dedup: {window: often}\n":                                  "often",
		platform + "dedup: {onOutage: wait}\n":                                 `dedup.onOutage: want admit or refuse, got "wait"`,
		platform + "store: {redis: 'redis://x', dedup: 'redis://y', key: k}\n": "store.dedup: redis holds the keys of its entries itself",
		platform + "store: {disk: data, dedup: 'redis://y'}\n":                 "store.key: want file:NAME or 64 hex digits: with dedup the key must be given, the same on every replica",
		platform + "store: {partitions: 4}\n":                                  "store.partitions: is for redis and dedup",
		platform + "store: {redis: 'redis://x', key: k, partitions: 2000}\n":   "store.partitions: want 0 to 1024, got 2000",
		platform + "store: {redis: 'redis://x', key: k, replicas: -1}\n":       "store.replicas: want 0 to 16, got -1",
		strings.Replace(platform, "_KEY", "_NO_SUCH_KEY", 1):                   `yiqiao.yaml:3:11: the environment variable "YIQIAO_TEST_NO_SUCH_KEY" is not set`,
		strings.Replace(platform, "http://", "192.0.2.1", 1):                   "platform.url",
		strings.Replace(platform, "publicKey: x", "", 1):                       "platform.publicKey",
		platform + "log: {format: xml}\n":                                      "log.format",
		strings.Replace(platform, "${YIQIAO_TEST_KEY}", "", 1):                 "platform.appKey",
	} {
		_, ps := parseConfig("yiqiao.yaml", []byte(text), true)
		var told strings.Builder
		for _, p := range ps {
			fmt.Fprintln(&told, p.Error())
		}
		if !strings.Contains(told.String(), want) {
			t.Errorf("%q: want %q, got %q", text, want, told.String())
		}
	}
}

// What a reload cannot apply is named.
func TestNeedsRestart(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"":                     func(c *Config) { c.Dedup.Window = time.Hour },
		"dedup.onOutage":       func(c *Config) { c.Dedup.OnOutage = "refuse" },
		"store":                func(c *Config) { c.Store.Dedup = "redis://x" },
		"platform.concurrency": func(c *Config) { c.Platform.Concurrency = 3 },
	} {
		before, after := defaults(), defaults()
		change(&after)
		got := (&Generation{Config: &after}).needsRestart(&Generation{Config: &before})
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("platform:\n  url: http://x\nlimits: {body: 1MB}\nsources: [a]\n"))
	f.Add([]byte("platform:\n  url: http://x\nsources: !00 ")) // the library panics
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = parseConfig("yiqiao.yaml", b, true) })
}

func TestLoopback(t *testing.T) {
	for url, want := range map[string]bool{"http://127.0.0.1:8000/api": true, "http://localhost/api": true, "http://[::1]:1": true, "http://127.0.0.1.example/": false, "http://localhost.example": false, "http://192.0.2.1": false} {
		if loopback(url) != want {
			t.Errorf("%s: want %v", url, want)
		}
	}
}
