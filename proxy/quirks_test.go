package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yiqiao/transform"
	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

func TestDress(t *testing.T) {
	const jpg, png = "/9j/4AAQSkZJRg==", "iVBORw0KGgoAAAAN"
	person := `{"xm":"某\"甲\\","xbdm":1,"ryZp":"","zjzp":"","jzxxList":[{"fwbm":"3401","n":-2},{"fwbm":"","l":[1,"b",[],{}]}],"bz":"😀"}`
	tests := map[string]struct {
		iface, doc string
		config     PlatformConfig
		want       string
	}{
		"nothing":   {"rk", person, PlatformConfig{Integers: "number", Pictures: "base64"}, strings.Replace(strings.Replace(person, `"ryZp":""`, `"ryZp":"`+jpg+`"`, 1), `"zjzp":""`, `"zjzp":"`+png+`"`, 1)},
		"integers":  {"rk", `{"xbdm":1,"bz":"1","x":2}`, PlatformConfig{Integers: "string"}, `{"xbdm":"1","bz":"1","x":2}`},
		"a text":    {"rk", `{"xbdm":"1"}`, PlatformConfig{Integers: "string"}, `{"xbdm":"1"}`},
		"pictures":  {"rk", person, PlatformConfig{Pictures: "data-uri"}, strings.Replace(strings.Replace(person, `"ryZp":""`, `"ryZp":"data:image/jpeg;base64,`+jpg+`"`, 1), `"zjzp":""`, `"zjzp":"data:image/png;base64,`+png+`"`, 1)},
		"ascii":     {"rk", `{"xm":"某\"甲\\","bz":"😀a\u4e00"}`, PlatformConfig{Quirks: []string{"ascii-json"}}, `{"xm":"\u67d0\"\u7532\\","bz":"\ud83d\ude00a\u4e00"}`},
		"swap":      {"mjxt", `{"mjlx":"D1-101F","mjxtlx":"2"}`, PlatformConfig{Quirks: []string{"swap-mjlx-mjxtlx"}}, `{"mjxtlx":"D1-101F","mjlx":"2"}`},
		"no object": {"rk", `[]`, PlatformConfig{Integers: "string"}, `the document of rk at byte 0: want '{'`},
		"cut off":   {"rk", `{"xm":"某`, PlatformConfig{Integers: "string"}, `the document of rk at byte 6: a string does not end`},
		"no value":  {"rk", `{"xm":,"a":1}`, PlatformConfig{Integers: "string"}, `the document of rk at byte 6: want a value`},
	}
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rec := &transform.Record{Doc: []byte(test.doc)}
			for _, picture := range []struct{ at, data string }{{`"ryZp":"`, jpg}, {`"zjzp":"`, png}} {
				if n := strings.Index(test.doc, picture.at); n >= 0 {
					rec.Holes = append(rec.Holes, transform.Hole{At: n + len(picture.at), Blob: event.Blob{Data: []byte(picture.data)}})
				}
			}
			out, err := test.config.dress().put(rec, catalogue.Interface(test.iface))
			if err != nil {
				out = &transform.Record{Doc: []byte(err.Error())}
			}
			var got strings.Builder
			for piece := range out.Pieces(make([]byte, 12<<10)) {
				got.Write(piece)
			}
			if diff := cmp.Diff(test.want, got.String()); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			if string(rec.Doc) != test.doc {
				t.Errorf("the record itself was changed: %s", rec.Doc)
			}
		})
	}
}

// A site that says which quirks its platform has delivers accordingly, and what
// it says wrongly is told.
func TestQuirks(t *testing.T) {
	b := newBed(t, func(dir string) { change(t, dir, "timeout: 2s", "timeout: 2s, quirks: [ascii-json], integers: string") })
	tollgate := `{"Picture":{"NormalPic":{"Content":"` + jpeg(9000) + `"},"VehiclePic":{"Content":"` + jpeg(4000) + `"},"Plate":{"PlateNumber":"测A00001"},"SnapInfo":{"AccurateTime":"2026-01-02 09:30:45.123","DeviceID":"gate-1"}}}`
	if status, answer := b.post("/NotificationInfo/TollgateInfo", "application/json", tollgate); status != 200 {
		t.Fatalf("got %d %s", status, answer)
	}
	record := b.delivered(1)[0].Record
	var car struct{ CarNo string }
	if err := json.Unmarshal(record, &car); err != nil || car.CarNo != "测A00001" || strings.ContainsFunc(string(record), func(r rune) bool { return r > 127 }) {
		t.Errorf("record %.200s, error %v", record, err)
	}
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "[ascii-json], integers: string", "[asci], integers: text, pictures: png", 1))
	_, problems := b.Reload(t.Context(), "test")
	for _, want := range []string{
		`platform.quirks[0]: want swap-mjlx-mjxtlx or ascii-json, got "asci"`,
		`platform.integers: want number or string, got "text"`,
		`platform.pictures: want base64 or data-uri, got "png"`,
	} {
		if !strings.Contains(problems.Error(), want) {
			t.Errorf("want %q in\n%v", want, problems)
		}
	}
}
