package proxy

import (
	"context"
	"errors"
	"time"

	"yiqiao/proxy/store"
)

// tidyEvery is how often the bounds of the dead letters are looked at.
const tidyEvery = time.Minute

// Tidy keeps the dead letters within the site's bounds (dead.maxAge,
// dead.maxBytes) until ctx ends.
func (p *Proxy) Tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if err := p.tidy(ctx, time.Now()); err != nil && ctx.Err() == nil {
			p.metrics.storeErrors.Inc()
			p.log.WarnContext(ctx, "dead letters could not be tidied", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Proxy) tidy(ctx context.Context, now time.Time) error {
	c := p.gen.Load().Config.Dead
	err := p.fallOff(ctx, store.Filter{Until: now.Add(-c.MaxAge)}, "age", func(store.Info) bool { return true })
	st, statErr := p.store.Stats(ctx, now)
	if err = errors.Join(err, statErr); err != nil {
		return err
	}
	over := st.DeadBytes - int64(c.MaxBytes)
	return p.fallOff(ctx, store.Filter{}, "bytes", func(i store.Info) bool {
		if over <= 0 {
			return false
		}
		over -= int64(i.Size)
		return true
	})
}

// fallOff drops dead letters, the oldest first, while drop says so.
func (p *Proxy) fallOff(ctx context.Context, f store.Filter, why string, drop func(store.Info) bool) error {
	f.State = store.Dead
	for {
		list, err := p.store.List(ctx, f)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, i := range list {
			if !drop(i) {
				return nil
			}
			if err := p.DropDead(ctx, i.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			p.metrics.fallen.WithLabelValues(why).Inc()
			p.log.WarnContext(ctx, "a dead letter fell off", "why", why, "id", i.ID, "admitted", i.Admitted, "source", i.Labels.Source, "device", i.Labels.Device, "class", i.Reason.Class)
		}
	}
}
