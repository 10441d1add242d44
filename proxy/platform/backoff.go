package platform

import "time"

// The waits between two tries of one record.
const (
	backoffBase = time.Second
	backoffCap  = 5 * time.Minute
)

// Backoff is how long to wait before the next try, after attempt tries (from 1)
// that failed: a random time up to one second doubled with each try, at most
// five minutes. All of it is random ("full jitter"), so that the records of a
// long outage do not come back in step. int64N is rand.Int64N of math/rand/v2:
// a number in [0, n).
func Backoff(attempt int, int64N func(n int64) int64) time.Duration {
	ceiling := backoffCap
	// 2^9 seconds are beyond the cap; a larger shift would overflow some day.
	if attempt < 10 {
		ceiling = min(backoffCap, backoffBase<<max(0, attempt-1))
	}
	return time.Duration(int64N(int64(ceiling))) + 1
}
