package transform

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// Mapping is a compiled mapping file: one kind of event into records. It is
// immutable.
type Mapping struct {
	Name  string // hikvision/face.yaml
	Title string
	To    *spec.Interface // nil: the mapping only ignores

	// Window, if not 0, is for how long a resend of a record is a duplicate,
	// in place of the site's.
	Window time.Duration

	// Wait, if not 0, is for how long the sender of an event waits for what the
	// platform says of its record.
	Wait time.Duration

	place    Place
	recordAt Place       // where its record begins
	when     *expression // nil: every event of the source
	ignore   []ignoreRule
	each     []loop // one in the other; none: the record is written once
	eachRaw  int    // slot of each when it is one chain of the event; -1 otherwise
	it       *event.Paths
	inline   map[string]inlineTable
	rows     map[string]inlineRows // where inline stands
	lets     []let
	fields   []fieldRule
	distinct *expression
	device   bool     // some expression needs the device's row
	private  []string // names whose values stand for a person; see findPrivate
}

// File is the name of the file, as messages give it.
func (m *Mapping) File() string { return m.place.File }

// inlineRows is where a table in a mapping stands, and each of its keys.
type inlineRows struct {
	at   Place
	keys map[string]Place
}

// loop goes over the elements of a list. The innermost element is also `it`.
type loop struct {
	name  string // of the element; empty: only it
	value *expression
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

// mappingFile reads and compiles one file and the fragments that it merges.
type mappingFile struct {
	*file  // the one that is being read
	m      *Mapping
	scope  scope
	spec   *spec.Catalogue
	parts  map[string][]part // what the files say, by key: fragments' before the mapping's own
	merged []string
	names  map[string]Place // of let, each, tables and record: nobody defines a name twice
}

// part is what one file says about one key.
type part struct {
	file *file
	node ast.Node
}

// compileMapping compiles a mapping file for a source. A mapping with problems
// is returned all the same, but the rules it belongs to will not be used.
func (l *loader) compileMapping(b *sourceBuilder, name string, data []byte) *Mapping {
	f, ms := parseFile(name, data, &l.problems)
	m := &Mapping{Name: path.Join(b.source.Name, path.Base(name)), place: Place{name, 1, 1}, eachRaw: -1, inline: map[string]inlineTable{}, rows: map[string]inlineRows{}}
	mf := &mappingFile{file: f, m: m, spec: l.catalogue, parts: map[string][]part{}, names: map[string]Place{}}
	mf.scope = scope{event: &b.source.paths, device: l.deviceTable(b), tables: l.tables, inline: m.inline, lets: map[string]*Table{}, later: map[string]bool{}, catalogue: l.catalogue}
	if ms == nil {
		l.unread[b.source.Name] = true
		return m
	}
	l.merge(mf, fragment{vendor: b.source.Name, file: f, members: ms})
	keys := slices.Concat(mf.fragmentKeys(), []key{
		{"title", true, nil}, {"merge", false, nil}, {"when", false, nil}, {"each", false, nil}, {"to", false, nil}, {"distinct", false, nil}, {"dedup", false, nil}, {"wait", false, nil},
	})
	mf.keep(f, ms, message.New("a-mapping"), keys)
	mf.foresee()
	mf.read("title", func(n ast.Node) { m.Title, _ = mf.text(n, "title") })
	mf.read("dedup", mf.dedup)
	mf.read("wait", func(n ast.Node) { mf.wait(n, b.source) })
	mf.read("tables", mf.tables)
	mf.read("when", func(n ast.Node) {
		if m.when = mf.condition(n, "when"); m.when.always() == false {
			mf.at(n.GetToken(), message.New("unreachable"))
			mf.warn()
		}
	})
	mf.read("ignore", mf.ignore)
	mf.read("each", mf.each)
	mf.read("let", mf.let)
	mf.record()
	mf.read("distinct", func(n ast.Node) { m.distinct = mf.expression(n, "distinct") })
	m.findPrivate()
	return m
}

// keep keeps what one file says until its turn has come.
func (mf *mappingFile) keep(f *file, ms []member, what any, keys []key) {
	for i := range keys {
		name := keys[i].name
		keys[i].read = func(n ast.Node) { mf.parts[name] = append(mf.parts[name], part{f, n}) }
	}
	f.read(ms, what, keys)
}

// read hands what the files say about a key to its reader.
func (mf *mappingFile) read(name string, read func(ast.Node)) {
	own := mf.file
	for _, p := range mf.parts[name] {
		mf.file = p.file
		read(p.node)
	}
	mf.file = own
}

// foresee collects the names that the mapping defines, so that one which is
// used too early is told from one that nobody defines, or that needs itself.
func (mf *mappingFile) foresee() {
	lets := map[string]string{}
	for _, key := range []string{"each", "let"} {
		for _, p := range mf.parts[key] {
			for _, m := range namesOf(p.node) {
				name := scalarText(m.Key)
				mf.scope.later[name] = true
				if key == "let" {
					lets[name] = scalarText(m.Value)
				}
			}
			mf.scope.later["it"] = mf.scope.later["it"] || key == "each"
		}
	}
	mf.scope.cycles = letCycles(lets)
}

func namesOf(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// expression compiles a scalar node in the mapping's scope.
func (mf *mappingFile) expression(n ast.Node, what any) *expression {
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

// condition compiles what must be true or false. A constant that is neither is
// a problem now.
func (mf *mappingFile) condition(n ast.Node, what any) *expression {
	e := mf.expression(n, what)
	if e == nil {
		return nil
	}
	if !e.isConst {
		if c, ok := mf.code(n, what); ok {
			e.explainable(mf.scope, c)
		}
		return e
	}
	if _, ok := e.constant.(bool); !ok {
		mf.at(n.GetToken(), message.New("want-condition", what, saidAs(e.constant)))
		return nil
	}
	return e
}

// tables reads inline tables: {way: {card: "1", face: "2"}}.
func (mf *mappingFile) tables(n ast.Node) {
	for _, t := range mf.members(n, "tables") {
		table := inlineTable{}
		rows := inlineRows{Place{mf.name, t.keyAt.Position.Line, t.keyAt.Position.Column}, map[string]Place{}}
		if !mf.define(t) {
			continue
		}
		for _, e := range mf.members(t.value, message.New("the-table", t.key)) {
			if s, ok := mf.text(e.value, message.New("the-table", t.key)); ok {
				table[e.key] = s
				rows.keys[e.key] = Place{mf.name, e.keyAt.Position.Line, e.keyAt.Position.Column}
			}
		}
		mf.m.inline[t.key], mf.m.rows[t.key] = table, rows
	}
}

// define takes a name for a value or a table, unless it is taken.
func (mf *mappingFile) define(m member) bool {
	_, table := mf.scope.tables[m.key]
	if table || m.key == "outer" || roots[m.key] != rootLocal || !isName(m.key) {
		mf.at(m.keyAt, message.New("name-taken", m.key))
		return false
	}
	return mf.once(m, m.key)
}

// once reports what another file, or another key, has said already: nothing
// is replaced in silence.
func (mf *mappingFile) once(m member, what string) bool {
	at := Place{mf.name, m.keyAt.Position.Line, m.keyAt.Position.Column}
	if other, taken := mf.names[what]; taken {
		mf.at(m.keyAt, message.New("given-twice", m.key, other))
		return false
	}
	mf.names[what] = at
	return true
}

func (mf *mappingFile) ignore(n ast.Node) {
	for _, e := range mf.elements(n) {
		var r ignoreRule
		mf.file.read(mf.members(e, "ignore"), "ignore", []key{
			{"when", true, func(n ast.Node) {
				if r.when = mf.condition(n, "ignore.when"); r.when.always() == true && len(mf.parts["record"]) > 0 {
					mf.at(n.GetToken(), message.New("unreachable-ignored"))
					mf.warn()
				}
			}},
			{"because", true, func(n ast.Node) { r.because, _ = mf.text(n, "because") }},
		})
		mf.m.ignore = append(mf.m.ignore, r)
	}
}

// maxWait is less than what servers and clients wait for an answer.
const maxWait = time.Minute

// wait reads for how long the sender waits. It is of no use to one who is told
// the same whatever the platform says.
func (mf *mappingFile) wait(n ast.Node, s *Source) {
	text, _ := mf.text(n, "wait")
	d, err := time.ParseDuration(text)
	if err != nil || d < 100*time.Millisecond || d > maxWait {
		mf.at(n.GetToken(), message.New("wait", text))
		return
	}
	mf.m.Wait = d
	if !slices.ContainsFunc(s.answers, func(a answer) bool { return slices.Contains(a.outcomes, Rejected) }) {
		mf.at(n.GetToken(), message.New("wait-answer", s.Name))
	}
}

// maxWindow keeps a slip of the pen from filling the store with keys.
const maxWindow = 366 * 24 * time.Hour

func (mf *mappingFile) dedup(n ast.Node) {
	mf.file.read(mf.members(n, "dedup"), "dedup", []key{
		{"window", true, func(n ast.Node) {
			s := scalarText(n)
			d, err := time.ParseDuration(s)
			if err != nil || d < time.Second || d > maxWindow {
				mf.at(n.GetToken(), message.New("dedup-window", nodeKind(n)))
				return
			}
			mf.m.Window = d
		}},
	})
}

// each is compiled before the names that use its elements. A plain chain of
// the event is walked as text; anything else as values. Loops with names go
// one in the other, each seeing the elements of those before:
//
//	each: {group: event.groups, person: group.people}
func (mf *mappingFile) each(n ast.Node) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		for _, l := range mf.members(n, "each") {
			if !mf.define(l) {
				continue
			}
			e := mf.expression(l.value, "each "+l.key)
			mf.scope.lets[l.key] = nil
			mf.m.each = append(mf.m.each, loop{l.key, e})
		}
	default:
		e := mf.expression(n, "each")
		if e != nil && e.single && e.uses[0].root == rootEvent {
			mf.m.eachRaw = mf.scope.event.Add(chainSteps(e.uses[0].name), true)
		}
		mf.m.each = []loop{{"", e}}
	}
	mf.m.it = new(event.Paths)
	mf.scope.it = mf.m.it
}

func (mf *mappingFile) let(n ast.Node) {
	for _, l := range mf.members(n, "let") {
		if !mf.define(l) {
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
	rec := mf.parts["record"]
	var to ast.Node
	mf.read("to", func(n ast.Node) { to = n })
	if to == nil && rec == nil {
		if len(mf.m.ignore) == 0 {
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

func isName(s string) bool {
	for i, r := range s {
		if !(r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || i > 0 && '0' <= r && r <= '9') {
			return false
		}
	}
	return s != ""
}
