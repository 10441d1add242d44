package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/device/devicetest"
)

// A daemon that is killed while it listens to a door, and again, has every
// passage of the door in the end.
func TestSubscribeKilled(t *testing.T) {
	v, err := devicetest.Load("hikvision")
	if err != nil {
		t.Fatal(err)
	}
	door := devicetest.NewDevice(v, devicetest.DeviceOptions{User: "sim", Pass: "secret", Heartbeat: 100 * time.Millisecond, Picture: 2000, People: simPeople})
	server := httptest.NewServer(door)
	t.Cleanup(server.Close)
	t.Cleanup(door.Cut)
	p := newPlant(t, "{disk: data}")
	head, row, _ := strings.Cut(devicetest.DevicesCSV(1, v), "\n")
	table := fmt.Sprintf("%s,pull,address,user,password\n%s,alertStream,%s,sim,${SIM_PASSWORD}\n", head, strings.TrimSpace(row), strings.TrimPrefix(server.URL, "http://"))
	t.Setenv("SIM_PASSWORD", "secret")
	config, err := os.ReadFile(filepath.Join(p.dir, "yiqiao.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"devices.csv": table, "people.csv": devicetest.PeopleCSV(simPeople),
		"yiqiao.yaml": strings.Replace(string(config), "[iflytek]", "[hikvision]", 1),
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	passages := 0
	for round := range 3 {
		pass(t, door, &passages, 10) // while nobody listens
		p.start()
		wait(t, "the door is listened to", func() bool { return door.Listeners() == 1 })
		done := make(chan struct{})
		go func() {
			defer close(done)
			pass(t, door, &passages, 20)
		}()
		if round < 2 {
			<-time.After(time.Duration(20+30*round) * time.Millisecond)
			p.kill()
		}
		<-done
	}
	wait(t, "every passage is delivered", func() bool { return len(serials(t, p.ledger)) >= passages })
	if got := serials(t, p.ledger); len(got) != passages {
		t.Errorf("of %d passages the platform has %d", passages, len(got))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.dead) > 0 {
		t.Errorf("dead letters of %v", p.dead)
	}
}

// pass lets people pass a door, each in a second of the past hour of its own.
func pass(t *testing.T, door *devicetest.Device, n *int, more int) {
	for range more {
		*n++
		if _, err := door.EmitAt("face", time.Now().Add(time.Duration(*n-3600)*time.Second)); err != nil {
			t.Error(err)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// serials are the times of the passages that the platform has, each once.
func serials(t *testing.T, l *ledger) map[string]bool {
	times := map[string]bool{}
	for _, r := range l.platform.Records() {
		var doc struct{ AccessTime string }
		if r.Interface != "stk/rytxjl" {
			continue
		}
		if err := json.Unmarshal(r.Record, &doc); err != nil {
			t.Fatal(err)
		}
		times[doc.AccessTime] = true
	}
	return times
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
