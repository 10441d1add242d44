package transform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"yiqiao/transform/event"
)

// Bounds of what is looked at of a sample; beyond them it is not proposed.
const (
	leavesMost   = 1000
	elementsMost = 16
)

// leaf is a place in the sample where a value stands. Of a list the elements
// are one place.
type leaf struct {
	steps  []leafStep
	values []leafValue // of the elements of its innermost list in turn
}

// leafStep is a member; list: it is a list, and the leaf stands in its
// elements; text: it is a text that holds JSON.
type leafStep struct {
	name       string
	list, text bool
}

type leafValue struct {
	text    string
	is      any // as an expression gets it
	picture int // bytes of a picture's text; 0: it is none
	element int // of the innermost list, counted over all
}

// first is the first value that says something, else the first.
func (l *leaf) first() leafValue {
	for _, v := range l.values {
		if v.text != "" || v.picture > 0 {
			return v
		}
	}
	return l.values[0]
}

func (l *leaf) name() string { return l.steps[len(l.steps)-1].name }

// called tells whether the leaf has that name, by itself or with that of the
// object it stands in: userNo, and no in user.
func (l *leaf) called(name string) bool {
	bare := collapsed(name)
	return collapsed(l.name()) == bare || len(l.steps) > 1 && collapsed(l.steps[len(l.steps)-2].name)+collapsed(l.name()) == bare
}

// lists is the number of lists that the leaf stands in.
func (l *leaf) lists() int {
	n := 0
	for _, s := range l.steps {
		if s.list {
			n++
		}
	}
	return n
}

// within tells whether the leaf stands in the elements of the list.
func (l *leaf) within(list []leafStep) bool {
	return len(l.steps) >= len(list) && slices.Equal(l.steps[:len(list)], list)
}

// innermost is the path of the list that the leaf stands in; nil: in none.
func (l *leaf) innermost() []leafStep {
	for n := len(l.steps); n > 0; n-- {
		if l.steps[n-1].list {
			return l.steps[:n]
		}
	}
	return nil
}

// tree collects the leaves of a document in their order.
type tree struct {
	event  *event.Event
	leaves []*leaf
	at     map[string]*leaf
	counts map[string]int // elements of a list so far
}

func newTree(ev *event.Event) *tree {
	t := &tree{event: ev, at: map[string]*leaf{}, counts: map[string]int{}}
	t.walk(gjson.ParseBytes(ev.Doc), nil, 0, 0)
	return t
}

func (t *tree) walk(v gjson.Result, steps []leafStep, element, depth int) {
	switch {
	case depth > event.MaxDepth || len(t.leaves) >= leavesMost:
	case v.IsObject():
		v.ForEach(func(k, v gjson.Result) bool {
			t.walk(v, append(slices.Clip(steps), leafStep{name: k.String()}), element, depth+1)
			return true
		})
	case v.IsArray():
		if len(steps) > 0 && steps[len(steps)-1].list {
			return // a list of lists
		}
		steps = slices.Clone(steps)
		if len(steps) == 0 {
			steps = append(steps, leafStep{})
		}
		steps[len(steps)-1].list = true
		key := pathKey(steps)
		n := 0
		v.ForEach(func(_, v gjson.Result) bool {
			t.walk(v, steps, t.counts[key], depth+1)
			t.counts[key]++
			n++
			return n < elementsMost
		})
	case len(steps) > 0:
		t.add(v, steps, element, depth)
	}
}

func (t *tree) add(v gjson.Result, steps []leafStep, element, depth int) {
	is, err := t.event.Value([]byte(v.Raw))
	if err != nil {
		return
	}
	if text, ok := textOf(is); ok && t.inside(text, steps, element, depth) {
		return
	}
	value := leafValue{is: is, element: element}
	switch is := is.(type) {
	case *event.Blob:
		if isPicture(is.Data) {
			value.picture = len(is.Data)
		} else {
			value.text = fmt.Sprintf("(%d characters)", len(is.Data))
		}
	case bool:
		value.text = strconv.FormatBool(is)
	case string:
		if isPicture([]byte(is)) {
			value.picture = len(is)
		} else {
			value.text = is
		}
	default:
		value.text, _ = asText(is)
	}
	key := pathKey(steps)
	l := t.at[key]
	if l == nil {
		l = &leaf{steps: steps}
		t.at[key] = l
		t.leaves = append(t.leaves, l)
	}
	l.values = append(l.values, value)
}

// textOf is a text, however long.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case *event.Blob:
		return string(v.Data), !v.Raw
	}
	return "", false
}

// inside goes into a text that holds JSON.
func (t *tree) inside(text string, steps []leafStep, element, depth int) bool {
	text = strings.TrimSpace(text)
	if len(text) <= 2 || text[0] != '{' && text[0] != '[' || !gjson.Valid(text) {
		return false
	}
	steps = slices.Clone(steps)
	steps[len(steps)-1].text = true
	t.walk(gjson.Parse(text), steps, element, depth+1)
	return true
}

func isPicture(text []byte) bool { return base64Picture(string(text[dataPrefix(text):])) }

func pathKey(steps []leafStep) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%q%v%v", s.name, s.list, s.text)
	}
	return b.String()
}

// chain is the expression for what stands behind steps of base: the first
// element of a list.
func chain(base string, steps []leafStep) string {
	for _, s := range steps {
		if s.name != "" {
			base = chainName(base, event.Step{Name: s.name})
		}
		if s.text {
			base = "json(" + base + ")"
		}
		if s.list {
			base += "[0]"
		}
	}
	return base
}

// listChain is chain for a list as a whole.
func listChain(base string, steps []leafStep) string {
	return strings.TrimSuffix(chain(base, steps), "[0]")
}
