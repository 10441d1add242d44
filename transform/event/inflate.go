package event

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
)

// InflatedRoom is how much memory a body may take at most when its
// Content-Encoding is undone, in bytes: 0 if it is not compressed. What comes
// to more is refused as a bomb: documents do not shrink to a fiftieth.
func InflatedRoom(contentEncoding string, body []byte) int {
	if contentEncoding == "" && compression(body) == "" {
		return 0
	}
	return min(MaxInflated, 64<<10+50*len(body))
}

// decoded undoes the Content-Encoding of a request: gzip, or deflate, by which
// some firmware means zlib and some the raw stream. Compression that no header
// speaks of is told by its first bytes, and a header on a body that is not
// compressed (a proxy on the way undid it) is not believed.
func (ev *Event) decoded(body []byte) ([]byte, error) {
	said := ev.Request.Header["content-encoding"]
	room := InflatedRoom(said, body)
	if said == "" {
		encoding := compression(body)
		if encoding == "" {
			return body, nil
		}
		out, err := inflate(encoding, body, room)
		if errors.Is(err, errInflated) {
			return nil, bomb(encoding, room)
		}
		if err != nil || len(out) == 0 {
			return body, nil // it only looked like it
		}
		ev.note("the body was %s, and no Content-Encoding said so", encoding)
		return out, nil
	}
	encodings := strings.Split(said, ",")
	if len(encodings) > 2 {
		return nil, &Error{Kind("body"), -1, fmt.Sprintf("Content-Encoding %.60q: more than two encodings", said)}
	}
	for i := len(encodings) - 1; i >= 0; i-- {
		encoding := strings.ToLower(strings.TrimSpace(encodings[i]))
		switch encoding {
		case "", "identity":
			continue
		case "x-gzip":
			encoding = "gzip"
		case "gzip", "deflate":
		default:
			return nil, &Error{Kind("body"), -1, fmt.Sprintf("unknown Content-Encoding %.60q: want gzip, deflate or none", encoding)}
		}
		out, err := inflate(encoding, body, room)
		switch {
		case err == nil:
			body = out
		case errors.Is(err, errInflated):
			return nil, bomb(encoding, room)
		case errors.Is(err, io.ErrUnexpectedEOF) && len(out) > 0:
			ev.note("the %s body is cut off: %d bytes of it could be read", encoding, len(out))
			body = out
		case len(body) > 0 && isText(body[:min(len(body), 256)]):
			ev.note("the body is not compressed, though its Content-Encoding is %s", encoding)
			return body, nil
		default:
			return nil, &Error{Kind(encoding), -1, err.Error()}
		}
	}
	return body, nil
}

var errInflated = errors.New("more than there is room for")

func bomb(encoding string, room int) error {
	return &Error{Kind(encoding), -1, fmt.Sprintf("the body has more than %d bytes after decompression", room)}
}

// compression tells gzip and zlib by their first bytes.
func compression(b []byte) string {
	switch {
	case len(b) > 18 && b[0] == 0x1F && b[1] == 0x8B && b[2] == 8:
		return "gzip"
	case len(b) > 8 && b[0] == 0x78 && (b[1] == 0x01 || b[1] == 0x5E || b[1] == 0x9C || b[1] == 0xDA):
		return "deflate"
	}
	return ""
}

// inflate returns what a body holds, or what could be read of it with an error.
func inflate(encoding string, body []byte, room int) ([]byte, error) {
	if encoding == "gzip" {
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return readInflated(r, len(body), room)
	}
	if r, err := zlib.NewReader(bytes.NewReader(body)); err == nil {
		out, err := readInflated(r, len(body), room)
		if err == nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errInflated) {
			return out, err
		}
	}
	return readInflated(flate.NewReader(bytes.NewReader(body)), len(body), room)
}

func readInflated(r io.Reader, size, room int) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(min(4*size, room, 1<<20) + bytes.MinRead)
	n, err := io.Copy(&out, io.LimitReader(r, int64(room)+1))
	if n > int64(room) {
		return nil, errInflated
	}
	return out.Bytes(), err
}
