package proxy

import (
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/platform/platformtest"
)

const callerSource = `title: 旧系统
listen: [POST /legacy]
answers:
  - {for: delivered, type: application/json, body: '{"ok":true}'}
  - {for: rejected, status: 422, type: application/json, body: '{"code":"${platform.code}","why":"${platform.message}"}'}
  - {for: accepted, status: 202, body: later}
  - {body: other}
`

const callerMapping = `title: 旧系统 状态
wait: WAIT
to: stk/sbzt
record: {areaNo: '"340102001001001"', deviceID: event.id, isOnLine: event.on, deviceType: '"1"'}
`

// callers makes a site whose legacy source waits so long.
func callerBed(t *testing.T, wait string) *bed {
	return newBed(t, func(dir string) {
		b := &bed{t: t, dir: dir}
		b.write("mappings/legacy/source.yaml", callerSource)
		b.write("mappings/legacy/state.yaml", strings.Replace(callerMapping, "WAIT", wait, 1))
		change(t, dir, "sources: [hikvision, dahua, iflytek]", "sources: [legacy]")
	})
}

func (b *bed) call(id, on string) (int, string) {
	return b.post("/legacy", "application/json", `{"id":"3401020010013100`+id+`","on":"`+on+`"}`)
}

// One who calls synchronously is told what the platform said.
func TestCallerIsToldThePlatformsAnswer(t *testing.T) {
	b := callerBed(t, "30s")
	if status, body := b.call("0001", "1"); status != 200 || body != `{"ok":true}` {
		t.Errorf("delivered: %d %s", status, body)
	}
	if status, body := b.call("0001", "1"); status != 200 || body != "other" {
		t.Errorf("a duplicate: %d %s", status, body)
	}
	b.platform.Behave(platformtest.Behaviour{Code: "1001"})
	if status, body := b.call("0002", "1"); status != 422 || !strings.HasPrefix(body, `{"code":"1001","why":"`) || strings.HasSuffix(body, `"why":""}`) {
		t.Errorf("rejected: %d %s", status, body)
	}
	if dead := b.dead(); len(dead) != 1 {
		t.Errorf("want the rejected record among the dead letters, got %+v", dead)
	}
}

// The time is limited, and nothing is lost by its end.
func TestCallerWaitsForALimitedTime(t *testing.T) {
	b := callerBed(t, "150ms")
	b.platform.Behave(platformtest.Behaviour{Down: true})
	begun := time.Now()
	if status, body := b.call("0001", "1"); status != 202 || body != "later" {
		t.Errorf("the platform is away: %d %s", status, body)
	}
	if took := time.Since(begun); took < 150*time.Millisecond {
		t.Errorf("it was answered after %s", took)
	}
	b.platform.Behave(platformtest.Behaviour{})
	b.delivered(1)
	if n := len(b.callers.byID); n != 0 {
		t.Errorf("%d are still listened for", n)
	}
}

// A process that ends lets all go that wait, and nobody begins to.
func TestCallersAreLetGoAtTheEnd(t *testing.T) {
	b := callerBed(t, "1m")
	b.platform.Behave(platformtest.Behaviour{Down: true})
	answered := make(chan int, 1)
	go func() {
		status, _ := b.call("0001", "1")
		answered <- status
	}()
	eventually(t, "somebody waits", func() bool {
		b.callers.mu.Lock()
		defer b.callers.mu.Unlock()
		return len(b.callers.byID) == 1
	})
	b.Ending()
	if status := <-answered; status != 202 {
		t.Errorf("told %d", status)
	}
	if status, _ := b.call("0002", "1"); status != 202 {
		t.Errorf("after the end: told %d", status)
	}
}

// Requests that wait hold a part of the memory only: who comes then is told
// that the event was accepted, at once.
func TestCallersLeaveMemoryToOthers(t *testing.T) {
	b := callerBed(t, "1m")
	b.platform.Behave(platformtest.Behaviour{Down: true})
	if !b.callers.room.TryAcquire(16 << 20 / waitingPart) {
		t.Fatal("the room is another than a part of limits.memory")
	}
	if status, body := b.call("0001", "1"); status != 202 || body != "later" {
		t.Errorf("without room: %d %s", status, body)
	}
}
