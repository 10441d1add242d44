package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
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
	code  string // the field with the record's own code, for those that others name
	set   func(i int) map[string]any
	// earlier are paths to codes of earlier records, by their interfaces.
	earlier map[string]string
}

type fields = map[string]any

// community is a whole 小区 with a hundred records of what happens there.
func community() []kindOfThing {
	const xq = communityCode
	code := func(layout string, n int) func(i int) string {
		return func(i int) string { return fmt.Sprintf(layout, i%n) }
	}
	crk, ld, zpj := code(xq+"%04d", 3), code(xq+"%03d", 2), code("340102000113%08d", 5)
	mjxt, cldz := code(xq+"115%04d", 3), code(xq+"141%04d", 2)
	fw := func(i int) string { return fmt.Sprintf("%s%06d", ld(i), i%40) }
	second := func(i int) string { return fmt.Sprintf("2026-01-02 12:%02d:%02d", i/60, i%60) }
	return []kindOfThing{
		{"xq", 1, "xqbm", func(int) fields { return fields{"xqbm": xq} }, nil},
		{"crk", 3, "crkbm", func(i int) fields { return fields{"xqbm": xq, "crkbm": crk(i)} }, map[string]string{"xqbm": "xq"}},
		{"ld", 2, "ldbm", func(i int) fields { return fields{"xqbm": xq, "ldbm": ld(i)} }, map[string]string{"xqbm": "xq"}},
		{"fw", 40, "fwbm", func(i int) fields { return fields{"xqbm": xq, "ldbm": ld(i), "fwbm": fw(i)} }, map[string]string{"xqbm": "xq", "ldbm": "ld"}},
		{"rk", 80, "zjhm", func(i int) fields {
			lives := []fields{{"fwbm": fw(i), "yhzgxdm": "0"}, {"fwbm": fw(i + 7), "yhzgxdm": "0"}}
			return fields{"xqbm": xq, "zjhm": fmt.Sprintf("T%07d", i), "jzxxList": lives}
		}, map[string]string{"xqbm": "xq", "jzxxList.0.fwbm": "fw", "jzxxList.1.fwbm": "fw"}},
		{"zpj", 5, "zpjbm", func(i int) fields { return fields{"xqbm": xq, "zpjbm": zpj(i)} }, map[string]string{"xqbm": "xq"}},
		{"mjxt", 3, "mjxtbm", func(i int) fields { return fields{"xqbm": xq, "mjxtbm": mjxt(i), "crkbm": crk(i), "ldbm": ld(i)} },
			map[string]string{"xqbm": "xq", "crkbm": "crk", "ldbm": "ld"}},
		{"cldz", 2, "dzbm", func(i int) fields { return fields{"xqbm": xq, "dzbm": cldz(i), "crkbm": crk(i), "zpjbms": zpj(i)} },
			map[string]string{"xqbm": "xq", "crkbm": "crk", "zpjbms": "zpj"}},
		{"stk/zpjl", 40, "", func(i int) fields { return fields{"areaNo": xq, "snapNo": zpj(i), "snapTime": second(i)} },
			map[string]string{"areaNo": "xq", "snapNo": "zpj"}},
		{"stk/rytxjl", 30, "", func(i int) fields { return fields{"areaNo": xq, "accessControlNo": mjxt(i), "accessTime": second(i)} },
			map[string]string{"areaNo": "xq", "accessControlNo": "mjxt"}},
		{"stk/cltxjl", 20, "", func(i int) fields {
			return fields{"areaNo": xq, "snapNo": zpj(i), "gateNo": cldz(i), "accessTime": second(i)}
		}, map[string]string{"areaNo": "xq", "snapNo": "zpj", "gateNo": "cldz"}},
		{"stk/sbzt", 10, "", func(i int) fields {
			return fields{"areaNo": xq, "deviceID": zpj(i), "isOnLine": fmt.Sprint(1 + i/5)}
		}, map[string]string{"areaNo": "xq", "deviceID": "zpj"}},
	}
}

// exampleOf is a request of the standard, its placeholders filled in.
func exampleOf(t *testing.T, i *spec.Interface) fields {
	t.Helper()
	record := fields{}
	if err := json.Unmarshal([]byte(i.Examples[0].JSON), &record); err != nil {
		t.Fatal(err)
	}
	for name, v := range record {
		switch v {
		case "<Base64 图片编码>":
			record[name] = jpeg(2000)
		case "<手机号码>":
			record[name] = "10000000000"
		case "<证件号码>":
			record[name] = "T0000000"
		}
	}
	return record
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
			b := newBedWith(t, func(dir string) { prerequisites(t, dir, mode) }, bedOptions{prerequisites: true, before: lossy})
			b.store.pause(mode == inOrder)
			n := b.postCommunity(t, catalogue)
			b.store.pause(false)
			eventuallyIn(t, time.Minute, "everything arrives", func() bool {
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

// postCommunity posts all records of the 小区 in shuffled order.
func (b *bed) postCommunity(t *testing.T, c *spec.Catalogue) int {
	type event struct{ iface, body string }
	var events []event
	for _, k := range community() {
		for i := range k.n {
			record := exampleOf(t, c.Interface(k.iface))
			maps.Copy(record, k.set(i))
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
		if status, answer := b.post("/iflytek/api/v1/"+e.iface, "application/json", e.body); status != http.StatusOK {
			t.Fatalf("%s: %d %s", e.iface, status, answer)
		}
	}
	if list := b.dead(); len(list) != 0 {
		t.Fatalf("%d of %d were not taken, the first: %+v", len(list), len(events), list[0])
	}
	return len(events)
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
			if k.code != "" && !there[iface+" "+k.set(i)[k.code].(string)] {
				t.Errorf("%s %s has not arrived", iface, k.set(i)[k.code])
			}
		}
	}
}
