package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// State says "ok", or "degraded: " and what is wrong now: partitions that do
// not answer or do not take entries, missing replicas, a server that has taken
// over and is not set up to keep entries.
func (s *Store) State() string {
	wrong := s.faults.tell(s.options.Partitions)
	s.mu.Lock()
	wrong = append(wrong, s.found.wrong...)
	s.mu.Unlock()
	if len(wrong) == 0 {
		return "ok"
	}
	return "degraded: " + strings.Join(wrong, "; ")
}

// fault is the error with which the calls of a partition end at present.
type fault struct {
	since, at time.Time
	took      time.Duration // the last call that failed
	err       error
}

// faultOf tells the refusal of admissions, while the rest works, from the
// failure of all.
type faultOf struct {
	p         int
	admission bool
}

// faults are the partitions that fail at present.
type faults struct {
	mu sync.Mutex
	of map[faultOf]fault
}

// note remembers how calls ended that began then. What the caller itself cut
// short says nothing.
func (f *faults) note(ctx context.Context, calls []*call, began time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, c := range calls {
		var short *replicasError
		full := redis.IsOOMError(c.err) || errors.As(c.err, &short)
		which := faultOf{c.p, full}
		switch {
		case c.err == nil, errors.Is(c.err, redis.Nil):
			delete(f.of, faultOf{c.p, false})
			if c.admission {
				delete(f.of, faultOf{c.p, true})
			}
		case ctx.Err() == nil:
			old, known := f.of[which]
			if !known {
				old.since = began
			}
			f.of[which] = fault{old.since, now, now.Sub(began), c.err}
			if full { // it answers
				delete(f.of, faultOf{c.p, false})
			}
		}
	}
}

// lasting is for how long a partition has failed.
func (f *faults) lasting(p int) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if of, known := f.of[faultOf{p, false}]; known {
		return time.Since(of.since)
	}
	return 0
}

// spare tells whether to leave a partition alone for as long as its last
// failure took: a server that hangs must not hold up the others for more than
// half of the time.
func (f *faults) spare(p int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	of, known := f.of[faultOf{p, false}]
	return known && time.Since(of.at) < of.took
}

// tell gives one text for each different error.
func (f *faults) tell(partitions int) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	where := map[string][]int{}
	for of, fault := range f.of {
		text := fault.err.Error()
		where[text] = append(where[text], of.p)
	}
	var out []string
	for text, numbers := range where {
		slices.Sort(numbers)
		if numbers = slices.Compact(numbers); len(numbers) < partitions {
			text = fmt.Sprintf("partitions %v of %d: %s", numbers, partitions, text)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}
