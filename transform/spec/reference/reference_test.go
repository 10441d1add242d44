package reference_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"yiqiao/transform"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
	"yiqiao/transform/spec/reference"
)

var update = flag.Bool("update", false, "write REFERENCE.md and schema.json as they are now")

func catalogue(t testing.TB) *spec.Catalogue {
	t.Helper()
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newReference(t testing.TB, english bool) *reference.Reference {
	t.Helper()
	r, err := reference.New(catalogue(t), english)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is committed is what the catalogue says today.
func TestCommitted(t *testing.T) {
	r := newReference(t, false)
	schema, err := r.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"../REFERENCE.md": []byte(r.Markdown()), "../schema.json": schema} {
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the catalogue says; go test ./transform/spec/reference -update writes it\n%s", name, cmp.Diff(strings.Split(string(got), "\n"), strings.Split(string(want), "\n")))
		}
	}
}

// The page says the same whatever the language of the terminal.
func TestMarkdownOfEither(t *testing.T) {
	if newReference(t, false).Markdown() != newReference(t, true).Markdown() {
		t.Error("the page depends on the language")
	}
}

// Every name of the catalogue has an English one, and nothing else has: a page
// would show a blank, or a name be kept that is gone.
func TestEnglish(t *testing.T) {
	c := *catalogue(t)
	c.Interfaces = c.Interfaces[1:]
	if _, err := reference.New(&c, true); err == nil || err.Error() != `english names: missing [], of nothing ["bzdz" "dtzbj" "fzr" "gajgjgdm" "jscj" "jybh" "jylxfs" "jyxm" "jzmj" "lxdh" "sqdm" "ssqXzqhdm" "tp" "wymc" "xq" "xqmc" "xxdz" "zdmj"]` {
		t.Error(err)
	}
	c = *catalogue(t)
	c.Dicts = append(c.Dicts[:1:1], &spec.Dict{Code: "ZD099"})
	if _, err := reference.New(&c, true); err == nil || !strings.HasPrefix(err.Error(), `english names: missing ["ZD099"], of nothing ["DataSourceType"`) {
		t.Error(err)
	}
}

// A page fits a terminal; examples, and the beginnings of mappings, are as long
// as they are.
func TestPagesFit(t *testing.T) {
	c := catalogue(t)
	for _, english := range []bool{false, true} {
		r := newReference(t, english)
		pages := map[string]string{"overview": r.Overview()}
		for _, i := range c.Interfaces {
			page, _, found := strings.Cut(r.Interface(i), map[bool]string{false: "\n例子（", true: "\nExample ("}[english])
			if !found {
				t.Errorf("%s: no example", i.Name)
			}
			pages[i.Name] = page
		}
		for _, d := range c.Dicts {
			pages[d.Code] = r.Dict(d)
		}
		for _, name := range []string{"GF001", "GF002", "GF003", "GF004", "GF005", "GF006", "GF007"} {
			page, ok := r.Format(name)
			if !ok {
				t.Errorf("no page of %s", name)
			}
			pages[name] = page
		}
		for name, page := range pages {
			for line := range strings.Lines(page) {
				if line = strings.TrimSuffix(line, "\n"); message.Width(line) > 100 || strings.TrimRight(line, " ") != line {
					t.Errorf("%s: %d columns, or blanks at the end: %q", name, message.Width(line), line)
				}
			}
		}
	}
	if _, ok := newReference(t, false).Format("GF008"); ok {
		t.Error("there is a page of GF008")
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"extraordinary", 5, []string{"extraordinary"}},
		{"小区编码", 4, []string{"小区", "编码"}},
		{"小区编码，必填", 8, []string{"小区编", "码，必填"}},   // 。，never begin a line
		{"必填（编码）", 6, []string{"必填", "（编", "码）"}}, // nor does （ end one
		{"字典 ZD018 通行方式", 10, []string{"字典 ZD018", "通行方式"}},
	} {
		if d := cmp.Diff(tt.want, reference.Wrap(tt.text, tt.width)); d != "" {
			t.Errorf("%q in %d: %s", tt.text, tt.width, d)
		}
	}
	if n := message.Width("aＢ小…"); n != 6 {
		t.Errorf("want 6 columns, got %d", n)
	}
}

// How a mapping begins is a mapping: it loads without a problem, and makes a
// record of an event that is named as the standard names it.
func TestMapping(t *testing.T) {
	c := catalogue(t)
	devices, problems := transform.ParseTable("devices", "devices.csv", []byte("id,name,xqbm,zpjbm,mjxtbm,dzbm\n1,,340102001001001,34010241011328001001,3401020010010011150001,3401020010010011410001\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, english := range []bool{false, true} {
		r := newReference(t, english)
		for _, i := range c.Interfaces {
			files := fstest.MapFS{
				"vendor/source.yaml": {Data: []byte("title: vendor\nlisten:\n  - POST /vendor\ndevice:\n  from: ['\"1\"']\n")},
				"vendor/event.yaml":  {Data: []byte(r.Mapping(i))},
			}
			rules, problems := transform.Load(transform.Options{Catalogue: c, Packs: []transform.Pack{{Prefix: "mappings", FS: files}}, Tables: []*transform.Table{devices}})
			if len(problems) > 0 {
				t.Errorf("%s: %v\n%s", i.Name, problems, r.Mapping(i))
				continue
			}
			event := strings.Replace(string(i.Examples[0].Document()), "{", `{"type":"…",`, 1)
			q, body, err := transform.ReadInput("event.json", []byte(event))
			if err != nil {
				t.Fatal(err)
			}
			var res transform.Result
			rules.ApplyBody(rules.Sources[0], q, body, &res, nil)
			if len(res.Records) != 1 || res.Refusal != nil {
				t.Errorf("%s: %s", i.Name, res.Describe())
			}
		}
	}
}

// Interfaces stand behind those that they name.
func TestOverviewOrder(t *testing.T) {
	page := newReference(t, false).Overview()
	at := func(name string) int { return strings.Index(page, "\n  "+name+" ") }
	for _, i := range catalogue(t).Interfaces {
		for _, p := range i.Prerequisites {
			if at(p.Of) < 0 || at(p.Of) > at(i.Name) {
				t.Errorf("%s stands before %s", i.Name, p.Of)
			}
		}
	}
}

// Every field of every interface is in the JSON, with what the catalogue says.
func TestJSON(t *testing.T) {
	doc, err := newReference(t, true).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Interfaces []struct {
			Name, Path, Title string
			After             []string
			Fields            []map[string]any
		}
		Dictionaries map[string]struct {
			Name, Path string
			Complete   bool
			Entries    map[string]string
		}
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil || dec.More() {
		t.Fatal(err, dec.More())
	}
	c := catalogue(t)
	if len(got.Interfaces) != len(c.Interfaces) || len(got.Dictionaries) != len(c.Dicts) {
		t.Fatalf("%d interfaces, %d dictionaries", len(got.Interfaces), len(got.Dictionaries))
	}
	for n, i := range c.Interfaces {
		var paths []string
		for f := range i.All {
			paths = append(paths, f.Path)
		}
		var names []string
		for _, f := range got.Interfaces[n].Fields {
			names = append(names, f["name"].(string))
		}
		if d := cmp.Diff(paths, names); d != "" || got.Interfaces[n].Path != "/api/v1/"+i.Name || got.Interfaces[n].Title != i.Title {
			t.Errorf("%s: %+v %s", i.Name, got.Interfaces[n], d)
		}
	}
	rk := got.Interfaces[2]
	if d := cmp.Diff([]string{"xq", "ld", "fw"}, rk.After); d != "" {
		t.Error(d)
	}
	want := map[string]any{"name": "jzxxList[].fwbm", "label": "房屋编码", "type": "String", "min": 24.0, "max": 24.0, "required": true, "format": nil, "dict": nil, "source": "seed"}
	if d := cmp.Diff(want, rk.Fields[27]); d != "" {
		t.Error(d)
	}
	want = map[string]any{"name": "snapSmallImage", "label": "抓拍小图", "type": "String", "min": nil, "max": nil, "required": "conditional", "format": "GF005", "dict": nil, "source": "client"}
	if d := cmp.Diff(want, got.Interfaces[12].Fields[5]); d != "" {
		t.Error(d)
	}
	if d := got.Dictionaries["ZD018"]; d.Name != "通行方式" || d.Path != "/api/v1/wd/txfsdm" || !d.Complete || d.Entries["2"] != "人脸识别开门" || len(d.Entries) != 4 {
		t.Errorf("%+v", d)
	}
	for _, d := range c.Dicts {
		if n := len(got.Dictionaries[d.Code].Entries); n != len(d.Entries) {
			t.Errorf("%s: %d of %d entries", d.Code, n, len(d.Entries))
		}
	}
}

func TestFind(t *testing.T) {
	r := newReference(t, false)
	for word, want := range map[string]string{
		"抓拍时间":         "属性\n  stk/zpjl  snapTime  抓拍时间  String    必填  GF004 yyyy-MM-dd HH:mm:ss\n",
		"人脸识别":         "字典里的值\n  ZD018  通行方式  2 人脸识别开门\n",
		"ethnic":       "字典\n  ZD021  民族代码\n",
		"capture came": "接口\n  zpj  抓拍机基础信息\n",
	} {
		if got := r.Find(word); !strings.Contains(got, want) {
			t.Errorf("%s: want %q in\n%s", word, want, got)
		}
	}
	if got := r.Find("fwbm"); !strings.Contains(got, "rk  jzxxList[].fwbm  房屋编码") {
		t.Error(got)
	}
	if got := r.Find("人"); !strings.Contains(got, "还有") {
		t.Error("a short word lists all", got)
	}
	for _, word := range []string{"", " ", "抓怕时间"} {
		if got := r.Find(word); got != "" {
			t.Errorf("%q: found %s", word, got)
		}
	}
}
