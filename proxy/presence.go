package proxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/event"
)

// presence knows when devices were last heard of. Each process notes what it
// hears itself; at each tick it brings that to the store and gets what the
// others have heard, and the one that leads tells the platform who came and who
// is silent (see store.Meet).
type presence struct {
	holder string // of the lead

	mu      sync.RWMutex
	devices map[string]*deviceState
	since   time.Time // when somebody began to listen, as the store knows

	met   sync.Mutex // held while the store is asked; leads and lost are under it
	leads bool
	lost  bool // the last meeting failed
}

// deviceState is one device, by the first id of its row.
type deviceState struct {
	mu    sync.Mutex
	note  store.Sighting
	dirty bool // heard of since the last meeting

	day    int // of events: yyyymmdd, local
	events int // of this process
	// problem is the last event of it that gave no record: its class, and why
	// in both languages.
	problem   *transform.Refusal
	problemAt time.Time
}

// leaseTicks is how many ticks a lead lasts without a meeting.
const leaseTicks = 3

// The tick is a twelfth of the shortest silence, within these bounds.
const (
	shortTick = 50 * time.Millisecond
	longTick  = 5 * time.Second
)

// meetTimeout bounds one tick, with all that it tells: a store that hangs is
// asked again.
const meetTimeout = 30 * time.Second

func newPresence(started time.Time) *presence {
	return &presence{holder: store.NewID(started), devices: map[string]*deviceState{}}
}

func (p *presence) device(name string) *deviceState {
	p.mu.RLock()
	d := p.devices[name]
	p.mu.RUnlock()
	if d != nil {
		return d
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if d = p.devices[name]; d == nil {
		d = &deviceState{note: store.Sighting{Device: name}}
		p.devices[name] = d
	}
	return d
}

// sighted notes that the device of an event was heard of. Events of presence
// itself, of imports and of retried dead letters do not come here.
func (p *presence) sighted(s *transform.Source, res *transform.Result, at time.Time) {
	if res.Sighted == "" {
		return
	}
	d := p.device(res.Sighted)
	day := at.Year()*10000 + int(at.Month())*100 + at.Day()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note = d.note.Merge(store.Sighting{Seen: at, Source: s.Name, Beats: res.Beats})
	d.dirty = true
	if d.day != day {
		d.day, d.events = day, 0
	}
	d.events++
	if res.Refusal != nil {
		d.problem, d.problemAt = res.Refusal, at
	}
}

// tick is how often the store is asked; 0: no source watches its devices.
func tick(g *Generation) time.Duration {
	shortest := time.Duration(0)
	for _, s := range g.Rules.Sources {
		if s.Presence != nil && (shortest == 0 || s.Presence.Silent < shortest) {
			shortest = s.Presence.Silent
		}
	}
	if shortest == 0 {
		return 0
	}
	return min(max(shortest/12, shortTick), longTick)
}

// WatchDevices tells the platform which devices came and which are silent,
// until ctx ends.
func (p *Proxy) WatchDevices(ctx context.Context) {
	for {
		every := tick(p.gen.Load())
		wait := every
		if wait == 0 {
			wait = longTick // a reload may bring a source that watches
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			if every > 0 { // what was heard since the last tick
				last, cancel := context.WithTimeout(context.WithoutCancel(ctx), longTick)
				p.tickPresence(last, time.Now(), every)
				cancel()
			}
			return
		case <-t.C:
		}
		if every > 0 {
			bounded, cancel := context.WithTimeout(ctx, meetTimeout)
			p.tickPresence(bounded, time.Now(), every)
			cancel()
		}
	}
}

// tickPresence is one tick.
func (p *Proxy) tickPresence(ctx context.Context, now time.Time, every time.Duration) {
	w := p.presence
	w.met.Lock()
	defer w.met.Unlock()
	m := store.Meeting{Holder: w.holder, Lease: leaseTicks * every, Notes: w.take()}
	a, err := p.store.Meet(ctx, now, m)
	if err != nil {
		w.giveBack(m.Notes)
		if w.leads = false; !w.lost && ctx.Err() == nil {
			p.log.WarnContext(ctx, "presence of devices is not told: the store cannot be asked", "err", err)
		}
		w.lost = true
		return
	}
	w.lost = false
	w.mu.Lock()
	w.since = a.Since
	w.mu.Unlock()
	w.merge(a.All)
	if a.Leads != w.leads {
		p.log.InfoContext(ctx, "presence of devices", "leads", a.Leads)
	}
	if w.leads = a.Leads; !w.leads {
		return
	}
	if told := p.tellPresence(ctx, now, a); len(told) > 0 {
		w.merge(told)
		m.Notes = told
		if _, err := p.store.Meet(ctx, now, m); err != nil {
			p.log.WarnContext(ctx, "what the platform was told of devices was not noted; it may be told again", "err", err)
		}
	}
}

// take returns what was heard of since the last meeting.
func (w *presence) take() (notes []store.Sighting) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, d := range w.devices {
		d.mu.Lock()
		if d.dirty {
			notes, d.dirty = append(notes, d.note), false
		}
		d.mu.Unlock()
	}
	return notes
}

func (w *presence) giveBack(notes []store.Sighting) {
	for i := range notes {
		d := w.device(notes[i].Device)
		d.mu.Lock()
		d.dirty = true
		d.mu.Unlock()
	}
}

func (w *presence) merge(all []store.Sighting) {
	for i := range all {
		d := w.device(all[i].Device)
		d.mu.Lock()
		d.note = d.note.Merge(all[i])
		d.mu.Unlock()
	}
}

// tellPresence tells the platform what has changed, and again what it was told long
// ago. told is what it was told.
func (p *Proxy) tellPresence(ctx context.Context, now time.Time, a store.Attendance) (told []store.Sighting) {
	g := p.gen.Load()
	for _, n := range a.All {
		s := g.Rules.Source(n.Source)
		if s == nil || s.Presence == nil || s.Presence.Events == nil || s.DeviceTable().Row(n.Device) == nil {
			continue // nobody watches it any more
		}
		online := isOnline(s.Presence, n, a.Since, now)
		again := !n.Told.IsZero() && n.Online == online && s.Presence.Refresh > 0 && now.Sub(n.Told) >= s.Presence.Refresh
		switch {
		case n.Told.IsZero() && !online:
			continue // the platform never heard of it
		case !n.Told.IsZero() && n.Online == online && !again:
			continue
		}
		if err := p.announce(ctx, g, s, transform.PresenceEvent{Device: n.Device, Online: online, Since: n.Seen, At: now}, again); err != nil {
			p.log.WarnContext(ctx, "presence of a device was not stored; it is tried again", "device", n.Device, "online", online, "err", err)
			continue
		}
		if !again {
			p.log.InfoContext(ctx, "device", "device", n.Device, "source", s.Name, "online", online, "seen", n.Seen)
		}
		n.Online, n.Told = online, now
		told = append(told, n)
	}
	return told
}

// isOnline tells whether a device is there. Who was told to be offline has to
// be heard of; anybody else has its whole time of silence since somebody began
// to listen.
func isOnline(c *transform.Presence, n store.Sighting, since, now time.Time) bool {
	heard := n.Seen
	if gone := !n.Told.IsZero() && !n.Online; !gone && since.After(heard) {
		heard = since
	}
	if now.Sub(heard) < c.Silent {
		return true
	}
	return !c.Judges(n.Beats) && (n.Told.IsZero() || n.Online || n.Seen.After(n.Told))
}

// presencePath begins the path of an event of presence; no device posts there.
const presencePath = "/-/presence/"

// announce takes the event through Accept: what is wrong with its record
// becomes a dead letter, as with any other.
func (p *Proxy) announce(ctx context.Context, g *Generation, s *transform.Source, e transform.PresenceEvent, again bool) error {
	body, err := e.Body()
	if err != nil {
		return err
	}
	w := p.works.Get().(*work)
	defer p.release(w)
	w.event.Request = event.Request{Method: "POST", Path: presencePath + s.Name, ContentType: "application/json", Received: e.At}
	w.again = again
	outcome, err := p.Accept(ctx, g, s.Presence.Events, w, body)
	if err == nil {
		p.metrics.event(s.Presence.Events, outcome, 0, len(body))
	}
	return err
}

// The states of a device.
const (
	Online    = "online"
	Offline   = "offline"
	NeverSeen = "never"
)

// DeviceState is one row of the device table, as its presence is known.
type DeviceState struct {
	Device string     `json:"device"` // the first id of its row
	Name   string     `json:"name,omitempty"`
	State  string     `json:"state"`            // online, offline, never
	Source string     `json:"source,omitempty"` // that heard of it last
	Seen   *time.Time `json:"seen,omitempty"`
	Beats  bool       `json:"beats"`           // it sends heartbeats
	Told   *time.Time `json:"told,omitempty"`  // when the platform was last told
	Tells  string     `json:"tells,omitempty"` // what it was told: online or offline
	Events int        `json:"events"`          // today, in this process
	// Problem is the last event of it that gave no record, in this process:
	// its class, and why.
	Problem   string     `json:"problem,omitempty"`
	Chinese   string     `json:"chinese,omitempty"`
	Class     string     `json:"class,omitempty"`
	ProblemAt *time.Time `json:"problemAt,omitempty"`
}

// Presence lists the devices of all sources that watch theirs, by id.
func (p *Proxy) Presence(now time.Time) []DeviceState {
	g := p.gen.Load()
	w := p.presence
	w.mu.RLock()
	since := w.since
	w.mu.RUnlock()
	var list []DeviceState
	seen := map[string]bool{}
	for _, s := range g.Rules.Sources {
		if s.Presence == nil {
			continue
		}
		for _, name := range s.DeviceTable().Names() {
			if !seen[name] {
				seen[name] = true
				list = append(list, w.state(g, s, name, since, now))
			}
		}
	}
	slices.SortFunc(list, func(a, b DeviceState) int {
		if a.Device < b.Device {
			return -1
		}
		return 1
	})
	return list
}

func (w *presence) state(g *Generation, s *transform.Source, name string, since, now time.Time) DeviceState {
	out := DeviceState{Device: name, State: NeverSeen}
	out.Name, _ = s.DeviceTable().Row(name)["name"].(string)
	w.mu.RLock()
	d := w.devices[name]
	w.mu.RUnlock()
	if d == nil {
		return out
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.note
	if d.day == now.Year()*10000+int(now.Month())*100+now.Day() {
		out.Events = d.events
	}
	if d.problem != nil {
		at := d.problemAt
		out.Problem, out.Chinese, out.Class, out.ProblemAt = d.problem.Text, d.problem.Chinese, string(d.problem.Class), &at
	}
	if n.Seen.IsZero() {
		return out
	}
	if of := g.Rules.Source(n.Source); of != nil && of.Presence != nil {
		s = of
	}
	out.State, out.Source, out.Seen, out.Beats = Offline, n.Source, &n.Seen, n.Beats
	if isOnline(s.Presence, n, since, now) {
		out.State = Online
	}
	if !n.Told.IsZero() {
		out.Told, out.Tells = &n.Told, Offline
		if n.Online {
			out.Tells = Online
		}
	}
	return out
}
