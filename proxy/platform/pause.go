package platform

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Pause is an interface whose records wait because the last one was
// Misconfigured.
type Pause struct {
	Interface string
	Since     time.Time
	Until     time.Time // when one record may try again
	Verdict   Verdict   // why
}

// pauses holds the paused interfaces. Each is on its own: a platform may lack
// one (HTTP 404) and know the others.
type pauses struct {
	every time.Duration

	mu     sync.Mutex
	routes map[string]*pausedRoute
}

type pausedRoute struct {
	Pause
	probing bool // one record is on its way to see whether things are better
}

// hold returns the verdict for a record of a paused interface. When the pause
// is over the first record to ask may pass, as a probe: note must follow.
func (p *pauses) hold(iface string) (Verdict, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.routes[iface]
	if r == nil {
		return Verdict{}, false
	}
	rest := time.Until(r.Until)
	if rest <= 0 && !r.probing {
		r.probing = true
		return Verdict{}, false
	}
	v := r.Verdict
	v.Why, v.After, v.Latency = Paused, orSecond(rest), 0
	v.Message = r.Verdict.Why.String() + ": " + v.Message
	return v, true
}

// note learns from the verdict of a record that was let through.
func (p *pauses) note(iface string, v Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.routes[iface]
	switch v.Kind {
	case Misconfigured:
		now := time.Now()
		if r == nil {
			r = &pausedRoute{Pause: Pause{Interface: iface, Since: now}}
			p.routes[iface] = r
		}
		r.Until, r.Verdict, r.probing = now.Add(p.every), v, false
	case Delivered, Rejected:
		delete(p.routes, iface)
	default:
		// The probe learnt nothing: the next record is the probe.
		if r != nil {
			r.probing = false
		}
	}
}

// end lets every paused interface try at once.
func (p *pauses) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.routes)
}

func (p *pauses) list() []Pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Pause, 0, len(p.routes))
	for _, r := range p.routes {
		all = append(all, r.Pause)
	}
	slices.SortFunc(all, func(a, b Pause) int { return cmp.Compare(a.Interface, b.Interface) })
	return all
}

// orSecond is the wait while another record is trying and its end is not known.
func orSecond(rest time.Duration) time.Duration {
	if rest > 0 {
		return rest
	}
	return time.Second
}
