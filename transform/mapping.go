package transform

import (
	"path"
	"slices"
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
	join     *joinRule // nil: its records wait for nothing, and it brings nothing
	device   bool      // some expression needs the device's row
	// deviceIDs are the mapping's own candidates for the device, of each
	// element; none: the source's, for the whole event.
	deviceIDs []*expression
	deviceAt  Place
	private   []string // names whose values stand for a person; see findPrivate
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
		{"title", true, nil}, {"merge", false, nil}, {"when", false, nil}, {"each", false, nil}, {"to", false, nil}, {"distinct", false, nil}, {"dedup", false, nil}, {"join", false, nil}, {"wait", false, nil},
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
	mf.read("device", func(n ast.Node) { mf.device(n, b, l) })
	mf.read("let", mf.let)
	mf.record()
	mf.read("join", mf.join)
	mf.laterNeedsJoin()
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

func isName(s string) bool {
	for i, r := range s {
		if !(r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || i > 0 && '0' <= r && r <= '9') {
			return false
		}
	}
	return s != ""
}
