package transform

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

func TestDict(t *testing.T) {
	for _, tt := range []struct {
		dict  any
		value any
		want  string
	}{
		{"ZD004", "男", "1"},
		{"ZD004", " 男性 ", "1"},
		{"ZD004", "女", "2"},
		{"ZD004", "未知", "0"},
		{"ZD004", "9", "9"},
		{"ZD004", 2, "2"},
		{"ZD021", "土", "30"},
		{"ZD021", "土家族", "15"},
		{"ZD023", "女", "3"},
		{"ZD026", "白色", "A"},
		{"ZD026", "A", "A"},
		{"ZD018", "ＡＰＰ 开门", "5"},
		{"ZD005", "居民身份证", "111"},
		{"ZD008", "中国", "156"},
		{"ZD004", nil, "nil"},
		{"ZD004", "", "nil"},
		{"ZD004", "  ", "nil"},
		{"ZD004", 5, `error: dictionary ZD004 (性别代码) has no "5"; nearest: 1 男性, 2 女性, 0 未知的性别, 9 未说明的性别`},
		{"ZD004", "male", `error: dictionary ZD004 (性别代码) has no "male"; nearest: 1 男性, 2 女性, 0 未知的性别, 9 未说明的性别`},
		{"ZD005", "身份证", `error: dictionary ZD005 (证件类型代码) has no "身份证"; nearest: 111 居民身份证, 112 临时居民身份证`},
		{"ZD021", 1, `error: dictionary ZD021 (民族代码) has no "1"; nearest: 01 汉族`},
		{"ZD005", "护照", `error: dictionary ZD005 (证件类型代码) has no "护照"; nearest: 411 外交护照, 412 公务护照, 413 因公普通护照, 414 普通护照, 420 香港特别行政区护照, …`},
		{"ZD008", "美利坚", `error: dictionary ZD008 (国籍代码) has no "美利坚"; nearest: 056 比利时, 840 美国, 036 澳大利亚, 380 意大利, 566 尼日利亚`},
		{"ZD005", "护照" + strings.Repeat("x", maxLabel-6), `error: dictionary ZD005 (证件类型代码) has no "护照` + strings.Repeat("x", 38) + `"…; nearest: 411 外交护照, 412 公务护照, 413 因公普通护照, 414 普通护照, 420 香港特别行政区护照`},
		{"ZD005", "护照" + strings.Repeat("x", maxLabel-5), `error: dictionary ZD005 (证件类型代码) has no "护照` + strings.Repeat("x", 38) + `"…`},
		{"ZD021", "魏", `error: dictionary ZD021 (民族代码) has no "魏"`},
		{"ZD002", "瑶海分局", `error: dictionary ZD002 (公安机关) has no "瑶海分局": none of its entries is known here`},
		{"ZD999", "男", `error: there is no dictionary "ZD999"`},
		{"性别代码", "男", `error: there is no dictionary "性别代码"`},
		{4, "男", `error: want a dictionary like "ZD004", got the number 4`},
		{nil, "男", `error: want a dictionary like "ZD004", got nothing`},
		{"ZD004", true, "error: want a label or code of ZD004 (性别代码), got true"},
		{"ZD004", []any{"男"}, "error: want a label or code of ZD004 (性别代码), got a list of 1"},
	} {
		if got := result(callFunction(t, "dict", tt.dict, tt.value)); got != tt.want {
			t.Errorf("dict(%v, %v)\n got %s\nwant %s", tt.dict, tt.value, got, tt.want)
		}
	}
}

func TestDictDefault(t *testing.T) {
	for _, tt := range []struct {
		value, fallback any
		want            string
	}{
		{"男", "0", "1"},
		{"male", "0", "0"},
		{nil, "0", "0"},
		{"", "0", "0"},
		{"male", nil, "nil"},
		{"male", 9, "9"},
		{true, "0", "error: want a label or code of ZD004 (性别代码), got true"},
	} {
		if got := result(callFunction(t, "dict", "ZD004", tt.value, tt.fallback)); got != tt.want {
			t.Errorf("dict(ZD004, %v, %v) = %s, want %s", tt.value, tt.fallback, got, tt.want)
		}
	}
}

// Every label of the standard leads back to its code; one that stands on
// several codes leads to all of them, and that is refused.
func TestDictFindsEveryLabel(t *testing.T) {
	n := 0
	for _, d := range testCatalogue(t).Dicts {
		labels := map[string]int{}
		for _, e := range d.Entries {
			labels[plainLabel(e.Label)]++
		}
		for _, e := range d.Entries {
			n++
			found := Entries(d, e.Label)
			if len(found) != labels[plainLabel(e.Label)] || !slices.Contains(found, e) {
				t.Errorf("%s: %s is %v, want %s", d.Code, e.Label, found, e.Code)
			}
		}
	}
	if n < 300 {
		t.Errorf("only %d entries", n)
	}
	twice := &spec.Dict{Code: "ZD001", Name: "行政区划", Entries: []spec.Entry{{Code: "320106000000", Label: "鼓楼区"}, {Code: "350102000000", Label: "鼓楼区"}}}
	want := `dictionary ZD001 (行政区划) has 2 entries "鼓楼区": 320106000000 鼓楼区, 350102000000 鼓楼区; give the code`
	if err := noCode(twice, "鼓楼区", Entries(twice, "鼓楼区")); err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestDictProblems(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`dict("ZD4", event.name)`, `example.yaml:1:6: there is no dictionary "ZD4"; did you mean "ZD004"?`},
		{`dict("zd018", event.name)`, `example.yaml:1:6: there is no dictionary "zd018"; did you mean "ZD018"?`},
		{`dict("ZD004", "男人")`, `example.yaml:1:15: dictionary ZD004 (性别代码) has no "男人"; nearest: `},
		{`dict("ZD004", event.name, "3")`, `example.yaml:1:27: the default "3" is no code of dictionary ZD004 (性别代码)`},
		{`dict("ZD002", event.name)`, `example.yaml:1:6: none of the entries of dictionary ZD002 (公安机关) is known here: dict finds nothing`},
		{`dict("ZD004")`, `example.yaml:1:1: dict takes 2 to 3 arguments, got 1`},
		{`lookup()`, `example.yaml:1:1: lookup takes 2 to 3 arguments, got 0`},
		{`bd09()`, `example.yaml:1:1: bd09 takes 3 arguments, got 0`},
	} {
		if v, err := eval(t, tt.expr); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s = %v\n got %v\nwant %s", tt.expr, v, err, tt.want)
		}
	}
	for _, good := range []string{`dict("ZD004", event.name, "0")`, `dict("ZD004", event.name, "")`, `dict("ZD008", event.nothing, "777")`, `dict(event.name, "x") ?? ""`} {
		if _, err := eval(t, good); err != nil && !strings.Contains(err.Error(), `there is no dictionary "x"`) {
			t.Errorf("%s: %v", good, err)
		}
	}
}

// A dictionary of which nothing is known is a warning, and its mapping runs:
// the platform's own list may come later.
func TestDictWithoutEntries(t *testing.T) {
	rules, problems := loadAcme(t, goodSource, strings.Replace(goodMapping, "device.xqbm", `dict("ZD002", event.kind, device.xqbm)`, 1), goodDevices)
	if rules == nil || len(problems) != 1 || !problems[0].Warning || problems[0].Rule != "empty-dictionary" {
		t.Fatal(rules, problems)
	}
	res := applyAcme(t, rules, fmt.Sprintf(`{"kind":"face","at":"2026-01-02 03:04:05","small":%q,"big":%q}`, jpegText, jpegText), nil)
	if res.Refusal != nil || !strings.Contains(string(res.Records[0].Doc), `"areaNo":"340102001001001"`) {
		t.Errorf("%+v", res)
	}
}

func TestPad(t *testing.T) {
	for _, tt := range []struct {
		value, digits any
		want          string
	}{
		{3, 3, "003"},
		{"3", 3, "003"},
		{" ３ ", 2, "03"},
		{"003", 3, "003"},
		{0, 1, "0"},
		{1.0, 2, "01"},
		{"", 3, "nil"},
		{" ", 3, "nil"},
		{nil, 3, "nil"},
		{7, 32, strings.Repeat("0", 31) + "7"},
		{"1234", 3, `error: want at most 3 digits, got "1234"`},
		{"0003", 3, `error: want at most 3 digits, got "0003"`},
		{12, 1, `error: want at most 1 digit, got "12"`},
		{-3, 3, `error: want digits, got "-3"`},
		{1.5, 3, `error: want digits, got "1.5"`},
		{"3栋", 3, `error: want digits, got "3栋"`},
		{true, 3, "error: want digits, got true"},
		{3, 0, "error: want a number of digits from 1 to 32, got the number 0"},
		{3, 33, "error: want a number of digits from 1 to 32, got the number 33"},
		{3, "3", `error: want a number of digits from 1 to 32, got "3"`},
		{nil, nil, "error: want a number of digits from 1 to 32, got nothing"},
	} {
		if got := result(callFunction(t, "pad", tt.value, tt.digits)); got != tt.want {
			t.Errorf("pad(%v, %v) = %s, want %s", tt.value, tt.digits, got, tt.want)
		}
	}
}

func TestPlate(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  string
	}{
		{"皖A12345", "皖A12345"},
		{"皖a12345", "皖A12345"},
		{" 皖A 123 45\r\n", "皖A12345"},
		{"皖A·12345", "皖A12345"},
		{"皖A•D12345", "皖AD12345"},
		{"皖A-12345", "皖A12345"},
		{"皖A．１２３４５", "皖A12345"},
		{"皖Ａ　１２３４５", "皖A12345"},
		{"皖A1234学", "皖A1234学"},
		{"el123ab", "EL123AB"},
		{"WJ皖1234x", "WJ皖1234X"},
		{"皖A12?45", "皖A12?45"},
		{47012, "47012"},
		{"皖A00000", "皖A00000"},
		{nil, ""},
		{"", ""},
		{" ", ""},
		{"-", ""},
		{"--", ""},
		{"无", ""},
		{"_无_", ""},
		{"无牌", ""},
		{"无牌车", ""},
		{"无车牌", ""},
		{"车牌", ""},
		{"未识别", ""},
		{"unknown", ""},
		{"UnKnown", ""},
		{"no plate", ""},
		{"noPlate", ""},
		{"NO_PLATE", ""},
		{"null", ""},
		{"N/A", ""},
		{"0", ""},
		{"00000000", ""},
		{0, ""},
		{"\x00\x00", ""},
		{true, "error: want a plate's number, got true"},
		{[]any{"皖A12345"}, "error: want a plate's number, got a list of 1"},
		{&event.Blob{Data: make([]byte, 2000)}, "error: want a plate's number, got @text 2000 bytes"},
	} {
		if got := result(callFunction(t, "plate", tt.value)); got != tt.want {
			t.Errorf("plate(%q) = %q, want %q", fmt.Sprint(tt.value), got, tt.want)
		}
	}
}

// Whatever a camera reads: a plate's number has no blanks, and is the same
// when it is read again.
func FuzzPlate(f *testing.F) {
	for _, s := range []string{"皖a·12345", "皖Ａ　１２３４５", "_无_", "no plate", "00000000", "\xff\xfe", "ŉß"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := callFunction(t, "plate", text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if s := v.(string); strings.ContainsFunc(s, unicode.IsSpace) {
			t.Errorf("%q became %q", text, s)
		}
		if again, err := callFunction(t, "plate", v); again != v || err != nil {
			t.Errorf("%q became %q and then %q, %v", text, v, again, err)
		}
	})
}

func FuzzDict(f *testing.F) {
	f.Add("ZD004", "男")
	f.Add("ZD021", "１")
	f.Add("ZD005", strings.Repeat("证", 1000))
	f.Fuzz(func(t *testing.T, dict, text string) {
		v, err := callFunction(t, "dict", dict, text)
		if err != nil || v == nil {
			return
		}
		if _, ok := testCatalogue(t).Dict(dict).Label(v.(string)); !ok {
			t.Errorf("dict(%q, %q) = %q, which is no code", dict, text, v)
		}
	})
}
