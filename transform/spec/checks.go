package spec

import (
	"fmt"
	"strings"
)

// Check is a rule that a value has to keep.
type Check struct {
	Rule string
	Want Phrase
}

// Checks are the rules by which Check proves a value of field f: for who wants
// to see what was proved, not only what was found.
func (i *Interface) Checks(f *Field) []Check {
	var list []Check
	add := func(when bool, rule string, want Phrase) {
		if when {
			list = append(list, Check{rule, want})
		}
	}
	add(f.Need == Required, RuleRequired, Phrase{})
	add(f.Type == Integer, RuleType, wantInteger)
	add(f.Type == List, RuleType, wantList)
	if f.Range != nil {
		add(true, RuleRange, f.Range.want())
	}
	add(f.Max > 0 || f.Min > 0, RuleLength, f.wantLength())
	if f.Format != NoFormat {
		add(true, RuleFormat, formats[f.Format].want)
	}
	add(f.Format == GF005 && i.maxPicture > 0, RuleSize, Phrase{fmt.Sprintf("at most %d bytes", i.maxPicture), fmt.Sprintf("最多 %d 字节", i.maxPicture)})
	if d := f.Dict; d != nil && len(d.Entries) > 0 {
		add(true, RuleDictionary, same(d.Code+" "+d.Name))
	}
	if f.Shape != AnyShape {
		add(true, RuleShape, shapes[f.Shape].want)
	}
	if f.begins.index >= 0 {
		head := i.beside(f, f.begins)
		add(true, RulePrefix, Phrase{"begins with " + head.Name, "以 " + head.Name + "（" + head.Label + "）开头"})
	}
	return list
}

// beside is the field at a place that f refers to.
func (i *Interface) beside(f *Field, p place) *Field {
	if list, _, nested := strings.Cut(f.Path, "[]."); nested && !p.outer {
		return &i.Field(list).Fields[p.index]
	}
	return &i.Fields[p.index]
}

// Holds tells whether all conditions of the rule hold: values are parallel to
// the fields of its interface.
func (r *Rule) Holds(values []Value) bool { return r.holds(values) }

// Names names the fields that the rule is about: those that must be there, and
// those that must not.
func (r *Rule) Names(i *Interface) string {
	var names []string
	for _, n := range append(append([]int(nil), r.Require...), r.Omit...) {
		names = append(names, i.Fields[n].Name)
	}
	return strings.Join(names, ", ")
}
