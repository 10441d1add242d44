package transform

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// expression is a compiled right-hand side. It is immutable.
//
// A member chain of a known root (event.a.b) is one name of the environment:
// while compiling, the chains of a whole source are collected into one set of
// paths, which a single walk over the document fills; see event.Fill.
type expression struct {
	text     string
	place    Place
	program  *vm.Program // nil if constant, a single name or a direct call
	constant any         // if isConst
	isConst  bool
	single   bool // the expression is just uses[0]
	lines    bool // it goes over several lines
	personal bool // what it uses is masked in messages and traces
	// clauses, of a condition, are its parts; nil if it has none.
	clauses func() *clause
	call    *directCall
	uses    []use
}

// usesDevice tells whether the expression needs the device's row.
func (e *expression) usesDevice() bool {
	return e != nil && slices.ContainsFunc(e.uses, func(u use) bool { return u.root == rootDevice })
}

// use is one name that an expression needs in its environment.
type use struct {
	name  string // "event.a.b": also what a person reads
	root  root
	slot  int          // of event and it
	steps []event.Step // of it and of a list's element
	key   string       // of device: the column; of request: the member
	sub   string       // of request: the name in path, query, header
	from  int          // where the root stands in the expression, in characters
	keys  bool         // it serves only to find a row of a table: its value goes nowhere else
	parts []string     // which members of it are used: "p.card"; the name itself if it is used whole
}

type root int

const (
	rootLocal root = iota // a let: already in the environment
	rootEvent
	rootIt
	rootDevice
	rootRequest
	rootElement // of a list in the record
)

var roots = map[string]root{"event": rootEvent, "it": rootIt, "device": rootDevice, "request": rootRequest}

// scope is what an expression may refer to.
type scope struct {
	event  *event.Paths
	it     *event.Paths // nil: the mapping has no each
	inList bool         // in a list of the record: it is the list's element
	device *Table       // nil: no device table
	tables map[string]*Table
	inline map[string]inlineTable
	lets   map[string]*Table   // of each and let, so far; nil table: any value
	later  map[string]bool     // names that the mapping defines further on
	cycles map[string][]string // names of let that need each other, with the way round
	frozen bool                // the rules are in use: nothing may be added to the paths

	catalogue *spec.Catalogue
}

type inlineTable map[string]any

// root tells whether a name is a root. In a list of the record `it` is the
// list's element and `outer` the mapping's own.
func (s *scope) root(name string) (root, bool) {
	switch {
	case s.inList && name == "it":
		return rootElement, true
	case s.inList && name == "outer" && s.it != nil:
		return rootIt, true
	}
	r, ok := roots[name]
	return r, ok
}

func (s *scope) names() []string {
	names := []string{"event", "device", "request"}
	if s.it != nil || s.inList {
		names = append(names, "it")
	}
	if s.it != nil && s.inList {
		names = append(names, "outer")
	}
	for n := range s.tables {
		names = append(names, n)
	}
	for n := range s.inline {
		names = append(names, n)
	}
	for n := range s.lets {
		names = append(names, n)
	}
	return names
}

// requestMembers are those of `request`; true: it has names below it.
var requestMembers = map[string]bool{
	"path": true, "query": true, "header": true,
	"remote": false, "received": false, "method": false, "url": false,
}

// names that the compiler puts into expressions (see hidden); a person cannot
// write them.
const (
	runName    = "$run"
	memberFunc = "$member"
	rowFunc    = "$row"
	addFunc    = "$add"
	stepFunc   = "$step"
)

// compile compiles c. Problems are reported at their place in the file; the
// expression returned is nil if one of them is an error.
func (s *scope) compile(c code) *expression {
	v := &chains{scope: s, code: c, known: map[string]use{}, local: map[string]bool{}}
	options := []expr.Option{expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.Patch(v)}
	for name := range disabled {
		options = append(options, expr.DisableBuiltin(name))
	}
	for _, f := range functions {
		options = append(options, expr.Function(f.name, f.expr()))
	}
	for _, f := range hidden {
		options = append(options, expr.Function(f.name, f.expr()))
	}

	if n := utf8.RuneCountInString(c.text); n > maxCode {
		c.problem(0, 1, message.New("too-long", n, maxCode))
		return nil
	}
	before := len(*c.file.problems)
	program, err := expr.Compile(c.text, options...)
	if err != nil {
		s.exprError(c, err)
	}
	if len((*c.file.problems)[before:].Errors()) > 0 {
		return nil
	}
	e := &expression{text: c.text, place: c.place, program: program, personal: v.personal}
	e.lines = c.at(utf8.RuneCountInString(c.text)).Line != c.place.Line
	root := program.Node()
	e.uses = v.uses(&root)
	switch n := root.(type) {
	case *ast.StringNode:
		e.constant, e.isConst = n.Value, true
	case *ast.IntegerNode:
		e.constant, e.isConst = n.Value, true
	case *ast.FloatNode:
		e.constant, e.isConst = n.Value, true
	case *ast.BoolNode:
		e.constant, e.isConst = n.Value, true
	case *ast.NilNode:
		e.isConst = true
	case *ast.IdentifierNode:
		e.single = len(e.uses) == 1
	case *ast.CallNode:
		e.call = e.direct(n)
	}
	if e.isConst || e.single || e.call != nil {
		e.program = nil
	}
	return e
}

var lineEnd = regexp.MustCompile(`\s*\n\s*`)

// said is the expression on one line, for messages.
func (e *expression) said() string {
	if !strings.Contains(e.text, "\n") {
		return e.text
	}
	return lineEnd.ReplaceAllString(e.text, " ")
}

// at is the place of the character at offset; of the whole, if it goes over
// several lines.
func (e *expression) at(offset int) Place {
	p := e.place
	if !e.lines {
		p.Col += offset
	}
	return p
}

// always is the value of an expression that has the same for every event; nil
// if it has not.
func (e *expression) always() any {
	if e == nil || !e.isConst {
		return nil
	}
	return e.constant
}

func keys[V any](m map[string]V) []string {
	var ks []string
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}
