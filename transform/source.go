package transform

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// Source is a compiled vendor protocol: where it posts, which device it is,
// how it is answered, and its mappings. It is immutable.
type Source struct {
	Name, Title string
	Routes      []Route
	Mappings    []*Mapping
	Presence    *Presence // nil: nobody watches whether its devices are there

	place     Place
	layout    event.Layout
	deviceIDs []*expression
	devices   *Table    // nil: the source has no device table
	listenAt  []Problem // where each route stands
	deviceAt  Place     // of the first of deviceIDs
	zone      zone
	otherwise string // why events without a mapping are ignored; empty: they are dead letters
	answers   []answer
	paths     event.Paths
	runs      sync.Pool
}

// Route is a place where a source listens: "POST", "/hikvision/{device}".
type Route struct{ Method, Path string }

func (r Route) String() string { return r.Method + " " + r.Path }

// Outcome is what became of an event, as far as its sender is concerned.
type Outcome string

// The outcomes that a source may answer differently.
const (
	Accepted  Outcome = "accepted"  // its records are durable
	Duplicate Outcome = "duplicate" // they were durable already
	Ignored   Outcome = "ignored"   // a rule says that it is of no interest
	Kept      Outcome = "kept"      // it is a dead letter: the sender is not at fault
	Full      Outcome = "full"      // it could not be stored: send it again
	// Of a mapping that waits: what the platform said in time.
	Delivered Outcome = "delivered"
	Rejected  Outcome = "rejected" // it is a dead letter then
)

// Outcomes are all of them.
var outcomes = []Outcome{Accepted, Duplicate, Ignored, Kept, Full, Delivered, Rejected}

// Answer is the reply to a device.
type Answer struct {
	Status int
	Header [][2]string
	Body   []byte
}

type answer struct {
	outcomes []Outcome // empty: all but Full
	when     *expression
	status   int
	header   [][2]string
	each     *expression // a list: item stands in the body for each element
	item     []piece
	body     []piece
}

// piece is text, or an expression whose value stands there, or the items.
type piece struct {
	text  string
	value *expression
	items bool
}

// sourceBuilder collects a source while its files are read.
type sourceBuilder struct {
	source *Source
	table  string // name of the device table
	scope  scope
	*file
}

// compileSource reads source.yaml.
func (l *loader) compileSource(name, fileName string, data []byte) *sourceBuilder {
	f, ms := parseFile(fileName, data, &l.problems)
	s := &Source{Name: name, place: Place{fileName, 1, 1}}
	s.zone = zone{source: l.zone, target: l.zone}
	b := &sourceBuilder{source: s, file: f, table: "devices"}
	b.scope = scope{event: &s.paths, tables: l.tables, lets: map[string]*Table{}, catalogue: l.catalogue}
	if ms == nil {
		return b
	}
	f.read(ms, message.New("a-source"), []key{
		{"title", true, func(n ast.Node) { s.Title, _ = f.text(n, "title") }},
		{"listen", true, b.listen},
		{"body", false, b.body},
		{"part", false, func(n ast.Node) { s.layout.Parts = b.texts(n, "part") }},
		{"unwrap", false, func(n ast.Node) { s.layout.Unwrap = b.texts(n, "unwrap") }},
		{"device", false, func(n ast.Node) { b.device(n, l) }},
		{"time", false, b.time},
		{"presence", false, func(n ast.Node) { b.presence(n, l) }},
		{"otherwise", false, b.otherwise},
		{"answers", false, b.answers},
	})
	return b
}

// deviceTable returns the table that `device` is a row of.
func (l *loader) deviceTable(b *sourceBuilder) *Table { return l.tables[b.table] }

func (b *sourceBuilder) texts(n ast.Node, what string) []string {
	var list []string
	for _, e := range b.elements(n) {
		if s, ok := b.text(e, what); ok {
			list = append(list, s)
		}
	}
	return list
}

func (b *sourceBuilder) listen(n ast.Node) {
	for _, e := range b.elements(n) {
		s, ok := b.text(e, "listen")
		if !ok {
			continue
		}
		method, path, ok := strings.Cut(s, " ")
		path = strings.TrimSpace(path)
		if !ok || !slices.Contains([]string{"GET", "POST", "PUT"}, method) || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/-/") {
			b.at(e.GetToken(), message.New("route", s))
			continue
		}
		b.source.Routes = append(b.source.Routes, Route{method, path})
		at := Problem{}
		b.point(&at, e.GetToken())
		at.line = b.lines[at.Line-1]
		b.source.listenAt = append(b.source.listenAt, at)
	}
}

// body is the kind of the source's bodies, where their look is not enough.
func (b *sourceBuilder) body(n ast.Node) {
	s, ok := b.text(n, "body")
	if !ok {
		return
	}
	if b.source.layout.Kind = event.Kind(s); slices.Contains(event.Kinds, b.source.layout.Kind) {
		return
	}
	var names []string
	for _, k := range event.Kinds {
		names = append(names, string(k))
	}
	b.at(n.GetToken(), message.New("body-kind", names, s, hint(s, names)))
}

func (b *sourceBuilder) device(n ast.Node, l *loader) {
	var ids []ast.Node
	named := false
	b.read(b.members(n, "device"), "device", []key{
		{"table", false, func(n ast.Node) {
			b.table, named = b.text(n, "device.table")
			if _, ok := l.tables[b.table]; !ok {
				b.at(n.GetToken(), message.New("unknown-table", b.table, hint(b.table, keys(l.tables))))
			}
		}},
		{"from", true, func(n ast.Node) { ids = b.elements(n) }},
	})
	if _, ok := l.tables[b.table]; !ok && !named {
		b.at(tokenOf(n), message.New("no-device-table", b.table))
	}
	b.useDevices(n, l)
	for i, id := range ids {
		if at := id.GetToken().Position; i == 0 {
			b.source.deviceAt = Place{b.name, at.Line, at.Column}
		}
		if c, ok := b.code(id, "device.from"); ok {
			b.source.deviceIDs = append(b.source.deviceIDs, b.scope.compile(c))
		}
	}
}

// useDevices takes the table that devices are looked up in. n is what wants it.
func (b *sourceBuilder) useDevices(n ast.Node, l *loader) {
	b.source.devices = l.tables[b.table]
	if t := b.source.devices; t != nil && (len(t.Key) > 1 || len(t.masks) > 0) {
		b.at(tokenOf(n), message.New("device-table", t.Name, t.File))
	}
}

func (b *sourceBuilder) time(n ast.Node) {
	b.read(b.members(n, "time"), "time", []key{
		{"zone", false, func(n ast.Node) {
			s, _ := b.text(n, "time.zone")
			loc, ok := parseZone(s)
			if !ok {
				b.at(n.GetToken(), message.New("zone", s))
				return
			}
			b.source.zone.source = loc
		}},
		{"correct", false, func(n ast.Node) {
			s, _ := b.text(n, "time.correct")
			d, err := time.ParseDuration(s)
			if err != nil {
				b.at(n.GetToken(), message.New("duration", s))
			}
			b.source.zone.correct = d
		}},
	})
}

func (b *sourceBuilder) otherwise(n ast.Node) {
	b.read(b.members(n, "otherwise"), "otherwise", []key{
		{"ignore", true, func(n ast.Node) { b.source.otherwise, _ = b.text(n, "otherwise.ignore") }},
	})
}

func (b *sourceBuilder) answers(n ast.Node) {
	for _, e := range b.elements(n) {
		a := answer{status: 200}
		b.read(b.members(e, message.New("an-answer")), message.New("an-answer"), []key{
			{"for", false, func(n ast.Node) { b.answerFor(&a, n) }},
			{"when", false, func(n ast.Node) {
				if c, ok := b.code(n, "when"); ok {
					a.when = b.inAnswer().compile(c)
				}
			}},
			{"status", false, func(n ast.Node) {
				s, _ := b.text(n, "status")
				code, err := strconv.Atoi(s)
				if err != nil || code < 100 || code > 599 {
					b.at(n.GetToken(), message.New("status", s))
				}
				a.status = code
			}},
			{"type", false, func(n ast.Node) {
				s, _ := b.text(n, "type")
				a.header = append(a.header, [2]string{"Content-Type", s})
			}},
			{"headers", false, func(n ast.Node) {
				for _, m := range b.members(n, "headers") {
					s, _ := b.text(m.value, m.key)
					a.header = append(a.header, [2]string{m.key, s})
				}
			}},
			{"each", false, func(n ast.Node) {
				if c, ok := b.code(n, "each"); ok {
					a.each = b.inAnswer().compile(c)
				}
			}},
			{"item", false, func(n ast.Node) { a.item = b.template(n, "it") }},
			{"body", false, func(n ast.Node) { a.body = b.template(n, itemsName) }},
		})
		if uses := slices.ContainsFunc(a.body, func(p piece) bool { return p.items }); uses != (a.each != nil) || (a.item != nil) != (a.each != nil) {
			b.at(tokenOf(e), message.New("answer-items"))
		}
		b.source.answers = append(b.source.answers, a)
	}
}

// inAnswer is what the expressions of an answer may refer to: what the platform
// said too, which is nothing unless the sender waited for it.
func (b *sourceBuilder) inAnswer(more ...string) *scope {
	s := b.scope
	s.lets = map[string]*Table{platformName: nil}
	for _, name := range more {
		s.lets[name] = nil
	}
	return &s
}

// itemsName is what the body of an answer calls its items.
const itemsName = "items"

func (b *sourceBuilder) answerFor(a *answer, n ast.Node) {
	for _, s := range b.texts(n, "for") {
		if !slices.Contains(outcomes, Outcome(s)) {
			var names []string
			for _, o := range outcomes {
				names = append(names, string(o))
			}
			b.at(n.GetToken(), message.New("outcome", s, hint(s, names)))
		}
		a.outcomes = append(a.outcomes, Outcome(s))
	}
}

// template splits text with ${expressions}. name is what they may use beside
// what all expressions of an answer do: the element, or the items.
func (b *sourceBuilder) template(n ast.Node, name string) (list []piece) {
	c, ok := b.code(n, "body")
	if !ok {
		return nil
	}
	rest := c.text
	for {
		text, after, found := strings.Cut(rest, "${")
		list = append(list, piece{text: text})
		if !found {
			return list
		}
		source, behind, closed := strings.Cut(after, "}")
		if !closed {
			c.problem(utf8.RuneCountInString(c.text)-utf8.RuneCountInString(after)-2, 2, message.New("answer"))
			return list
		}
		inner := c
		inner.text = source
		inner.place.Col += len([]rune(c.text[:len(c.text)-len(after)]))
		if rest = behind; name == itemsName && strings.TrimSpace(source) == itemsName {
			list = append(list, piece{items: true})
			continue
		}
		scope := b.inAnswer()
		if name == "it" {
			scope = b.inAnswer(name)
		}
		list = append(list, piece{value: scope.compile(inner)})
	}
}

func (a *answer) fits(o Outcome) bool {
	if len(a.outcomes) == 0 {
		return o != Full
	}
	return slices.Contains(a.outcomes, o)
}
