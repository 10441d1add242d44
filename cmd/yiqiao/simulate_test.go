package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/device/devicetest"
	"yiqiao/proxy/platform/platformtest"
)

// yard is a site of one vendor's pack, served in this process, and the
// platform that it delivers to.
type yard struct {
	*daemon
	platform *platformtest.Platform
}

const yardConfig = `listen: 127.0.0.1:0
platform: {url: "%s/api/v1", appKey: test, publicKey: "file:platform.key.pub"}
store: {disk: data}
sources: [%s]
tables: {devices: devices.csv, people: people.csv}
admin: {listen: "127.0.0.1:0"}
log: {level: error}
`

func newYard(t *testing.T, v *devicetest.Vendor, devices int) *yard {
	t.Helper()
	dir := t.TempDir()
	key, _, _, err := platformtest.LoadOrCreateKey(filepath.Join(dir, "platform.key"))
	if err != nil {
		t.Fatal(err)
	}
	y := new(yard)
	if y.platform, err = newPlatform(platformOptions{key: key}); err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(y.platform)
	t.Cleanup(upstream.Close)
	for name, text := range map[string]string{
		"yiqiao.yaml": fmt.Sprintf(yardConfig, upstream.URL, v.Name),
		"devices.csv": devicetest.DevicesCSV(devices, v),
		"people.csv":  devicetest.PeopleCSV(simPeople),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var problems bytes.Buffer
	site, g, err := loadSite(dir, stdio{err: &problems})
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	if y.daemon, err = start(t.Context(), daemonOptions{site: site, generation: g, log: newLog(io.Discard, g.Config.Log)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = y.stop() })
	return y
}

// delivered waits until nothing is left to deliver, and returns how many
// records the platform has of each interface, how many events became a dead
// letter, and what became of all.
func (y *yard) delivered(t *testing.T) (records map[string]int, dead int, outcomes map[string]int64) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		st, err := y.store.Stats(context.Background(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		dead = st.Dead
		if st.Ready == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d records still wait", st.Ready)
		}
		<-time.After(20 * time.Millisecond)
	}
	outcomes, err := y.proxy.Outcomes()
	if err != nil {
		t.Fatal(err)
	}
	records = map[string]int{}
	for _, r := range y.platform.Records() {
		records[r.Interface]++
	}
	return records, dead, outcomes
}

// states is the interface of whether devices are there.
const states = "stk/sbzt"

// Each vendor's devices hear what they want to, each of their events is the
// record that it should be, and what they send again is recognised.
func TestSimulate(t *testing.T) {
	for _, name := range devicetest.Names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := devicetest.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			y := newYard(t, v, 3)
			fleet := devicetest.NewFleet(v, devicetest.Options{
				Target: "http://" + y.devices, Devices: 3, Rate: 200, Events: 60, Picture: 2000, People: simPeople,
				Late: 0.2, Resend: 0.3, ResendAfter: 10 * time.Millisecond, Clock: -9 * time.Minute, Seed: 7,
			})
			fleet.Run(t.Context())
			r := fleet.Report()
			if r.Trouble() || r.Busy > 0 {
				t.Fatal(r)
			}
			if r.Repeated < 15 || r.Late < 5 || r.Taken < 75 {
				t.Errorf("want 15 events or more sent again, and some from memory, got %s", r)
			}
			t.Log(r)
			want := map[string]int{}
			for kind, n := range r.Kinds {
				if q := v.Requests[kind]; q.Gives != "" && !q.Once {
					want[q.Gives] += n - r.Again[kind]
				} else if q.Gives != "" {
					want[q.Gives] = 3 // one of each device
				}
			}
			// That devices are there is said a moment after they were heard of.
			wait(t, "the devices' states are at the platform", func() bool {
				there := 0
				for _, r := range y.platform.Records() {
					if r.Interface == states {
						there++
					}
				}
				return there >= want[states]
			})
			records, dead, outcomes := y.delivered(t)
			for iface, n := range want {
				if records[iface] != n {
					t.Errorf("%s: want %d records at the platform, got %d; %s", iface, n, records[iface], r)
				}
			}
			for iface := range records {
				if _, ok := want[iface]; !ok {
					t.Errorf("%s: nobody sent such a thing", iface)
				}
			}
			if dead != 0 {
				t.Errorf("%d dead letters", dead)
			}
			if sum := outcomes["accepted"] + outcomes["duplicate"] + outcomes["ignored"]; sum != int64(r.Taken) {
				t.Errorf("of %d requests the proxy tells %v", r.Taken, outcomes)
			}
		})
	}
}

// Without the answer that it wants, a device does what its vendor's do: some
// send the same again, others drop it.
func TestSimulateResend(t *testing.T) {
	for name, want := range map[string]string{"vzenith": "again", "iflytek": "dropped"} {
		t.Run(name, func(t *testing.T) {
			v, err := devicetest.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(refusing(2))
			defer server.Close()
			fleet := devicetest.NewFleet(v, devicetest.Options{Target: server.URL, Devices: 1, Rate: 1000, Events: 1, ResendAfter: time.Millisecond})
			fleet.Run(t.Context())
			r := fleet.Report()
			if again := r.Unexpected == 2 && r.Lost == 0; (want == "again") != again {
				t.Errorf("want it %s, got %s", want, r)
			}
		})
	}
}

// refusing answers the first n requests with what no vendor wants.
func refusing(n int64) http.Handler {
	var asked atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if asked.Add(1) <= n {
			_, _ = w.Write([]byte(`{}`))
			return
		}
		_, _ = w.Write([]byte(`{"Response_AlarmInfoPlate":{"info":"no","content":"retransfer_stop"}}`))
	})
}
