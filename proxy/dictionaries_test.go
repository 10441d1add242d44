package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/transform/spec"
)

// wd is a platform that has dictionaries, and nothing else.
type wd struct {
	*httptest.Server
	mu    sync.Mutex
	lists map[string]string // by path
	asked map[string]int
	held  int // answers 304
	away  bool
}

func newWD(t *testing.T, lists map[string]string) *wd {
	w := &wd{lists: lists, asked: map[string]int{}}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

func (w *wd) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[r.URL.Path]++
	list, ok := w.lists[strings.TrimPrefix(r.URL.Path, "/api/v1/")]
	tag := fmt.Sprintf("%q", fmt.Sprint(len(list)))
	switch {
	case w.away:
		rw.WriteHeader(http.StatusBadGateway)
	case !ok:
		rw.WriteHeader(http.StatusNotFound)
	case r.Header.Get("If-None-Match") == tag:
		w.held++
		rw.WriteHeader(http.StatusNotModified)
	default:
		rw.Header().Set("ETag", tag)
		_, _ = io.WriteString(rw, list)
	}
}

func (w *wd) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// everyDictionary is a list for each path of the catalogue: its own entries.
func everyDictionary(t *testing.T) map[string]string {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string]string{}
	for _, d := range catalogue.Dicts {
		rows := []map[string]string{}
		for _, e := range d.Entries {
			rows = append(rows, map[string]string{"zdx": e.Code, "zdz": e.Label})
		}
		if len(rows) == 0 {
			rows = append(rows, map[string]string{"zdx": "1", "zdz": "某"})
		}
		data, err := json.Marshal(map[string]any{"code": "0", "errMsg": "", "data": rows})
		if err != nil {
			t.Fatal(err)
		}
		lists[strings.TrimPrefix(d.Path, "/api/v1/")] = string(data)
	}
	return lists
}

func newDictionaryBed(t *testing.T, w *wd) *bed {
	return newBed(t, func(dir string) {
		name := filepath.Join(dir, "yiqiao.yaml")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), `/api/v1"`)
		if err := os.WriteFile(name, []byte(`platform: {url: "`+w.URL+`/api/v1"`+rest), 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

const passages = "wd/txfsdm" // ZD018, 通行方式

// What the platform has takes effect as a new generation, is kept for the next
// start, and is asked for again only if it has changed.
func TestDictionariesOfThePlatform(t *testing.T) {
	w := newWD(t, everyDictionary(t))
	b := newDictionaryBed(t, w)
	now := time.Now()
	if b.Health(t.Context()).Dictionaries != "0 of 35 from the platform" {
		t.Errorf("health before: %s", b.Health(t.Context()).Dictionaries)
	}
	if err := b.refreshDictionaries(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if got := b.Generation().Number; got != 2 {
		t.Errorf("generation %d, want 2", got)
	}
	if got := b.Health(t.Context()).Dictionaries; !strings.HasPrefix(got, "35 of 35 from the platform, the oldest checked ") {
		t.Errorf("health: %s", got)
	}
	// Its own list is whole: what it lacks is an error now.
	w.set(func() {
		w.lists[passages] = `[{"zdid":"1","zdz":"刷卡"},{"zdid":"2","zdz":"刷脸"},{"zdid":"3","zdz":"x"},{"zdid":"4","zdz":"y"},{"zdid":"5","zdz":"z"},{"zdid":"99","zdz":"新的方式"}]`
	})
	if err := b.refreshDictionaries(t.Context(), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if w.held != 34 {
		t.Errorf("304 was answered %d times, want 34: one of 35 has changed", w.held)
	}
	d := b.Generation().Rules.Catalogue.Dict("ZD018")
	if label, ok := d.Label("99"); !ok || label != "新的方式" || !d.Complete {
		t.Errorf("99 is %q, complete %t", label, d.Complete)
	}
	// The next start has them without a platform.
	w.set(func() { w.away = true })
	g, problems := b.site.Load()
	if g == nil {
		t.Fatal(problems)
	}
	if label, _ := g.Rules.Catalogue.Dict("ZD018").Label("99"); label != "新的方式" {
		t.Errorf("after a restart 99 is %q", label)
	}
	if err := b.refreshDictionaries(t.Context(), now.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "HTTP 502") || !strings.Contains(err.Error(), "the rest was not asked for") {
		t.Errorf("away: %v", err)
	}
	if got := b.Health(t.Context()).Dictionaries; !strings.HasPrefix(got, "35 of 35 from the platform, ") || !strings.Contains(got, "; the last try: dictionary") {
		t.Errorf("health: %s", got)
	}
	if b.Generation().Number != 3 {
		t.Errorf("generation %d after a failure, want 3", b.Generation().Number)
	}
}

// A list that the rules do not fit to changes nothing, neither now nor at the
// next start, and it is said why.
func TestDictionariesThatDoNotFit(t *testing.T) {
	lists := everyDictionary(t)
	w := newWD(t, lists)
	b := newDictionaryBed(t, w)
	b.write("mappings/kaide/source.yaml", "title: 凯德门禁\nlisten: [POST /kaide]\ndevice: {from: [event.dev]}\nanswers: [{body: ok}]\n")
	b.write("mappings/kaide/open.yaml", `title: 开门
to: stk/rytxjl
record:
  accessControlNo: device.mjxtbm
  areaNo: device.xqbm
  accessType: '"1"'
  accessTime: time(event.at)
`)
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "iflytek]", "iflytek, kaide]", 1))
	if g, problems := b.Reload(t.Context(), "test"); g == nil {
		t.Fatal(problems)
	}
	w.set(func() { lists[passages] = `[{"zdx":"7","zdz":"飞"}]` })
	err := b.refreshDictionaries(t.Context(), time.Now())
	if err == nil || !strings.Contains(err.Error(), "the rules do not fit to the platform's dictionaries: ") || !strings.Contains(err.Error(), ".yaml:") {
		t.Fatalf("got %v", err)
	}
	if b.Generation().Number != 2 {
		t.Errorf("generation %d, want 2", b.Generation().Number)
	}
	if g, problems := b.site.Load(); g == nil {
		t.Errorf("the next start: %v", problems)
	}
}

// A site that has another path for a dictionary asks there; one that the
// platform lacks stays as it is built in; a broken copy is told and replaced.
func TestDictionariesOfASite(t *testing.T) {
	lists := everyDictionary(t)
	lists["wd/wyrygwdm"] = `[{"zdx":"A","zdz":"甲岗"}]`
	delete(lists, "wd/csysdm")
	w := newWD(t, lists)
	b := newDictionaryBed(t, w)
	b.write("dictionaries/ZD004.json", "{")
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "timeout: 2s", "timeout: 2s, dictionaries: {paths: {ZD035: wd/wyrygwdm}}", 1)+"pictures: {from: [192.0.2.0/24]}\n")
	g, problems := b.Reload(t.Context(), "test")
	if g == nil || !strings.Contains(problems.Error(), filepath.Join("dictionaries", "ZD004.json")) || !strings.Contains(problems.Error(), "no dictionary: unexpected end of JSON input; take the file away") {
		t.Fatalf("problems: %v", problems)
	}
	if err := b.refreshDictionaries(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), `dictionary "wd/csysdm": HTTP 404`) {
		t.Errorf("got %v", err)
	}
	rules := b.Generation().Rules
	if label, _ := rules.Catalogue.Dict("ZD035").Label("A"); label != "甲岗" {
		t.Errorf("A of ZD035 is %q", label)
	}
	if label, ok := rules.Catalogue.Dict("ZD034").Label("A"); ok {
		t.Errorf("A of ZD034 is %q", label)
	}
	if _, problems := b.site.Load(); len(problems) > 0 {
		t.Errorf("after it was asked for: %v", problems)
	}
	if got := b.Health(t.Context()).Dictionaries; !strings.HasPrefix(got, "34 of 35 from the platform") {
		t.Errorf("health: %s", got)
	}
}

// The daemon asks at its start, if what is kept is older than the site allows.
func TestDictionariesAreAskedFor(t *testing.T) {
	w := newWD(t, everyDictionary(t))
	b := newDictionaryBed(t, w)
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.RefreshDictionaries(ctx) }()
	eventually(t, "the dictionaries are asked for", func() bool { return len(b.dictionaries.Load().Checked) == 35 })
	end()
	<-done
	// A second start finds them fresh enough.
	before := 0
	w.set(func() { before = w.asked["/api/v1/"+passages] })
	g, _ := b.site.Load()
	b.dictionaries.Store(g.checked)
	ended, end := context.WithCancel(t.Context())
	end()
	b.RefreshDictionaries(ended)
	w.set(func() {
		if got := w.asked["/api/v1/"+passages]; got != before || before != 1 {
			t.Errorf("asked %d times, then %d", before, got)
		}
	})
}
