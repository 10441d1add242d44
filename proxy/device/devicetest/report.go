package devicetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxSamples bounds how many unexpected answers are shown.
const maxSamples = 5

// Report is what a fleet sent, and what it was told.
type Report struct {
	Vendor     string
	Taken      int            // requests that got the answer that the vendor wants
	Kinds      map[string]int // of these, by the name of the request
	Repeated   int            // of these, sent again although they had been taken
	Again      map[string]int // of Repeated, by the name of the request
	Late       int            // of these, from the device's memory
	Busy       int            // answers 503, and connections that failed
	Unexpected int            // other answers
	Lost       int            // requests that were given up
	Samples    []string       // of what was unexpected
	P50, P99   time.Duration  // until the answer was there
	Max        time.Duration
}

// Trouble tells whether a device would complain.
func (r Report) Trouble() bool { return r.Lost > 0 || r.Unexpected > 0 }

func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d events taken (%d of them sent twice on purpose, %d from memory), %d times told to come again, %d unexpected answers, %d given up; answer p50 %s, p99 %s, max %s",
		r.Vendor, r.Taken, r.Repeated, r.Late, r.Busy, r.Unexpected, r.Lost, short(r.P50), short(r.P99), short(r.Max))
	for _, k := range slices.Sorted(maps.Keys(r.Kinds)) {
		fmt.Fprintf(&b, "\n  %-12s %d", k, r.Kinds[k])
	}
	for _, s := range r.Samples {
		b.WriteString("\n  " + s)
	}
	return b.String()
}

func short(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// account is the report while it grows.
type account struct {
	mu    sync.Mutex
	r     Report
	times []time.Duration // the last maxTimes
	n     int
}

const maxTimes = 10_000

func (a *account) add(do func(r *Report)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do(&a.r)
}

func (a *account) unexpected(text string) {
	a.add(func(r *Report) {
		r.Unexpected++
		if len(r.Samples) < maxSamples && !slices.Contains(r.Samples, text) {
			r.Samples = append(r.Samples, text)
		}
	})
}

func (a *account) taken(kind string, again, late bool, took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.r.Taken++
	if a.r.Kinds == nil {
		a.r.Kinds, a.r.Again = map[string]int{}, map[string]int{}
	}
	a.r.Kinds[kind]++
	if again {
		a.r.Repeated++
		a.r.Again[kind]++
	}
	if late {
		a.r.Late++
	}
	a.r.Max = max(a.r.Max, took)
	if len(a.times) < maxTimes {
		a.times = append(a.times, took)
	} else {
		a.times[a.n%maxTimes] = took
	}
	a.n++
}

func (a *account) report() Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.r
	r.Kinds, r.Again, r.Samples = maps.Clone(r.Kinds), maps.Clone(r.Again), slices.Clone(r.Samples)
	if n := len(a.times); n > 0 {
		s := slices.Sorted(slices.Values(a.times))
		r.P50, r.P99 = s[n/2], s[n*99/100]
	}
	return r
}
