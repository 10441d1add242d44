package proxy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
				name := filepath.Join(dir, "yiqiao.yaml")
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				change := fmt.Sprintf("timeout: 2s, concurrency: 1, newest: %d", newest)
				if err := os.WriteFile(name, []byte(strings.Replace(string(text), "timeout: 2s", change, 1)), 0o644); err != nil {
					t.Fatal(err)
				}
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
