package event

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// json lifts the long strings of a JSON body. Old firmware writes GBK: a body
// whose short texts are not UTF-8 is read as GB18030, of which GBK is a part.
func (ev *Event) json(body []byte) error {
	err := ev.lift(body)
	if utf8.Valid(ev.Doc) && err == nil {
		return nil
	}
	if utf8.Valid(body) {
		return err
	}
	text, gbErr := simplifiedchinese.GB18030.NewDecoder().Bytes(body)
	if gbErr != nil {
		return &Error{JSON, -1, "the text is neither UTF-8 nor GB18030"}
	}
	ev.reset(ev.nonce)
	ev.Note = "the text was GB18030, not UTF-8"
	return ev.lift(text)
}

// lift makes ev.Doc of body with each string literal above LiftMin replaced by
// a handle. One pass: bytes.IndexByte hops from quote to quote. Without a long
// literal the document is the body itself.
func (ev *Event) lift(body []byte) error {
	done := 0
	for i := 0; ; {
		q := bytes.IndexByte(body[i:], '"')
		if q < 0 {
			break
		}
		start := i + q + 1
		end := stringEnd(body, start)
		if end < 0 {
			ev.Doc = body
			return &Error{JSON, start - 1, "this string has no end"}
		}
		if end-start > LiftMin {
			if len(ev.Blobs) == MaxBlobs {
				return &Error{JSON, start, fmt.Sprintf("more than %d long strings", MaxBlobs)}
			}
			text, err := ev.unescape(body[start:end])
			if err != nil {
				return &Error{JSON, start, err.Error()}
			}
			ev.skel = append(ev.skel, body[done:start]...)
			ev.skel = ev.addBlob(ev.skel, text, false)
			done = end
		}
		i = end + 1
	}
	if done == 0 {
		ev.Doc = body
		return nil
	}
	ev.skel = append(ev.skel, body[done:]...)
	ev.Doc = ev.skel
	return nil
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
