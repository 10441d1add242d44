package proxy

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/platform/platformtest"
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
	if len(list) != 1 || !strings.Contains(list[0].Reason, "snapSmallImage (抓拍小图): picture(event.snapSmallImage) is empty") {
		t.Fatalf("got %+v", list)
	}
	if !strings.Contains(list[0].Chinese, "snapSmallImage（抓拍小图）：picture(event.snapSmallImage) 是空的") || !strings.Contains(sums[0].Chinese, "请加一行") {
		t.Errorf("no Chinese: %+v, %+v", list, sums[0])
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
		"limit=2": 2, "source=iflytek": 2, "after=" + list[0].ID: 1, "device=nobody": 3, "interface=stk/zpjl": 0,
		"reason=add+a+row": 3, "reason=add+a+row&limit=2": 2, "reason=snapSmallImage": 2, "reason=%E8%AF%B7%E5%8A%A0%E4%B8%80%E8%A1%8C": 3, "reason=nothing+like+it": 0,
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

// A record that the platform's server fails at again and again is given up
// after the site's number of tries; that the platform is away is no try.
func TestGaveUp(t *testing.T) {
	b := newBed(t, func(dir string) {
		change(t, dir, "timeout: 2s", "timeout: 2s, maxAttempts: 2")
	})
	b.platform.Behave(platformtest.Behaviour{Failures: 1})
	b.post("/hikvision/door-1", "application/json", passage("1001", 1))
	eventually(t, "a dead letter", func() bool { return len(b.dead()) == 1 })
	if d := b.dead()[0]; d.Class != string(store.GaveUp) || d.Attempts != 2 || d.Interface != "stk/rytxjl" || !strings.Contains(d.Reason, "HTTP 500") {
		t.Errorf("got %+v", d)
	}
	var list []DeadLetter
	get(t, b.admin.URL+"/-/dead?interface=stk/rytxjl&class=gave-up&reason=HTTP+500", &list)
	if len(list) != 1 {
		t.Errorf("got %+v", list)
	}
	b.platform.Behave(platformtest.Behaviour{})
	if again, err := b.RetryDead(t.Context(), list[0].ID); err != nil || again.Outcome != "accepted" {
		t.Errorf("got %+v %v", again, err)
	}
	b.delivered(1)
}

// change edits a site's yiqiao.yaml.
func change(t *testing.T, dir, old, new string) {
	t.Helper()
	name := filepath.Join(dir, ConfigFile)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		t.Fatalf("%q is not in %s", old, name)
	}
	if err := os.WriteFile(name, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
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

// An original that is taken out and given back is the same event: it is known
// while the first is kept, and taken anew after that was dropped.
func TestExportImport(t *testing.T) {
	b := newBed(t, nil)
	body := "--B\r\nContent-Type: application/json\r\n\r\n" + passage("1001", 7) + "\r\n--B\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\x00\x01\r\n\r\nbinary\r\n--B--\r\n"
	b.post("/hikvision/nobody?x=1", "multipart/form-data; boundary=B", body)
	id := b.dead()[0].ID
	resp, err := http.Get(b.admin.URL + "/-/dead/" + id + "/original")
	if err != nil {
		t.Fatal(err)
	}
	capture, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.HasPrefix(string(capture), "POST /hikvision/nobody?x=1 HTTP/1.1\r\n") || !strings.HasSuffix(string(capture), "\r\n\r\n"+body) {
		t.Fatalf("got %q %v", capture, err)
	}
	give := func(data string) (int, string) {
		resp, err := http.Post(b.admin.URL+"/-/events", "", strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(answer)
	}
	if status, answer := give(string(capture)); status != 200 || !strings.Contains(answer, `"outcome":"duplicate"`) {
		t.Errorf("got %d %s", status, answer)
	}
	b.write("devices.csv", bedDevices+"nobody,新门禁,340102001001001,,3401020010010011150009,,,,,,\n")
	b.Reload(t.Context(), "test")
	if err := b.DropDead(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if status, answer := give(string(capture)); status != 200 || !strings.Contains(answer, `"outcome":"accepted"`) {
		t.Errorf("got %d %s", status, answer)
	}
	b.delivered(1)
	for data, want := range map[string]int{"": 400, "nonsense": 400, "POST /nobody HTTP/1.1\r\n\r\n{}": 404, "GET /hikvision/x HTTP/1.1\r\n\r\n": 404, strings.Repeat("x", 2<<20): 413} {
		if status, answer := give(data); status != want {
			t.Errorf("%.30q: want %d, got %d %s", data, want, status, answer)
		}
	}
}
