package transform

import (
	"fmt"
	"strings"
	"testing"

	"yiqiao/transform/message"
)

const elementMapping = `title: 一个请求，几台设备
when: event.kind == "face"
each: event.faces
device: [it.cam, it.address]
to: stk/zpjl
record:
  snapNo: device.zpjbm
  areaNo: device.xqbm
  snapTime: time(event.at)
  snapSmallImage: picture(event.small)
  snapBigImage: picture(event.small)
distinct: it.no
`

const elementDevices = goodDevices + "cam-2|192.0.2.7,西门,340102001001001,34010200011321000002\n"

// With candidates of the mapping's own each element has a device of its own.
// An element of one that nobody knows gives no record, and does not hold up the
// others: the event is kept for it, with the rows to paste.
func TestDeviceOfElement(t *testing.T) {
	rules, problems := loadAcme(t, goodSource, elementMapping, elementDevices)
	if rules == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	apply := func(faces string, tr *Trace) *Result {
		return applyAcme(t, rules, fmt.Sprintf(`{"kind":"face","at":"2026-01-02 03:04:05","small":%q,"faces":[%s]}`, jpegText, faces), tr)
	}
	for _, tt := range []struct {
		name, faces string
		records     string // device of the standard / id in the table
		rows        []string
		device      string
	}{
		{"all known", `{"cam":"cam-2","no":1},{"cam":"cam-1","no":2}`, "34010200011321000002/cam-2 34010200011321000001/cam-1", nil, "cam-2"},
		{"by the second candidate", `{"cam":"","address":"192.0.2.7","no":1},{"cam":"x","address":"192.0.2.7","no":2}`, "34010200011321000002/192.0.2.7 34010200011321000002/192.0.2.7", nil, "192.0.2.7"},
		{"one unknown among others", `{"cam":"cam-9","no":1},{"cam":"cam-1","no":2},{"cam":"cam-9","no":3},{"cam":"a,b","no":4}`, "34010200011321000001/cam-1", []string{"cam-9,,,", `"a,b",,,`}, "cam-1"},
		{"an unknown one behind", `{"cam":"cam-1","no":2},{"no":3}`, "34010200011321000001/cam-1", nil, "cam-1"},
		{"all unknown", `{"cam":"cam-9","no":1},{"cam":"cam-8","no":3}`, "", []string{"cam-9,,,", "cam-8,,,"}, "cam-8"},
		{"the only one unknown", `{"cam":"cam-9","address":"192.0.2.8"}`, "", []string{"cam-9,,,"}, "cam-9"},
		{"a line end in an id", `{"cam":"cam\n9"}`, "", []string{"cam 9,,,"}, "cam\n9"},
	} {
		var tr Trace
		res := apply(tt.faces, &tr)
		var got []string
		for _, r := range res.Records {
			got = append(got, r.Device+"/"+r.FoundBy)
		}
		if strings.Join(got, " ") != tt.records || res.Device != tt.device {
			t.Errorf("%s: want %s of %q, got %s of %q", tt.name, tt.records, tt.device, got, res.Device)
		}
		known := strings.Count(tt.faces, "no\":") == len(got) && tt.rows == nil
		why := res.Left
		if len(got) == 0 {
			why = res.Refusal
		}
		if known != (why == nil) || (res.Refusal != nil) != (len(got) == 0) {
			t.Errorf("%s: refused %+v, left %+v", tt.name, res.Refusal, res.Left)
			continue
		}
		if why == nil {
			continue
		}
		if why.Class != UnknownDevice || why.Mapping != "acme/face.yaml" {
			t.Errorf("%s: got %+v", tt.name, why)
		}
		var b strings.Builder
		tr.Write(&b)
		WriteResult(&b, res, message.Chinese)
		for _, text := range []string{why.Text, why.Chinese, b.String()} {
			lines := strings.Split(text, "\n")
			for _, row := range tt.rows {
				if n := strings.Count(strings.Join(lines, "\n")+"\n", "\n"+row+"\n"); n != 1 {
					t.Errorf("%s: want the row %s on a line of its own, once:\n%s", tt.name, row, text)
				}
			}
		}
	}
	// An element of a known device that breaks a rule refuses the event, as ever.
	bad := strings.Replace(elementMapping, "time(event.at)", "time(it.at)", 1)
	rules, _ = loadAcme(t, goodSource, bad, elementDevices)
	if res := apply(`{"cam":"cam-9"},{"cam":"cam-1","at":"soon"}`, nil); res.Refusal == nil || res.Refusal.Class != Refused || res.Left != nil || len(res.Records) > 0 {
		t.Errorf("got %s", res.Describe())
	}
}

// A run serves one event after another: nothing of the last one is left.
func TestDeviceOfElementIsForgotten(t *testing.T) {
	rules, _ := loadAcme(t, goodSource, elementMapping, elementDevices)
	body := func(cam string) string {
		return fmt.Sprintf(`{"kind":"face","at":"2026-01-02 03:04:05","small":%q,"faces":{"cam":%q}}`, jpegText, cam)
	}
	for range 3 {
		if res := applyAcme(t, rules, body("cam-9"), nil); res.Refusal == nil {
			t.Errorf("got %s", res.Describe())
		}
		if res := applyAcme(t, rules, body("cam-2"), nil); res.Refusal != nil || res.Left != nil || res.Records[0].Device != "34010200011321000002" {
			t.Errorf("got %s", res.Describe())
		}
	}
}

// What a mapping says about its own candidates is proved when it is loaded.
func TestDeviceOfElementProblems(t *testing.T) {
	for _, tt := range []struct{ name, old, new, rule string }{
		{"the device before each", `event.kind == "face"`, "device.zpjbm != nil", "device-early"},
		{"in an ignore rule", "to:", "ignore: [{when: device.zpjbm == nil, because: x}]\nto:", "device-early"},
		{"a candidate that needs it", "it.cam,", "device.zpjbm,", "device-of-device"},
		{"a name", "it.cam,", "evnt.cam,", "unknown-name"},
	} {
		text := strings.Replace(elementMapping, tt.old, tt.new, 1)
		_, problems := loadAcme(t, goodSource, text, elementDevices)
		if len(problems) != 1 || problems[0].Rule != tt.rule {
			t.Errorf("%s: want %s, got %v", tt.name, tt.rule, problems)
		}
	}
	// It needs no candidates of the source.
	source := strings.Replace(goodSource, "device: {from: [request.path.device]}\n", "", 1)
	if rules, problems := loadAcme(t, source, elementMapping, elementDevices); rules == nil || len(problems) > 0 {
		t.Error(problems)
	}
}

// A row that is missing is given to paste, with the ids by which it was sought.
func TestMissingRowIsGiven(t *testing.T) {
	mapping := strings.Replace(goodMapping, "device.xqbm", `first(devices[event.no].xqbm, devices[event.card].xqbm)`, 1)
	rules, problems := loadAcme(t, goodSource, mapping, goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	res := applyAcme(t, rules, fmt.Sprintf(`{"kind":"face","at":"2026-01-02 03:04:05","no":"77","card":"0900","small":%q,"big":%q}`, jpegText, jpegText), nil)
	if res.Refusal == nil || !strings.HasSuffix(res.Refusal.Text, "add to tables/devices.csv, and fill in:\n77|0900,,,") || !strings.HasSuffix(res.Refusal.Chinese, "\n77|0900,,,") {
		t.Errorf("got %s", res.Describe())
	}
}
