package event

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// json lifts the long strings of a JSON body. Old firmware writes GBK: a body
// whose short texts are not UTF-8 is read as GB18030, of which GBK is a part.
//
// Several documents one behind the other become a list of them. Text around a
// document is left out with a note, unless it may be another document.
func (ev *Event) json(body []byte) ([]byte, error) {
	skel, blobs := len(ev.skel), len(ev.Blobs)
	doc, several, err := ev.lift(body)
	if !utf8.Valid(doc) {
		ev.skel, ev.Blobs = ev.skel[:skel], ev.Blobs[:blobs]
		doc, several, err = ev.lift(ev.utf8(body))
	}
	if err != nil {
		return nil, err
	}
	first, last := doc[0], doc[len(doc)-1]
	switch {
	case first == '{' && last == '}' && !several, first == '[' && last == ']' && !several:
		return doc, nil
	case first == '"' || first == '-' || first == 't' || first == 'f' || first == 'n' || '0' <= first && first <= '9':
		if w := (walker{b: doc}); w.ends(0) == len(doc) {
			return doc, nil // a document without members
		}
	}
	return ev.documents(doc)
}

// ends returns where the value at i ends, or -1.
func (w *walker) ends(i int) int {
	if end, err := w.value(i, 0, nil); err == "" {
		return end
	}
	return -1
}

// documents finds the documents in a text that is not one alone.
func (ev *Event) documents(text []byte) ([]byte, error) {
	w := walker{b: text}
	var list [][]byte
	around, at := 0, 0
	for at < len(text) {
		next := bytes.IndexAny(text[at:], "{[")
		if next < 0 {
			around += len(bytes.Trim(text[at:], " \t\r\n\x00,"))
			break
		}
		around += len(bytes.Trim(text[at:at+next], " \t\r\n\x00,"))
		end := -1
		if inner := w.space(at + next + 1); text[at+next] == '{' || inner < len(text) && text[inner] == '{' {
			end = w.ends(at + next) // [1] may be anything
		}
		if end < 0 {
			if len(list) > 0 {
				return nil, &Error{JSON, at + next, "this document, of several, is cut off or broken"}
			}
			if next > 0 && around > 0 {
				return nil, &Error{JSON, 0, fmt.Sprintf("want JSON, got text that begins with %.12q", text)}
			}
			return text, nil // Fill says where
		}
		if len(list) == MaxElements/100 {
			return nil, &Error{JSON, at + next, fmt.Sprintf("more than %d documents", MaxElements/100)}
		}
		list = append(list, text[at+next:end])
		at = end
	}
	if around > 0 {
		ev.note("%d bytes of text around the JSON were left out", around)
	}
	switch len(list) {
	case 0:
		return nil, &Error{JSON, 0, fmt.Sprintf("want JSON, got text that begins with %.12q", text)}
	case 1:
		return list[0], nil
	}
	ev.note("%d JSON documents one behind the other became a list", len(list))
	return listOf(list), nil
}

// listOf writes a list of documents.
func listOf(docs [][]byte) []byte {
	out := []byte{'['}
	for i, d := range docs {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, d...)
	}
	return append(out, ']')
}

// lift returns body with each string literal above LiftMin replaced by a
// handle. One pass: bytes.IndexByte hops from quote to quote. Without a long
// literal the document is the body itself. several: a document with members
// begins behind the end of another.
func (ev *Event) lift(body []byte) (doc []byte, several bool, err error) {
	from, done := len(ev.skel), 0
	for i := 0; ; {
		q := bytes.IndexByte(body[i:], '"')
		if q < 0 {
			break
		}
		start := i + q + 1
		several = several || q > 1 && behindDocument(body[i:i+q])
		end := stringEnd(body, start)
		if end < 0 {
			return body, several, &Error{JSON, start - 1, "this string has no end"}
		}
		if end-start > LiftMin {
			if len(ev.Blobs) == MaxBlobs {
				return body, several, &Error{JSON, start, fmt.Sprintf("more than %d long strings", MaxBlobs)}
			}
			text, err := ev.unescape(body[start:end])
			if err != nil {
				return body, several, &Error{JSON, start, err.Error()}
			}
			ev.skel = append(ev.skel, body[done:start]...)
			ev.skel = ev.addBlob(ev.skel, text, false)
			done = end
		}
		i = end + 1
	}
	if done == 0 {
		return body, several, nil
	}
	ev.skel = append(ev.skel, body[done:]...)
	return ev.skel[from:], several, nil
}

// behindDocument tells whether the text before a member's name begins an
// object right behind another value: inside of a document a comma stands there.
func behindDocument(b []byte) bool {
	b = trimRight(b)
	if len(b) == 0 || b[len(b)-1] != '{' {
		return false
	}
	b = trimRight(b[:len(b)-1])
	return len(b) > 0 && (b[len(b)-1] == '}' || b[len(b)-1] == ']')
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// stringEnd returns the index of the quote that ends the literal which begins
// at start, or -1.
func stringEnd(b []byte, start int) int {
	for i := start; ; i++ {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			return -1
		}
		i += q
		j := i
		for j > start && b[j-1] == '\\' {
			j--
		}
		if (i-j)%2 == 0 {
			return i
		}
	}
}

// unescape returns the text of a literal: itself if it has no escape, else its
// text in the event's arena. It is done once for each literal.
func (ev *Event) unescape(lit []byte) ([]byte, error) {
	e := bytes.IndexByte(lit, '\\')
	if e < 0 {
		return lit, nil
	}
	if cap(ev.arena)-len(ev.arena) < len(lit) {
		ev.arena = make([]byte, 0, len(lit)) // literals before keep the old one
	}
	from := len(ev.arena)
	text, err := appendUnescaped(ev.arena, lit)
	if err != nil {
		return nil, err
	}
	ev.arena = text
	return text[from:len(text):len(text)], nil
}

// appendUnescaped appends the text of a string literal to dst.
func appendUnescaped(dst, lit []byte) ([]byte, error) {
	for {
		e := bytes.IndexByte(lit, '\\')
		if e < 0 {
			return append(dst, lit...), nil
		}
		dst = append(dst, lit[:e]...)
		if e+1 >= len(lit) {
			return nil, fmt.Errorf("a backslash ends the string")
		}
		c := lit[e+1]
		lit = lit[e+2:]
		switch c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, n := unicodeEscape(lit)
			if n == 0 {
				return nil, fmt.Errorf(`\u wants four hexadecimal digits`)
			}
			lit = lit[n:]
			dst = utf8.AppendRune(dst, r)
		default:
			return nil, fmt.Errorf(`unknown escape \%c`, c)
		}
	}
}

// unicodeEscape reads the digits behind \u, and the second half of a surrogate
// pair; a lone half is U+FFFD, as in encoding/json. n is 0 if it is malformed.
func unicodeEscape(b []byte) (r rune, n int) {
	r, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if r < 0xD800 || r > 0xDFFF {
		return r, 4
	}
	if r < 0xDC00 && len(b) >= 10 && b[4] == '\\' && b[5] == 'u' {
		if low, ok := hex4(b[6:]); ok && low >= 0xDC00 && low <= 0xDFFF {
			return (r-0xD800)<<10 | (low - 0xDC00) + 0x10000, 10
		}
	}
	return utf8.RuneError, 4
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// AppendString appends s as a JSON string literal. Bytes that are not UTF-8
// become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[from:i]...)
				dst = append(dst, "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
