package seal_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"yiqiao/proxy/seal"
)

// pair is a throw-away key pair, Base64 of PKCS#8 and of X.509.
type pair struct{ private, public []byte }

func newPair(bits int) pair {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	encode := base64.StdEncoding.AppendEncode
	return pair{encode(nil, private), encode(nil, public)}
}

var (
	rsa1024 = sync.OnceValue(func() pair { return newPair(1024) })
	rsa2048 = sync.OnceValue(func() pair { return newPair(2048) })
)

func newSealer(t testing.TB, cfg seal.Config, p pair) *seal.Sealer {
	t.Helper()
	s, err := seal.New(cfg, p.public)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newOpener(t testing.TB, cfg seal.Config, p pair) *seal.Opener {
	t.Helper()
	o, err := seal.NewOpener(cfg, p.private)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func one(doc []byte) iter.Seq[[]byte] { return slices.Values([][]byte{doc}) }

// every is each combination of settings, which is what the tests of this package
// and of other implementations run through.
func every() []seal.Config {
	all := []seal.Config{{Suite: "plain"}, {Suite: "plain", Output: "hex"}}
	ivs := map[string][]string{"ecb": {""}, "cbc": {"prefix", "zero", "key"}, "gcm": {"prefix", "zero", "key"}}
	for _, mode := range []string{"ecb", "cbc", "gcm"} {
		for _, iv := range ivs[mode] {
			for _, bits := range []int{128, 192, 256} {
				for _, key := range []string{"chars", "hex", "base64"} {
					for _, pad := range []string{"pkcs1v15", "oaep-sha1", "oaep-sha256", "oaep-sha256-mgf1-sha1"} {
						for _, output := range []string{"base64", "hex"} {
							all = append(all, seal.Config{
								Mode: mode, IV: iv, Bits: bits, Key: key, RSA: pad, Output: output,
							})
						}
					}
				}
			}
		}
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	doc := []byte(`{"xqmc":"测试小区"}`)
	for _, cfg := range every() {
		s, o := newSealer(t, cfg, rsa2048()), newOpener(t, cfg, rsa2048())
		envelope, err := s.Seal(nil, len(doc), one(doc))
		if err != nil {
			t.Fatalf("%s: %v", cfg, err)
		}
		if got, want := len(envelope), s.Size(len(doc)); got != want {
			t.Errorf("%s: Seal gave %d bytes, Size said %d", cfg, got, want)
		}
		got, err := o.Open(envelope)
		if err != nil || !bytes.Equal(got, doc) {
			t.Errorf("%s: Open = %q, %v, want %q", cfg, got, err, doc)
		}
	}
}

func TestNames(t *testing.T) {
	cfg := seal.Config{KeyName: "aesCiphertext", DataName: "msg"}
	doc := []byte(`{}`)
	envelope, err := newSealer(t, cfg, rsa1024()).Seal(nil, len(doc), one(doc))
	if err != nil || !bytes.HasPrefix(envelope, []byte(`{"aesCiphertext":"`)) || !bytes.Contains(envelope, []byte(`","msg":"`)) {
		t.Fatalf("envelope %s, error %v", envelope, err)
	}
	if got, err := newOpener(t, cfg, rsa1024()).Open(envelope); err != nil || !bytes.Equal(got, doc) {
		t.Errorf("Open = %q, %v", got, err)
	}
	_, err = newOpener(t, seal.Config{}, rsa1024()).Open(envelope)
	if err == nil || err.Error() != "encrypted: is missing" {
		t.Errorf("an opener of the standard's names: %v", err)
	}
}

// TestPieces draws lengths around the edges of blocks and chunks, and cuts the
// document anywhere.
func TestPieces(t *testing.T) {
	base := make([]byte, 40_016)
	rand.Read(base)
	var sealers []*seal.Sealer
	var openers []*seal.Opener
	configs := []seal.Config{
		{}, {Output: "hex"}, {Mode: "cbc"}, {Mode: "cbc", IV: "key"}, {Mode: "gcm"},
		{Mode: "gcm", IV: "zero", Output: "hex"}, {Mode: "cbc", Reuse: 3}, {Suite: "plain"},
		{KeyName: "k", DataName: "a_much_longer_name"},
	}
	for _, cfg := range configs {
		sealers = append(sealers, newSealer(t, cfg, rsa1024()))
		openers = append(openers, newOpener(t, cfg, rsa1024()))
	}
	rapid.Check(t, func(t *rapid.T) {
		edge := rapid.SampledFrom([]int{0, 16, 12<<10 - 16, 12 << 10, 24<<10 - 16, 24 << 10, 36 << 10}).Draw(t, "edge")
		n := rapid.OneOf(rapid.IntRange(0, 40_000), rapid.IntRange(max(0, edge-18), edge+18)).Draw(t, "n")
		cuts := rapid.SliceOfN(rapid.IntRange(0, n), 0, 8).Draw(t, "cuts")
		i := rapid.IntRange(0, len(configs)-1).Draw(t, "config")

		doc := base[:n]
		slices.Sort(cuts)
		pieces, from := [][]byte{}, 0
		for _, to := range append(cuts, n) {
			pieces, from = append(pieces, doc[from:to]), to
		}
		dst := make([]byte, 3, 3+sealers[i].Size(n))
		copy(dst, "abc")
		envelope, err := sealers[i].Seal(dst, n, slices.Values(pieces))
		if err != nil {
			t.Fatal(err)
		}
		if &envelope[0] != &dst[0] || len(envelope) != cap(dst) || string(envelope[:3]) != "abc" {
			t.Fatalf("%s: want exactly %d bytes behind dst, in place, got %d", configs[i], cap(dst)-3, len(envelope)-3)
		}
		got, err := openers[i].Open(envelope[3:])
		if err != nil || !bytes.Equal(got, doc) {
			t.Fatalf("%s: %d bytes came back as %d, %v", configs[i], n, len(got), err)
		}
	})
}

func TestWrongLength(t *testing.T) {
	for _, cfg := range []seal.Config{{}, {Mode: "cbc"}, {Mode: "gcm"}, {Suite: "plain"}} {
		s := newSealer(t, cfg, rsa1024())
		tests := []struct {
			n    int
			doc  []string
			want string
		}{
			{5, []string{"1234"}, "document: want 5 bytes, got 4"},
			{5, nil, "document: want 5 bytes, got 0"},
			{5, []string{"1234", "56"}, "document: want 5 bytes, got more than 5"},
			{5, []string{"12345", "", "6"}, "document: want 5 bytes, got more than 5"},
			{0, []string{"1"}, "document: want 0 bytes, got more than 0"},
			{-1, nil, "document: want 0 to 1073741824 bytes, got -1"},
			{seal.MaxDocument + 1, nil, "document: want 0 to 1073741824 bytes, got 1073741825"},
		}
		for _, test := range tests {
			doc := func(yield func([]byte) bool) {
				for _, piece := range test.doc {
					if !yield([]byte(piece)) {
						return
					}
				}
			}
			got, err := s.Seal([]byte("dst"), test.n, doc)
			if err == nil || err.Error() != test.want || string(got) != "dst" {
				t.Errorf("%s: Seal = %q, %v, want %q", cfg, got, err, test.want)
			}
		}
		// The scratch of a broken record does not reach into the next one.
		if envelope, err := s.Seal(nil, 2, one([]byte("ok"))); err != nil {
			t.Error(err)
		} else if got, err := newOpener(t, cfg, rsa1024()).Open(envelope); err != nil || string(got) != "ok" {
			t.Errorf("%s: after errors Open = %q, %v", cfg, got, err)
		}
	}
}

// TestReuse: with Reuse N, however many goroutines seal, no session key is used
// more than N times; without, every record has its own.
func TestReuse(t *testing.T) {
	const records, workers = 96, 8
	for _, test := range []struct{ reuse, most int }{{0, 1}, {1, 1}, {2, 2}, {10, 10}, {1000, 96}} {
		s := newSealer(t, seal.Config{Reuse: test.reuse}, rsa1024())
		var mu sync.Mutex
		uses := map[string]int{}
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for range records / workers {
					envelope, err := s.Seal(nil, 2, one([]byte("{}")))
					if err != nil {
						t.Error(err)
						return
					}
					key, _, _ := bytes.Cut(envelope, []byte(`","`))
					mu.Lock()
					uses[string(key)]++
					mu.Unlock()
				}
			})
		}
		group.Wait()
		total, most := 0, 0
		for _, n := range uses {
			total, most = total+n, max(most, n)
		}
		if total != records || most != test.most {
			t.Errorf("reuse %d: %d records, one key for up to %d, want %d and %d",
				test.reuse, total, most, records, test.most)
		}
	}
}

// TestRandomIV: one key, two records of the same text, nothing in common.
func TestRandomIV(t *testing.T) {
	for _, mode := range []string{"cbc", "gcm"} {
		s := newSealer(t, seal.Config{Mode: mode, Reuse: 10}, rsa1024())
		var data [2][]byte
		for i := range data {
			envelope, err := s.Seal(nil, 64, one(bytes.Repeat([]byte("x"), 64)))
			if err != nil {
				t.Fatal(err)
			}
			_, data[i], _ = bytes.Cut(envelope, []byte(`"requestData":"`))
		}
		if bytes.Equal(data[0][:16], data[1][:16]) || bytes.Equal(data[0][24:], data[1][24:]) {
			t.Errorf("%s: same IV twice: %s and %s", mode, data[0], data[1])
		}
	}
}

func TestAllocs(t *testing.T) {
	doc := bytes.Repeat([]byte("0123456789abcdef"), 2000)
	pieces := [][]byte{doc[:5000], doc[5000:]}
	for _, mode := range []string{"ecb", "cbc", "gcm"} {
		for _, test := range []struct {
			reuse int
			most  float64
		}{{0, 12}, {seal.MaxReuse, 2}} {
			s := newSealer(t, seal.Config{Mode: mode, Reuse: test.reuse}, rsa2048())
			dst := make([]byte, 0, s.Size(len(doc)))
			seq := slices.Values(pieces)
			got := testing.AllocsPerRun(200, func() {
				if _, err := s.Seal(dst, len(doc), seq); err != nil {
					t.Fatal(err)
				}
			})
			if got > test.most {
				t.Errorf("%s, reuse %d: %v allocations a record, want at most %v", mode, test.reuse, got, test.most)
			}
		}
	}
}

func TestOpenErrors(t *testing.T) {
	doc := []byte(`{"xqmc":"测试小区"}`)
	envelope := func(cfg seal.Config, p pair) string {
		b, err := newSealer(t, cfg, p).Seal(nil, len(doc), one(doc))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const secret = "the envelope cannot be opened: sealed for another key or with another cipher setting"
	fit := base64.StdEncoding.EncodeToString(make([]byte, 128))
	tests := []struct {
		name, envelope, want string
	}{
		{"another key", envelope(seal.Config{}, newPair(1024)), secret},
		{"another mode", envelope(seal.Config{Mode: "gcm"}, rsa1024()), secret},
		{"another padding", envelope(seal.Config{RSA: "oaep-sha1"}, rsa1024()), secret},
		{"longer session key", envelope(seal.Config{Bits: 256}, rsa1024()), secret},
		{"another form of the key", envelope(seal.Config{Key: "base64"}, rsa1024()), secret},
		{"zeros", `{"encrypted":"` + fit + `","requestData":"` + fit + `"}`, secret},
		{"no data", `{"encrypted":"` + fit + `","requestData":""}`, secret},
		{"half a block", `{"encrypted":"` + fit + `","requestData":"AAAA"}`, secret},
		{"longer key", envelope(seal.Config{}, rsa2048()),
			"encrypted: want the 128 bytes of an RSA-1024 key, got 256: sealed for another key"},
		{"plain", envelope(seal.Config{Suite: "plain"}, rsa1024()),
			"encrypted: is empty: the envelope was sealed with suite plain"},
		{"hex", envelope(seal.Config{Output: "hex"}, rsa1024()),
			"encrypted: want the 128 bytes of an RSA-1024 key, got 192: sealed for another key"},
		{"empty", "", "envelope: want a JSON object: unexpected end of JSON input"},
		{"null", "null", "encrypted: is missing"},
		{"no data member", `{"encrypted":""}`, "requestData: is missing"},
		{"null member", `{"encrypted":null,"requestData":""}`, "encrypted: want a string"},
		{"number", `{"encrypted":1,"requestData":""}`, "encrypted: want a string"},
		{"three members", `{"encrypted":"","requestData":"","x":1}`,
			"envelope: want encrypted and requestData alone, got 3 members"},
		{"not base64", `{"encrypted":"*","requestData":""}`, "encrypted: want base64: illegal base64 data at input byte 0"},
	}
	o := newOpener(t, seal.Config{}, rsa1024())
	for _, test := range tests {
		got, err := o.Open([]byte(test.envelope))
		// A random key takes the place of a wrong one, and by chance its noise
		// ends like padding, once in 255 times.
		for tries := 0; err == nil && tries < 8; tries++ {
			got, err = o.Open([]byte(test.envelope))
		}
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: Open = %q, %v, want %q", test.name, got, err, test.want)
		}
		if errors.Is(err, seal.ErrOpen) != (test.want == secret) {
			t.Errorf("%s: %v: is it ErrOpen?", test.name, err)
		}
	}
	_, err := newOpener(t, seal.Config{Suite: "plain"}, pair{}).Open([]byte(envelope(seal.Config{}, rsa1024())))
	if err == nil || !strings.Contains(err.Error(), "was not sealed with suite plain") {
		t.Errorf("plain opener on a sealed envelope: %v", err)
	}
}

// FuzzOpen: no envelope makes an Opener panic, and no document is longer than
// the envelope it came in.
func FuzzOpen(f *testing.F) {
	configs := []seal.Config{
		{}, {Mode: "cbc"}, {Mode: "gcm"}, {Key: "hex", Output: "hex", Mode: "cbc", IV: "key"},
		{Key: "base64", RSA: "oaep-sha1", Mode: "gcm", IV: "zero"}, {Suite: "plain"},
	}
	var openers []*seal.Opener
	for i, cfg := range configs {
		openers = append(openers, newOpener(f, cfg, rsa1024()))
		for _, doc := range []string{"", "{}", strings.Repeat("译桥", 20)} {
			b, err := newSealer(f, cfg, rsa1024()).Seal(nil, len(doc), one([]byte(doc)))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(i, b)
			f.Add(i, b[:len(b)/2])
		}
	}
	f.Fuzz(func(t *testing.T, i int, envelope []byte) {
		doc, err := openers[uint(i)%uint(len(openers))].Open(envelope)
		if err == nil && len(doc) >= len(envelope) {
			t.Errorf("a document of %d bytes from an envelope of %d", len(doc), len(envelope))
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, mode := range []string{"ecb", "cbc", "gcm"} {
		for _, size := range []int{3 << 10, 100 << 10, 500 << 10, 2 << 20} {
			for _, key := range []string{"fresh", "reused"} {
				b.Run(fmt.Sprintf("%s/%dK/%s", mode, size>>10, key), func(b *testing.B) {
					cfg := seal.Config{Mode: mode}
					if key == "reused" {
						cfg.Reuse = seal.MaxReuse
					}
					s := newSealer(b, cfg, rsa2048())
					doc := make([]byte, size)
					seq := slices.Values([][]byte{doc[:200], doc[200:]})
					dst := make([]byte, 0, s.Size(size))
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						if _, err := s.Seal(dst, size, seq); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
