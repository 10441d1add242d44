package platformtest_test

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/platform/platformtest"
)

// tell posts a behaviour and returns the status.
func (b *bed) tell(t *testing.T, behaviour string) int {
	t.Helper()
	resp, err := http.Post(b.server.URL+"/-/behave", "application/json", strings.NewReader(behaviour))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// get reads what the platform shows at a path into v.
func (b *bed) get(t *testing.T, path string, v any) {
	t.Helper()
	resp, err := http.Get(b.server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// What the client makes of each behaviour, and that it ends.
func TestBehaviour(t *testing.T) {
	for name, tt := range map[string]struct {
		behave  string
		timeout time.Duration
		kind    platform.Kind
		why     platform.Why
	}{
		"down":     {`{"down":true}`, 0, platform.Later, platform.ServerError},
		"html":     {`{"html":true}`, 0, platform.Misconfigured, platform.Unreadable},
		"hang up":  {`{"hangUp":true}`, 0, platform.Later, platform.Network},
		"failures": {`{"failures":1}`, 0, platform.Later, platform.ServerError},
		"code":     {`{"code":"9999"}`, 0, platform.Rejected, platform.Answered},
		"code 0":   {`{"code":"0"}`, 0, platform.Delivered, platform.Answered},
		"slow":     {`{"latency":"20s"}`, 100 * time.Millisecond, platform.Later, platform.Timeout},
		"latency":  {`{"latency":"1ms"}`, 0, platform.Delivered, platform.Answered},
		"well":     {`{}`, 0, platform.Delivered, platform.Answered},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(_ *platformtest.Options, c *platform.Config) {
				c.Pause = time.Nanosecond
				if tt.timeout > 0 {
					c.Timeout = tt.timeout
				}
			})
			if status := b.tell(t, tt.behave); status != http.StatusOK {
				t.Fatalf("told %s: got %d", tt.behave, status)
			}
			if v := b.post(t, "stk/sbzt", status); v.Kind != tt.kind || v.Why != tt.why {
				t.Errorf("got %s", v)
			}
			want := int64(0)
			if tt.kind == platform.Delivered {
				want = 1
			}
			var counts platformtest.Counts
			if b.get(t, "/-/counts", &counts); counts.Accepted != want || counts != b.Counts() {
				t.Errorf("got %+v, want %d accepted", counts, want)
			}
			if tt.timeout == 0 {
				b.tell(t, `{}`)
				if v := b.post(t, "stk/sbzt", status); v.Kind != platform.Delivered {
					t.Errorf("afterwards: got %s", v)
				}
			}
		})
	}
}

func TestBehave(t *testing.T) {
	b := newBed(t, nil)
	const text = `{"latency":"250ms","failures":0.5,"down":true,"code":"7","html":true,"hangUp":true}`
	b.tell(t, text)
	want := platformtest.Behaviour{Latency: 250 * time.Millisecond, Failures: 0.5, Down: true, Code: "7", HTML: true, HangUp: true}
	if got := b.Behaviour(); got != want {
		t.Errorf("got %+v", got)
	}
	for _, body := range []string{
		`{"lateny":"1s"}`, `{"latency":"soon"}`, `{"latency":"-1s"}`, `{"failures":2}`, `{"failures":-0.1}`, `{`, `{}{}`, ``,
	} {
		if status := b.tell(t, body); status != http.StatusBadRequest {
			t.Errorf("%s: got %d", body, status)
		}
	}
	var shown json.RawMessage
	if b.get(t, "/-/behave", &shown); string(shown) != text {
		t.Errorf("got %s, want it as it was before the errors", shown)
	}
	if err := (platformtest.Behaviour{Failures: math.NaN()}).Validate(); err == nil {
		t.Error("failures that are no number: want an error")
	}
}

// The wait of a slow platform ends when the asker has gone.
func TestLatencyEnds(t *testing.T) {
	b := newBed(t, nil)
	b.Behave(platformtest.Behaviour{Latency: 20 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		time.AfterFunc(50*time.Millisecond, cancel)
		b.ServeHTTP(w, r)
	}))
	defer server.CloseClientConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/api/v1/stk/sbzt?appKey=x", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Fatalf("got %s", resp.Status)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the handler still waits")
	}
}

// A code that means success does not lose the record.
func TestCodeZero(t *testing.T) {
	b := newBed(t, nil)
	b.Behave(platformtest.Behaviour{Code: "0"})
	if v := b.post(t, "stk/sbzt", status); v.Kind != platform.Delivered {
		t.Error(v)
	}
	if c := b.Counts(); c.Accepted != 1 || c.Refused != 0 || len(b.Records()) != 1 {
		t.Errorf("got %+v", c)
	}
}
