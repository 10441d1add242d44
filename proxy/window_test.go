package proxy

import (
	"strings"
	"testing"
	"time"

	"yiqiao/transform/event"
)

// The key of a record lives as long as its mapping says, or else the site.
func TestMappingWindow(t *testing.T) {
	const mapping = "title: 状态\ndedup: {window: 10m}\nto: stk/sbzt\nrecord: {areaNo: device.xqbm, deviceID: device.zpjbm, isOnLine: '\"1\"', deviceType: '\"1\"'}\n"
	b := newBed(t, func(dir string) {
		write := func(name, text string) { (&bed{t: t, dir: dir}).write(name, text) }
		write("mappings/hikvision/short.yaml", mapping)
		write("mappings/hikvision/long.yaml", strings.Replace(mapping, "dedup: {window: 10m}\n", "", 1))
	})
	g := b.Generation()
	s, w := g.Rules.Source("hikvision"), new(work)
	w.event.Request = event.Request{Method: "POST", Params: map[string]string{"device": "gate-1"}, Remote: "192.0.2.1", Received: time.Unix(1_800_000_000, 0)}
	body := []byte(`{"eventType":"doorbell"}`)
	if err := g.Rules.Decode(s, &w.event, body); err != nil {
		t.Fatal(err)
	}
	g.Rules.Apply(s, &w.event, &w.result, nil)
	entries, err := b.entries(g, s, w, body)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]time.Duration{}
	for _, e := range entries {
		got[e.Labels.Mapping] = e.KeyTTL
	}
	if len(got) != 2 || got["hikvision/short.yaml"] != 10*time.Minute || got["hikvision/long.yaml"] != 72*time.Hour {
		t.Errorf("got %v", got)
	}
}
