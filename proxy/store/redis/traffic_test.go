package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/store"
)

// traffic is producers and deliverers on real time, which insist as the proxy
// and its devices do, and the account of what came of it.
type traffic struct {
	t       *testing.T
	s       *Store
	lease   time.Duration
	stop    context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	changed   *sync.Cond
	acked     map[string]int   // entries of a lane
	delivered map[string][]int // of a lane, in the order of delivery
	doubts    int              // admissions that ended uncertain
}

// backlog is how far a producer may be ahead of the deliveries.
const backlog = 20

// begin starts one producer for each lane, each of which is a group, and as
// many deliverers.
func begin(t *testing.T, s *Store, lanes int, lease time.Duration) *traffic {
	ctx, stop := context.WithCancel(context.Background())
	w := &traffic{t: t, s: s, lease: lease, stop: stop, acked: map[string]int{}, delivered: map[string][]int{}}
	w.changed = sync.NewCond(&w.mu)
	for i := range lanes {
		w.running.Go(func() { w.produce(ctx, fmt.Sprintf("lane %d", i)) })
		w.running.Go(func() { w.deliver(ctx) })
	}
	t.Cleanup(w.end)
	return w
}

// end stops the producers and waits until all is delivered.
func (w *traffic) end() {
	w.count(w.stop)
	w.running.Wait()
}

// produce admits the entries of a lane one after the other, each until it is
// acknowledged.
func (w *traffic) produce(ctx context.Context, lane string) {
	for n := 0; ctx.Err() == nil; {
		now := time.Now()
		e := store.Entry{
			ID: store.NewID(now), KeyTTL: time.Hour, Lane: lane, Group: lane,
			Body: []byte(fmt.Sprintf("%d of %s %s", n, lane, strings.Repeat("x", 2000))),
		}
		copy(e.Key[:], fmt.Sprintf("%4d %s", n, lane))
		for {
			got, err := w.s.Admit(context.Background(), now, []store.Entry{e})
			if err == nil && got[0] != (store.Admission{ID: e.ID}) {
				w.t.Errorf("%s %d was admitted as %+v", lane, n, got[0])
			}
			if err == nil {
				break
			}
			if errors.Is(err, store.ErrUncertain) {
				w.count(func() { w.doubts++ })
			}
			if !pause(ctx, 5*time.Millisecond) { // given up by the end of the test
				return
			}
		}
		n++
		w.count(func() { w.acked[lane] = n })
		w.wait(func() bool { return n-len(w.delivered[lane]) < backlog || ctx.Err() != nil })
	}
}

func (w *traffic) count(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	w.changed.Broadcast()
}

// deliver delivers until the producers have stopped and nothing is left.
func (w *traffic) deliver(ctx context.Context) {
	for {
		claims, err := w.s.Claim(context.Background(), time.Now(), store.Want{Max: 2, Newest: 1, Lease: w.lease})
		for _, c := range claims {
			w.deliverOne(c)
		}
		if len(claims) > 0 {
			continue
		}
		if err == nil && ctx.Err() != nil {
			if left, err := w.s.Stats(context.Background(), time.Now()); err == nil && left.Ready == 0 {
				return
			}
		}
		pause(context.Background(), 5*time.Millisecond)
	}
}

func (w *traffic) deliverOne(c store.Claim) {
	body, err := w.s.Load(context.Background(), c.ID, nil)
	if err != nil {
		w.s.Settle(context.Background(), time.Now(), c, store.Outcome{Do: store.Retry, At: time.Now(), Free: true})
		return
	}
	var n int
	if _, err := fmt.Sscanf(string(body), "%d of ", &n); err != nil || len(body) < 2000 {
		w.t.Errorf("body of %s: %q, %v", c.ID, body, err)
	}
	w.count(func() { w.delivered[c.Lane] = append(w.delivered[c.Lane], n) })
	for range 400 {
		if err = w.s.Settle(context.Background(), time.Now(), c, store.Outcome{Do: store.Delivered}); err == nil || errors.Is(err, store.ErrFenced) {
			return
		}
		pause(context.Background(), 5*time.Millisecond)
	}
	w.t.Errorf("Settle of %s: %v", c.ID, err)
}

// await waits until more entries have been acknowledged and delivered.
func (w *traffic) await(more int) {
	acked, delivered := 0, 0
	w.count(func() { acked, delivered = w.total() })
	w.wait(func() bool {
		a, d := w.total()
		return a >= acked+more && d >= delivered+more
	})
}

// wait until what count changes fulfils a condition.
func (w *traffic) wait(holds func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !holds() {
		w.changed.Wait()
	}
}

func (w *traffic) total() (acked, delivered int) {
	for _, n := range w.acked {
		acked += n
	}
	for _, list := range w.delivered {
		delivered += len(list)
	}
	return acked, delivered
}

// account stops the producers, waits until all is delivered and tells what was
// lost or out of order, and what was delivered twice although it may not.
func (w *traffic) account(mayRepeat bool) {
	w.t.Helper()
	w.end()
	for lane, n := range w.acked {
		got := w.delivered[lane]
		var firsts []int
		for _, i := range got {
			if !slices.Contains(firsts, i) {
				firsts = append(firsts, i)
			}
		}
		if !slices.IsSorted(firsts) {
			w.t.Errorf("%s was delivered out of order: %v", lane, firsts)
		}
		if len(firsts) < n || len(firsts) > n+1 { // the last may have been stored and not acknowledged
			w.t.Errorf("%s: %d entries were acknowledged, %d delivered", lane, n, len(firsts))
		}
		if !mayRepeat && len(firsts) != len(got) {
			w.t.Errorf("%s: %d deliveries of %d entries", lane, len(got), len(firsts))
		}
	}
}
