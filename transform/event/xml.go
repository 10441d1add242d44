package event

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// xml makes of an XML body the JSON tree that a person would expect: name
// spaces are dropped, attributes are members named "@name", an element that
// repeats is a list, an element with only text is that text, an empty element
// is the empty text, text beside elements is the member "#text". The root
// element is the only member of the document: see Layout.Unwrap. All values
// are texts.
//
// What is not closed or not well-formed keeps what was read before, with a
// note; only a text that may have gone on is left out. Entities that a document declares itself are not expanded.
func (ev *Event) xml(body []byte) ([]byte, error) {
	skipped := bytes.IndexByte(body, '<')
	if skipped < 0 {
		return nil, &Error{XML, 0, "no element"}
	}
	if skipped > 0 {
		ev.note("%d bytes stand before the XML", skipped)
		body = body[skipped:]
	}
	x := xmlReader{tree: ev.tree.begin(ev), ev: ev, b: ev.charset(body, xmlEncoding(body))}
	if err := x.read(); err != nil {
		return nil, err
	}
	x.tree.nodes[0].text = nil // what stands around the root element
	return x.tree.document()
}

// xmlEncoding is the encoding that an XML declaration names.
func xmlEncoding(b []byte) string {
	if !bytes.HasPrefix(b, []byte("<?xml")) {
		return ""
	}
	declaration, _, _ := bytes.Cut(b[:min(len(b), 256)], []byte("?>"))
	label, _ := param(string(declaration), "encoding")
	return label
}

type xmlReader struct {
	tree   *tree
	ev     *Event
	b      []byte
	stack  [MaxDepth + 1]int32
	depth  int // elements that are open
	strays int // end tags that close nothing
}

// read reads all markup. Only limits are errors once an element was read.
func (x *xmlReader) read() error {
	b := x.b
	for i := 0; i < len(b); {
		lt := bytes.IndexByte(b[i:], '<')
		if lt < 0 {
			x.text(b[i:])
			break
		}
		x.text(b[i : i+lt])
		i += lt + 1
		var text string
		var err error
		switch rest := b[i:]; {
		case len(rest) == 0:
			text = "a tag is cut off"
		case rest[0] == '/':
			i, text = x.endTag(i + 1)
		case rest[0] == '!' || rest[0] == '?':
			i, text = x.special(i)
		default:
			i, text, err = x.startTag(i)
		}
		if err != nil {
			return err
		}
		if text != "" {
			if len(x.tree.nodes) == 1 {
				return &Error{XML, i, text}
			}
			x.ev.note("the XML ends too early or is broken: %s at byte %d", text, i)
			break
		}
	}
	if len(x.tree.nodes) == 1 {
		return &Error{XML, 0, "no element"}
	}
	if x.depth > 0 {
		n := &x.tree.nodes[x.stack[x.depth]]
		if n.first == 0 && n.text != nil {
			// Half a plate is worse than none.
			n.text = nil
			x.ev.note("the XML ends too early: element %.40q is cut off, and left empty", n.name)
		} else {
			x.ev.note("the XML ends too early: element %.40q is not closed", n.name)
		}
	}
	return nil
}

// text adds what stands between two tags to the innermost open element.
func (x *xmlReader) text(text []byte) {
	if x.depth > 0 && !blank(text) {
		x.tree.say(x.stack[x.depth], x.unescape(text))
	}
}

func blank(b []byte) bool {
	for _, c := range b {
		if c > ' ' {
			return false
		}
	}
	return true
}

func (x *xmlReader) endTag(i int) (int, string) {
	gt := bytes.IndexByte(x.b[i:], '>')
	if gt < 0 {
		return i, "an end tag is cut off"
	}
	name := local(bytes.TrimSpace(x.b[i : i+gt]))
	for d := x.depth; d > 0; d-- {
		if !bytes.Equal(x.tree.nodes[x.stack[d]].name, name) {
			continue
		}
		if d != x.depth {
			x.ev.note("the XML is broken: element %.40q is not closed", x.tree.nodes[x.stack[x.depth]].name)
		}
		x.depth = d - 1
		return i + gt + 1, ""
	}
	if x.strays++; x.strays <= maxNotes {
		x.ev.note("the XML is broken: end tag %.40q closes nothing", name)
	}
	return i + gt + 1, ""
}

// special skips comments, declarations and instructions, and reads CDATA.
func (x *xmlReader) special(i int) (int, string) {
	b := x.b[i:]
	for _, s := range [...]struct{ from, to string }{{"![CDATA[", "]]>"}, {"!--", "-->"}, {"?", "?>"}} {
		if !bytes.HasPrefix(b, []byte(s.from)) {
			continue
		}
		n := bytes.Index(b[len(s.from):], []byte(s.to))
		if n < 0 {
			return i, "a comment, instruction or CDATA has no end"
		}
		if s.from == "![CDATA[" && x.depth > 0 {
			x.tree.say(x.stack[x.depth], b[len(s.from):len(s.from)+n])
		}
		return i + len(s.from) + n + len(s.to), ""
	}
	depth := 0 // of [ ] in a document type
	for j, c := range b {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '>' && depth <= 0:
			return i + j + 1, ""
		}
	}
	return i, "a declaration has no end"
}

func (x *xmlReader) startTag(i int) (int, string, error) {
	name, i := x.name(i)
	if len(name) == 0 {
		return i, "want an element's name behind <", nil
	}
	if x.depth == MaxDepth {
		return i, "", &Error{XML, i, fmt.Sprintf("nested more than %d deep", MaxDepth)}
	}
	n, err := x.tree.add(x.stack[x.depth], local(name), nil)
	if err != nil {
		return i, "", err
	}
	for {
		i = x.space(i)
		switch {
		case i >= len(x.b):
			return i, "a tag is cut off", nil
		case x.b[i] == '>':
			x.depth++
			x.stack[x.depth] = n
			return i + 1, "", nil
		case x.b[i] == '/':
			if i+1 < len(x.b) && x.b[i+1] == '>' {
				return i + 2, "", nil
			}
			return i, "want > behind /", nil
		}
		var text string
		if i, text, err = x.attribute(n, i); text != "" || err != nil {
			return i, text, err
		}
	}
}

func (x *xmlReader) attribute(n int32, i int) (int, string, error) {
	name, i := x.name(i)
	if len(name) == 0 {
		return i, "want an attribute's name or >", nil
	}
	var value []byte
	if i = x.space(i); i < len(x.b) && x.b[i] == '=' {
		if i = x.space(i + 1); i >= len(x.b) {
			return i, "a tag is cut off", nil
		}
		end := -1
		switch q := x.b[i]; q {
		case '"', '\'':
			i++
			if end = bytes.IndexByte(x.b[i:], q); end < 0 {
				return i, "an attribute's value has no end", nil
			}
			value, end = x.b[i:i+end], i+end+1
		default:
			_, end = x.name(i)
			value = x.b[i:end]
		}
		i = end
	}
	if string(name) == "xmlns" || bytes.HasPrefix(name, []byte("xmlns:")) {
		return i, "", nil
	}
	from := len(x.ev.arena)
	x.ev.arena = append(append(x.ev.arena, '@'), local(name)...)
	at := len(x.ev.arena)
	_, err := x.tree.add(n, x.ev.arena[from:at:at], x.unescape(value))
	return i, "", err
}

func (x *xmlReader) space(i int) int {
	for i < len(x.b) && x.b[i] <= ' ' {
		i++
	}
	return i
}

// name reads up to what ends a name in a tag.
func (x *xmlReader) name(i int) (name []byte, end int) {
	from := i
	for ; i < len(x.b); i++ {
		if c := x.b[i]; c <= ' ' || c == '>' || c == '/' || c == '=' || c == '<' || c == '"' || c == '\'' {
			break
		}
	}
	return x.b[from:i], i
}

// local is a name without the prefix of its name space.
func local(name []byte) []byte {
	if i := bytes.LastIndexByte(name, ':'); i >= 0 && i+1 < len(name) {
		return name[i+1:]
	}
	return name
}

// unescape replaces the entities of XML and character references; others stay.
func (x *xmlReader) unescape(text []byte) []byte {
	amp := bytes.IndexByte(text, '&')
	if amp < 0 {
		return text
	}
	from := len(x.ev.arena)
	dst := x.ev.arena
	for amp >= 0 {
		dst = append(dst, text[:amp]...)
		text = text[amp:]
		end := bytes.IndexByte(text[:min(len(text), 12)], ';')
		r := rune(-1)
		if end > 0 {
			r = entity(text[1:end])
		}
		if r < 0 {
			dst, text = append(dst, '&'), text[1:]
		} else {
			dst, text = utf8.AppendRune(dst, r), text[end+1:]
		}
		amp = bytes.IndexByte(text, '&')
	}
	dst = append(dst, text...)
	x.ev.arena = dst
	return dst[from:len(dst):len(dst)]
}

func entity(name []byte) rune {
	switch string(name) {
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "amp":
		return '&'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	if len(name) < 2 || name[0] != '#' {
		return -1
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(string(digits), base, 21)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return -1
	}
	return rune(n)
}
