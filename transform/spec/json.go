package spec

import (
	"fmt"

	"github.com/tidwall/gjson"
)

// CheckJSON proves a whole document: for the simulated platform and for tests.
// Beside what Check finds it tells broken JSON, repeated keys (errors) and
// fields that the interface does not have (warnings).
func (i *Interface) CheckJSON(doc []byte) []Violation {
	if !gjson.ValidBytes(doc) {
		return []Violation{{Interface: i, Rule: RuleDocument, Want: Phrase{"a JSON object", " JSON 对象"}, Got: Phrase{"broken JSON", "无法解析的内容"}}}
	}
	root := gjson.ParseBytes(doc)
	if !root.IsObject() {
		return []Violation{{Interface: i, Rule: RuleDocument, Want: Phrase{"a JSON object", " JSON 对象"}, Got: same(root.Type.String())}}
	}
	values := make([]Value, len(i.Fields))
	seen := map[string]bool{}
	var out []Violation
	root.ForEach(func(key, v gjson.Result) bool {
		name := key.String()
		n := i.FieldIndex(name)
		switch {
		case seen[name]:
			out = append(out, Violation{Interface: i, Field: &Field{Name: name}, Rule: RuleDocument, Want: Phrase{"each field once", "每个属性只出现一次"}, Got: Phrase{"it again", "重复的属性"}})
		case n < 0:
			out = append(out, Violation{Interface: i, Field: &Field{Name: name}, Rule: RuleUnknown, Severity: Warning, Want: Phrase{"a field of " + i.Name, i.Title + "的属性"}, Got: Phrase{"another", "其他属性"}})
		default:
			values[n] = jsonValue(&i.Fields[n], v)
		}
		seen[name] = true
		return true
	})
	return i.Check(values, out)
}

func jsonValue(f *Field, v gjson.Result) Value {
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
	return Value{Kind: Other, Text: fmt.Sprintf("%.32s", v.Raw)}
}
