// Package reference turns the catalogue of the standard into what people and
// programs read: pages for a terminal, the page REFERENCE.md, JSON, and the
// JSON Schema of every record. All of it is generated; nothing here knows a
// field.
package reference

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"yiqiao/transform/spec"
)

// Reference writes about a catalogue, in one language.
type Reference struct {
	c       *spec.Catalogue
	english bool
	page    bool // for REFERENCE.md, where dictionaries are linked
	names   names
}

// names are the English ones: the standard has none.
type names struct {
	Interfaces   map[string]string `yaml:"interfaces"`
	Fields       map[string]string `yaml:"fields"`
	Dictionaries map[string]string `yaml:"dictionaries"`
}

//go:embed english.yaml
var englishNames []byte

// New makes a reference in Chinese or in English.
func New(c *spec.Catalogue, english bool) (*Reference, error) {
	r := &Reference{c: c, english: english}
	if err := yaml.UnmarshalWithOptions(englishNames, &r.names, yaml.DisallowUnknownField()); err != nil {
		return nil, fmt.Errorf("english names: %w", err)
	}
	return r, r.prove()
}

// say picks the language.
func (r *Reference) say(chinese, english string) string {
	if r.english {
		return english
	}
	return chinese
}

func (r *Reference) phrase(p spec.Phrase) string {
	return strings.TrimSpace(r.say(p.Chinese, p.English))
}

func (r *Reference) title(i *spec.Interface) string {
	return r.say(i.Title, r.names.Interfaces[i.Name])
}

func (r *Reference) label(f *spec.Field) string { return r.say(f.Label, r.names.Fields[f.Name]) }

func (r *Reference) dictName(d *spec.Dict) string {
	return r.say(d.Name, r.names.Dictionaries[d.Code])
}

// named is a field with its label: accessType（通行方式）.
func (r *Reference) named(f *spec.Field) string {
	return f.Path + r.say("（"+f.Label+"）", " ("+r.names.Fields[f.Name]+")")
}

func (r *Reference) join(list []string) string { return strings.Join(list, r.say("、", ", ")) }

// need says whether a field must be there; one that must be, but whose absence
// only warns, is marked.
func (r *Reference) need(f *spec.Field) string {
	switch f.Need {
	case spec.Required:
		if f.Severity(spec.RuleRequired) == spec.Warning {
			return r.say("必填?", "must?")
		}
		return r.say("必填", "must")
	case spec.Conditional:
		return r.say("条件", "if")
	}
	return r.say("可选", "may")
}

// source marks what is not from the standard's own text.
func (r *Reference) source(f *spec.Field) string {
	return map[string]string{"client": r.say("旁证", "client"), "inferred": r.say("推断", "guess")}[f.Source]
}

func typeName(t spec.Type) string { return [...]string{"String", "Integer", "List"}[t] }

// length is like the standard prints it: 20, 0-50, and 1+ without an end.
func length(f *spec.Field) string {
	switch {
	case f.Max == 0 && f.Min == 0:
		return ""
	case f.Max == 0:
		return fmt.Sprintf("%d+", f.Min)
	case f.Min == f.Max:
		return fmt.Sprint(f.Max)
	}
	return fmt.Sprintf("%d-%d", f.Min, f.Max)
}

// most entries of a dictionary that stand beside a field.
const mostInline = 8

// values says what a field holds, piece by piece.
func (r *Reference) values(i *spec.Interface, f *spec.Field) []string {
	var out []string
	add := func(piece string) {
		if piece != "" {
			out = append(out, piece)
		}
	}
	if f.Format != spec.NoFormat {
		add(r.format(f.Format))
	}
	if f.Range != nil {
		add(fmt.Sprintf("%d-%d", f.Range.Low, f.Range.High))
	}
	if f.Dict != nil {
		add(r.dict(f))
	}
	if f.Shape != spec.AnyShape {
		add(r.shape(f.Shape))
	}
	if head := i.Begins(f); head != "" {
		add(r.say("以 "+head+" 开头", "begins with "+head))
	}
	add(map[spec.Mask]string{spec.Personal: r.say("个人信息", "personal"), spec.Secret: r.say("保密", "secret")}[f.Mask])
	if f.Need != spec.Required || f.Severity(spec.RuleRequired) == spec.Error {
		add(r.doubts(f))
	}
	add(f.Note)
	return out
}

// format names a format and says what it looks like.
func (r *Reference) format(f spec.Format) string {
	if f == spec.GF001 { // the checker's words have a longitude in them
		return f.String() + r.say(" 百度坐标，6 位小数", " coordinate of Baidu, BD-09, 6 decimal places")
	}
	return f.String() + " " + strings.TrimSuffix(r.phrase(f.Want()), "（"+f.String()+"）")
}

// shape says what a value should look like. What the checker wants of a
// document's number is only wanted of an ID card's.
func (r *Reference) shape(s spec.Shape) string {
	if s == spec.Document {
		return r.say("18 位的按居民身份证号码校验（GB 11643）", "one of 18 characters is proved as an ID card's (GB 11643)")
	}
	return r.phrase(s.Want())
}

// dict names a field's dictionary, with the values of a short one.
func (r *Reference) dict(f *spec.Field) string {
	d := f.Dict
	s := d.Code + " " + r.dictName(d)
	if r.page {
		if r.english {
			return r.dictName(d)
		}
		s = "[" + d.Code + "](#" + anchor(d.Code) + ") " + d.Name
	}
	switch {
	case r.page && len(d.Entries) > mostInline:
		return s
	case len(d.Entries) == 0:
		return s + r.say("（值未知，问平台）", " (values unknown: ask the platform)")
	case len(d.Entries) > mostInline:
		return s + fmt.Sprintf(r.say("（%d 个值，见 yiqiao spec %s）", " (%d values: yiqiao spec %s)"), len(d.Entries), d.Code)
	}
	var list []string
	for _, e := range d.Entries {
		list = append(list, e.Code+" "+e.Label)
	}
	s += r.say("：", ": ") + r.join(list)
	if !d.Complete {
		s += r.say("……（已知值不全）", " … (not all are known)")
	}
	return s
}

// doubts are the rules of a field of the standard that only warn.
func (r *Reference) doubts(f *spec.Field) string {
	if f.Source == "inferred" {
		return ""
	}
	words := map[string]string{spec.RuleLength: r.say("长度", "length"), spec.RuleDictionary: r.say("字典", "dictionary")}
	for _, rule := range []string{spec.RuleLength, spec.RuleDictionary} {
		if f.Severity(rule) == spec.Warning {
			return words[rule] + r.say("只告警", " only warns")
		}
	}
	return ""
}

// after are the interfaces whose records come before those of i.
func after(i *spec.Interface) []string {
	list := []string{}
	for _, p := range i.Prerequisites {
		if !slices.Contains(list, p.Of) {
			list = append(list, p.Of)
		}
	}
	return list
}

// ordered are the interfaces so that none stands before one that it names
// (前置接入); in the order of the chapters where nothing else orders them.
func (r *Reference) ordered() []*spec.Interface {
	var out []*spec.Interface
	placed := map[string]bool{}
	for len(out) < len(r.c.Interfaces) {
		var ready []*spec.Interface
		for _, i := range r.c.Interfaces {
			if !placed[i.Name] && !slices.ContainsFunc(i.Prerequisites, func(p spec.Prerequisite) bool { return !placed[p.Of] }) {
				ready = append(ready, i)
			}
		}
		for _, i := range ready {
			placed[i.Name] = true
		}
		out = append(out, ready...)
	}
	return out
}

// prove tells names of the catalogue that have no English one, and English ones
// of nothing that it has.
func (r *Reference) prove() error {
	interfaces, fields, dicts := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, i := range r.c.Interfaces {
		interfaces[i.Name] = true
		for f := range i.All {
			fields[f.Name] = true
		}
	}
	for _, d := range r.c.Dicts {
		dicts[d.Code] = true
	}
	var missing, unknown []string
	compare := func(have map[string]bool, english map[string]string) {
		for name := range have {
			if english[name] == "" {
				missing = append(missing, name)
			}
		}
		for name := range english {
			if !have[name] {
				unknown = append(unknown, name)
			}
		}
	}
	compare(interfaces, r.names.Interfaces)
	compare(fields, r.names.Fields)
	compare(dicts, r.names.Dictionaries)
	if len(missing)+len(unknown) > 0 {
		slices.Sort(missing)
		slices.Sort(unknown)
		return fmt.Errorf("english names: missing %q, of nothing %q", missing, unknown)
	}
	return nil
}
