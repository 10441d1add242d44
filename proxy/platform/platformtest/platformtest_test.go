package platformtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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

func newBed(t *testing.T, change func(*platformtest.Options, *platform.Config)) *bed {
	t.Helper()
	private, public, _, err := platformtest.LoadOrCreateKey(filepath.Join(t.TempDir(), "platform.key"))
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{}
	o := platformtest.Options{PrivateKey: private, Records: &b.records, Catalogue: catalogue}
	cfg := platform.Config{AppKey: "key-1", Timeout: 2 * time.Second}
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
	b, other := newBed(t, nil), newBed(t, nil)
	b.sealer = other.sealer
	if v := b.post(t, "stk/sbzt", status); v.Kind != platform.Misconfigured || v.HTTP != http.StatusBadRequest {
		t.Errorf("got %s", v)
	}
}

func TestBehaviour(t *testing.T) {
	for name, tt := range map[string]struct {
		behave string
		want   platform.Kind
	}{
		"down":     {`{"down":true}`, platform.Later},
		"html":     {`{"html":true}`, platform.Misconfigured},
		"hang up":  {`{"hangUp":true}`, platform.Later},
		"failures": {`{"failures":1}`, platform.Later},
		"code":     {`{"code":"9999"}`, platform.Rejected},
		"slow":     {`{"latency":"10s"}`, platform.Later},
		"latency":  {`{"latency":"1ms"}`, platform.Delivered},
		"well":     {`{}`, platform.Delivered},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(_ *platformtest.Options, c *platform.Config) { c.Timeout = 300 * time.Millisecond })
			resp, err := http.Post(b.server.URL+"/-/behave", "application/json", strings.NewReader(tt.behave))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if v := b.post(t, "stk/sbzt", status); resp.StatusCode != http.StatusOK || v.Kind != tt.want {
				t.Errorf("got %s", v)
			}
		})
	}
	b := newBed(t, nil)
	for _, body := range []string{`{"lateny":"1s"}`, `{"latency":"soon"}`, `{"failures":2}`, `{`} {
		resp, err := http.Post(b.server.URL+"/-/behave", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %s", body, resp.Status)
		}
	}
}

func TestRequests(t *testing.T) {
	b := newBed(t, nil)
	for name, tt := range map[string]struct {
		method, path, body string
		want               int
	}{
		"GET":         {"GET", "/api/v1/stk/sbzt?appKey=x", "", http.StatusMethodNotAllowed},
		"no envelope": {"POST", "/api/v1/stk/sbzt?appKey=x", "{}", http.StatusBadRequest},
		"too large":   {"POST", "/api/v1/stk/sbzt?appKey=x", strings.Repeat("x", 64<<20+1), http.StatusRequestEntityTooLarge},
		"elsewhere":   {"POST", "/api/v2/stk/sbzt?appKey=x", "{}", http.StatusNotFound},
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
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: want %d, got %s", name, tt.want, resp.Status)
		}
	}
}

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
