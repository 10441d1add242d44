package event

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// seed adds the bodies of the kinds, and of all kinds if there are none.
func seed(add func(contentType, body string), kinds ...Kind) {
	for _, c := range kindCases() {
		for _, k := range kinds {
			if c.kind == k && c.encoding == "" {
				add(c.contentType, c.body)
			}
		}
	}
}

// wellFormed decodes a body as a kind. What is decoded without an error must
// be a well-formed document: only JSON may turn out broken in its walk.
func wellFormed(t *testing.T, ev *Event, contentType string, body []byte, layout Layout) (any, bool) {
	t.Helper()
	if err := NewDecoder().Decode(ev, contentType, body, layout); err != nil {
		return nil, false
	}
	v, err := ev.Value(ev.Doc)
	if err != nil {
		if ev.Kind != JSON && ev.Kind != Multipart {
			t.Fatalf("the %s %q became %q: %v", ev.Kind, body, ev.Doc, err)
		}
		return nil, false
	}
	if _, err := json.Marshal(plain(v)); err != nil {
		t.Fatal(err)
	}
	for _, p := range ev.Parts {
		_ = ev.Blobs[p.Blob].Data
	}
	return v, true
}

// FuzzDecode leaves the kind to the look; it must never panic nor loop.
func FuzzDecode(f *testing.F) {
	seed(func(contentType, body string) { f.Add(contentType, []byte(body)) }, Kinds...)
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		wellFormed(t, new(Event), contentType, body, Layout{Unwrap: []string{"A", "B"}})
	})
}

// FuzzXML: what encoding/xml takes is taken without a word about its being
// broken, and the root has the name that it has there.
func FuzzXML(f *testing.F) {
	seed(func(_, body string) { f.Add([]byte(body)) }, XML)
	f.Fuzz(func(t *testing.T, body []byte) {
		ev := new(Event)
		v, ok := wellFormed(t, ev, "", body, Layout{Kind: XML})
		root, strict := strictXML(body)
		if !strict {
			return
		}
		notes := strings.Join(ev.Notes, "; ")
		if !ok || strings.Contains(notes, "broken") || strings.Contains(notes, "too early") {
			if ok || !tooMuch(ev, body) {
				t.Fatalf("%q: %v %s", body, v, notes)
			}
			return
		}
		if m, _ := v.(map[string]any); m[root] == nil {
			t.Fatalf("%q: no root %q in %v", body, root, v)
		}
	})
}

// tooMuch tells whether a body was refused for a limit.
func tooMuch(ev *Event, body []byte) bool {
	err := NewDecoder().Decode(ev, "", body, Layout{Kind: XML})
	return err != nil && (strings.Contains(err.Error(), "more than") || strings.Contains(err.Error(), "nested"))
}

// strictXML reads a document by encoding/xml, without declarations, which it
// reads otherwise.
func strictXML(body []byte) (root string, ok bool) {
	if bytes.Contains(body, []byte("<!")) || bytes.Contains(body, []byte("<?")) || !json.Valid(AppendString(nil, string(body))) || bytes.ContainsAny(body, "\x00\uFFFD") {
		return "", false
	}
	d := xml.NewDecoder(bytes.NewReader(trim(body)))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return root, root != ""
		}
		if err != nil {
			return "", false
		}
		if e, isStart := tok.(xml.StartElement); isStart && root == "" {
			root = e.Name.Local
		}
	}
}

func FuzzMultipart(f *testing.F) {
	seed(func(contentType, body string) { f.Add(contentType, []byte(body)) }, Multipart)
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		ev := new(Event)
		if _, ok := wellFormed(t, ev, contentType, body, Layout{Kind: Multipart, Parts: []string{"result"}}); !ok {
			return
		}
		// Parts never overlap, and come in the order of the body.
		done := 0
		for _, p := range ev.Parts {
			if at, ok := Offset(body, ev.Blobs[p.Blob].Data); ok {
				if at < done {
					t.Fatalf("%q: part at %d, before %d", body, at, done)
				}
				done = at + ev.Blobs[p.Blob].Len()
			}
		}
	})
}

// FuzzForm, FuzzKeyValue and FuzzRows: whatever they make is well-formed, and
// neither panics nor loops.
func FuzzForm(f *testing.F) {
	seed(func(_, body string) { f.Add([]byte(body)) }, Form)
	f.Fuzz(func(t *testing.T, body []byte) {
		wellFormed(t, new(Event), "", body, Layout{Kind: Form})
	})
}

func FuzzKeyValue(f *testing.F) {
	seed(func(_, body string) { f.Add([]byte(body)) }, KeyValue)
	f.Fuzz(func(t *testing.T, body []byte) {
		wellFormed(t, new(Event), "", body, Layout{Kind: KeyValue})
	})
}

func FuzzRows(f *testing.F) {
	seed(func(_, body string) { f.Add([]byte(body)) }, Rows)
	f.Fuzz(func(t *testing.T, body []byte) {
		wellFormed(t, new(Event), "", body, Layout{Kind: Rows})
	})
}

// FuzzEncoding: what was compressed comes back; anything else is an error, or
// taken as it is with a note.
func FuzzEncoding(f *testing.F) {
	for _, c := range kindCases() {
		if c.encoding != "" {
			f.Add(c.encoding, []byte(c.body))
		}
	}
	f.Add("deflate", []byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		ev := &Event{Request: Request{Header: map[string]string{"content-encoding": encoding}}}
		wellFormed(t, ev, "", body, Layout{})
		for how, encoding := range map[string]string{"gzip": "gzip", "zlib": "deflate", "raw": "deflate"} {
			ev.Request.Header["content-encoding"] = encoding
			got, err := ev.decoded([]byte(deflated(how, string(body))))
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%s of %q: %q, %v", how, body, got, err)
			}
		}
	})
}
