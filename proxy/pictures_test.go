package proxy

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	jpegs "image/jpeg"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store"
	"yiqiao/transform/message"
)

// picturesMapping makes face records of a picture behind a URL and a rectangle.
const (
	picturesSource = `title: 只给地址的平台
listen: [POST /acme]
device: {from: [event.device], table: devices}
`
	picturesMapping = `title: 只给地址 → 人脸
to: stk/zpjl
let:
  big: fetch(event.url)
record:
  areaNo: device.xqbm
  snapNo: device.zpjbm
  snapTime: time(event.time)
  snapBigImage: shrink(big, "60KB")
  snapSmallImage: crop(big, event.rect, "0..1")
`
)

// host is a camera or a platform with pictures: it asks for Digest.
type pictureHost struct {
	*httptest.Server
	jpeg   []byte
	asked  atomic.Int32
	answer atomic.Value // func(http.ResponseWriter) bool: answers in another way
}

var authField = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

func newPictureHost(t *testing.T) *pictureHost {
	h := &pictureHost{jpeg: testJPEG(t, 640, 480)}
	sum := func(s string) string { b := md5.Sum([]byte(s)); return hex.EncodeToString(b[:]) }
	h.answer.Store(func(http.ResponseWriter) bool { return false })
	h.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		f := map[string]string{}
		for _, m := range authField.FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
			f[m[1]] = m[2]
		}
		want := sum(sum("admin:cam:camera-secret") + ":" + f["nonce"] + ":" + f["nc"] + ":" + f["cnonce"] + ":auth:" + sum(r.Method+":"+r.URL.RequestURI()))
		if f["response"] != want {
			rw.Header().Set("WWW-Authenticate", `Digest realm="cam", nonce="n1", qop="auth"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.asked.Add(1)
		if !h.answer.Load().(func(http.ResponseWriter) bool)(rw) {
			_, _ = rw.Write(h.jpeg)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *pictureHost) behave(f func(http.ResponseWriter) bool) { h.answer.Store(f) }

func testJPEG(t *testing.T, w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(x * 7), uint8(y * 5), uint8(x ^ y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpegs.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func picturesBed(t *testing.T, from, more string) *bed {
	t.Setenv("CAMERA_PASSWORD", "camera-secret")
	return newBed(t, func(dir string) {
		b := &bed{t: t, dir: dir}
		b.write("mappings/acme/source.yaml", picturesSource)
		b.write("mappings/acme/face.yaml", picturesMapping)
		b.write("devices.csv", strings.NewReplacer("lx,fx\n", "lx,fx,user,password\n", "615,2,1\n", "615,2,1\n", "616,2,1\n", "616,2,1,admin,${CAMERA_PASSWORD}\n").Replace(bedDevices))
		change(t, dir, "sources: [hikvision, dahua, iflytek]", "sources: [acme]\npictures: {from: ["+from+"]"+more+"}")
	})
}

func (b *bed) face(url, second string) {
	b.t.Helper()
	status, _ := b.post("/acme", "application/json", fmt.Sprintf(`{"device":"gate-1","time":"2026-09-02 10:00:%s","url":%q,"rect":{"x":0.25,"y":0.25,"width":0.5,"height":0.5}}`, second, url))
	if status != 200 {
		b.t.Fatalf("the device was answered %d", status)
	}
}

// deadWith waits for one dead letter whose reason holds a text.
func (b *bed) deadWith(class store.Class, want string) DeadLetter {
	b.t.Helper()
	var found DeadLetter
	eventually(b.t, want, func() bool {
		for _, d := range b.dead() {
			if d.Class == string(class) && strings.Contains(d.Reason, want) && (d.Chinese != "" || class == store.Rejected) {
				found = d
				return true
			}
		}
		return false
	})
	return found
}

// A URL becomes two pictures: the whole one under the limit and the face cut
// out of it, fetched once, with the credentials of the device's row.
func TestPictureIsFetchedCutAndShrunk(t *testing.T) {
	h := newPictureHost(t)
	b := picturesBed(t, "127.0.0.1", "")
	b.face(h.URL+"/pic?id=1&Expires=4102444800&Signature=abc", "00")
	rec := b.delivered(1)[0]
	size := func(field string) (image.Config, int) {
		data, err := base64.StdEncoding.DecodeString(gjson.GetBytes(rec.Record, field).String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := jpegs.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return c, len(data)
	}
	if c, n := size("snapBigImage"); n > 60<<10 || c.Width < 300 {
		t.Errorf("the big picture has %d bytes and is %d wide", n, c.Width)
	}
	if c, _ := size("snapSmallImage"); c.Width != 320 || c.Height != 240 {
		t.Errorf("the small picture is %d × %d, want 320 × 240", c.Width, c.Height)
	}
	if n := h.asked.Load(); n != 1 {
		t.Errorf("the picture was fetched %d times", n)
	}
	// The same event, signed again, is a duplicate: nothing is fetched.
	b.face(h.URL+"/pic?id=1&Expires=4102444999&Signature=other", "00")
	b.face(h.URL+"/pic?id=2&Expires=4102444999&Signature=other", "00") // another picture
	b.delivered(2)
	if n := h.asked.Load(); n != 2 {
		t.Errorf("%d pictures were fetched, want 2", n)
	}
	if strings.Contains(b.log.String(), "Signature=abc") {
		t.Error("the log shows a signature")
	}
}

// The platform being away does not keep a picture from being fetched.
func TestPictureIsFetchedWhileThePlatformIsAway(t *testing.T) {
	h := newPictureHost(t)
	b := picturesBed(t, "127.0.0.1", "")
	b.platform.Behave(platformtest.Behaviour{Down: true})
	b.face(h.URL+"/pic", "00")
	eventually(t, "the picture is in the entry", func() bool {
		st, err := b.store.Stats(context.Background(), time.Now())
		return err == nil && st.Ready == 1 && st.Dead == 0
	})
	h.Close() // the URL is gone
	b.platform.Behave(platformtest.Behaviour{})
	b.delivered(1)
}

// What may pass is tried again; what does not come in time is a dead letter,
// which can be mapped again.
func TestPictureIsTriedAgain(t *testing.T) {
	h := newPictureHost(t)
	b := picturesBed(t, "127.0.0.1", ", patience: 0s")
	h.behave(func(rw http.ResponseWriter) bool { rw.WriteHeader(http.StatusBadGateway); return true })
	b.face(h.URL+"/pic?Signature=abc", "00")
	d := b.deadWith(store.NoPicture, "): the picture is missing: "+h.URL+"/pic?Signature=*** answers 502")
	if !strings.Contains(d.Chinese, "缺图片") {
		t.Errorf("in Chinese: %s", d.Chinese)
	}
	o, err := b.ShowDead(context.Background(), d.ID)
	if err != nil || strings.Contains(o.Record+o.Trace, "abc") || !strings.Contains(o.Record, "@fetch "+h.URL) {
		t.Errorf("dead show: %v\n%s\n%s", err, o.Record, o.Trace)
	}
	h.behave(func(http.ResponseWriter) bool { return false })
	r, err := b.RetryDead(context.Background(), d.ID)
	if err != nil || r.Outcome != "accepted" {
		t.Fatalf("dead retry: %+v, %v", r, err)
	}
	b.delivered(1)
}

func TestPictureComesTheSecondTime(t *testing.T) {
	h := newPictureHost(t)
	b := picturesBed(t, "127.0.0.1", "")
	var tries atomic.Int32
	h.behave(func(rw http.ResponseWriter) bool {
		if tries.Add(1) > 1 {
			return false
		}
		rw.WriteHeader(http.StatusNotFound)
		return true
	})
	b.face(h.URL+"/pic", "00")
	b.delivered(1)
}

// What trying again does not mend is a dead letter at once, in both languages.
func TestPictureIsMissing(t *testing.T) {
	h := newPictureHost(t)
	b := picturesBed(t, "127.0.0.1", ", maxBytes: 100KB")
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	u, _ := url.Parse(other.URL)
	tests := []struct {
		url, want string
		answer    func(http.ResponseWriter) bool
	}{
		{"http://127.0.0.2:" + u.Port() + "/x", "an address of this machine", nil},
		{"http://192.0.2.200/x", "which pictures.from in yiqiao.yaml does not allow", nil},
		{h.URL + "/html", "is no picture", func(rw http.ResponseWriter) bool { _, _ = rw.Write([]byte("<html>")); return true }},
		{h.URL + "/long", "more than 102400 bytes", func(rw http.ResponseWriter) bool {
			_, _ = rw.Write(append([]byte("\xff\xd8\xff"), make([]byte, 200<<10)...))
			return true
		}},
		{h.URL + "/gone", "answers 410", func(rw http.ResponseWriter) bool { rw.WriteHeader(http.StatusGone); return true }},
		{h.URL + "/away", "an address of this machine", func(rw http.ResponseWriter) bool {
			rw.Header().Set("Location", "http://127.0.0.3:"+u.Port())
			rw.WriteHeader(http.StatusFound)
			return true
		}},
		{h.URL + "/broken", "cannot be decoded", func(rw http.ResponseWriter) bool { _, _ = rw.Write(h.jpeg[:200]); return true }},
		{h.URL + "/bomb", "claims 65535 × 65535 pixels", func(rw http.ResponseWriter) bool {
			bomb := bytes.Clone(h.jpeg)
			i := bytes.Index(bomb, []byte{0xff, 0xc0})
			copy(bomb[i+5:], []byte{0xff, 0xff, 0xff, 0xff})
			_, _ = rw.Write(bomb)
			return true
		}},
	}
	for i, tt := range tests {
		if tt.answer != nil {
			h.behave(tt.answer)
		}
		b.face(tt.url, fmt.Sprintf("%02d", i))
		b.deadWith(store.NoPicture, tt.want)
	}
	if n := len(b.dead()); n != len(tests) {
		t.Errorf("%d dead letters, want %d", n, len(tests))
	}
}

// The password of a device's row is seen by nobody: no message, trace, log or
// reload shows it, and no expression gets it.
func TestPasswordsAreSeenByNobody(t *testing.T) {
	h := newPictureHost(t)
	b := picturesBed(t, "127.0.0.1", "")
	b.write("devices.csv", "id,name,xqbm,zpjbm,jd,wd,lx,fx,user,password\ngate-1,东门,340102001001001,34010200011321000001,117.302269,31.895616,2,1,admin,top-secret-word\ngate-1,twice,,,,,,,admin,top-secret-word\n")
	_, problems := b.site.Load()
	if len(problems.Errors()) == 0 {
		t.Error("the same id twice is no problem")
	}
	for _, p := range problems {
		if text := p.Error() + p.Excerpt(message.Chinese); strings.Contains(text, "top-secret") {
			t.Errorf("a problem shows the password:\n%s", text)
		}
	}
	b.write("devices.csv", "id,name,xqbm,zpjbm,jd,wd,lx,fx,user,password\ngate-1,东门,340102001001001,34010200011321000001,117.302269,31.895616,2,1,admin,top-secret-word\n")
	if g, problems := b.Reload(context.Background(), "test"); g == nil && len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	b.face(h.URL+"/pic?Signature=abc", "00")
	d := b.deadWith(store.NoPicture, "wants another user or password (answer 401)")
	o, err := b.ShowDead(context.Background(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v", o) + b.log.String(); strings.Contains(text, "top-secret") {
		t.Errorf("the password is shown in %s", text)
	}
	b.write("mappings/acme/face.yaml", strings.Replace(picturesMapping, "device.zpjbm", "device.password", 1))
	if _, problems := b.site.Load(); len(problems.Errors()) == 0 {
		t.Error("a mapping may use device.password")
	}
	if got := fromEnvironment("env:CAMERA_PASSWORD"); got != os.Getenv("CAMERA_PASSWORD") {
		t.Errorf("env: gives %q", got)
	}
}

// What expires first is fetched first.
func TestPictureQueue(t *testing.T) {
	s := newPictures()
	now := time.Now()
	s.add("b", time.Time{})
	s.add("a", time.Time{})
	s.add("late", now.Add(time.Hour))
	s.add("soon", now.Add(time.Minute))
	s.add("soon", now) // known
	var got []string
	for a := s.next(); a != nil; a = s.next() {
		got = append(got, a.id)
	}
	if text := strings.Join(got, " "); text != "soon late a b" {
		t.Errorf("in the order %s", text)
	}
}
