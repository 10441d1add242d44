package event

import (
	"bytes"
	"slices"
	"strconv"
	"unsafe"
)

// Paths is a set of member chains (event.a.b[0].c) that one walk over a
// document fills. It is built when rules are compiled and then only read.
type Paths struct {
	root  node
	count int
}

// Step is one step of a chain: a member's name, or an index into a list.
type Step struct {
	Name  string
	Index int // used when List
	List  bool
}

type node struct {
	slots []slot
	edges []edge
	names map[string]int // of edges, where they are many
}

// manyEdges is from where on a map finds a name sooner than a look at each.
const manyEdges = 16

type edge struct {
	step Step
	to   *node
}

type slot struct {
	n   int
	raw bool
}

// Raw is the text of a value inside the document; it holds handles, not blobs.
type Raw []byte

// Add adds a chain and returns the number of its slot. raw: the slot gets the
// value's text (Raw) instead of the value.
func (p *Paths) Add(steps []Step, raw bool) int {
	n := &p.root
	for _, s := range steps {
		n = n.child(s)
	}
	for _, s := range n.slots {
		if s.raw == raw {
			return s.n
		}
	}
	n.slots = append(n.slots, slot{p.count, raw})
	p.count++
	return p.count - 1
}

// Find is Add for paths that may be in use: it only looks.
func (p *Paths) Find(steps []Step, raw bool) (slot int, ok bool) {
	n := &p.root
	for _, s := range steps {
		i := slices.IndexFunc(n.edges, func(e edge) bool { return e.step == s })
		if i < 0 {
			return 0, false
		}
		n = n.edges[i].to
	}
	for _, s := range n.slots {
		if s.raw == raw {
			return s.n, true
		}
	}
	return 0, false
}

// Len is the number of slots.
func (p *Paths) Len() int { return p.count }

func (n *node) child(s Step) *node {
	for i := range n.edges {
		if n.edges[i].step == s {
			return n.edges[i].to
		}
	}
	n.edges = append(n.edges, edge{s, new(node)})
	if len(n.edges) == manyEdges {
		n.names = map[string]int{}
		for k := range n.edges {
			n.name(k)
		}
	} else if n.names != nil {
		n.name(len(n.edges) - 1)
	}
	return n.edges[len(n.edges)-1].to
}

// name puts an edge into names.
func (n *node) name(k int) {
	if s := &n.edges[k].step; !s.List {
		n.names[s.Name] = k
	}
}

// Fill walks the document once: it proves that it is well-formed JSON and puts
// the value of each chain into its slot of out (len p.Len()), nil where the
// chain leads nowhere or to null. Of members with one name the first counts.
//
// Values are nil, bool, string, int, float64, *Blob, []any and map[string]any;
// a number that neither int nor float64 holds exactly is its text. A string
// may share memory with the document and lives no longer than it; the values
// are good until the next Fill.
func (ev *Event) Fill(p *Paths, out []any) error {
	clear(out)
	ev.texts = ev.texts[:0]
	return ev.fill(ev.Doc, p, out)
}

// FillRaw is Fill for a value of the document that a raw slot gave.
func (ev *Event) FillRaw(raw Raw, p *Paths, out []any) error {
	clear(out)
	return ev.fill(raw, p, out)
}

func (ev *Event) fill(doc []byte, p *Paths, out []any) error {
	w := walker{ev: ev, b: doc, out: out}
	i, err := w.value(w.space(0), 0, &p.root)
	if err == "" {
		if i = w.space(i); i == len(doc) {
			return nil
		}
		err = "text behind the end of the document"
	}
	return &Error{ev.Kind, i, err}
}

// Value returns the Go value of a piece of the document.
func (ev *Event) Value(raw []byte) (any, error) {
	var out [1]any
	p := Paths{root: node{slots: []slot{{0, false}}}, count: 1}
	err := ev.fill(raw, &p, out[:])
	return out[0], err
}

// Elements calls yield with the text of each element of a list, or once with
// the whole of anything else; nothing for null.
func Elements(raw Raw, yield func(Raw) bool) {
	w := walker{b: raw}
	i := w.space(0)
	if i >= len(raw) || string(raw[i:]) == "null" {
		return
	}
	if raw[i] != '[' {
		yield(raw)
		return
	}
	for i = w.space(i + 1); i < len(raw) && raw[i] != ']'; {
		end, err := w.value(i, 0, nil)
		if err != "" || !yield(raw[i:end]) {
			return
		}
		if i = w.space(end); i < len(raw) && raw[i] == ',' {
			i = w.space(i + 1)
		}
	}
}

// member returns the text of the object that member name of doc is, or nil.
func member(doc []byte, name string) []byte {
	var p Paths
	p.Add([]Step{{Name: name}}, true)
	var out [1]any
	w := walker{ev: &Event{}, b: doc, out: out[:]}
	if _, err := w.value(w.space(0), 0, &p.root); err != "" {
		return nil
	}
	if raw, ok := out[0].(Raw); ok && len(raw) > 0 && raw[0] == '{' {
		return raw
	}
	return nil
}

// A walker reads JSON text strictly as encoding/json does. Its methods take
// and return positions; an error is a non-empty text, at the position returned.
type walker struct {
	ev  *Event
	b   []byte
	out []any
}

func (w *walker) space(i int) int {
	for i < len(w.b) && (w.b[i] == ' ' || w.b[i] == '\n' || w.b[i] == '\t' || w.b[i] == '\r') {
		i++
	}
	return i
}

// value reads the value at i and fills the slots of n and below (n may be nil).
func (w *walker) value(i, depth int, n *node) (end int, err string) {
	if i >= len(w.b) {
		return i, "the document ends too early"
	}
	if depth > MaxDepth {
		return i, "nested too deeply"
	}
	switch c := w.b[i]; {
	case c == '{':
		end, err = w.object(i, depth, n)
	case c == '[':
		end, err = w.list(i, depth, n)
	default:
		end, err = w.scalar(i)
	}
	if err != "" || n == nil {
		return end, err
	}
	for _, s := range n.slots {
		if w.out[s.n] != nil {
			continue
		}
		if s.raw {
			w.out[s.n] = Raw(w.b[i:end:end])
		} else {
			w.out[s.n], _ = w.goValue(i)
		}
	}
	return end, ""
}

func (w *walker) object(i, depth int, n *node) (int, string) {
	var seen [4]uint64 // edges taken: of members with one name the first counts
	i = w.space(i + 1)
	if i < len(w.b) && w.b[i] == '}' {
		return i + 1, ""
	}
	for {
		if i >= len(w.b) || w.b[i] != '"' {
			return i, "want a member's name"
		}
		end, err := w.str(i)
		if err != "" {
			return end, err
		}
		var next *node
		if n != nil && len(n.edges) > 0 {
			k := n.member(w.b[i+1 : end-1])
			switch at, bit := k>>6, uint64(1)<<(k&63); {
			case k < 0:
			case at >= len(seen): // of these the first that is not null counts
				next = n.edges[k].to
			case seen[at]&bit == 0:
				seen[at] |= bit
				next = n.edges[k].to
			}
		}
		if i = w.space(end); i >= len(w.b) || w.b[i] != ':' {
			return i, "want ':' behind a member's name"
		}
		if end, err = w.value(w.space(i+1), depth+1, next); err != "" {
			return end, err
		}
		if i = w.space(end); i >= len(w.b) {
			return i, "the object has no end"
		}
		switch w.b[i] {
		case '}':
			return i + 1, ""
		case ',':
			i = w.space(i + 1)
		default:
			return i, "want ',' or '}' behind a member"
		}
	}
}

func (w *walker) list(i, depth int, n *node) (int, string) {
	i = w.space(i + 1)
	if i < len(w.b) && w.b[i] == ']' {
		return i + 1, ""
	}
	for k := 0; ; k++ {
		end, err := w.value(i, depth+1, n.element(k))
		if err != "" {
			return end, err
		}
		if i = w.space(end); i >= len(w.b) {
			return i, "the list has no end"
		}
		switch w.b[i] {
		case ']':
			return i + 1, ""
		case ',':
			i = w.space(i + 1)
		default:
			return i, "want ',' or ']' behind an element"
		}
	}
}

func (n *node) member(name []byte) int {
	escaped := bytes.IndexByte(name, '\\') >= 0
	if n.names != nil && !escaped {
		if k, ok := n.names[string(name)]; ok {
			return k
		}
		return -1
	}
	for k := range n.edges {
		s := &n.edges[k].step
		if s.List {
			continue
		}
		if string(name) == s.Name {
			return k
		}
		if escaped {
			if text, err := appendUnescaped(nil, name); err == nil && string(text) == s.Name {
				return k
			}
		}
	}
	return -1
}

func (n *node) element(k int) *node {
	if n == nil {
		return nil
	}
	for i := range n.edges {
		if s := &n.edges[i].step; s.List && s.Index == k {
			return n.edges[i].to
		}
	}
	return nil
}

// str reads the literal whose opening quote is at i; end is behind its closing
// quote. Escapes and control characters are checked.
func (w *walker) str(i int) (end int, err string) {
	b := w.b
	for j := i + 1; j < len(b); j++ {
		switch c := b[j]; {
		case c == '"':
			return j + 1, ""
		case c == '\\':
			j++
			if j >= len(b) {
				return i, "this string has no end"
			}
			switch b[j] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(b[j+1:]); !ok {
					return j, `\u wants four hexadecimal digits`
				}
				j += 4
			default:
				return j, "unknown escape in a string"
			}
		case c < ' ':
			return j, "control character in a string"
		}
	}
	return i, "this string has no end"
}

func (w *walker) scalar(i int) (end int, err string) {
	switch w.b[i] {
	case '"':
		return w.str(i)
	case 't':
		return w.word(i, "true")
	case 'f':
		return w.word(i, "false")
	case 'n':
		return w.word(i, "null")
	}
	return w.number(i)
}

func (w *walker) word(i int, word string) (int, string) {
	if len(w.b)-i < len(word) || string(w.b[i:i+len(word)]) != word {
		return i, "want a value"
	}
	return i + len(word), ""
}

func (w *walker) number(i int) (int, string) {
	j := i
	if j < len(w.b) && w.b[j] == '-' {
		j++
	}
	switch {
	case j < len(w.b) && w.b[j] == '0':
		j++
	case j < len(w.b) && '1' <= w.b[j] && w.b[j] <= '9':
		j = w.digits(j)
	default:
		return i, "want a value"
	}
	if j < len(w.b) && w.b[j] == '.' {
		if k := w.digits(j + 1); k > j+1 {
			j = k
		} else {
			return j, "want digits behind the point"
		}
	}
	if j < len(w.b) && (w.b[j] == 'e' || w.b[j] == 'E') {
		k := j + 1
		if k < len(w.b) && (w.b[k] == '+' || w.b[k] == '-') {
			k++
		}
		if j = w.digits(k); j == k {
			return j, "want digits in the exponent"
		}
	}
	return j, ""
}

func (w *walker) digits(i int) int {
	for i < len(w.b) && '0' <= w.b[i] && w.b[i] <= '9' {
		i++
	}
	return i
}

// goValue makes the Go value of the (already checked) value at i; end is
// behind it.
func (w *walker) goValue(i int) (v any, end int) {
	switch w.b[i] {
	case '{':
		return w.goObject(i)
	case '[':
		return w.goList(i)
	case '"':
		end, _ = w.str(i)
		s := text(w.b[i+1 : end-1])
		if b := w.ev.blob(s); b != nil {
			return b, end
		}
		return w.ev.box(s), end
	case 't':
		return true, i + len("true")
	case 'f':
		return false, i + len("false")
	case 'n':
		return nil, i + len("null")
	}
	end, _ = w.number(i)
	return number(w.b[i:end]), end
}

// box is any(s) without an allocation of its own: the headers of an event's
// texts stand together, and live until the next Fill.
func (ev *Event) box(s string) any {
	if len(ev.texts) == cap(ev.texts) {
		ev.texts = make([]string, 0, max(32, min(4096, 2*cap(ev.texts)))) // those before keep the old one
	}
	ev.texts = append(ev.texts, s)
	v := any("")
	(*struct{ kind, data unsafe.Pointer })(unsafe.Pointer(&v)).data = unsafe.Pointer(&ev.texts[len(ev.texts)-1])
	return v
}

func (w *walker) goObject(i int) (any, int) {
	m := map[string]any{}
	for i = w.space(i + 1); w.b[i] != '}'; {
		end, _ := w.str(i)
		name := text(w.b[i+1 : end-1])
		v, end := w.goValue(w.space(w.space(end) + 1)) // behind the colon
		if _, ok := m[name]; !ok {
			m[name] = v
		}
		if i = w.space(end); w.b[i] == ',' {
			i = w.space(i + 1)
		}
	}
	return m, i + 1
}

func (w *walker) goList(i int) (any, int) {
	l := []any{}
	for i = w.space(i + 1); w.b[i] != ']'; {
		v, end := w.goValue(i)
		l = append(l, v)
		if i = w.space(end); w.b[i] == ',' {
			i = w.space(i + 1)
		}
	}
	return l, i + 1
}

// text is the text of a checked literal; without an escape it shares its memory.
func text(lit []byte) string {
	if len(lit) == 0 {
		return ""
	}
	if bytes.IndexByte(lit, '\\') < 0 {
		return unsafe.String(&lit[0], len(lit))
	}
	b, _ := appendUnescaped(nil, lit)
	return string(b)
}

// number keeps a number's value exactly: an int or a float64 where that prints
// as the same number, else its text (25-digit ids are common).
func number(b []byte) any {
	if len(b) <= 19 {
		if n, err := strconv.ParseInt(text(b), 10, 64); err == nil {
			return int(n)
		}
	}
	if bytes.ContainsAny(b, ".eE") && len(b) <= 17 {
		if f, err := strconv.ParseFloat(text(b), 64); err == nil {
			return f
		}
	}
	return string(b)
}
