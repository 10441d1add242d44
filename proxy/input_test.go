package proxy

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store"
	"yiqiao/transform/event"
)

const (
	iflytekOK = `{"code":"0","errMsg":"","data":{}}`
	dahuaOK   = `{"Result":true,"Message":"Success"}`
)

func jpeg(n int) string { return base64.StdEncoding.EncodeToString(event.SyntheticJPEG(n, byte(n))) }

func nearSpecFace(at string) string {
	return fmt.Sprintf(`{"areaNo":"340102001001001","snapNo":"34010200011323000001","snapTime":%q,"snapSmallImage":%q,"snapBigImage":"data:image/jpeg;base64,%s"}`, at, jpeg(2000), jpeg(9000))
}

func passage(person string, serial int) string {
	return fmt.Sprintf(`{"dateTime":"2026-01-02T13:32:56+08:00","eventType":"AccessControllerEvent","AccessControllerEvent":{"majorEventType":5,"subEventType":75,"employeeNoString":%q,"serialNo":%d}}`, person, serial)
}

// One event of each vendor arrives as a record of the standard; sent again, it
// is a duplicate and its device is answered the same.
func TestDelivery(t *testing.T) {
	b := newBed(t, nil)
	tollgate := fmt.Sprintf(`{"Picture":{"NormalPic":{"Content":%q},"VehiclePic":{"Content":%q},"Plate":{"PlateNumber":"测A00001"},"SnapInfo":{"AccurateTime":"2026-01-02 09:30:45.123","DeviceID":"gate-1"}}}`, jpeg(9000), jpeg(4000))
	for range 2 {
		for _, tt := range []struct{ path, body, answer string }{
			{"/hikvision/door-1", passage("1001", 7), ""},
			{"/NotificationInfo/TollgateInfo", tollgate, dahuaOK},
			{"/iflytek/api/v1/stk/zpjl", nearSpecFace("2026-01-02 12:12:12"), iflytekOK},
			{"/NotificationInfo/KeepAlive", `{"Active":"keepAlive","DeviceID":"gate-1"}`, `{"Active":true,"DeviceID":"gate-1"}`},
		} {
			if status, answer := b.post(tt.path, "application/json", tt.body); status != http.StatusOK || answer != tt.answer {
				t.Errorf("%s: got %d %s", tt.path, status, answer)
			}
		}
	}
	b.tickPresence(t.Context(), time.Now(), longTick) // which tells that gate-1 is there
	got := map[string]string{}
	for _, r := range b.delivered(4) {
		got[r.Interface] = string(r.Record)
	}
	want := map[string]string{
		"stk/rytxjl": `{"accessControlNo":"3401020010010011150001","areaNo":"340102001001001","accessType":"2","accessTime":"2026-01-02 13:32:56","cardNo":"340102199001010015"}`,
		"stk/cltxjl": fmt.Sprintf(`{"snapNo":"34010200011321000001","areaNo":"340102001001001","carNo":"测A00001","gateNo":"3401020010010011410001","accessTime":"2026-01-02 09:30:45","snapSmallImage":%q,"snapBigImage":%q}`, jpeg(4000), jpeg(9000)),
		"stk/zpjl":   fmt.Sprintf(`{"snapNo":"34010200011323000001","areaNo":"340102001001001","snapTime":"2026-01-02 12:12:12","snapSmallImage":%q,"snapBigImage":%q}`, jpeg(2000), jpeg(9000)),
		"stk/sbzt":   `{"areaNo":"340102001001001","deviceID":"34010200011321000001","isOnLine":"1","deviceType":"1"}`,
	}
	for name, doc := range want {
		if got[name] != doc {
			t.Errorf("%s:\n got %.300s\nwant %.300s", name, got[name], doc)
		}
	}
	if n, err := b.Outcomes(); err != nil || n["duplicate"] != 3 {
		t.Errorf("want 3 duplicates, got %v %v", n, err)
	}
}

// Two people may pass in one second, and a device may send again: the first
// are two records, the second is one.
func TestDistinct(t *testing.T) {
	b := newBed(t, nil)
	b.write("people.csv", bedPeople+"1002,住户乙,340102199002020020\n")
	b.Reload(t.Context(), "test")
	for _, body := range []string{passage("1001", 7), passage("1002", 8), passage("1001", 7)} {
		b.post("/hikvision/door-1", "application/json", body)
	}
	b.delivered(2)
}

// Whatever is wrong with an event, its device gets its success answer, the
// event is kept whole, and the reason says what to do. What never became an
// event is refused with a status that says why.
func TestBadInput(t *testing.T) {
	const multipart = "multipart/form-data; boundary=B"
	for name, tt := range map[string]struct {
		method, path, contentType, body string
		status                          int
		answer                          string
		class                           store.Class // of the dead letter; empty: none
		reason                          string
	}{
		"unknown path":      {"POST", "/nobody", "application/json", "{}", 404, "no source listens at /nobody", "", ""},
		"wrong method":      {"GET", "/hikvision/door-1", "", "", 405, "source hikvision does not take GET", "", ""},
		"oversized body":    {"POST", "/hikvision/door-1", "application/json", strings.Repeat(" ", 1<<20+1), 413, "larger than 1048576 bytes (limits.body)", "", ""},
		"broken JSON":       {"POST", "/iflytek/api/v1/stk/zpjl", "application/json", `{"areaNo":"3401`, 200, iflytekOK, store.Undecodable, "broken json at byte"},
		"broken multipart":  {"POST", "/hikvision/door-1", multipart, "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n", 200, "", store.Undecodable, "broken multipart"},
		"not multipart":     {"POST", "/hikvision/door-1", "multipart/form-data", "no boundary at all", 200, "", store.Undecodable, "broken multipart"},
		"nonsense":          {"POST", "/iflytek/api/v1/stk/zpjl", "application/json", "\x00\x01\x02", 200, iflytekOK, store.Undecodable, "broken"},
		"empty body":        {"POST", "/iflytek/api/v1/stk/zpjl", "application/json", "", 200, iflytekOK, store.Undecodable, ""},
		"wrong type, good":  {"POST", "/hikvision/door-1", "text/plain", passage("1001", 7), 200, "", "", ""},
		"no type, good":     {"POST", "/hikvision/door-1", "", passage("1001", 7), 200, "", "", ""},
		"unknown device":    {"POST", "/hikvision/nobody", "application/json", passage("1001", 7), 200, "", store.UnknownDevice, `request.path.device = "nobody"`},
		"missing field":     {"POST", "/iflytek/api/v1/stk/zpjl", "application/json", `{"snapTime":"2026-01-02 12:12:12"}`, 200, iflytekOK, store.Refused, "snapNo (抓拍机编码): event.snapNo is empty (bundled/iflytek/face.yaml:"},
		"wrong time":        {"POST", "/iflytek/api/v1/stk/zpjl", "application/json", nearSpecFace("noon"), 200, iflytekOK, store.Refused, `want a time, got "noon"`},
		"forged handle":     {"POST", "/iflytek/api/v1/stk/zpjl", "application/json", strings.Replace(nearSpecFace("2026-01-02 12:12:12"), jpeg(2000), "\x1ayiqiao:0000000000000000:0", 1), 200, iflytekOK, store.Undecodable, "broken json"},
		"handle as a text":  {"POST", "/iflytek/api/v1/stk/zpjl", "application/json", strings.Replace(nearSpecFace("2026-01-02 12:12:12"), jpeg(2000), "@blob:0", 1), 200, iflytekOK, store.Refused, "snapSmallImage (抓拍小图)"},
		"dictionary miss":   {"POST", "/iflytek/api/v1/stk/rytxjl", "application/json", `{"accessType":"8","accessTime":"2026-01-02 12:12:12","accessControlNo":"3401020010010011150003","areaNo":"340102001001001","cardNo":"340102199001010015"}`, 200, iflytekOK, store.Refused, "accessType (通行方式): want a code of ZD018"},
		"no mapping":        {"POST", "/iflytek/api/v1/wd", "application/json", `{"xm":"住户甲"}`, 200, iflytekOK, store.Unmapped, "no mapping of source iflytek matches"},
		"person unknown":    {"POST", "/hikvision/door-1", "application/json", passage("9999", 7), 200, "", store.Refused, `people.csv has no row "9999"`},
		"not of interest":   {"POST", "/hikvision/door-1", "application/json", `{"eventType":"VMD"}`, 200, "", "", ""},
		"part of no use":    {"POST", "/hikvision/door-1", multipart, "--B\r\n\r\n" + passage("1001", 7) + "\r\n--B\r\nContent-Type: image/jpeg\r\n\r\n<html>\r\n--B--", 200, "", "", ""},
		"10,000 parts":      {"POST", "/hikvision/door-1", multipart, strings.Repeat("--B\r\n\r\nx\r\n", 10_000) + "--B--", 200, "", store.Undecodable, "more than 64 parts"},
		"deep XML":          {"POST", "/hikvision/door-1", "application/xml", strings.Repeat("<a>", 10_000), 200, "", store.Undecodable, "nested more than 128 deep"},
		"odd and refused":   {"POST", "/hikvision/nobody", "multipart/form-data; boundary=\"B", "--B\n\n" + passage("1001", 7) + "\n", 200, "", store.UnknownDevice, "(of the body: the closing delimiter is missing)"},
		"no last delimiter": {"POST", "/hikvision/door-1", multipart, "--B\r\n\r\n" + passage("1001", 7) + "\r\n", 200, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			req, err := http.NewRequest(tt.method, b.devices.URL+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.contentType != "" {
				req.Header.Set("Content-Type", tt.contentType)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || tt.status == 200 && string(answer) != tt.answer || !strings.Contains(string(answer), tt.answer) {
				t.Errorf("got %s %q", resp.Status, answer)
			}
			dead := b.dead()
			if tt.class == "" {
				if len(dead) != 0 {
					t.Errorf("want no dead letter, got %+v", dead)
				}
				return
			}
			if len(dead) != 1 || dead[0].Class != string(tt.class) || !strings.Contains(dead[0].Reason, tt.reason) {
				t.Fatalf("want one dead letter, %s: %q, got %+v", tt.class, tt.reason, dead)
			}
			o, err := b.ShowDead(t.Context(), dead[0].ID)
			if err != nil || string(o.Body) != tt.body || o.Request.Path != tt.path {
				t.Errorf("the original is not whole: %d bytes of %d, %v", len(o.Body), len(tt.body), err)
			}
			if strings.Contains(b.log.String(), "340102199001010015") {
				t.Error("a personal value is in the log")
			}
		})
	}
}

// A body that ends early was never whole: 400, and nothing is kept.
func TestCutOffBody(t *testing.T) {
	b := newBed(t, nil)
	conn := dial(t, b.devices.URL)
	fmt.Fprintf(conn, "POST /hikvision/door-1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"a\"")
	conn.CloseWrite()
	answer, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 400") || !strings.Contains(string(answer), "the body ended after 4 bytes of 100") {
		t.Errorf("got %q", answer)
	}
	if dead := b.dead(); len(dead) != 0 {
		t.Errorf("got %+v", dead)
	}
}

// A chunked body has no length; it is bounded all the same.
func TestChunkedBody(t *testing.T) {
	b := newBed(t, nil)
	for body, status := range map[string]int{passage("1001", 7): 200, strings.Repeat(" ", 1<<20+1): 413} {
		req, err := http.NewRequest("POST", b.devices.URL+"/hikvision/door-1", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%d bytes: want %d, got %s", len(body), status, resp.Status)
		}
	}
	b.delivered(1)
}

// A compressed body is an event like any other, also when it is mapped again;
// a bomb is a dead letter with its few bytes.
func TestCompressedBody(t *testing.T) {
	b := newBed(t, nil)
	post := func(path, encoding, body string) {
		t.Helper()
		req, err := http.NewRequest("POST", b.devices.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "multipart/form-data; boundary=B")
		if encoding != "" {
			req.Header.Set("Content-Encoding", encoding)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %s", path, encoding, resp.Status)
		}
	}
	squeezed := func(body string) string {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = io.WriteString(w, body)
		w.Close()
		return out.String()
	}
	picture := string(event.SyntheticJPEG(9000, 1))
	post("/iflytek/api/v1/stk/zpjl", "gzip", squeezed(nearSpecFace("2026-01-02 12:12:12")))
	if got := string(b.delivered(1)[0].Record); !strings.Contains(got, jpeg(2000)) || !strings.Contains(got, jpeg(9000)) {
		t.Errorf("the pictures of a compressed body are not whole: %.300s", got)
	}
	body := func(serial int) string {
		return "--B\r\n\r\n" + passage("1001", serial) + "\r\n--B\r\nContent-Type: image/jpeg\r\n\r\n" + picture + "\r\n--B--"
	}
	post("/hikvision/door-1", "gzip", squeezed(body(7)))
	post("/hikvision/door-1", "", squeezed(body(8)))
	post("/hikvision/door-9", "gzip", squeezed(body(9)))
	b.delivered(3)
	b.write("devices.csv", bedDevices+"door-9,新门禁,340102001001001,,3401020010010011150009,,,,,,\n")
	b.Reload(t.Context(), "test")
	if again, err := b.RetryDead(t.Context(), b.dead()[0].ID); err != nil || again.Outcome != "accepted" {
		t.Errorf("got %+v %v", again, err)
	}
	b.delivered(4)
	post("/hikvision/door-1", "gzip", squeezed(strings.Repeat(" ", 64<<20)))
	dead := b.dead()
	if len(dead) != 1 || !strings.Contains(dead[0].Reason, "bytes after decompression") {
		t.Errorf("want the bomb as a dead letter, got %+v", dead)
	}
	all := int64(b.gen.Load().Config.Limits.Memory)
	eventually(t, "all memory is free again", func() bool {
		free := b.memory.TryAcquire(all)
		if free {
			b.memory.Release(all)
		}
		return free
	})
}

// After the file is fixed a dead letter is mapped again with the new rules.
func TestDeadLetterIsMappedAgain(t *testing.T) {
	b := newBed(t, nil)
	b.post("/hikvision/door-9", "application/json", passage("1001", 7))
	id := b.dead()[0].ID
	if again, err := b.RetryDead(t.Context(), id); err != nil || again.Outcome != "" || !strings.Contains(again.Reason, "door-9") {
		t.Errorf("want it to stay dead, got %+v %v", again, err)
	}
	b.write("devices.csv", bedDevices+"door-9,新门禁,340102001001001,,3401020010010011150009,,,,,,\n")
	if g, problems := b.Reload(t.Context(), "test"); g == nil {
		t.Fatal(problems)
	}
	// Through the console's surface, as `yiqiao dead retry` does.
	resp, err := http.Post(b.admin.URL+"/-/dead/"+id+"/retry", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var again Retried
	err = json.NewDecoder(resp.Body).Decode(&again)
	resp.Body.Close()
	if err != nil || again.Outcome != "accepted" {
		t.Errorf("got %+v %v", again, err)
	}
	if got := string(b.delivered(1)[0].Record); !strings.Contains(got, "3401020010010011150009") {
		t.Errorf("got %s", got)
	}
	if dead := b.dead(); len(dead) != 0 {
		t.Errorf("got %+v", dead)
	}
	// A resend of the event is known by now.
	b.post("/hikvision/door-9", "application/json", passage("1001", 7))
	b.delivered(1)
	if err := b.DropDead(t.Context(), id); err == nil {
		t.Error("dropped what is not there")
	}
}

// What the platform refuses is a dead letter with its words; it is sent again
// when a person says so.
func TestRejected(t *testing.T) {
	b := newBed(t, nil)
	b.platform.Behave(platformtest.Behaviour{Code: "4711"})
	b.post("/hikvision/door-1", "application/json", passage("1001", 7))
	eventually(t, "a dead letter", func() bool { return len(b.dead()) == 1 })
	d := b.dead()[0]
	if d.Class != string(store.Rejected) || !strings.Contains(d.Reason, `"4711"`) || !strings.Contains(d.Reason, "按设定返回的错误码") {
		t.Errorf("got %+v", d)
	}
	o, err := b.ShowDead(t.Context(), d.ID)
	if err != nil || !strings.Contains(o.Record, `"accessControlNo":"3401020010010011150001"`) || !strings.Contains(o.Record, `"cardNo":"3***5"`) {
		t.Errorf("got %+v %v", o, err)
	}
	b.platform.Behave(platformtest.Behaviour{})
	if again, err := b.RetryDead(t.Context(), d.ID); err != nil || again.Outcome != "accepted" {
		t.Errorf("got %+v %v", again, err)
	}
	b.delivered(1)
}

// A store that takes nothing: 503 with Retry-After, and nothing half done.
func TestStoreFull(t *testing.T) {
	b := newBed(t, nil)
	b.store.before(func() error { return store.ErrFull })
	resp, err := http.Post(b.devices.URL+"/hikvision/door-1", "application/json", strings.NewReader(passage("1001", 7)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("got %s %v", resp.Status, resp.Header)
	}
	if h := b.Health(t.Context()); !strings.HasPrefix(h.Store, "full:") {
		t.Errorf("health says %q", h.Store)
	}
	b.store.before(func() error { return errors.New("planted: the disk is on fire") })
	b.post("/hikvision/door-1", "application/json", passage("1001", 7))
	if h := b.Health(t.Context()); h.Store != "degraded: planted: the disk is on fire" {
		t.Errorf("health says %q", h.Store)
	}
	b.store.before(nil)
	b.post("/hikvision/door-1", "application/json", passage("1001", 7))
	b.delivered(1)
	if h := b.Health(t.Context()); h.Store != "ok" {
		t.Errorf("health says %q", h.Store)
	}
}

// The platform away, slow or answering pages: everything is delivered when it
// is well again, and its appKey stands nowhere.
func TestPlatformTrouble(t *testing.T) {
	for name, behaviour := range map[string]platformtest.Behaviour{
		"down": {Down: true}, "html": {HTML: true}, "hang up": {HangUp: true}, "failures": {Failures: 1}, "slow": {Latency: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			b.platform.Behave(behaviour)
			for i := range 3 {
				if status, _ := b.post("/hikvision/door-1", "application/json", passage("1001", i)); status != http.StatusOK {
					t.Errorf("the device is told %d", status)
				}
			}
			eventually(t, "the trouble is in the log", func() bool { return strings.Contains(b.log.String(), "will try again") })
			if dead := b.dead(); len(dead) != 0 {
				t.Errorf("got %+v", dead)
			}
			b.platform.Behave(platformtest.Behaviour{})
			// A change of the configuration ends a pause at once.
			b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "window: 72h", "window: 71h", 1)+"\ndedup: {window: 71h}\n")
			if g, problems := b.Reload(t.Context(), "test"); g == nil {
				t.Fatal(problems)
			}
			b.delivered(3)
			if strings.Contains(b.log.String(), "secret-app-key") {
				t.Error("the appKey is in the log")
			}
		})
	}
}

// Sealed for another key: the platform cannot open it, the log says what is
// probably wrong, and with the right key everything is delivered.
func TestWrongPublicKey(t *testing.T) {
	b := newBed(t, nil)
	good := b.read("platform.key.pub")
	_, other, _, err := platformtest.LoadOrCreateKey(filepath.Join(t.TempDir(), "other.key"))
	if err != nil {
		t.Fatal(err)
	}
	b.write("platform.key.pub", other)
	if g, problems := b.Reload(t.Context(), "test"); g == nil {
		t.Fatal(problems)
	}
	b.post("/hikvision/door-1", "application/json", passage("1001", 1))
	eventually(t, "the log says what is wrong", func() bool { return strings.Contains(b.log.String(), "misconfigured") })
	if dead := b.dead(); len(dead) != 0 {
		t.Errorf("got %+v", dead)
	}
	b.write("platform.key.pub", good)
	if g, problems := b.Reload(t.Context(), "test"); g == nil {
		t.Fatal(problems)
	}
	b.delivered(1)
}

func (b *bed) read(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

// Nothing personal stands on the disk in clear: not in the log, not in the
// index, not in keys, and not in the log of the process.
func TestNothingPersonalAtRest(t *testing.T) {
	b := newBed(t, nil)
	b.platform.Behave(platformtest.Behaviour{Down: true})
	secrets := []string{"340102199001010015", "测A54321", "某某某", "snap-secret", jpeg(2000)[:60]}
	face := strings.Replace(nearSpecFace("2026-01-02 12:12:12"), "{", `{"title":"某某某",`, 1)
	for path, body := range map[string]string{
		"/hikvision/door-1":                           passage("1001", 7),
		"/iflytek/api/v1/stk/zpjl?appKey=snap-secret": face,
		"/NotificationInfo/TollgateInfo":              `{"Picture":{"Plate":{"PlateNumber":"测A54321"},"SnapInfo":{"AccurateTime":"2026-01-02 09:30:45","DeviceID":"gate-1"}}}`,
		"/iflytek/api/v1/stk/rytxjl":                  `{"accessType":"8","accessTime":"2026-01-02 12:12:12","accessControlNo":"3401020010010011150003","areaNo":"340102001001001","cardNo":"340102199001010015"}`,
	} {
		if status, _ := b.post(path, "application/json", body); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	if st, err := b.store.Stats(t.Context(), time.Now()); err != nil || st.Ready != 2 || st.Dead != 2 {
		t.Fatalf("want 2 entries and 2 dead letters, got %+v %v", st, err)
	}
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join(b.dir, "data"), func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "store.key" {
			return err
		}
		data, err := os.ReadFile(name)
		all.Write(data)
		return err
	})
	if err != nil || all.Len() < 20_000 {
		t.Fatalf("%d bytes on the disk, %v", all.Len(), err)
	}
	for _, secret := range secrets {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%q stands on the disk", secret)
		}
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("%q stands in the log", secret)
		}
	}
}

// What goes out and yet looks wrong is counted, by field and rule.
func TestWarningsAreCounted(t *testing.T) {
	b := newBed(t, nil)
	car := fmt.Sprintf(`{"Picture":{"NormalPic":{"Content":%q},"VehiclePic":{"Content":%q},"Plate":{"PlateNumber":"?"},"SnapInfo":{"AccurateTime":"2026-01-02 09:30:45.123","DeviceID":"gate-1"}}}`, jpeg(9000), jpeg(4000))
	b.post("/NotificationInfo/TollgateInfo", "application/json", car)
	b.delivered(1)
	resp, err := http.Get(b.admin.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if want := `yiqiao_warnings_total{field="carNo",interface="stk/cltxjl",rule="shape",source="dahua"} 1`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("want %s in the metrics, error %v", want, err)
	}
}

// A gate whose name does not begin with that of its 小区 goes out and is
// counted (规范 3.4); before the 小区 is known, nobody can tell.
func TestNamesOfLaterRecords(t *testing.T) {
	b := newBed(t, nil)
	b.postExample(t, "crk", map[string]any{"crkmc": "北门"})
	b.postExample(t, "xq", nil)
	b.postExample(t, "crk", map[string]any{"crkmc": "别的小区东门"})
	b.postExample(t, "crk", nil)
	b.delivered(4)
	resp, err := http.Get(b.admin.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if want := `yiqiao_warnings_total{field="crkmc",interface="crk",rule="prefix",source="iflytek"} 1`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("want %s in the metrics, error %v", want, err)
	}
}

// postExample posts the standard's own request for an interface, changed.
func (b *bed) postExample(t *testing.T, name string, change map[string]any) {
	t.Helper()
	record := exampleOf(t, b.site.Catalogue.Interface(name))
	maps.Copy(record, change)
	body, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := b.post("/iflytek/api/v1/"+name, "application/json", string(body)); status != http.StatusOK {
		t.Fatalf("%s: %d %s", name, status, answer)
	}
}
