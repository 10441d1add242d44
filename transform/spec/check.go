package spec

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind of a value.
type Kind int

// The kinds. Other is what no field takes: a list, an object, true or false.
const (
	Missing Kind = iota
	Text
	Number
	Picture
	Other
)

// Value is what a record holds for one field.
type Value struct {
	Kind Kind
	Text string // Text: the text; Number: its digits as in JSON
	Data []byte // Picture
	Raw  bool   // Picture: Data is the picture itself; otherwise its Base64
}

// there tells whether a value says something: an empty text does not.
func (v *Value) there() bool {
	return v.Kind != Missing && !(v.Kind == Text && v.Text == "")
}

// Omit sets to Missing what the Rules say is left out, for a sender that gives
// a picture with every event (规范 V1.0.3, 人员通行记录). It allocates nothing.
func (i *Interface) Omit(values []Value) {
	for r := range i.Rules {
		rule := &i.Rules[r]
		if len(rule.Omit) == 0 || !rule.holds(values) {
			continue
		}
		for _, f := range rule.Omit {
			values[f] = Value{}
		}
	}
}

func (r *Rule) holds(values []Value) bool {
	for i := range r.When {
		c := &r.When[i]
		v := &values[c.Field]
		if len(c.Is) > 0 {
			if !slices.Contains(c.Is, v.Text) {
				return false
			}
		} else if v.there() != c.Present {
			return false
		}
	}
	return true
}

// Check appends to out what is wrong with values, which are parallel to
// i.Fields. When all is well it allocates nothing.
func (i *Interface) Check(values []Value, out []Violation) []Violation {
	for n := range i.Fields {
		f, v := &i.Fields[n], &values[n]
		if v.there() {
			out = i.checkValue(f, v, out)
		} else if f.Need == Required {
			out = append(out, Violation{Interface: i, Field: f, Rule: RuleRequired, Severity: f.severity(RuleRequired), Missing: true, Want: required, Got: gotNothing(v)})
		}
	}
	for r := range i.Rules {
		rule := &i.Rules[r]
		if !rule.holds(values) {
			continue
		}
		for _, n := range rule.Require {
			if v := &values[n]; !v.there() {
				out = append(out, Violation{Interface: i, Field: &i.Fields[n], Rule: RuleCondition, Severity: rule.Severity, Missing: true, Want: required, Got: gotNothing(v), Because: rule.Because})
			}
		}
		for _, n := range rule.Omit {
			if v := &values[n]; v.there() {
				out = append(out, Violation{Interface: i, Field: &i.Fields[n], Rule: RuleCondition, Severity: rule.Severity, Want: leftOut, Got: i.Fields[n].got(v), Because: rule.Because})
			}
		}
	}
	return out
}

var (
	required    = Phrase{"a value", "必填"}
	leftOut     = Phrase{"nothing", "不传"}
	nothing     = Phrase{"nothing", "没有值"}
	emptyText   = Phrase{"an empty text", "空文本"}
	wantText    = Phrase{"a text", "文本（String）"}
	wantInteger = Phrase{"an integer", "整数（Integer）"}
	wantPicture = Phrase{"a picture in Base64", "Base64 图片（GF005）"}
	wantFormats = Phrase{"a picture (JPEG, PNG, GIF, BMP, …)", "图片（JPEG、PNG、GIF、BMP 等，规范 1.8）"}
)

func gotNothing(v *Value) Phrase {
	if v.Kind == Text {
		return emptyText
	}
	return nothing
}

// CheckText checks one text as the value of a field, without the rules that
// need other fields: for constants in mapping files.
func (f *Field) CheckText(s string, out []Violation) []Violation {
	v := Value{Kind: Text, Text: s}
	i := &Interface{scratch: newScratch()}
	if !v.there() {
		if f.Need == Required {
			out = append(out, Violation{Field: f, Rule: RuleRequired, Severity: f.severity(RuleRequired), Missing: true, Want: required, Got: emptyText})
		}
		return out
	}
	return i.checkValue(f, &v, out)
}

// checkValue checks a value that is there by itself.
func (i *Interface) checkValue(f *Field, v *Value, out []Violation) []Violation {
	add := func(rule string, want, got Phrase) {
		out = append(out, Violation{Interface: i, Field: f, Rule: rule, Severity: f.severity(rule), Want: want, Got: got})
	}
	if f.Format == GF005 {
		if want, got, ok := i.checkPicture(f, v); !ok {
			add(RuleFormat, want, got)
		}
		return out
	}
	switch {
	case v.Kind == Picture || v.Kind == Other || v.Kind == Number && f.Type == String:
		add(RuleType, f.wantType(), f.got(v))
		return out
	case f.Type == Integer && !isInteger(v.Text):
		add(RuleType, wantInteger, f.got(v))
		return out
	}
	if f.Max > 0 {
		if n := utf8.RuneCountInString(v.Text); n < f.Min || n > f.Max {
			add(RuleLength, f.wantLength(), f.gotLength(v, n))
		}
	}
	out = i.checkFormat(f, v, out)
	if d := f.Dict; d != nil && len(d.Entries) > 0 {
		if _, ok := d.labels[v.Text]; !ok {
			severity := f.severity(RuleDictionary)
			if !d.Complete {
				severity = Warning
			}
			out = append(out, Violation{Interface: i, Field: f, Rule: RuleDictionary, Severity: severity, Want: d.want(), Got: f.got(v)})
		}
	}
	return out
}

func (f *Field) wantType() Phrase {
	if f.Type == Integer {
		return wantInteger
	}
	return wantText
}

func (f *Field) wantLength() Phrase {
	if f.Min == f.Max {
		return Phrase{fmt.Sprintf("%d characters", f.Max), fmt.Sprintf(" %d 个字符", f.Max)}
	}
	return Phrase{fmt.Sprintf("at most %d characters", f.Max), fmt.Sprintf("最多 %d 个字符", f.Max)}
}

func (f *Field) gotLength(v *Value, n int) Phrase {
	g := f.got(v)
	return Phrase{fmt.Sprintf("%d: %s", n, g.English), fmt.Sprintf(" %d 个：%s", n, g.Chinese)}
}

// want lists a dictionary's values, those of a long one in part.
func (d *Dict) want() Phrase {
	const most = 8
	var b strings.Builder
	for n, e := range d.Entries {
		if n == most {
			b.WriteString(" …")
			break
		}
		if n > 0 {
			b.WriteString(" ")
		}
		b.WriteString(e.Code + " " + e.Label)
		if n < len(d.Entries)-1 {
			b.WriteString(",")
		}
	}
	return Phrase{
		fmt.Sprintf("a code of %s %s (%s)", d.Code, d.Name, b.String()),
		fmt.Sprintf("字典 %s %s 的代码（%s）", d.Code, d.Name, strings.ReplaceAll(b.String(), ",", "、")),
	}
}

// got shows a value, masked and cut.
func (f *Field) got(v *Value) Phrase {
	const most = 64
	switch v.Kind {
	case Missing:
		return nothing
	case Picture:
		return Phrase{fmt.Sprintf("a picture of %d bytes", len(v.Data)), fmt.Sprintf("图片（%d 字节）", len(v.Data))}
	case Number:
		return Phrase{"the number " + f.Masked(v.Text), "数字 " + f.Masked(v.Text)}
	case Other:
		return Phrase{v.Text, v.Text}
	}
	s := f.Masked(v.Text)
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return same(fmt.Sprintf("%q", s))
}

func isInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
