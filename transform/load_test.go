package transform

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

var update = flag.Bool("update", false, "write golden files")

const goodSource = `title: 测试
listen: POST /acme/{device}
device: {from: [request.path.device]}
`

const goodMapping = `title: 测试人脸
when: event.kind == "face"
to: stk/zpjl
record:
  snapNo: device.zpjbm
  areaNo: device.xqbm
  snapTime: time(event.at)
  snapSmallImage: picture(event.small)
  snapBigImage: picture(event.big)
`

const goodDevices = "id,name,xqbm,zpjbm\ncam-1,东门,340102001001001,34010200011321000001\n"

var loadOnce = sync.OnceValues(spec.Load)

// loadAcme loads a pack of one vendor.
func loadAcme(t testing.TB, source, mapping, devices string) (*Rules, Problems) {
	t.Helper()
	catalogue, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	table, problems := ParseTable("devices", "tables/devices.csv", []byte(devices))
	rules, more := Load(Options{
		Catalogue: catalogue, Tables: []*Table{table},
		Packs: []Pack{{Prefix: "mappings", FS: fstest.MapFS{
			"acme/source.yaml": {Data: []byte(source)},
			"acme/face.yaml":   {Data: []byte(mapping)},
		}}},
	})
	return rules, append(problems, more...)
}

// Each way to write a file wrong gives a message with its place, the line, a
// caret and, where there is one, what was probably meant.
func TestProblems(t *testing.T) {
	in := func(text, old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the text", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	var got strings.Builder
	for _, tt := range []struct{ name, source, mapping, devices string }{
		{name: "unknown key", mapping: in(goodMapping, "when:", "wenn:")},
		{name: "unknown field", mapping: in(goodMapping, "snapTime:", "snapTme:")},
		{name: "field missing", mapping: in(goodMapping, "  snapNo: device.zpjbm\n", "")},
		{name: "unknown interface", mapping: in(goodMapping, "stk/zpjl", "stk/zpjll")},
		{name: "unknown function", mapping: in(goodMapping, "time(event.at)", "tiem(event.at)")},
		{name: "unknown name", mapping: in(goodMapping, "device.zpjbm", "devise.zpjbm")},
		{name: "unknown column", mapping: in(goodMapping, "device.zpjbm", "device.zpjbn")},
		{name: "unknown column of a row", mapping: in(goodMapping, "to:", "let:\n  camera: devices[event.id]\nto:") + "distinct: camera.zpjbmm\n"},
		{name: "unknown request member", mapping: in(goodMapping, `event.kind == "face"`, `request.paht.device == "x"`)},
		{name: "too many arguments", mapping: in(goodMapping, "picture(event.big)", "picture(event.big, 1)")},
		{name: "broken expression", mapping: in(goodMapping, "time(event.at)", "time(event.at")},
		{name: "single equals sign", mapping: in(goodMapping, "==", "=")},
		{name: "number too large", mapping: in(goodMapping, "device.zpjbm", "34010241011328001001")},
		{name: "constant too short", mapping: in(goodMapping, "device.zpjbm", `'"3401"'`)},
		{name: "wrong type", mapping: in(goodMapping, "time(event.at)", `event.at + 1 == "x" + 2`)},
		{name: "empty expression", mapping: in(goodMapping, "time(event.at)", "")},
		{name: "a mark of yiqiao new", mapping: in(goodMapping, "time(event.at)", "???   # 没有像时间的值")},
		{name: "a mark for the device", source: in(goodSource, "[request.path.device]", "\n    - ???\n")},
		{name: "duplicate key", mapping: in(goodMapping, "  areaNo:", "  snapNo: event.x\n  areaNo:")},
		{name: "unquoted colon", mapping: in(goodMapping, "device.zpjbm", `event.a ? device.zpjbm : nil`)},
		{name: "tab", mapping: in(goodMapping, "  areaNo:", "\tareaNo:")},
		{name: "no title", mapping: in(goodMapping, "title: 测试人脸\n", "")},
		{name: "does nothing", mapping: "title: x\nwhen: event.a == 1\n"},
		{name: "to without record", mapping: "title: x\nto: stk/zpjl\n"},
		{name: "name taken", mapping: in(goodMapping, "to:", "let:\n  event: event.x\nto:")},
		{name: "it without each", mapping: in(goodMapping, "event.at", "it.at")},
		{name: "not UTF-8", mapping: "title: \xb2\xe2\xca\xd4\n"},
		{name: "two documents", mapping: goodMapping + "---\ntitle: x\n"},
		{name: "ignore without reason", mapping: in(goodMapping, "to:", "ignore:\n  - when: event.x == 1\nto:")},
		{name: "list: unknown field", mapping: residents("each: event.homes", "record: {fwbm: it.code, relation: it.kin}")},
		{name: "list: no record", mapping: residents("each: event.homes")},
		{name: "list: unknown key", mapping: residents("each: event.homes", "record: {fwbm: it.code, yhzgxdm: it.kin}", "when: it.code != nil")},
		{name: "list: wrong constant", mapping: residents("- {fwbm: event.code, yhzgxdm: '\"7\"'}", "- {fwbm: '\"3401\"', yhzgxdm: event.kin}")},
		{name: "list: it is the list's", mapping: residents("- {fwbm: it.code, yhzgxdm: event.kin}")},
		{name: "list: outer without each", mapping: residents("each: event.homes", "record: {fwbm: outer.code, yhzgxdm: it.kin}")},
		{name: "list: empty", mapping: strings.Replace(residents("- {}"), "jzxxList:\n    - {}", "jzxxList: []", 1)},
		{name: "list: for a text", mapping: in(goodMapping, "device.zpjbm", "{each: event.a, record: {x: it.y}}")},
		{name: "now is disabled", mapping: in(goodMapping, "time(event.at)", "string(now())")},
		{name: "source: unknown key", source: in(goodSource, "listen:", "lisen:")},
		{name: "source: bad route", source: in(goodSource, "POST /acme", "FETCH acme")},
		{name: "source: reserved path", source: in(goodSource, "POST /acme/{device}", "POST /-/acme")},
		{name: "source: unknown table", source: in(goodSource, "{from:", "{table: device, from:")},
		{name: "source: body", source: goodSource + "body: xlm\n"},
		{name: "source: zone", source: goodSource + "time: {zone: Mars/Olympus}\n"},
		{name: "source: correction", source: goodSource + "time: {correct: nine minutes}\n"},
		{name: "source: outcome", source: goodSource + "answers: [{for: acepted, body: ok}]\n"},
		{name: "source: status", source: goodSource + "answers: [{status: 2000}]\n"},
		{name: "source: open placeholder", source: goodSource + "answers: [{body: 'id ${event.id'}]\n"},
		{name: "table: long row", devices: goodDevices + "cam-2,西门,340102001001001,34010200011321000002,1,2\n"},
		{name: "table: Excel's number", devices: goodDevices + "cam-2,西门,3.40102E+14,34010200011321000002\n"},
		{name: "table: same id twice", devices: goodDevices + "CAM-1|cam-9,西门,340102001001001,34010200011321000002\n"},
		{name: "table: column twice", devices: strings.Replace(goodDevices, "name", "id", 1)},
		{name: "table: empty", devices: ""},
		{name: "table: binary", devices: "PK\x03\x04\x00\x00\xff\xfe"},
		{name: "table: open quote", devices: goodDevices + "\"cam-2,西门,x,y\n"},
	} {
		if tt.source == "" {
			tt.source = goodSource
		}
		if tt.mapping == "" {
			tt.mapping = goodMapping
		}
		if tt.devices == "" && tt.name != "table: empty" {
			tt.devices = goodDevices
		}
		_, problems := loadAcme(t, tt.source, tt.mapping, tt.devices)
		if len(problems) == 0 {
			t.Errorf("%s: nothing was reported", tt.name)
		}
		fmt.Fprintf(&got, "== %s\n", tt.name)
		for _, p := range problems {
			if p.File == "" || p.Rule == "" || p.Text(message.English) == "" || p.Text(message.Chinese) == "" {
				t.Errorf("%s: a problem without file, rule or text: %+v", tt.name, p)
			}
			got.WriteString(p.Excerpt(message.English))
		}
		got.WriteString("\n")
	}
	golden(t, "testdata/problems.golden", got.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-update writes it):\n%s", name, d)
	}
}

func TestLoadGood(t *testing.T) {
	rules, problems := loadAcme(t, goodSource, goodMapping, goodDevices)
	if len(problems) > 0 || rules == nil {
		t.Fatal(problems)
	}
	again, _ := loadAcme(t, goodSource, goodMapping, goodDevices)
	other, _ := loadAcme(t, goodSource, goodMapping, strings.Replace(goodDevices, "东门", "西门", 1))
	if rules.Digest != again.Digest || rules.Digest == other.Digest {
		t.Errorf("digests %s %s %s: want the same for the same files and another for others", rules.Digest, again.Digest, other.Digest)
	}
	// A file of the site replaces the bundled one of the same name.
	catalogue := rules.Catalogue
	devices, _ := ParseTable("devices", "devices.csv", []byte(goodDevices))
	rules, problems = Load(Options{Catalogue: catalogue, Tables: []*Table{devices}, Packs: []Pack{
		{Prefix: "bundled", FS: fstest.MapFS{"acme/source.yaml": {Data: []byte(goodSource)}, "acme/face.yaml": {Data: []byte("title: [")}}},
		{Prefix: "mappings", FS: fstest.MapFS{"acme/face.yaml": {Data: []byte(goodMapping)}}},
	}})
	if len(problems) > 0 || rules.Source("acme").Mappings[0].Title != "测试人脸" {
		t.Error(problems)
	}
	_, problems = Load(Options{Catalogue: catalogue, Sources: []string{"acne"}, Packs: []Pack{{Prefix: "mappings", FS: fstest.MapFS{"acme/source.yaml": {Data: []byte(goodSource)}}}}})
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), `did you mean "acme"`) {
		t.Error(problems)
	}
}

// Tables are read as Excel saves them.
func TestTables(t *testing.T) {
	gbk := "id,name,xqbm\ncam-1,\xb6\xab\xc3\xc5,340102001001001\n" // 东门
	for name, data := range map[string]string{
		"plain":     "id,name,xqbm\ncam-1,东门,340102001001001\n",
		"BOM":       "\xEF\xBB\xBFid,name,xqbm\r\ncam-1,东门,340102001001001\r\n",
		"GBK":       gbk,
		"semicolon": "id;name;xqbm\ncam-1;东门;340102001001001\n",
		"tab":       "id\tname\txqbm\ncam-1\t东门\t340102001001001\n",
		"comments":  "# 说明\nid,name,xqbm\n# 又一行\ncam-1|192.0.2.1, 东门 ,340102001001001\n\n",
	} {
		table, problems := ParseTable("devices", "devices.csv", []byte(data))
		if len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		row := table.Row(" CAM-1")
		if row["name"] != "东门" || row["xqbm"] != "340102001001001" || table.Len() != 1 {
			t.Errorf("%s: got %v", name, row)
		}
	}
	table, _ := ParseTable("devices", "devices.csv", []byte("id,a,b\nx,,2\n"))
	if _, ok := table.Row("x")["a"]; ok {
		t.Error("an empty cell is a value")
	}
}

func TestMatch(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	source := func(listen string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("title: x\nlisten:\n- " + strings.ReplaceAll(listen, ", ", "\n- ") + "\n")}
	}
	rules, problems := Load(Options{Catalogue: catalogue, Packs: []Pack{{FS: fstest.MapFS{
		"a/source.yaml": source("POST /x/{device}, GET /only/get"), "b/source.yaml": source("POST /x/fixed, POST /x/{device}/{kind}"), "c/source.yaml": source("POST /all/{rest...}"),
	}}}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range []struct {
		method, path, source, params string
		ok                           bool
	}{
		{"POST", "/x/1", "a", "map[device:1]", true},
		{"POST", "/x/fixed", "b", "map[]", true},
		{"POST", "/x/1/", "a", "map[device:1]", true},
		{"POST", "/x/1/2", "b", "map[device:1 kind:2]", true},
		{"POST", "/all/1/2/3", "c", "map[rest:1/2/3]", true},
		{"POST", "/x//", "", "map[]", false},
		{"POST", "/y", "", "map[]", false},
		{"GET", "/x/1", "a", "map[device:1]", false},
		{"POST", "/only/get", "a", "map[]", false},
	} {
		s, params, ok := rules.Match(tt.method, tt.path)
		name := ""
		if s != nil {
			name = s.Name
		}
		if name != tt.source || ok != tt.ok || fmt.Sprint(params) != tt.params {
			t.Errorf("%s %s: got %q %v %v", tt.method, tt.path, name, params, ok)
		}
	}
	if _, problems := Load(Options{Catalogue: catalogue, Packs: []Pack{{FS: fstest.MapFS{"a/source.yaml": source("POST /x/{device}"), "b/source.yaml": source("POST /x/{id}")}}}}); len(problems) != 1 || problems[0].Rule != "route-taken" {
		t.Errorf("two sources at one place: got %v", problems)
	}
}

// applyAcme maps one JSON body.
func applyAcme(t testing.TB, r *Rules, body string, tr *Trace) *Result {
	t.Helper()
	var res Result
	s := r.Source("acme")
	r.ApplyBody(s, event.Request{Method: "POST", Path: "/acme/cam-1", Params: map[string]string{"device": "cam-1"}, Remote: "192.0.2.9", Received: CaseTime}, []byte(body), &res, tr)
	return &res
}

const jpegText = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="

// What an event may do to a mapping.
func TestApply(t *testing.T) {
	rules, problems := loadAcme(t, goodSource, goodMapping, goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	long := strings.Repeat("AAAA", 500)
	face := func(at, small string) string {
		return fmt.Sprintf(`{"kind":"face","at":%q,"small":%q,"big":"%s%s"}`, at, small, jpegText[:24], long)
	}
	for name, tt := range map[string]struct {
		body, want string // a piece of the description
	}{
		"good":          {face("2026-01-02T03:04:05Z", jpegText), `"snapTime":"2026-01-02 11:04:05"`},
		"wrong time":    {face("soon", jpegText), `refused: snapTime (抓拍时间): time(event.at) at mappings/acme/face.yaml:7:13: want a time, got "soon"`},
		"missing field": {face("", jpegText), `refused: snapTime (抓拍时间): time(event.at) is empty: event.at = "" (mappings/acme/face.yaml:7:13)`},
		"not a picture": {face("2026-01-02T03:04:05Z", "aGVsbG8gd29ybGQh"), `snapSmallImage (抓拍小图): want a picture (JPEG`},
		"forged handle": {face("2026-01-02T03:04:05Z", "@0123456789abcdef:0"), `snapSmallImage`},
		"no mapping":    {`{"kind":"car"}`, "unmapped: no mapping of source acme matches"},
		"broken JSON":   {`{"kind":"face",`, "undecodable: broken json"},
		"not JSON":      {`kind: face`, "undecodable:"},
		"empty":         {``, "undecodable:"},
	} {
		res := applyAcme(t, rules, tt.body, nil)
		got := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(string(res.Describe()))
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: want %q, got %s", name, tt.want, got)
		}
		if res.Refusal != nil && len(res.Records) > 0 {
			t.Errorf("%s: records beside a refusal", name)
		}
	}
}

// One event, several mappings and elements: all records or none.
func TestApplyTogether(t *testing.T) {
	source := goodSource
	mapping := strings.Replace(strings.ReplaceAll(goodMapping, "event.small", "it.small"), "to:", "each: event.faces\nto:", 1)
	rules, problems := loadAcme(t, source, mapping, goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	body := func(faces string) string {
		return fmt.Sprintf(`{"kind":"face","at":"2026-01-02 03:04:05","big":%q,"faces":%s}`, jpegText, faces)
	}
	good := fmt.Sprintf(`{"small":%q}`, jpegText)
	if res := applyAcme(t, rules, body("["+good+","+good+"]"), nil); len(res.Records) != 2 {
		t.Errorf("want 2 records, got %s", res.Describe())
	}
	if res := applyAcme(t, rules, body(good), nil); len(res.Records) != 1 {
		t.Errorf("a single element is a list of one: got %s", res.Describe())
	}
	if res := applyAcme(t, rules, body("["+good+",{}]"), nil); len(res.Records) != 0 || res.Refusal == nil {
		t.Errorf("want none, got %s", res.Describe())
	}
	if res := applyAcme(t, rules, body("[]"), nil); res.Refusal == nil || !strings.Contains(res.Refusal.Text, "gave no element") {
		t.Errorf("want a refusal, got %s", res.Describe())
	}
}

func TestTrace(t *testing.T) {
	rules, problems := loadAcme(t, goodSource, goodMapping, goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	var tr Trace
	body := fmt.Sprintf(`{"kind":"face","at":"2026-01-02 03:04:05","small":%q,"big":%q}`, jpegText, jpegText)
	plain, traced := applyAcme(t, rules, body, nil).Describe(), applyAcme(t, rules, body, &tr).Describe()
	if d := cmp.Diff(string(plain), string(traced)); d != "" {
		t.Errorf("the trace changed the result:\n%s", d)
	}
	var b strings.Builder
	tr.Write(&b)
	golden(t, "testdata/trace.golden", b.String())
}

// A wrong payload or file never takes the process down.
func FuzzApply(f *testing.F) {
	rules, problems := loadAcme(f, goodSource, strings.Replace(goodMapping, "to:", "each: event.faces ?? event\nlet:\n  n: get(\"faces.#.id\")\nto:", 1), goodDevices)
	if rules == nil {
		f.Fatal(problems)
	}
	lists, problems := loadAcme(f, goodSource, strings.Replace(residents("each: event.homes", "record: {fwbm: it.code, yhzgxdm: outer.kin}"), "to: rk", "each: event.people\nto: rk", 1), goodDevices)
	if lists == nil {
		f.Fatal(problems)
	}
	f.Add([]byte(fmt.Sprintf(`{"kind":"face","at":"2026-01-02 03:04:05","small":%q,"big":%q}`, jpegText, jpegText)))
	f.Add([]byte(`{"kind":"face","faces":[{},null,[],"x",1e400]}`))
	f.Add([]byte(strings.Replace(resident, "HOMES", `"people":[{"kin":"0"},{"kin":8}],"homes":[{"code":"340102001001001001012201"},null,"x",{"code":[]}]`, 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, r := range []*Rules{rules, lists} {
			_ = applyAcme(t, r, string(body), &Trace{}).Describe()
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add(goodSource, goodMapping, goodDevices)
	f.Add(goodSource, residents("each: event.homes", "record: {fwbm: it.code, yhzgxdm: it.kin}"), goodDevices)
	f.Add(goodSource, residents("- {fwbm: event.code, yhzgxdm: event.kin}", "- []"), goodDevices)
	f.Add(goodSource, common, "- {building: A|1, door: '*', no: x}\n")
	f.Add("title: x\nlisten: POST /{a...}\nanswers: [{body: '${event.a}'}]\n", "title: x\nignore: [{when: 'true', because: y}]\n", "id\nx|y\n")
	f.Fuzz(func(t *testing.T, source, mapping, devices string) {
		_, problems := loadAcme(t, source, mapping, devices)
		_, more := loadFiles(t, map[string]string{"_common.yaml": mapping, "face.yaml": rest, "source.yaml": source, "tables/doors.yaml": devices}, doorKeys)
		for _, p := range append(problems, more...) {
			_ = p.Excerpt(message.English)
		}
	})
}

// What AppendInput writes ReadCapture reads.
func FuzzReadCapture(f *testing.F) {
	f.Add([]byte("POST /a?b=c HTTP/1.1\r\nContent-Type: x\r\nX-Remote: 192.0.2.7\r\n\r\n{}"))
	f.Add([]byte("GET /%zz HTTP/1.1\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		q, body, err := ReadCapture(data)
		if err != nil {
			return
		}
		again, same, err := ReadCapture(AppendInput(nil, &q, body))
		if err != nil || again.Path != q.Path || again.Remote != q.Remote || !again.Received.Equal(q.Received) || again.ContentType != q.ContentType || string(same) != string(body) {
			t.Errorf("%+v %q came back as %+v %q, %v", q, body, again, same, err)
		}
	})
}
