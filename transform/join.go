package transform

import (
	"bytes"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// A picture may follow its event in a request of its own. Two mappings with
// one join key make one record of them: that of the event writes
// later("photo") where the picture belongs, that of the picture has
// join.pictures in the place of a record. Whichever comes first is durable and
// waits for the other.
type joinRule struct {
	key      *expression
	wait     time.Duration
	pictures []let // that this request brings; none: the record waits for them
	send     bool  // when the time is over the record goes without them
}

// Brought are pictures that a request brings for the record of another one.
type Brought struct {
	Mapping *Mapping
	Key     string // by which they find it, within the source
	// Pictures has no interface: a document with a member for each picture.
	Pictures Record
}

// JoinWait is for how long one half of a join waits for the other.
func (m *Mapping) JoinWait() time.Duration { return m.join.wait }

// SendLate tells whether a record whose pictures have not come in time goes
// without them, if the standard lets it.
func (m *Mapping) SendLate() bool { return m.join.send }

// What late of join may be.
var lateChoices = []string{"dead", "send"}

// What wait of join may be.
const (
	minJoinWait = time.Second
	maxJoinWait = time.Hour
)

func (mf *mappingFile) join(n ast.Node) {
	j := new(joinRule)
	mf.file.read(mf.members(n, "join"), "join", []key{
		{"key", true, func(n ast.Node) { j.key = mf.expression(n, "join.key") }},
		{"wait", true, func(n ast.Node) {
			text, _ := mf.text(n, "join.wait")
			d, err := time.ParseDuration(text)
			if err != nil || d < minJoinWait || d > maxJoinWait {
				mf.at(n.GetToken(), message.New("join-wait", text))
				return
			}
			j.wait = d
		}},
		{"late", false, func(n ast.Node) {
			text, _ := mf.text(n, "join.late")
			if j.send = text == "send"; !slices.Contains(lateChoices, text) {
				mf.at(n.GetToken(), message.New("join-late", text))
			}
		}},
		{"pictures", false, func(n ast.Node) {
			for _, p := range mf.members(n, "join.pictures") {
				j.pictures = append(j.pictures, let{p.key, mf.expression(p.value, "join.pictures."+p.key)})
			}
			if len(mf.parts["record"]) > 0 {
				mf.at(n.GetToken(), message.New("join-both"))
			}
		}},
	})
	if len(j.pictures) == 0 && len(mf.parts["record"]) == 0 {
		mf.at(n.GetToken(), message.New("join-neither"))
	}
	mf.m.join = j
}

// laterNeedsJoin tells of later(…) in a mapping that says not for what it
// waits.
func (mf *mappingFile) laterNeedsJoin() {
	if e := mf.m.calls("later"); e != nil && mf.m.join == nil {
		mf.add(Problem{Place: e.place, Message: message.New("later-without-join")})
	}
}

// calls is an expression of the record, or of let, that calls a function; nil:
// none does.
func (m *Mapping) calls(name string) *expression {
	call := regexp.MustCompile(`\b` + name + `\s*\(`)
	for _, l := range m.lets {
		if l.value != nil && call.MatchString(l.value.text) {
			return l.value
		}
	}
	for _, f := range m.fields {
		if f.value != nil && call.MatchString(f.value.text) {
			return f.value
		}
	}
	return nil
}

// Fetches tells whether the mapping has pictures fetched.
func (m *Mapping) Fetches() bool { return m.calls("fetch") != nil }

// bring appends the pictures that a request brings to the result.
func (r *run) bring(m *Mapping, res *Result) error {
	key, err := r.joinKey(m)
	if err != nil {
		return err
	}
	b := Brought{Mapping: m, Key: key}
	doc := []byte{'{'}
	for _, p := range m.join.pictures {
		v, err := r.eval(p.value)
		if r.trace != nil {
			r.tell(Step{What: "brings", Verdict: gave(v, err), Name: p.name, Err: err}, p.value, v, nil)
		}
		var u *unmade
		if err == nil {
			u, err = toEdit(r, v)
		}
		if err != nil {
			return message.New("value-of", p.name, err)
		}
		if u == nil {
			continue
		}
		doc = append(appendName(doc, p.name), '"')
		hole := Hole{At: len(doc), Recipe: &u.recipe}
		u.recipe.Field = p.name
		if u.blob != nil {
			hole.Blob = *u.blob
		}
		b.Pictures.Holes = append(b.Pictures.Holes, hole)
		doc = append(doc, '"')
	}
	if len(b.Pictures.Holes) == 0 {
		return message.New("join-empty", m.place)
	}
	b.Pictures.Doc = append(doc, '}')
	res.Brought = append(res.Brought, b)
	return nil
}

// joinKey is what the event and its pictures have in common.
func (r *run) joinKey(m *Mapping) (string, error) {
	if m.join == nil {
		return "", message.New("later-without-join")
	}
	v, err := r.eval(m.join.key)
	if r.trace != nil {
		r.tell(Step{What: "join", Verdict: gave(v, err), Name: "key", Err: err}, m.join.key, v, nil)
	}
	if err != nil {
		return "", message.New("value-of", "join.key", err)
	}
	key, ok := asText(v)
	if !ok || key == "" {
		return "", message.New("value-of", "join.key", want("a-join-key", v))
	}
	return key, nil
}

// waits notes for what a record waits, if it does.
func (r *run) waits(m *Mapping, rec *Record) (err error) {
	for i := range rec.Holes {
		if rc := rec.Holes[i].Recipe; rc != nil && rc.Later != "" {
			rec.Join, err = r.joinKey(m)
			return err
		}
	}
	return nil
}

func laterFunc(_ *run, args []any) (any, error) {
	name, ok := args[0].(string)
	if !ok || !isName(name) {
		return nil, want("a-name", args[0])
	}
	return &unmade{recipe: Recipe{Later: name}}, nil
}

// Later tells whether a picture of the record comes in a request of its own.
func (r *Record) Later() bool {
	for i := range r.Holes {
		if rc := r.Holes[i].Recipe; rc != nil && rc.Later != "" {
			return true
		}
	}
	return false
}

// Take puts the pictures that another request brought into the record: each
// hole that waits for one of their names. What is not among them stays.
func (r *Record) Take(pictures *Record) (taken bool) {
	for i := range r.Holes {
		hole := &r.Holes[i]
		if hole.Recipe == nil || hole.Recipe.Later == "" {
			continue
		}
		for n := range pictures.Holes {
			brought := &pictures.Holes[n]
			if brought.Recipe == nil || brought.Recipe.Field != hole.Recipe.Later {
				continue
			}
			rc := *hole.Recipe
			rc.Later, rc.URL, rc.Expires = "", brought.Recipe.URL, brought.Recipe.Expires
			rc.Edits = append(append([]Edit{}, brought.Recipe.Edits...), rc.Edits...)
			hole.Recipe, hole.Blob = &rc, event.Blob{Data: brought.Blob.Data, Raw: brought.Blob.Raw}
			taken = true
		}
	}
	return taken
}

// Without takes the fields out of the record whose pictures did not come, and
// tells what is wrong with it then. Pictures that have yet to be made count as
// there. What the record shared with others stays as it is.
func (r *Record) Without(i *spec.Interface) []spec.Violation {
	kept := r.Holes[:0:0]
	gone := 0
	for _, hole := range r.Holes {
		hole.At -= gone
		if hole.Recipe == nil || hole.Recipe.Later == "" {
			kept = append(kept, hole)
			continue
		}
		from, to := hole.At-len(hole.Recipe.Field)-len(`"":"`), hole.At+1
		if r.Doc[from-1] == ',' {
			from--
		} else if r.Doc[to] == ',' {
			to++
		}
		r.Doc = slices.Delete(slices.Clone(r.Doc), from, to)
		gone += to - from
	}
	r.Holes = kept
	values, found := i.Values(r.Doc)
	for _, hole := range r.Holes {
		for n := range i.Fields {
			if f := &i.Fields[n]; bytes.HasSuffix(r.Doc[:hole.At], []byte(`"`+f.Name+`":"`)) {
				values[n] = spec.Value{Kind: spec.Picture, Promised: true}
			}
		}
	}
	found = i.Check(values, found)
	return slices.DeleteFunc(found, func(v spec.Violation) bool { return v.Severity != spec.Error })
}
