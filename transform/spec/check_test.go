package spec

import (
	"fmt"
	"strings"
	"testing"
)

const jpeg = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="

func TestCheckJSON(t *testing.T) {
	c := catalogue(t)
	face := func(change string) string {
		doc := map[string]string{"snapNo": `"34010241011328001001"`, "areaNo": `"340102001001001"`, "snapTime": `"2026-01-02 03:04:05"`, "snapSmallImage": `"` + jpeg + `"`, "snapBigImage": `"` + jpeg + `"`}
		key, value, _ := strings.Cut(change, "=")
		doc[key] = value
		var b strings.Builder
		for k, v := range doc {
			if v != "" && k != "" {
				fmt.Fprintf(&b, ",%q:%s", k, v)
			}
		}
		return "{" + strings.TrimPrefix(b.String(), ",") + "}"
	}
	access := func(accessType, rest string) string {
		return `{"accessControlNo":"3401020010010011150001","areaNo":"340102001001001","accessTime":"2026-01-02 03:04:05","accessType":"` + accessType + `"` + rest + `}`
	}
	pictures := `,"snapSmallImage":"` + jpeg + `","snapBigImage":"` + jpeg + `"`
	number := fictional + string(checkDigit(fictional))
	person := `,"cardNo":"` + number + `"`
	status := func(online string) string {
		return `{"areaNo":"340102001001001","deviceID":"34010241011328001001","deviceType":"1","isOnLine":` + online + `}`
	}
	for name, tt := range map[string]struct {
		iface, doc string
		want       []string // rule, severity if warning, then a piece of the message
	}{
		"whole":              {"stk/zpjl", face(""), nil},
		"missing":            {"stk/zpjl", face("snapNo="), []string{"required| |snapNo (抓拍机编码): want a value, got nothing"}},
		"null":               {"stk/zpjl", face("snapNo=null"), []string{"required| |got nothing"}},
		"empty":              {"stk/zpjl", face(`snapNo=""`), []string{"required| |got an empty text"}},
		"short":              {"stk/zpjl", face(`areaNo="34010200"`), []string{`length| |areaNo (小区编码): want 15 characters, got 8: "34010200"`}},
		"number for text":    {"stk/zpjl", face(`areaNo=340102001001001`), []string{"type| |want a text, got the number 340102001001001"}},
		"list for text":      {"stk/zpjl", face(`areaNo=["x"]`), []string{`type| |want a text, got ["x"]`}},
		"ISO time":           {"stk/zpjl", face(`snapTime="2019-01-01T12:12:12+08:00"`), []string{`format| |snapTime (抓拍时间): want yyyy-MM-dd HH:mm:ss, got "2019-01-01T12:12:12+08:00"`}},
		"no such day":        {"stk/zpjl", face(`snapTime="2019-02-29 12:12:12"`), []string{"format| |2019-02-29"}},
		"leap day":           {"stk/zpjl", face(`snapTime="2024-02-29 23:59:59"`), nil},
		"no such hour":       {"stk/zpjl", face(`snapTime="2019-02-28 24:00:00"`), []string{"format| |24:00:00"}},
		"data URI":           {"stk/zpjl", face(`snapBigImage="data:image/jpeg;base64,` + jpeg + `"`), []string{"format| |want Base64 without a data: prefix"}},
		"cut picture":        {"stk/zpjl", face(`snapBigImage="` + jpeg[:len(jpeg)-3] + `"`), []string{"format| |29 characters, no multiple of 4"}},
		"not Base64":         {"stk/zpjl", face(`snapBigImage="/9j/4AAQ*kZJRgAB"`), []string{"format| |what is not Base64 at character 9"}},
		"line break":         {"stk/zpjl", face(`snapBigImage="/9j/4AAQ\nSkZJRgABAQEAS"`), []string{"format| |"}},
		"inner padding":      {"stk/zpjl", face(`snapBigImage="/9j/4A==SkZJRgAB"`), []string{"format| |"}},
		"text as picture":    {"stk/zpjl", face(`snapBigImage="aGVsbG8gd29ybGQh"`), []string{"format| |want a picture (JPEG, PNG, GIF, BMP, …), got bytes that begin with 68 65 6c 6c 6f"}},
		"unknown field":      {"stk/zpjl", face(`infoKind=1`), []string{`unknown|warning|"infoKind": want a field of stk/zpjl`}},
		"twice":              {"stk/sbzt", strings.Replace(status(`"1"`), "{", `{"deviceType":"1",`, 1), []string{`document| |"deviceType": want each field once`}},
		"broken":             {"stk/sbzt", `{"a":`, []string{"document| |broken JSON"}},
		"list":               {"stk/sbzt", `[]`, []string{"document| |want a JSON object"}},
		"recognised":         {"stk/rytxjl", access("2", person), nil},
		"with pictures":      {"stk/rytxjl", access("2", person+pictures), []string{"condition| |snapSmallImage (抓拍小图): want nothing", "condition| |snapBigImage"}},
		"not recognised":     {"stk/rytxjl", access("2", pictures), nil},
		"without pictures":   {"stk/rytxjl", access("2", ""), []string{"condition| |a face that was not recognised", "condition| |snapBigImage (抓拍大图): want a value"}},
		"card":               {"stk/rytxjl", access("1", person), nil},
		"card with pictures": {"stk/rytxjl", access("1", person+pictures), nil},
		"card, nobody":       {"stk/rytxjl", access("1", ""), []string{"condition|warning|cardNo (证件号码): want a value"}},
		"long number":        {"stk/rytxjl", access("1", `,"cardNo":"`+strings.Repeat("9", 31)+`"`), []string{`length| |want at most 30 characters, got 31: "9***9"`}},
		"unknown code":       {"stk/rytxjl", access("7", person), []string{`dictionary| |accessType (通行方式): want a code of ZD018 通行方式 (1 刷卡开门, 2 人脸识别开门, 4 声纹识别开门, 5 app开门), got "7"`}},
		"status":             {"stk/sbzt", status(`"3"`), []string{`dictionary| |1 在线, 2 离线, 9 其他), got "3"`}},
		"status number":      {"stk/sbzt", status(`1`), []string{"type| |want a text"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			vs := c.Interface(tt.iface).CheckJSON([]byte(tt.doc))
			for _, v := range vs {
				severity := " "
				if v.Severity == Warning {
					severity = "warning"
				}
				got = append(got, v.Rule+"|"+severity+"|"+v.Error())
				if v.Field != nil && v.Field.Label != "" && !strings.Contains(v.Chinese(), v.Field.Label) {
					t.Errorf("no label in %q", v.Chinese())
				}
				if strings.Contains(v.Error()+v.Chinese(), number) {
					t.Errorf("a personal value is not masked: %q", v.Error())
				}
			}
			if len(got) != len(tt.want) {
				t.Fatalf("want %q, got %q", tt.want, got)
			}
			for i, w := range tt.want {
				head, piece := w[:strings.LastIndex(w, "|")], w[strings.LastIndex(w, "|")+1:]
				if !strings.HasPrefix(got[i], head) || !strings.Contains(got[i], piece) {
					t.Errorf("want %q, got %q", w, got[i])
				}
			}
		})
	}
}

func TestFormats(t *testing.T) {
	c := catalogue(t)
	xq := c.Interface("xq")
	type verdict int
	const (
		good verdict = iota
		warns
		bad
	)
	polygon := "117.198149,31.840765;117.198719,31.840920;117.201282,31.840595"
	for _, tt := range []struct {
		field, value string
		want         verdict
	}{
		{"jd", "117.302269", good}, {"jd", "117.3", warns}, {"jd", "181.000000", bad}, {"jd", "17.302269", warns},
		{"jd", "东经117", bad}, {"jd", "117,302269", bad}, {"jd", "", bad}, {"jd", "1e2", bad}, {"jd", ".5", bad}, {"jd", "117.", bad},
		{"wd", "31.895847", good}, {"wd", "117.302269", bad}, {"wd", "-31.895847", warns},
		{"dtzbj", polygon, good}, {"dtzbj", polygon + ";", good}, {"dtzbj", "117.198149,31.840765;117.198719,31.840920", bad},
		{"dtzbj", "31.840765,117.198149;31.840765,117.198149;31.840765,117.198149", bad}, {"dtzbj", strings.ReplaceAll(polygon, ",", " "), bad},
		{"xqmc", strings.Repeat("测", 50), good}, {"xqmc", strings.Repeat("测", 51), bad}, {"wymc", strings.Repeat("测", 51), warns},
		{"ssqXzqhdm", "340102000000", good}, {"ssqXzqhdm", "110101000000", warns}, {"gajgjgdm", "340103480000", good},
	} {
		i := xq.FieldIndex(tt.field)
		got := good
		for _, v := range xq.Fields[i].CheckText(tt.value, nil) {
			if v.Severity == Error {
				got = bad
			} else if got == good {
				got = warns
			}
		}
		if got != tt.want {
			t.Errorf("%s=%q: want %d, got %d", tt.field, tt.value, tt.want, got)
		}
	}
}

func TestOmit(t *testing.T) {
	i := catalogue(t).Interface("stk/rytxjl")
	values := make([]Value, len(i.Fields))
	set := func(name string, v Value) { values[i.FieldIndex(name)] = v }
	picture := Value{Kind: Picture, Data: []byte(jpeg)}
	set("accessType", Value{Kind: Text, Text: "2"})
	set("snapSmallImage", picture)
	set("snapBigImage", picture)
	i.Omit(values)
	if values[i.FieldIndex("snapBigImage")].Kind != Picture {
		t.Error("an unrecognised face lost its picture")
	}
	set("cardNo", Value{Kind: Text, Text: "x"})
	i.Omit(values)
	for _, name := range []string{"snapSmallImage", "snapBigImage"} {
		if values[i.FieldIndex(name)].Kind != Missing {
			t.Errorf("%s of a recognised face was kept", name)
		}
	}
}

func TestMasked(t *testing.T) {
	personal, secret, open := Field{Mask: Personal}, Field{Mask: Secret}, Field{}
	for _, tt := range []struct {
		f        *Field
		in, want string
	}{
		{&personal, "皖A00000", "皖***0"}, {&personal, "张三", "***"}, {&personal, "", "***"}, {&personal, "x", "***"},
		{&secret, "admin", "***"}, {&open, "340102", "340102"},
	} {
		if got := tt.f.Masked(tt.in); got != tt.want {
			t.Errorf("%q: want %q, got %q", tt.in, tt.want, got)
		}
	}
}

// A picture of any size and form is checked without being copied.
func TestCheckAllocatesNothing(t *testing.T) {
	i := catalogue(t).Interface("stk/zpjl")
	big := []byte(jpeg[:24] + strings.Repeat("AAAA", 100_000) + "AA==")
	raw := []byte("\xff\xd8\xff\xe0 and so on")
	values := []Value{{Kind: Text, Text: "34010241011328001001"}, {Kind: Text, Text: "340102001001001"}, {Kind: Text, Text: "2026-01-02 03:04:05"}, {Kind: Picture, Data: big}, {Kind: Picture, Data: raw, Raw: true}}
	var out []Violation
	if n := testing.AllocsPerRun(50, func() { i.Omit(values); out = i.Check(values, out[:0]) }); n > 0 {
		t.Errorf("want no allocation, got %v", n)
	}
	if len(out) != 0 {
		t.Error(out)
	}
	big[len(big)/2] = '*'
	if out = i.Check(values, out[:0]); len(out) != 1 || !strings.Contains(out[0].Error(), fmt.Sprintf("at character %d", len(big)/2+1)) {
		t.Error(out)
	}
}

func FuzzCheckJSON(f *testing.F) {
	c := catalogue(f)
	for _, i := range c.Interfaces {
		for _, e := range i.Examples {
			f.Add(i.Name, e.Document())
		}
	}
	f.Add("stk/zpjl", []byte(`{"snapBigImage":"/9j/4A==SkZJRgAB","snapTime":"0000-00-00 00:00:00"}`))
	f.Fuzz(func(t *testing.T, name string, doc []byte) {
		if i := c.Interface(name); i != nil {
			for _, v := range i.CheckJSON(doc) {
				_, _ = v.Error(), v.Chinese()
			}
		}
	})
}
