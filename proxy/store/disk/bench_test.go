package disk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// What small entries cost beside the least that must be done, and beside SQLite
// alone: ratios of one run, for rates are those of the disk of the day.
func BenchmarkSmall(b *testing.B) {
	for _, c := range []struct {
		name string
		do   func(b *testing.B) admit
	}{
		{"log", func(b *testing.B) admit { return newBareLog(b, b.TempDir()).Admit }},
		{"store", func(b *testing.B) admit { return open(b, b.TempDir(), Options{}).Admit }},
		{"sqlite", func(b *testing.B) admit { return newSQLiteOnly(b, b.TempDir()).Admit }},
	} {
		b.Run(c.name, func(b *testing.B) { admitMany(b, c.do(b), 1_000, 64) })
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

// How long it takes to open a store that was killed with a backlog. Filling it
// takes minutes, so it is done once for each:
//
//	go test -run xxx -bench Reopen -benchtime 5x -timeout 30m ./proxy/store/disk
func BenchmarkReopen(b *testing.B) {
	for _, c := range []struct {
		name                 string
		size, entries, calls int // entries in calls of so many
	}{{"2GB", 300_000, 6_700, 1}, {"2.4M", 100, 2_400_000, 400}} {
		b.Run(c.name, func(b *testing.B) {
			folder := b.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "YIQIAO_TEST_BACKLOG="+folder, fmt.Sprintf("YIQIAO_TEST_SIZES=%d %d %d", c.size, c.entries, c.calls))
			out, err := cmd.CombinedOutput() // it kills itself
			if !strings.Contains(string(out), "full") {
				b.Fatalf("%s %v", out, err)
			}
			b.ResetTimer()
			for range b.N {
				s, err := Open(folder, Options{MinFree: 1})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if n := s.counters().ready; n != c.entries {
					b.Errorf("%d entries are there, want %d", n, c.entries)
				}
				s.Close()
				b.StartTimer()
			}
		})
	}
}

// backlog fills a store and kills itself with kill -9.
func backlog(folder string) {
	s, err := Open(folder, Options{MinFree: 1})
	if err != nil {
		panic(err)
	}
	var size, n, each int
	fmt.Sscan(os.Getenv("YIQIAO_TEST_SIZES"), &size, &n, &each)
	body := make([]byte, size)
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			for next.Add(int64(each)) <= int64(n) {
				entries := make([]store.Entry, each)
				for i := range entries {
					id := store.NewID(time.Now())
					entries[i] = store.Entry{ID: id, KeyTTL: 72 * time.Hour, Lane: fmt.Sprint("stk/rytxjl 3401020010010011", rand.IntN(500)), Body: body,
						Labels: store.Labels{Source: "hikvision", Mapping: "hikvision/access.yaml", Interface: "stk/rytxjl", Device: "door", Generation: "1-abcdef"}}
					copy(entries[i].Key[:], id[10:])
				}
				if _, err := s.Admit(context.Background(), time.Now(), entries); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	fmt.Println("full")
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// cpuTime is what the process has used, in user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
