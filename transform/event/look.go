package event

import (
	"bytes"
	"strings"
)

// look tells the kind of a body. What it begins with counts for more than the
// content type: a form's type on a JSON body is as common as none at all.
func look(method, contentType string, body []byte) Kind {
	media := mediaType(contentType)
	if delimiterOf(contentType, body) != nil {
		return Multipart
	}
	if PictureType(body) != "" {
		return Picture
	}
	if utf16Mark(body) {
		// Converted later; its first character is as telling as that of UTF-8.
		body = bytes.Trim(body[2:min(len(body), 64)], "\x00")
	}
	body = trim(body)
	if len(body) == 0 {
		if strings.HasPrefix(media, "multipart/") {
			return Multipart
		}
		if method == "GET" {
			return Empty
		}
		return JSON
	}
	if kind := lookOf(body); kind != "" {
		return kind
	}
	switch {
	case strings.HasPrefix(media, "multipart/"):
		return Multipart // an error, which says what is wrong with it
	case media == "application/x-www-form-urlencoded":
		return Form
	case pair(body):
		line := firstLine(body)
		if len(line) == len(body) && (bytes.IndexByte(line, '&') >= 0 || bytes.Contains(line, []byte("=%7B"))) {
			return Form
		}
		return KeyValue
	case strings.HasSuffix(media, "xml"):
		return XML
	case strings.HasPrefix(media, "text/") && bytes.IndexByte(body, '{') < 0 && isText(body):
		return Text
	}
	return JSON // perhaps with text around it, or an error that says what it begins with
}

// lookOf tells the kinds that no type is needed for.
func lookOf(body []byte) Kind {
	switch {
	case body[0] == '{' || body[0] == '[':
		return JSON
	case body[0] == '<':
		return XML
	case bytes.HasPrefix(body, []byte("Code=")) && bytes.Contains(firstLine(body), []byte(";action=")):
		return KeyValue
	case pictureBehindNUL(body) >= 0:
		return KeyValue
	case tabbed(firstLine(body)):
		return Rows
	}
	return ""
}

// partKind tells whether a part of a multipart body is a document, and of
// which kind; empty if it is a field, a picture or something else.
func partKind(p *Part, data []byte) Kind {
	if len(data) == 0 || !isText(data[:min(len(data), 256)]) {
		return ""
	}
	switch kind := lookOf(data); {
	case kind == JSON || kind == XML:
		return kind
	case kind == KeyValue && pictureBehindNUL(data) < 0:
		return kind
	case p.Name == "" && strings.HasPrefix(p.Type, "text/") && pair(data):
		return KeyValue
	}
	return ""
}

func mediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media))
}

func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i]
	}
	return b
}

// pair tells whether a text begins with a key, an equals sign on its line.
func pair(b []byte) bool {
	for i, c := range b[:min(len(b), 256)] {
		switch {
		case c == '=':
			return i > 0
		case c < '0' && c != '-' && c != '.' && c != '%' && c != '+' && c != '$', c == '<', c == '>', c == '{', c == '}', c == '"', c == ';', c == ':':
			return false
		}
	}
	return false
}

// tabbed tells whether a line is one of cells with tabs between.
func tabbed(line []byte) bool {
	tab := bytes.IndexByte(line, '\t')
	return tab >= 0 && bytes.IndexAny(line[:tab], "{<\"") < 0
}

// isText tells text, in any encoding, from the rest by its control characters.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7F {
			return false
		}
	}
	return true
}

// PictureType returns the media type of a picture by its first bytes, whatever
// its part says; empty if it is none of those that cameras send.
func PictureType(b []byte) string {
	for i := range magics {
		m := &magics[i]
		if len(b) >= len(m.magic) && string(b[:len(m.magic)]) == m.magic {
			if m.at == 0 || len(b) >= m.at+len(m.more) && string(b[m.at:m.at+len(m.more)]) == m.more {
				return m.media
			}
		}
	}
	return ""
}

// magics: what a picture begins with, and for short magics what has to stand
// further behind.
var magics = [...]struct {
	magic, media string
	at           int
	more         string
}{
	{magic: "\xFF\xD8\xFF", media: "image/jpeg"},
	{magic: "\x89PNG\r\n\x1a\n", media: "image/png"},
	{magic: "GIF8", media: "image/gif"},
	{magic: "BM", media: "image/bmp", at: 6, more: "\x00\x00\x00\x00"},
	{magic: "RIFF", media: "image/webp", at: 8, more: "WEBP"},
	{magic: "II*\x00", media: "image/tiff"},
	{magic: "MM\x00*", media: "image/tiff"},
}

// base64Picture tells whether a text is the Base64 of a picture.
func base64Picture(b []byte) bool {
	for _, s := range []string{"/9j/", "iVBORw0KGgo", "R0lGOD", "data:image/"} {
		if len(b) >= len(s) && string(b[:len(s)]) == s {
			return true
		}
	}
	return false
}

// pictureBehindNUL returns where a picture begins that stands behind lines of
// text and a NUL in one body; -1 if there is none.
func pictureBehindNUL(b []byte) int {
	i := bytes.IndexByte(b[:min(len(b), 4096)], 0)
	if i <= 0 || !isText(b[:i]) {
		return -1
	}
	for i < len(b) && b[i] == 0 {
		i++
	}
	if PictureType(b[i:]) == "" {
		return -1
	}
	return i
}
