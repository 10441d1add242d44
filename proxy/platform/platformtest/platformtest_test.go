package platformtest_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/seal"
	"yiqiao/transform/spec"
)

// bed is a platform, a client and a sealer that fit together.
type bed struct {
	*platformtest.Platform
	server  *httptest.Server
	client  *platform.Client
	sealer  *seal.Sealer
	records bytes.Buffer
}

// newKey makes a private key; sharedKey is the same one for all: a key takes
// longer than a test.
func newKey() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

var (
	sharedKey       = sync.OnceValues(newKey)
	sharedCatalogue = sync.OnceValues(spec.Load)
)

func newBed(t *testing.T, change func(*platformtest.Options, *platform.Config)) *bed {
	t.Helper()
	private, err := sharedKey()
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := sharedCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{}
	o := platformtest.Options{PrivateKey: private, Records: &b.records, Catalogue: catalogue}
	cfg := platform.Config{AppKey: "key-1", Timeout: 10 * time.Second}
	if change != nil {
		change(&o, &cfg)
	}
	if b.Platform, err = platformtest.New(o); err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewServer(b.Platform)
	t.Cleanup(b.server.Close)
	cfg.URL = b.server.URL + "/api/v1"
	if b.client, err = platform.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	public, err := seal.PublicKey(o.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if b.sealer, err = seal.New(seal.Config{}, []byte(public)); err != nil {
		t.Fatal(err)
	}
	return b
}

func one(doc string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) { yield([]byte(doc)) }
}

func (b *bed) post(t *testing.T, iface, doc string) platform.Verdict {
	t.Helper()
	envelope, err := b.sealer.Seal(nil, len(doc), one(doc))
	if err != nil {
		t.Fatal(err)
	}
	return b.client.Post(t.Context(), iface, envelope)
}

const status = `{"areaNo":"340102001001001","deviceID":"34010241011328001001","isOnLine":"1","deviceType":"1"}`

func TestAccept(t *testing.T) {
	b := newBed(t, nil)
	for range 2 {
		if v := b.post(t, "stk/sbzt", status); v.Kind != platform.Delivered {
			t.Fatal(v)
		}
	}
	want := `{"interface":"stk/sbzt","appKey":"key-1","record":` + status + "}\n"
	if got := b.records.String(); got != want+want {
		t.Errorf("got %s", got)
	}
	if c := b.Counts(); c != (platformtest.Counts{Accepted: 2, Repeated: 1}) {
		t.Errorf("got %+v", c)
	}
	var list []platformtest.Record
	resp, err := http.Get(b.server.URL + "/-/records?interface=stk/sbzt&limit=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list) != 1 || string(list[0].Record) != status || list[0].Received.IsZero() {
		t.Errorf("got %+v %v", list, err)
	}
}

// A refusal is an answer in the standard's form, in Chinese.
func TestRefuse(t *testing.T) {
	b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.AppKeys = []string{"key-1"} })
	for name, tt := range map[string]struct{ iface, doc, code, want string }{
		"record":    {"stk/sbzt", strings.Replace(status, `"isOnLine":"1"`, `"isOnLine":"3"`, 1), platformtest.CodeRecord, "isOnLine（设备在线状态）：应为字典"},
		"interface": {"stk/none", status, platformtest.CodeInterface, "没有接口 stk/none"},
	} {
		if v := b.post(t, tt.iface, tt.doc); v.Kind != platform.Rejected || v.Code != tt.code || !strings.Contains(v.Message, tt.want) {
			t.Errorf("%s: got %s", name, v)
		}
	}
	other := newBed(t, func(o *platformtest.Options, c *platform.Config) { o.AppKeys, c.AppKey = []string{"key-1"}, "key-2" })
	if v := other.post(t, "stk/sbzt", status); v.Kind == platform.Delivered || v.Code != platformtest.CodeAppKey {
		t.Errorf("an unknown appKey: got %s", v)
	}
	if c := b.Counts(); c.Accepted != 0 || c.Refused != 2 {
		t.Errorf("got %+v", c)
	}
}

// Sealed for another key: the client says what is probably wrong.
func TestWrongKey(t *testing.T) {
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	b, other := newBed(t, nil), newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.PrivateKey = key })
	b.sealer = other.sealer
	if v := b.post(t, "stk/sbzt", status); v.Kind != platform.Misconfigured || v.HTTP != http.StatusBadRequest {
		t.Errorf("got %s", v)
	}
}

// In ecb one envelope in 250 that was sealed for another key opens to noise.
// That too is the fault of a setting, not of the record.
func TestNoise(t *testing.T) {
	for name, doc := range map[string]string{
		"noise": "\x8f\x00\xfe{", "empty": "", "text": "ok", "two": status + status,
	} {
		b := newBed(t, nil)
		if v := b.post(t, "stk/sbzt", doc); v.Kind != platform.Misconfigured || v.HTTP != http.StatusBadRequest {
			t.Errorf("%s: got %s", name, v)
		}
		if c := b.Counts(); c != (platformtest.Counts{Refused: 1}) {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}

func TestRequests(t *testing.T) {
	b := newBed(t, nil)
	for name, tt := range map[string]struct {
		method, path, body string
		want               int
		says               string
	}{
		"GET":         {"GET", "/api/v1/stk/sbzt?appKey=x", "", http.StatusMethodNotAllowed, ""},
		"no appKey":   {"POST", "/api/v1/stk/sbzt", "{}", http.StatusOK, `"code":"1001"`},
		"no envelope": {"POST", "/api/v1/stk/sbzt?appKey=x", "{}", http.StatusBadRequest, `Required request body is missing`},
		"too large":   {"POST", "/api/v1/stk/sbzt?appKey=x", strings.Repeat("x", 64<<20+1), http.StatusRequestEntityTooLarge, ""},
		"elsewhere":   {"POST", "/api/v2/stk/sbzt?appKey=x", "{}", http.StatusNotFound, ""},
	} {
		req, err := http.NewRequest(tt.method, b.server.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.want || !strings.Contains(string(body), tt.says) {
			t.Errorf("%s: want %d with %q, got %s: %s %v", name, tt.want, tt.says, resp.Status, body, err)
		}
		if allow := resp.Header.Get("Allow"); tt.want == http.StatusMethodNotAllowed && allow != "POST" {
			t.Errorf("%s: Allow is %q", name, allow)
		}
	}
}

// lines keeps each Write, and fails one that comes during another.
type lines struct {
	mu  sync.Mutex
	all [][]byte
}

func (l *lines) Write(p []byte) (int, error) {
	if !l.mu.TryLock() {
		return 0, fmt.Errorf("two writes at a time")
	}
	defer l.mu.Unlock()
	l.all = append(l.all, bytes.Clone(p))
	return len(p), nil
}

func TestRecordsAreWholeLines(t *testing.T) {
	out := new(lines)
	b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.Records, o.Keep = out, 5 })
	var posting sync.WaitGroup
	for i := range 8 {
		posting.Go(func() {
			for j := range 5 {
				doc := strings.Replace(status, "1001\"", fmt.Sprintf("1%d%d1\"", i, j), 1)
				doc = strings.ReplaceAll(doc, ",", " ,\n ")
				if v := b.post(t, "stk/sbzt", doc); v.Kind != platform.Delivered {
					t.Error(v)
				}
			}
		})
	}
	posting.Wait()
	seen := map[[32]byte]bool{}
	for _, line := range out.all {
		var rec platformtest.Record
		if err := json.Unmarshal(line, &rec); err != nil || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Errorf("got %q: %v", line, err)
		}
		seen[sha256.Sum256(rec.Record)] = true
	}
	if len(seen) != 40 || len(b.Records()) != 5 {
		t.Errorf("got %d lines, %d records kept", len(seen), len(b.Records()))
	}
}

func TestOptions(t *testing.T) {
	private, _, _, err := platformtest.LoadOrCreateKey(filepath.Join(t.TempDir(), "platform.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]platformtest.Options{
		"no key":        {},
		"cipher":        {PrivateKey: private, Seal: seal.Config{Mode: "xyz"}},
		"negative keep": {PrivateKey: private, Keep: -1},
		"strict":        {PrivateKey: private, Strictness: platformtest.Strict},
		"prerequisites": {PrivateKey: private, Prerequisites: true},
	} {
		if _, err := platformtest.New(o); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
