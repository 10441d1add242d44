package spec

import (
	"fmt"
	"strings"
	"testing"
)

const jpeg = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="

// What people rightly send is taken without a word.
func TestTaken(t *testing.T) {
	c := catalogue(t)
	id := fictional + string(checkDigit(fictional))
	polygon := "117.198149,31.840765;117.198719,31.840920;117.201282,31.840595"
	for _, tt := range []struct {
		iface, field string
		values       []string // JSON
	}{
		{"stk/zpjl", "snapTime", []string{`"2024-02-29 23:59:59"`, `"2000-02-29 00:00:00"`}},
		{"stk/zpjl", "snapBigImage", []string{
			`"` + jpeg + `"`, `"iVBORw0KGgoAAAAN"`, `"R0lGODlhAQABAAAA"`, `"Qk1GAAAAAAAAAA=="`, `"SUkqAAgAAAAAAA=="`, `"UklGRgAAAABXRUJQVlA4IA=="`,
		}},
		{"stk/rytxjl", "snapSmallImage-snapBigImage", []string{``}}, // recognised
		{"stk/rytxjl", "accessType", []string{`"1"`, `"4"`, `"5"`}},
		{"stk/rytxjl", "cardNo", []string{`"` + id + `"`, `"G00000000"`, `"测字第0000000号"`}},
		{"xq", "jd", []string{`"117.302269"`, `"73.000000"`, `"136.000000"`}},
		{"xq", "wd", []string{`"31.895847"`, `"3.000000"`}},
		{"xq", "dtzbj", []string{`"` + polygon + `"`, `"` + polygon + `;"`, `"` + polygon + `;117.198149,31.840765"`, `"` + strings.ReplaceAll(polygon, ";", "; ") + `"`}},
		{"xq", "xqmc", []string{`"` + strings.Repeat("测", 50) + `"`, `"A"`}},
		{"xq", "bzdz", []string{``, `null`, `""`}},
		{"xq", "gajgjgdm", []string{`"340103480000"`}}, // of a dictionary that nobody knows
		{"xq", "lxdh", []string{`"0551-00000000"`, `"055100000000"`, `"0551-00000000-801"`, `"400-000-0000"`, `"19900000000"`, `"110"`}},
		{"xq", "zdmj", []string{`"67"`, `"67.5"`}},
		{"rk", "sjhm", []string{`"19900000000"`, `"+8619900000000"`, `"+85200000000"`}},
		{"rk", "xbdm", []string{`1`, `"1"`}},
		{"rk", "zjhm", []string{`"` + id + `"`}},
		{"rk", "yxqjzrq", []string{`"2099-12-31"`}},
		{"ld", "lcs", []string{`0`, `127`, `"6"`}},
		{"zpj", "ip", []string{`"192.0.2.1"`, `"2001:db8::1"`}},
		{"zpj", "dkh", []string{`"1"`, `"65535"`}},
		{"zpj", "fx", []string{`"1"`, `"9"`}},
		{"cldz", "zpjbms", []string{`"34010241011328001001,34010241011328001002,34010241011328001003,34010241011328001004"`}},
		{"stk/cltxjl", "carNo", []string{
			`"皖A00000"`, `"皖AD00000"`, `"皖A00000D"`, `"皖A0000学"`, `"皖A0000警"`, `"粤Z0000港"`, `"粤Z0000澳"`, `"皖A0000挂"`,
			`"使000000"`, `"WJ皖00000"`, `"WJ0000000"`, `"VA00000"`, `"皖A0000应急"`,
		}},
	} {
		i := c.Interface(tt.iface)
		for _, value := range tt.values {
			if found := i.CheckJSON(document(t, i, tt.field, value)); len(found) > 0 {
				t.Errorf("%s %s=%s: got %v", tt.iface, tt.field, value, found)
			}
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
