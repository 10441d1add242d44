package seal

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fixed makes s draw the session key "abcdef0123456789" again and again.
func fixed(s *Sealer) {
	var draws []byte
	for _, c := range "abcdef0123456789" {
		draws = append(draws, byte(strings.IndexRune(alphabet, c)))
	}
	s.random = bytes.NewReader(bytes.Repeat(draws, 8))
}

func vectors() map[string]Config {
	return map[string]Config{
		"ecb": {},
		"cbc": {Mode: "cbc", IV: "zero"},
		"gcm": {Mode: "gcm"},
	}
}

func TestOpenVectors(t *testing.T) {
	for name, cfg := range vectors() {
		o, err := NewOpener(cfg, read(t, "key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := o.Open(read(t, name+".envelope.json"))
		if want := read(t, "document.json"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: Open = %q, %v, want %q", name, got, err, want)
		}
	}
}

// TestSealVectors holds what Seal makes of a known key against the bytes that
// openssl made of it. GCM's nonce is random, so it is not among them.
func TestSealVectors(t *testing.T) {
	public, err := PublicKey(read(t, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	short := []byte(`{"xqmc":"测试小区"}`)
	document := read(t, "document.json")
	tests := []struct {
		name string
		cfg  Config
		doc  []byte
		want string
	}{
		{"self-test", Config{}, short, "afcXYEFsV1nODfZaI8hN290iyTppr/mAn0yDV8aY6q4="},
		{"ecb", Config{}, document, requestData(t, read(t, "ecb.envelope.json"))},
		{"cbc", Config{Mode: "cbc", IV: "zero"}, document, requestData(t, read(t, "cbc.envelope.json"))},
	}
	for _, test := range tests {
		s, err := New(test.cfg, []byte(public))
		if err != nil {
			t.Fatal(err)
		}
		fixed(s)
		got, err := s.Seal(nil, len(test.doc), slices.Values([][]byte{test.doc}))
		if err != nil {
			t.Fatal(err)
		}
		if got := requestData(t, got); got != test.want {
			t.Errorf("%s: requestData = %s, want %s", test.name, got, test.want)
		}
	}
}

func requestData(t *testing.T, envelope []byte) string {
	t.Helper()
	var e struct{ RequestData string }
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	return e.RequestData
}

// TestDrawChars: every letter and digit about as often as any other. With 62,000
// draws a count has mean 1,000 and standard deviation 31.
func TestDrawChars(t *testing.T) {
	s, err := New(Config{Suite: "plain"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 62_000)
	if err := drawChars(s.random, key); err != nil {
		t.Fatal(err)
	}
	for _, c := range []byte(alphabet) {
		if n := bytes.Count(key, []byte{c}); n < 750 || n > 1250 {
			t.Errorf("%q drawn %d times of 62,000, want about 1,000", c, n)
		}
	}
	if i := bytes.IndexFunc(key, func(r rune) bool { return !strings.ContainsRune(alphabet, r) }); i >= 0 {
		t.Errorf("drew %q", key[i])
	}
}

func TestUnpad(t *testing.T) {
	block := func(tail ...byte) []byte {
		return append(bytes.Repeat([]byte("x"), 32-len(tail)), tail...)
	}
	full := bytes.Repeat([]byte{16}, 16)
	tests := []struct {
		box  []byte
		want int // bytes left; -1: refused
	}{
		{block(1), 31},
		{block(2, 2), 30},
		{block(full...), 16},
		{full, 0},
		{block(0), -1},
		{block(17), -1},
		{block(255), -1},
		{block(2, 3, 3), -1},
		{append([]byte{15}, full[1:]...), -1},
	}
	for _, test := range tests {
		doc, ok := unpad(test.box)
		if ok != (test.want >= 0) || ok && len(doc) != test.want {
			t.Errorf("unpad(%v) = %d bytes, %v, want %d", test.box, len(doc), ok, test.want)
		}
	}
}
