package transform

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// Mark stands where a person has to say what yiqiao could not guess. A file
// that holds one loads with a problem at its place.
const Mark = "???"

// Sample is what a mapping is proposed from.
type Sample struct {
	Name string // tells how to read it: sample.http, sample.xml
	Data []byte // as Replace left it: it is quoted in the proposal

	Vendor, To string // hikvision; stk/zpjl
	Catalogue  *spec.Catalogue
	Tables     []*Table
	// Source is the source.yaml that is there already; nil: one is proposed.
	Source []byte
}

// Proposal is a first version of a mapping, and of its source if there was
// none.
type Proposal struct {
	Source, Mapping []byte
	Guesses         []Guess
	// Posted is where the sample was posted to, without a path if it does not
	// say. Unheard: the source that is there does not listen at it.
	Posted  Route
	Unheard bool
}

// Guess is what is proposed for one field.
type Guess struct {
	Field *spec.Field
	Expr  string // Mark: nothing was found
	Why   string // in Chinese, as it stands in the file
}

// Open are the fields that wait for a person.
func (p *Proposal) Open() []*spec.Field {
	var open []*spec.Field
	for i := range p.Guesses {
		if p.Guesses[i].Expr == Mark {
			open = append(open, p.Guesses[i].Field)
		}
	}
	return open
}

// Propose reads a sample and proposes how to map it. It never fails for what
// it cannot guess, only for a sample that cannot be read.
func Propose(s Sample) (*Proposal, error) {
	p := &proposer{sample: s, to: s.Catalogue.Interface(s.To), out: &Proposal{}, used: map[*leaf]bool{}}
	if p.to == nil {
		return nil, NoInterface(s.To, s.Catalogue)
	}
	if err := p.read(); err != nil {
		return nil, err
	}
	p.tables()
	p.tree = newTree(p.event)
	p.choose()
	p.out.Mapping = p.mappingFile()
	if s.Source == nil {
		p.out.Source = p.sourceFile()
	}
	return p.out, nil
}

type proposer struct {
	sample Sample
	to     *spec.Interface
	out    *Proposal
	event  *event.Event
	tree   *tree
	layout event.Layout

	devices, people *Table

	each     []leafStep // the list that the mapping goes through; nil: none
	outer    bool       // each is a list in a list whose elements hold something else too
	picked   map[string]*leaf
	pictures []pictureAt
	way      [][2]string // an inline table of ways: value → code
	wayNote  string
	used     map[*leaf]bool
}

// read decodes the sample as the source would.
func (p *proposer) read() error {
	q, body, err := ReadInput(p.sample.Name, p.sample.Data)
	if err != nil {
		return err
	}
	if p.sample.Source != nil {
		s := p.existing()
		p.layout = s.layout
		if q.Path != "" {
			found, params, ok := (&Rules{Sources: []*Source{s}}).Match(q.Method, q.Path)
			p.out.Unheard = found == nil || !ok
			q.Params = params
		}
	}
	p.out.Posted = Route{q.Method, q.Path}
	ev := &event.Event{Request: q}
	if err := event.NewDecoder().Decode(ev, q.ContentType, body, p.layout); err != nil {
		return err
	}
	if ev.Kind == event.JSON && !strings.ContainsAny(string(ev.Doc[:1]), "{[") {
		return message.New("no-known-body", string(ev.Doc[:min(len(ev.Doc), 24)]))
	}
	if p.sample.Source == nil && ev.Kind != event.JSON {
		if root, ok := onlyMember(ev.Doc); ok && isXML(ev) {
			p.layout.Unwrap = []string{root}
			_ = event.NewDecoder().Decode(ev, q.ContentType, body, p.layout) // it was well before
		}
	}
	if _, err := ev.Value(ev.Doc); err != nil {
		return err
	}
	p.event = ev
	return nil
}

// existing compiles the source that is there as far as it can be.
func (p *proposer) existing() *Source {
	l := &loader{catalogue: p.sample.Catalogue, tables: map[string]*Table{}, zone: time.FixedZone("+08:00", 8*3600)}
	for _, t := range p.sample.Tables {
		l.tables[t.Name] = t
	}
	return l.compileSource(p.sample.Vendor, "source.yaml", p.sample.Source).source
}

// isXML tells whether the document is, or was in its part, XML: there all
// values are texts. A JSON document like that loses its root as well.
func isXML(ev *event.Event) bool {
	return ev.Kind == event.XML || ev.Kind == event.Multipart && allTexts(gjson.ParseBytes(ev.Doc))
}

func allTexts(v gjson.Result) bool {
	ok := true
	v.ForEach(func(_, v gjson.Result) bool {
		ok = v.Type == gjson.String || v.Type == gjson.JSON && allTexts(v)
		return ok
	})
	return ok
}

func onlyMember(doc []byte) (name string, ok bool) {
	n := 0
	root := gjson.ParseBytes(doc)
	if !root.IsObject() {
		return "", false
	}
	root.ForEach(func(k, v gjson.Result) bool {
		n++
		name, ok = k.String(), v.IsObject()
		return n < 2
	})
	return name, ok && n == 1
}

// tables finds the site's tables of devices and people.
func (p *proposer) tables() {
	for _, t := range p.sample.Tables {
		switch {
		case t.Name == "devices":
			p.devices = t
		case t.Name == "people" && !t.lacks("zjhm"):
			p.people = t
		}
	}
}

// choose picks a leaf for each field, then the list that most of them stand
// in, and writes the expressions.
func (p *proposer) choose() {
	p.picked = map[string]*leaf{}
	for i := range p.to.Fields {
		f := &p.to.Fields[i]
		if l := p.pick(f); l != nil {
			p.picked[f.Name] = l
		}
	}
	p.findPictures()
	p.chooseList()
	for i := range p.to.Fields {
		f := &p.to.Fields[i]
		expr, why := p.guess(f)
		if expr != "" || f.Need == spec.Required {
			if expr == "" {
				expr = Mark
			}
			if strings.Contains(expr, "[0]") {
				why += "；列表里只取第一个"
			}
			p.out.Guesses = append(p.out.Guesses, Guess{f, expr, why})
		}
	}
}

// chooseList decides what `each` is: the list of the time, else of what else
// was picked, else of the pictures.
func (p *proposer) chooseList() {
	var candidates []*leaf
	for _, name := range []string{"accessTime", "snapTime", "carNo", "isOnLine", "zpjbm", "deviceID", "snapNo"} {
		if l := p.picked[name]; l != nil {
			candidates = append(candidates, l)
		}
	}
	for i := range p.pictures {
		if l := p.pictures[i].leaf; l != nil && !p.pictures[i].inList {
			candidates = append(candidates, l)
		}
	}
	for _, l := range candidates {
		if list := l.innermost(); list != nil {
			p.each = list
			break
		}
	}
	if p.outerList() == nil {
		return
	}
	for _, l := range p.tree.leaves {
		p.outer = p.outer || !l.within(p.each) && l.within(p.outerList())
	}
}

// outerList is the list around each; nil: there is none.
func (p *proposer) outerList() []leafStep {
	if p.each == nil {
		return nil
	}
	return (&leaf{steps: p.each[:len(p.each)-1]}).innermost()
}

// eachText is the expression of each.
func (p *proposer) eachText() string {
	outer := p.outerList()
	if outer == nil {
		return listChain("event", p.each)
	}
	inner := listChain("#", p.each[len(outer):])
	if p.outer {
		return fmt.Sprintf("flatten(map(%s, let outer = #; map(%s, ({inner: #, outer: outer}))))", listChain("event", outer), inner)
	}
	return fmt.Sprintf("flatten(map(%s, %s))", listChain("event", outer), inner)
}

// at is the expression for a leaf from where the mapping stands.
func (p *proposer) at(l *leaf) string { return p.place(l.steps) }

func (p *proposer) place(steps []leafStep) string {
	l := leaf{steps: steps}
	outer := p.outerList()
	switch {
	case p.each != nil && l.within(p.each) && p.outer:
		return chain("it.inner", steps[len(p.each):])
	case p.each != nil && l.within(p.each):
		return chain("it", steps[len(p.each):])
	case outer != nil && p.outer && l.within(outer):
		return chain("it.outer", steps[len(outer):])
	}
	return chain("event", steps)
}

// NoInterface says that the standard has no interface of a name, and what was
// probably meant.
func NoInterface(name string, c *spec.Catalogue) message.Message {
	return message.New("no-interface", name, hint(name, c.Names()))
}
