package event

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"slices"
)

// What is left of a picture: its beginning, by which its format is known, a
// piece of its middle, so that two pictures of one camera differ, and its end.
// As Base64 it is long enough to be lifted again.
const (
	shortHead = 900 // of Base64: whole groups of 4
	shortMid  = 64
	shortTail = 64
)

// Shorten appends to dst the body that ev was decoded from, with about a
// kilobyte left of each picture: what decodes to the same document and parts.
// ok is false if it cannot tell where in the body the pictures are, or if what
// is left has more than limit bytes.
func (ev *Event) Shorten(dst, body []byte, limit int) (short []byte, ok bool) {
	begin := len(dst)
	if len(ev.Blobs) == 0 {
		return append(dst, body...), len(body) <= limit
	}
	var few [8]span
	spans, ok := ev.pictures(few[:0], body)
	if !ok {
		return dst, false
	}
	done := 0
	for _, s := range spans {
		if s.at < done {
			return dst, false // one in the other: not a body that we know
		}
		dst = append(dst, body[done:s.at]...)
		if dst = s.picture.appendShort(dst); len(dst)-begin > limit {
			return dst[:begin], false
		}
		done = s.end
	}
	if len(dst)-begin+len(body)-done > limit {
		return dst[:begin], false
	}
	return append(dst, body[done:]...), true
}

// span is where in a body a picture stands.
type span struct {
	at, end int
	picture shortened
}

// pictures finds the long pictures of an event in its body, in their order.
func (ev *Event) pictures(spans []span, body []byte) ([]span, bool) {
	scanned := 0 // of the literals of a JSON body
	for i := range ev.Blobs {
		b := &ev.Blobs[i]
		at, found := Offset(body, b.Data)
		end := at + len(b.Data)
		switch {
		case found && ev.Kind == JSON:
			scanned = end + 1
		case found:
		case ev.Kind == JSON: // it had escapes, or was of another encoding: its literal is the next long one
			if at, end, found = longLiteral(body, scanned); found {
				scanned = end + 1
				// In a body that came compressed it is none of the document.
				found = end-at >= len(b.Data) && (body[at] == b.Data[0] || body[at] == '\\')
			}
		}
		p, long := shorten(b)
		if !long {
			continue
		}
		if !found {
			return spans, false
		}
		spans = append(spans, span{at, end, p})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.at, b.at) })
	return spans, true
}

// longLiteral is the first literal from an index on that was lifted.
func longLiteral(body []byte, from int) (at, end int, ok bool) {
	for from < len(body) {
		q := bytes.IndexByte(body[from:], '"')
		if q < 0 {
			return 0, 0, false
		}
		at = from + q + 1
		if end = stringEnd(body, at); end < 0 {
			return 0, 0, false
		}
		if end-at > LiftMin {
			return at, end, true
		}
		from = end + 1
	}
	return 0, 0, false
}

// shortened are the pieces of a picture that stay.
type shortened struct{ prefix, head, mid, tail []byte }

func (s shortened) appendShort(dst []byte) []byte {
	dst = append(append(dst, s.prefix...), s.head...)
	return append(append(dst, s.mid...), s.tail...)
}

// shorten cuts a picture. long is false if it is none, or short: it stays as it
// is.
func shorten(b *Blob) (s shortened, long bool) {
	data := b.Data
	if len(data) < 4*(shortHead+shortMid+shortTail)/3 {
		return s, false
	}
	if b.Raw {
		middle := len(data) / 2
		return shortened{nil, data[:shortHead], data[middle : middle+shortMid], data[len(data)-shortTail:]}, PictureType(data) != ""
	}
	if comma := bytes.IndexByte(data[:min(len(data), 64)], ','); comma > 0 && bytes.HasPrefix(data, []byte("data:")) {
		s.prefix, data = data[:comma+1], data[comma+1:]
	}
	var decoded [shortHead]byte
	head := data[:min(len(data), shortHead)]
	n, err := base64.StdEncoding.Decode(decoded[:], head)
	if err != nil || n != len(head)/4*3 || PictureType(decoded[:n]) == "" {
		return s, false
	}
	if len(data)%4 != 0 { // cut off, or with line breaks: as wrong as it was
		s.head, s.tail = head, data[len(data)-shortTail-len(data)%4:]
	} else {
		s.head, s.tail = head, data[len(data)-shortTail:]
	}
	middle := len(data) / 8 * 4
	s.mid = data[middle : middle+shortMid]
	return s, !bytes.ContainsAny(s.mid, "\r\n\"\\") && !bytes.ContainsAny(s.tail, "\r\n\"\\")
}
