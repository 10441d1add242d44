package event

import (
	"bytes"
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
	main, content := -1, false
	for i := range ev.Parts {
		data := trim(ev.Blobs[ev.Parts[i].Blob].Data)
		content = content || len(data) > 0
		if kinds[i] = partKind(&ev.Parts[i], data); kinds[i] != "" && main < 0 {
			main = i
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
	f := multipartDocument{ev: ev, layout: layout, kinds: kinds, main: main}
	return f.read()
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

// multipartDocument is the document of a multipart body under way.
type multipartDocument struct {
	ev     *Event
	layout Layout
	kinds  []Kind // by part; empty: no document
	main   int    // the part that is the document
}

func (f *multipartDocument) read() ([]byte, error) {
	ev := f.ev
	docs := make([][]byte, len(f.kinds))
	var same [][]byte // documents of the name of the main one
	for i, kind := range f.kinds {
		if kind == "" {
			continue
		}
		doc, err := ev.document(kind, ev.Blobs[ev.Parts[i].Blob].Data)
		if err == nil && i != f.main && !ev.whole(doc) {
			err = &Error{kind, -1, fmt.Sprintf("part %d is cut off or broken", i+1)}
		}
		switch {
		case err != nil && f.alike(i):
			return nil, err // it is an event of its own
		case err != nil:
			ev.note("part %q is left as it is: %v", ev.Parts[i].label(i), err)
			f.kinds[i] = ""
		case f.alike(i):
			same = append(same, unwrapped(doc, f.layout.Unwrap))
		default:
			docs[i] = unwrapped(doc, f.layout.Unwrap)
		}
	}
	doc := same[0]
	if len(same) > 1 {
		ev.note("%d parts that are documents became a list", len(same))
		doc = listOf(same)
	}
	more, err := f.more(docs)
	if err != nil {
		return nil, err
	}
	f.dropDocuments()
	switch {
	case more == nil || !ev.whole(doc): // then Fill says where
		return doc, nil
	case doc[0] != '{':
		ev.note("the document is a list, so the other parts have no place in it")
		return doc, nil
	}
	return withMember(doc, "@parts", more), nil
}

// alike tells whether a part is a document as the main one is: of one kind and
// name. Such parts are events one behind the other.
func (f *multipartDocument) alike(i int) bool {
	p, main := &f.ev.Parts[i], &f.ev.Parts[f.main]
	return f.kinds[i] == f.kinds[f.main] && p.Name == main.Name && p.Filename == main.Filename
}

// withMember returns the object doc with one more member.
func withMember(doc []byte, name string, value []byte) []byte {
	out := append(make([]byte, 0, len(doc)+len(name)+len(value)+8), '{')
	if inner := bytes.TrimLeft(doc[1:], " \t\r\n"); len(inner) > 0 && inner[0] != '}' {
		out = append(out, doc[1:len(doc)-1]...)
		out = append(out, ',')
	}
	out = append(append(AppendString(out, name), ':'), value...)
	return append(out, '}')
}

// more is the object of the texts beside the document, or nil.
func (f *multipartDocument) more(docs [][]byte) ([]byte, error) {
	for i := range f.ev.Parts {
		if p := &f.ev.Parts[i]; docs[i] != nil || f.kinds[i] == "" && p.Name != "" && f.ev.field(p) {
			return f.ev.fields(docs, f.kinds)
		}
	}
	return nil, nil
}

// dropDocuments takes the parts that became documents off the list: what is
// left are fields and pictures. The numbers of the blobs stand.
func (f *multipartDocument) dropDocuments() {
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
