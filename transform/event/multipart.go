package event

import (
	"bytes"
	"fmt"
	"mime"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// boundaryOf tells whether a body is multipart and by which delimiter. Some
// firmware puts the dashes of the delimiter into the header's boundary, and
// some sends multipart without saying so: the body's first line decides.
func boundaryOf(contentType string, body []byte) (delimiter []byte, ok bool) {
	media, params, err := mime.ParseMediaType(contentType)
	multipart := strings.HasPrefix(media, "multipart/") || strings.HasPrefix(contentType, "multipart/")
	if multipart && err == nil && params["boundary"] != "" {
		b := params["boundary"]
		for _, d := range []string{"--" + b, b} {
			if bytes.Contains(body, []byte(d)) {
				return []byte(d), true
			}
		}
	}
	head := bytes.TrimLeft(body[:min(len(body), 1024)], "\r\n ")
	if !bytes.HasPrefix(head, []byte("--")) {
		return nil, multipart
	}
	line, _, found := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if !found || len(line) < 3 || len(line) > 200 {
		return nil, multipart
	}
	return line, true
}

// multipart splits a body at its delimiter without copying. The document is
// the first part that is JSON or XML; without one it is an object of the
// short text fields. Every other part is a blob.
func (ev *Event) multipart(body, delimiter []byte) error {
	if delimiter == nil {
		return &Error{Multipart, 0, "no delimiter: the header names no boundary and the body does not begin with one"}
	}
	if err := ev.split(body, delimiter); err != nil {
		return err
	}
	for i, p := range ev.Parts {
		data := trim(ev.Blobs[p.Blob].Data)
		if len(data) == 0 || !structured(p.Type, data[0]) {
			continue
		}
		part := ev.Parts[i]
		note := ev.Note
		ev.Note = ""
		ev.Parts = append(ev.Parts[:i], ev.Parts[i+1:]...)
		// The document keeps its place among the blobs, so that the numbers of
		// the others stand; its own data is not needed twice.
		ev.Blobs[part.Blob].Data = nil
		err := ev.structure(data)
		if note != "" && ev.Note != "" {
			note += "; "
		}
		ev.Note = note + ev.Note
		return err
	}
	if !slices.ContainsFunc(ev.Parts, func(p Part) bool { return len(ev.Blobs[p.Blob].Data) > 0 }) {
		return &Error{Multipart, len(body), "no part has any content: cut off?"}
	}
	return ev.formFields()
}

// structured tells by the first byte, and against it only by a picture's type,
// whether a part is a document: parts without any type are common.
func structured(contentType string, first byte) bool {
	if strings.HasPrefix(contentType, "image/") || strings.HasPrefix(contentType, "video/") {
		return false
	}
	return first == '{' || first == '[' || first == '<'
}

// structure decodes the document part; blobs that it lifts come behind the
// parts.
func (ev *Event) structure(data []byte) error {
	if data[0] == '<' {
		return ev.xml(data)
	}
	if !utf8.Valid(data) {
		text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
		if err != nil {
			return &Error{JSON, -1, "the text is neither UTF-8 nor GB18030"}
		}
		ev.Note, data = "the text was GB18030, not UTF-8", text
	}
	return ev.lift(data)
}

func (ev *Event) split(body, delimiter []byte) error {
	rest := body
	first := bytes.Index(rest, delimiter)
	if first < 0 {
		return &Error{Multipart, 0, fmt.Sprintf("delimiter %q is not in the body", delimiter)}
	}
	rest = rest[first+len(delimiter):]
	for {
		if bytes.HasPrefix(rest, []byte("--")) {
			return nil
		}
		rest = afterLine(rest)
		end, next := nextDelimiter(rest, delimiter)
		part := rest
		if end >= 0 {
			part = rest[:end]
		}
		if end >= 0 || len(bytes.TrimSpace(part)) > 0 {
			if err := ev.addPart(part); err != nil {
				return &Error{Multipart, len(body) - len(rest), err.Error()}
			}
		}
		if end < 0 {
			ev.Note = "the closing delimiter is missing"
			return nil
		}
		rest = rest[next:]
	}
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
		end = i
		if end > 0 && b[end-1] == '\n' {
			end--
			if end > 0 && b[end-1] == '\r' {
				end--
			}
			return end, i + len(delimiter)
		}
		if i == 0 {
			return 0, len(delimiter)
		}
		from = i + len(delimiter)
	}
}

// afterLine skips to the next line.
func afterLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 && i < 256 {
		return b[i+1:]
	}
	return b
}

func (ev *Event) addPart(b []byte) error {
	if len(ev.Parts) == MaxParts || len(ev.Blobs) == MaxBlobs {
		return fmt.Errorf("more than %d parts", MaxParts)
	}
	var p Part
	for {
		line, rest, found := bytes.Cut(b, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			if found {
				b = rest
			}
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !found || !ok || len(line) > 4096 {
			break // no header at all: the content begins here
		}
		p.header(textproto.CanonicalMIMEHeaderKey(string(bytes.TrimSpace(name))), string(bytes.TrimSpace(value)))
		b = rest
	}
	ev.Blobs = append(ev.Blobs, Blob{Data: b, Raw: true})
	p.Blob = len(ev.Blobs) - 1
	ev.Parts = append(ev.Parts, p)
	return nil
}

func (p *Part) header(name, value string) {
	switch name {
	case "Content-Disposition":
		if _, params, err := mime.ParseMediaType(value); err == nil {
			p.Name, p.Filename = params["name"], params["filename"]
		}
	case "Content-Type":
		p.Type, _, _ = strings.Cut(value, ";")
		p.Type = strings.ToLower(strings.TrimSpace(p.Type))
	case "Content-Id":
		p.ContentID = strings.Trim(value, "<>")
	}
}

// formFields makes the document of a form without a structured part: its
// short text fields by name.
func (ev *Event) formFields() error {
	doc := append(ev.skel[:0], '{')
	for _, p := range ev.Parts {
		data := ev.Blobs[p.Blob].Data
		if p.Name == "" || p.Filename != "" || len(data) > LiftMin || Picture(data) != "" {
			continue
		}
		if len(doc) > 1 {
			doc = append(doc, ',')
		}
		doc = AppendString(doc, p.Name)
		doc = append(doc, ':')
		doc = AppendString(doc, string(data))
	}
	ev.skel = append(doc, '}')
	ev.Doc = ev.skel
	return nil
}

// Find returns the first blob of the part whose name, file name, content id or
// type is want, in this order of preference; nil if there is none. Names are
// compared without their extension too ("Picture" finds Picture.jpg).
func (ev *Event) Find(want string) *Blob {
	by := []func(p *Part) string{
		func(p *Part) string { return p.Name },
		func(p *Part) string { return p.Filename },
		func(p *Part) string { return p.ContentID },
		func(p *Part) string { return stem(p.Filename) },
		func(p *Part) string { return stem(p.Name) },
		func(p *Part) string { return p.Type },
	}
	if want == "" {
		return nil
	}
	for _, key := range by {
		for i := range ev.Parts {
			if p := &ev.Parts[i]; key(p) == want {
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

// Picture returns the media type of a picture by its first bytes, whatever its
// part says; empty if it is none of those that cameras send.
func Picture(b []byte) string {
	for _, m := range []struct{ magic, media string }{
		{"\xFF\xD8\xFF", "image/jpeg"},
		{"\x89PNG\r\n\x1a\n", "image/png"},
		{"GIF8", "image/gif"},
		{"BM", "image/bmp"},
		{"II*\x00", "image/tiff"},
		{"MM\x00*", "image/tiff"},
	} {
		if len(b) >= len(m.magic) && string(b[:len(m.magic)]) == m.magic {
			return m.media
		}
	}
	return ""
}
