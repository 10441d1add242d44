package transform

import (
	"slices"
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// A list in the record (jzxxList of rk) is written in one of three ways:
//
//	jzxxList: event.homes            # objects with the standard's own members
//	jzxxList:
//	  each: event.homes              # an object for each element, named it;
//	  record: {fwbm: it.code, …}     # outer is the mapping's own it
//	jzxxList:
//	  - {fwbm: event.code, …}        # written out
//
// Lists stand in registrations only and are off the hot path: their elements
// are plain values.

// list compiles the second and the third.
func (mf *mappingFile) list(f *spec.Field, n ast.Node) fieldRule {
	var rule fieldRule
	to := target{f.Name + " " + f.Label, f.Fields, true}
	object := func(rec ast.Node) {
		rule.objects = append(rule.objects, mf.fields([]part{{mf.file, rec}}, part{mf.file, rec}, to))
	}
	if s, ok := n.(*ast.SequenceNode); ok {
		for _, rec := range s.Values {
			object(rec)
		}
		if len(s.Values) == 0 {
			mf.at(n.GetToken(), message.New("empty-list", labelled(f)))
		}
		return rule
	}
	mf.file.read(mf.members(n, labelled(f)), labelled(f), []key{
		{"each", true, func(n ast.Node) { rule.value = mf.expression(n, f.Name+".each") }},
		{"record", true, func(n ast.Node) {
			was := mf.scope.inList
			mf.scope.inList = true
			object(n)
			mf.scope.inList = was
		}},
	})
	return rule
}

// list evaluates the rules of a list.
func (r *run) list(f *spec.Field, rule *fieldRule, out *spec.Value) error {
	if rule.value == nil {
		*out = spec.Value{Kind: spec.Array}
		for n, rules := range rule.objects {
			if err := r.object(f, rules, out, n); err != nil {
				return err
			}
		}
		return nil
	}
	v, err := r.eval(rule.value)
	r.tell(Step{What: "each", Verdict: gave(v, err), Name: f.Name, Note: f.Label, Err: err}, rule.value, v, nil)
	if err != nil {
		return message.New("value-of", labelled(f), err)
	}
	elements := listOf(v)
	if elements == nil {
		return nil
	}
	*out = spec.Value{Kind: spec.Array}
	for n := range elements {
		r.element = elements[n]
		if err := r.object(f, rule.objects[0], out, n); err != nil {
			return err
		}
	}
	return nil
}

// object evaluates the rules of one object and appends it to the list.
func (r *run) object(f *spec.Field, rules []fieldRule, list *spec.Value, n int) error {
	items := make([]spec.Value, len(f.Fields))
	for i := range rules {
		k := rules[i].index
		if _, err := r.value(&f.Fields[k], &rules[i], &items[k], element(f, n)); err != nil {
			return err
		}
	}
	list.Items = append(list.Items, spec.Value{Kind: spec.Object, Items: items})
	return nil
}

// element is where the fields of one object of a list stand.
func element(f *spec.Field, n int) string { return f.Name + "[" + strconv.Itoa(n) + "]." }

// listOf is a value as a list: one thing is a list of one, nothing is none.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// assignList takes a list of objects that have the standard's members; others
// of theirs are not sent.
func assignList(f *spec.Field, out *spec.Value, v any) error {
	elements := listOf(v)
	if elements == nil {
		return nil
	}
	*out = spec.Value{Kind: spec.Array, Items: make([]spec.Value, len(elements))}
	for n, el := range elements {
		members, ok := el.(map[string]any)
		if !ok {
			out.Items[n] = kindOf(el)
			continue
		}
		items := make([]spec.Value, len(f.Fields))
		for k := range f.Fields {
			sub := &f.Fields[k]
			if err := assign(sub, &items[k], members[sub.Name]); err != nil {
				return message.New("value-of", message.New("field", element(f, n)+sub.Name, sub.Label), err)
			}
		}
		out.Items[n] = spec.Value{Kind: spec.Object, Items: items}
	}
	return nil
}

// kindOf is what stands in a list in place of an object: only its kind is told.
func kindOf(v any) spec.Value {
	switch v := v.(type) {
	case nil:
		return spec.Value{}
	case string, *event.Blob:
		return spec.Value{Kind: spec.Text}
	case int, float64:
		return spec.Value{Kind: spec.Number}
	case []any:
		return spec.Value{Kind: spec.Array, Items: make([]spec.Value, len(v))}
	}
	return spec.Value{Kind: spec.Other}
}

// appendList writes a list of objects as JSON.
func appendList(doc []byte, fields []spec.Field, objects []spec.Value) []byte {
	doc = append(doc, '[')
	for n := range objects {
		if n > 0 {
			doc = append(doc, ',')
		}
		doc = append(doc, '{')
		for k := range objects[n].Items {
			switch v := &objects[n].Items[k]; v.Kind {
			case spec.Missing:
			case spec.Number:
				doc = append(appendName(doc, fields[k].Name), v.Text...)
			default:
				doc = event.AppendString(appendName(doc, fields[k].Name), v.Text)
			}
		}
		doc = append(doc, '}')
	}
	return append(doc, ']')
}

// blame says what is wrong with the expression that gave it, its place, and
// what it saw.
func (r *run) blame(m *Mapping, v *spec.Violation) message.Message {
	e, f := r.behind(m, v)
	switch {
	case e == nil:
		return message.New("field-no-rule", violation(v), m.recordAt)
	case v.Missing && f == v.Field:
		return r.empty(v, e)
	}
	return message.New("field-breaks", violation(v), r.because(e, f, nil))
}

// behind finds the expression that gave what is wrong, and the field that it is
// of; nil: no rule gives it, or a list that is written out.
func (r *run) behind(m *Mapping, v *spec.Violation) (*expression, *spec.Field) {
	top := v.Field
	if v.List != nil {
		top = v.List
	}
	n := slices.IndexFunc(m.fields, func(rule fieldRule) bool { return top == &m.To.Fields[rule.index] })
	if n < 0 {
		return nil, nil
	}
	rule := &m.fields[n]
	if v.List == nil || rule.objects == nil {
		return rule.value, top
	}
	rules := rule.objects[0]
	if rule.value == nil {
		rules = rule.objects[v.Element]
	} else if all, err := r.eval(rule.value); err == nil {
		r.element = listOf(all)[v.Element]
	}
	for i := range rules {
		if v.Field == &v.List.Fields[rules[i].index] {
			return rules[i].value, v.Field
		}
	}
	return nil, nil
}
