package transform

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// Each example of the standard is an event of an import, and its own record.
func TestImportSource(t *testing.T) {
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	rules, problems := Load(Options{Catalogue: c, Sources: []string{}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := rules.Source(ImportSource)
	for _, i := range c.Interfaces {
		for _, e := range i.Examples {
			doc := e.Document()
			var res Result
			rules.ApplyBody(s, event.Request{Method: "POST", Path: ImportPath(i)}, doc, &res, nil)
			if res.Refusal != nil || len(res.Records) != 1 {
				t.Errorf("%s %s: %d records, %v", i.Name, e.Title, len(res.Records), res.Refusal)
				continue
			}
			rec := &res.Records[0]
			var got []byte
			for piece := range rec.Pieces(make([]byte, 12<<10)) {
				got = append(got, piece...)
			}
			var want []string
			for _, v := range i.CheckJSON(doc) {
				want = append(want, v.Error())
			}
			var told []string
			for _, v := range res.Violations {
				told = append(told, v.Error())
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("%s %s: told otherwise than the catalogue tells:\n%s", i.Name, e.Title, diff)
			}
			if diff := cmp.Diff(decoded(t, doc), decoded(t, got)); rec.Interface != i || diff != "" {
				t.Errorf("%s %s: %s", i.Name, e.Title, diff)
			}
		}
	}
}

func TestLoadRows(t *testing.T) {
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	table, problems := ParseTable("homes", "homes.csv", []byte("id,code\nA1,1000001\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	load := func(record string) (*Rules, Problems) {
		return LoadRows(Options{Catalogue: c, Tables: []*Table{table}}, "poles.yaml", []byte(`title: 杆件
ignore:
  - {when: 'event["名称"] == "合计"', because: 合计行}
to: gj
record:
`+record))
	}
	if rules, problems := load("  xqbm: event.小区\n"); rules != nil || !strings.Contains(problems.Error(), "poles.yaml:4:5: gj 杆件基础信息 needs gjbm") {
		t.Errorf("got %v: want what is missing, with the file's name", problems)
	}
	rules, problems := load(`  xqbm: event.小区
  gjbm: homes[event["户 号"]].code
  gjmc: event["名称"]
  jd: split(event.jd, " ")[0]
  wd: '"31.839976"'
`)
	if len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	var res Result
	rules.ApplyBody(rules.Sources[0], event.Request{}, []byte(`{"小区":"340102001001001","名称":"测试杆","户 号":"A1","jd":"117.200164 E"}`), &res, nil)
	if len(res.Records) != 1 || string(res.Records[0].Doc) != `{"gjbm":"1000001","gjmc":"测试杆","xqbm":"340102001001001","jd":"117.200164","wd":"31.839976"}` {
		t.Errorf("got %s", res.Describe())
	}
	rules.ApplyBody(rules.Sources[0], event.Request{}, []byte(`{"名称":"合计"}`), &res, nil)
	if len(res.Ignored) != 1 || res.Ignored[0].Because != "合计行" {
		t.Errorf("got %+v", res)
	}
}

func decoded(t *testing.T, doc []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
