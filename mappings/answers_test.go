package mappings_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"yiqiao/transform"
	"yiqiao/transform/event"
)

// answerOf is what a device is told that sends one request.
type answerOf struct {
	vendor  string
	request string // method and URL
	body    string
	want    string // the answer's type, a blank, its body
}

const noAnswer = " " // neither a type nor a body

// What each kind of request of each vendor wants to hear, whatever became of
// the event.
var answers = []answerOf{
	{"hikvision", "POST /hikvision/door-1", `{"eventType":"AccessControllerEvent"}`, noAnswer},
	{"dahua", "POST /NotificationInfo/TollgateInfo", `{"Picture":{"SnapInfo":{"DeviceID":"d"}}}`, `application/json {"Result":true,"Message":"Success"}`},
	{"dahua", "POST /NotificationInfo/KeepAlive", `{"Active":true,"DeviceID":"d"}`, `application/json {"Active":true,"DeviceID":"d"}`},
	{"iflytek", "POST /iflytek/api/v1/stk/zpjl", `{}`, `application/json {"code":"0","errMsg":"","data":{}}`},

	// A camera that hears info "ok" opens its gate.
	{"vzenith", "POST /vzenith", `{"AlarmInfoPlate":{"result":{"PlateResult":{"license":"_无_"}}}}`, `application/json {"Response_AlarmInfoPlate":{"info":"no","content":"retransfer_stop","is_pay":"true"}}`},
	{"vzenith", "POST /vzenith", `{"AlarmInfoPlate":{"result":{"PlateResult":{"plateid":123,"isoffline":1}}}}`, `application/json {"Response_AlarmInfoPlate":{"info":"no","content":"retransfer_stop","is_pay":"true","ContinuePushOffline":{"plateid":123,"continue":1}}}`},
	{"vzenith", "POST /vzenith", `{"AlarmInfoPlate":{"result":{"PlateResult":{"plateid":"1}","isoffline":1}}}}`, `application/json {"Response_AlarmInfoPlate":{"info":"no","content":"retransfer_stop","is_pay":"true"}}`},
	{"vzenith", "POST /vzenith", `device_name=IVS&serialno=1`, `application/json {"Response_AlarmInfoPlate":{"info":"no","content":"retransfer_stop","is_pay":"true"}}`},
	{"zkteco", "POST /iclock/cdata?SN=Z1&table=ATTLOG&Stamp=1", "1\t2026-01-02 10:15:00\t0\t15\n2\t2026-01-02 10:15:00\t0\t1\n", "text/plain OK:2"},
	{"zkteco", "POST /iclock/fdata?SN=Z1&table=ATTPHOTO", "PIN=1.jpg\nSN=Z1\nCMD=uploadphoto\x00\xff\xd8\xff\xe0", "text/plain OK"},
	{"zkteco", "GET /iclock/getrequest?SN=Z1", "", "text/plain OK"},
	{"zkteco", "GET /iclock/ping?SN=Z1", "", "text/plain OK"},
	{"zkteco", "GET /iclock/cdata?SN=Z1&options=all&pushver=2.4.1", "", "text/plain GET OPTION FROM: Z1\nATTLOGStamp=9999\nOPERLOGStamp=9999\nATTPHOTOStamp=9999\nErrorDelay=30\nDelay=10\nTransTimes=00:00;14:05\nTransInterval=1\nTransFlag=TransData AttLog\nTimeZone=8\nRealtime=1\nEncrypt=None"},
	{"uniview", "POST /LAPI/V1.0/PACS/Controller/HeartReportInfo", `{"DeviceCode":"1","Time":"2026-01-01 10:00:00"}`, `text/plain {"ResponseURL":"/LAPI/V1.0/PACS/Controller/HeartReportInfo","Code":0,"Data":{"Time":"2026-01-02 11:04:05"}}`},
	{"uniview", "POST /LAPI/V1.0/System/Event/Notification/PersonVerification", `{"DeviceCode":"1","FaceInfoList":[]}`, `text/plain {"ResponseURL":"/LAPI/V1.0/System/Event/Notification/PersonVerification","Code":0,"Data":{"Time":"2026-01-02 11:04:05"}}`},
	{"hikvision-isc", "POST /hikvision-isc/eventRcv", `{"method":"OnEventNotify","params":{"events":[]}}`, `application/json {"code":0}`},
	{"gat1400", "POST /VIID/System/Register", `{"RegisterObject":{"DeviceID":"41"}}`, `application/json {"ResponseStatusObject":{"RequestURL":"/VIID/System/Register","StatusCode":0,"StatusString":"OK","Id":"41","LocalTime":"20260102110405"}}`},
	{"gat1400", "POST /VIID/System/Keepalive", `{"KeepaliveObject":{"DeviceID":"41"}}`, `application/json {"ResponseStatusObject":{"RequestURL":"/VIID/System/Keepalive","StatusCode":0,"StatusString":"OK","Id":"41","LocalTime":"20260102110405"}}`},
	{"gat1400", "POST /VIID/Faces", `{"FaceListObject":{"FaceObject":[{"FaceID":"F1"}]}}`, `application/json {"ResponseStatusListObject":{"ResponseStatusObject":[{"RequestURL":"/VIID/Faces","StatusCode":0,"StatusString":"OK","Id":"F1","LocalTime":"20260102110405"}]}}`},
	{"gat1400", "POST /VIID/Faces", `{"FaceListObject":[{"FaceID":"F1"},{"FaceID":"F\"2"}]}`, `application/json {"ResponseStatusListObject":{"ResponseStatusObject":[{"RequestURL":"/VIID/Faces","StatusCode":0,"StatusString":"OK","Id":"F1","LocalTime":"20260102110405"},{"RequestURL":"/VIID/Faces","StatusCode":0,"StatusString":"OK","Id":"F\"2","LocalTime":"20260102110405"}]}}`},
	{"gat1400", "POST /VIID/Others", `{"OtherListObject":{}}`, `application/json {"ResponseStatusListObject":{"ResponseStatusObject":[{"RequestURL":"/VIID/Others","StatusCode":0,"StatusString":"OK","Id":"","LocalTime":"20260102110405"}]}}`},
	{"gat1400", "POST /VIID/MotorVehicles", `{"MotorVehicleListObject":[{"MotorVehicleID":"M1"}]}`, `application/json {"ResponseStatusListObject":{"ResponseStatusObject":[{"RequestURL":"/VIID/MotorVehicles","StatusCode":0,"StatusString":"OK","Id":"M1","LocalTime":"20260102110405"}]}}`},
}

// opens are the words by which an answer of some vendor opens a gate or a door.
var opens = []string{"OpenStrobe", `"info":"ok"`, "ivs_ioctrl", "manualTrigger"}

// Each vendor hears what it wants to, with a success for whatever became of an
// event that was stored, and no answer opens a gate.
func TestAnswers(t *testing.T) {
	loaded := map[string]*transform.Rules{}
	for _, vendor := range vendors {
		loaded[vendor] = load(t, vendor)
		if !slices.ContainsFunc(answers, func(a answerOf) bool { return a.vendor == vendor }) {
			t.Errorf("no answer of %s is tested", vendor)
		}
	}
	for _, c := range answers {
		rules := loaded[c.vendor]
		s := rules.Source(c.vendor)
		ev := received(t, rules, c)
		for _, o := range []transform.Outcome{transform.Accepted, transform.Duplicate, transform.Ignored, transform.Kept} {
			a := rules.Answer(s, o, ev)
			kind := ""
			if i := slices.IndexFunc(a.Header, func(h [2]string) bool { return h[0] == "Content-Type" }); i >= 0 {
				kind = a.Header[i][1]
			}
			if got := kind + " " + string(a.Body); a.Status != 200 || got != c.want {
				t.Errorf("%s, %s %s: want 200 %s, got %d %s", o, c.request, c.body, c.want, a.Status, got)
			}
			if strings.Contains(kind, "json") && !json.Valid(a.Body) {
				t.Errorf("%s %s: the answer %s is not JSON", c.request, c.body, a.Body)
			}
			for _, word := range opens {
				if strings.Contains(string(a.Body), word) {
					t.Errorf("%s %s: the answer %s opens a gate", c.request, c.body, a.Body)
				}
			}
		}
		if a := rules.Answer(s, transform.Full, ev); a.Status != 503 || !slices.ContainsFunc(a.Header, func(h [2]string) bool { return h[0] == "Retry-After" }) {
			t.Errorf("%s: want 503 with Retry-After for an event that could not be stored, got %+v", c.vendor, a)
		}
		if a := rules.Answer(s, transform.Kept, nil); a.Status != 200 {
			t.Errorf("%s: want 200 for a body that could not be read, got %+v", c.vendor, a)
		}
	}
}

// received is the event of a request.
func received(t *testing.T, rules *transform.Rules, c answerOf) *event.Event {
	t.Helper()
	method, target, _ := strings.Cut(c.request, " ")
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	s, params, ok := rules.Match(method, u.Path)
	if !ok || s == nil {
		t.Fatalf("%s listens at no %s", c.vendor, c.request)
	}
	q := event.Request{Method: method, Path: u.Path, Params: params, Query: map[string]string{}, Remote: "192.0.2.99", Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for k := range u.Query() {
		q.Query[k] = u.Query().Get(k)
	}
	return rules.ApplyBody(s, q, []byte(c.body), new(transform.Result), nil)
}
