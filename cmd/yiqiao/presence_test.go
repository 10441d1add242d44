package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yiqiao/mappings"
	"yiqiao/proxy/store/storetest"
)

// quickPresence is hikvision's pack with a silence of three seconds.
func quickPresence(t *testing.T, p *plant) {
	t.Helper()
	source, err := mappings.FS.ReadFile("hikvision/source.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(p.dir, "yiqiao.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	quick := strings.Replace(string(source), "silent: 90s", "silent: 3s", 1)
	if quick == string(source) {
		t.Fatal("the pack says something else than 90 s")
	}
	folder := filepath.Join(p.dir, "mappings", "hikvision")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(folder, "source.yaml"): quick,
		filepath.Join(p.dir, "yiqiao.yaml"):  strings.Replace(string(config), "[iflytek]", "[hikvision]", 1),
		filepath.Join(p.dir, "devices.csv"):  "id,name,xqbm,zpjbm,mjxtbm,dzbm\ncam-1,东门,340102001001001,34010200011321000001,,\n",
		filepath.Join(p.dir, "people.csv"):   "id,name,zjhm\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A camera's heartbeats go to three replicas in turn, and the one that decides
// is killed. The platform is told once that the camera came, once that it is
// silent, and once that it is back.
func TestPresenceOfReplicas(t *testing.T) {
	redis := storetest.StartRedis(t)
	for name, store := range map[string]string{
		"redis": "{redis: %q, key: \"file:store.key\"}", "shared": "{disk: data, dedup: %q, key: \"file:store.key\"}",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			var plants []*plant
			for range replicas {
				p := l.plant(strings.Replace(fmt.Sprintf(store, redis.URL()), "key:", "prefix: "+name+", key:", 1))
				quickPresence(t, p)
				p.start() // the first one leads
				plants = append(plants, p)
			}
			told := func() string {
				var b strings.Builder
				for _, r := range l.platform.Records() {
					b.WriteString(string(r.Record[strings.Index(string(r.Record), "isOnLine")+11]))
				}
				return b.String()
			}
			beat := func(long time.Duration) {
				for end, n := time.Now().Add(long), 0; time.Now().Before(end); n++ {
					resp, err := http.Post("http://"+plants[n%len(plants)].addr+"/hikvision/cam-1", "application/json", strings.NewReader(`{"eventType":"heartBeat"}`))
					if err == nil {
						resp.Body.Close()
					}
					after(100 * time.Millisecond)
				}
			}
			beat(5 * time.Second)
			if got := told(); got != "1" {
				t.Fatalf("told %q, want that it came", got)
			}
			plants[0].kill()
			plants = plants[1:]
			beat(3 * time.Second) // another takes the lead meanwhile
			if got := told(); got != "1" {
				t.Fatalf("told %q while it sent heartbeats to the others", got)
			}
			within(t, 20*time.Second, "silence is told", func() bool { return told() == "12" })
			after(4 * time.Second)
			beat(4 * time.Second)
			if got := told(); got != "121" {
				t.Errorf("told %q, want 121", got)
			}
		})
	}
}
