package event

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// split finds the parts of a multipart body without copying them.
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
