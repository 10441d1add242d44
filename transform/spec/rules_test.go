package spec

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// document is the standard's own request with one member changed to value, or
// left out if that is empty; "a-b" changes a and leaves out b.
func document(t testing.TB, i *Interface, name, value string) []byte {
	t.Helper()
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(i.Examples[len(i.Examples)-1].Document(), &doc); err != nil {
		t.Fatal(err)
	}
	name, without, _ := strings.Cut(name, "-")
	if doc[name] = json.RawMessage(value); value == "" {
		delete(doc, name)
	}
	delete(doc, without)
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wrongs are wrong values, one for each way in which a rule can be broken.
var wrongs = []struct{ title, iface, field, value string }{
	{"必填的没有", "xq", "xqmc", ""},
	{"必填的是 null", "xq", "xqmc", "null"},
	{"必填的是空文本", "xq", "xqmc", `""`},
	{"必填的列表是空的", "rk", "jzxxList", "[]"},
	{"列表里必填的没有", "rk", "jzxxList", `[{"fwbm":"340102001001001001012201","yhzgxdm":"0"},{"fwbm":"340102001001001001012202"}]`},
	{"按推断必填的没有，只提醒", "ld", "lcs", ""},
	{"人脸开门已识别，不传图片", "stk/rytxjl", "snapSmallImage", `"` + jpeg + `"`},
	{"人脸开门未识别，要传图片", "stk/rytxjl", "cardNo", ""},
	{"刷卡开门没有证件号码，只提醒", "stk/rytxjl", "accessType-cardNo", `"1"`},

	{"定长的短了", "stk/zpjl", "areaNo", `"34010200"`},
	{"太长", "xq", "xqmc", `"` + strings.Repeat("测", 51) + `"`},
	{"太长，长度来自客户端，只提醒", "xq", "wymc", `"` + strings.Repeat("物", 51) + `"`},
	{"列表里定长的短了", "rk", "jzxxList", `[{"fwbm":"3401","yhzgxdm":"0"}]`},
	{"太长的证件号码，不显示", "stk/rytxjl", "cardNo", `"` + strings.Repeat("9", 31) + `"`},

	{"文本处是数字", "stk/zpjl", "areaNo", `340102001001001`},
	{"文本处是真假", "stk/sbzt", "isOnLine", `true`},
	{"文本处是列表", "stk/zpjl", "areaNo", `["340102001001001"]`},
	{"整数处是小数", "ld", "lcs", `6.5`},
	{"整数处是文字", "fw", "fwztdm", `"自住"`},
	{"整数处是对象", "fw", "fwztdm", `{"code":2}`},
	{"列表处是文本", "rk", "jzxxList", `"340102001001001001012201"`},
	{"列表里不是对象", "rk", "jzxxList", `["340102001001001001012201"]`},
	{"图片处是数字", "stk/zpjl", "snapBigImage", `1`},

	{"整数太大", "ld", "lcs", `128`},
	{"整数太小", "ld", "hs", `-1`},

	{"GF001 不是数字", "xq", "jd", `"东经117度"`},
	{"GF001 逗号", "xq", "jd", `"117,302269"`},
	{"GF001 指数", "xq", "jd", `"1.17e2"`},
	{"GF001 没有小数", "xq", "jd", `"117."`},
	{"GF001 经度超过 180", "xq", "jd", `"181.000000"`},
	{"GF001 纬度超过 90", "xq", "wd", `"117.302269"`},
	{"GF001 不在中国，只提醒", "xq", "jd", `"17.302269"`},
	{"GF001 南纬，只提醒", "xq", "wd", `"-31.895847"`},
	{"GF001 不足 6 位，只提醒", "xq", "jd", `"117.3"`},
	{"GF001 多于 6 位，只提醒", "xq", "jd", `"117.3022691"`},
	{"GF002 两个点", "xq", "dtzbj", `"117.198149,31.840765;117.198719,31.840920"`},
	{"GF002 两个点和闭合点", "xq", "dtzbj", `"117.198149,31.840765;117.198719,31.840920;117.198149,31.840765"`},
	{"GF002 点之间用了逗号", "xq", "dtzbj", `"117.198149,31.840765,117.198719,31.840920,117.201282,31.840595"`},
	{"GF002 经纬度颠倒", "xq", "dtzbj", `"31.840765,117.198149;31.840920,117.198719;31.840595,117.201282"`},
	{"GF002 一个点不足 6 位，只提醒", "xq", "dtzbj", `"117.198149,31.840765;117.1987,31.840920;117.201282,31.840595"`},
	{"GF003 没有的日子", "rk", "csrq", `"1994-02-29"`},
	{"GF003 带时间", "rk", "csrq", `"1994-11-22 00:00:00"`},
	{"GF003 斜线", "rk", "yxqqsrq", `"2019/08/22"`},
	{"GF004 ISO 8601", "stk/zpjl", "snapTime", `"2019-01-01T12:12:12+08:00"`},
	{"GF004 没有的日子", "stk/zpjl", "snapTime", `"2019-02-29 12:12:12"`},
	{"GF004 没有的钟点", "stk/zpjl", "snapTime", `"2019-02-28 24:00:00"`},
	{"GF004 时间戳", "stk/zpjl", "snapTime", `"1546315932"`},
	{"GF005 data: 前缀", "stk/zpjl", "snapBigImage", `"data:image/jpeg;base64,` + jpeg + `"`},
	{"GF005 链接", "cldz", "tplj", `"http://192.0.2.9/gate.jpg"`},
	{"GF005 截断", "stk/zpjl", "snapBigImage", `"` + jpeg[:len(jpeg)-3] + `"`},
	{"GF005 不是 Base64", "stk/zpjl", "snapBigImage", `"/9j/4AAQ*kZJRgAB"`},
	{"GF005 网址安全的 Base64", "stk/zpjl", "snapBigImage", `"_9j_4AAQSkZJRgAB"`},
	{"GF005 换行", "stk/zpjl", "snapBigImage", `"/9j/4AAQ\nSkZJRgABAQEAS"`},
	{"GF005 中间有填充", "stk/zpjl", "snapBigImage", `"/9j/4A==SkZJRgAB"`},
	{"GF005 不是图片", "stk/zpjl", "snapBigImage", `"aGVsbG8gd29ybGQh"`},
	{"GF005 占位文字", "crk", "crkzp", `"<Base64图片编码>"`},
	{"GF005 太大（platform.maxPicture）", "stk/zpjl", "snapBigImage", `"` + jpeg[:28] + strings.Repeat("AAAA", 340) + `"`},
	{"GF006 两位，只提醒", "zpj", "fx", `"10"`},
	{"GF007 没见过的，只提醒", "crk", "lx", `"3"`},

	{"完整的字典里没有", "stk/rytxjl", "accessType", `"7"`},
	{"完整的字典里没有（设备状态）", "stk/sbzt", "isOnLine", `"3"`},
	{"长字典", "rk", "zjlxdm", `"110"`},
	{"整数代码", "fw", "fwztdm", `3`},
	{"不全的字典里没有，只提醒", "rk", "rklxdm", `"7"`},
	{"列表里的字典，只提醒", "rk", "jzxxList", `[{"fwbm":"340102001001001001012201","yhzgxdm":"77"}]`},
	{"平台颠倒的两个字典，只提醒", "mjxt", "mjlx", `"1"`},
	{"少了前导零", "rk", "mzdm", `"1"`},

	{"编码里有字母，只提醒", "xq", "gajgjgdm", `"34010348000A"`},
	{"20 位设备编码，只提醒", "zpj", "zpjbm", `"3401024101132800100A"`},
	{"几个设备编码，只提醒", "cldz", "zpjbms", `"34010241011328001001，34010241011328001002"`},
	{"身份证校验码不对，只提醒", "rk", "zjhm", `"000000199411220010"`},
	{"身份证上没有的日子，只提醒", "clxx", "czSfzjhm", `"000000199402300010"`},
	{"别的证件，像身份证又不是，只提醒", "stk/rytxjl", "cardNo", `"000000199411220010"`},
	{"手机号码少一位，只提醒", "rk", "sjhm", `"1990000000"`},
	{"电话号码，只提醒", "xq", "lxdh", `"请打门卫"`},
	{"车牌没有汉字，只提醒", "stk/cltxjl", "carNo", `"A00000"`},
	{"车牌带分隔符，只提醒", "stk/cltxjl", "carNo", `"皖A·00000"`},
	{"车牌有字母 O，只提醒", "clxx", "cphm", `"皖AO0000"`},
	{"没有的 IP 地址，只提醒", "zpj", "ip", `"10.5.123.299"`},
	{"没有的端口，只提醒", "zpj", "dkh", `"99999"`},
	{"面积带单位，只提醒", "xq", "zdmj", `"67平方米"`},

	{"出入口编码不以小区编码开头，只提醒", "crk", "crkbm", `"3401020010010021203"`},
	{"小区编码不以社区代码开头，只提醒", "xq", "xqbm", `"340102001002001"`},
	{"房屋编码不以楼栋编码开头，只提醒", "fw", "fwbm", `"340102001001001002012201"`},
	{"列表里的房屋不在这个小区，只提醒", "rk", "jzxxList", `[{"fwbm":"340102001001002001012201","yhzgxdm":"0"}]`},
	{"岗位不以角色开头，只提醒", "wyry", "rygwdm", `"0201"`},
	{"门禁不在这个小区，只提醒", "stk/rytxjl", "accessControlNo", `"3401020010010021150001"`},

	{"没有的属性，只提醒", "stk/zpjl", "infoKind", `1`},
	{"列表里没有的属性，只提醒", "rk", "jzxxList", `[{"fwbm":"340102001001001001012201","yhzgxdm":"0","owner":"某乙"}]`},
}

// Each rule with a wrong value and its message in both languages, for a person
// to read from top to bottom.
func TestRules(t *testing.T) {
	c := catalogue(t).WithMaxPicture(1000)
	var b strings.Builder
	seen := map[string]bool{}
	for _, w := range wrongs {
		i := c.Interface(w.iface)
		found := i.CheckJSON(document(t, i, w.field, w.value))
		value := w.value
		if value == "" {
			value = "（没有）"
		}
		if r := []rune(value); len(r) > 100 {
			value = fmt.Sprintf("%s…（%d 个字符）", string(r[:40]), len(r)-2)
		}
		fmt.Fprintf(&b, "== %s\n%s %s: %s\n", w.title, w.iface, strings.Replace(w.field, "-", "，没有 ", 1), value)
		if len(found) == 0 {
			t.Errorf("%s: %s of %s was taken", w.title, w.value, w.field)
		}
		warns := strings.Contains(w.title, "只提醒")
		for _, v := range found {
			kind := "错误"
			if v.Severity == Warning {
				kind = "提醒"
			}
			if warns != (v.Severity == Warning) {
				t.Errorf("%s: the title tells another severity than %v", w.title, v)
			}
			fmt.Fprintf(&b, "%s %s\n  %s\n  %s\n", kind, v.Rule, v.Chinese(), v.Error())
			seen[v.Rule] = true
			if v.Field != nil {
				seen[formats[v.Field.Format].name], seen[shapes[v.Field.Shape].name] = true, true
			}
		}
		b.WriteString("\n")
	}
	for _, doc := range []string{`{"deviceID":`, `[]`, `"x"`, `{"deviceID":"34010241011328001001","isOnLine":"1","deviceType":"1","deviceType":"1","areaNo":"340102001001001"}`} {
		fmt.Fprintf(&b, "== 不是一个文档\nstk/sbzt %s\n", doc)
		for _, v := range c.Interface("stk/sbzt").CheckJSON([]byte(doc)) {
			fmt.Fprintf(&b, "错误 %s\n  %s\n  %s\n", v.Rule, v.Chinese(), v.Error())
			seen[v.Rule] = true
		}
		b.WriteString("\n")
	}
	lookup := func(of, code, field string) (string, bool) {
		return "测试小区", of == "xq" && code == "340102001001001" && field == "xqmc"
	}
	for _, name := range []string{"crk", "gj", "cldz"} {
		i := c.Interface(name)
		f := i.Fields[slices.IndexFunc(i.Fields, func(f Field) bool { return f.earlier != "" })].Name
		for _, value := range []string{"测试小区东门", "东门"} {
			values, _ := i.Values(document(t, i, f, `"`+value+`"`))
			for _, v := range i.CheckAgainst(values, lookup, nil) {
				if value != "东门" {
					t.Errorf("%s: %q was not taken: %v", name, value, v)
				}
				fmt.Fprintf(&b, "== 名称不以小区名称开头，只提醒\n%s %s: %q\n提醒 %s\n  %s\n  %s\n\n", name, f, value, v.Rule, v.Chinese(), v.Error())
			}
		}
	}
	if private := fictional + string(checkDigit(fictional)); strings.Contains(b.String(), private) || strings.Contains(b.String(), nobodys) {
		t.Error("a personal value is not masked")
	}
	for _, name := range ruleNames {
		if !seen[name] {
			t.Errorf("no wrong value for the rule %q", name)
		}
	}
	for f := range formats {
		if !seen[formats[f].name] {
			t.Errorf("no wrong value for the format %q", formats[f].name)
		}
	}
	for s := range shapes {
		if !seen[shapes[s].name] {
			t.Errorf("no wrong value for the shape %q", shapes[s].name)
		}
	}
	golden(t, "testdata/rules.golden", b.String())
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
