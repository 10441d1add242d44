package redis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Time. The contract gives now to every call, but a lease that one replica
// takes is judged by another, whose clock may be seconds off: the entry would
// be given out twice, or wait. So all times that the scripts see are times of
// the server's clock. A store measures how far its own clock is from the
// server's (TIME), at Open and every half a minute, and moves by it the times
// that come in and go out. The script could not ask TIME itself: now would no
// longer be an argument, and a test could not move the clock.
//
// A difference below a second is left alone: a lease is longer by ten seconds
// than what it is for, and times come back as they were given.

const (
	leastOffset = time.Second
	// worthTelling: such a clock is wrong elsewhere too.
	worthTelling = 5 * time.Second
	clockTries   = 3
)

// theirs turns a time of this process into the server's.
func (s *Store) theirs(t time.Time) time.Time { return t.Add(time.Duration(s.offset.Load())) }

// ours turns a time of the server into this process's.
func (s *Store) ours(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(-time.Duration(s.offset.Load()))
}

// order reserves n consecutive places in the order of admission: microseconds
// of the server's clock, never twice in this process.
func (s *Store) order(n int) int64 {
	now := s.theirs(s.options.clock()).UnixMicro()
	for {
		last := s.lastOrder.Load()
		first := max(now, last+1)
		if s.lastOrder.CompareAndSwap(last, first+int64(n)-1) {
			return first
		}
	}
}

// measure sets the offset to that of the middle one of the masters' clocks,
// which is the same for all replicas of yiqiao.
func (s *Store) measure(ctx context.Context, nodes []*redis.Client) (warnings []string, err error) {
	var offsets []time.Duration
	for _, n := range nodes {
		d, err := s.measureOne(ctx, n)
		if err != nil {
			return nil, err
		}
		offsets = append(offsets, d)
	}
	slices.Sort(offsets)
	offset := offsets[len(offsets)/2]
	if offset.Abs() < leastOffset {
		offset = 0
	}
	s.offset.Store(int64(offset))
	if offset.Abs() > worthTelling {
		warnings = append(warnings, fmt.Sprintf("the clock of this machine is %v off the Redis server's: leases are held by "+
			"the server's clock, but both should be set (NTP)", offset.Round(time.Second).Abs()))
	}
	if d := offsets[len(offsets)-1] - offsets[0]; d > worthTelling {
		warnings = append(warnings, fmt.Sprintf("the clocks of the Redis servers differ by %v: set them (NTP)", d.Round(time.Second)))
	}
	return warnings, nil
}

// measureOne takes the try with the fastest answer: the server read its clock
// about in the middle between question and answer.
func (s *Store) measureOne(ctx context.Context, node *redis.Client) (offset time.Duration, err error) {
	best := time.Duration(-1)
	for range clockTries {
		asked := s.options.clock()
		theirs, err := node.Time(ctx).Result()
		if err != nil {
			return 0, err
		}
		if took := s.options.clock().Sub(asked); best < 0 || took < best {
			best, offset = took, theirs.Sub(asked.Add(took/2))
		}
	}
	return offset, nil
}
