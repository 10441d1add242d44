package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/mappings"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store"
	"yiqiao/proxy/store/disk"
	"yiqiao/transform/spec"
)

// bed is a whole proxy in the test's process: a site in a folder, a store on
// disk, real listeners and the simulated platform.
type bed struct {
	*Proxy
	t        testing.TB
	dir      string
	store    *flaky
	platform *platformtest.Platform
	devices  *httptest.Server
	admin    *httptest.Server
	log      *logBuffer
	end      context.CancelFunc
	ended    chan struct{}
}

const bedConfig = `platform: {url: "PLATFORM/api/v1", appKey: secret-app-key, publicKey: "file:platform.key.pub", timeout: 2s}
store: {disk: data}
sources: [hikvision, dahua, iflytek]
tables: {devices: devices.csv, people: people.csv}
limits: {body: 1MB, memory: 16MB}
`

const bedDevices = `id,name,xqbm,zpjbm,mjxtbm,dzbm,ip,jd,wd,lx,fx
gate-1,东门,340102001001001,34010200011321000001,,3401020010010011410001,192.0.2.21,117.302269,31.895616,2,1
door-1,门禁,340102001001001,,3401020010010011150001,,192.0.2.22,117.302270,31.895617,2,1
`

const bedPeople = "id,name,zjhm\n1001,住户甲,340102199001010015\n"

// newBed starts everything; it ends with the test. change may edit the site's
// files before they are loaded.
func newBed(t testing.TB, change func(dir string)) *bed {
	t.Helper()
	return newBedWith(t, change, bedOptions{})
}

// bedOptions change what the bed's platform does.
type bedOptions struct {
	prerequisites bool // it enforces them
	strictness    platformtest.Strictness
	before        func(http.Handler) http.Handler // stands before it
}

func newBedWith(t testing.TB, change func(dir string), o bedOptions) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir(), log: new(logBuffer), ended: make(chan struct{})}
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	private, _, _, err := platformtest.LoadOrCreateKey(filepath.Join(b.dir, "platform.key"))
	if err != nil {
		t.Fatal(err)
	}
	b.platform, err = platformtest.New(platformtest.Options{
		PrivateKey: private, Keep: 1 << 20, Catalogue: catalogue, Prerequisites: o.prerequisites, Strictness: o.strictness,
	})
	if err != nil {
		t.Fatal(err)
	}
	handler := http.Handler(b.platform)
	if o.before != nil {
		handler = o.before(handler)
	}
	upstream := httptest.NewServer(handler)
	t.Cleanup(upstream.Close)
	b.write("yiqiao.yaml", strings.Replace(bedConfig, "PLATFORM", upstream.URL, 1))
	b.write("devices.csv", bedDevices)
	b.write("people.csv", bedPeople)
	if change != nil {
		change(b.dir)
	}
	site := Site{Dir: b.dir, Bundled: mappings.FS, Catalogue: catalogue}
	g, problems := site.Load()
	if g == nil {
		t.Fatal(problems)
	}
	vault, err := LoadVault(b.dir, g.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	st, err := disk.Open(filepath.Join(b.dir, "data"), disk.Options{MaxBytes: int64(g.Config.Store.MaxBytes)})
	if err != nil {
		t.Fatal(err)
	}
	b.store = &flaky{Store: st}
	b.Proxy = New(Options{Site: site, Generation: g, Store: b.store, Vault: vault, Log: slog.New(slog.NewTextHandler(b.log, nil))})
	b.devices, b.admin = httptest.NewServer(b.Devices()), httptest.NewServer(b.Admin())
	ctx, end := context.WithCancel(context.Background())
	b.end = end
	go func() { defer close(b.ended); b.Deliver(ctx, 5*time.Second) }()
	t.Cleanup(func() {
		b.devices.Close()
		b.admin.Close()
		end()
		<-b.ended
		st.Close()
	})
	return b
}

func (b *bed) write(name, text string) {
	b.t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// post sends what a device would and returns status and body of the answer.
func (b *bed) post(path, contentType, body string) (int, string) {
	b.t.Helper()
	resp, err := http.Post(b.devices.URL+path, contentType, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// dead lists the dead letters.
func (b *bed) dead() []DeadLetter {
	b.t.Helper()
	list, err := b.ListDead(context.Background(), store.Filter{})
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	eventuallyIn(t, 20*time.Second, what, ok)
}

func eventuallyIn(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		tick := time.NewTimer(5 * time.Millisecond)
		<-tick.C
	}
}

// delivered waits until the platform has n records and the store is empty.
func (b *bed) delivered(n int) []platformtest.Record {
	b.t.Helper()
	eventually(b.t, "the records are delivered", func() bool {
		st, err := b.store.Stats(context.Background(), time.Now())
		return err == nil && st.Ready == 0 && int(b.platform.Counts().Accepted) >= n
	})
	list := b.platform.Records()
	if len(list) != n {
		b.t.Fatalf("want %d records, the platform has %d", n, len(list))
	}
	return list
}

// flaky is a store whose admissions a test may make fail, wait or panic.
type flaky struct {
	store.Store
	mu   sync.Mutex
	hook func() error // before each admission; nil: none
	idle bool         // nothing is given out
	away bool         // replicas cannot meet
}

// leave makes the store one in which replicas cannot meet, or can again.
func (f *flaky) leave(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func (f *flaky) Meet(ctx context.Context, now time.Time, m store.Meeting) (store.Attendance, error) {
	f.mu.Lock()
	away := f.away
	f.mu.Unlock()
	if away {
		return store.Attendance{}, errors.New("away")
	}
	return f.Store.Meet(ctx, now, m)
}

// pause makes the store give out nothing, or everything again.
func (f *flaky) pause(idle bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = idle
}

func (f *flaky) Claim(ctx context.Context, now time.Time, w store.Want) ([]store.Claim, error) {
	f.mu.Lock()
	idle := f.idle
	f.mu.Unlock()
	if idle {
		return nil, nil
	}
	return f.Store.Claim(ctx, now, w)
}

func (f *flaky) before(hook func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

func (f *flaky) Admit(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	f.mu.Lock()
	hook := f.hook
	f.mu.Unlock()
	if hook != nil {
		if err := hook(); err != nil {
			return nil, err
		}
	}
	return f.Store.Admit(ctx, now, entries)
}

// logBuffer is a log that a test reads while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
