package transform

import (
	"slices"
	"strings"

	"yiqiao/transform/spec"
)

// findPrivate collects the names whose values stand for a person: what the
// personal fields of the record are made of, directly or through let. They are
// masked wherever a message or a trace shows them, in a condition too. The key
// by which a row of people is found is not one of them: who seeks a mistake in
// a table has to see it.
func (m *Mapping) findPrivate() {
	if m.To == nil {
		return
	}
	m.privateOf(m.To.Fields, m.fields)
	// A let sees only those above it: from the last to the first, once.
	for i := len(m.lets) - 1; i >= 0; i-- {
		if l := &m.lets[i]; l.value != nil && m.isPrivate(l.name) {
			m.addPrivate(l.value)
		}
	}
}

func (m *Mapping) privateOf(fields []spec.Field, rules []fieldRule) {
	for i := range rules {
		rule := &rules[i]
		f := &fields[rule.index]
		if f.Mask != spec.Open && rule.value != nil {
			m.addPrivate(rule.value)
		}
		for _, object := range rule.objects {
			m.privateOf(f.Fields, object)
		}
	}
}

func (m *Mapping) addPrivate(e *expression) {
	for i := range e.uses {
		if u := &e.uses[i]; u.root != rootDevice && u.root != rootRequest && !u.keys {
			m.private = append(m.private, u.parts...)
		}
	}
}

// shownDistinct is what the mapping gave to tell a record from its like, for
// whoever looks at it in passing; empty if it gives nothing.
func (m *Mapping) shownDistinct(rec *Record) string {
	if m.distinct == nil {
		return ""
	}
	if m.distinct.personal || m.usesPrivate(m.distinct) {
		return personal.Masked(rec.Distinct)
	}
	return rec.Distinct
}

// usesPrivate tells whether an expression uses a value that stands for a person.
func (m *Mapping) usesPrivate(e *expression) bool {
	return slices.ContainsFunc(e.uses, m.isPrivateUse)
}

func (m *Mapping) isPrivateUse(u use) bool { return slices.ContainsFunc(u.parts, m.isPrivate) }

// isPrivate tells whether the value of a name stands for a person, or what it
// is a member of, or a member of it.
func (m *Mapping) isPrivate(name string) bool {
	return m != nil && slices.ContainsFunc(m.private, func(p string) bool { return within(name, p) || within(p, name) })
}

// within tells whether a chain is another one or goes on from it.
func within(name, outer string) bool {
	rest, ok := strings.CutPrefix(name, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
