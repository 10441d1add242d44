package columns

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"yiqiao/transform/sheet"
	"yiqiao/transform/spec"
)

func catalogue(t testing.TB) *spec.Catalogue {
	t.Helper()
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFind(t *testing.T) {
	k := keysOf(catalogue(t).Interface("rk"))
	for name, want := range map[string]string{
		"xm": "xm 0", "XM": "xm 0", "姓名": "xm 0", "姓 名": "xm 0", "姓名*": "xm 0", "＊姓名": "xm 0", "姓名\n（必填）": "xm 0", "姓名：": "xm 0",
		"性别代码（ZD004）": "xbdm 0", "性别代码(ZD004)": "xbdm 0", "性别": "xbdm 0", "【必填】性别代码": "xbdm 0", "xbdm[必填]": "xbdm 0",
		"房屋编码": "jzxxList[].fwbm 0", "房屋编码1": "jzxxList[].fwbm 0", "房屋编码2*": "jzxxList[].fwbm 1", "房屋编码（2）": "jzxxList[].fwbm 1",
		"jzxxList[0].fwbm": "jzxxList[].fwbm 0", "jzxxlist[3].fwbm": "jzxxList[].fwbm 3", "jzxxList.1.fwbm": "jzxxList[].fwbm 1", "fwbm3": "jzxxList[].fwbm 2",
		"居住信息2房屋编码": "jzxxList[].fwbm 1", "居住信息.房屋编码": "jzxxList[].fwbm 0", "与房主关系12": "jzxxList[].yhzgxdm 11",
		"姓名2": "", "房屋编码0": "", "房屋编码100": "", "jzxxList[999].fwbm": "", "jzxxList[].fwbm": "", "电话": "", "": "", "2": "", "jzxxList": "",
	} {
		got := ""
		if s, ok := k.find(name); ok {
			got = fmt.Sprintf("%s %d", s.field.Path, s.element)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestMatchTells(t *testing.T) {
	i := catalogue(t).Interface("gj")
	for name, tt := range map[string]struct {
		header string
		skip   []string
		want   string
	}{
		"whole":     {"gjbm,gjmc,xqbm,jd,wd", nil, ""},
		"labels":    {"杆件编码,杆件名称,小区编码,经度,纬度," + Reasons + ",", nil, ""},
		"unknown":   {"gjbm,gjmc,xqbm,jd,wd,序号", nil, `第 6 列 "序号" 不是 gj（杆件基础信息）的属性；不需要的列用 -skip "序号"`},
		"skipped":   {"gjbm,gjmc,xqbm,jd,wd,序号", []string{"序号"}, ""},
		"misspelt":  {"gjbm,gjmc,xqbm,jd,纬渡", nil, "第 5 列 \"纬渡\" 不是 gj（杆件基础信息）的属性，是不是 纬度（wd）？；不需要的列用 -skip \"纬渡\"\n缺少必填的列：纬度（wd）"},
		"twice":     {"gjbm,gjmc,xqbm,jd,wd,纬度（BD-09）", nil, `第 6 列 "纬度（BD-09）" 与列 "wd" 是同一个属性 wd：只留一列`},
		"missing":   {"gjbm,gjmc,jd,wd", nil, "缺少必填的列：小区编码（xqbm）"},
		"no header": {"1000001,测试杆,340102001001001,117.200164,31.839976", nil, "第 1 列 \"1000001\" 不是 gj"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Match(i, strings.Split(tt.header, ","), Options{Skip: tt.skip})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if name == "no header" {
				got = got[:min(len(got), len(tt.want))]
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// What people and Excel write, and what it becomes.
func TestCell(t *testing.T) {
	i := catalogue(t).Interface("rk")
	xq := catalogue(t).Interface("zpj")
	excel := " 是 Excel 把号码当成了数字，后面几位已经丢失：" + asText
	for _, tt := range []struct {
		field *spec.Field
		cell  string
		value string
		wrong string
	}{
		{i.Field("xm"), "  甲\u00A0乙\u3000", "甲\u00A0乙", ""},
		{i.Field("xm"), "\u200B甲\uFEFF\t", "甲", ""},
		{i.Field("xm"), "３号楼", "３号楼", ""},
		{i.Field("xbdm"), "1", "1", ""},
		{i.Field("xbdm"), "男", "1", ""},
		{i.Field("xbdm"), "女性 ", "2", ""},
		{i.Field("xbdm"), "１", "1", ""},
		{i.Field("xbdm"), "1.0", "1", ""},
		{i.Field("xbdm"), "1 男", "1", ""},
		{i.Field("xbdm"), "1-男性", "1", ""},
		{i.Field("xbdm"), "1 女", "1 女", `字典 ZD004（性别代码）里没有 "1 女"，相近的有：1 男性、2 女性`},
		{i.Field("xbdm"), "7", "7", ""}, // the check tells it
		{i.Field("xbdm"), "先生", "先生", `字典 ZD004（性别代码）里没有 "先生"`},
		{i.Field("mzdm"), "1", "01", ""},
		{i.Field("mzdm"), "汉", "01", ""},
		{i.Field("mzdm"), "1.0", "01", ""},
		{i.Field("zjlxdm"), "居民身份证", "111", ""},
		{i.Field("csrq"), "1994-11-22", "1994-11-22", ""},
		{i.Field("csrq"), "1994/1/2", "1994-01-02", ""},
		{i.Field("csrq"), "1994.01.02", "1994-01-02", ""},
		{i.Field("csrq"), "19940102", "1994-01-02", ""},
		{i.Field("csrq"), "1994年1月2日", "1994-01-02", ""},
		{i.Field("csrq"), "1994/1/2 0:00:00", "1994-01-02", ""},
		{i.Field("csrq"), "1994-01-02T00:00:00", "1994-01-02", ""},
		{i.Field("csrq"), "34336", "1994-01-02", ""},
		{i.Field("csrq"), "46024.0", "2026-01-02", ""},
		{i.Field("csrq"), "46024.5", "46024.5", `"46024.5" 带着时间，这里只要日期：请写成 2026-01-02`},
		{i.Field("csrq"), "1/2/1994", "1/2/1994", `"1/2/1994" 看不出是哪一天：请写成 2026-01-02`},
		{i.Field("csrq"), "94-1-2", "94-1-2", `"94-1-2" 看不出是哪一天：请写成 2026-01-02`},
		{i.Field("csrq"), "1994/2/30", "1994/2/30", `"1994/2/30" 看不出是哪一天：请写成 2026-01-02`},
		{i.Field("zjhm"), "4.11526E+17", "4.11526E+17", "4.11526E+17" + excel},
		{i.Field("zjhm"), "411526199013011000", "411526199013011000", "最后几位全是 0，像是 Excel 把号码当成了数字：" + asText},
		{i.Field("zjhm"), "'000000199411220018", "000000199411220018", ""},
		{i.Field("zjhm"), `="000000199411220018"`, "000000199411220018", ""},
		{i.Field("zjhm"), "００００００１９９４１１２２００１８", "000000199411220018", ""},
		{i.Field("zjhm"), "########", "########", "列太窄，Excel 存成了 ####：请拉宽这一列再保存"},
		{i.Field("zjhm"), "#N/A", "#N/A", "公式出错（#N/A）：请改正公式，或粘贴为“值”"},
		{i.Field("xqbm"), "340102001001001.0", "340102001001001", ""},
		{i.Field("xqbm"), "3.40102E+14", "3.40102E+14", "3.40102E+14" + excel},
		{xq.Field("jd"), "117.3", "117.300000", ""},
		{xq.Field("jd"), "117", "117.000000", ""},
		{xq.Field("jd"), "117.3022691", "117.3022691", ""},
		{i.Field("bz"), "5E10", "5E10", ""},
		{i.Field("bz"), "1.0", "1.0", ""},
	} {
		c := Columns{codes: map[code]string{}}
		got, wrong := Text(tt.cell)
		if wrong == "" {
			got, wrong = c.value(tt.field, got)
		}
		if got != tt.value || wrong != tt.wrong && !(tt.wrong != "" && strings.HasPrefix(wrong, tt.wrong)) {
			t.Errorf("%s %q: got %q, %s\nwant %q, %s", tt.field.Name, tt.cell, got, wrong, tt.value, tt.wrong)
		}
	}
	if got, _ := date(i.Field("csrq"), "32874", true); got != "1994-01-02" {
		t.Errorf("counted from 1904: got %s", got)
	}
	if got, _ := date(catalogue(t).Interface("stk/zpjl").Field("snapTime"), "46024.5", false); got != "2026-01-02 12:00:00" {
		t.Errorf("a moment: got %s", got)
	}
}

func match(t testing.TB, i *spec.Interface, header string, o Options) *Columns {
	t.Helper()
	o.Partial = true
	c, err := Match(i, strings.Split(header, ","), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRecord(t *testing.T) {
	i := catalogue(t).Interface("rk")
	pictures := func(name string) ([]byte, error) {
		if name == "a.jpg" {
			return []byte("\xFF\xD8\xFF\xE0abc"), nil
		}
		return nil, errors.New("没有这个文件")
	}
	for name, tt := range map[string]struct {
		header string
		rows   []string
		want   string
	}{
		"one":           {"姓名,性别,房屋编码1,与房主关系1,房屋编码2,备注", []string{"甲,男,1,0,2,"}, `{"xm":"甲","xbdm":1,"jzxxList":[{"fwbm":"1","yhzgxdm":"0"},{"fwbm":"2"}]}`},
		"second only":   {"房屋编码1,房屋编码2", []string{",2"}, `{"jzxxList":[{"fwbm":"2"}]}`},
		"no list":       {"姓名,房屋编码1", []string{"甲,"}, `{"xm":"甲"}`},
		"two rows":      {"证件号码,姓名,房屋编码", []string{"9,甲,1", "9,甲,2", "9,,3"}, `{"xm":"甲","zjhm":"9","jzxxList":[{"fwbm":"1"},{"fwbm":"2"},{"fwbm":"3"}]}`},
		"rows differ":   {"证件号码,姓名,房屋编码", []string{"9,甲,1", "9,乙,2"}, `{"xm":"甲","zjhm":"9","jzxxList":[{"fwbm":"1"},{"fwbm":"2"}]} 列“姓名”：与上一行是同一个证件号码，这一格却不同：同一条记录的各行除了居住信息以外要一样`},
		"too wide":      {"姓名,备注", []string{"甲,乙,丙"}, `{} 这一行有 3 格，表头只有 2 列：含逗号的单元格要用双引号括起来`},
		"blank beyond":  {"姓名", []string{"甲,,"}, `{"xm":"甲"}`},
		"too narrow":    {"姓名,备注", []string{"甲"}, `{"xm":"甲"}`},
		"not a number":  {"性别", []string{"01"}, `{"xbdm":"01"}`},
		"escaped":       {"备注", []string{`a"b\`}, `{"bz":"a\"b\\"}`},
		"picture":       {"人员照片", []string{"a.jpg"}, `{"ryZp":"/9j/4GFiYw=="}`},
		"no picture":    {"人员照片", []string{"b.jpg"}, `{"ryZp":null} 列“人员照片”：没有这个文件`},
		"Base64":        {"人员照片", []string{"/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="}, `{"ryZp":"/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="}`},
		"several wrong": {"性别,出生日期", []string{"先生,昨天"}, `{} 列“性别”：字典 ZD004（性别代码）里没有 "先生"，相近的有：1 男性、2 女性、0 未知的性别、9 未说明的性别；列“出生日期”："昨天" 看不出是哪一天：请写成 2026-01-02`},
	} {
		t.Run(name, func(t *testing.T) {
			c := match(t, i, tt.header, Options{Pictures: pictures})
			var rows [][]string
			for _, r := range tt.rows {
				rows = append(rows, strings.Split(r, ","))
			}
			doc, wrong := c.Record(nil, rows)
			got := strings.TrimSpace(string(doc) + " " + strings.Join(wrong, "；"))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestKey(t *testing.T) {
	c := catalogue(t)
	rk := match(t, c.Interface("rk"), "姓名,证件号码,小区编码,证件类型代码", Options{})
	key := func(c *Columns, row string) string { return c.Key(strings.Split(row, ",")) }
	if a, b := key(rk, "甲,9,1,111"), key(rk, "乙, 9 ,1,111"); a == "" || a != b {
		t.Errorf("one person: %q and %q", a, b)
	}
	if key(rk, "甲,9,1,111") == key(rk, "甲,9,1,112") || key(rk, "甲,,1,111") != "" {
		t.Error("other documents, or none, are no key")
	}
	if gj := match(t, c.Interface("gj"), "gjbm,xqbm", Options{}); key(gj, "1,2") != "" {
		t.Error("records without lists stand alone")
	}
	if part := match(t, c.Interface("rk"), "姓名,证件号码", Options{}); key(part, "甲,9") != "" {
		t.Error("a part of an identity is none")
	}
}

// The template of each interface, written and read again in both forms, gives
// the standard's own example.
func TestTemplates(t *testing.T) {
	c := catalogue(t)
	for _, i := range c.Interfaces {
		tm := TemplateOf(i)
		for form, write := range map[string]func(io.Writer) error{"CSV": tm.CSV, "XLSX": tm.XLSX} {
			t.Run(i.Name+" "+form, func(t *testing.T) {
				var b bytes.Buffer
				if err := write(&b); err != nil {
					t.Fatal(err)
				}
				r, err := sheet.Open(&b, sheet.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				head, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				picture := []byte("\xFF\xD8\xFF\xE0\x00\x10JFIF")
				cols, err := Match(i, head.Cells, Options{Pictures: func(string) ([]byte, error) { return picture, nil }})
				if err != nil {
					t.Fatal(err)
				}
				row, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				doc, wrong := cols.Record(nil, [][]string{row.Cells})
				if len(wrong) > 0 || row.Problem != "" {
					t.Error(wrong, row.Problem)
				}
				for _, v := range i.CheckJSON(doc) {
					if v.Severity == spec.Error {
						t.Errorf("%s: %s", doc, v.Chinese())
					}
				}
				// What the example says, the row says.
				gjson.ParseBytes(i.Examples[0].Document()).ForEach(func(k, v gjson.Result) bool {
					f := i.Field(k.String())
					if got := gjson.GetBytes(doc, k.String()); f.Format != spec.GF005 && got.String() != v.String() {
						t.Errorf("%s: got %s, want %s", k.String(), got.Raw, v.Raw)
					}
					return true
				})
				if _, err := r.Next(); !errors.Is(err, io.EOF) {
					t.Errorf("behind the example: %v", err)
				}
			})
		}
	}
}

func TestProtect(t *testing.T) {
	for in, want := range map[string]string{
		"340102001001001": `="340102001001001"`, "01": `="01"`, "0": "0", "12": "12", "12345678901": "12345678901", "1.5": "1.5", "": "", "甲": "甲", "0a": "0a",
	} {
		if got := Protect(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
		if got, _ := Text(Protect(in)); got != in {
			t.Errorf("%q comes back as %q", in, got)
		}
	}
}

func TestIsBase64(t *testing.T) {
	for in, want := range map[string]bool{
		"/9j/4AAQSkZJRgABAQEASABIAAD/2Q==": true, "data:image/jpeg;base64,xx": true, "face.jpg": false, "zhangsan": false,
		"0123456789abcdef": false, "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=": false,
	} {
		if got := IsBase64(in); got != want {
			t.Errorf("%q: %t", in, got)
		}
	}
}

func TestReason(t *testing.T) {
	f := catalogue(t).Interface("rk").Field("xqbm")
	if got := Reason(spec.RuleLength, "x", f, "40102001001001"); got != "x（少了 1 位：如果是前面的 0 没有了，"+asText+"）" {
		t.Error(got)
	}
	for _, v := range []string{"3401020010010011", "abc", ""} {
		if got := Reason(spec.RuleLength, "x", f, v); got != "x" {
			t.Error(got)
		}
	}
}

// Whatever stands in a header and a row, a record is JSON, or it is told why
// it is none.
func FuzzRecord(f *testing.F) {
	c, err := spec.Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("姓名,性别代码（ZD004）,房屋编码2", "甲,男,1")
	f.Add("jzxxList[0].fwbm,csrq,xbdm", "1,46024,1.0")
	f.Add("fwbm99,ryZp", `="1",/9j/4AAQSkZJRgABAQEASABIAAD/2Q==`)
	f.Add("[1].x,(,.2.", "a,b,c")
	i := c.Interface("rk")
	f.Fuzz(func(t *testing.T, header, cells string) {
		cols, err := Match(i, strings.Split(header, ","), Options{Partial: true})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		row := strings.Split(cells, ",")
		cols.Key(row)
		doc, _ := cols.Record(nil, [][]string{row, row})
		if !gjson.ValidBytes(doc) {
			t.Errorf("no JSON: %s", doc)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	i := catalogue(b).Interface("rk")
	tm := TemplateOf(i)
	c := match(b, i, strings.Join(tm.Header, ","), Options{Pictures: func(string) ([]byte, error) { return nil, nil }})
	rows := [][]string{tm.Example}
	var doc []byte
	b.ReportAllocs()
	for b.Loop() {
		doc, _ = c.Record(doc[:0], rows)
	}
	if diff := cmp.Diff(true, gjson.ValidBytes(doc)); diff != "" {
		b.Error(diff)
	}
}
