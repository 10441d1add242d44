package disk

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// Admissions of so many producers, over 500 devices. ns/op is of one entry;
// cpu-s/GB counts both sides of the system call.
func BenchmarkAdmit(b *testing.B) {
	for _, c := range []struct{ size, producers int }{{1_000, 1}, {1_000, 64}, {3_000, 16}, {300_000, 1}, {300_000, 16}, {300_000, 64}} {
		b.Run(fmt.Sprintf("%dKB/%d", c.size/1000, c.producers), func(b *testing.B) {
			s := open(b, b.TempDir(), Options{})
			admitMany(b, s.Admit, c.size, c.producers)
			b.ReportMetric(float64(b.N)/float64(s.commits), "entries/commit")
		})
	}
}

type admit func(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error)

func admitMany(b *testing.B, do admit, size, producers int) {
	body := make([]byte, size)
	b.SetBytes(int64(size))
	var mu sync.Mutex
	var took []time.Duration
	next := make(chan int, 1024)
	var wg sync.WaitGroup
	before := cpuTime()
	b.ResetTimer()
	for range producers {
		wg.Go(func() {
			var mine []time.Duration
			for n := range next {
				now := time.Now()
				id := store.NewID(now)
				e := store.Entry{ID: id, KeyTTL: time.Hour, Lane: fmt.Sprint("stk/rytxjl 34010200100100115", n%500), Body: body,
					Labels: store.Labels{Source: "hikvision", Mapping: "hikvision/access.yaml", Interface: "stk/rytxjl", Device: fmt.Sprint("door-", n%500), Generation: "1-abcdef"}}
				copy(e.Key[:], id[10:])
				if _, err := do(context.Background(), now, []store.Entry{e}); err != nil {
					b.Error(err)
				}
				mine = append(mine, time.Since(now))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	for n := range b.N {
		next <- n
	}
	close(next)
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric((cpuTime()-before).Seconds()/(float64(b.N)*float64(size)/1e9), "cpu-s/GB")
	runtime.KeepAlive(body)
}

// cpuTime is what the process has used, in user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
