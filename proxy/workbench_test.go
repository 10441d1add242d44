package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// An operator sees what went wrong most, and why one event did, step by step.
func TestWorkbench(t *testing.T) {
	b := newBed(t, nil)
	for i := range 3 {
		b.post("/hikvision/nobody", "application/json", passage("1001", i))
	}
	b.post("/iflytek/api/v1/stk/zpjl?appKey=somebodys-key", "application/json", `{"areaNo":"340102001001001","snapNo":"34010200011323000001","snapTime":"2026-01-02 12:12:12"}`)
	b.post("/iflytek/api/v1/stk/zpjl", "application/json", `{"areaNo":"340102001001001"}`)

	var sums []Summary
	get(t, b.admin.URL+"/-/dead/summary", &sums)
	if len(sums) != 3 || sums[0].Count != 3 || sums[0].Class != string(store.UnknownDevice) || sums[0].Device != "nobody" || !strings.Contains(sums[0].Sample, "add a row") {
		t.Errorf("got %+v", sums)
	}
	var list []DeadLetter
	get(t, b.admin.URL+"/-/dead?class=picture-missing", &list)
	if len(list) != 1 || !strings.Contains(list[0].Reason, "snapSmallImage (抓拍小图): want a value") {
		t.Fatalf("got %+v", list)
	}
	var o Original
	get(t, b.admin.URL+"/-/dead/"+list[0].ID, &o)
	for _, piece := range []string{"✓ mapping  iflytek/face.yaml", "snapNo 抓拍机编码", `"34010200011323000001"`, "✗ picture-missing: snapSmallImage"} {
		if !strings.Contains(o.Trace, piece) {
			t.Errorf("want %q in the trace, got\n%s", piece, o.Trace)
		}
	}
	if o.Request.Query["appKey"] != "***" {
		t.Errorf("the sender's appKey is shown: %v", o.Request.Query)
	}
	for query, want := range map[string]int{
		"since=" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339): 5, "until=" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339): 0,
		"limit=2": 2, "source=iflytek": 2, "after=" + list[0].ID: 1,
	} {
		var got []DeadLetter
		get(t, b.admin.URL+"/-/dead?"+query, &got)
		if len(got) != want {
			t.Errorf("%s: want %d, got %d", query, want, len(got))
		}
	}
	for _, query := range []string{"limit=0", "limit=x", "since=yesterday"} {
		resp, err := http.Get(b.admin.URL + "/-/dead?" + query)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %s", query, resp.Status)
		}
	}
}

func get(t *testing.T, url string, v any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
}

// Dead letters are bounded by age and by bytes; the oldest fall off, and it is
// told.
func TestTidy(t *testing.T) {
	b := newBed(t, func(dir string) {})
	for i := range 4 {
		b.post("/hikvision/nobody", "application/json", passage("1001", i))
	}
	all := b.dead()
	if err := b.tidy(t.Context(), time.Now()); err != nil || len(b.dead()) != 4 {
		t.Fatalf("want 4 to stay, got %d, %v", len(b.dead()), err)
	}
	// Only the two newest fit.
	cfg := *b.Generation().Config
	cfg.Dead.MaxBytes = Size(all[2].Size + all[3].Size)
	g := *b.Generation()
	g.Config = &cfg
	b.gen.Store(&g)
	if err := b.tidy(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if left := b.dead(); len(left) != 2 || left[0].ID != all[2].ID {
		t.Errorf("want the two newest, got %+v", left)
	}
	if err := b.tidy(t.Context(), time.Now().Add(cfg.Dead.MaxAge+time.Minute)); err != nil {
		t.Fatal(err)
	}
	if left := b.dead(); len(left) != 0 {
		t.Errorf("want none after their age, got %+v", left)
	}
	if n := strings.Count(b.log.String(), "a dead letter fell off"); n != 4 {
		t.Errorf("want it told 4 times, got %d", n)
	}
}
