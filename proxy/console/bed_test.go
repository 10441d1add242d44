package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yiqiao/mappings"
	"yiqiao/proxy"
	"yiqiao/proxy/console"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store/disk"
	"yiqiao/transform/spec"
)

// bed is a whole proxy with its console in the test's process: a site in a
// folder, a store on disk, real listeners, the simulated platform.
type bed struct {
	*proxy.Proxy
	t        *testing.T
	dir      string
	platform *platformtest.Platform
	devices  string
	url      string // of the console
}

const bedConfig = `platform: {url: "PLATFORM/api/v1", appKey: secret-app-key, publicKey: "file:platform.key.pub"}
store: {disk: data}
sources: [hikvision, acme]
tables: {devices: devices.csv, people: people.csv}
`

// acme's mapping knows one shape of its events; the test's dead letter has
// another.
var bedFiles = map[string]string{
	"devices.csv": "id,name,xqbm,zpjbm,mjxtbm,dzbm,ip,jd,wd,lx,fx\ndoor-1,门禁,340102001001001,,3401020010010011150001,,192.0.2.22,117.302270,31.895617,2,1\n",
	"people.csv":  "id,name,zjhm\n1001,住户甲,340102199001010015\n",
	"mappings/acme/source.yaml": `title: 甲厂 门禁
listen: POST /acme/{device}
device: {from: request.path.device}
`,
	"mappings/acme/door.yaml": `title: 甲厂 刷脸 → 人员通行记录
to: stk/rytxjl
record:
  accessControlNo: device.mjxtbm
  areaNo: device.xqbm
  accessType: '"2"'
  accessTime: time(event.when)
  cardNo: people[event.person]?.zjhm
`,
}

func newBed(t *testing.T, config string) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir()}
	catalogue, err := spec.Load()
	b.must(err)
	key, _, _, err := platformtest.LoadOrCreateKey(filepath.Join(b.dir, "platform.key"))
	b.must(err)
	b.platform, err = platformtest.New(platformtest.Options{PrivateKey: key, Keep: 100, Catalogue: catalogue})
	b.must(err)
	upstream := httptest.NewServer(b.platform)
	t.Cleanup(upstream.Close)
	b.write("yiqiao.yaml", strings.Replace(bedConfig, "PLATFORM", upstream.URL, 1)+config)
	for name, text := range bedFiles {
		b.write(name, text)
	}
	site := proxy.Site{Dir: b.dir, Bundled: mappings.FS, Catalogue: catalogue}
	g, problems := site.Load()
	if g == nil {
		t.Fatal(problems)
	}
	vault, err := proxy.LoadVault(b.dir, g.Config.Store)
	b.must(err)
	st, err := disk.Open(filepath.Join(b.dir, "data"), disk.Options{MaxBytes: int64(g.Config.Store.MaxBytes)})
	b.must(err)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	b.Proxy = proxy.New(proxy.Options{Site: site, Generation: g, Store: st, Vault: vault, Log: log})
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { b.Deliver(ctx, 5*time.Second); close(ended) }()
	t.Cleanup(func() { end(); <-ended; b.must(st.Close()) })
	devices := httptest.NewServer(b.Devices())
	t.Cleanup(devices.Close)
	page := httptest.NewServer(console.New(console.Options{Proxy: b.Proxy, Log: log}))
	t.Cleanup(page.Close)
	b.devices, b.url = devices.URL, page.URL
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) write(name, text string) {
	b.t.Helper()
	name = filepath.Join(b.dir, name)
	b.must(os.MkdirAll(filepath.Dir(name), 0o755))
	b.must(os.WriteFile(name, []byte(text), 0o600))
}

// post is an event of a device; it has to be answered with success.
func (b *bed) post(path, body string) {
	b.t.Helper()
	resp, err := http.Post(b.devices+path, "application/json", strings.NewReader(body))
	b.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("POST %s: %s", path, resp.Status)
	}
}

// ask asks the console's API and decodes its answer into v, if that is not nil.
func (b *bed) ask(method, path string, send, v any) (status int) {
	b.t.Helper()
	var body bytes.Buffer
	if send != nil {
		b.must(json.NewEncoder(&body).Encode(send))
	}
	req, err := http.NewRequest(method, b.url+path, &body)
	b.must(err)
	resp, err := http.DefaultClient.Do(req)
	b.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	b.must(err)
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			b.t.Fatalf("%s %s: %v in %.300s", method, path, err, text)
		}
	}
	return resp.StatusCode
}

// accepted waits until the platform has so many records.
func (b *bed) accepted(ctx context.Context, want int64) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if got := b.platform.Counts().Accepted; got >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the platform has %d records, want %d", b.platform.Counts().Accepted, want)
		case <-tick.C:
		}
	}
}
