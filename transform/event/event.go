// Package event turns the bytes that a vendor sent into an Event: a small JSON
// document, and beside it the long strings and the parts (pictures) that were
// lifted out of the body without being copied.
//
// The package is pure: bytes in, values out.
package event

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of one event. A body beyond them is refused with an *Error.
const (
	MaxDepth    = 128      // nested objects and lists
	MaxBlobs    = 512      // lifted strings and parts
	MaxParts    = 64       // parts of a multipart body
	MaxHeader   = 8 << 10  // bytes of the header of one part
	MaxDoc      = 4 << 20  // bytes of the document after lifting
	MaxElements = 100_000  // elements, attributes, fields and cells of a body that is not JSON
	MaxInflated = 32 << 20 // bytes of a body after Content-Encoding was undone; see InflatedRoom
	maxNotes    = 16
)

// LiftMin is the length in bytes above which a string literal is lifted.
const LiftMin = 1 << 10

// Kind is a body kind.
type Kind string

// The body kinds.
const (
	JSON      Kind = "json"      // one document, a list, or several documents one behind the other
	XML       Kind = "xml"       // a tree of JSON: see xml.go
	Multipart Kind = "multipart" // form-data, mixed, x-mixed-replace
	Form      Kind = "form"      // a=1&b=2, percent-encoded
	KeyValue  Kind = "keyvalue"  // Code=…;action=…;data={…}, or lines a.b[0].c=…
	Rows      Kind = "rows"      // lines of cells with tabs between
	Picture   Kind = "picture"   // the bytes of one picture
	Text      Kind = "text"      // any other text, only if its type or its source says so
	Empty     Kind = "empty"     // nothing at all: a GET, or as its source says
)

// Kinds are all of them.
var Kinds = []Kind{JSON, XML, Multipart, Form, KeyValue, Rows, Picture, Text, Empty}

// Layout is what a source knows of its bodies. The zero value leaves all of it
// to the body's own look.
type Layout struct {
	Kind Kind
	// Parts name the part of a multipart body that is the document, as Find
	// does, in this order; without them it is the first that can be one.
	Parts []string
	// Unwrap names members whose content is the document, where the document
	// is an object that holds one: the root element of XML, a wrapper of JSON.
	Unwrap []string
}

// Request is what is known of an event beside its body. The maps hold the
// first value of each name; header names are in lower case.
type Request struct {
	Method      string
	Path        string
	Params      map[string]string // wildcards of the source's path: {device}
	Query       map[string]string
	Header      map[string]string
	Remote      string // address of the sender, without port
	Received    time.Time
	ContentType string
}

// Event is one decoded message. Its document and blobs are slices of the body
// it was decoded from wherever possible, so it lives no longer than the body.
type Event struct {
	Request Request
	Kind    Kind
	// Doc is the document: JSON in UTF-8. Each lifted string stands in it as a
	// handle, which Value and Fill turn back into its blob.
	Doc   []byte
	Blobs []Blob
	Parts []Part
	// Notes say what was odd about the body and how it was read nevertheless:
	// "the closing delimiter is missing".
	Notes []string

	nonce string
	skel  []byte   // backing of Doc when the body could not serve
	arena []byte   // backing of unescaped literals
	texts []string // backing of values; see box
	tree  tree     // of kinds that are no JSON, while they are read
}

// Blob is a long text or a picture that no Go string ever holds.
type Blob struct {
	Data []byte
	// Raw: Data is the thing itself (the bytes of a part). Otherwise Data is
	// the text of a string literal, for a picture its Base64.
	Raw bool
}

// Len is the length of Data in bytes.
func (b *Blob) Len() int { return len(b.Data) }

// String describes the blob; it never shows its content.
func (b *Blob) String() string {
	kind := "text"
	if b.Raw {
		kind = "part"
	}
	return fmt.Sprintf("@%s %d bytes", kind, len(b.Data))
}

// Part is one part of a multipart body. A name may stand on several parts.
type Part struct {
	Name, Filename, ContentID, Type string
	Blob                            int // index in Event.Blobs
}

// Error says that a body could not be read, and where.
type Error struct {
	Kind   Kind
	Offset int    // in the body, in bytes; -1 unknown
	Text   string // lower case, for a person
}

func (e *Error) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("broken %s: %s", e.Kind, e.Text)
	}
	return fmt.Sprintf("broken %s at byte %d: %s", e.Kind, e.Offset, e.Text)
}

// Decoder decodes bodies. Its nonce makes handles that no sender can forge.
type Decoder struct{ nonce string }

// NewDecoder returns a decoder with a nonce of its own.
func NewDecoder() *Decoder {
	var b [8]byte
	rand.Read(b[:])
	return &Decoder{nonce: hex.EncodeToString(b[:])}
}

// Decode reads body into ev, which is reset but keeps its buffers. ev.Request
// must be set: its Content-Encoding is undone first. Unless layout names the
// kind it is told by the body itself, since devices' content types are
// unreliable; where the look is not enough, the content type decides.
//
// Decode lifts; that the document is well-formed JSON is checked by Fill.
func (d *Decoder) Decode(ev *Event, contentType string, body []byte, layout Layout) error {
	ev.reset(d.nonce)
	body, err := ev.decoded(body)
	if err != nil {
		return err
	}
	if ev.Kind = layout.Kind; ev.Kind == "" {
		ev.Kind = look(ev.Request.Method, contentType, body)
	}
	if ev.Kind == Multipart {
		ev.Doc, err = ev.multipart(body, delimiterOf(contentType, body), layout)
	} else if ev.Doc, err = ev.document(ev.Kind, body); err == nil {
		ev.Doc = unwrapped(ev.Doc, layout.Unwrap)
	}
	if err == nil && len(ev.Doc) > MaxDoc {
		err = &Error{ev.Kind, -1, fmt.Sprintf("the document has %d bytes after lifting, more than %d", len(ev.Doc), MaxDoc)}
	}
	return err
}

// document reads a body, or a part, of any kind but multipart.
func (ev *Event) document(kind Kind, body []byte) ([]byte, error) {
	if kind == Picture {
		return ev.picture(body)
	}
	whole := ev.utf16(body)
	if body = trim(whole); len(body) == 0 {
		if kind != Empty && kind != Text {
			return nil, &Error{kind, -1, "the body is empty"}
		}
		return emptyDoc, nil
	}
	switch kind {
	case XML:
		return ev.xml(body)
	case Form:
		return ev.form(body)
	case KeyValue:
		return ev.keyValue(body)
	case Rows:
		return ev.rows(whole) // a tab at its end is an empty cell
	case Text:
		return ev.plain(body)
	case Empty:
		return nil, &Error{kind, 0, fmt.Sprintf("want an empty body, got %d bytes", len(body))}
	}
	return ev.json(body)
}

var emptyDoc = []byte("{}")

// unwrapped returns the first member of doc that names gives, if it is an
// object, or else doc.
func unwrapped(doc []byte, names []string) []byte {
	for _, name := range names {
		if inner := member(doc, name); inner != nil {
			return inner
		}
	}
	return doc
}

// picture makes an event of one picture: a part without a name.
func (ev *Event) picture(body []byte) ([]byte, error) {
	media := PictureType(body)
	if media == "" {
		return nil, &Error{Picture, 0, fmt.Sprintf("want a picture, got %d bytes that begin with %q", len(body), body[:min(len(body), 12)])}
	}
	ev.Blobs = append(ev.Blobs, Blob{Data: body, Raw: true})
	ev.Parts = append(ev.Parts, Part{Type: media, Blob: len(ev.Blobs) - 1})
	return emptyDoc, nil
}

// plain makes an event of a text: the member "text".
func (ev *Event) plain(body []byte) ([]byte, error) {
	body = ev.utf8(body)
	t := ev.tree.begin(ev)
	if _, err := t.add(0, []byte("text"), body); err != nil {
		return nil, err
	}
	return t.document()
}

func (ev *Event) reset(nonce string) {
	clear(ev.Blobs)
	clear(ev.texts)
	if cap(ev.tree.nodes) > keptNodes {
		ev.tree.nodes = nil
	}
	*ev = Event{
		Request: ev.Request, nonce: nonce, tree: ev.tree,
		Blobs: ev.Blobs[:0], Parts: ev.Parts[:0], Notes: ev.Notes[:0], skel: ev.skel[:0], arena: ev.arena[:0], texts: ev.texts[:0],
	}
}

// note keeps a remark about the body, once.
func (ev *Event) note(format string, args ...any) {
	if len(ev.Notes) == maxNotes {
		return
	}
	if s := fmt.Sprintf(format, args...); !slices.Contains(ev.Notes, s) {
		ev.Notes = append(ev.Notes, s)
	}
}

// trim takes off what firmware puts around a document: a byte order mark,
// white space, trailing NULs.
func trim(b []byte) []byte {
	if len(b) >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF {
		b = b[3:]
	}
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}

const handlePrefix = "yiqiao-blob:"

// addBlob records data and returns its handle's text appended to dst.
func (ev *Event) addBlob(dst, data []byte, raw bool) []byte {
	ev.Blobs = append(ev.Blobs, Blob{Data: data, Raw: raw})
	return ev.appendHandle(dst, len(ev.Blobs)-1)
}

func (ev *Event) appendHandle(dst []byte, blob int) []byte {
	dst = append(dst, handlePrefix...)
	dst = append(dst, ev.nonce...)
	dst = append(dst, ':')
	return strconv.AppendInt(dst, int64(blob), 10)
}

// blob returns the blob that s is the handle of, or nil: s is then only text.
func (ev *Event) blob(s string) *Blob {
	if len(s) < len(handlePrefix) || s[:len(handlePrefix)] != handlePrefix {
		return nil
	}
	n, ok := strings.CutPrefix(s[len(handlePrefix):], ev.nonce)
	if !ok || len(n) < 2 || n[0] != ':' || ev.nonce == "" {
		return nil
	}
	i, err := strconv.Atoi(n[1:])
	if err != nil || i < 0 || i >= len(ev.Blobs) || strconv.Itoa(i) != n[1:] {
		return nil
	}
	return &ev.Blobs[i]
}

// Offset tells where in body the bytes of part begin, if they are a piece of
// its memory (and not only equal).
func Offset(body, part []byte) (at int, ok bool) {
	at = cap(body) - cap(part)
	if len(part) == 0 || at < 0 || at+len(part) > len(body) || &body[at] != &part[0] {
		return 0, false
	}
	return at, true
}
