package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/device/devicetest"
)

// field is a bed with one simulated device that it listens to.
type field struct {
	*bed
	device *devicetest.Device
	server *httptest.Server
	stream string
}

// table is the site's device table, with the device in it.
func (f *field) table(user, password string) string {
	head, row, _ := strings.Cut(devicetest.DevicesCSV(1, f.vendor()), "\n")
	return fmt.Sprintf("%s,pull,address,user,password\n%s,%s,%s,%s,%s\n", head, strings.TrimSpace(row), f.stream, strings.TrimPrefix(f.server.URL, "http://"), user, password)
}

func (f *field) vendor() *devicetest.Vendor {
	name := "dahua"
	if f.stream == "alertStream" {
		name = "hikvision"
	}
	v, err := devicetest.Load(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// newField starts a device and a proxy that listens to it by stream.
func newField(t *testing.T, stream, password string) *field {
	t.Helper()
	f := &field{bed: &bed{t: t}, stream: stream}
	f.device = devicetest.NewDevice(f.vendor(), devicetest.DeviceOptions{User: "sim", Pass: "right", Heartbeat: 50 * time.Millisecond, Picture: 2000, People: 10})
	f.server = httptest.NewServer(f.device)
	t.Cleanup(f.server.Close)
	t.Cleanup(f.device.Cut)
	f.bed = newBed(t, func(dir string) {
		writeTo(t, dir+"/devices.csv", []byte(f.table("sim", password)))
		writeTo(t, dir+"/people.csv", []byte(devicetest.PeopleCSV(10)))
	})
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Subscribe(ctx) }()
	t.Cleanup(func() { end(); <-ended })
	return f
}

func (f *field) emit(kind string, n int) {
	f.t.Helper()
	for i := range n {
		if _, err := f.device.EmitAt(kind, time.Now().Add(time.Duration(i-n)*time.Second)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *field) state(want string) Subscription {
	f.t.Helper()
	var got Subscription
	eventually(f.t, "the subscription is "+want, func() bool {
		if list := f.Subscriptions(); len(list) == 1 {
			got = list[0]
		}
		return got.State == want
	})
	return got
}

// listening waits until the device is listened to, and what was missed was
// asked for.
func (f *field) listening() {
	f.t.Helper()
	f.state(listening)
	eventually(f.t, "the gap is filled", func() bool {
		s := f.Subscriptions()[0]
		return s.State == listening && s.Gap.IsZero() && f.device.Listeners() == 1
	})
}

// of counts the platform's records of an interface.
func (f *field) of(iface string) (n int) {
	for _, r := range f.platform.Records() {
		if r.Interface == iface {
			n++
		}
	}
	return n
}

func (f *field) records(iface string, want int) {
	f.t.Helper()
	eventually(f.t, fmt.Sprintf("the platform has %d of %s", want, iface), func() bool { return f.of(iface) >= want })
	if n := f.of(iface); n != want {
		f.t.Errorf("want %d records of %s, the platform has %d", want, iface, n)
	}
}

// What each stream brings is mapped as if the device had pushed it, pictures
// that follow their event too.
func TestSubscribe(t *testing.T) {
	for stream, want := range map[string]map[string]string{
		"alertStream":  {"face": "stk/rytxjl", "stranger": "stk/rytxjl", "capture": "stk/zpjl", "plate": "stk/cltxjl", "unlocked": ""},
		"eventManager": {"textaccess": "stk/rytxjl"},
		"snapManager":  {"snapface": "stk/zpjl"},
	} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			f := newField(t, stream, "right")
			f.listening()
			count := map[string]int{}
			for range 3 {
				for kind, iface := range want {
					f.emit(kind, 1)
					count[iface]++
				}
			}
			for iface, n := range count {
				if iface != "" {
					f.records(iface, n)
				}
			}
			if dead := f.dead(); len(dead) > 0 {
				t.Errorf("dead letters: %+v", dead)
			}
			s := f.Subscriptions()[0]
			if s.Device != f.device.ID() || s.Events < 3 || s.Heard.IsZero() || s.Connects != 1 {
				t.Errorf("its status is %+v", s)
			}
		})
	}
}

// A device that was cut off comes back, and what happened meanwhile is fetched;
// what came twice is one record.
func TestSubscribeBackfill(t *testing.T) {
	for stream, kind := range map[string]string{"alertStream": "face", "eventManager": "textaccess"} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			f := newField(t, stream, "right")
			f.emit(kind, 5) // before anybody listens
			f.listening()
			f.emit(kind, 3)
			f.records("stk/rytxjl", 8)
			f.device.Silence(true) // what it sends now is lost on the way
			f.emit(kind, 40)
			f.device.Silence(false)
			f.device.Cut()
			eventually(t, "the device is listened to again", func() bool { s := f.Subscriptions()[0]; return s.Connects >= 2 })
			f.listening()
			f.emit(kind, 2)
			f.records("stk/rytxjl", 50)
			if dead := f.dead(); len(dead) > 0 {
				t.Errorf("dead letters: %+v", dead)
			}
			if s := f.Subscriptions()[0]; s.Backfilled < 45 || !strings.Contains(s.Backfill, "events since") {
				t.Errorf("its status is %+v", s)
			}
		})
	}
}

// A stranger that was missed is found, and its picture fetched from the device
// with the row's credentials; the same one over the stream is no other.
func TestSubscribeBackfillStranger(t *testing.T) {
	f := newField(t, "alertStream", "right")
	f.listening()
	f.device.Silence(true)
	f.emit("stranger", 1)
	f.device.Silence(false)
	f.write("yiqiao.yaml", strings.Replace(bedConfig, "PLATFORM", f.upstream(), 1)+"pictures: {from: [127.0.0.1]}\n")
	if _, problems := f.Reload(t.Context(), "test"); len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	f.device.Cut()
	f.records("stk/rytxjl", 1)
	if r := string(f.platform.Records()[0].Record); !strings.Contains(r, `"snapBigImage"`) || f.device.Asked("/pictures/0.jpeg@WEB000000000061") < 1 {
		t.Errorf("its picture was not fetched: %.300s", r)
	}
}

// upstream is where the bed's platform is.
func (f *field) upstream() string {
	return strings.TrimSuffix(f.Generation().Config.Platform.URL, "/api/v1")
}

// A wrong password is tried once, not until the device locks the user out; a
// row that was mended is tried at once.
func TestSubscribePassword(t *testing.T) {
	f := newField(t, "alertStream", "wrong")
	s := f.state(waiting)
	if !strings.Contains(s.Error, "password") || time.Until(s.NextTry) < 5*time.Minute || f.device.Refused() != 1 {
		t.Errorf("its status is %+v, the device refused %d times", s, f.device.Refused())
	}
	f.write("devices.csv", f.table("sim", "right"))
	if _, problems := f.Reload(t.Context(), "test"); len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	f.listening()
	f.emit("face", 1)
	f.records("stk/rytxjl", 1)

	// A row without pull ends it.
	f.write("devices.csv", devicetest.DevicesCSV(1, f.vendor()))
	if _, problems := f.Reload(t.Context(), "test"); len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	eventually(t, "nobody listens", func() bool { return f.device.Listeners() == 0 && len(f.Subscriptions()) == 0 })
}

// A change of another row leaves the connection alone.
func TestSubscribeReload(t *testing.T) {
	f := newField(t, "alertStream", "right")
	f.listening()
	f.write("devices.csv", f.table("sim", "right")+"another,别的,340102001001001,,3401020010010011150009,,192.0.2.9,117.3,31.8,2,1,,,,\n")
	if g, problems := f.Reload(t.Context(), "test"); len(problems.Errors()) > 0 || g.Number != 2 {
		t.Fatal(problems)
	}
	f.emit("face", 1)
	f.records("stk/rytxjl", 1)
	if s := f.Subscriptions()[0]; s.Connects != 1 {
		t.Errorf("it connected %d times", s.Connects)
	}
}

// While events cannot be stored, none is read and none is lost.
func TestSubscribeStoreFails(t *testing.T) {
	f := newField(t, "alertStream", "right")
	f.listening()
	var failing atomic.Bool
	failing.Store(true)
	f.store.before(func() error {
		if failing.Load() {
			return errors.New("the disk is gone")
		}
		return nil
	})
	f.emit("face", 5)
	if s := f.state(blocked); !strings.Contains(s.Error, "the disk is gone") {
		t.Errorf("its status is %+v", s)
	}
	failing.Store(false)
	f.records("stk/rytxjl", 5)
	f.state(listening)
}

// People and scrapers see how it goes.
func TestSubscriptionsShown(t *testing.T) {
	f := newField(t, "eventManager", "right")
	f.listening()
	var list []Subscription
	resp, err := http.Get(f.admin.URL + "/-/subscriptions")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list) != 1 || list[0].State != listening || list[0].Stream != "eventManager" {
		t.Errorf("GET /-/subscriptions: %+v, %v", list, err)
	}
	families, err := f.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	for _, m := range families {
		if m.GetName() == "yiqiao_subscriptions" {
			for _, one := range m.GetMetric() {
				shown = shown || one.GetGauge().GetValue() == 1 && one.GetLabel()[0].GetValue() == listening
			}
		}
	}
	if !shown {
		t.Error("yiqiao_subscriptions does not tell that a device is listened to")
	}
	if strings.Contains(f.log.String(), "right") {
		t.Error("the password stands in the log")
	}
}
