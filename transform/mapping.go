package transform

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// Mapping is a compiled mapping file: one kind of event into records. It is
// immutable.
type Mapping struct {
	Name  string // hikvision/face.yaml
	Title string
	To    *spec.Interface // nil: the mapping only ignores

	place    Place
	when     *expression // nil: every event of the source
	ignore   []ignoreRule
	each     *expression
	eachRaw  int // slot of each when it is a chain of the event; -1 otherwise
	it       *event.Paths
	inline   map[string]inlineTable
	lets     []let
	fields   []fieldRule
	distinct *expression
	device   bool // some expression needs the device's row
}

type ignoreRule struct {
	when    *expression
	because string
}

type let struct {
	name  string
	value *expression
}

// fieldRule writes one field of the record, or of an object of a list in it.
type fieldRule struct {
	index   int           // in the fields of the interface, or of the list
	value   *expression   // nil: the objects of a list are written out
	objects [][]fieldRule // of a list; with a value: one, for each element of it
}

// mappingFile reads and compiles one file.
type mappingFile struct {
	*file
	m     *Mapping
	scope scope
	spec  *spec.Catalogue
	nodes map[string]ast.Node
}

// compileMapping compiles a mapping file for a source. A mapping with problems
// is returned all the same, but the rules it belongs to will not be used.
func (l *loader) compileMapping(b *sourceBuilder, name string, data []byte) *Mapping {
	f, ms := parseFile(name, data, &l.problems)
	m := &Mapping{Name: path.Join(b.source.Name, path.Base(name)), place: Place{name, 1, 1}, eachRaw: -1, inline: map[string]inlineTable{}}
	mf := &mappingFile{file: f, m: m, spec: l.catalogue, nodes: map[string]ast.Node{}}
	mf.scope = scope{event: &b.source.paths, device: l.deviceTable(b), tables: l.tables, inline: m.inline, lets: map[string]*Table{}, catalogue: l.catalogue}
	if ms == nil {
		return m
	}
	keep := func(k string) func(ast.Node) { return func(n ast.Node) { mf.nodes[k] = n } }
	f.read(ms, "a mapping", []key{
		{"title", true, func(n ast.Node) { m.Title, _ = f.text(n, "title") }},
		{"tables", false, mf.tables},
		{"when", false, func(n ast.Node) { m.when = mf.expression(n, "when") }},
		{"ignore", false, mf.ignore},
		{"each", false, mf.each},
		{"let", false, mf.let},
		{"to", false, keep("to")},
		{"record", false, keep("record")},
		{"distinct", false, func(n ast.Node) { m.distinct = mf.expression(n, "distinct") }},
	})
	mf.record()
	return m
}

// expression compiles a scalar node in the mapping's scope.
func (mf *mappingFile) expression(n ast.Node, what string) *expression {
	c, ok := mf.code(n, what)
	if !ok {
		return nil
	}
	e := mf.scope.compile(c)
	if e.usesDevice() {
		mf.m.device = true
	}
	return e
}

// tables reads inline tables: {way: {card: "1", face: "2"}}.
func (mf *mappingFile) tables(n ast.Node) {
	for _, t := range mf.members(n, "tables") {
		table := inlineTable{}
		if _, ok := mf.scope.tables[t.key]; ok || roots[t.key] != rootLocal {
			mf.at(t.keyAt, "name-taken", fmt.Sprintf("the name %q is taken", t.key), "")
		}
		for _, e := range mf.members(t.value, "table "+t.key) {
			if s, ok := mf.text(e.value, "table "+t.key); ok {
				table[e.key] = s
			}
		}
		mf.m.inline[t.key] = table
	}
}

func (mf *mappingFile) ignore(n ast.Node) {
	for _, e := range mf.elements(n) {
		var r ignoreRule
		mf.read(mf.members(e, "ignore"), "ignore", []key{
			{"when", true, func(n ast.Node) { r.when = mf.expression(n, "ignore.when") }},
			{"because", true, func(n ast.Node) { r.because, _ = mf.text(n, "because") }},
		})
		mf.m.ignore = append(mf.m.ignore, r)
	}
}

// each is compiled before the names that use its element. A plain chain of
// the event is walked as text; anything else as a value.
func (mf *mappingFile) each(n ast.Node) {
	e := mf.expression(n, "each")
	mf.m.it = new(event.Paths)
	mf.scope.it = mf.m.it
	mf.m.each = e
	if e != nil && e.single && e.uses[0].root == rootEvent {
		mf.m.eachRaw = mf.scope.event.Add(chainSteps(e.uses[0].name), true)
	}
}

func (mf *mappingFile) let(n ast.Node) {
	for _, l := range mf.members(n, "let") {
		_, table := mf.scope.tables[l.key]
		_, inline := mf.m.inline[l.key]
		if _, again := mf.scope.lets[l.key]; again || table || inline || roots[l.key] != rootLocal || !isName(l.key) {
			mf.at(l.keyAt, "name-taken", fmt.Sprintf("%q cannot be the name of a value", l.key), "choose another name")
			continue
		}
		e := mf.expression(l.value, "let "+l.key)
		mf.scope.lets[l.key] = mf.rowTable(e)
		mf.m.lets = append(mf.m.lets, let{l.key, e})
	}
}

// rowTable returns the site table whose row the expression is, if it plainly
// is one, so that its columns can be checked.
func (mf *mappingFile) rowTable(e *expression) *Table {
	if e == nil {
		return nil
	}
	for name, t := range mf.scope.tables {
		if strings.HasPrefix(e.text, name+"[") && strings.HasSuffix(e.text, "]") && strings.Count(e.text, "[") == 1 {
			return t
		}
	}
	return nil
}

// record compiles `to` and `record`, and checks them against the catalogue.
func (mf *mappingFile) record() {
	to, rec := mf.nodes["to"], mf.nodes["record"]
	if to == nil && rec == nil {
		if len(mf.m.ignore) == 0 {
			mf.add(Problem{Place: Place{mf.name, 1, 0}, Rule: "missing-key", Text: "the mapping has neither to and record nor ignore: it does nothing"})
		}
		return
	}
	if to == nil || rec == nil {
		mf.add(Problem{Place: Place{mf.name, 1, 0}, Rule: "missing-key", Text: "to and record belong together: one of them is missing"})
		return
	}
	name, ok := mf.text(to, "to")
	if !ok {
		return
	}
	mf.m.To = mf.spec.Interface(name)
	if mf.m.To == nil {
		mf.at(to.GetToken(), "unknown-interface", fmt.Sprintf("the standard has no interface %q", name), hint(name, mf.spec.Names()))
		return
	}
	mf.m.fields = mf.fields(rec, to, target{name + " " + mf.m.To.Title, mf.m.To.Fields})
}

// target is what a set of rules writes: a record, or an object of a list.
type target struct {
	title  string
	fields []spec.Field
}

// fields compiles the rules of one object; at is what lacks those that the
// standard requires and that are not there.
func (mf *mappingFile) fields(rec, at ast.Node, to target) []fieldRule {
	var rules []fieldRule
	given := map[string]bool{}
	for _, r := range mf.members(rec, "record") {
		i := slices.IndexFunc(to.fields, func(f spec.Field) bool { return f.Name == r.key })
		if i < 0 {
			mf.at(r.keyAt, "unknown-field", fmt.Sprintf("%s has no field %q", to.title, r.key), to.hint(r.key))
			continue
		}
		given[r.key] = true
		if rule, ok := mf.field(&to.fields[i], r.value); ok {
			rule.index = i
			rules = append(rules, rule)
		}
	}
	slices.SortFunc(rules, func(a, b fieldRule) int { return a.index - b.index })
	for i := range to.fields {
		if f := &to.fields[i]; f.Need == spec.Required && !given[f.Name] {
			mf.at(at.GetToken(), "missing-field", fmt.Sprintf("%s needs %s (%s), and record does not give it", to.title, f.Name, f.Label), fmt.Sprintf("add \"%s: …\" to record", f.Name))
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
	e := mf.expression(value, fmt.Sprintf("%s (%s)", f.Name, f.Label))
	if e == nil {
		return rule, false
	}
	mf.checkConstant(f, e, value)
	return fieldRule{value: e}, true
}

func (to target) hint(got string) string {
	var names []string
	for _, f := range to.fields {
		names = append(names, f.Name)
	}
	h := hint(got, names)
	for _, f := range to.fields {
		if h == fmt.Sprintf("did you mean %q?", f.Name) {
			return fmt.Sprintf("did you mean %q (%s)?", f.Name, f.Label)
		}
	}
	return h
}

// checkConstant proves a constant against length, format and dictionary now.
func (mf *mappingFile) checkConstant(f *spec.Field, e *expression, n ast.Node) {
	if !e.isConst {
		return
	}
	text, ok := asText(e.constant)
	if !ok {
		mf.at(n.GetToken(), "constant", fmt.Sprintf("%s (%s): want a text, got %s", f.Name, f.Label, describe(e.constant)), "")
		return
	}
	for _, v := range f.CheckText(text, nil) {
		mf.at(n.GetToken(), "constant", v.Error(), "")
		mf.lastIs(v.Severity)
	}
}

// lastIs says how grave the problem just found is.
func (mf *mappingFile) lastIs(s spec.Severity) {
	ps := *mf.problems
	ps[len(ps)-1].Warning = s == spec.Warning
}

func isName(s string) bool {
	for i, r := range s {
		if !(r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || i > 0 && '0' <= r && r <= '9') {
			return false
		}
	}
	return s != ""
}
