package transform

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Why an event gives no record is said in both languages: the field with its
// label, the expression, its place, and what it saw, masked where it stands for
// a person.
func TestRefusals(t *testing.T) {
	const good = `{"kind":"face","at":"2026-01-02 03:04:05","small":"` + jpegText + `","big":"` + jpegText + `"}`
	in := func(text, old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the text", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	let := in(goodMapping, "to:", "let:\n  who: devices[event.id]\nto:")
	var got strings.Builder
	for _, tt := range []struct{ name, mapping, devices, body string }{
		{name: "the row of the device lacks a value", devices: "id,name,xqbm,zpjbm\ncam-1,东门,340102001001001,\n"},
		{name: "the row of the device lacks one of several", devices: "id,name,xqbm,zpjbm\ncam-1,东门,340102001001001,\n", mapping: in(goodMapping, "device.zpjbm", "first(device.zpjbm, event.no)")},
		{name: "unknown device", devices: "id,name,xqbm,zpjbm\ncam-2,东门,340102001001001,x\n"},
		{name: "nothing", body: in(good, `"at":"2026-01-02 03:04:05",`, "")},
		{name: "empty", body: in(good, "2026-01-02 03:04:05", "")},
		{name: "no time", body: in(good, "2026-01-02 03:04:05", "soon")},
		{name: "no time in a layout", mapping: in(goodMapping, "time(event.at)", `time(event.at, "dd.MM.yyyy HH:mm", "yyyyMMdd")`)},
		{name: "wrong length", mapping: in(goodMapping, "device.xqbm", "event.area"), body: in(good, `"kind"`, `"area":"3401","kind"`)},
		{name: "a list", mapping: in(goodMapping, "device.xqbm", "event.area"), body: in(good, `"kind"`, `"area":[1,2],"kind"`)},
		{name: "no picture", body: in(good, `"small":"`+jpegText+`",`, "")},
		{name: "a text for a picture", mapping: in(goodMapping, "picture(event.small)", "event.kind")},
		{name: "texts and numbers", mapping: in(goodMapping, "device.xqbm", "event.kind + 1")},
		{name: "objects", mapping: in(goodMapping, "device.xqbm", "event.area - 1"), body: in(good, `"kind"`, `"area":{"a":1},"kind"`)},
		{name: "no truth", mapping: in(goodMapping, "device.xqbm", `'event.kind ? "a" : "b"'`)},
		{name: "when is no truth", mapping: in(goodMapping, `event.kind == "face"`, "event.kind")},
		{name: "no row", mapping: in(let, "device.xqbm", "who.xqbm")},
		{name: "no label", mapping: in(goodMapping, "device.xqbm", `dict("ZD004", event.sex)`), body: in(good, `"kind"`, `"sex":"帅","kind"`)},
		{name: "an id card that is none", mapping: in(goodMapping, "device.xqbm", "idcard(event.id).number"), body: in(good, `"kind"`, `"id":"999999199001010010","kind"`)},
		{name: "a place outside", mapping: in(goodMapping, "device.xqbm", `bd09(event.x, event.y, "wgs84").jd`), body: in(good, `"kind"`, `"x":31.8,"y":117.2,"kind"`)},
		{name: "no element", mapping: in(goodMapping, "to:", "each: event.faces\nto:")},
		{name: "no mapping", body: `{"kind":"car"}`},
		{name: "only ignores", mapping: "title: x\nignore:\n  - {when: event.kind == 7, because: x}\n"},
		{name: "two lines", mapping: in(goodMapping, "time(event.at)", "|\n    time(\n      event.kind)")},
		{name: "cut off", body: good[:40]},
		{name: "no JSON", body: "kind: face"},
		{name: "no body", body: " "},
	} {
		if tt.mapping == "" {
			tt.mapping = goodMapping
		}
		if tt.devices == "" {
			tt.devices = goodDevices
		}
		if tt.body == "" {
			tt.body = good
		}
		rules, problems := loadAcme(t, goodSource, tt.mapping, tt.devices)
		if rules == nil {
			t.Fatal(tt.name, problems)
		}
		res := applyAcme(t, rules, tt.body, nil)
		if res.Refusal == nil {
			t.Errorf("%s: not refused: %s", tt.name, res.Describe())
			continue
		}
		fmt.Fprintf(&got, "== %s\n%s: %s\n%s\n\n", tt.name, res.Refusal.Class, res.Refusal.Text, res.Refusal.Chinese)
		if res.Refusal.Text == res.Refusal.Chinese || strings.Contains(got.String(), "999999199001010010") {
			t.Errorf("%s: in one language only, or a person is told: %s", tt.name, res.Refusal.Text)
		}
	}
	const golden = "testdata/refusals.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("%s (-update writes it):\n%s", golden, d)
	}
}
