package spec

import (
	"fmt"

	"github.com/tidwall/gjson"
)

// CheckJSON proves a whole document: for the simulated platform and for tests.
// Beside what Check finds it tells broken JSON, repeated keys (errors) and
// fields that the interface does not have (warnings).
func (i *Interface) CheckJSON(doc []byte) []Violation {
	values, out := i.Values(doc)
	if values == nil {
		return out
	}
	return i.Check(values, out)
}

// Values reads a document, for Check and Earlier; with them come the violations
// that Check cannot see. They are nil if it is no JSON object.
func (i *Interface) Values(doc []byte) ([]Value, []Violation) {
	notObject := func(got Phrase) []Violation {
		return []Violation{{Interface: i, Rule: RuleDocument, Want: Phrase{"a JSON object", "JSON 对象"}, Got: got}}
	}
	if !gjson.ValidBytes(doc) {
		return nil, notObject(Phrase{"broken JSON", "无法解析的内容"})
	}
	root := gjson.ParseBytes(doc)
	if !root.IsObject() {
		v := kindOf(root)
		return nil, notObject(v.kind())
	}
	r := reader{iface: i}
	return r.object(i.Fields, "", root), r.out
}

// reader turns JSON into values and keeps what Check cannot see in them.
type reader struct {
	iface *Interface
	out   []Violation
}

// object reads one object; prefix is "" or like "jzxxList[0].".
func (r *reader) object(fields []Field, prefix string, doc gjson.Result) []Value {
	values := make([]Value, len(fields))
	seen := map[string]bool{}
	doc.ForEach(func(key, v gjson.Result) bool {
		name := key.String()
		n := fieldIndex(fields, name)
		switch {
		case seen[name]:
			r.strange(prefix, name, again)
		case n < 0:
			r.strange(prefix, name, Violation{Rule: RuleUnknown, Severity: Warning, Want: Phrase{"a field of " + r.iface.Name, r.iface.Title + "的属性"}, Got: Phrase{"another", "别的属性"}})
		default:
			values[n] = r.value(&fields[n], prefix, v)
		}
		seen[name] = true
		return true
	})
	return values
}

var again = Violation{Rule: RuleDocument, Want: Phrase{"each field once", "每个属性只出现一次"}, Got: Phrase{"it again", "重复的属性"}}

func (r *reader) strange(prefix, name string, v Violation) {
	v.Interface, v.Field = r.iface, &Field{Name: name}
	if prefix != "" {
		v.Path = prefix + name
	}
	r.out = append(r.out, v)
}

func (r *reader) value(f *Field, prefix string, v gjson.Result) Value {
	switch v.Type {
	case gjson.Null:
		return Value{}
	case gjson.String:
		if f.Format == GF005 && v.Str != "" {
			return Value{Kind: Picture, Data: []byte(v.Str)}
		}
		return Value{Kind: Text, Text: v.Str}
	case gjson.Number:
		return Value{Kind: Number, Text: v.Raw}
	}
	if f.Type != List || !v.IsArray() {
		return Value{Kind: Other, Text: fmt.Sprintf("%.32s", v.Raw)}
	}
	list := Value{Kind: Array, Items: []Value{}}
	v.ForEach(func(_, element gjson.Result) bool {
		item := kindOf(element)
		if element.IsObject() {
			item = Value{Kind: Object, Items: r.object(f.Fields, prefix+elementPath(f, len(list.Items))+".", element)}
		}
		list.Items = append(list.Items, item)
		return true
	})
	return list
}

// kindOf is a value of the right kind that holds nothing.
func kindOf(v gjson.Result) Value {
	switch {
	case v.Type == gjson.Null:
		return Value{}
	case v.Type == gjson.String:
		return Value{Kind: Text}
	case v.Type == gjson.Number:
		return Value{Kind: Number}
	case v.IsArray():
		return Value{Kind: Array, Items: make([]Value, len(v.Array()))}
	}
	return Value{Kind: Other}
}
