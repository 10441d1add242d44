package transform

import (
	"slices"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// record compiles `to` and `record`, and checks them against the catalogue.
func (mf *mappingFile) record() {
	rec := mf.parts["record"]
	var to ast.Node
	mf.read("to", func(n ast.Node) { to = n })
	if to == nil && rec == nil {
		if len(mf.m.ignore) == 0 && len(mf.parts["join"]) == 0 {
			mf.add(Problem{Place: mf.m.place, Message: message.New("does-nothing")})
		}
		return
	}
	if to == nil || rec == nil {
		p := Problem{Place: mf.m.place, Message: message.New("to-and-record", "record")}
		at := mf.file
		if to == nil {
			p.Message, at, to = message.New("to-and-record", "to"), rec[0].file, rec[0].node
		}
		at.point(&p, tokenOf(to))
		at.add(p)
		return
	}
	name, ok := mf.text(to, "to")
	if !ok {
		return
	}
	mf.m.To = mf.spec.Interface(name)
	if mf.m.To == nil {
		mf.at(to.GetToken(), message.New("unknown-interface", name, hint(name, mf.spec.Names())))
		return
	}
	first := tokenOf(rec[0].node).Position
	mf.m.recordAt = Place{rec[0].file.name, first.Line, first.Column}
	mf.m.fields = mf.fields(rec, part{mf.file, to}, target{name + " " + mf.m.To.Title, mf.m.To.Fields, false})
}

// target is what a set of rules writes: a record, or an object of a list.
type target struct {
	title  string
	fields []spec.Field
	nested bool
}

// fields compiles the rules of one object; at is what lacks those that the
// standard requires and that are not there.
func (mf *mappingFile) fields(recs []part, at part, to target) []fieldRule {
	var rules []fieldRule
	given := map[string]bool{}
	own := mf.file
	for _, p := range recs {
		mf.file = p.file
		for _, r := range mf.members(p.node, "record") {
			i := slices.IndexFunc(to.fields, func(f spec.Field) bool { return f.Name == r.key })
			if i < 0 {
				meant, h := to.hint(r.key)
				mf.at(r.keyAt, message.New("unknown-field", to.title, r.key, h))
				given[meant] = true // it is told once
				continue
			}
			if !to.nested && !mf.once(r, "record."+r.key) {
				continue
			}
			given[r.key] = true
			if rule, ok := mf.field(&to.fields[i], r.value); ok {
				rule.index = i
				rules = append(rules, rule)
			}
		}
	}
	mf.file = own
	slices.SortFunc(rules, func(a, b fieldRule) int { return a.index - b.index })
	for i := range to.fields {
		if f := &to.fields[i]; f.Need == spec.Required && !given[f.Name] {
			at.file.at(tokenOf(at.node), message.New("missing-field", to.title, labelled(f), f.Name))
			mf.lastIs(f.Severity(spec.RuleRequired))
		}
	}
	return rules
}

func (mf *mappingFile) field(f *spec.Field, value ast.Node) (rule fieldRule, ok bool) {
	if f.Type == spec.List {
		switch value.(type) {
		case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
			return mf.list(f, value), true
		}
	}
	e := mf.expression(value, labelled(f))
	if e == nil {
		return rule, false
	}
	mf.checkConstant(f, e, value)
	return fieldRule{value: e}, true
}

// labelled is a field as messages name it.
func labelled(f *spec.Field) message.Message { return message.New("field", f.Name, f.Label) }

// hint names the field that was probably meant, by its name or its label.
func (to target) hint(got string) (meant string, m message.Message) {
	var names []string
	for _, f := range to.fields {
		names = append(names, f.Name)
	}
	near := Nearest(got, names)
	for _, f := range to.fields {
		if len(near) > 0 && f.Name == near[0] || f.Label == got {
			return f.Name, message.New("did-you-mean-field", f.Name, f.Label)
		}
	}
	return "", hint(got, names)
}

// checkConstant proves a constant against length, format and dictionary now.
func (mf *mappingFile) checkConstant(f *spec.Field, e *expression, n ast.Node) {
	if !e.isConst {
		return
	}
	text, ok := asText(e.constant)
	if !ok {
		mf.at(n.GetToken(), message.New("constant-type", labelled(f), saidAs(e.constant)))
		return
	}
	for _, v := range f.CheckText(text, nil) {
		mf.at(n.GetToken(), message.New("constant", violation(&v)))
		mf.lastIs(v.Severity)
	}
}

// lastIs says how grave the problem just found is.
func (mf *mappingFile) lastIs(s spec.Severity) {
	if s == spec.Warning {
		mf.warn()
	}
}
