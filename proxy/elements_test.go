package proxy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// One request may be of several devices. Those that are known are taken at
// once; the event is a dead letter too for the others, and its retry admits
// what is missing and nothing twice, however late it comes.
func TestElementsOfUnknownDevices(t *testing.T) {
	for _, record := range []string{
		// of which the store knows the versions, and of which it knows the key
		"to: stk/sbzt\nrecord: {areaNo: device.xqbm, deviceID: device.zpjbm, isOnLine: it.up, deviceType: '\"1\"'}\n",
		"to: stk/rytxjl\nrecord: {areaNo: device.xqbm, accessControlNo: device.mjxtbm, accessType: it.up, accessTime: time(request.received), cardNo: '\"340102199001010015\"'}\n",
	} {
		elementsOfUnknownDevices(t, record)
	}
}

func elementsOfUnknownDevices(t *testing.T, record string) {
	b := newBed(t, func(dir string) {
		write := func(name, text string) {
			file := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		config, err := os.ReadFile(filepath.Join(dir, "yiqiao.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		write("yiqiao.yaml", strings.Replace(string(config), "sources: [hikvision, dahua, iflytek]", "sources: [many]\ndedup: {window: 6s}", 1))
		write("mappings/many/source.yaml", "title: 几台设备\nlisten: POST /many\n")
		write("mappings/many/event.yaml", "title: 几台设备\neach: event.list\ndevice: it.id\n"+record+"distinct: string(it.no)\n")
		write("devices.csv", elementDevices(1))
	})
	const body = `{"list":[{"id":"gate-1","up":"1","no":1},{"id":"gate-8","up":"1","no":2},{"id":"gate-9","up":"1","no":3}]}`
	b.post("/many", "application/json", body)
	b.delivered(1)
	dead := b.dead()
	if len(dead) != 1 || dead[0].Class != "unknown-device" || !strings.Contains(dead[0].Reason, "2 of 3 elements") ||
		!strings.HasSuffix(dead[0].Reason, "\ngate-8,,,,,,,,,,\ngate-9,,,,,,,,,,") {
		t.Fatalf("got %+v", dead)
	}
	b.post("/many", "application/json", body) // the device sends it again
	if got := b.dead(); len(got) != 1 {
		t.Errorf("a resend is a second dead letter: %+v", got)
	}
	if again, err := b.RetryDead(t.Context(), dead[0].ID); err != nil || again.Outcome != "" || again.ID != dead[0].ID {
		t.Errorf("nothing has changed, got %+v %v", again, err)
	}
	eventually(t, "the window of duplicates has passed", func() bool {
		return time.Since(dead[0].Admitted) > 6500*time.Millisecond
	})
	b.write("devices.csv", elementDevices(1, 9))
	b.Reload(t.Context(), "test")
	again, err := b.RetryDead(t.Context(), dead[0].ID)
	if err != nil || again.Outcome != "" || !strings.HasSuffix(again.Reason, "\ngate-8,,,,,,,,,,") {
		t.Errorf("one device is unknown still, got %+v %v", again, err)
	}
	b.delivered(2)
	dead = b.dead()
	if len(dead) != 1 || dead[0].ID != again.ID || !strings.Contains(dead[0].Reason, "1 of 3 elements") {
		t.Fatalf("got %+v", dead)
	}
	b.write("devices.csv", elementDevices(1, 9, 8))
	b.Reload(t.Context(), "test")
	if again, err := b.RetryDead(t.Context(), dead[0].ID); err != nil || again.Outcome != "accepted" {
		t.Errorf("got %+v %v", again, err)
	}
	got := b.delivered(3)
	for i, device := range []int{1, 9, 8} {
		if !strings.Contains(string(got[i].Record), fmt.Sprintf("00%d\"", device)) {
			t.Errorf("record %d: want one of gate-%d, got %s", i, device, got[i].Record)
		}
	}
	if dead := b.dead(); len(dead) != 0 {
		t.Errorf("got %+v", dead)
	}
}

// elementDevices is a device table with the gates of these numbers.
func elementDevices(gates ...int) string {
	table := "id,name,xqbm,zpjbm,mjxtbm,dzbm,ip,jd,wd,lx,fx\n"
	for _, n := range gates {
		table += fmt.Sprintf("gate-%[1]d,门,340102001001001,3401020001132100000%[1]d,340102001001001115000%[1]d,,192.0.2.2%[1]d,117.302269,31.895616,2,1\n", n)
	}
	return table
}
