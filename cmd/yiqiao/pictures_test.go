package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/store/storetest"
)

// A process killed while it fetches pictures has lost none: every event that
// was acknowledged arrives with its picture after the next start, once.
func TestKilledWhileItFetches(t *testing.T) {
	const events = 20
	release := make(chan struct{})
	var asked atomic.Int32
	picture := append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte("p"), 5000)...)
	host := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = rw.Write(picture[:1000])
		_ = http.NewResponseController(rw).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
		_, _ = rw.Write(picture[1000:])
	}))
	defer host.Close()
	p := newPlant(t, "{disk: data}")
	p.rules("pictures: {from: [127.0.0.1]}", map[string]string{
		"source.yaml": "title: 只给地址的平台\nlisten: [POST /acme]\n",
		"face.yaml": "title: 人脸\nto: stk/zpjl\nrecord:\n  snapNo: event.camera\n  areaNo: '\"340102001001001\"'\n  snapTime: '\"2026-01-02 03:04:05\"'\n" +
			"  snapSmallImage: fetch(event.url)\n  snapBigImage: fetch(event.url)\n",
	})
	p.start()
	for n := range events {
		resp, err := http.Post(p.url+"/acme", "application/json", strings.NewReader(fmt.Sprintf(`{"camera":"3401020001132%07d","url":"%s/%d.jpg"}`, n, host.URL, n)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("event %d: %s", n, resp.Status)
		}
	}
	waitFor(t, "pictures are under way", func() bool { return asked.Load() > 0 })
	p.kill()
	close(release)
	p.start()
	waitFor(t, "all records arrive", func() bool { return p.platform.Counts().Accepted == events })
	cameras := map[string]bool{}
	for _, r := range p.platform.Records() {
		cameras[string(r.Record[:bytes.IndexByte(r.Record, ',')])] = true
	}
	if c := p.platform.Counts(); len(cameras) != events || c.Refused > 0 || c.Repeated > 0 {
		t.Errorf("%d cameras of %d: %+v", len(cameras), events, c)
	}
}

// rules gives a plant one source, acme, of these files, and a line of
// yiqiao.yaml.
func (p *plant) rules(line string, files map[string]string) {
	p.t.Helper()
	config := filepath.Join(p.dir, "yiqiao.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "mappings", "acme"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	all := map[string]string{config: strings.Replace(string(text), "sources: [iflytek]", "sources: [acme]\n"+line, 1)}
	for name, text := range files {
		all[filepath.Join(p.dir, "mappings", "acme", name)] = text
	}
	for name, text := range all {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// The halves of a join come to different processes, and the first of them is
// killed in between: on a disk to the next process of the same site, on a
// Redis to another replica.
func TestJoinAcrossProcesses(t *testing.T) {
	redis := storetest.StartRedis(t)
	for name, store := range map[string]string{"disk": "{disk: data}", "redis": fmt.Sprintf("{redis: %q, key: \"file:store.key\"}", redis.URL())} {
		t.Run(name, func(t *testing.T) {
			first := newPlant(t, store)
			files := map[string]string{
				"source.yaml": "title: 图片随后来的终端\nlisten: POST /acme/{what}\n",
				"event.yaml": "title: 人脸\nwhen: request.path.what == \"event\"\njoin: {key: event.camera, wait: 1m}\nto: stk/zpjl\nrecord:\n  snapNo: event.camera\n  areaNo: '\"340102001001001\"'\n" +
					"  snapTime: '\"2026-01-02 03:04:05\"'\n  snapSmallImage: later(\"photo\")\n  snapBigImage: later(\"photo\")\n",
				"photo.yaml": "title: 照片\nwhen: request.path.what == \"photo\"\njoin: {key: request.query.camera, wait: 1m, pictures: {photo: part(\"image/jpeg\")}}\n",
			}
			first.rules("", files)
			second := first
			if name == "redis" {
				second = first.plant(store)
				second.rules("", files)
				second.start()
			}
			first.start()
			post := func(to *plant, target, kind, body string) {
				resp, err := http.Post("http://"+to.addr+"/acme/"+target, kind, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("%s: %s", target, resp.Status)
				}
			}
			picture := "\xff\xd8\xff\xe0" + strings.Repeat("p", 5000)
			const early, late = "34010200011320000001", "34010200011320000002"
			post(first, "event", "application/json", `{"camera":"`+early+`"}`)
			post(first, "photo?camera="+late, "image/jpeg", picture)
			first.kill()
			if name == "disk" {
				first.start()
			}
			post(second, "photo?camera="+early, "image/jpeg", picture)
			post(second, "event", "application/json", `{"camera":"`+late+`"}`)
			waitFor(t, "both records arrive", func() bool { return first.platform.Counts().Accepted == 2 })
			post(second, "event", "application/json", `{"camera":"`+early+`"}`) // resends
			post(second, "photo?camera="+late, "image/jpeg", picture)
			after(2 * time.Second)
			if c := first.platform.Counts(); c.Accepted != 2 || c.Repeated+c.Refused > 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		tick := time.NewTimer(10 * time.Millisecond)
		<-tick.C
	}
}
