//go:build soak

package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/device/devicetest"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/transform/event"
)

// The daemon under load for a long time, with a platform that fails in waves:
// nothing is lost, disk and memory stay bounded, answers stay quick.
//
//	SOAK=30m go test -tags soak -run TestSoak -timeout 60m -v ./cmd/yiqiao
//
// First it finds what the machine can carry, from the device to the platform
// (which runs here too, as the devices do): the rate at which the platform
// gets records while devices post without a pause. Then it posts at 80 % of
// that. In the first ten seconds of each minute the platform fails, each time
// in another way. An event of stk/zpjl carries two pictures of 112 KB together.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	s := newSoak(t)
	capacity := s.capacity(20 * time.Second)
	rate := capacity * 0.8
	t.Logf("capacity %.0f events/s (%.1f MB/s); the load is %.0f/s", capacity, capacity*soakBytes/1e6, rate)
	s.run(length, rate)
	s.drained()
	s.judge()
}

const (
	soakBytes   = 150_000 // of one event, about
	soakDevices = 500
	soakPeriod  = time.Minute
)

// waves are how the platform fails, one after another.
var waves = []platformtest.Behaviour{
	{Down: true}, {Failures: 0.5}, {HangUp: true}, {Latency: 2 * time.Second},
}

type soak struct {
	*plant
	client *http.Client
	head   []byte // of every body, up to the name of the event
	next   atomic.Int64
	acked  atomic.Int64
	again  atomic.Int64 // answers that told a device to come again

	mu    sync.Mutex
	took  []time.Duration
	marks []soakMark
}

// soakMark is what a minute showed.
type soakMark struct {
	p99          time.Duration
	memory, disk int64 // disk: beyond what waits to be delivered
}

func newSoak(t *testing.T) *soak {
	// Keys live for five minutes, so that their number stops growing within the
	// soak; a device's clock goes on, so nothing is a duplicate.
	s := &soak{plant: newLedgerOf(t, 1).alone("{disk: data}\ndedup: {window: 5m}")}
	s.configure("timeout: 5s", "timeout: 5s, concurrency: 32") // the platform may be slow, and is when it shares the machine
	picture := base64.StdEncoding.EncodeToString(event.SyntheticJPEG(100_000, 1))
	crop := base64.StdEncoding.EncodeToString(event.SyntheticJPEG(12_000, 2))
	s.head = fmt.Appendf(nil, `{"snapSmallImage":%q,"snapBigImage":%q,"areaNo":%q,`, crop, picture, devicetest.Area)
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	s.start()
	return s
}

func (s *soak) configure(old, new string) {
	name := filepath.Join(s.dir, "yiqiao.yaml")
	data, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, bytes.Replace(data, []byte(old), []byte(new), 1), 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// post posts the next event until it is taken.
func (s *soak) post() {
	n := s.next.Add(1)
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(n/soakDevices) * time.Second)
	body := fmt.Appendf(bytes.Clone(s.head), `"snapNo":"3401020001132%07d","snapTime":%q}`, n%soakDevices, at.Format(time.DateTime))
	for {
		begun := time.Now()
		resp, err := s.client.Post(s.url+"/iflytek/api/v1/stk/zpjl", "application/json", bytes.NewReader(body))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				s.mu.Lock()
				s.took = append(s.took, time.Since(begun))
				s.mu.Unlock()
				s.acked.Add(1)
				return
			}
		}
		s.again.Add(1)
		wait := time.NewTimer(200 * time.Millisecond)
		<-wait.C
	}
}

func (s *soak) arrived() int64 {
	c := s.platform.Counts()
	return c.Accepted - c.Repeated
}

// capacity is the rate at which events go all the way.
func (s *soak) capacity(d time.Duration) float64 {
	end := time.Now().Add(d)
	var posting sync.WaitGroup
	for range 16 {
		posting.Go(func() {
			// Not more than the delivery keeps up with, or its share of the
			// machine would be taken by a backlog.
			for time.Now().Before(end) {
				if s.acked.Load()-s.arrived() < 256 {
					s.post()
				} else {
					wait := time.NewTimer(time.Millisecond)
					<-wait.C
				}
			}
		})
	}
	begun, before := time.Now(), s.arrived()
	posting.Wait()
	return float64(s.arrived()-before) / time.Since(begun).Seconds()
}

func (s *soak) run(length time.Duration, rate float64) {
	tick, wave, mark := time.NewTicker(10*time.Millisecond), time.NewTicker(time.Second), time.NewTicker(soakPeriod)
	begun, posted := time.Now(), 0.0
	slots := make(chan struct{}, 64)
	var posting sync.WaitGroup
	defer posting.Wait()
	for time.Since(begun) < length {
		select {
		case <-tick.C:
			for ; posted < rate*time.Since(begun).Seconds(); posted++ {
				slots <- struct{}{}
				posting.Go(func() { s.post(); <-slots })
			}
		case <-wave.C:
			now := int(time.Since(begun).Seconds())
			var b platformtest.Behaviour
			if now%60 < 10 {
				b = waves[now/60%len(waves)]
			}
			s.platform.Behave(b)
		case <-mark.C:
			s.mark(time.Since(begun))
		}
	}
	s.platform.Behave(platformtest.Behaviour{})
}

func (s *soak) mark(at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.took)
	n := len(s.took)
	disk, waiting := s.disk(), s.acked.Load()-s.arrived()
	m := soakMark{s.took[n*99/100], s.memory(), disk - waiting*soakBytes}
	s.marks = append(s.marks, m)
	s.t.Logf("%5.0fs: %d taken, %d told to come again, %d arrived; answer p50 %s p99 %s; %d MB of memory, %d MB on disk",
		at.Seconds(), s.acked.Load(), s.again.Load(), s.arrived(), s.took[n/2].Round(100*time.Microsecond), m.p99.Round(100*time.Microsecond), m.memory>>20, disk>>20)
	s.took = s.took[:0]
}

// drained waits until the platform has all.
func (s *soak) drained() {
	for deadline := time.Now().Add(3 * time.Minute); s.arrived() != s.acked.Load(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d events were acknowledged, %d records arrived", s.acked.Load(), s.arrived())
		}
		wait := time.NewTimer(100 * time.Millisecond)
		<-wait.C
	}
	c := s.platform.Counts()
	s.t.Logf("%d events, %d records, %d of them twice", s.acked.Load(), c.Accepted, c.Repeated)
}

// judge compares the last third with the first: what grows without an end
// shows there.
func (s *soak) judge() {
	third := len(s.marks) / 3
	if third < 2 {
		s.t.Log("too short to judge growth: want six minutes at least")
		return
	}
	first, last := s.marks[:third], s.marks[len(s.marks)-third:]
	for _, c := range []struct {
		what  string
		of    func(m soakMark) int64
		times int64 // more than so many times the first third is too much
		least int64 // and what is below this is never too much
	}{
		{"bytes of memory", func(m soakMark) int64 { return m.memory }, 2, 256 << 20},
		{"bytes on disk beyond what waits", func(m soakMark) int64 { return m.disk }, 2, 1 << 30},
		{"nanoseconds p99", func(m soakMark) int64 { return int64(m.p99) }, 3, int64(50 * time.Millisecond)},
	} {
		median := func(list []soakMark) int64 {
			var values []int64
			for _, m := range list {
				values = append(values, c.of(m))
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		was, is := median(first), median(last)
		s.t.Logf("%s: %d in the first third, %d in the last", c.what, was, is)
		if is > max(c.least, was*c.times) {
			s.t.Errorf("%s grew from %d to %d", c.what, was, is)
		}
	}
}

// memory is what the daemon has resident, in bytes.
func (p *plant) memory() (n int64) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.Process.Pid))
	_, rest, _ := bytes.Cut(data, []byte("VmRSS:"))
	_, _ = fmt.Sscan(string(rest), &n)
	return n << 10
}

// disk is what the store takes, in bytes.
func (p *plant) disk() (n int64) {
	_ = filepath.WalkDir(filepath.Join(p.dir, "data"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil // files come and go
	})
	return n
}
