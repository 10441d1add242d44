package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"yiqiao/transform/spec"
)

const communityCode = "340102001001001"

// kindOfThing is how a 小区 has so many records of one interface: the example
// of the standard with other codes.
type kindOfThing struct {
	iface string
	n     int
	// code is the field with the record's own code, for those that others name.
	code string
	set  func(i int) map[string]string
	// earlier are the fields that name earlier records, by their interfaces.
	earlier map[string]string
}

func (k kindOfThing) codeOf(i int) string { return k.set(i)[k.code] }

// community is a whole 小区 with what happens there.
func community() []kindOfThing {
	const xq = communityCode
	camera := func(i int) string { return fmt.Sprintf("340102000113%08d", i%5) }
	second := func(i int) string { return fmt.Sprintf("2026-01-02 12:%02d:%02d", i/60, i%60) }
	return []kindOfThing{
		{"xq", 1, "xqbm", func(int) map[string]string { return map[string]string{"xqbm": xq} }, nil},
		{"zpj", 5, "zpjbm", func(i int) map[string]string { return map[string]string{"xqbm": xq, "zpjbm": camera(i)} },
			map[string]string{"xqbm": "xq"}},
		{"stk/zpjl", 60, "", func(i int) map[string]string {
			return map[string]string{"areaNo": xq, "snapNo": camera(i), "snapTime": second(i)}
		}, map[string]string{"areaNo": "xq", "snapNo": "zpj"}},
		{"stk/sbzt", 40, "", func(i int) map[string]string {
			return map[string]string{"areaNo": xq, "deviceID": camera(i), "isOnLine": fmt.Sprint(1 + i/5%2)}
		}, map[string]string{"areaNo": "xq", "deviceID": "zpj"}},
	}
}

// exampleOf is a request of the standard, its placeholders filled in.
func exampleOf(t *testing.T, i *spec.Interface) map[string]any {
	t.Helper()
	record := map[string]any{}
	if err := json.Unmarshal([]byte(i.Examples[0].JSON), &record); err != nil {
		t.Fatal(err)
	}
	for name, v := range record {
		if s, ok := v.(string); ok && strings.HasPrefix(s, "<") {
			record[name] = jpeg(2000)
		}
	}
	return record
}

// asIs is a source whose events are records already: one mapping an interface,
// made of the catalogue.
func asIs(t *testing.T, dir string, c *spec.Catalogue) {
	t.Helper()
	write := func(name, text string) {
		file := filepath.Join(dir, "mappings", "asis", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("source.yaml", "title: as it is\nlisten:\n  - POST /asis/{kind}\n  - POST /asis/{up}/{kind}\n")
	for _, k := range community() {
		i := c.Interface(k.iface)
		var b strings.Builder
		fmt.Fprintf(&b, "title: as it is\nwhen: request.url endsWith \"/asis/%s\"\nto: %s\nrecord:\n", i.Name, i.Name)
		for _, name := range slices.Sorted(maps.Keys(exampleOf(t, i))) {
			value := "event." + name
			if f := &i.Fields[i.FieldIndex(name)]; f.Format == spec.GF005 {
				value = "picture(" + value + ")"
			}
			fmt.Fprintf(&b, "  %s: %s\n", name, value)
		}
		if i.Time < 0 {
			b.WriteString("distinct: event.distinct\n")
		}
		write(strings.ReplaceAll(i.Name, "/", "-")+".yaml", b.String())
	}
	config, err := os.ReadFile(filepath.Join(dir, "yiqiao.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(config), "iflytek]", "iflytek, asis]", 1)
	if err := os.WriteFile(filepath.Join(dir, "yiqiao.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// prerequisites sets platform.prerequisites of a site.
func prerequisites(t *testing.T, dir, mode string) {
	t.Helper()
	name := filepath.Join(dir, "yiqiao.yaml")
	config, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(config), "timeout: 2s", "timeout: 2s, prerequisites: "+mode, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lossy answers 500 to every fifth request: by turns before the platform has
// seen it, and after the platform has taken it.
func lossy(next http.Handler) http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 10 {
		case 3:
			http.Error(w, "away", http.StatusInternalServerError)
		case 8:
			next.ServeHTTP(nowhere{http.Header{}}, r)
			http.Error(w, "lost", http.StatusInternalServerError)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// A whole 小区 is registered in shuffled order, and things happen there
// meanwhile; the platform fails every fifth time. Nothing arrives before what
// it refers to, and everything arrives.
//
// "order" knows what is in the store, so there everything is in the store
// before the first delivery; "strict" needs no such thing.
func TestWholeCommunity(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{inOrder, strict} {
		t.Run(mode, func(t *testing.T) {
			b := newBedWith(t, func(dir string) { asIs(t, dir, catalogue); prerequisites(t, dir, mode) }, bedOptions{prerequisites: true, before: lossy})
			b.store.pause(mode == inOrder)
			n := b.postCommunity(t, catalogue)
			b.store.pause(false)
			eventually(t, "everything arrives", func() bool {
				c := b.platform.Counts()
				st, err := b.store.Stats(t.Context(), time.Now())
				return err == nil && st.Ready == 0 && c.Accepted-c.Repeated == int64(n)
			})
			if c := b.platform.Counts(); c.Refused != 0 {
				t.Errorf("the platform refused %d records", c.Refused)
			}
			b.wantInOrder(t)
			if list := b.dead(); len(list) != 0 {
				t.Errorf("dead letters: %+v", list)
			}
		})
	}
}

// postCommunity posts all records of the 小区 in shuffled order, and says how
// many different ones they are: a camera is online again and again.
func (b *bed) postCommunity(t *testing.T, c *spec.Catalogue) (n int) {
	type event struct{ iface, body string }
	var events []event
	contents := map[string]bool{}
	for _, k := range community() {
		for i := range k.n {
			record := exampleOf(t, c.Interface(k.iface))
			for name, value := range k.set(i) {
				record[name] = value
			}
			same, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			contents[k.iface+string(same)] = true
			record["distinct"] = fmt.Sprint(i)
			body, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, event{k.iface, string(body)})
		}
	}
	seed := rand.Uint64()
	t.Logf("order of seed %d", seed)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for _, e := range events {
		if status, answer := b.post("/asis/"+e.iface, "application/json", e.body); status != http.StatusOK {
			t.Fatalf("%s: %d %s", e.iface, status, answer)
		}
	}
	return len(contents)
}

// wantInOrder proves of what has arrived, with the table of this file and not
// with the catalogue, that nothing came before what it refers to.
func (b *bed) wantInOrder(t *testing.T) {
	t.Helper()
	kinds := map[string]kindOfThing{}
	for _, k := range community() {
		kinds[k.iface] = k
	}
	there := map[string]bool{}
	for at, rec := range b.platform.Records() {
		k := kinds[rec.Interface]
		for field, of := range k.earlier {
			code := gjson.GetBytes(rec.Record, field).String()
			if code == "" || !there[of+" "+code] {
				t.Errorf("record %d, %s, came before its %s %q", at, rec.Interface, of, code)
			}
		}
		if k.code != "" {
			there[rec.Interface+" "+gjson.GetBytes(rec.Record, k.code).String()] = true
		}
	}
	for iface, k := range kinds {
		for i := range k.n {
			if k.code != "" && !there[iface+" "+k.codeOf(i)] {
				t.Errorf("%s %s has not arrived", iface, k.codeOf(i))
			}
		}
	}
}
