package event

import (
	"bytes"
	"fmt"
)

// form makes an object of a=1&b=2, percent-encoded. A field that repeats is a
// list, and a field that holds JSON or XML is that document. What JSON that
// nobody encoded holds of & and = does not end its field.
func (ev *Event) form(body []byte) ([]byte, error) {
	if i := bytes.IndexByte(body, '='); (i < 0 || i == len(body)-1) && bytes.HasPrefix(body, []byte("%7")) {
		// The whole body is one document that was taken for a field's name.
		doc, err := ev.json(ev.utf8(ev.percent(bytes.TrimSuffix(body, []byte("=")))))
		if err == nil && !ev.whole(doc) {
			err = &Error{Form, -1, "the body is one JSON document, percent-encoded, and cut off or broken"}
		}
		return doc, err
	}
	fields, err := ev.formFields(body)
	if err != nil {
		return nil, err
	}
	// Documents are read first: they use the tree themselves.
	docs := make([][]byte, len(fields))
	for i := range fields {
		f := &fields[i]
		if !f.plain {
			f.value = ev.percent(f.value)
		}
		if base64Picture(f.value) && bytes.IndexByte(f.value, ' ') >= 0 {
			ev.note("the Base64 in field %.40q was not percent-encoded: its + had become spaces", f.name)
			f.value = bytes.ReplaceAll(f.value, []byte(" "), []byte("+"))
		}
		if kind := fieldKind(f.value); kind != "" {
			doc, err := ev.document(kind, f.value)
			if err == nil && ev.whole(doc) {
				docs[i] = doc
				continue
			}
			ev.note("field %.40q begins like %s and is none", f.name, kind)
		}
		f.value = ev.utf8(f.value)
	}
	t := ev.tree.begin(ev)
	for i, f := range fields {
		n, err := t.add(0, f.name, f.value)
		if err != nil {
			return nil, err
		}
		t.nodes[n].doc = docs[i]
	}
	return t.document()
}

type formField struct {
	name, value []byte
	plain       bool // not percent-encoded
}

// formFields splits a form; names are decoded, values are as they came.
func (ev *Event) formFields(body []byte) ([]formField, error) {
	var fields []formField
	open := false // JSON that nobody encoded has no end: no use to look again
	for len(body) > 0 {
		var f formField
		f.name, body = cutField(body)
		if name, value, ok := bytes.Cut(f.name, []byte("=")); ok {
			f.name, f.value = name, value
			if f.plain = len(value) > 1 && (value[0] == '{' || value[0] == '['); f.plain && len(body) > 0 && !open {
				if end := unencoded(value[:len(value)+1+len(body)]); end > len(value) {
					f.value, body = value[:end], body[min(len(body), end-len(value)):]
				} else {
					open = end < 0
				}
			}
		}
		if len(f.name)+len(f.value) == 0 {
			continue
		}
		if len(fields) == MaxElements/10 {
			return nil, &Error{Form, -1, fmt.Sprintf("more than %d fields", MaxElements/10)}
		}
		f.name = ev.utf8(ev.percent(f.name))
		fields = append(fields, f)
	}
	return fields, nil
}

// whole tells whether a document is well-formed: one in a field must not break
// those beside it.
func (ev *Event) whole(doc []byte) bool {
	w := walker{b: doc}
	end := w.ends(w.space(0))
	return end >= 0 && w.space(end) == len(doc)
}

func fieldKind(value []byte) Kind {
	value = trim(value)
	switch {
	case len(value) > 1 && (value[0] == '{' || value[0] == '['):
		return JSON
	case len(value) > 1 && value[0] == '<':
		return XML
	}
	return ""
}

func cutField(b []byte) (field, rest []byte) {
	if i := bytes.IndexByte(b, '&'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// unencoded returns where the JSON ends that b begins with, or -1.
func unencoded(b []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// percent undoes percent-encoding; without any, it is the text itself. A %
// that no two digits follow stays.
func (ev *Event) percent(b []byte) []byte {
	i := bytes.IndexAny(b, "%+")
	if i < 0 {
		return b
	}
	dst := append(make([]byte, 0, len(b)), b[:i]...)
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '+':
			dst = append(dst, ' ')
		case c == '%' && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			dst = append(dst, unhex(b[i+1])<<4|unhex(b[i+2]))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
