package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"yiqiao/proxy/device"
	"yiqiao/transform"
	"yiqiao/transform/event"
)

// lastWord is how long storing what was read may take when a subscription ends.
const lastWord = 5 * time.Second

// retryWait is a random time up to retryBase doubled with each failure, at most
// retryCap: the devices of a switch that was off do not come back in step.
func retryWait(failures int) time.Duration {
	ceiling := retryCap
	if failures < 7 {
		ceiling = min(retryCap, retryBase<<max(0, failures-1))
	}
	return ceiling/4 + time.Duration(rand.Int64N(int64(3*ceiling/4)))
}

// take stores an event of the device as if it had posted it. While it cannot be
// stored, nothing more is read from the device: it returns when it is, or when
// ctx has ended and it still could not.
func (sub *subscription) take(ctx context.Context, contentType string, body []byte) error {
	// What was read is stored even if the subscription ends now.
	for failures := 1; ; failures++ {
		storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		err := sub.p.takeEvent(storing, sub.pull.path, contentType, sub.remote, body)
		cancel()
		if err == nil {
			sub.update(func(s *Subscription) {
				s.Event = time.Now()
				s.Events++
				if s.State == blocked {
					s.State, s.Error = listening, ""
				}
			})
			return nil
		}
		sub.p.metrics.refusedRequest("store")
		sub.update(func(s *Subscription) { s.State, s.Error = blocked, err.Error() })
		sub.p.log.ErrorContext(ctx, "event of a subscription not stored, nothing more is read until it is", "device", sub.pull.device, "err", err)
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(retryWait(min(failures, 4))):
		}
	}
}

// takeEvent is what ingest does, for an event that was fetched: its source is
// the one that listens at path.
func (p *Proxy) takeEvent(ctx context.Context, path, contentType, remote string, body []byte) (err error) {
	begun := time.Now()
	g := p.gen.Load()
	s, params, ok := g.Rules.Match("POST", path)
	if s == nil || !ok {
		return fmt.Errorf("no source listens at %s any more", path)
	}
	held := min(2*int64(len(body))+8<<10, int64(g.Config.Limits.Memory))
	if err := p.memory.Acquire(ctx, held); err != nil {
		return fmt.Errorf("too many events at once (limits.memory): %w", err)
	}
	defer p.memory.Release(held)
	w := p.works.Get().(*work)
	defer p.release(w)
	w.event.Request = event.Request{Method: "POST", Path: path, Params: params, Remote: remote, Received: begun, ContentType: contentType}
	defer func() {
		// A mistake of ours must neither end the process nor meet the same
		// event for ever: it becomes a dead letter.
		if v := recover(); v != nil {
			p.metrics.refusedRequest("panic")
			p.log.Error("panic while an event was taken; please report this", "source", s.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			_, err = p.keep(ctx, g, s, w, body, transform.NewRefusal(transform.Undecodable, fmt.Errorf("panic: %v", v)))
		}
	}()
	p.taps.offer(s.Name, &w.event.Request, body)
	outcome, err := p.Accept(ctx, g, s, w, body)
	p.presence.sighted(s, &w.result, begun)
	if err != nil {
		return err
	}
	p.past.keep(s.Name, w, body)
	p.metrics.event(s, outcome, time.Since(begun), len(body))
	return nil
}

// How far a search for what was missed goes back: over the clocks of the two,
// and, at the first connection of the process, over the time that it may have
// been away. A dedup window that is shorter bounds it: what it forgot would come
// twice.
const (
	clockMargin = 10 * time.Minute
	longestGap  = 24 * time.Hour
)

func (sub *subscription) gapSince(heard time.Time) time.Time {
	window := min(longestGap, sub.p.gen.Load().Config.Dedup.Window)
	earliest := time.Now().Add(-window)
	if from := heard.Add(-clockMargin); !heard.IsZero() && from.After(earliest) {
		return from
	}
	return earliest
}

// fill asks the device for what happened while nobody listened, until it has
// answered or the connection ends; then the next one asks again.
func (sub *subscription) fill(ctx context.Context) {
	from := sub.status().Gap
	to := time.Now().Add(clockMargin)
	for failures := 1; ; failures++ {
		found := int64(0)
		err := sub.stream.Fill(ctx, sub.client, sub.pull.address, sub.pull.login, from.In(beijing), to.In(beijing), func(ctx context.Context, contentType string, body []byte) error {
			err := sub.take(ctx, contentType, body)
			if err == nil {
				found++
			}
			return err
		})
		words := fmt.Sprintf("%d events since %s", found, from.Format(time.DateTime))
		if err != nil {
			words = err.Error()
		}
		done := err == nil || errors.Is(err, device.ErrNoMemory)
		sub.update(func(s *Subscription) {
			s.Backfill = words
			s.Backfilled += found
			if done {
				s.Gap = time.Time{}
			}
		})
		sub.p.log.InfoContext(ctx, "asked for what was missed", "device", sub.pull.device, "stream", sub.pull.stream, "result", words)
		if done || errors.Is(err, device.ErrCredentials) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryWait(failures)):
		}
	}
}

// beijing is the zone in which times are asked for; devices take any.
var beijing = time.FixedZone("+08:00", 8*3600)
