package proxy

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"yiqiao/proxy/platform"
	"yiqiao/transform"
	"yiqiao/transform/event"
)

// newAcmeBed is a bed with the source acme and a setting of reload.
func newAcmeBed(t *testing.T, reload string) *bed {
	b := newBed(t, nil)
	b.write("mappings/acme/source.yaml", acmeSource)
	b.write("mappings/acme/pass.yaml", fmt.Sprintf(acmeMapping, "2"))
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "iflytek]", "iflytek, acme]", 1)+reload)
	if g, ps := b.Reload(t.Context(), "test"); g == nil {
		t.Fatal(ps)
	}
	return b
}

// ask asks the admin listener and returns status and answer.
func (b *bed) ask(method, path string) (int, ReloadReply) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.admin.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var r ReloadReply
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, r
}

func (b *bed) get(path string) string {
	b.t.Helper()
	resp, err := http.Get(b.admin.URL + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body)
}

func acmeEvent(n int) string {
	return fmt.Sprintf(`{"at":"2026-01-02 03:04:05","who":"1001","n":%d}`, n)
}

// A reload says what it changes, in its answer, the log and the metrics; values
// that are personal are told nowhere.
func TestReloadTells(t *testing.T) {
	b := newAcmeBed(t, "")
	for n := range 5 {
		b.post("/acme/door-1", "application/json", acmeEvent(n))
	}
	b.post("/acme/nobody", "application/json", acmeEvent(5)) // a dead letter is an event too
	b.write("mappings/acme/pass.yaml", strings.Replace(fmt.Sprintf(acmeMapping, "1"), "people[event.who].zjhm", `replace(people[event.who].zjhm, "0010", "0029")`, 1))
	status, r := b.ask("POST", "/-/reload")
	const line = `stk/rytxjl accessType (通行方式)  "2" → "1"  ×5`
	if status != 200 || !r.OK || !r.Changed || r.Difference == nil || r.Difference.Changed != 5 || len(r.Result) != 3 || r.Result[0] != "5 of 6 records change" || r.Result[1] != line {
		t.Fatalf("got %d %+v", status, r)
	}
	if !strings.HasPrefix(r.Result[2], "stk/rytxjl cardNo (证件号码)") || strings.Contains(strings.Join(r.Result, "")+b.log.String(), "340102") {
		t.Errorf("a personal value is told: %v\n%s", r.Result, b.log)
	}
	for where, text := range map[string]string{
		b.log.String():          `"stk/rytxjl accessType (通行方式)  \"2\" → \"1\"  ×5"`,
		b.get("/metrics"):       `yiqiao_reload_changed_records{field="accessType",interface="stk/rytxjl",what="field"} 5`,
		b.get("/-/reload"):      `"changed":5`,
		b.get("/metrics") + " ": "yiqiao_reload_rehearsed_events 6",
	} {
		if !strings.Contains(where, text) {
			t.Errorf("want %s in %.3000s", text, where)
		}
	}
	b.post("/acme/door-1", "application/json", acmeEvent(6))
	b.delivered(6)
	// The same files again: what the last change was is still told.
	if _, r := b.ask("POST", "/-/reload"); r.Changed || r.Of != r.Generation || len(r.Result) != 3 {
		t.Errorf("got %+v", r)
	}
	// What is refused then.
	b.write("mappings/acme/pass.yaml", strings.Replace(fmt.Sprintf(acmeMapping, "1"), "event.at", "event.time", 1))
	if _, r := b.ask("POST", "/-/reload"); len(r.Result) != 2 || !strings.Contains(r.Result[1], "a record → refused (refused): accessTime (开门时间)  ×6") {
		t.Errorf("got %v", r.Result)
	}
}

// With confirm, a new generation waits until a person accepts it.
func TestReloadConfirm(t *testing.T) {
	b := newAcmeBed(t, "reload: confirm\n")
	type step struct {
		name     string
		do       func() (int, ReloadReply)
		status   int
		accepted string // accessType of the rules in use
		waits    bool
		changed  int // records, as it is told of what waits
	}
	n := 0
	before := b.Generation()
	write := func(accessType string) func() (int, ReloadReply) {
		return func() (int, ReloadReply) {
			b.write("mappings/acme/pass.yaml", fmt.Sprintf(acmeMapping, accessType))
			return b.ask("POST", "/-/reload")
		}
	}
	var waiting string
	b.post("/acme/door-1", "application/json", acmeEvent(1000))
	for _, s := range []step{
		{"nothing new", func() (int, ReloadReply) { return b.ask("POST", "/-/reload") }, 200, "2", false, 0},
		{"nothing to accept", func() (int, ReloadReply) { return b.ask("POST", "/-/reload/accept") }, 409, "2", false, 0},
		{"a change waits", write("1"), 200, "2", true, 3},
		{"it is shown", func() (int, ReloadReply) { return b.ask("GET", "/-/reload") }, 200, "2", true, 3},
		{"a later one takes its place", write("4"), 200, "2", true, 5},
		{"the one before is gone", func() (int, ReloadReply) { return b.ask("POST", "/-/reload/accept?generation="+waiting) }, 409, "2", true, 5},
		{"it is accepted", func() (int, ReloadReply) { return b.ask("POST", "/-/reload/accept") }, 200, "4", false, 0},
		{"a change waits again", write("5"), 200, "4", true, 8},
		{"the files go back", write("4"), 200, "4", false, 0},
		{"another waits", write("1"), 200, "4", true, 10},
		{"a broken file", write(`1"' +`), 422, "4", false, 0},
		{"mended", write("1"), 200, "4", true, 12},
		{"it is rejected", func() (int, ReloadReply) { return b.ask("POST", "/-/reload/reject") }, 200, "4", false, 0},
	} {
		status, r := s.do()
		if status != s.status || status != 409 && (r.Waiting != "") != s.waits || s.waits && status == 200 && (r.Difference == nil || r.Difference.Changed != s.changed) {
			t.Fatalf("%s: got %d %+v", s.name, status, r)
		}
		if s.name == "a change waits" {
			waiting = r.Waiting
		}
		ready := b.get("/-/ready")
		if strings.Contains(ready, "waits since") != s.waits || !strings.Contains(ready, `"ok":true`) {
			t.Errorf("%s: ready says %s", s.name, ready)
		}
		if m := b.get("/metrics"); strings.Contains(m, "yiqiao_reload_pending 1") != s.waits {
			t.Errorf("%s: the metric is wrong", s.name)
		}
		n++
		b.post("/acme/door-1", "application/json", acmeEvent(n))
		for _, rec := range b.delivered(n + 1)[n:] {
			if !strings.Contains(string(rec.Record), `"accessType":"`+s.accepted+`"`) {
				t.Errorf("%s: got %s", s.name, rec.Record)
			}
		}
	}
	// What was rejected does not wait again because a file was touched, but it
	// does when a person reloads.
	b.reloadChanged(t.Context(), "a file changed", b.site.Load)
	if b.pending.waits.Load() != nil {
		t.Error("what was rejected waits again")
	}
	if _, r := b.ask("POST", "/-/reload"); r.Waiting == "" {
		t.Error("a person's reload does not bring it back")
	}
	if b.Generation().Number != before.Number+1 {
		t.Errorf("%d generations", b.Generation().Number)
	}
	if !strings.Contains(b.log.String(), "a generation waits for a person") {
		t.Error("the log does not tell it")
	}
}

// The generation in use decides: a file that turns confirmation off waits too.
func TestReloadConfirmOff(t *testing.T) {
	b := newAcmeBed(t, "reload: confirm\n")
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "reload: confirm", "reload: auto", 1))
	if _, r := b.ask("POST", "/-/reload"); r.Waiting == "" {
		t.Errorf("got %+v", r)
	}
	if _, r := b.ask("POST", "/-/reload/accept"); r.Waiting != "" || b.Generation().Config.Reload.Mode != reloadAuto {
		t.Errorf("got %+v", r)
	}
}

// Past events are bounded in number and bytes, and their pictures are not kept.
func TestPast(t *testing.T) {
	b := newAcmeBed(t, "reload: {events: 3, bytes: 80KB}\n")
	picture := base64.StdEncoding.EncodeToString(event.SyntheticJPEG(200_000, 1))
	count := func() (n, bytes int, names []string) {
		for e := range b.past.each {
			n, bytes, names = n+1, bytes+len(e.Body), append(names, string(e.Body))
		}
		return n, bytes, names
	}
	for n := range 7 {
		b.post("/acme/door-1", "application/json", fmt.Sprintf(`{"at":"2026-01-02 03:04:05","who":"1001","n":%d,"img":"%s"}`, n, picture))
	}
	n, bytes, bodies := count()
	if n != 3 || bytes > 4000 || !strings.Contains(bodies[0], `"n":4`) || !strings.Contains(bodies[2], `"n":6`) {
		t.Errorf("%d events, %d bytes", n, bytes)
	}
	// What is large for other reasons is left out: four sources share 80 KB.
	b.post("/acme/door-1", "application/json", `{"at":"2026-01-02 03:04:05","who":"1001","n":8,"x":"`+strings.Repeat("x", 30_000)+`"}`)
	if _, _, again := count(); again[2] != bodies[2] {
		t.Error("a large event is kept")
	}
	// Bytes bound them too.
	for n := range 9 {
		b.post("/acme/door-1", "application/json", fmt.Sprintf(`{"at":"2026-01-02 03:04:05","who":"1001","n":%d,"x":"%s"}`, 10+n, strings.Repeat("x", 900)+strings.Repeat(`,`, 100)))
	}
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "{events: 3, bytes: 80KB}", "{events: 100, bytes: 24KB}", 1))
	b.ask("POST", "/-/reload")
	if n, bytes, _ := count(); n != 2 || bytes > 6<<10 {
		t.Errorf("%d events, %d bytes", n, bytes)
	}
	// 0 turns it off.
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "{events: 100, bytes: 24KB}", "{events: 0}", 1))
	b.ask("POST", "/-/reload")
	b.post("/acme/door-1", "application/json", acmeEvent(50))
	if n, _, _ := count(); n != 0 {
		t.Errorf("%d events", n)
	}
	b.write("mappings/acme/pass.yaml", fmt.Sprintf(acmeMapping, "1"))
	if _, r := b.ask("POST", "/-/reload"); !r.OK || r.Difference.Events != 0 || r.Result[0] != "there is no event to try the rules on" {
		t.Errorf("got %+v", r)
	}
}

// New dictionaries of the platform are nobody's change of a file: they do not
// wait, but files that changed meanwhile do.
func TestReloadConfirmDictionaries(t *testing.T) {
	b := newAcmeBed(t, "reload: confirm\n")
	refresh := func(label string) *Generation {
		g, ps := b.reloadChanged(t.Context(), "the platform's dictionaries", func() (*Generation, transform.Problems) {
			kept := keptDictionary{Code: "ZD018", Name: "通行方式"}
			for _, code := range []string{"1", "2", "4", "5"} {
				kept.Entries = append(kept.Entries, platform.DictionaryEntry{Code: code, Label: label + code})
			}
			return b.site.load(map[string]keptDictionary{"ZD018": kept})
		})
		if g == nil {
			t.Fatal(ps)
		}
		return g
	}
	before := b.Generation()
	if g := refresh("甲"); g == before || b.Generation() != g || b.pending.waits.Load() != nil {
		t.Error("new dictionaries wait")
	}
	before = b.Generation()
	b.write("mappings/acme/pass.yaml", fmt.Sprintf(acmeMapping, "1"))
	if g := refresh("乙"); g != before || b.pending.waits.Load() == nil {
		t.Error("a changed file came in with new dictionaries")
	}
}
