package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/transform/message"
)

const acmeSource = "title: 新厂商\nlisten: POST /acme/{device}\ndevice: {from: [request.path.device]}\nanswers: [{type: application/json, body: '{\"ok\":true}'}]\n"

const acmeMapping = `title: 新厂商 通行
to: stk/rytxjl
record:
  accessControlNo: device.mjxtbm
  areaNo: device.xqbm
  accessType: '"%s"'
  accessTime: time(event.at)
  cardNo: people[event.who].zjhm
distinct: event.n
`

// A new vendor is a folder; its files are picked up while events come.
func TestWatch(t *testing.T) {
	b := newBed(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Watch(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	// The watcher is at work when it sees a change.
	eventually(t, "a change is seen", func() bool {
		b.write("people.csv", bedPeople+fmt.Sprintf("%d,x,\n", time.Now().UnixNano()))
		return b.Generation().Number > 1
	})
	b.write("mappings/acme/source.yaml", acmeSource)
	b.write("mappings/acme/pass.yaml", fmt.Sprintf(acmeMapping, "1"))
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "iflytek]", "iflytek, acme]", 1))
	eventually(t, "the new source", func() bool { return b.Generation().Rules.Source("acme") != nil })
	if status, answer := b.post("/acme/door-1", "application/json", `{"at":"2026-01-02 03:04:05","who":"1001","n":1}`); status != 200 || answer != `{"ok":true}` {
		t.Errorf("got %d %s", status, answer)
	}
	b.delivered(1)
}

// While events come, a mapping is changed 20 times, 5 of them broken: no
// request fails, each record is of the generation that made it, and a broken
// file is told and changes nothing.
func TestReloadUnderLoad(t *testing.T) {
	b := newBed(t, func(dir string) {
		if err := os.MkdirAll(filepath.Join(dir, "mappings", "acme"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"source.yaml": acmeSource, "pass.yaml": fmt.Sprintf(acmeMapping, "1")} {
			if err := os.WriteFile(filepath.Join(dir, "mappings", "acme", name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		config, err := os.ReadFile(filepath.Join(dir, "yiqiao.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "yiqiao.yaml"), []byte(strings.Replace(string(config), "iflytek]", "iflytek, acme]", 1)+"reload: {events: 20}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	// Each generation writes its own accessType, so that a record tells it.
	types := []string{"1", "2", "4", "5"}
	var typeOf sync.Map // generation → accessType
	typeOf.Store(b.Generation().Name(), "1")
	var mu sync.Mutex
	made := map[string]string{} // entry → generation, as the store has it
	b.observe = func(d Delivery) {
		mu.Lock()
		defer mu.Unlock()
		made[d.Claim.ID] = d.Claim.Labels.Generation
		want, _ := typeOf.Load(d.Claim.Labels.Generation)
		if !strings.Contains(string(d.Doc), fmt.Sprintf(`"accessType":"%s"`, want)) {
			t.Errorf("generation %s made %s", d.Claim.Labels.Generation, d.Doc)
		}
	}
	stop := make(chan struct{})
	var posting sync.WaitGroup
	var sent atomic.Int64
	for p := range 4 {
		posting.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				// Admission is faster than delivery: no more than a little backlog.
				if sent.Load() > b.platform.Counts().Accepted+200 {
					pause := time.NewTimer(time.Millisecond)
					<-pause.C
					continue
				}
				body := fmt.Sprintf(`{"at":"2026-01-02 03:04:05","who":"1001","n":"%d-%d"}`, p, n)
				if status, answer := b.post("/acme/door-1", "application/json", body); status != 200 || answer != `{"ok":true}` {
					t.Errorf("got %d %s", status, answer)
				}
				sent.Add(1)
			}
		})
	}
	broken := 0
	for i := range 20 {
		before, goal := b.Generation(), sent.Load()+20
		accessType := types[(i+1)%len(types)]
		text := fmt.Sprintf(acmeMapping, accessType)
		if i%4 == 3 {
			text = strings.Replace(text, "time(", "tiem(", 1)
			broken++
		} else {
			// The generation is known before its first record is made.
			typeOf.Store(fmt.Sprintf("%d-%s", before.Number+1, digestWith(t, b, text)), accessType)
		}
		b.write("mappings/acme/pass.yaml", text)
		resp, err := http.Post(b.admin.URL+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		var reply ReloadReply
		err = json.NewDecoder(resp.Body).Decode(&reply)
		resp.Body.Close()
		switch {
		case err != nil:
			t.Error(err)
		case i%4 == 3:
			if resp.StatusCode != http.StatusUnprocessableEntity || reply.OK || b.Generation() != before || len(reply.Problems) == 0 || !strings.Contains(reply.Problems[0], "pass.yaml:7:15") || !strings.Contains(reply.Problems[0], `did you mean "time"`) {
				t.Errorf("a broken file: got %s %+v", resp.Status, reply)
			}
			if h := b.Health(t.Context()); !h.OK || !strings.Contains(h.Reload, "refused") {
				t.Errorf("health does not tell it: %+v", h)
			}
		case resp.StatusCode != http.StatusOK || !reply.OK || b.Generation().Number != before.Number+1:
			t.Errorf("a good file: got %s %+v", resp.Status, reply)
		}
		eventually(t, "events go on", func() bool { return sent.Load() >= goal })
	}
	close(stop)
	posting.Wait()
	b.delivered(int(sent.Load()))
	generations := map[string]bool{}
	mu.Lock()
	defer mu.Unlock()
	for _, g := range made {
		generations[g] = true
	}
	if broken != 5 || len(generations) < 10 {
		t.Errorf("%d broken files, records of %d generations", broken, len(generations))
	}
}

// digestWith is the digest that the rules will have with this mapping.
func digestWith(t *testing.T, b *bed, mapping string) string {
	t.Helper()
	old := b.read("mappings/acme/pass.yaml")
	b.write("mappings/acme/pass.yaml", mapping)
	g, problems := b.site.Load()
	b.write("mappings/acme/pass.yaml", old)
	if g == nil {
		t.Fatal(problems)
	}
	return g.Rules.Digest
}

// A wrong configuration changes nothing, whatever is wrong with it.
func TestReloadRefused(t *testing.T) {
	for name, tt := range map[string]struct{ file, old, new, want string }{
		"public key":     {"platform.key.pub", "", "bm8ga2V5", "platform.publicKey:"},
		"no key file":    {"yiqiao.yaml", "platform.key.pub", "nowhere.pub", "there is no file"},
		"unknown key":    {"yiqiao.yaml", "limits:", "limit:", `did you mean "limits"`},
		"environment":    {"yiqiao.yaml", "secret-app-key", `"${YIQIAO_TEST_NOT_SET}"`, `the environment variable "YIQIAO_TEST_NOT_SET" is not set`},
		"url":            {"yiqiao.yaml", "http://", "ftp://", "platform.url"},
		"both stores":    {"yiqiao.yaml", "{disk: data}", "{disk: data, redis: 'redis://127.0.0.1'}", "want one"},
		"redis, no key":  {"yiqiao.yaml", "{disk: data}", "{redis: 'redis://127.0.0.1'}", "store.key"},
		"size":           {"yiqiao.yaml", "1MB", "much", `want a size like 16MB, got "much"`},
		"window":         {"yiqiao.yaml", "limits:", "dedup: {window: -1h}\nlimits:", "dedup.window"},
		"unknown source": {"yiqiao.yaml", "dahua", "dahau", `yiqiao.yaml:3:22: there is no source "dahau"`},
		"missing table":  {"yiqiao.yaml", "people.csv", "persons.csv", "persons.csv"},
		"column gone":    {"devices.csv", "zpjbm", "zpjbn", `has no column "zpjbm"`},
		"binary table":   {"devices.csv", "id,name", "PK\x03\x04\x00\x00,name", "neither UTF-8 nor GBK"},
		"plain suite":    {"yiqiao.yaml", `url: "http://127.0.0.1`, `cipher: {suite: plain}, url: "http://192.0.2.1`, "plain"},
		"log level":      {"yiqiao.yaml", "limits:", "log: {level: loud}\nlimits:", "log.level"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			text := b.read(tt.file)
			changed := strings.Replace(text, tt.old, tt.new, 1)
			if tt.old == "" {
				changed = tt.new
			}
			if changed == text {
				t.Fatalf("%q is not in %s", tt.old, tt.file)
			}
			b.write(tt.file, changed)
			before := b.Generation()
			g, problems := b.Reload(t.Context(), "test")
			var told strings.Builder
			for _, p := range problems {
				told.WriteString(p.Excerpt(message.English))
			}
			if g != nil || b.Generation() != before || !strings.Contains(told.String(), tt.want) {
				t.Errorf("want %q, got %s", tt.want, told.String())
			}
			if strings.Contains(told.String(), "secret-app-key") || strings.Contains(b.log.String(), "secret-app-key") {
				t.Error("the appKey is told")
			}
			b.post("/hikvision/door-1", "application/json", passage("1001", 1))
			b.delivered(1)
		})
	}
}

func TestAdmin(t *testing.T) {
	b := newBed(t, nil)
	b.post("/hikvision/door-1", "application/json", passage("1001", 1))
	b.post("/hikvision/door-1", "application/json", `{"eventType":"VMD"}`)
	b.post("/hikvision/nobody", "application/json", passage("1001", 1))
	b.delivered(1)
	get := func(path string) (int, string) {
		resp, err := http.Get(b.admin.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for path, pieces := range map[string][]string{
		"/-/healthy":                       {"ok"},
		"/-/ready":                         {`"ok":true`, `"dead":1`, `"promise":"disk: what was acknowledged`, `"generation":"1-`},
		"/-/store":                         {`"dead":1`, `"keys":2`, `"promise":"disk`},
		"/-/dead":                          {"unknown-device", "nobody"},
		"/-/dead?class=unknown-device":     {"nobody"},
		"/-/dead?source=dahua":             {"[]"},
		"/metrics":                         {"yiqiao_", `outcome="accepted"`, `outcome="ignored"`, `outcome="kept"`},
		"/-/dead/" + b.dead()[0].ID + "":   {`"body":`, "/hikvision/nobody"},
		"/-/dead?device=nobody&limit=1000": {"nobody"},
	} {
		status, body := get(path)
		for _, piece := range pieces {
			if status != 200 || !strings.Contains(body, piece) {
				t.Errorf("%s: want %q, got %d %.500s", path, piece, status, body)
			}
		}
	}
	if status, _ := get("/-/dead/none"); status != http.StatusNotFound {
		t.Errorf("a dead letter that is not there: got %d", status)
	}
	// Nothing of this answers devices.
	if status, _ := b.post("/-/reload", "", ""); status != http.StatusNotFound {
		t.Errorf("devices may reload: got %d", status)
	}
	// A page of another site cannot make a browser do it.
	req, _ := http.NewRequest("POST", b.admin.URL+"/-/reload", nil)
	req.Header.Set("Origin", "http://elsewhere.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site: got %s", resp.Status)
	}
	b.Ending()
	if status, _ := get("/-/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("an ending process is ready: %d", status)
	}
}

// What was accepted is delivered before the process ends.
func TestEndDelivers(t *testing.T) {
	b := newBed(t, nil)
	for i := range 40 {
		b.post("/hikvision/door-1", "application/json", passage("1001", i))
	}
	b.Ending()
	b.end()
	<-b.ended
	if st, err := b.store.Stats(t.Context(), time.Now()); err != nil || st.Ready != 0 {
		t.Errorf("%d entries were left, %v", st.Ready, err)
	}
	if n := b.platform.Counts().Accepted; n != 40 {
		t.Errorf("want 40 records, got %d", n)
	}
}

// Too many requests at once are told to come again; none is half taken.
func TestMemoryIsBounded(t *testing.T) {
	b := newBed(t, nil)
	if !b.memory.TryAcquire(16 << 20) {
		t.Fatal("the memory is in use")
	}
	status, _ := b.post("/hikvision/door-1", "application/json", passage("1001", 1))
	b.memory.Release(16 << 20)
	if status != http.StatusServiceUnavailable {
		t.Errorf("got %d", status)
	}
	b.post("/hikvision/door-1", "application/json", passage("1001", 1))
	b.delivered(1)
}

// A mistake of ours is a 503 for the one device, not the end of the process.
func TestPanic(t *testing.T) {
	b := newBed(t, nil)
	b.store.before(func() error { panic("planted") })
	status, _ := b.post("/hikvision/door-1", "application/json", passage("1001", 1))
	if status != http.StatusServiceUnavailable || !strings.Contains(b.log.String(), "panic") {
		t.Errorf("got %d", status)
	}
}
