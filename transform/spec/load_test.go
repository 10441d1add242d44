package spec

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func catalogue(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The whole standard is there: fields with how many of them are required, and
// what comes before what (规范, 前置接入).
func TestLoad(t *testing.T) {
	c := catalogue(t)
	var got []string
	for _, i := range c.Interfaces {
		fields, required := 0, 0
		for f := range i.All {
			if fields++; f.Need == Required {
				required++
			}
		}
		var after []string
		for _, p := range i.Prerequisites {
			after = append(after, p.Of)
		}
		got = append(got, fmt.Sprintf("%s %s %s: %d fields, %d required, after %v", i.Chapter, i.Name, i.Title, fields, required, after))
	}
	want := []string{
		"2 xq 小区基础信息: 21 fields, 16 required, after []",
		"3 crk 小区出入口信息: 7 fields, 7 required, after [xq]",
		"4 rk 人员基础信息: 29 fields, 13 required, after [xq ld fw]",
		"5 wyry 物业人员信息: 14 fields, 5 required, after [xq]",
		"6 ld 楼栋基础信息: 8 fields, 8 required, after [xq]",
		"7 fw 房屋基础信息: 11 fields, 7 required, after [xq ld]",
		"8 gj 杆件基础信息: 5 fields, 5 required, after [xq]",
		"9 zpj 抓拍机基础信息: 15 fields, 8 required, after [xq]",
		"10 mjxt 门禁系统信息: 12 fields, 9 required, after [xq crk ld]",
		"11 clxx 车辆信息: 11 fields, 4 required, after [xq]",
		"12 cldz 车辆道闸（卡口）信息: 6 fields, 5 required, after [xq crk zpj]",
		"13 stk/zpjl 人脸抓拍记录信息: 5 fields, 5 required, after [xq zpj]",
		"14 stk/rytxjl 人员通行记录信息: 7 fields, 4 required, after [xq mjxt]",
		"15 stk/cltxjl 车辆通行记录信息: 7 fields, 7 required, after [xq zpj cldz]",
		"16 stk/sbzt 设备状态: 4 fields, 4 required, after [xq zpj]",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if c.Version != "V1.0.4" || c.Interface("stk/none") != nil || c.Dict("ZD099") != nil {
		t.Error("found what is not there")
	}
	list := c.Interface("rk").Field("jzxxList[].yhzgxdm")
	if list == nil || list.Label != "与房主关系" || list.Path != "jzxxList[].yhzgxdm" || c.Interface("rk").Field("jzxxList[].none") != nil {
		t.Errorf("a field of a list: got %+v", list)
	}
}

// The dictionaries of 规范 1.6, 1.8 and 16.4 with how many values are known.
func TestDicts(t *testing.T) {
	c := catalogue(t)
	var got []string
	for _, d := range c.Dicts {
		s := fmt.Sprintf("%s %d", d.Code, len(d.Entries))
		if d.Complete {
			s += " complete"
		}
		got = append(got, s)
	}
	want := strings.Split("ZD001 11,ZD002 0,ZD003 0,ZD004 4 complete,ZD005 144 complete,ZD006 3,ZD007 0,ZD008 58,ZD009 9 complete,ZD010 40 complete,"+
		"ZD011 8 complete,ZD012 4,ZD013 13 complete,ZD014 4 complete,ZD015 8 complete,ZD016 8 complete,ZD017 0,ZD018 4 complete,ZD019 0,ZD020 0,"+
		"ZD021 58 complete,ZD022 14 complete,ZD023 10,ZD024 35,ZD025 0,ZD026 11,ZD027 0,ZD028 149 complete,ZD029 3 complete,ZD030 34 complete,"+
		"ZD031 20,ZD032 0,ZD033 0,ZD034 0,ZD035 0,ImageFormatType 16 complete,InfoType 3 complete,DataSourceType 22 complete,SBZT_ISONLINE 3 complete,SBZT_DEVICETYPE 1 complete", ",")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct{ dict, label, want string }{
		{"ZD004", "男性", "1"}, {"ZD004", " 女性 ", "2"}, {"ZD018", "ＡＰＰ开门", ""}, {"ZD018", "ａｐｐ开门", "5"}, {"ZD004", "男", ""},
	} {
		if got, ok := c.Dict(tt.dict).CodeOf(tt.label); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s %q: want %q, got %q %v", tt.dict, tt.label, tt.want, got, ok)
		}
	}
}

const (
	brokenDicts = "- {code: ZD001, name: 甲, complete: true, entries: {\"1\": 子, \"22\": 丑}}\n"
	brokenHead  = "name: a\ntitle: 甲\nchapter: \"2\"\nidentity: [code]\ndevice: code\nfields:\n"
	brokenField = "  - {name: code, label: 编码, type: String, length: \"3\", need: required, source: seed}\n"
	brokenTail  = "examples:\n  - {title: \"2.3\", source: seed, json: '{\"code\":\"123\"}'}\n"
)

// A mistake in the data is told with its file and line.
func TestLoadBroken(t *testing.T) {
	field := func(rest string) string { return brokenHead + brokenField + "  - {" + rest + "}\n" + brokenTail }
	optional := "name: b, label: 乙, type: String, need: optional, source: seed"
	dict := func(rest string) string { return brokenDicts + "- {" + rest + "}\n" }
	head := strings.NewReplacer
	for _, tt := range []struct{ name, file, data, want string }{
		{"whole", "a.yaml", brokenHead + brokenField + brokenTail, ""},
		{"no YAML", "a.yaml", "name: a\n\ttitle: x\n", "v/a.yaml:2: found character '\t' that cannot start any token"},
		{"key", "a.yaml", "titel: 甲\n" + brokenHead + brokenField + brokenTail, `v/a.yaml:1: unknown field "titel"`},
		{"key of a field", "a.yaml", field(optional + ", lenght: \"3\""), `v/a.yaml:8: unknown field "lenght"`},
		{"file name", "b.yaml", brokenHead + brokenField + brokenTail, `v/b.yaml:1: interface "a" in the file of "b"`},
		{"chapter", "a.yaml", head(`"2"`, `two`).Replace(brokenHead) + brokenField + brokenTail, `v/a.yaml:3: want a title and the number of a chapter, got "甲" and "two"`},
		{"no name", "a.yaml", field("label: 乙, type: String, need: optional, source: seed"), `v/a.yaml:8: a field has no name`},
		{"twice", "a.yaml", brokenHead + brokenField + brokenField + brokenTail, `v/a.yaml:8: field "code" stands twice`},
		{"no label", "a.yaml", field("name: b, type: String, need: optional, source: seed"), `v/a.yaml:8: field "b": it has no label`},
		{"type", "a.yaml", field("name: b, label: 乙, type: Text, need: optional, source: seed"), `v/a.yaml:8: field "b": unknown type "Text"`},
		{"need", "a.yaml", field("name: b, label: 乙, type: String, need: must, source: seed"), `v/a.yaml:8: field "b": unknown need "must"`},
		{"mask", "a.yaml", field(optional + ", mask: black"), `v/a.yaml:8: field "b": unknown mask "black"`},
		{"source", "a.yaml", field("name: b, label: 乙, type: String, need: optional, source: hearsay"), `v/a.yaml:8: unknown source "hearsay"`},
		{"format", "a.yaml", field(optional + ", format: GF008"), `v/a.yaml:8: field "b": unknown format "GF008"`},
		{"shape", "a.yaml", field(optional + ", shape: round"), `v/a.yaml:8: field "b": unknown shape "round"`},
		{"warn", "a.yaml", field(optional + ", warn: [lenght]"), `v/a.yaml:8: field "b": unknown rule "lenght"`},
		{"no dictionary", "a.yaml", field(optional + ", dict: ZD777"), `v/a.yaml:8: field "b": no dictionary "ZD777"`},
		{"no number", "a.yaml", field(optional + ", length: 3 to 5"), `v/a.yaml:8: field "b": impossible length "3 to 5": want a number, or two with … between`},
		{"backwards", "a.yaml", field(optional + ", length: 5…3"), `v/a.yaml:8: field "b": impossible length "5…3": it begins below 0, ends below 1 or before its beginning`},
		{"codes too long", "a.yaml", field(optional + ", dict: ZD001, length: \"1\""), `v/a.yaml:8: field "b": impossible length "1": dictionary ZD001 has the code "22"`},
		{"range of a text", "a.yaml", field(optional + ", range: 1…3"), `v/a.yaml:8: field "b": impossible range "1…3" of String`},
		{"fields of a text", "a.yaml", field(optional + ", fields: [{name: c, label: 丙, type: String, need: required, source: seed}]"), `v/a.yaml:8: field "b": a List, and nothing else, has fields`},
		{"empty list", "a.yaml", field("name: b, label: 乙, type: List, need: optional, source: seed"), `v/a.yaml:8: field "b": a List, and nothing else, has fields`},
		{"list in a list", "a.yaml", field("name: b, label: 乙, type: List, need: optional, source: seed, fields: [{name: c, label: 丙, type: List, need: required, source: seed, fields: [{name: d, label: 丁, type: String, need: required, source: seed}]}]"),
			`v/a.yaml:8: field "c": it is a list in a list`},
		{"masked list", "a.yaml", field("name: b, label: 乙, type: List, mask: personal, need: optional, source: seed, fields: [{name: c, label: 丙, type: String, need: required, source: seed}]"),
			`v/a.yaml:8: field "b": a List has no format, shape, dictionary or mask: its fields have`},
		{"begins", "a.yaml", field(optional + ", begins: z"), `v/a.yaml:8: no field "z"`},
		{"begins earlier", "a.yaml", field(optional + ", begins: xq.xqmc"), `v/a.yaml:8: field "b": no earlier record has xq.xqmc`},
		{"kind", "a.yaml", field(optional + ", kind: z"), `v/a.yaml:8: no field "z"`},
		{"no identity", "a.yaml", head("identity: [code]\n", "").Replace(brokenHead) + brokenField + brokenTail, `v/a.yaml:1: nothing tells a record from another: identity is empty`},
		{"identity", "a.yaml", head("identity: [code]", "identity: [z]").Replace(brokenHead) + brokenField + brokenTail, `v/a.yaml:4: no field "z"`},
		{"no device", "a.yaml", head("device: code\n", "").Replace(brokenHead) + brokenField + brokenTail, `v/a.yaml:1: no field puts its records in order: device is empty`},
		{"optional device", "a.yaml", head("device: code", "device: b").Replace(field(optional)), `v/a.yaml:5: device field "b" is not required`},
		{"personal device", "a.yaml", head("need: required,", "need: required, mask: personal,").Replace(brokenHead + brokenField + brokenTail), `v/a.yaml:5: device field "code" is personal, and stores show it`},
		{"time", "a.yaml", "time: code\n" + brokenHead + brokenField + brokenTail, `v/a.yaml:1: time field "code" has not the format GF004`},
		{"prerequisite of nothing", "a.yaml", brokenHead + brokenField + "prerequisites:\n  - {field: code, of: z, source: seed}\n" + brokenTail, `v/a.yaml:9: prerequisite: there is no interface "z"`},
		{"prerequisite's field", "a.yaml", brokenHead + brokenField + "prerequisites:\n  - {field: z, of: a, source: seed}\n" + brokenTail, `v/a.yaml:9: prerequisite a: no field "z"`},
		{"prerequisite's length", "a.yaml", brokenHead + brokenField + "prerequisites:\n  - {field: code, of: a, first: 2, source: seed}\n" + brokenTail, `v/a.yaml:9: prerequisite a: code has 2 characters, its code 3`},
		{"circle", "a.yaml", brokenHead + brokenField + "prerequisites:\n  - {field: code, of: a, source: seed}\n" + brokenTail, `v/a.yaml:9: interface "a" must come before itself`},
		{"conditional", "a.yaml", field("name: b, label: 乙, type: String, need: conditional, source: seed"), `v/a.yaml:8: field "b" is conditional and no rule says when`},
		{"rule without reason", "a.yaml", field("name: b, label: 乙, type: String, need: conditional, source: seed") + "rules:\n  - {if: {code: present}, omit: [b]}\n", `v/a.yaml:12: the rule does not say why in both languages`},
		{"rule's field", "a.yaml", field(optional) + "rules:\n  - {if: {code: present}, omit: [z], because: {zh: 因, en: so}}\n", `v/a.yaml:12: no field "z"`},
		{"rule of an optional", "a.yaml", field(optional) + "rules:\n  - {if: {code: present}, omit: [b], because: {zh: 因, en: so}}\n", `v/a.yaml:12: field "b" is ruled and not conditional`},
		{"condition", "a.yaml", field(optional) + "rules:\n  - {if: {code: maybe}, omit: [b], because: {zh: 因, en: so}}\n", `v/a.yaml:12: condition on "code": want present, absent or a list, got maybe`},
		{"rule's severity", "a.yaml", field(optional) + "rules:\n  - {if: {code: present}, severity: fatal, because: {zh: 因, en: so}}\n", `v/a.yaml:12: unknown severity "fatal"`},
		{"no example", "a.yaml", brokenHead + brokenField, `v/a.yaml:1: it has no example`},
		{"example", "a.yaml", brokenHead + brokenField + "examples:\n  - {title: x, source: seed, json: '{\"code\":\"12\"}'}\n", `v/a.yaml:9: example 1: code (编码): want 3 characters, got 2: "12"`},
		{"needless exception", "a.yaml", brokenHead + brokenField + "examples:\n  - {title: x, source: seed, json: '{\"code\":\"123\"}', except: [{fields: [code], rule: length, because: 因}]}\n", `v/a.yaml:9: example 1: it needs no exception for length of code`},
		{"dictionary twice", "dicts.yaml", dict("code: ZD001, name: 乙"), `v/dicts.yaml:2: dictionary "ZD001" stands twice`},
		{"dictionary without a name", "dicts.yaml", dict("code: ZD002"), `v/dicts.yaml:2: dictionary "ZD002": want a code and a name`},
		{"empty and complete", "dicts.yaml", dict("code: ZD002, name: 乙, complete: true"), `v/dicts.yaml:2: dictionary "ZD002" is empty and cannot be complete`},
		{"number for a code", "dicts.yaml", dict("code: ZD002, name: 乙, entries: {01: 甲}"), `v/dicts.yaml:2: dictionary "ZD002": want quoted texts, got 1: 甲`},
		{"code twice", "dicts.yaml", dict("code: ZD002, name: 乙, entries: {\"1\": 甲, \"1\": 乙}"), `v/dicts.yaml:2: mapping key "1" already defined`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := fstest.MapFS{"v/dicts.yaml": {Data: []byte(brokenDicts)}, "v/a.yaml": {Data: []byte(brokenHead + brokenField + brokenTail)}}
			if tt.file == "b.yaml" {
				delete(files, "v/a.yaml")
			}
			files["v/"+tt.file] = &fstest.MapFile{Data: []byte(tt.data)}
			_, err := load(files, "v")
			got := fmt.Sprint(err)
			if tt.want == "" && err == nil {
				return
			}
			first, _, _ := strings.Cut(got, "\n")
			if tt.want == "" || !strings.HasPrefix(first, tt.want) {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}

// A copy with what the platform tells changes nothing in the catalogue that
// is in use.
func TestWith(t *testing.T) {
	c := catalogue(t)
	live, err := c.Dict("ZD023").With([]Entry{{"0", "房主"}, {"1", "家属"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := live.With([]Entry{{"0", "房主"}, {"0", "家属"}}); err == nil || err.Error() != `dictionary ZD023: code "0" stands twice` {
		t.Errorf("a code that stands twice: got %v", err)
	}
	var checks sync.WaitGroup
	checks.Go(func() { // goes on meanwhile
		for range 100 {
			c.Interface("rk").CheckJSON(c.Interface("rk").Examples[0].Document())
		}
	})
	changed := c.WithDicts(live, &Dict{Code: "ZD777"})
	checks.Wait()
	relation := func(c *Catalogue) []Violation {
		return c.Interface("rk").Field("jzxxList[].yhzgxdm").CheckText("99", nil)
	}
	if before := relation(c); len(before) != 0 {
		t.Errorf("the catalogue changed: %v", before)
	}
	if after := relation(changed); len(after) != 1 || after[0].Severity != Error {
		t.Errorf("want an error of a code that the live dictionary lacks, got %v", after)
	}
	if changed.Dict("ZD023") != live || changed.Dict("ZD777") != nil || c.Dict("ZD023") == live {
		t.Error("dictionaries are not where they should be")
	}
	if i := changed.Interface("rk"); i == c.Interface("rk") || i.Code() != -1 || changed.Interface("xq").Code() != 0 {
		t.Error("interfaces are not copied")
	}
}
