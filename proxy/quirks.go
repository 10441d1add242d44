package proxy

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"yiqiao/transform"
	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// Quirks are ways in which a platform departs from the standard's text, or in
// which that text leaves a choice. They are applied when a record is delivered:
// what the store holds stays as the standard says, so a quirk that is found out
// late mends the backlog too.
const (
	// quirkSwap exchanges the values of mjxt's mjlx and mjxtlx: a platform was
	// seen that takes them the other way round than their labels say.
	quirkSwap = "swap-mjlx-mjxtlx"
	// quirkASCII escapes everything beyond ASCII as \uXXXX: a platform whose
	// Java does not run in UTF-8 damages Chinese text otherwise.
	quirkASCII = "ascii-json"
)

var (
	quirkNames   = []string{quirkSwap, quirkASCII}
	integerForms = []string{"number", "string"} // the standard's tables say Integer, its examples send strings
	pictureForms = []string{"base64", "data-uri"}
	pictureTypes = []struct{ magic, name string }{
		{"\xff\xd8", "jpeg"}, {"\x89PNG", "png"}, {"GIF8", "gif"}, {"BM", "bmp"}, {"RIFF", "webp"},
	}
)

// dress rewrites records for a platform with quirks. The zero dress changes
// nothing.
type dress struct {
	strings, dataURI, ascii, swap bool
}

func (c *PlatformConfig) dress() dress {
	return dress{
		strings: c.Integers == "string", dataURI: c.Pictures == "data-uri",
		ascii: slices.Contains(c.Quirks, quirkASCII), swap: slices.Contains(c.Quirks, quirkSwap),
	}
}

// put returns the record as the platform wants it; without quirks that is rec
// itself. rec is left as it is.
func (d dress) put(rec *transform.Record, iface *spec.Interface) (*transform.Record, error) {
	if d == (dress{}) || iface == nil {
		return rec, nil
	}
	t := tailor{dress: d, in: rec.Doc, out: make([]byte, 0, len(rec.Doc)+64), holes: rec.Holes}
	if err := t.object(iface.Fields); err != nil {
		return nil, fmt.Errorf("the document of %s at byte %d: %w", iface.Name, t.at, err)
	}
	out := *rec
	out.Doc, out.Holes = t.out, t.moved
	return &out, nil
}

// tailor copies a document that our own writer made (no space between tokens)
// and changes it on the way.
type tailor struct {
	dress
	in, out []byte
	at      int // in in
	holes   []transform.Hole
	moved   []transform.Hole
}

func (t *tailor) take(c byte) error {
	if t.at >= len(t.in) || t.in[t.at] != c {
		return fmt.Errorf("want %q", c)
	}
	t.at++
	t.out = append(t.out, c)
	return nil
}

func (t *tailor) next(c byte) bool { return t.at < len(t.in) && t.in[t.at] == c }

// object copies {"name":value,…}.
func (t *tailor) object(fields []spec.Field) error {
	if err := t.take('{'); err != nil {
		return err
	}
	for !t.next('}') {
		name, err := t.literal()
		if err != nil {
			return err
		}
		t.out = append(append(t.out, '"'), t.renamed(name)...)
		t.out = append(t.out, '"')
		if err := t.take(':'); err != nil {
			return err
		}
		var f *spec.Field
		if n := slices.IndexFunc(fields, func(f spec.Field) bool { return f.Name == string(name) }); n >= 0 {
			f = &fields[n]
		}
		if err := t.value(f); err != nil {
			return err
		}
		if t.next(',') {
			_ = t.take(',')
		}
	}
	return t.take('}')
}

// renamed swaps the two values by swapping their names.
func (t *tailor) renamed(name []byte) []byte {
	if t.swap {
		switch string(name) {
		case "mjlx":
			return []byte("mjxtlx")
		case "mjxtlx":
			return []byte("mjlx")
		}
	}
	return name
}

// literal reads a string without its quotes, escapes as they stand.
func (t *tailor) literal() ([]byte, error) {
	if !t.next('"') {
		return nil, errors.New(`want a string`)
	}
	for end := t.at + 1; end < len(t.in); end++ {
		switch t.in[end] {
		case '\\':
			end++
		case '"':
			text := t.in[t.at+1 : end]
			t.at = end + 1
			return text, nil
		}
	}
	return nil, errors.New("a string does not end")
}

func (t *tailor) value(f *spec.Field) error {
	switch {
	case t.next('"'):
		hole := len(t.holes) > 0 && t.holes[0].At == t.at+1
		text, err := t.literal()
		if hole {
			t.picture()
		} else {
			t.text(text)
		}
		return err
	case t.next('['):
		return t.list(f)
	case t.next('{'):
		return t.object(nil)
	}
	end := t.at
	for end < len(t.in) && !strings.ContainsRune(",]}", rune(t.in[end])) {
		end++
	}
	if end == t.at {
		return errors.New("want a value")
	}
	quote := ""
	if t.strings && f != nil && f.Type == spec.Integer {
		quote = `"`
	}
	t.out = append(append(append(t.out, quote...), t.in[t.at:end]...), quote...)
	t.at = end
	return nil
}

func (t *tailor) list(f *spec.Field) error {
	var fields []spec.Field
	if f != nil {
		fields = f.Fields
	}
	if err := t.take('['); err != nil {
		return err
	}
	for !t.next(']') {
		var err error
		if t.next('{') {
			err = t.object(fields)
		} else {
			err = t.value(nil)
		}
		if err != nil {
			return err
		}
		if t.next(',') {
			_ = t.take(',')
		}
	}
	return t.take(']')
}

// picture moves a hole, behind the head of a data URI if one is wanted.
func (t *tailor) picture() {
	h := t.holes[0]
	t.holes = t.holes[1:]
	t.out = append(t.out, '"')
	if t.dataURI {
		t.out = append(t.out, "data:image/"+typeOf(h.Blob)+";base64,"...)
	}
	h.At = len(t.out)
	t.moved = append(t.moved, h)
	t.out = append(t.out, '"')
}

// typeOf tells a picture's format by its first bytes; what is unknown is called
// a JPEG, as nearly all are.
func typeOf(b event.Blob) string {
	head := b.Data[:min(len(b.Data), 8)]
	if !b.Raw {
		head, _ = base64.StdEncoding.AppendDecode(nil, head)
	}
	for _, f := range pictureTypes {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.name
		}
	}
	return "jpeg"
}

// text writes a literal, beyond ASCII as \uXXXX if that is wanted.
func (t *tailor) text(lit []byte) {
	t.out = append(t.out, '"')
	if !t.ascii {
		t.out = append(append(t.out, lit...), '"')
		return
	}
	for len(lit) > 0 {
		r, n := utf8.DecodeRune(lit)
		switch high, low := utf16.EncodeRune(r); {
		case r < utf8.RuneSelf:
			t.out = append(t.out, lit[0])
		case high != utf8.RuneError:
			t.out = fmt.Appendf(t.out, `\u%04x\u%04x`, high, low)
		default:
			t.out = fmt.Appendf(t.out, `\u%04x`, r)
		}
		lit = lit[n:]
	}
	t.out = append(t.out, '"')
}
