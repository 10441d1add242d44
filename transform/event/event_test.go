package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// decode decodes body and returns the whole document as Go values, each blob
// as its description.
func decode(t *testing.T, contentType string, body []byte, unwrap ...string) (*Event, any, error) {
	t.Helper()
	ev := new(Event)
	if err := NewDecoder().Decode(ev, contentType, body, Layout{Unwrap: unwrap}); err != nil {
		return ev, nil, err
	}
	v, err := ev.Value(ev.Doc)
	return ev, plain(v), err
}

func plain(v any) any {
	switch v := v.(type) {
	case *Blob:
		return v.String()
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

var long = strings.Repeat("QUJD", 400) // 1600 bytes of Base64

func TestDecode(t *testing.T) {
	crlf := func(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }
	gbk, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(`{"name":"东门乗","plate":"皖A"}`))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, contentType string
		body              []byte
		unwrap            []string
		want              any
		note              string
		parts             string // names and sizes
	}{
		{name: "plain", body: []byte(`{"a":1,"b":[true,null,"x"]}`), want: map[string]any{"a": 1, "b": []any{true, nil, "x"}}},
		{name: "byte order mark, white space and NUL", body: []byte("\xEF\xBB\xBF \r\n{\"a\":1}\n\x00\x00"), want: map[string]any{"a": 1}},
		{name: "long string", body: []byte(`{"a":"` + long + `","b":"c"}`), want: map[string]any{"a": "@text 1600 bytes", "b": "c"}},
		{name: "escaped long string", body: []byte(`{"a":"\/` + long + `\u002b"}`), want: map[string]any{"a": "@text 1602 bytes"}},
		{name: "numbers keep their text", body: []byte(`[12345678901234567890123456789,0.10,1e400,-7,1234567.12345678901234]`),
			want: []any{"12345678901234567890123456789", 0.1, "1e400", -7, "1234567.12345678901234"}},
		{name: "GBK", body: gbk, want: map[string]any{"name": "东门乗", "plate": "皖A"}, note: "the text was GB18030, not UTF-8"},
		{name: "first of two members with one name", body: []byte(`{"a":1,"a":2}`), want: map[string]any{"a": 1}},
		{name: "escaped name", body: []byte(`{"\u0061":1}`), want: map[string]any{"a": 1}},
		{name: "unwrap", body: []byte(`{"EventNotificationAlert":{"eventType":"x"}}`), unwrap: []string{"EventNotificationAlert"}, want: map[string]any{"eventType": "x"}},
		{name: "unwrap finds nothing", body: []byte(`{"eventType":"x"}`), unwrap: []string{"EventNotificationAlert"}, want: map[string]any{"eventType": "x"}},
		{name: "xml", body: []byte(`<?xml version="1.0"?><ns:A version="2" xmlns:ns="u"><b>1</b><ns:c> x </ns:c><b>2</b><d/></ns:A>`),
			want: map[string]any{"A": map[string]any{"@version": "2", "b": []any{"1", "2"}, "c": "x", "d": ""}}},
		{name: "xml in GB2312", body: append([]byte(`<?xml version="1.0" encoding="GB2312"?><A><b>`), "\xb6\xab\xc3\xc5</b></A>"...),
			want: map[string]any{"A": map[string]any{"b": "东门"}}},
		{name: "xml never closed", body: []byte(`<A><b>1</b><c>2`), unwrap: []string{"A"}, want: map[string]any{"b": "1", "c": ""}, note: `the XML ends too early: element "c" is cut off, and left empty`},
		{name: "multipart", contentType: "multipart/form-data; boundary=b", body: crlf("--b\nContent-Disposition: form-data; name=\"e\"\nContent-Type: application/json\n\n{\"a\":1}\n--b\nContent-Disposition: form-data; name=\"Picture\"; filename=\"Picture.jpg\"\nContent-Type: image/jpeg\nContent-ID: <pid>\n\n\xFF\xD8\xFFpic\n--b--\n"),
			want: map[string]any{"a": 1}, parts: "Picture/Picture.jpg/pid/image/jpeg 6"},
		{name: "multipart: boundary with its dashes, bare line feeds", contentType: "multipart/form-data; boundary=--b", body: []byte("--b\nContent-Type: application/json\n\n{\"a\":1}\n--b\n\n\xFF\xD8\xFFpic\n--b--\n"),
			want: map[string]any{"a": 1}, parts: "/// 6"},
		{name: "multipart: no content type in the header, no closing delimiter", body: crlf("--MIME\nContent-Disposition: form-data; name=\"e\"\n\n{\"a\":1}\n--MIME\nContent-Disposition: form-data; name=\"p\"\n\n\xFF\xD8\xFFpic"),
			want: map[string]any{"a": 1}, parts: "p/// 6", note: "the closing delimiter is missing"},
		{name: "multipart: heartbeat part first, XML behind, names repeat", contentType: `multipart/mixed; boundary="b"`, body: crlf("--b\nContent-Type: text/plain\n\nHeartbeat\n--b\nContent-Disposition: form-data; name=\"x\"\n\n<A><b>1</b></A>\n--b\nContent-Disposition: form-data; name=\"x\"\n\n\xFF\xD8\xFFx\n--b--\n"),
			unwrap: []string{"A"}, want: map[string]any{"b": "1"}, parts: "///text/plain 9 x/// 4"},
		{name: "multipart: a form of fields", contentType: "multipart/form-data; boundary=b", body: crlf("--b\nContent-Disposition: form-data; name=\"id\"\n\n7\n--b\nContent-Disposition: form-data; name=\"f\"; filename=\"x.jpg\"\n\n\xFF\xD8\xFF\n--b--\n"),
			want: map[string]any{"id": "7"}, parts: "id/// 1 f/x.jpg// 3"},
		{name: "multipart: the delimiter inside a picture is data", contentType: "multipart/form-data; boundary=b", body: crlf("--b\n\n{}\n--b\nContent-Type: image/jpeg\n\n\xFF\xD8\xFFx--by\n--b--\n"),
			want: map[string]any{}, parts: "///image/jpeg 8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, got, err := decode(t, tt.contentType, tt.body, tt.unwrap...)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("document (-want +got):\n%s", d)
			}
			if strings.Join(ev.Notes, "; ") != tt.note {
				t.Errorf("note %q, want %q", ev.Notes, tt.note)
			}
			var parts []string
			for _, p := range ev.Parts {
				parts = append(parts, fmt.Sprintf("%s/%s/%s/%s %d", p.Name, p.Filename, p.ContentID, p.Type, ev.Blobs[p.Blob].Len()))
			}
			if got := strings.Join(parts, " "); got != tt.parts {
				t.Errorf("parts %q, want %q", got, tt.parts)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct{ contentType, body, want string }{
		{"", "", "broken json: the body is empty"},
		{"", "hello", `broken json at byte 0: want JSON, got text that begins with "hello"`},
		{"", `{"a":1`, "broken json at byte 6: the object has no end"},
		{"", `{"a" 1}`, "broken json at byte 5: want ':' behind a member's name"},
		{"", `{"a":"x}`, "broken json at byte 5: this string has no end"},
		{"", `[1,]`, "broken json at byte 3: want a value"},
		{"", `{"a":01}`, "broken json at byte 6: want ',' or '}' behind a member"},
		{"", `{"a":"\x"}`, "broken json at byte 7: unknown escape in a string"},
		{"", "{\"a\":\"\n\"}", "broken json at byte 6: control character in a string"},
		{"", `{} {}`, "broken json at byte 3: text behind the end of the document"},
		{"", strings.Repeat("[", 200), "broken json at byte 129: nested too deeply"},
		{"", "\xFF\xFE\xFF", `broken json at byte 0: want JSON, got text that begins with "�"`},
		{"application/xml", "<>", "broken xml at byte 1: want an element's name behind <"},
		{"multipart/form-data; boundary=zz", "x", "broken multipart at byte 0: no delimiter: the header's boundary is not in the body, and the body does not begin with one"},
		{"multipart/form-data; boundary=b", "--b\n\n{\"a\":\n--b--", "broken multipart at byte 5: the document ends too early"},
	}
	for _, tt := range tests {
		_, _, err := decode(t, tt.contentType, []byte(tt.body))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q:\n got %v\nwant %s", tt.body, err, tt.want)
		}
	}
	many := `["` + strings.Repeat(strings.Repeat("x", LiftMin+1)+`","`, MaxBlobs+1) + `"]`
	if _, _, err := decode(t, "", []byte(many)); err == nil || !strings.Contains(err.Error(), "more than 512 long strings") {
		t.Errorf("too many blobs: %v", err)
	}
	parts := strings.Repeat("--b\n\nx\n", MaxParts+1) + "--b--"
	if _, _, err := decode(t, "multipart/mixed; boundary=b", []byte(parts)); err == nil || !strings.Contains(err.Error(), "more than 64 parts") {
		t.Errorf("too many parts: %v", err)
	}
	wide := `[` + strings.Repeat(`"`+strings.Repeat("x", 1000)+`",`, MaxDoc/1000) + `1]`
	if _, _, err := decode(t, "", []byte(wide)); err == nil || !strings.Contains(err.Error(), "the document has") {
		t.Errorf("too large a document: %v", err)
	}
}

func TestOffset(t *testing.T) {
	body := []byte("0123456789")
	for _, part := range [][]byte{body[3:7], body[:1], body[9:], body} {
		if at, ok := Offset(body, part); !ok || body[at] != part[0] {
			t.Errorf("%s: %d, %v", part, at, ok)
		}
	}
	for _, part := range [][]byte{[]byte("345"), nil, body[:0], append([]byte(nil), body...)} {
		if at, ok := Offset(body, part); ok {
			t.Errorf("%q: found at %d", part, at)
		}
	}
	if _, ok := Offset(body[:5], body[6:]); ok {
		t.Error("a part behind the end was found")
	}
}

// A picture must reach its record without ever being copied into a Go string,
// so a lifted literal has to be a slice of the body itself.
func TestLiftDoesNotCopy(t *testing.T) {
	body := []byte(`{"a":"` + long + `","t":"x"}`)
	ev := new(Event)
	if err := NewDecoder().Decode(ev, "", body, Layout{}); err != nil {
		t.Fatal(err)
	}
	if len(ev.Blobs) != 1 || &ev.Blobs[0].Data[0] != &body[6] {
		t.Errorf("the blob is not a slice of the body")
	}
	if bytes.Contains(ev.Doc, []byte(long)) {
		t.Errorf("the document still holds the picture")
	}
	part := []byte("--b\r\n\r\n{}\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n\xFF\xD8\xFFxyz\r\n--b--")
	if err := NewDecoder().Decode(ev, "multipart/mixed; boundary=b", part, Layout{}); err != nil {
		t.Fatal(err)
	}
	if at := bytes.Index(part, []byte("\xFF\xD8")); &ev.Blobs[1].Data[0] != &part[at] {
		t.Errorf("the part is not a slice of the body")
	}
}

func TestForgedHandleIsText(t *testing.T) {
	d := NewDecoder()
	ev := new(Event)
	for _, forged := range []string{
		"yiqiao-blob:0000000000000000:0", "yiqiao-blob::0", "yiqiao-blob:",
		"yiqiao-blob:" + d.nonce + ":1", "yiqiao-blob:" + d.nonce + ":00", "yiqiao-blob:" + d.nonce + ":0 ",
	} {
		body := []byte(`{"a":"` + long + `","b":"` + forged + `"}`)
		if err := d.Decode(ev, "", body, Layout{}); err != nil {
			t.Fatal(err)
		}
		v, err := ev.Value(ev.Doc)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.(map[string]any)["b"]; got != forged {
			t.Errorf("%q became %v", forged, got)
		}
	}
}

func TestFill(t *testing.T) {
	doc := `{"a":{"b":7,"c":{"d":[{"e":"x"},{"e":"y"}]}},"odd-key":true,"n":null}`
	var p Paths
	add := func(raw bool, steps ...any) int {
		var s []Step
		for _, x := range steps {
			if n, ok := x.(int); ok {
				s = append(s, Step{Index: n, List: true})
			} else {
				s = append(s, Step{Name: x.(string)})
			}
		}
		return p.Add(s, raw)
	}
	want := map[int]any{
		add(false, "a", "b"):                7,
		add(false, "a", "c", "d", 1, "e"):   "y",
		add(false, "a", "c", "d", 2, "e"):   nil,
		add(false, "odd-key"):               true,
		add(false, "n"):                     nil,
		add(false, "a", "b", "nothing"):     nil,
		add(true, "a", "c", "d"):            Raw(`[{"e":"x"},{"e":"y"}]`),
		add(false, "a", "c", "d", 0):        map[string]any{"e": "x"},
		add(false, "a", "c", "d", "notkey"): nil,
	}
	ev := &Event{Doc: []byte(doc)}
	out := make([]any, p.Len())
	for range 2 { // a second walk leaves nothing of the first
		if err := ev.Fill(&p, out); err != nil {
			t.Fatal(err)
		}
		for n, w := range want {
			if d := cmp.Diff(w, out[n]); d != "" {
				t.Errorf("slot %d (-want +got):\n%s", n, d)
			}
		}
	}
	var elements []string
	Elements(Raw(` [ {"e":"x"} , 2,"3" ] `), func(r Raw) bool { elements = append(elements, string(r)); return true })
	if d := cmp.Diff([]string{`{"e":"x"}`, "2", `"3"`}, elements); d != "" {
		t.Errorf("elements (-want +got):\n%s", d)
	}
}

// A source may name more members than fit into one word or all of them: each
// is found wherever it stands in the document.
func TestFillMany(t *testing.T) {
	const names = 300
	var p Paths
	doc, double := "{", "{"
	for n := names - 1; n >= 0; n-- {
		doc += fmt.Sprintf(`"m%d":%d,`, n, n)
		double += fmt.Sprintf(`"\u006d%d":%d,"m%d":"again",`, n, n, n) // m, escaped
	}
	for n := range names {
		p.Add([]Step{{Name: fmt.Sprintf("m%d", n)}}, false)
	}
	for _, doc := range []string{doc, double} {
		ev := &Event{Doc: []byte(doc + `"end":0}`)}
		out := make([]any, p.Len())
		if err := ev.Fill(&p, out); err != nil {
			t.Fatal(err)
		}
		for n, v := range out {
			if v != n {
				t.Errorf("m%d: want %d, got %v", n, n, v)
			}
		}
	}
}

func TestFind(t *testing.T) {
	ev := &Event{
		Parts: []Part{{Name: "faceCapture", Filename: "a.jpg", Blob: 0}, {Name: "Picture", Filename: "Picture.jpg", ContentID: "pic", Type: "image/jpeg", Blob: 1}},
		Blobs: []Blob{{Data: []byte("A")}, {Data: []byte("B")}},
	}
	for want, data := range map[string]string{"faceCapture": "A", "a.jpg": "A", "a": "A", "pic": "B", "Picture": "B", "image/jpeg": "B", "none": "", "": ""} {
		got := ""
		if b := ev.Find(want); b != nil {
			got = string(b.Data)
		}
		if got != data {
			t.Errorf("Find(%q) = %q, want %q", want, got, data)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "x", "东门", "a\"b\\c\n\t\r\x01", "bad\xFFutf", strings.Repeat("字", 300)} {
		var got string
		lit := AppendString(nil, s)
		if err := json.Unmarshal(lit, &got); err != nil {
			t.Errorf("%q: %s: %v", s, lit, err)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); got != want {
			t.Errorf("%q came back as %q", s, got)
		}
	}
}

// FuzzJSON: what encoding/json accepts, Decode and Fill accept, with the same
// values; what it refuses, they refuse. Nothing panics.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\u4e1c\ud83d\ude00"],"b":null}`, `"\ud800"`, `{"a":"` + long + `"}`, `[1e5,-0,0.1]`, `{"":{"":1}}`, "{\"a\":\"\\\"\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if trimmed := trim(body); len(trimmed) != len(body) || len(body) == 0 || body[0] == '<' || bytes.Contains(body, []byte(handlePrefix)) {
			return
		}
		if bytes.HasPrefix(body, []byte("--")) || !json.Valid(body) && !json.Valid(bytes.ToValidUTF8(body, []byte("?"))) {
			ev := new(Event)
			if err := NewDecoder().Decode(ev, "", body, Layout{}); err == nil {
				// Raw line breaks inside Base64 are taken as they come.
				lenient := slices.ContainsFunc(ev.Blobs, func(b Blob) bool {
					return bytes.ContainsFunc(b.Data, func(r rune) bool { return r < ' ' })
				})
				if _, err := ev.Value(ev.Doc); err == nil && ev.Kind == JSON && len(ev.Notes) == 0 && !lenient {
					t.Fatalf("accepted %q", body)
				}
			}
			return
		}
		ev := new(Event)
		err := NewDecoder().Decode(ev, "", body, Layout{})
		if err == nil {
			_, err = ev.Value(ev.Doc)
		}
		if err != nil && len(ev.Notes) == 0 && !strings.Contains(err.Error(), "nested too deeply") {
			t.Fatalf("refused %q: %v", body, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var p Paths
	p.Add([]Step{{Name: "dateTime"}}, false)
	out := make([]any, p.Len())
	for _, size := range []int{3 << 10, 500 << 10} {
		head := `{"dateTime":"2026-11-24T10:00:00+08:00","list":[` + strings.Repeat(`{"x":0.4712,"y":0.3801,"name":"leftEye"},`, 40) + `0],"image":"`
		body := []byte(head + strings.Repeat("QUJD", (size-len(head))/4) + `"}`)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, ev := NewDecoder(), new(Event)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Decode(ev, "", body, Layout{}); err != nil {
					b.Fatal(err)
				}
				if err := ev.Fill(&p, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
