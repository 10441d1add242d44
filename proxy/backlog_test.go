package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/platform/platformtest"
)

// A device's backlog of eight minutes meets a platform that takes one record
// at a time: without a share for the newest they come in order; with half, the
// newest come between the oldest, and those of one minute stay in order.
func TestNewestEventsFlowWhileTheBacklogDrains(t *testing.T) {
	for newest, want := range map[int][]int{
		0:  {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		50: {0, 14, 2, 15, 4, 12, 6, 13, 8, 10, 1, 11, 3, 9, 5, 7},
	} {
		t.Run(fmt.Sprint(newest), func(t *testing.T) {
			b := newBed(t, func(dir string) {
				change(t, dir, "timeout: 2s", fmt.Sprintf("timeout: 2s, concurrency: 1, newest: %d", newest))
			})
			b.store.pause(true)
			g := b.gen.Load()
			s, params, ok := g.Rules.Match("POST", "/iflytek/api/v1/stk/zpjl")
			if !ok {
				t.Fatal("no source")
			}
			begun := time.Now().Add(-time.Hour).Truncate(time.Minute)
			for n := range 16 {
				w := newWork().(*work)
				w.event.Request.Method, w.event.Request.Path = "POST", "/iflytek/api/v1/stk/zpjl"
				w.event.Request.Params = params
				w.event.Request.Received = begun.Add(time.Duration(n) * 30 * time.Second)
				body := fmt.Sprintf(`{"areaNo":"340102001001001","snapNo":"34010200011323000001","snapTime":"2026-01-02 12:00:%02d","snapSmallImage":"%s","snapBigImage":"%[2]s"}`, n, jpeg(90))
				if got, err := b.Accept(t.Context(), g, s, w, []byte(body)); err != nil || got != "accepted" {
					t.Fatalf("event %d: %q, %v, %+v", n, got, err, b.dead())
				}
			}
			b.store.pause(false)
			var got []int
			for _, r := range b.delivered(16) {
				var doc struct{ SnapTime string }
				if err := json.Unmarshal(r.Record, &doc); err != nil {
					t.Fatal(err)
				}
				var n int
				if _, err := fmt.Sscanf(doc.SnapTime, "2026-01-02 12:00:%d", &n); err != nil {
					t.Fatal(err)
				}
				got = append(got, n)
			}
			if !slices.Equal(got, want) {
				t.Errorf("order at the platform:\n got %v\nwant %v", got, want)
			}
		})
	}
}

// A platform that answers nothing slows no device down: events are taken until
// the store's quota, then the devices are told to come again. When the platform
// is back the backlog drains, admission resumes by itself, and nothing that was
// acknowledged is missing.
func TestAdmissionGoesOnWhileThePlatformIsSlow(t *testing.T) {
	const quota = 2 << 20
	b := newBed(t, func(dir string) { change(t, dir, "{disk: data}", "{disk: data, maxBytes: 2MB}") })
	b.platform.Behave(platformtest.Behaviour{Latency: time.Hour})
	face := func(n int) string {
		return fmt.Sprintf(`{"areaNo":"340102001001001","snapNo":"34010200011323000001","snapTime":"2026-01-02 12:%02d:%02d","snapSmallImage":"%s","snapBigImage":"%[3]s"}`, n/60, n%60, jpeg(15_000))
	}
	post := func(n int) int {
		status, _ := b.post("/iflytek/api/v1/stk/zpjl", "application/json", face(n))
		return status
	}
	taken := 0
	for ; post(taken) == http.StatusOK; taken++ {
		if taken > 1000 {
			t.Fatal("the store is never full")
		}
	}
	st, err := b.store.Stats(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if n := b.platform.Counts().Accepted; n != 0 {
		t.Errorf("the platform has taken %d records", n)
	}
	if status := post(taken); status != http.StatusServiceUnavailable {
		t.Errorf("beyond the quota a device is told %d, want 503", status)
	}
	if st.Ready != taken || st.ReadyBytes > quota || st.ReadyBytes < quota*9/10 {
		t.Errorf("%d events were taken, the store holds %d with %d bytes of %d", taken, st.Ready, st.ReadyBytes, quota)
	}
	if h := b.Health(t.Context()); h.OK || !strings.HasPrefix(h.Store, "full") {
		t.Errorf("ready: %t, the store is %q; want that another replica is asked, and full", h.OK, h.Store)
	}
	b.platform.Behave(platformtest.Behaviour{})
	// A new route begins without the breaker that the old one has opened.
	change(t, b.dir, "timeout: 2s", "timeout: 3s")
	if g, problems := b.Reload(t.Context(), "test"); g == nil {
		t.Fatal(problems)
	}
	eventually(t, "admission resumes", func() bool { return b.Health(t.Context()).OK && post(taken) == http.StatusOK })
	b.delivered(taken + 1)
}

// What is allowed in a stretch of time is the rate and, at the most, what
// gathered before it; and it is all asked for, however small the looks.
func TestAllowance(t *testing.T) {
	for _, perSec := range []float64{0.5, 3, 40, 2000} {
		var a allowance
		now, begun, took := time.Unix(0, 0), time.Unix(0, 0), 0
		for now.Sub(begun) < 20*time.Second {
			n := a.of(now, 8, perSec)
			a.took(now, n)
			took += n
			if wait := a.wait(now); n == 0 && (wait <= 0 || wait > idlePoll) {
				t.Fatalf("%g a second: wait %s", perSec, wait)
			} else if n == 0 {
				now = now.Add(wait)
			}
			now = now.Add(50 * time.Microsecond) // what a look takes
		}
		least, most := 0.95*perSec*20-1, perSec*20+max(1, perSec*idlePoll.Seconds()+1)
		if float64(took) < least || float64(took) > most {
			t.Errorf("%g a second: %d in 20 s, want %g to %g", perSec, took, least, most)
		}
	}
	if n := new(allowance).of(time.Unix(0, 0), 8, 0); n != 8 {
		t.Errorf("without a rate %d of 8", n)
	}
}

// A backlog drains at the rate that the site says the platform allows; when
// that is lifted, at once.
func TestRate(t *testing.T) {
	b := newBed(t, func(dir string) { change(t, dir, "timeout: 2s", "timeout: 2s, rate: 0.001") })
	for i := range 5 {
		b.postSnapshot(i)
	}
	eventually(t, "one goes", func() bool { return b.platform.Counts().Accepted == 1 })
	some := time.NewTimer(3 * idlePoll) // of looks that find nothing allowed
	<-some.C
	if n := b.platform.Counts().Accepted; n != 1 {
		t.Errorf("%d records arrived, one was allowed", n)
	}
	change(t, b.dir, "rate: 0.001", "rate: 0")
	if g, problems := b.Reload(t.Context(), "test"); g == nil {
		t.Fatal(problems)
	}
	b.delivered(5)
}
