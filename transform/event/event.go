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
	"strconv"
	"strings"
	"time"
)

// Limits of one event. A body beyond them is refused with an *Error.
const (
	MaxDepth = 128     // nested objects and lists
	MaxBlobs = 512     // lifted strings and parts
	MaxParts = 64      // parts of a multipart body
	MaxDoc   = 4 << 20 // bytes of the document after lifting
)

// LiftMin is the length in bytes above which a string literal is lifted.
const LiftMin = 1 << 10

// Kind is a body kind.
type Kind string

// The body kinds.
const (
	JSON      Kind = "json"
	XML       Kind = "xml"
	Multipart Kind = "multipart"
)

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
	// Note says what had to be repaired to read the body ("the closing
	// delimiter is missing"); empty if nothing.
	Note string

	nonce string
	skel  []byte   // backing of Doc when the body could not serve
	arena []byte   // backing of unescaped literals
	texts []string // backing of values; see box
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

// Decode reads body into ev, which is reset but keeps its buffers. The kind is
// told by the body itself first, since devices' content types are unreliable;
// the content type (ev.Request.ContentType may be set before or after) serves
// for the boundary of multipart. unwrap names members whose content is the
// document, when the document is an object with that single member or holds it.
//
// Decode lifts; that the document is well-formed JSON is checked by Fill.
func (d *Decoder) Decode(ev *Event, contentType string, body []byte, unwrap []string) error {
	ev.reset(d.nonce)
	kind, err := d.decode(ev, contentType, body)
	ev.Kind = kind
	if err != nil {
		return err
	}
	if len(ev.Doc) > MaxDoc {
		return &Error{kind, -1, fmt.Sprintf("the document has %d bytes after lifting, more than %d", len(ev.Doc), MaxDoc)}
	}
	for _, name := range unwrap {
		if inner := member(ev.Doc, name); inner != nil {
			ev.Doc = inner
			break
		}
	}
	return nil
}

func (d *Decoder) decode(ev *Event, contentType string, body []byte) (Kind, error) {
	if boundary, ok := boundaryOf(contentType, body); ok {
		return Multipart, ev.multipart(body, boundary)
	}
	body = trim(body)
	switch {
	case len(body) == 0:
		return JSON, &Error{JSON, -1, "the body is empty"}
	case body[0] == '<':
		return XML, ev.xml(body)
	default:
		return JSON, ev.json(body)
	}
}

func (ev *Event) reset(nonce string) {
	clear(ev.Blobs)
	clear(ev.texts)
	*ev = Event{
		Request: ev.Request, nonce: nonce,
		Blobs: ev.Blobs[:0], Parts: ev.Parts[:0], skel: ev.skel[:0], arena: ev.arena[:0], texts: ev.texts[:0],
	}
}

// trim takes off what firmware puts around a document: a byte order mark,
// white space, trailing NULs.
func trim(b []byte) []byte {
	if len(b) >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF {
		b = b[3:]
	}
	for len(b) > 0 && (b[0] <= ' ') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] <= ' ') {
		b = b[:len(b)-1]
	}
	return b
}

const handlePrefix = "yiqiao-blob:"

// addBlob records data and returns its handle's text appended to dst.
func (ev *Event) addBlob(dst, data []byte, raw bool) []byte {
	ev.Blobs = append(ev.Blobs, Blob{Data: data, Raw: raw})
	dst = append(dst, handlePrefix...)
	dst = append(dst, ev.nonce...)
	dst = append(dst, ':')
	return strconv.AppendInt(dst, int64(len(ev.Blobs)-1), 10)
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
