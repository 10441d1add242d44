package devicetest

import (
	"bytes"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Every request of every vendor can be made, and says whose it is.
func TestRequests(t *testing.T) {
	for _, name := range Names {
		v, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for kind, r := range v.Requests {
			m := Moment{vendor: v, picture: 900, N: 41, Device: 1, ID: v.id(1), Time: time.Date(2026, 1, 2, 9, 30, 45, 0, Beijing), Late: true}
			q, err := r.render(m)
			if err != nil {
				t.Errorf("%s %s: %v", name, kind, err)
				continue
			}
			if all := q.path + string(q.body); name != "iflytek" && !strings.Contains(all, m.ID) {
				t.Errorf("%s %s: does not name its device %s", name, kind, m.ID)
			}
			if bytes.Contains(q.body, []byte("<no value>")) {
				t.Errorf("%s %s: something is missing in %s", name, kind, q.body)
			}
			if i := bytes.Index(q.body, []byte{0xff, 0xd8, 0xff}); i >= 0 {
				if _, err := jpeg.Decode(bytes.NewReader(q.body[i:])); err != nil {
					t.Errorf("%s %s: the picture is none: %v", name, kind, err)
				}
			}
		}
	}
	if _, err := Load("acme"); err == nil || !strings.Contains(err.Error(), "want one vendor of hikvision, dahua") {
		t.Errorf("want the vendors that there are, got %v", err)
	}
}

// What an answer must not do, or must say, is told.
func TestAnswerRead(t *testing.T) {
	v, err := Load("vzenith")
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"Response_AlarmInfoPlate":{"info":"no","content":"retransfer_stop"}}`: "",
		`{"Response_AlarmInfoPlate":{"info":"ok","content":"retransfer_stop"}}`: "opens a gate",
		`{"Response_AlarmInfoPlate":{"info":"no"}}`:                             `want "retransfer_stop"`,
		`ok`: "want JSON",
	} {
		err := v.Answer.read(Moment{}, "application/json", []byte(body))
		if got := ""; err != nil {
			got = err.Error()
			if want == "" || !strings.Contains(got, want) {
				t.Errorf("%s: want %q, got %q", body, want, got)
			}
		} else if want != "" {
			t.Errorf("%s: want %q, got nothing", body, want)
		}
	}
	if err := v.Answer.read(Moment{}, "text/plain", []byte(`{}`)); err == nil {
		t.Error("another type is taken")
	}
}

// Devices answer a challenge, and carry their token where the site wants it.
func TestFleetCredentials(t *testing.T) {
	v, err := Load("gat1400")
	if err != nil {
		t.Fatal(err)
	}
	asks := NewDevice(v, DeviceOptions{User: "sim", Pass: "right"}) // of it only its challenge
	for pass, want := range map[string]int{"right": 2, "wrong": 0} {
		var mu sync.Mutex
		tokens := map[string]int{}
		asks.mux = http.NewServeMux()
		asks.mux.HandleFunc("/VIID/", func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			tokens[r.URL.Query().Get("token")]++
			w.WriteHeader(http.StatusTeapot)
		})
		server := httptest.NewServer(asks)
		f := NewFleet(v, Options{Target: server.URL, Devices: 1, Rate: 1000, Events: 1, ResendAfter: time.Microsecond, User: "sim", Pass: pass, Token: "t&1"})
		f.Run(t.Context())
		server.Close()
		if r := f.Report(); len(tokens) != min(want, 1) || tokens["t&1"] < want || r.Taken > 0 || !r.Trouble() {
			t.Errorf("%s: the server saw %v, %s", pass, tokens, r)
		}
	}
}

// No simulated person's number passes the check digit of GB 11643.
func TestIdentity(t *testing.T) {
	for i := range 500 {
		s, sum := Identity(i), 0
		for k, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
			sum += int(s[k]-'0') * w
		}
		if len(s) != 18 || s[17] == "10X98765432"[sum%11] {
			t.Errorf("%s could be somebody's", s)
		}
	}
}
