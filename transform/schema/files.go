package schema

import (
	"fmt"
	"strconv"
	"strings"

	"yiqiao/transform"
	"yiqiao/transform/spec"
)

const note = "Written by yiqiao schema; do not edit. It helps an editor; yiqiao check knows more."

// File is the schema of one kind of file.
type File struct{ Name, Title string }

// Files are the kinds of files that a person writes and that have a schema.
// Their schemas are called Name + ".schema.json".
func Files() []File {
	return []File{
		{"mapping", "yiqiao 映射文件 (mapping)"},
		{"fragment", "yiqiao 映射片段 (fragment)"},
		{"source", "yiqiao 来源文件 source.yaml"},
		{"site", "yiqiao 站点文件 yiqiao.yaml"},
	}
}

// FileName is what the schema of a kind of file is called.
func FileName(kind string) string { return kind + ".schema.json" }

// Write is the schema of a kind of file; site are the keys of yiqiao.yaml.
func Write(kind string, c *spec.Catalogue, site []transform.KeyDoc) ([]byte, error) {
	var n *node
	switch kind {
	case "mapping":
		n = mapping(c)
	case "fragment":
		n = fragment(c)
	case "source":
		n = section(transform.SourceKeys(), nil)
	case "site":
		n = section(site, nil)
	default:
		return nil, fmt.Errorf("no file is a %q", kind)
	}
	for _, f := range Files() {
		if f.Name == kind {
			n.Title = f.Title
		}
	}
	n.Comment = note
	return document(n)
}

// defName is an interface's name among the definitions: stk-zpjl.
func defName(i *spec.Interface) string { return strings.ReplaceAll(i.Name, "/", "-") }

// mapping has one branch for each interface, chosen by `to`.
func mapping(c *spec.Catalogue) *node {
	n := section(transform.MappingKeys(), func(d *transform.KeyDoc) *node {
		switch {
		case d.Kind == transform.RecordFields:
			return &node{Type: "object"}
		case d.Name == "to":
			to := &node{Type: "string"}
			for _, i := range c.Interfaces {
				to.Enum = append(to.Enum, i.Name)
				to.EnumNotes = append(to.EnumNotes, i.Title)
			}
			return to
		}
		return nil
	})
	n.AnyOf = []*node{
		{Required: []string{"to", "record"}},
		{Required: []string{"join"}, Not: &node{AnyOf: []*node{{Required: []string{"to"}}, {Required: []string{"record"}}}}}, // it brings pictures
		{Required: []string{"ignore"}, Not: &node{AnyOf: []*node{{Required: []string{"to"}}, {Required: []string{"record"}}}}},
		{Required: []string{"merge"}}, // the fragment may have the rest
	}
	for _, i := range c.Interfaces {
		to := &node{Properties: members{{"to", &node{Const: i.Name}}}, Required: []string{"to"}}
		n.AllOf = append(n.AllOf, &node{If: to, Then: &node{Properties: members{{"record", ref(defName(i))}}}})
		if need := required(i.Fields); need != nil {
			alone := &node{Properties: to.Properties, Required: to.Required, Not: &node{Required: []string{"merge"}}}
			n.AllOf = append(n.AllOf, &node{If: alone, Then: &node{Properties: members{{"record", &node{Required: need}}}}})
		}
		n.Definitions = append(n.Definitions, member{defName(i), record(i, i.Fields)})
	}
	return n
}

// fragment may have the fields of every interface: which one is said by who
// merges it.
func fragment(c *spec.Catalogue) *node {
	any := &node{Type: "object", Additional: false}
	seen := map[string]*node{}
	for _, i := range c.Interfaces {
		for k := range i.Fields {
			f := &i.Fields[k]
			if have := seen[f.Name]; have != nil {
				have.Description += "\n\n" + i.Name + ": " + fieldNote(i, f)
				continue
			}
			one := field(i, f)
			one.Description = i.Name + ": " + one.Description
			seen[f.Name] = one
			any.Properties = append(any.Properties, member{f.Name, one})
		}
	}
	return section(transform.FragmentKeys(), func(d *transform.KeyDoc) *node {
		if d.Kind == transform.RecordFields {
			return any
		}
		return nil
	})
}

func required(fields []spec.Field) (names []string) {
	for i := range fields {
		if f := &fields[i]; f.Need == spec.Required && f.Severity(spec.RuleRequired) == spec.Error {
			names = append(names, f.Name)
		}
	}
	return names
}

// record is the schema of the rules of one object. What must be there is said
// apart: a fragment may have it.
func record(i *spec.Interface, fields []spec.Field) *node {
	n := &node{Type: "object", Title: i.Name + " " + i.Title, Additional: false}
	for k := range fields {
		n.Properties = append(n.Properties, member{fields[k].Name, field(i, &fields[k])})
	}
	return n
}

func field(i *spec.Interface, f *spec.Field) *node {
	n := expression()
	if f.Type == spec.List {
		object := record(i, f.Fields)
		object.Title, object.Required = f.Label, required(f.Fields)
		n = &node{AnyOf: []*node{expression(), {Type: "array", MinItems: 1, Items: object}, section(transform.ListKeys(), func(d *transform.KeyDoc) *node {
			if d.Kind == transform.RecordFields {
				return object
			}
			return nil
		})}}
	}
	n.Title, n.Description = f.Label, fieldNote(i, f)
	return n
}

// mostEntries of a dictionary stand in the description of a field; of a longer
// one, as many and how many there are.
const mostEntries = 40

// fieldNote is what an editor shows beside a field: label, type, length, need,
// format and the values of its dictionary.
func fieldNote(i *spec.Interface, f *spec.Field) string {
	parts := []string{f.Label, kindOf(f), needOf(f)}
	if f.Format != spec.NoFormat {
		w := f.Format.Want()
		parts = append(parts, f.Format.String()+" "+w.Chinese)
	}
	if f.Shape != spec.AnyShape {
		parts = append(parts, f.Shape.Want().Chinese)
	}
	if head := i.Begins(f); head != "" {
		parts = append(parts, "以 "+head+" 开头 (begins with it)")
	}
	if f.Mask != spec.Open {
		parts = append(parts, "个人信息或保密，日志里遮住 (masked in logs)")
	}
	if f.Source == "inferred" {
		parts = append(parts, "推断的，只告警 (inferred, only warns)")
	}
	s := strings.Join(parts, "；")
	if f.Note != "" {
		s += "。" + f.Note
	}
	if f.Dict != nil {
		s += "\n\n" + entries(f.Dict)
	}
	return s
}

func kindOf(f *spec.Field) string {
	length := ""
	switch {
	case f.Max == 0:
	case f.Min == f.Max:
		length = strconv.Itoa(f.Max)
	default:
		length = fmt.Sprintf("%d-%d", f.Min, f.Max)
	}
	switch {
	case f.Type == spec.List:
		return "列表 (list) " + length
	case f.Type == spec.Integer && f.Range != nil:
		return fmt.Sprintf("整数 (integer) %d-%d", f.Range.Low, f.Range.High)
	case f.Type == spec.Integer:
		return "整数 (integer)"
	case length == "":
		return "字符串 (string)"
	}
	return "字符串 (string) " + length + " 个字符"
}

func needOf(f *spec.Field) string {
	switch f.Need {
	case spec.Required:
		return "必填 (required)"
	case spec.Conditional:
		return "有条件 (conditional)"
	}
	return "可选 (optional)"
}

func entries(d *spec.Dict) string {
	var list []string
	for n, e := range d.Entries {
		if n == mostEntries {
			list = append(list, fmt.Sprintf("…共 %d 个：yiqiao spec %s", len(d.Entries), d.Code))
			break
		}
		list = append(list, e.Code+" "+e.Label)
	}
	s := d.Code + " " + d.Name
	if len(list) > 0 {
		s += "：" + strings.Join(list, "，")
	}
	if !d.Complete && len(d.Entries) > 0 {
		s += "（不全 incomplete）"
	}
	return s
}
