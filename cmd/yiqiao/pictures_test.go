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
	config := filepath.Join(p.dir, "yiqiao.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"yiqiao.yaml":               strings.Replace(string(text), "sources: [iflytek]", "sources: [acme]\npictures: {from: [127.0.0.1]}", 1),
		"mappings/acme/source.yaml": "title: 只给地址的平台\nlisten: [POST /acme]\n",
		"mappings/acme/face.yaml": "title: 人脸\nto: stk/zpjl\nrecord:\n  snapNo: event.camera\n  areaNo: '\"340102001001001\"'\n  snapTime: '\"2026-01-02 03:04:05\"'\n" +
			"  snapSmallImage: fetch(event.url)\n  snapBigImage: fetch(event.url)\n",
	} {
		name = filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
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
