package proxy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"yiqiao/proxy/device"
)

// subscriptions are the devices that are listened to because their rows say so
// (see pulls.go). With several replicas each listens by itself: what more than
// one brings is recognised by its keys, as a resend is.
type subscriptions struct {
	changed chan struct{}
	mu      sync.Mutex
	running map[pull]*subscription
}

func newSubscriptions() *subscriptions {
	return &subscriptions{changed: make(chan struct{}, 1), running: map[pull]*subscription{}}
}

// wake lets Subscribe look at the rules again.
func (s *subscriptions) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Subscribe listens to the devices that the rules in use name until ctx ends;
// what was read is stored then. A reload starts, stops and restarts
// subscriptions whose rows have changed, and leaves the others alone.
func (p *Proxy) Subscribe(ctx context.Context) {
	s := p.subscriptions
	var running sync.WaitGroup
	defer running.Wait()
	ends := map[pull]context.CancelFunc{}
	for {
		wanted, _ := pulls(p.gen.Load().Rules) // problems were told when they were loaded
		s.mu.Lock()
		for w, end := range ends {
			if !slices.Contains(wanted, w) {
				end()
				delete(ends, w)
				delete(s.running, w)
			}
		}
		for _, w := range wanted {
			if ends[w] == nil {
				one, end := context.WithCancel(ctx)
				ends[w] = end
				sub := newSubscription(p, w)
				s.running[w] = sub
				running.Go(func() { sub.run(one) })
			}
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		}
	}
}

// Subscription is what a subscription is doing, for people.
type Subscription struct {
	Device     string    `json:"device"`
	Stream     string    `json:"stream"`
	Address    string    `json:"address"`
	State      string    `json:"state"`                // connecting, listening, blocked (what it read cannot be stored now), waiting (for the next try)
	Since      time.Time `json:"since"`                // it is in this state
	Heard      time.Time `json:"heard,omitzero"`       // the last part came, a heartbeat too
	Event      time.Time `json:"event,omitzero"`       // the last event was stored
	Events     int64     `json:"events"`               // stored since the start, those of backfills too
	Connects   int64     `json:"connects"`             // connections that the device took
	Error      string    `json:"error,omitempty"`      // why the last connection ended
	Backfill   string    `json:"backfill,omitempty"`   // how the last search for what was missed went
	Backfilled int64     `json:"backfilled,omitempty"` // events that searches found, known ones too
	Gap        time.Time `json:"gapSince,omitzero"`    // what happened since then may be missing still
	NextTry    time.Time `json:"nextTry,omitzero"`     // of state waiting
	TooLarge   int64     `json:"tooLarge,omitempty"`   // events beyond limits.body, passed over
}

// The states of a subscription.
const (
	connecting = "connecting"
	listening  = "listening"
	blocked    = "blocked"
	waiting    = "waiting"
)

// subscriptionStates are all of them.
var subscriptionStates = []string{connecting, listening, blocked, waiting}

// Subscriptions lists them by device.
func (p *Proxy) Subscriptions() []Subscription {
	s := p.subscriptions
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Subscription, 0, len(s.running))
	for _, sub := range s.running {
		list = append(list, sub.status())
	}
	slices.SortFunc(list, func(a, b Subscription) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Stream, b.Stream))
	})
	return list
}

func (p *Proxy) listSubscriptions(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, p.Subscriptions())
}

// subscription is one device that is listened to.
type subscription struct {
	p      *Proxy
	pull   pull
	stream device.Stream
	client *device.Client
	remote string

	mu sync.Mutex
	s  Subscription
}

func newSubscription(p *Proxy, w pull) *subscription {
	sub := &subscription{p: p, pull: w, s: Subscription{Device: w.device, Stream: w.stream, Address: w.address, State: connecting, Since: time.Now()}}
	streams := device.Streams()
	sub.stream = streams[slices.IndexFunc(streams, func(s device.Stream) bool { return s.Name == w.stream })] // pulls has proved it
	u, _ := url.Parse(w.address)                                                                              // likewise
	sub.remote = u.Hostname()
	// The address stands in the site's own table: it, and no other, may be called.
	guard, _ := device.NewGuard([]string{sub.remote})
	sub.client = device.NewClient(device.Options{Guard: guard, AnyCertificate: true}) // devices sign their own
	return sub
}

func (sub *subscription) status() Subscription {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.s
}

func (sub *subscription) update(do func(s *Subscription)) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	before := sub.s.State
	do(&sub.s)
	if sub.s.State != before {
		sub.s.Since = time.Now()
	}
}

// Waits between two connections: devices lock a user out for half an hour who
// comes with a wrong password again and again.
const (
	retryBase       = time.Second
	retryCap        = time.Minute
	credentialsWait = 10 * time.Minute
	steady          = 30 * time.Second // a connection that lived so long was a good one
)

// run connects again and again until ctx ends.
func (sub *subscription) run(ctx context.Context) {
	defer sub.client.Close()
	log := sub.p.log.With("device", sub.pull.device, "stream", sub.pull.stream, "address", sub.pull.address)
	told := ""
	for failures := 0; ; {
		sub.update(func(s *Subscription) { s.State, s.NextTry = connecting, time.Time{} })
		begun := time.Now()
		err := sub.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if failures++; time.Since(begun) > steady {
			failures, told = 1, ""
		}
		wait := retryWait(failures)
		if errors.Is(err, device.ErrCredentials) {
			wait = credentialsWait
		}
		level := slog.LevelWarn
		if err.Error() == told {
			level = slog.LevelDebug // a device that is off for a week says it once
		}
		told = err.Error()
		log.Log(ctx, level, "subscription ended", "err", err, "again", wait.Round(time.Millisecond))
		sub.p.metrics.subscriptionEnds.WithLabelValues(sub.pull.stream, endOf(err)).Inc()
		sub.update(func(s *Subscription) { s.State, s.Error, s.NextTry = waiting, err.Error(), time.Now().Add(wait) })
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// endOf is why a connection ended, in a word, for metrics.
func endOf(err error) string {
	status, refused := new(device.Status), new(device.Refused)
	switch {
	case errors.Is(err, device.ErrCredentials):
		return "credentials"
	case errors.Is(err, device.ErrSilent):
		return "silent"
	case errors.As(err, &status):
		return "status"
	case errors.As(err, &refused):
		return "address"
	}
	return "connection"
}

// connect is one connection from its beginning to its end.
func (sub *subscription) connect(ctx context.Context) error {
	// The search for what was missed ends with the connection.
	ctx, end := context.WithCancel(ctx)
	var filling sync.WaitGroup
	defer filling.Wait()
	defer end()
	l := device.Listener{
		Client: sub.client, Credentials: sub.pull.login, Address: sub.pull.address, Stream: sub.stream,
		Limit: int(sub.p.gen.Load().Config.Limits.Body),
		Begun: func() {
			sub.p.log.InfoContext(ctx, "subscribed", "device", sub.pull.device, "stream", sub.pull.stream, "address", sub.pull.address)
			sub.update(func(s *Subscription) {
				s.State, s.Error = listening, ""
				s.Connects++
				if s.Gap.IsZero() {
					s.Gap = sub.gapSince(s.Heard)
				}
			})
			if sub.stream.Fill == nil {
				sub.update(func(s *Subscription) { s.Gap = time.Time{} })
				return
			}
			filling.Go(func() { sub.fill(ctx) })
		},
		Heard: func() { sub.update(func(s *Subscription) { s.Heard = time.Now() }) },
		Event: func(ctx context.Context, body []byte) error {
			return sub.take(ctx, device.GroupType, body)
		},
		Large: func(err error) {
			sub.p.metrics.refusedRequest("too-large")
			sub.p.log.WarnContext(ctx, "an event of a subscription was passed over", "device", sub.pull.device, "err", err)
			sub.update(func(s *Subscription) { s.TooLarge++ })
		},
	}
	return l.Listen(ctx)
}

// subscriptionCollector shows how many devices are listened to, and when the
// one that was silent for longest was heard.
type subscriptionCollector struct{ p *Proxy }

var (
	subscriptionsDesc = prometheus.NewDesc("yiqiao_subscriptions", "Devices that are listened to, by what the subscription is doing.", []string{"stream", "state"}, nil)
	silentDesc        = prometheus.NewDesc("yiqiao_subscription_silence_seconds", "How long ago the device was heard that was silent for longest, of those ever heard.", []string{"stream"}, nil)
)

func (c *subscriptionCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- subscriptionsDesc
	ch <- silentDesc
}

func (c *subscriptionCollector) Collect(ch chan<- prometheus.Metric) {
	states, silence := map[[2]string]int{}, map[string]time.Duration{}
	for _, s := range c.p.Subscriptions() {
		for _, state := range subscriptionStates {
			states[[2]string{s.Stream, state}] += 0
		}
		states[[2]string{s.Stream, s.State}]++
		if !s.Heard.IsZero() {
			silence[s.Stream] = max(silence[s.Stream], time.Since(s.Heard))
		}
	}
	for k, n := range states {
		ch <- prometheus.MustNewConstMetric(subscriptionsDesc, prometheus.GaugeValue, float64(n), k[0], k[1])
	}
	for stream, d := range silence {
		ch <- prometheus.MustNewConstMetric(silentDesc, prometheus.GaugeValue, d.Seconds(), stream)
	}
}
