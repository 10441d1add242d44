package proxy

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/transform"
)

// watch drives the presence of a bed by a clock of its own.
type watch struct {
	*bed
	now time.Time
}

const beat = `{"eventType":"heartBeat","eventState":"active"}`

// newWatch watches with what hikvision's pack says: 90 s of silence, a refresh
// after 6 h.
// The clock begins two days ago: what is admitted in the future is not due.
func newWatch(t *testing.T) *watch { return &watch{newBed(t, nil), time.Now().Add(-48 * time.Hour)} }

// heard is an event of a device now.
func (w *watch) heard(device string, beats bool) {
	w.presence.sighted(w.Generation().Rules.Source("hikvision"), &transform.Result{Sighted: device, Beats: beats}, w.now)
}

// pass lets time pass, tick by tick.
func (w *watch) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(longTick)
		w.tickPresence(context.Background(), w.now, longTick)
	}
}

// restart is the end of the process, and another that begins.
func (w *watch) restart(away time.Duration) {
	w.presence = newPresence(w.now)
	w.now = w.now.Add(away)
}

// told waits until the platform was told these states of gate-1, in order.
func (w *watch) told(states ...string) {
	w.t.Helper()
	records := w.delivered(len(states))
	for i, r := range records {
		if want := `"isOnLine":"` + states[i] + `"`; r.Interface != "stk/sbzt" || !strings.Contains(string(r.Record), want) {
			w.t.Fatalf("record %d is %s %s, want %s", i, r.Interface, r.Record, want)
		}
	}
}

// Silence is told once, the return once, and what has not changed only when
// it was told long ago.
func TestPresenceChanges(t *testing.T) {
	w := newWatch(t)
	w.pass(5 * time.Minute)
	w.told() // nobody was ever seen
	for range 10 {
		w.heard("gate-1", true)
		w.pass(10 * time.Second)
	}
	w.told("1")
	w.pass(75 * time.Second)
	w.told("1")
	w.pass(15 * time.Second)
	w.told("1", "2")
	w.pass(time.Hour)
	w.told("1", "2")
	w.heard("gate-1", false) // any event will do
	w.pass(10 * time.Second)
	w.told("1", "2", "1")
	for range 6 * 60 {
		w.heard("gate-1", true)
		w.pass(time.Minute)
	}
	w.told("1", "2", "1", "1")
}

// Who never sends heartbeats may be silent for any other reason.
func TestPresenceWithoutHeartbeats(t *testing.T) {
	w := newWatch(t)
	w.heard("gate-1", false)
	w.pass(time.Hour)
	w.told("1")
	w.heard("gate-1", true)
	w.pass(2 * time.Minute)
	w.told("1", "2")
}

// After a start every device has its whole time of silence again; who was
// told to be gone stays so, and one that died meanwhile is told then.
func TestPresenceAfterRestart(t *testing.T) {
	w := newWatch(t)
	w.heard("gate-1", true)
	w.pass(10 * time.Second)
	w.told("1")
	w.restart(3 * time.Hour)
	w.pass(90 * time.Second)
	w.told("1")
	w.pass(10 * time.Second)
	w.told("1", "2")
	w.restart(3 * time.Hour)
	w.pass(10 * time.Minute)
	w.told("1", "2")
	w.heard("gate-1", true)
	w.pass(10 * time.Second)
	w.told("1", "2", "1")
}

// While the store cannot be asked nobody is said to be silent, and what was
// heard meanwhile is not lost.
func TestPresenceWithoutStore(t *testing.T) {
	w := newWatch(t)
	w.heard("gate-1", true)
	w.pass(10 * time.Second)
	w.store.leave(true)
	w.pass(80 * time.Second)
	w.heard("gate-1", true)
	w.pass(time.Hour)
	w.store.leave(false)
	w.pass(85 * time.Second)
	w.told("1")
	w.pass(10 * time.Second)
	w.told("1", "2")
}

// Three replicas on one store each hear a third of a device's heartbeats; the
// one that leads ends without a word. One record for each change.
func TestPresenceOfReplicas(t *testing.T) {
	w := newWatch(t)
	var replicas []*Proxy
	for range 3 {
		replicas = append(replicas, New(Options{Site: w.site, Generation: w.Generation(), Store: w.Proxy.store, Vault: w.vault, Log: slog.New(slog.DiscardHandler)}))
	}
	source := w.Generation().Rules.Source("hikvision")
	pass := func(beats int, d time.Duration) {
		for end, n := w.now.Add(d), 0; w.now.Before(end); n++ {
			w.now = w.now.Add(longTick)
			if n < beats {
				replicas[n%len(replicas)].presence.sighted(source, &transform.Result{Sighted: "gate-1", Beats: true}, w.now)
			}
			for _, r := range replicas {
				r.tickPresence(t.Context(), w.now, longTick)
			}
		}
	}
	pass(60, 5*time.Minute)
	w.told("1")
	leader := replicas[0]
	if !leader.presence.leads || replicas[1].presence.leads {
		t.Fatal("want the first to lead, and no other")
	}
	replicas = replicas[1:] // it is killed
	pass(10, 50*time.Second)
	w.told("1")
	pass(0, 80*time.Second)
	w.told("1")
	pass(0, 20*time.Second)
	w.told("1", "2")
	pass(3, time.Minute)
	w.told("1", "2", "1")
	leader.tickPresence(t.Context(), w.now, longTick) // it was only asleep
	if leader.presence.leads {
		t.Error("two lead")
	}
	w.told("1", "2", "1")
}

// What arrives on the wire keeps a device alive; a heartbeat of a device that
// nobody knows is a dead letter; the list shows it all.
func TestPresenceOnTheWire(t *testing.T) {
	w := newWatch(t)
	w.post("/hikvision/gate-1", "application/json", beat)
	w.post("/hikvision/door-1", "application/json", passage("nobody", 1))
	w.post("/hikvision/nobody", "application/json", beat)
	if dead := w.dead(); len(dead) != 2 || dead[1].Class != string(store.UnknownDevice) {
		t.Errorf("dead letters: %+v", dead)
	}
	w.tickPresence(t.Context(), time.Now(), longTick)
	w.told("1")
	body := w.get("/-/devices")
	var list []DeviceState
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 2 {
		t.Fatalf("%s %v", body, err)
	}
	door, gate := list[0], list[1]
	if gate.Device != "gate-1" || gate.State != Online || gate.Told == nil || gate.Tells != Online || !gate.Beats || gate.Events != 1 || gate.Name != "东门" || gate.Problem != "" {
		t.Errorf("gate: %+v", gate)
	}
	if door.State != Online || door.Told == nil || door.Beats || door.Class != string(transform.Refused) || door.Chinese == "" {
		t.Errorf("door: %+v", door)
	}
	if metrics := w.get("/metrics"); !strings.Contains(metrics, `yiqiao_devices{state="online"} 2`) || !strings.Contains(metrics, `yiqiao_devices{state="never"} 0`) {
		t.Errorf("metrics: %.300s", metrics)
	}
}
