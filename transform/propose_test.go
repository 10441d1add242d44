package transform

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"yiqiao/transform/message"
)

const siteDevices = "id,name,xqbm,zpjbm,mjxtbm,dzbm,ip,jd,wd,lx,fx\n"

func proposeFor(t testing.TB, name, to string, data []byte) (*Proposal, Sample) {
	t.Helper()
	catalogue, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	devices, _ := ParseTable("devices", "devices.csv", []byte(siteDevices))
	people, _ := ParseTable("people", "people.csv", []byte("id,name,zjhm\n"))
	s := Sample{Name: name, Data: Replace(name, data), Vendor: "acme", To: to, Catalogue: catalogue, Tables: []*Table{devices, people}}
	p, err := Propose(s)
	if err != nil {
		return nil, s
	}
	return p, s
}

// loadProposal loads what is proposed, as it stands.
func loadProposal(p *Proposal, s Sample) (*Rules, Problems) {
	return Load(Options{Catalogue: s.Catalogue, Tables: s.Tables, Packs: []Pack{{Prefix: "mappings", FS: fstest.MapFS{
		"acme/source.yaml": {Data: p.Source}, "acme/event.yaml": {Data: p.Mapping},
	}}}})
}

// proposed are the samples with what they are for.
var proposed = map[string]string{
	"door.in.json": "stk/rytxjl", "car.in.xml": "stk/cltxjl", "face.in.http": "stk/zpjl", "nothing.in.json": "stk/cltxjl",
	"packed.in.json": "stk/cltxjl", "deep.in.json": "stk/zpjl", "turn.in.http": "stk/rytxjl", "list.in.json": "stk/zpjl", "form.in.http": "stk/cltxjl", "nested.in.json": "stk/rytxjl",
}

// What is proposed for samples of each kind, and what of them is kept as the
// case, is written down; loading it finds the marks and nothing else.
func TestPropose(t *testing.T) {
	for name, to := range proposed {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", "propose", name))
			if err != nil {
				t.Fatal(err)
			}
			p, s := proposeFor(t, name, to, data)
			if p == nil {
				t.Fatal("the sample was not read")
			}
			rules, problems := loadProposal(p, s)
			var found strings.Builder
			for _, problem := range problems {
				found.WriteString(problem.Excerpt(message.English))
				if problem.Rule != "unfilled" {
					t.Errorf("the proposal has another problem than its marks: %v", problem)
				}
			}
			if len(problems) != len(p.Open()) || (rules == nil) != (len(p.Open()) > 0) {
				t.Errorf("got %d problems, want one for each of the %d open fields", len(problems), len(p.Open()))
			}
			got := fmt.Sprintf("-- source.yaml --\n%s-- event.yaml --\n%s-- case --\n%s\n-- check --\n%s", p.Source, p.Mapping, s.Data, found.String())
			golden := filepath.Join("testdata", "propose", strings.Replace(name, ".in.", ".", 1)+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-update writes it):\n%s", golden, diff)
			}
		})
	}
}

// A proposal without marks maps its own sample.
func TestProposalMapsItsSample(t *testing.T) {
	for name, want := range map[string]string{
		"door.in.json":   `"accessTime":"2026-02-11 18:00:00"`,
		"car.in.xml":     `"carNo":"皖A00001"`,
		"face.in.http":   `"snapTime":"2026-02-11 18:00:00"`,
		"list.in.json":   `"snapTime":"2026-02-11 18:00:00"`,
		"form.in.http":   `"carNo":"皖A00001"`,
		"nested.in.json": `"accessTime":"2026-02-11 18:00:02"`,
		// A list inside of JSON inside of a text, all of its elements.
		"packed.in.json": `"accessTime":"2026-02-11 18:00:03"`,
		// The same, so long that the text is lifted out of the document.
		"deep.in.json": `"snapTime":"2026-02-11 18:00:04"`,
	} {
		data, err := os.ReadFile(filepath.Join("testdata", "propose", name))
		if err != nil {
			t.Fatal(err)
		}
		p, s := proposeFor(t, name, proposed[name], data)
		s.Tables[0], _ = ParseTable("devices", "devices.csv", []byte(siteDevices+"192.0.2.1,x,340102001001001,34010200011321000001,3401020010010011150001,3401020010010011410001,,,,,\n"))
		rules, problems := loadProposal(p, s)
		if rules == nil {
			t.Fatal(problems)
		}
		q, body, err := ReadInput(name, s.Data)
		if err != nil {
			t.Fatal(err)
		}
		var res Result
		rules.ApplyBody(rules.Sources[0], q, body, &res, nil)
		if got := strings.ReplaceAll(string(res.Describe()), `": "`, `":"`); !strings.Contains(got, want) || res.Refusal != nil {
			t.Errorf("%s: got %s, want %s in it", name, got, want)
		}
	}
}

// What is personal is gone, the same value is the same everywhere, and what is
// not personal stays.
func TestReplace(t *testing.T) {
	id := "34010219900101" + "001"
	id += string(idCheckDigit(id))
	for _, tt := range []struct{ name, in, want string }{
		{"a name and where it stands inside of a text", `{"personName":"张三","note":"张三 刷卡"}`, `{"personName":"测试甲","note":"测试甲 刷卡"}`},
		{"escaped", `{"personName":"\u5f20\u4e09"}`, `{"personName":"测试甲"}`},
		{"two are two, one is one", `[{"userName":"张三"},{"userName":"李四"},{"userName":"张三"}]`, `[{"userName":"测试甲"},{"userName":"测试乙"},{"userName":"测试甲"}]`},
		{"names of things", `{"deviceName":"东门","channelName":"Camera 01","name":"东门岗"}`, `{"deviceName":"东门","channelName":"Camera 01","name":"东门岗"}`},
		{"a valid number", `{"x":"` + id + `"}`, `{"x":"` + inventedID(id, 1) + `"}`},
		{"telephones", `{"a":"13800138000","b":13800138000,"t":1770804000123}`, `{"a":"19900000001","b":19900000001,"t":1770804000123}`},
		{"plates", `{"plateNo":"皖A·12345","file":"1_皖A·12345.jpg","new":"皖AD54321"}`, `{"plateNo":"皖A·00001","file":"1_皖A·00001.jpg","new":"皖AD00002"}`},
		{"no plate", `{"plateNo":"无牌","license":"_无_","plateType":"92wex"}`, `{"plateNo":"无牌","license":"_无_","plateType":"92wex"}`},
		{"codes stay", `{"areaNo":"340102001001001","id":"34010200011321000001","employeeNo":"1001","cardNo":"0012345678"}`, `{"areaNo":"340102001001001","id":"34010200011321000001","employeeNo":"1001","cardNo":"0012345678"}`},
		{"a picture", `{"img":"data:image/jpeg;base64,/9j/` + strings.Repeat("A", 96) + `"}`, `{"img":"data:image/jpeg;base64,{{b64jpeg:100}}"}`},
		{"an escaped picture", `{"img":"\/9j\/` + strings.Repeat("A", 96) + `"}`, `{"img":"{{b64jpeg:100}}"}`},
		{"features", `{"feature":"` + strings.Repeat("Zx1/", 400) + `"}`, `{"feature":"` + strings.Repeat("A", 64) + `"}`},
		{"xml", `<a><ns:personName>张三</ns:personName><plateNo>皖A12345</plateNo></a>`, `<a><ns:personName>测试甲</ns:personName><plateNo>皖A00001</plateNo></a>`},
		{"xml of GBK", "<?xml version=\"1.0\" encoding='GB2312'?><a><personName>\xd5\xc5\xc8\xfd</personName></a>", `<?xml version="1.0" encoding='UTF-8'?><a><personName>测试甲</personName></a>`},
		{"json in a text", `{"body":"{\"personName\":\"张三\",\"n\":1}","personName":"张三"}`, `{"body":"{\"personName\":\"测试甲\",\"n\":1}","personName":"测试甲"}`},
		{"secrets", `{"password":"hunter2","appKey":"abc"}`, `{"password":"***","appKey":"***"}`},
		{"pairs", "UserName=Zhang San\nUTC=1770804000", "UserName=Person A San\nUTC=1770804000"},
	} {
		if got := string(Replace("a.json", []byte(tt.in))); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if again := string(Replace("a.json", []byte(tt.want))); tt.name == "a picture" && again != tt.want {
			t.Errorf("%s: a second time: got %s", tt.name, again)
		}
	}
	if _, wrong := idCardNumber(inventedID(id, 1)); wrong.Rule != "" {
		t.Errorf("the number that stands for a valid one is none: %s", wrong)
	}
	if _, wrong := idCardNumber(inventedID(id[:17]+"?", 1)); wrong.Rule == "" {
		t.Errorf("the number that stands for an invalid one is valid")
	}
}

// Whatever a sample holds, what is proposed is YAML whose only problems are
// its marks.
func FuzzPropose(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "propose", "*.in.*"))
	if err != nil || len(files) == 0 {
		f.Fatal(err, "no samples")
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.HasSuffix(name, ".http"), uint8(len(name)), data)
	}
	f.Add(false, uint8(1), []byte(`[{"time":"2026-01-02 03:04:05","a: b #c":"'\n\u2028","???":"x","images":[{"type":"1","data":"/9j/"}]}]`))
	f.Add(true, uint8(2), []byte("POST /a%0Ab/{x}/12345?sn=%27%0A&a%20b=1 HTTP/1.1\n\n{\"a\":{\"eventType\":\"x: # '\"}}"))
	catalogue, err := loadOnce()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, http bool, to uint8, data []byte) {
		name := "sample.json"
		if http {
			name = "sample.http"
		}
		for _, m := range pictureToken.FindAllSubmatch(data, -1) {
			if len(m[2]) > 5 {
				return // huge pictures only take time
			}
		}
		if replaced := Replace(name, data); !http && gjson.ValidBytes(data) && utf8.Valid(data) && !gjson.ValidBytes(replaced) {
			t.Fatalf("%s is no JSON any more: %s", data, replaced)
		}
		names := catalogue.Names()
		p, s := proposeFor(t, name, names[int(to)%len(names)], data)
		if p == nil {
			return
		}
		_, problems := loadProposal(p, s)
		for _, problem := range problems {
			if problem.Rule != "unfilled" && problem.Rule != "missing-field" {
				t.Fatalf("%v\n%s\n%s", problem, p.Source, p.Mapping)
			}
		}
		if open := len(p.Open()); open > len(problems) && !slices.ContainsFunc(problems, func(p Problem) bool { return p.Rule == "yaml" }) {
			t.Fatalf("%d fields are open, and loading finds %d problems", open, len(problems))
		}
	})
}
