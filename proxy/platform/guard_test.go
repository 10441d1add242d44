package platform_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/platform"
)

// eventually polls until ok, for at most ten seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("still not after 10 s: %s", what)
		}
	}
}

// scripted is a server whose answer a test changes, and which counts.
type scripted struct {
	status, hits atomic.Int32
	url          string
}

func newScripted(t *testing.T) *scripted {
	s := new(scripted)
	s.status.Store(200)
	s.url = newServer(t, func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		w.WriteHeader(int(s.status.Load()))
		io.WriteString(w, `{"code":"0"}`)
	}).URL
	return s
}

func TestBreaker(t *testing.T) {
	s := newScripted(t)
	s.status.Store(500)
	const open = 300 * time.Millisecond
	c := newClient(t, platform.Config{URL: s.url, Breaker: platform.Breaker{Failures: 3, Open: open}})
	for i := range 3 {
		if got := c.State(); got != "closed" || c.Wait() != 0 {
			t.Fatalf("after %d failures: %s", i, got)
		}
		if v := post(t, c); v.Why != platform.ServerError || v.Blameless() {
			t.Fatalf("got %s", v)
		}
	}
	v := post(t, c)
	if v.Kind != platform.Later || v.Why != platform.Open || v.After <= 0 || v.After > open || !v.Blameless() {
		t.Errorf("behind the open breaker: %s", v)
	}
	if w := c.Wait(); w <= 0 || w > open || c.State() != "open" {
		t.Errorf("Wait = %s, State = %s", w, c.State())
	}
	if got := s.hits.Load(); got != 3 {
		t.Errorf("%d requests reached the server, want 3", got)
	}

	eventually(t, "half-open", func() bool { return c.State() == "half-open" })
	if v := post(t, c); v.Why != platform.ServerError || c.State() != "open" {
		t.Errorf("a bad probe: %s, breaker %s", v, c.State())
	}
	s.status.Store(200)
	eventually(t, "delivered", func() bool { return post(t, c).Kind == platform.Delivered })
	if got := c.State(); got != "closed" {
		t.Errorf("after recovery: %s", got)
	}
}

// TestBreakerIgnores: whoever answers is there, whatever the answer.
func TestBreakerIgnores(t *testing.T) {
	for _, status := range []int32{429, 400, 404, 413, 302} {
		s := newScripted(t)
		s.status.Store(status)
		c := newClient(t, platform.Config{URL: s.url, Breaker: platform.Breaker{Failures: 1}})
		post(t, c)
		if got := c.State(); got != "closed" {
			t.Errorf("after HTTP %d the breaker is %s", status, got)
		}
	}
}

func TestPause(t *testing.T) {
	s := newScripted(t)
	s.status.Store(400)
	const pause = 300 * time.Millisecond
	c := newClient(t, platform.Config{URL: s.url, Pause: pause})
	if v := post(t, c); v.Why != platform.Refused || !v.Blameless() {
		t.Fatalf("got %s", v)
	}
	v := post(t, c)
	if v.Kind != platform.Misconfigured || v.Why != platform.Paused || v.After <= 0 || v.After > pause ||
		!strings.HasPrefix(v.Message, "refused") {
		t.Errorf("paused: %s", v)
	}
	if got := s.hits.Load(); got != 1 {
		t.Errorf("%d requests reached the server, want 1", got)
	}
	paused := c.Paused()
	if len(paused) != 1 || paused[0].Interface != "stk/zpjl" || paused[0].Verdict.HTTP != 400 ||
		paused[0].Until.Sub(paused[0].Since) < pause {
		t.Errorf("Paused = %+v", paused)
	}

	// Another interface is not paused by it, and pauses by itself.
	if v := c.Post(t.Context(), "xq", []byte("{}")); v.Why != platform.Refused {
		t.Errorf("another interface: %s", v)
	}
	// When the time is over one record tries, and the pause goes on.
	eventually(t, "a probe", func() bool { return post(t, c).Why == platform.Refused })
	if v := post(t, c); v.Why != platform.Paused {
		t.Errorf("after a bad probe: %s", v)
	}
	if again := c.Paused(); len(again) != 2 || !again[0].Since.Equal(paused[0].Since) {
		t.Errorf("Paused = %+v, want stk/zpjl since %s", again, paused[0].Since)
	}
	s.status.Store(200)
	eventually(t, "delivered", func() bool { return post(t, c).Kind == platform.Delivered })
	if got := c.Paused(); len(got) != 1 {
		t.Errorf("Paused = %+v, want xq alone", got)
	}
	c.Resume()
	if v := c.Post(t.Context(), "xq", []byte("{}")); v.Kind != platform.Delivered {
		t.Errorf("after Resume: %s", v)
	}
}

// TestPauseOneProbe: of many records one tries; a probe that learns nothing
// leaves the pause to the next.
func TestPauseOneProbe(t *testing.T) {
	hang := make(chan struct{})
	var hits atomic.Int32
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch hits.Add(1) {
		case 1:
			w.WriteHeader(400)
		case 2:
			<-hang
			w.WriteHeader(500)
		default:
			io.WriteString(w, `{"code":"0"}`)
		}
	})
	c := newClient(t, platform.Config{URL: server.URL, Pause: time.Millisecond})
	post(t, c)
	probe := make(chan platform.Verdict)
	go func() {
		for {
			if v := c.Post(t.Context(), "stk/zpjl", []byte("{}")); v.Why != platform.Paused {
				probe <- v
				return
			}
		}
	}()
	eventually(t, "the probe is under way", func() bool { return hits.Load() == 2 })
	if v := post(t, c); v.Why != platform.Paused || v.After != time.Second {
		t.Errorf("beside the probe: %s", v)
	}
	close(hang)
	if v := <-probe; v.Why != platform.ServerError {
		t.Errorf("the probe: %s", v)
	}
	if v := post(t, c); v.Kind != platform.Delivered {
		t.Errorf("after the probe: %s", v)
	}
}

func TestBackoff(t *testing.T) {
	top := func(n int64) int64 { return n - 1 }
	for attempt, want := range map[int]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second,
		9: 256 * time.Second, 10: 5 * time.Minute, 64: 5 * time.Minute, 1 << 40: 5 * time.Minute,
	} {
		if got := platform.Backoff(attempt, top); got != want {
			t.Errorf("Backoff(%d) = up to %s, want %s", attempt, got, want)
		}
	}
	seen := map[time.Duration]bool{}
	for range 100 {
		d := platform.Backoff(3, rand.Int64N)
		if d <= 0 || d > 4*time.Second {
			t.Fatalf("Backoff(3) = %s", d)
		}
		seen[d.Round(100*time.Millisecond)] = true
	}
	if len(seen) < 10 {
		t.Errorf("100 waits fall on %d tenths of a second", len(seen))
	}
}
