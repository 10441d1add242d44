package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store"
)

const theCamera = "34010200011300000001"

// nearSpecCamera registers theCamera under a name.
func nearSpecCamera(name string) string {
	return fmt.Sprintf(`{"zpjbm":%q,"mc":%q,"ip":"192.0.2.21","xqbm":"340102001001001","jd":"117.302269","wd":"31.895616","lx":"2","fx":"1"}`, theCamera, name)
}

// snapshot is a picture of theCamera in a second of its own.
func snapshot(i int) string {
	return fmt.Sprintf(`{"areaNo":"340102001001001","snapNo":%q,"snapTime":"2026-01-02 12:%02d:%02d","snapSmallImage":%q,"snapBigImage":%q}`, theCamera, i/60, i%60, jpeg(2000), jpeg(2000))
}

func (b *bed) postCamera(name string) {
	b.t.Helper()
	if status, answer := b.post("/iflytek/api/v1/zpj", "application/json", nearSpecCamera(name)); status != http.StatusOK {
		b.t.Fatalf("zpj: %d %s", status, answer)
	}
}

func (b *bed) postSnapshot(i int) {
	b.t.Helper()
	if status, answer := b.post("/iflytek/api/v1/stk/zpjl", "application/json", snapshot(i)); status != http.StatusOK {
		b.t.Fatalf("stk/zpjl: %d %s", status, answer)
	}
}

// names are those under which cameras arrived.
func names(list []platformtest.Record) (out []string) {
	for _, rec := range list {
		if rec.Interface == "zpj" {
			out = append(out, gjson.GetBytes(rec.Record, "mc").String())
		}
	}
	return out
}

// waiting are the entries that wait, as the admin listener tells them.
func (b *bed) waiting(query string) []Waiting {
	b.t.Helper()
	var list []Waiting
	get(b.t.(*testing.T), b.admin.URL+"/-/waiting?"+query, &list)
	return list
}

// A camera that gets a new name and its old one back is registered three
// times, although all three lie in one window of deduplication; and what is
// unchanged is not sent again, unless it is asked for.
func TestVersions(t *testing.T) {
	b := newBed(t, nil)
	want := []string{"东门", "南门", "东门"}
	for n, name := range want {
		b.postCamera(name)
		b.delivered(n + 1)
		b.postCamera(name)
	}
	if diff := cmp.Diff(want, names(b.delivered(3))); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	capture := "POST /iflytek/api/v1/zpj HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" + nearSpecCamera("东门")
	for query, outcome := range map[string]string{"": "duplicate", "?again=true": "accepted"} {
		resp, err := http.Post(b.admin.URL+"/-/events"+query, "", strings.NewReader(capture))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || gjson.GetBytes(answer, "outcome").String() != outcome {
			t.Errorf("%q: %s, %v, want %s", query, answer, err, outcome)
		}
	}
	if diff := cmp.Diff(append(want, "东门"), names(b.delivered(4))); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

// Versions arrive in the order in which they came, whichever of them fail.
// A device's status is a state too: online, offline, online are three records,
// online twice is one.
func TestStatusIsAState(t *testing.T) {
	b := newBed(t, nil)
	for _, online := range []string{"1", "1", "2", "2", "1"} {
		status := fmt.Sprintf(`{"areaNo":"340102001001001","deviceID":%q,"isOnLine":%q,"deviceType":"1"}`, theCamera, online)
		if code, answer := b.post("/iflytek/api/v1/stk/sbzt", "application/json", status); code != http.StatusOK {
			t.Fatalf("%d %s", code, answer)
		}
	}
	got := ""
	for _, rec := range b.delivered(3) {
		got += gjson.GetBytes(rec.Record, "isOnLine").String()
	}
	if got != "121" {
		t.Errorf("states %s arrived, want 121", got)
	}
}

func TestVersionsKeepTheirOrder(t *testing.T) {
	b := newBedWith(t, nil, bedOptions{before: lossy})
	b.store.pause(true)
	var want []string
	for n := range 12 {
		want = append(want, fmt.Sprintf("%d 号门", n%3))
		b.postCamera(want[n])
	}
	b.store.pause(false)
	eventually(t, "all are delivered", func() bool {
		st, err := b.store.Stats(t.Context(), time.Now())
		return err == nil && st.Ready == 0
	})
	got := names(b.platform.Records())
	for n := 1; n < len(got); n++ { // an answer that got lost
		if got[n] == got[n-1] {
			got = append(got[:n], got[n+1:]...)
			n--
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

// gateway lets a test answer the requests of one interface.
type gateway struct {
	path   string
	status atomic.Int64 // 0: as the platform does
}

func (g *gateway) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := int(g.status.Load())
		switch {
		case status == 0 || r.URL.Path != g.path:
			next.ServeHTTP(w, r)
		case status == http.StatusOK:
			_, _ = io.WriteString(w, `{"code":"9","errMsg":"no","data":{}}`)
		default:
			http.Error(w, "not now", status)
		}
	})
}

// A record whose camera is still on its way waits; it says for what, in the
// list, and it is counted; and it goes on by itself soon after the camera has
// arrived.
func TestRecordWaits(t *testing.T) {
	cameras := &gateway{path: "/api/v1/zpj"}
	cameras.status.Store(http.StatusTooManyRequests)
	b := newBedWith(t, nil, bedOptions{before: cameras.before})
	b.postCamera("东门")
	b.postSnapshot(0)
	eventually(t, "it waits", func() bool { return len(b.waiting("class=waiting")) == 1 })
	w := b.waiting("class=waiting")[0]
	want := regexp.MustCompile(`^waiting for zpj ` + theCamera + ` \(抓拍机基础信息\), registered at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, not yet accepted$`)
	if !want.MatchString(w.Reason) || w.Interface != "stk/zpjl" || w.Attempts != 0 {
		t.Errorf("waiting: %+v", w)
	}
	if pause := time.Until(w.Due); pause < 20*time.Second {
		t.Errorf("its pause is %v: so it would go on without the gate", pause)
	}
	if got := len(b.waiting("")); got != 2 {
		t.Errorf("%d entries wait, want 2", got)
	}
	metrics := string(fetch(t, b.admin.URL+"/metrics"))
	if want := `yiqiao_waiting_for_registration{interface="stk/zpjl",of="zpj"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("want %s in the metrics", want)
	}

	cameras.status.Store(0)
	eventually(t, "the camera arrives", func() bool { return len(names(b.platform.Records())) == 1 })
	arrived := time.Now()
	list := b.delivered(2)
	if took := time.Since(arrived); took > 2*time.Second {
		t.Errorf("the record went on after %v", took)
	}
	if list[1].Interface != "stk/zpjl" {
		t.Errorf("arrived: %v, then %v", list[0].Interface, list[1].Interface)
	}
	if metrics := string(fetch(t, b.admin.URL+"/metrics")); strings.Contains(metrics, "yiqiao_waiting_for_registration{") {
		t.Error("something is still counted as waiting")
	}
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// What the modes do with a 小区 that was rejected.
func TestPrerequisiteModes(t *testing.T) {
	for mode, waits := range map[string]bool{inOrder: false, strict: true, off: false} {
		t.Run(mode, func(t *testing.T) {
			areas := &gateway{path: "/api/v1/xq"}
			areas.status.Store(http.StatusOK) // rejected
			b := newBedWith(t, func(dir string) { prerequisites(t, dir, mode) }, bedOptions{before: areas.before})
			b.postSnapshot(0)
			area, err := json.Marshal(exampleOf(t, b.gen.Load().Rules.Catalogue.Interface("xq")))
			if err != nil {
				t.Fatal(err)
			}
			b.post("/iflytek/api/v1/xq", "application/json", string(area))
			eventually(t, "the 小区 is rejected", func() bool { return len(b.dead()) == 1 })
			b.postSnapshot(1)
			if !waits {
				b.delivered(2)
				return
			}
			// It may have waited for the 小区 while that was on its way.
			eventually(t, "it waits for what is not registered", func() bool {
				w := b.waiting("class=waiting")
				return len(w) == 1 && strings.HasPrefix(w[0].Reason, "waiting for xq 340102001001001 (小区基础信息), which is not registered")
			})
			if n := b.platform.Counts().Accepted; n != 0 {
				t.Errorf("%d records went on", n)
			}
			// The site changes its mind.
			config := b.read("yiqiao.yaml")
			b.write("yiqiao.yaml", strings.Replace(config, "prerequisites: strict", "prerequisites: order", 1))
			if g, ps := b.Reload(context.Background(), "test"); g == nil {
				t.Fatal(ps)
			}
			b.delivered(2)
		})
	}
}

// A camera that was accepted once holds up nobody when it is registered anew
// and the platform does not take that.
func TestNewVersionHoldsUpNobody(t *testing.T) {
	cameras := &gateway{path: "/api/v1/zpj"}
	b := newBedWith(t, nil, bedOptions{before: cameras.before})
	b.postCamera("东门")
	b.delivered(1)
	cameras.status.Store(http.StatusTooManyRequests)
	b.postCamera("南门")
	b.postSnapshot(0)
	eventually(t, "the snapshot arrives", func() bool { return b.platform.Counts().Accepted == 2 })
}

// A dead letter that is mapped again does not put an old version in the place
// of a newer one.
func TestOldVersionStaysDead(t *testing.T) {
	cameras := &gateway{path: "/api/v1/zpj"}
	cameras.status.Store(http.StatusOK)
	b := newBedWith(t, nil, bedOptions{before: cameras.before})
	b.postCamera("东门")
	eventually(t, "it is rejected", func() bool { return len(b.dead()) == 1 })
	id := b.dead()[0].ID
	cameras.status.Store(0)
	b.postCamera("南门")
	b.delivered(1)
	got, err := b.RetryDead(t.Context(), id)
	if err != nil || got.Outcome != "" || !strings.HasPrefix(got.Reason, "a newer version of this zpj was accepted at ") {
		t.Errorf("RetryDead = %+v, %v", got, err)
	}
	if len(b.dead()) != 1 {
		t.Error("it does not stay")
	}

	// One that is the newest goes.
	cameras.status.Store(http.StatusOK)
	b.postCamera("西门")
	eventually(t, "it is rejected", func() bool { return len(b.dead()) == 2 })
	cameras.status.Store(0)
	if got, err := b.RetryDead(t.Context(), b.dead()[1].ID); err != nil || got.Outcome != "accepted" {
		t.Errorf("RetryDead = %+v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"南门", "西门"}, names(b.delivered(2))); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

// What waited when the process ended is looked at again by the next one.
func TestWaitingOutlivesRestart(t *testing.T) {
	cameras := &gateway{path: "/api/v1/zpj"}
	cameras.status.Store(http.StatusTooManyRequests)
	b := newBedWith(t, nil, bedOptions{before: cameras.before})
	b.postCamera("东门")
	b.postSnapshot(0)
	eventually(t, "it waits", func() bool { return len(b.waiting("class=waiting")) == 1 })
	b.end()
	<-b.ended
	// Another process delivers the camera: this gate hears nothing of it.
	claims, err := b.store.Claim(t.Context(), time.Now().Add(time.Hour), store.Want{Max: 10, Lease: time.Minute})
	if err != nil || len(claims) != 2 {
		t.Fatalf("%+v, %v", claims, err)
	}
	for _, c := range claims {
		o := store.Outcome{Do: store.Delivered}
		if c.Labels.Interface != "zpj" {
			o = store.Outcome{Do: store.Retry, At: time.Now().Add(time.Hour), Free: true, Reason: store.Reason{Class: store.Waiting, Text: "for the camera"}}
		}
		if err := b.store.Settle(t.Context(), time.Now(), c, o); err != nil {
			t.Fatal(err)
		}
	}
	next := New(Options{Site: b.site, Generation: b.gen.Load(), Store: b.store, Vault: b.vault, Log: b.Proxy.log})
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); next.Deliver(ctx, time.Second) }()
	b.delivered(1)
	end()
	<-done
}
