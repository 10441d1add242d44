package event

import (
	"bytes"
	"fmt"
	"unsafe"
)

// tree is a document under way that does not come as JSON: XML, fields, lines.
// Its nodes lie in one slice, so that an event costs no allocation once the
// slice has grown; node 0 is the document. Children of one name stand in one
// group, in the order of their coming, and are written as a list.
type tree struct {
	ev    *Event
	nodes []treeNode
	names map[treeKey]int32 // groups of nodes with many children
	last  map[treeKey]int32 // elements of lists with many of them
}

type treeNode struct {
	name []byte
	text []byte // what stands in it, not trimmed
	doc  []byte // or a piece of JSON
	blob int32  // or the blob of that number, less 1

	first, tail int32 // the first of each group of children: a chain by next
	next        int32
	same, end   int32 // the other members of this node's group: a chain by same
	index       int32 // in the list, where the body gives it
	groups      int32 // among the children
	size        int32 // of this node's group
	list        bool  // the group is a list even if it has one member
	own         bool  // text is memory of ours
}

type treeKey struct {
	parent, index int32
	name          string
}

// manyChildren is from where on a map finds a child sooner than a look at each.
const manyChildren = 24

// keptNodes is how many nodes are kept for the next event.
const keptNodes = 4096

func (t *tree) begin(ev *Event) *tree {
	if t.nodes == nil {
		t.nodes = make([]treeNode, 0, 64)
	}
	*t = tree{ev: ev, nodes: append(t.nodes[:0], treeNode{})}
	return t
}

func (t *tree) group(parent int32, name []byte) int32 {
	p := &t.nodes[parent]
	if p.groups > manyChildren {
		return t.names[treeKey{parent: parent, name: view(name)}]
	}
	for c := p.first; c != 0; c = t.nodes[c].next {
		if string(t.nodes[c].name) == string(name) {
			return c
		}
	}
	return 0
}

// add adds a child with a text.
func (t *tree) add(parent int32, name, text []byte) (int32, error) {
	if len(t.nodes) > MaxElements {
		return 0, &Error{t.ev.Kind, -1, fmt.Sprintf("more than %d elements, fields or cells", MaxElements)}
	}
	head := t.group(parent, name)
	c := int32(len(t.nodes))
	t.nodes = append(t.nodes, treeNode{name: name, text: text, index: -1})
	p := &t.nodes[parent]
	if head != 0 {
		h := &t.nodes[head]
		if h.same == 0 {
			h.same = c
		} else {
			t.nodes[h.end].same = c
		}
		h.end = c
		h.size++
		return c, nil
	}
	t.nodes[c].size = 1
	if p.first == 0 {
		p.first = c
	} else {
		t.nodes[p.tail].next = c
	}
	p.tail = c
	if p.groups++; p.groups > manyChildren {
		t.index(parent)
	}
	return c, nil
}

// index puts the groups of a node with many children into names.
func (t *tree) index(parent int32) {
	if t.names == nil {
		t.names = map[treeKey]int32{}
	}
	p := &t.nodes[parent]
	if p.groups > manyChildren+1 {
		t.names[treeKey{parent: parent, name: view(t.nodes[p.tail].name)}] = p.tail
		return
	}
	for c := p.first; c != 0; c = t.nodes[c].next {
		t.names[treeKey{parent: parent, name: view(t.nodes[c].name)}] = c
	}
}

// element returns the child name[index], and adds it if it is not there.
// Indexes may have gaps, which the list has not.
func (t *tree) element(parent int32, name []byte, index int32) (int32, error) {
	head := t.group(parent, name)
	if head != 0 {
		h := &t.nodes[head]
		for _, c := range []int32{h.end, head} {
			if c != 0 && t.nodes[c].index == index {
				return c, nil
			}
		}
		if h.size > manyChildren {
			if c := t.last[treeKey{parent: head, index: index}]; c != 0 {
				return c, nil
			}
		} else {
			for c := h.same; c != 0; c = t.nodes[c].same {
				if t.nodes[c].index == index {
					return c, nil
				}
			}
		}
	}
	c, err := t.add(parent, name, nil)
	if err != nil {
		return 0, err
	}
	t.nodes[c].index = index
	if head == 0 {
		t.nodes[c].list = true
		return c, nil
	}
	t.nodes[head].list = true
	if n := t.nodes[head].size; n > manyChildren {
		if t.last == nil {
			t.last = map[treeKey]int32{}
		}
		if n == manyChildren+1 {
			for e := t.nodes[head].same; e != 0; e = t.nodes[e].same {
				t.last[treeKey{parent: head, index: t.nodes[e].index}] = e
			}
		}
		t.last[treeKey{parent: head, index: index}] = c
	}
	return c, nil
}

// append adds an element to the list name: a list even if it is the only one.
func (t *tree) append(parent int32, name, text []byte) (int32, error) {
	n, err := t.add(parent, name, text)
	if err == nil {
		t.nodes[t.group(parent, name)].list = true
	}
	return n, err
}

// child returns the child of that name, and adds it if it is not there.
func (t *tree) child(parent int32, name []byte) (int32, error) {
	if c := t.group(parent, name); c != 0 {
		return c, nil
	}
	return t.add(parent, name, nil)
}

// say adds a piece of text to a node.
func (t *tree) say(n int32, text []byte) {
	switch p := &t.nodes[n]; {
	case p.text == nil:
		p.text = text
	case p.own:
		p.text = append(p.text, text...)
	default:
		p.text = append(append(make([]byte, 0, 2*(len(p.text)+len(text))), p.text...), text...)
		p.own = true
	}
}

// document writes the tree behind what skel holds already.
func (t *tree) document() ([]byte, error) {
	ev := t.ev
	from := len(ev.skel)
	dst, err := t.object(ev.skel, 0, 0)
	if err != nil {
		return nil, err
	}
	ev.skel = dst
	clear(t.nodes)
	*t = tree{nodes: t.nodes}
	return dst[from:], nil
}

func (t *tree) object(dst []byte, n int32, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, &Error{t.ev.Kind, -1, fmt.Sprintf("nested more than %d deep", MaxDepth)}
	}
	if len(dst) > 2*MaxDoc {
		return nil, &Error{t.ev.Kind, -1, fmt.Sprintf("the document has more than %d bytes after lifting", MaxDoc)}
	}
	var err error
	if c := t.nodes[n].first; c != 0 && t.nodes[n].groups == 1 && len(t.nodes[c].name) == 0 && t.nodes[c].list {
		return t.members(dst, c, depth)
	}
	dst = append(dst, '{')
	for c := t.nodes[n].first; c != 0; c = t.nodes[c].next {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, view(t.nodes[c].name)), ':')
		if dst, err = t.members(dst, c, depth); err != nil {
			return nil, err
		}
	}
	if text := bytes.TrimSpace(t.nodes[n].text); len(text) > 0 {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = t.ev.appendText(append(dst, `"#text":`...), text)
	}
	return append(dst, '}'), nil
}

// members writes the group that c is the head of: a value, or a list.
func (t *tree) members(dst []byte, c int32, depth int) (_ []byte, err error) {
	list := t.nodes[c].list || t.nodes[c].same != 0
	if list {
		dst = append(dst, '[')
	}
	for e := c; e != 0; e = t.nodes[e].same {
		if e != c {
			dst = append(dst, ',')
		}
		if dst, err = t.value(dst, e, depth+1); err != nil {
			return nil, err
		}
	}
	if list {
		dst = append(dst, ']')
	}
	return dst, nil
}

func (t *tree) value(dst []byte, n int32, depth int) ([]byte, error) {
	switch p := &t.nodes[n]; {
	case p.first != 0:
		return t.object(dst, n, depth)
	case p.blob != 0:
		dst = t.ev.appendHandle(append(dst, '"'), int(p.blob-1))
		return append(dst, '"'), nil
	case p.doc != nil:
		return append(dst, p.doc...), nil
	default:
		return t.ev.appendText(dst, bytes.TrimSpace(p.text)), nil
	}
}

// appendText appends a text as a literal, or lifts it.
func (ev *Event) appendText(dst, text []byte) []byte {
	if len(text) > LiftMin && len(ev.Blobs) < MaxBlobs {
		dst = ev.addBlob(append(dst, '"'), text, false)
		return append(dst, '"')
	}
	return AppendString(dst, view(text))
}

// view is a text without a copy of its own: it lives no longer than b.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
