package device

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"

	"yiqiao/transform/event"
)

// Bounds of a stream.
const (
	maxPartHeader = 8 << 10
	maxPreamble   = 64 << 10 // before the first delimiter
	readSize      = 32 << 10
)

// Part is one part of an endless multipart body.
type Part struct {
	Type string // media type; "" if it has none
	Data []byte
	// Raw is the part with its header, as it came, without its delimiter. It
	// and Data are good until the next call of Next.
	Raw  []byte
	head int // where the content begins in Raw
}

// Picture tells whether the part is a picture, by its bytes.
func (p Part) Picture() bool { return event.PictureType(p.Data) != "" }

// Parts reads the parts of an endless multipart body (multipart/mixed,
// x-mixed-replace) one after the other, as they come: a part with a length is
// there when its last byte is, one without when the next delimiter is. Lengths
// that are wrong, bare line feeds and a boundary that is announced with its
// dashes, or not at all, are read all the same.
type Parts struct {
	r     io.Reader
	limit int // of a part with its header
	delim []byte

	buf  []byte // what was read; buf[at:] was not used yet
	at   int
	used int // bytes from at that the part of the last call takes
	err  error
	// distrust: a length was too short, so lengths are not believed any more.
	distrust bool
	begun    bool // the first delimiter was there
	passing  bool // the rest of a part that is too large is passed over
}

// NewParts reads the body of an answer with this Content-Type. limit bounds a
// part, in bytes.
func NewParts(r io.Reader, contentType string, limit int) (*Parts, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if media == "" && err != nil {
		media, _, _ = strings.Cut(contentType, ";")
	}
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(media)), "multipart/") {
		return nil, fmt.Errorf("want an answer of several parts (multipart/…), got %q", contentType)
	}
	p := &Parts{r: r, limit: limit}
	if b := strings.TrimLeft(params["boundary"], "-"); b != "" {
		p.delim = []byte(b)
	}
	return p, nil
}

// Next returns the next part. A *TooLarge is not the end: the part is passed
// over by the next call. io.EOF is the end that the device made.
func (p *Parts) Next() (Part, error) {
	p.drop(p.used)
	p.used = 0
	if err := p.skipToDelimiter(); err != nil {
		return Part{}, err
	}
	head, length, media, err := p.header()
	if err != nil {
		return Part{}, err
	}
	end, err := p.content(head, length)
	if err != nil {
		return Part{}, err
	}
	raw := p.buf[p.at : p.at+end]
	p.used = end
	return Part{Type: media, Data: withoutBreak(raw[head:]), Raw: raw, head: head}, nil
}

// fill reads more. What was used is let go of, so that the buffer is never
// longer than a part and one read.
func (p *Parts) fill() error {
	if p.err != nil {
		return p.err
	}
	if p.at > 0 {
		p.buf = p.buf[:copy(p.buf, p.buf[p.at:])]
		p.at = 0
	}
	if cap(p.buf)-len(p.buf) < readSize {
		p.buf = append(make([]byte, 0, 2*cap(p.buf)+readSize), p.buf...)
	}
	n, err := p.r.Read(p.buf[len(p.buf) : len(p.buf)+readSize])
	p.buf = p.buf[:len(p.buf)+n]
	if n > 0 {
		err = nil
	}
	p.err = err
	if errors.Is(err, io.EOF) && len(p.buf) > 0 {
		p.err = io.ErrUnexpectedEOF
	}
	return err
}

func (p *Parts) drop(n int) { p.at += n }

// skipToDelimiter stands behind the next delimiter and its line.
func (p *Parts) skipToDelimiter() error {
	skipped, odd := 0, false
	for {
		rest := p.buf[p.at:]
		from, to, closing := p.find(rest)
		if from >= 0 {
			if p.begun && !p.passing && (odd || len(bytes.TrimSpace(rest[:from])) > 0) {
				p.distrust = true // more came than the length said
			}
			p.begun, p.passing = true, false
			p.drop(to)
			if closing {
				return io.EOF
			}
			return nil
		}
		// What cannot be the beginning of a delimiter is let go of.
		if keep := 256; len(rest) > keep {
			odd = odd || len(bytes.TrimSpace(rest[:len(rest)-keep])) > 0
			skipped += len(rest) - keep
			p.drop(len(rest) - keep)
		}
		if !p.begun && skipped > maxPreamble {
			return fmt.Errorf("there is no delimiter in the first %d bytes", skipped)
		}
		if err := p.fill(); err != nil {
			return err
		}
	}
}

// find finds a delimiter at the beginning of a line, whose line has ended: what
// stands before it ends at from, what is behind it begins at to. from is -1 if
// there is none.
func (p *Parts) find(b []byte) (from, to int, closing bool) {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte("--"))
		if i < 0 {
			return -1, 0, false
		}
		i += at
		at = i + 1
		if i > 0 && b[i-1] != '\n' {
			continue
		}
		nl := bytes.IndexByte(b[i:], '\n')
		line := b[i:]
		if nl >= 0 {
			line = b[i : i+nl]
		}
		if nl < 0 && p.delim == nil {
			continue // it may be longer
		}
		text, closed := p.delimiter(bytes.TrimRight(line, "\r \t"))
		if !text || nl < 0 && !closed {
			continue
		}
		if nl < 0 {
			nl = len(line) - 1
		}
		return i, i + nl + 1, closed
	}
}

// delimiter tells whether a line without its end is the delimiter. Without a
// boundary in the header the first line that looks like one is it.
func (p *Parts) delimiter(line []byte) (is, closing bool) {
	text := bytes.TrimLeft(line, "-")
	if p.delim == nil {
		if p.begun || len(text) == 0 || len(text) > 70 || bytes.ContainsAny(text, " :;=") {
			return false, false
		}
		p.delim = bytes.Clone(text)
	}
	if !bytes.HasPrefix(text, p.delim) || len(line)-len(text) > 8 {
		return false, false
	}
	switch after := string(text[len(p.delim):]); after {
	case "":
		return true, false
	case "--":
		return true, true
	}
	return false, false
}

// header reads the header of a part; head is where its content begins.
func (p *Parts) header() (head, length int, media string, err error) {
	length = -1
	for {
		rest := p.buf[p.at:]
		for {
			line, _, found := bytes.Cut(rest[head:], []byte("\n"))
			if !found {
				break
			}
			head += len(line) + 1
			line = bytes.TrimSpace(line)
			if len(line) == 0 {
				return head, length, media, nil
			}
			name, value, ok := strings.Cut(string(line), ":")
			if !ok {
				// No header, and no empty line: it is content already.
				return head - len(line) - 1, -1, media, nil
			}
			value = strings.TrimSpace(value)
			switch strings.ToLower(name) {
			case "content-length":
				if n, err := strconv.Atoi(value); err == nil && n > 0 && !p.distrust {
					length = n // 0 is what some firmware says of all its parts
				}
			case "content-type":
				media, _, _ = strings.Cut(value, ";")
				media = strings.ToLower(strings.TrimSpace(media))
			}
		}
		if len(rest) > maxPartHeader {
			return 0, 0, "", fmt.Errorf("the header of a part has more than %d bytes", maxPartHeader)
		}
		if err := p.fill(); err != nil {
			return 0, 0, "", err
		}
	}
}

// content finds where the part ends whose content begins at head.
func (p *Parts) content(head, length int) (end int, err error) {
	if length > p.limit-head {
		return 0, p.tooLarge()
	}
	for seen := head; ; {
		rest := p.buf[p.at:]
		// A delimiter is not looked for twice in the same bytes, unless it may
		// have been cut off there.
		from := max(head, seen-256)
		for from > head && rest[from-1] != '\n' {
			from--
		}
		if i, _, _ := p.find(rest[from:]); i >= 0 && (length < 0 || from+i < head+length) {
			if from+i > p.limit {
				return 0, p.tooLarge()
			}
			return from + i, nil
		}
		if length >= 0 && len(rest) >= head+length {
			return head + length, nil
		}
		seen = len(rest)
		if len(rest) > p.limit {
			return 0, p.tooLarge()
		}
		if err := p.fill(); err != nil {
			return 0, err
		}
	}
}

// tooLarge lets the next call pass over what is left of the part.
func (p *Parts) tooLarge() error {
	p.passing = true
	return &TooLarge{int64(p.limit)}
}

func withoutBreak(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		if b = b[:n-1]; n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}
