package proxy

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// allowance bounds how many records a second go to the platform
// (platform.rate), each process for itself. It is asked before entries are
// claimed: an entry that waited behind its claim would wait in its lease. It is
// Deliver's own.
type allowance struct {
	limiter *rate.Limiter
	perSec  float64
}

// of says how many of free may be claimed now. perSec 0: all.
func (a *allowance) of(now time.Time, free int, perSec float64) int {
	if perSec <= 0 {
		a.limiter = nil
		return free
	}
	if a.limiter == nil || a.perSec != perSec {
		// What gathers while Deliver looks away may go at once, or a look every
		// idlePoll would be slower than the rate.
		burst := max(1, int(math.Ceil(perSec*idlePoll.Seconds())))
		a.limiter, a.perSec = rate.NewLimiter(rate.Limit(perSec), burst), perSec
	}
	return min(free, int(a.limiter.TokensAt(now)))
}

// took accounts for n claims.
func (a *allowance) took(now time.Time, n int) {
	if a.limiter != nil && n > 0 {
		a.limiter.ReserveN(now, n)
	}
}

// wait is until when Deliver need not look again, idlePoll at most.
func (a *allowance) wait(now time.Time) time.Duration {
	if a.limiter == nil {
		return idlePoll
	}
	lacking := 1 - a.limiter.TokensAt(now)
	if lacking <= 0 {
		return idlePoll
	}
	return min(idlePoll, max(time.Millisecond, time.Duration(lacking/a.perSec*float64(time.Second))))
}
