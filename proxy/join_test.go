package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store"
)

const (
	joinSource = `title: 图片随后来的终端
listen: POST /acme/{what}
device: {from: [event.device, request.query.device], table: devices}
`
	joinEvent = `title: 人脸
when: request.path.what == "event"
join: {key: event.device + event.number, wait: WAIT}
to: stk/zpjl
record:
  areaNo: device.xqbm
  snapNo: device.zpjbm
  snapTime: time(event.time)
  snapBigImage: later("photo")
  snapSmallImage: later("photo")
distinct: event.number
`
	joinPhoto = `title: 照片
when: request.path.what == "photo"
join: {key: request.query.device + request.query.number, wait: WAIT, pictures: {photo: part("image/jpeg")}}
`
)

func joinBed(t *testing.T, wait string) *bed {
	return newBed(t, func(dir string) {
		b := &bed{t: t, dir: dir}
		b.write("mappings/acme/source.yaml", joinSource)
		b.write("mappings/acme/event.yaml", strings.Replace(joinEvent, "WAIT", wait, 1))
		b.write("mappings/acme/photo.yaml", strings.Replace(joinPhoto, "WAIT", wait, 1))
		change(t, dir, "sources: [hikvision, dahua, iflytek]", "sources: [acme]")
	})
}

func (b *bed) joinEvent(number int) {
	b.t.Helper()
	if status, _ := b.post("/acme/event", "application/json", fmt.Sprintf(`{"device":"gate-1","number":"n%d","time":"2026-09-02 10:00:00"}`, number)); status != http.StatusOK {
		b.t.Fatalf("the event was answered %d", status)
	}
}

func (b *bed) joinPhoto(number int, picture []byte) {
	b.t.Helper()
	if status, _ := b.post(fmt.Sprintf("/acme/photo?device=gate-1&number=n%d", number), "image/jpeg", string(picture)); status != http.StatusOK {
		b.t.Fatalf("the picture was answered %d", status)
	}
}

// Whichever half comes first, and however often each comes: one record.
func TestJoin(t *testing.T) {
	b := joinBed(t, "1m")
	picture := testJPEG(t, 64, 48)
	b.joinEvent(1)
	b.joinEvent(1)
	b.joinPhoto(1, picture)
	b.joinPhoto(2, picture)
	b.joinPhoto(2, picture)
	b.joinEvent(2)
	b.delivered(2)
	for n := 1; n <= 2; n++ { // resends
		b.joinPhoto(n, picture)
		b.joinEvent(n)
	}
	b.joinEvent(3)
	b.joinPhoto(3, picture)
	for _, r := range b.delivered(3) {
		if v := gjson.GetBytes(r.Record, "snapBigImage").String(); len(v) < len(picture) {
			t.Errorf("the picture is %q", v)
		}
	}
	eventually(t, "nothing waits", func() bool { return b.pictures.waiting() == 0 })
	if dead := b.dead(); len(dead) > 0 {
		t.Errorf("dead letters: %+v", dead)
	}
}

// A picture that does not come leaves a dead letter, which it makes whole when
// it comes after all; one whose event does not come is dropped and counted.
func TestJoinTooLate(t *testing.T) {
	b := joinBed(t, "1s")
	picture := testJPEG(t, 64, 48)
	b.joinEvent(1)
	b.joinPhoto(2, picture)
	d := b.deadWith(store.NoPicture, "it did not come within 1s (snapSmallImage photo, snapBigImage photo)")
	if !strings.Contains(d.Chinese, "没有来") {
		t.Errorf("in Chinese: %s", d.Chinese)
	}
	eventually(t, "the picture is dropped", func() bool { return strings.Contains(b.log.String(), "a picture was dropped") })
	b.joinPhoto(1, picture)
	b.delivered(1)
	b.joinEvent(2) // its picture is gone, itself is not
	b.deadWith(store.NoPicture, "it did not come within 1s")
	if dead := b.dead(); len(dead) != 1 {
		t.Errorf("want one dead letter, got %+v", dead)
	}
}

// With late: send a record goes without the picture that did not come, if the
// standard lets it: a card does, a face that nobody knows does not.
func TestJoinSendsWithout(t *testing.T) {
	b := newBed(t, func(dir string) {
		b := &bed{t: t, dir: dir}
		b.write("mappings/acme/source.yaml", joinSource)
		b.write("mappings/acme/event.yaml", `title: 通行
join: {key: event.device + event.number, wait: 1s, late: send}
to: stk/rytxjl
record:
  accessControlNo: device.mjxtbm
  areaNo: device.xqbm
  accessType: event.way
  accessTime: time(event.time)
  snapSmallImage: later("photo")
  snapBigImage: later("photo")
`)
		change(t, dir, "sources: [hikvision, dahua, iflytek]", "sources: [acme]")
	})
	for way := 1; way <= 2; way++ {
		b.post("/acme/event", "application/json", fmt.Sprintf(`{"device":"door-1","number":"n%d","way":"%d","time":"2026-09-02 10:00:00"}`, way, way))
	}
	b.deadWith(store.NoPicture, "it did not come within 1s")
	r := b.delivered(1)[0]
	if text := string(r.Record); strings.Contains(text, "Image") || !strings.HasSuffix(text, `"accessType":"1"}`) && !strings.Contains(text, `"accessType":"1",`) {
		t.Errorf("delivered %s", text)
	}
}

// A record that the platform refused is mapped again with the picture that had
// come for it.
func TestJoinedRecordIsRetried(t *testing.T) {
	b := joinBed(t, "1m")
	b.platform.Behave(platformtest.Behaviour{Code: "1001"})
	b.joinEvent(1)
	b.joinPhoto(1, testJPEG(t, 64, 48))
	d := b.deadWith(store.Rejected, "1001")
	b.platform.Behave(platformtest.Behaviour{})
	r, err := b.RetryDead(context.Background(), d.ID)
	if err != nil || r.Outcome != "accepted" {
		t.Fatalf("%+v, %v", r, err)
	}
	b.delivered(1)
}

// What is brought is proved as any picture is.
func TestJoinProvesThePicture(t *testing.T) {
	b := joinBed(t, "1m")
	b.joinEvent(1)
	if status, _ := b.post("/acme/photo?device=gate-1&number=n1", "text/plain", "no picture"); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	eventually(t, "the request is kept", func() bool {
		for _, d := range b.dead() {
			if d.Class != string(store.Awaiting) {
				return true
			}
		}
		return false
	})
	b.joinPhoto(1, testJPEG(t, 64, 48))
	b.delivered(1)
}
