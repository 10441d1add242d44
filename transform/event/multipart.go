package event

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// delimiterOf returns the delimiter of a multipart body: nil if it is none.
// The header's boundary is not believed before it is found at the beginning of
// a line: some firmware puts the dashes of the delimiter into it, some quotes
// it wrongly, some names another one than it uses, and some sends multipart
// without saying so. Then the body's first line decides.
func delimiterOf(contentType string, body []byte) []byte {
	multipart := strings.HasPrefix(mediaType(contentType), "multipart/")
	if multipart {
		boundary, _ := param(contentType, "boundary")
		boundary = strings.TrimRight(boundary, " \t\"'")
		for _, d := range []string{"--" + boundary, boundary, "--" + strings.TrimLeft(boundary, "-")} {
			if len(d) > 2 && len(d) < 256 && strings.HasPrefix(d, "--") {
				if end, _ := nextDelimiter(body, []byte(d)); end >= 0 {
					return []byte(d)
				}
			}
		}
	}
	head := bytes.TrimLeft(body[:min(len(body), 1024)], "\r\n \x00")
	if !bytes.HasPrefix(head, []byte("--")) {
		return nil
	}
	line, _, found := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimRight(line, "\r \t")
	if !found || len(line) < 3 || len(line) > 200 || !multipart && bytes.ContainsAny(line, "<>{}\"") {
		return nil
	}
	return line
}

// multipart splits a body at its delimiter without copying. The document is
// the part that the layout names, or else the first that is one; documents of
// one name become a list. Text that stands in further parts is the member
// "@parts" of the document. Without a document it is an object of the fields.
func (ev *Event) multipart(body, delimiter []byte, layout Layout) ([]byte, error) {
	if delimiter == nil {
		return nil, &Error{Multipart, 0, "no delimiter: the header's boundary is not in the body, and the body does not begin with one"}
	}
	if err := ev.split(body, delimiter); err != nil {
		return nil, err
	}
	kinds := make([]Kind, len(ev.Parts)) // of those that are documents
	main, documents, content := -1, 0, false
	for i := range ev.Parts {
		data := trim(ev.Blobs[ev.Parts[i].Blob].Data)
		content = content || len(data) > 0
		if kinds[i] = partKind(&ev.Parts[i], data); kinds[i] != "" {
			if documents++; main < 0 {
				main = i
			}
		}
	}
	if !content {
		return nil, &Error{Multipart, len(body), "no part has any content: cut off?"}
	}
	if n := ev.named(layout.Parts, kinds); n >= 0 {
		main = n
	}
	if main < 0 {
		return ev.fields(nil, kinds)
	}
	f := formDocument{ev: ev, layout: layout, kinds: kinds, main: main}
	doc, err := f.read()
	if err != nil {
		return nil, err
	}
	return doc, nil
}

// named returns the first document part that a name finds, or -1.
func (ev *Event) named(names []string, kinds []Kind) int {
	for _, name := range names {
		for i := range ev.Parts {
			if kinds[i] != "" && ev.Parts[i].is(name) {
				return i
			}
		}
	}
	return -1
}

// formDocument is the document of a multipart body under way.
type formDocument struct {
	ev     *Event
	layout Layout
	kinds  []Kind // by part; empty: no document
	main   int    // the part that is the document
}

func (f *formDocument) read() ([]byte, error) {
	ev := f.ev
	docs := make([][]byte, len(f.kinds))
	var same [][]byte // documents of the name of the main one
	for i, kind := range f.kinds {
		if kind == "" {
			continue
		}
		b := &ev.Blobs[ev.Parts[i].Blob]
		doc, err := ev.document(kind, b.Data)
		if err == nil && i != f.main && !ev.whole(doc) {
			err = &Error{kind, -1, "cut off or broken"}
		}
		switch {
		case err == nil:
			docs[i] = unwrapped(doc, f.layout.Unwrap)
		case i == f.main:
			return nil, err
		default:
			ev.note("part %q is left as it is: %v", ev.Parts[i].label(i), err)
			f.kinds[i] = ""
			continue
		}
		if i == f.main || kind == f.kinds[f.main] && ev.Parts[i].Name == ev.Parts[f.main].Name && ev.Parts[i].Filename == ev.Parts[f.main].Filename {
			same = append(same, docs[i])
			docs[i] = nil
		}
	}
	doc := same[0]
	if len(same) > 1 {
		ev.note("%d parts that are documents became a list", len(same))
		doc = ev.list(same)
	}
	more, err := f.more(docs)
	if err != nil {
		return nil, err
	}
	f.dropDocuments()
	if more == nil {
		return doc, nil
	}
	if !ev.whole(doc) {
		return doc, nil // Fill says where
	}
	if doc[0] != '{' {
		ev.note("the document is a list, so the other parts have no place in it")
		return doc, nil
	}
	out := append(make([]byte, 0, len(doc)+len(more)+16), '{')
	if inner := bytes.TrimLeft(doc[1:], " \t\r\n"); len(inner) > 0 && inner[0] != '}' {
		out = append(out, doc[1:len(doc)-1]...)
		out = append(out, ',')
	}
	out = append(append(out, `"@parts":`...), more...)
	return append(out, '}'), nil
}

// more is the object of the texts beside the document, or nil.
func (f *formDocument) more(docs [][]byte) ([]byte, error) {
	for i := range f.ev.Parts {
		if p := &f.ev.Parts[i]; docs[i] != nil || f.kinds[i] == "" && p.Name != "" && f.ev.field(p) {
			return f.ev.fields(docs, f.kinds)
		}
	}
	return nil, nil
}

// dropDocuments takes the parts that became documents off the list: what is
// left are fields and pictures. The numbers of the blobs stand.
func (f *formDocument) dropDocuments() {
	kept := f.ev.Parts[:0]
	for i, p := range f.ev.Parts {
		if f.kinds[i] == "" {
			kept = append(kept, p)
		} else {
			f.ev.Blobs[p.Blob].Data = nil
		}
	}
	f.ev.Parts = kept
}

// fields makes an object of the parts that are texts, and of those of docs,
// which are by part as kinds are.
func (ev *Event) fields(docs [][]byte, kinds []Kind) ([]byte, error) {
	t := ev.tree.begin(ev)
	for i := range ev.Parts {
		p := &ev.Parts[i]
		isDoc := docs != nil && docs[i] != nil
		if !isDoc && (kinds[i] != "" || p.Name == "" || !ev.field(p)) {
			continue
		}
		n, err := t.add(0, []byte(p.label(i)), nil)
		if err != nil {
			return nil, err
		}
		b := &ev.Blobs[p.Blob]
		switch {
		case isDoc:
			t.nodes[n].doc = docs[i]
		case len(b.Data) > LiftMin:
			b.Raw = false // it is the text of a literal
			t.nodes[n].blob = int32(p.Blob) + 1
		default:
			t.nodes[n].text = ev.utf8(b.Data)
		}
	}
	return t.document()
}

// field tells whether a part is a text, not a file.
func (ev *Event) field(p *Part) bool {
	data := ev.Blobs[p.Blob].Data
	if p.Filename != "" || PictureType(data) != "" || strings.HasPrefix(p.Type, "image/") && !base64Picture(data) {
		return false
	}
	return isText(data[:min(len(data), 256)])
}

func (ev *Event) split(body, delimiter []byte) error {
	end, next := nextDelimiter(body, delimiter)
	if end < 0 {
		return &Error{Multipart, 0, fmt.Sprintf("delimiter %.80q is not in the body", delimiter)}
	}
	rest := body[next:]
	for {
		if bytes.HasPrefix(rest, []byte("--")) {
			return nil
		}
		rest = afterLine(rest)
		if len(rest) == 0 {
			ev.note("the closing delimiter is missing")
			return nil
		}
		at := len(body) - len(rest)
		p, content, err := readPart(rest)
		if err != nil {
			return &Error{Multipart, at, err.Error()}
		}
		end, next := ev.partEnd(content, delimiter, p.length)
		data := content
		if end >= 0 {
			data = content[:end]
		} else {
			data = withoutBreak(data)
		}
		if end >= 0 || len(bytes.TrimSpace(data)) > 0 {
			if err := ev.addPart(p, data); err != nil {
				return &Error{Multipart, at, err.Error()}
			}
		}
		if end < 0 {
			ev.note("the closing delimiter is missing")
			return nil
		}
		rest = content[next:]
	}
}

// partEnd finds where the content of a part ends and where its delimiter does;
// end is -1 if no delimiter follows. A picture's Content-Length is believed
// only if the delimiter stands behind so many bytes: then they need no look.
func (ev *Event) partEnd(content, delimiter []byte, length int) (end, next int) {
	if length > 0 && length < len(content) && PictureType(content) != "" {
		after := content[length:]
		for skip := 0; skip < 3 && len(after) > skip; skip++ {
			if at := after[skip:]; isDelimiter(at, delimiter) {
				return length, length + skip + len(delimiter)
			}
			if after[skip] != '\r' && after[skip] != '\n' {
				break
			}
		}
	}
	if end, next = nextDelimiter(content, delimiter); end >= 0 {
		return end, next
	}
	// Some firmware leaves out the line break before the delimiter.
	for from := 0; len(delimiter) >= 8; {
		i := bytes.Index(content[from:], delimiter)
		if i < 0 {
			break
		}
		i += from
		if isDelimiter(content[i:], delimiter) {
			ev.note("no line break stands before a delimiter")
			return i, i + len(delimiter)
		}
		from = i + len(delimiter)
	}
	return -1, 0
}

// nextDelimiter finds the delimiter at the beginning of a line. end is where
// the part before it ends (its line break is not the part's), next is behind
// the delimiter; end is -1 if there is none.
func nextDelimiter(b, delimiter []byte) (end, next int) {
	for from := 0; ; {
		i := bytes.Index(b[from:], delimiter)
		if i < 0 {
			return -1, 0
		}
		i += from
		if (i == 0 || b[i-1] == '\n') && isDelimiter(b[i:], delimiter) {
			return len(withoutBreak(b[:i])), i + len(delimiter)
		}
		from = i + len(delimiter)
	}
}

// isDelimiter tells whether b begins with the delimiter and nothing else
// follows on its line: --b is not the delimiter of --boundary.
func isDelimiter(b, delimiter []byte) bool {
	if !bytes.HasPrefix(b, delimiter) {
		return false
	}
	b = b[len(delimiter):]
	return len(b) == 0 || b[0] <= ' ' || len(b) >= 2 && b[0] == '-' && b[1] == '-' && (len(b) == 2 || b[2] <= ' ')
}

// withoutBreak is b without the line break at its end.
func withoutBreak(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		if b = b[:n-1]; n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}

// afterLine skips to the next line.
func afterLine(b []byte) []byte {
	if i := bytes.IndexByte(b[:min(len(b), 256)], '\n'); i >= 0 {
		return b[i+1:]
	}
	return b
}

// partHeader is a part with what only splitting needs.
type partHeader struct {
	Part
	length int  // Content-Length; 0 unknown
	base64 bool // Content-Transfer-Encoding
}

// readPart reads the header of a part. A part without any, and without the
// empty line that would end it, is all content.
func readPart(b []byte) (p partHeader, content []byte, err error) {
	content = b
	for {
		line, rest, found := bytes.Cut(content, []byte("\n"))
		line = bytes.TrimRight(line, "\r \t")
		if len(line) == 0 {
			if found {
				content = rest
			}
			return p, content, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); !ok || !isToken(name) {
			return p, content, nil
		}
		if len(b)-len(rest) > MaxHeader {
			return p, nil, fmt.Errorf("the header of a part has more than %d bytes", MaxHeader)
		}
		if !found {
			return p, content[len(content):], nil // cut off
		}
		p.header(string(bytes.ToLower(name)), string(bytes.TrimSpace(value)))
		content = rest
	}
}

func isToken(name []byte) bool {
	for _, c := range name {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return len(name) > 0
}

func (p *partHeader) header(name, value string) {
	switch name {
	case "content-disposition":
		p.Name, _ = param(value, "name")
		p.Filename, _ = param(value, "filename")
	case "content-type":
		p.Type = mediaType(value)
	case "content-id":
		p.ContentID = strings.Trim(value, "<>\" ")
	case "content-length":
		for _, c := range value {
			if c < '0' || c > '9' || p.length > MaxInflated {
				p.length = 0
				break
			}
			p.length = 10*p.length + int(c-'0')
		}
	case "content-transfer-encoding":
		p.base64 = strings.EqualFold(value, "base64")
	}
}

func (ev *Event) addPart(p partHeader, data []byte) error {
	if len(ev.Parts) == MaxParts || len(ev.Blobs) == MaxBlobs {
		return fmt.Errorf("more than %d parts", MaxParts)
	}
	b := Blob{Data: data, Raw: true}
	switch {
	case p.base64 && !base64Picture(data):
		if decoded, err := base64.StdEncoding.DecodeString(string(data)); err == nil {
			b.Data = decoded
		}
	case base64Picture(data):
		b.Raw = false // a text, whatever the part says
	}
	ev.Blobs = append(ev.Blobs, b)
	p.Blob = len(ev.Blobs) - 1
	ev.Parts = append(ev.Parts, p.Part)
	return nil
}

// label is what a part is called in a document and in notes.
func (p *Part) label(i int) string {
	for _, s := range []string{p.Name, p.Filename, p.ContentID} {
		if s != "" {
			return s
		}
	}
	return fmt.Sprint(i + 1)
}

// partNames are what Find compares, in this order.
var partNames = [...]func(p *Part) string{
	func(p *Part) string { return p.Name },
	func(p *Part) string { return p.Filename },
	func(p *Part) string { return p.ContentID },
	func(p *Part) string { return stem(p.Filename) },
	func(p *Part) string { return stem(p.Name) },
	func(p *Part) string { return p.Type },
}

func (p *Part) is(want string) bool {
	for _, name := range partNames {
		if name(p) == want {
			return true
		}
	}
	return false
}

// Find returns the first blob of the part whose name, file name, content id or
// type is want, in this order of preference; nil if there is none. Names are
// compared without their extension too ("Picture" finds Picture.jpg).
func (ev *Event) Find(want string) *Blob {
	if want == "" {
		return nil
	}
	for _, name := range partNames {
		for i := range ev.Parts {
			if p := &ev.Parts[i]; name(p) == want {
				return &ev.Blobs[p.Blob]
			}
		}
	}
	return nil
}

func stem(name string) string {
	s, _, _ := strings.Cut(name, ".")
	return s
}
