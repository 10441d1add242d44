package devicetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/icholy/digest"
	"github.com/tidwall/gjson"
)

// Options are what a fleet is made of.
type Options struct {
	Target      string        // where the devices push, with a prefix if there is one
	Devices     int           // of them
	Rate        float64       // events a second of all together
	Events      int           // it ends after so many; 0: with its context
	Picture     int           // bytes of a picture
	People      int           // of PeopleCSV
	Late        float64       // part of the events that come from memory, hours old
	Resend      float64       // part of the events whose answer the device does not hear, so that it sends again
	ResendAfter time.Duration // 0: as long as the vendor's devices wait
	Clock       time.Duration // how far the devices' clocks are ahead
	User, Pass  string        // for Digest; "": none
	Token       string        // sent as ?token=…; "": none
	Seed        uint64        // what is random repeats with it
}

// Fleet is a number of simulated devices that push. A device sends its events
// one after the other; its resends come between.
type Fleet struct {
	v      *Vendor
	o      Options
	client *http.Client
	a      account
	again  sync.WaitGroup
}

// lanes is how many requests of a fleet are under way at once, resends aside.
const lanes = 16

// answerTime is how long a device waits for an answer, maxAnswer what it reads.
const (
	answerTime = 30 * time.Second
	maxAnswer  = 64 << 10
)

// NewFleet makes a fleet. Run starts it.
func NewFleet(v *Vendor, o Options) *Fleet {
	o.Target = strings.TrimRight(o.Target, "/")
	base := &http.Transport{MaxIdleConnsPerHost: max(o.Devices, lanes), MaxIdleConns: 0}
	f := &Fleet{v: v, o: o, client: &http.Client{Timeout: answerTime, Transport: base}}
	if o.User != "" {
		f.client.Transport = &digest.Transport{Username: o.User, Password: o.Pass, Transport: base}
	}
	f.a.r.Vendor = v.Name
	return f
}

// Report says how it went so far.
func (f *Fleet) Report() Report { return f.a.report() }

// task is one request that is to be sent.
type task struct {
	r      *Request
	m      Moment
	resend bool // the device does not hear the answer to the first
}

// Run sends until the context ends or Options.Events were sent, and returns
// when each was answered or given up.
func (f *Fleet) Run(ctx context.Context) {
	n := min(lanes, f.o.Devices)
	queues := make([]chan task, n)
	var sending sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan task, 64)
		sending.Go(func() { f.lane(ctx, queues[i]) })
	}
	pushing, end := context.WithCancel(ctx)
	defer end()
	var beating sync.WaitGroup
	if len(f.v.Alive) > 0 {
		beating.Go(func() { f.beat(pushing, queues) })
	}
	f.events(pushing, queues)
	end()
	beating.Wait()
	for _, q := range queues {
		close(q)
	}
	sending.Wait()
	f.again.Wait()
}

// events makes events at the rate; devices take turns.
func (f *Fleet) events(ctx context.Context, queues []chan task) {
	chance := rand.New(rand.NewPCG(f.o.Seed, 1))
	ticker := time.NewTicker(time.Duration(float64(time.Second) / f.o.Rate))
	defer ticker.Stop()
	resends := 0.0
	for n := 0; f.o.Events == 0 || n < f.o.Events; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		t := task{r: f.v.Requests[f.v.Cycle[n%len(f.v.Cycle)]], m: f.moment(n, n%f.o.Devices)}
		if chance.Float64() < f.o.Late {
			t.m.Late = true
			t.m.Time = t.m.Time.Add(-time.Hour - time.Duration(chance.IntN(3600))*time.Second)
		}
		if f.o.People > 0 {
			t.m.Person = (n + int(f.o.Seed)) % f.o.People
		}
		if resends += f.o.Resend; resends >= 1 {
			resends--
			t.resend = true
		}
		queues[t.m.Device%len(queues)] <- t
	}
}

// beat sends heartbeats; the devices' are spread over the interval.
func (f *Fleet) beat(ctx context.Context, queues []chan task) {
	ticker := time.NewTicker(f.v.Heartbeat / time.Duration(f.o.Devices))
	defer ticker.Stop()
	for i := 0; ; i++ {
		for _, name := range f.v.Alive {
			d := i % f.o.Devices
			select {
			case queues[d%len(queues)] <- task{r: f.v.Requests[name], m: f.moment(i, d)}:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (f *Fleet) moment(n, device int) Moment {
	return Moment{vendor: f.v, picture: f.o.Picture, N: n, Device: device, ID: f.v.id(device), Time: time.Now().In(Beijing).Add(f.o.Clock), Seed: f.o.Seed}
}

// lane sends what its devices have to send, in order.
func (f *Fleet) lane(ctx context.Context, queue <-chan task) {
	started := map[int]bool{}
	for t := range queue {
		if d := t.m.Device; !started[d] {
			started[d] = true
			for _, name := range f.v.Start {
				f.send(ctx, task{r: f.v.Requests[name], m: f.moment(d, d)})
			}
		}
		f.send(ctx, t)
	}
}

// send sends a request until it gets the answer that the vendor wants, or until
// a device of this vendor would drop it. Waiting for another try does not hold
// up the device's next event.
func (f *Fleet) send(ctx context.Context, t task) {
	q, err := t.r.render(t.m)
	if err != nil {
		f.a.unexpected(fmt.Sprintf("%s: %v", t.r.Name, err))
		return
	}
	f.try(context.WithoutCancel(ctx), t, q, 0, false)
}

func (f *Fleet) try(ctx context.Context, t task, q message, tries int, taken bool) {
	begun := time.Now()
	verdict := f.exchange(ctx, t, q)
	again := false
	switch {
	case verdict == wanted:
		f.a.taken(t.r.Name, taken, t.m.Late, time.Since(begun))
		again = t.resend && !taken
		taken = true
	case tries < t.r.Resend.Times:
		again = true
		if verdict == busy {
			f.a.add(func(r *Report) { r.Busy++ })
		}
	default:
		f.a.add(func(r *Report) { r.Lost++ })
	}
	if !again {
		return
	}
	after := t.r.Resend.After
	if f.o.ResendAfter > 0 {
		after = f.o.ResendAfter
	}
	f.again.Add(1)
	time.AfterFunc(after, func() {
		defer f.again.Done()
		f.try(ctx, t, q, tries+1, taken)
	})
}

type verdict int

const (
	wanted verdict = iota
	busy           // come again, or no answer at all
	other
)

// exchange posts and reads the answer as the vendor's devices do.
func (f *Fleet) exchange(ctx context.Context, t task, q message) verdict {
	target := f.o.Target + q.path
	if f.o.Token != "" {
		sep := "?"
		if strings.Contains(q.path, "?") {
			sep = "&"
		}
		target += sep + "token=" + url.QueryEscape(f.o.Token)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, bytes.NewReader(q.body))
	if err != nil {
		f.a.unexpected(err.Error())
		return other
	}
	for _, h := range q.header {
		req.Header.Set(h[0], h[1])
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return busy
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil || resp.StatusCode == http.StatusServiceUnavailable:
		return busy
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("status %d", resp.StatusCode)
	default:
		err = t.r.Answer.read(t.m, resp.Header.Get("Content-Type"), body)
	}
	if err != nil {
		f.a.unexpected(fmt.Sprintf("%s to %s %s: %v: %.300q", t.r.Name, q.method, q.path, err, body))
		return other
	}
	return wanted
}

// opens are words by which an answer opens a gate or a door, whatever vendor
// it is for.
var opens = []string{`OpenStrobe`, `"info":"ok"`, `ivs_ioctrl`, `manualTrigger`, `CONTROL DEVICE`}

// read tells what a device of the vendor would not understand in an answer.
func (a *Answer) read(m Moment, contentType string, body []byte) error {
	for _, word := range opens {
		if bytes.Contains(body, []byte(word)) {
			return fmt.Errorf("the answer opens a gate by %s", word)
		}
	}
	if media, _, _ := mime.ParseMediaType(contentType); a.Type != "" && media != a.Type {
		return fmt.Errorf("want the type %s, got %q", a.Type, contentType)
	}
	if len(a.JSON) == 0 || a.Text != "" {
		want, err := m.fill(a.Text)
		if err != nil {
			return err
		}
		if ok, err := regexp.Match(`^(?:`+want+`)$`, body); err != nil || !ok {
			return fmt.Errorf("want the text %s", want)
		}
	}
	if len(a.JSON) > 0 && !gjson.ValidBytes(body) {
		return fmt.Errorf("want JSON")
	}
	for path, want := range a.JSON {
		want, err := m.fill(want)
		if err != nil {
			return err
		}
		if got := gjson.GetBytes(body, path); !got.Exists() || got.String() != want {
			return fmt.Errorf("want %q in %s, got %q", want, path, got.String())
		}
	}
	return nil
}

// fill puts the moment into a text of an Answer.
func (m Moment) fill(text string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	t, err := template.New("answer").Funcs(functions).Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, m)
	return b.String(), err
}
