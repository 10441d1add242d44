package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store"
)

func pole(code, name string) string {
	return fmt.Sprintf(`{"gjbm":%q,"gjmc":%q,"xqbm":"340102001001001","jd":"117.200164","wd":"31.839976"}`, code, name)
}

func outcomes(taken []Taken) []string {
	var list []string
	for _, t := range taken {
		s := t.Outcome
		for _, b := range t.Breaches {
			s += " " + b.Text
		}
		list = append(list, s)
	}
	return list
}

func lines(docs ...string) [][]byte {
	var out [][]byte
	for _, d := range docs {
		out = append(out, []byte(d))
	}
	return out
}

func TestImport(t *testing.T) {
	b := newBed(t, nil)
	ctx := t.Context()
	poles := ImportOptions{Interface: "gj"}
	docs := lines(pole("1000001", "测试甲"), pole("1000002", "测试乙"), `{"gjbm":"1000003","xqbm":"34"}`, `{"gjbm":`, pole("1000001", "测试甲"))
	taken, err := b.Import(ctx, poles, docs)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"accepted", "accepted",
		"refused gjmc（杆件名称）：必填，实际是没有值 xqbm（小区编码）：应为 15 个字符，实际是 2 个：\"34\" jd（经度）：必填，实际是没有值 wd（纬度）：必填，实际是没有值",
		`refused broken JSON: the document ends too early`,
		"duplicate",
	}
	got := outcomes(taken)
	if !strings.HasPrefix(got[3], "refused ") {
		t.Errorf("broken JSON is %s", got[3])
	}
	got[3] = want[3]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	b.delivered(2)
	if dead := b.dead(); len(dead) > 0 {
		t.Errorf("what is refused is told, and kept: %v", dead)
	}

	// Unchanged rows are not sent again, unless asked for; changed ones are.
	docs = lines(pole("1000001", "测试甲"), pole("1000002", "测试丙"))
	if taken, _ = b.Import(ctx, poles, docs); cmp.Diff([]string{"duplicate", "accepted"}, outcomes(taken)) != "" {
		t.Errorf("got %q", outcomes(taken))
	}
	b.delivered(3)
	poles.Again = true
	if taken, _ = b.Import(ctx, poles, docs[:1]); outcomes(taken)[0] != "accepted" {
		t.Errorf("again: got %q", outcomes(taken))
	}
	b.delivered(4)
	if _, err := b.Import(ctx, ImportOptions{Interface: "xx"}, docs); err == nil {
		t.Error("an interface that there is not was taken")
	}
}

// Versions of one record that come in one import keep their order.
func TestImportOrder(t *testing.T) {
	b := newBed(t, nil)
	var docs [][]byte
	for n := range 40 {
		docs = append(docs, []byte(pole("1000001", fmt.Sprintf("测试%d", n))), []byte(pole(fmt.Sprint(2000000+n), "别的")))
	}
	if _, err := b.Import(t.Context(), ImportOptions{Interface: "gj"}, docs); err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, r := range b.delivered(80) {
		if strings.Contains(string(r.Record), `"gjbm":"1000001"`) {
			if !strings.Contains(string(r.Record), fmt.Sprintf(`"测试%d"`, next)) {
				t.Fatalf("want version %d, got %s", next, r.Record)
			}
			next++
		}
	}
}

// A rejected record of an import is a dead letter like any other: it shows how
// it maps, and is mapped again.
func TestImportRejected(t *testing.T) {
	b := newBed(t, nil)
	b.platform.Behave(platformtest.Behaviour{Code: "4711"})
	if _, err := b.Import(t.Context(), ImportOptions{Interface: "gj"}, lines(pole("1000001", "测试甲"), pole("1000002", "测试乙"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a dead letter", func() bool { return len(b.dead()) == 2 })
	id := b.dead()[0].ID
	if d := b.dead()[0]; d.Source != "import" || d.Mapping != "import/gj.yaml" || d.Class != string(store.Rejected) {
		t.Errorf("got %+v", d)
	}
	if o, err := b.ShowDead(t.Context(), id); err != nil || !strings.Contains(o.Trace, "event.gjmc") {
		t.Errorf("got %+v, %v", o, err)
	}
	// Exported, the other one can be given back.
	b.platform.Behave(platformtest.Behaviour{})
	resp, err := http.Get(b.admin.URL + "/-/dead/" + b.dead()[1].ID + "/original")
	if err != nil {
		t.Fatal(err)
	}
	captured, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	resp, err = http.Post(b.admin.URL+"/-/events", "", bytes.NewReader(captured))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"source":"import"`) {
		t.Errorf("given back: %s %s %v", resp.Status, answer, err)
	}
	if r, err := b.RetryDead(t.Context(), id); err != nil || r.Outcome != "accepted" {
		t.Errorf("got %+v, %v", r, err)
	}
	b.delivered(2)
}

func TestImportOverHTTP(t *testing.T) {
	b := newBed(t, nil)
	post := func(path, body string) (int, string) {
		t.Helper()
		resp, err := http.Post(b.admin.URL+path, "application/x-ndjson", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(answer)
	}
	status, answer := post("/-/import/gj", pole("1000001", "测试甲")+"\r\n"+pole("1000001", "测试甲")+"\n{}")
	got := strings.Split(strings.TrimSpace(answer), "\n")
	if status != http.StatusOK || len(got) != 3 {
		t.Fatalf("got %d: %s", status, answer)
	}
	for n, want := range []string{"accepted", "duplicate", "refused"} {
		var taken Taken
		if err := json.Unmarshal([]byte(got[n]), &taken); err != nil || taken.Outcome != want {
			t.Errorf("line %d: got %s, want %s", n+1, got[n], want)
		}
	}
	if _, answer = post("/-/import/gj?again=true", pole("1000001", "测试甲")); !strings.Contains(answer, `"accepted"`) {
		t.Errorf("again: %s", answer)
	}
	for name, tt := range map[string]struct {
		path, body string
		status     int
	}{
		"no such interface": {"/-/import/stk/xx", "{}", http.StatusNotFound},
		"too many":          {"/-/import/gj", strings.Repeat("{}\n", ImportRecords+1), http.StatusRequestEntityTooLarge},
		"too large":         {"/-/import/gj", strings.Repeat("x", 1<<20+importBody+1), http.StatusRequestEntityTooLarge},
	} {
		if status, answer := post(tt.path, tt.body); status != tt.status {
			t.Errorf("%s: got %d: %s", name, status, answer)
		}
	}
	resp, err := http.Post(b.admin.URL+"/-/import/gj", "", io.MultiReader(strings.NewReader("{}"))) // without a length
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("without a length: %s", resp.Status)
	}
	var site ImportSite
	resp, err = http.Get(b.admin.URL + "/-/import")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&site); err != nil || site.Dir != b.dir || site.Body != 1<<20 {
		t.Errorf("got %+v, %v", site, err)
	}
}

// When the store is full, what is behind is not tried, and nobody is told that
// it was taken.
func TestImportFull(t *testing.T) {
	b := newBed(t, nil)
	b.store.before(func() error { return store.ErrFull })
	taken, err := b.Import(t.Context(), ImportOptions{Interface: "gj"}, lines(pole("1000001", "甲"), pole("1000001", "乙"), pole("1000002", "丙")))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range outcomes(taken) {
		if s != "full 存储已满：等积压送出，或加大 store.maxBytes" {
			t.Errorf("got %q", s)
		}
	}
}

func TestProve(t *testing.T) {
	b := newBed(t, nil)
	got := outcomes(Prove(b.Generation().Rules, ImportOptions{Interface: "gj"}, lines(pole("1000001", "测试甲"), `{"gjbm":1}`)))
	if got[0] != "accepted" || !strings.HasPrefix(got[1], "refused ") {
		t.Errorf("got %q", got)
	}
	if st, err := b.store.Stats(t.Context(), b.Generation().Loaded); err != nil || st.Ready+st.Keys > 0 {
		t.Errorf("something was stored: %+v, %v", st, err)
	}
}
