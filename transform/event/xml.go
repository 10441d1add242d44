package event

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// xml makes of an XML body the JSON tree that a person would expect: name
// spaces are dropped, attributes are members named "@name", an element that
// repeats is a list, an element with only text is that text, an empty element
// is the empty text. The root element is the only member of the document: see
// unwrap in Decode. All values are texts.
//
// Elements that are never closed keep what was read, and Note says so.
func (ev *Event) xml(body []byte) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		enc, err := htmlindex.Get(label)
		if err != nil {
			return nil, fmt.Errorf("unknown encoding %q", label)
		}
		return enc.NewDecoder().Reader(in), nil
	}
	root := element{}
	if err := root.read(d); err != nil {
		if len(root.children) == 0 {
			return &Error{XML, int(d.InputOffset()), strings.TrimPrefix(err.Error(), "XML syntax error on ")}
		}
		ev.Note = "the XML ends too early or is broken: " + strings.TrimPrefix(err.Error(), "XML syntax error on ")
	}
	if len(root.children) == 0 {
		return &Error{XML, 0, "no element"}
	}
	root.text.Reset()
	ev.skel = ev.appendElement(ev.skel[:0], &root)
	ev.Doc = ev.skel
	return nil
}

type element struct {
	name     string
	text     bytes.Buffer
	children []*element
}

// read reads tokens until its input ends.
func (root *element) read(d *xml.Decoder) error {
	stack := []*element{root}
	for count := 0; ; count++ {
		tok, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		top := stack[len(stack)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			if len(stack) > MaxDepth {
				return fmt.Errorf("nested too deeply")
			}
			e := &element{name: t.Name.Local}
			for _, a := range t.Attr {
				if a.Name.Local == "xmlns" || a.Name.Space == "xmlns" {
					continue
				}
				attr := &element{name: "@" + a.Name.Local}
				attr.text.WriteString(a.Value)
				e.children = append(e.children, attr)
			}
			top.children = append(top.children, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text.Write(t)
		}
	}
}

func (ev *Event) appendElement(dst []byte, e *element) []byte {
	text := bytes.TrimSpace(e.text.Bytes())
	if len(e.children) == 0 {
		return ev.appendText(dst, text)
	}
	dst = append(dst, '{')
	groups := map[string][]*element{}
	for _, c := range e.children {
		groups[c.name] = append(groups[c.name], c)
	}
	for _, c := range e.children {
		group := groups[c.name]
		if group == nil {
			continue // written with the first of its name
		}
		delete(groups, c.name)
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, c.name)
		dst = append(dst, ':')
		if len(group) == 1 {
			dst = ev.appendElement(dst, c)
			continue
		}
		for i, g := range group {
			dst = append(dst, "[,"[min(i, 1)])
			dst = ev.appendElement(dst, g)
		}
		dst = append(dst, ']')
	}
	if len(text) > 0 {
		dst = append(dst, `,"#text":`...)
		dst = ev.appendText(dst, text)
	}
	return append(dst, '}')
}

func (ev *Event) appendText(dst, text []byte) []byte {
	if len(text) > LiftMin && len(ev.Blobs) < MaxBlobs {
		dst = append(dst, '"')
		dst = ev.addBlob(dst, bytes.Clone(text), false)
		return append(dst, '"')
	}
	return AppendString(dst, string(text))
}
