package transform

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

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

// device compiles the mapping's own candidates for the device, which are
// evaluated for each element: before let, which may use what was found.
func (mf *mappingFile) device(n ast.Node, b *sourceBuilder, l *loader) {
	at := n.GetToken().Position
	if mf.m.deviceIDs != nil {
		mf.at(n.GetToken(), message.New("given-twice", "device", mf.m.deviceAt))
		return
	}
	if b.source.devices == nil {
		if _, ok := l.tables[b.table]; !ok {
			mf.at(n.GetToken(), message.New("no-device-table", b.table))
		}
		b.useDevices(n, l)
	}
	mf.m.deviceAt = Place{mf.name, at.Line, at.Column}
	mf.m.deviceIDs = []*expression{}
	for i, id := range mf.elements(n) {
		if at := id.GetToken().Position; i == 0 {
			mf.m.deviceAt = Place{mf.name, at.Line, at.Column}
		}
		c, ok := mf.code(id, "device")
		if !ok {
			continue
		}
		e := mf.scope.compile(c)
		if e.usesDevice() {
			mf.at(id.GetToken(), message.New("device-of-device"))
		}
		mf.m.deviceIDs = append(mf.m.deviceIDs, e)
	}
	if mf.m.each == nil {
		return
	}
	early := []*expression{mf.m.when}
	for _, ig := range mf.m.ignore {
		early = append(early, ig.when)
	}
	for _, l := range mf.m.each {
		early = append(early, l.value)
	}
	for _, e := range early {
		if e.usesDevice() {
			mf.add(Problem{Place: e.place, Message: message.New("device-early")})
		}
	}
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
