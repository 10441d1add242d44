package proxy

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/event"
)

// An entry's body, before it is sealed, holds the record and the whole
// original request; a picture that is a piece of the original stands in it
// only once.
//
//	length of head u32 | head (JSON) | document | extra | original body

// head describes an entry.
type head struct {
	Source     string     `json:"source"`
	Mapping    string     `json:"mapping,omitempty"`
	Generation string     `json:"generation"`
	Interface  string     `json:"interface,omitempty"` // empty: no record, a dead letter
	Device     string     `json:"device,omitempty"`    // of the record
	Time       string     `json:"time,omitempty"`
	Request    request    `json:"request"`
	Done       []byte     `json:"done,omitempty"` // of a dead letter: the keys of those records of the event that were admitted
	Doc        int        `json:"doc"`            // bytes of the document
	Extra      int        `json:"extra"`          // bytes of pictures that are no piece of the original
	Holes      []holeHead `json:"holes,omitempty"`
	Await      *awaitHead `json:"await,omitempty"`  // its pictures have yet to be made
	Joined     *store.Key `json:"joined,omitempty"` // the record's key, where a picture came in another request
}

// holeHead is a picture: where it belongs, and where its bytes are, in the
// extra bytes or in the original.
type holeHead struct {
	At    int  `json:"at"`
	From  int  `json:"from"`
	Len   int  `json:"len"`
	Raw   bool `json:"raw,omitempty"`
	Extra bool `json:"extra,omitempty"`
	// Recipe says how the picture is made of these bytes, or fetched.
	Recipe *transform.Recipe `json:"recipe,omitempty"`
}

// request is event.Request as it is kept.
type request struct {
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Params      map[string]string `json:"params,omitempty"`
	Query       map[string]string `json:"query,omitempty"`
	Header      map[string]string `json:"header,omitempty"`
	Remote      string            `json:"remote"`
	Received    time.Time         `json:"received"`
	ContentType string            `json:"contentType,omitempty"`
}

// entry is an opened body. It shares memory with the bytes it was read from.
type entry struct {
	head     head
	record   transform.Record // Doc and Holes only
	original []byte
}

// appendEntry appends the plaintext of an entry to dst; rec may be nil.
func appendEntry(dst []byte, h head, rec *transform.Record, original []byte) ([]byte, error) {
	if rec != nil {
		h.Doc = len(rec.Doc)
		for _, hole := range rec.Holes {
			hh := holeHead{At: hole.At, Len: len(hole.Blob.Data), Raw: hole.Blob.Raw, Recipe: hole.Recipe}
			from, ok := event.Offset(original, hole.Blob.Data)
			if hh.From = from; !ok {
				hh.From, hh.Extra = h.Extra, true
				h.Extra += hh.Len
			}
			h.Holes = append(h.Holes, hh)
		}
	}
	b, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
	dst = append(dst, b...)
	if rec != nil {
		dst = append(dst, rec.Doc...)
		for i, hole := range rec.Holes {
			if h.Holes[i].Extra {
				dst = append(dst, hole.Blob.Data...)
			}
		}
	}
	return append(dst, original...), nil
}

// readEntry is the reverse. It trusts nothing: the bytes may be damaged in
// ways that the seal does not cover (an older version, a mistake of ours).
func readEntry(b []byte) (*entry, error) {
	if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
		return nil, errors.New("the entry is cut off")
	}
	n := int(binary.BigEndian.Uint32(b))
	e := new(entry)
	if err := json.Unmarshal(b[4:4+n], &e.head); err != nil {
		return nil, fmt.Errorf("the head of the entry is damaged: %w", err)
	}
	rest := b[4+n:]
	h := &e.head
	if h.Doc < 0 || h.Extra < 0 || h.Doc > len(rest) || h.Extra > len(rest)-h.Doc {
		return nil, errors.New("the entry is shorter than its head says")
	}
	extra := rest[h.Doc : h.Doc+h.Extra]
	e.record.Doc, e.original = rest[:h.Doc], rest[h.Doc+h.Extra:]
	last := 0
	for _, hh := range h.Holes {
		from := e.original
		if hh.Extra {
			from = extra
		}
		if hh.At < last || hh.At > h.Doc || hh.From < 0 || hh.Len < 0 || hh.From > len(from) || hh.Len > len(from)-hh.From {
			return nil, errors.New("a picture lies outside of the entry")
		}
		last = hh.At
		e.record.Holes = append(e.record.Holes, transform.Hole{At: hh.At, Blob: event.Blob{Data: from[hh.From : hh.From+hh.Len], Raw: hh.Raw}, Recipe: hh.Recipe})
	}
	return e, nil
}

func keptRequest(q *event.Request) request {
	return request{q.Method, q.Path, q.Params, q.Query, q.Header, q.Remote, q.Received, q.ContentType}
}

// masked hides what a sender puts on its URL as a secret: near-spec clients
// send the platform's own appKey (规范 1.3).
func (q request) masked() request {
	query := map[string]string{}
	for k, v := range q.Query {
		if secretNames[strings.ToLower(k)] {
			v = "***"
		}
		query[k] = v
	}
	if len(query) > 0 {
		q.Query = query
	}
	return q
}

var secretNames = map[string]bool{"appkey": true, "token": true, "access_token": true, "key": true, "secret": true, "password": true, "passwd": true, "pwd": true, "sign": true}

func (q *request) event() event.Request {
	return event.Request{Method: q.Method, Path: q.Path, Params: q.Params, Query: q.Query, Header: q.Header, Remote: q.Remote, Received: q.Received, ContentType: q.ContentType}
}
