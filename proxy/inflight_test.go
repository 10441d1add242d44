//go:build !race

package proxy

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// With 16 events of 500 KB in flight the process holds at most three times
// their bytes. Not under the race detector, which keeps memory of its own.
func TestInFlightMemory(t *testing.T) {
	b := newBed(t, nil)
	half := strings.TrimRight(jpeg(187_000), "=")
	half = half[:len(half)/4*4]
	body := func(n int) string {
		return fmt.Sprintf(`{"areaNo":"340102001001001","snapNo":"34010200011323000001","snapTime":"2026-01-02 12:12:12","snapSmallImage":"%s","snapBigImage":"%s","n":%d}`, half, half, n)
	}
	const events = 16
	size := len(body(0))
	waiting, release := make(chan struct{}, events), make(chan struct{})
	bodies := make([]string, events)
	for i := range bodies {
		bodies[i] = body(i)
	}
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	b.store.before(func() error {
		waiting <- struct{}{}
		<-release
		return nil
	})
	var posting sync.WaitGroup
	for i := range events {
		posting.Go(func() {
			resp, err := http.Post(b.devices.URL+"/iflytek/api/v1/stk/zpjl", "application/json", strings.NewReader(bodies[i]))
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("got %s", resp.Status)
			}
		})
	}
	for range events {
		<-waiting
	}
	runtime.GC()
	runtime.ReadMemStats(&during)
	close(release)
	posting.Wait()
	held := int64(during.HeapAlloc) - int64(before.HeapAlloc)
	ratio := float64(held) / float64(events*size)
	t.Logf("%d events of %d bytes: %d bytes held, %.2f times theirs", events, size, held, ratio)
	if ratio > 3 {
		t.Errorf("%.2f times the bytes of the events, want at most 3", ratio)
	}
}
