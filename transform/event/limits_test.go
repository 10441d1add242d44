package event

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Whatever a body holds, its decoding is bounded, and says which limit it met.
func TestLimits(t *testing.T) {
	form := "multipart/form-data; boundary=b"
	tests := []struct {
		name, contentType, encoding string
		body                        string
		want                        string // of the error; empty: it decodes
	}{
		{"10,000 parts", form, "", strings.Repeat("--b\r\n\r\nx\r\n", 10_000) + "--b--", "more than 64 parts"},
		{"a header without end", form, "", "--b\r\n" + strings.Repeat("X-A: "+strings.Repeat("y", 100)+"\r\n", 100) + "\r\nx\r\n--b--", "the header of a part has more than 8192 bytes"},
		{"a header line without end", form, "", "--b\r\nX-A: " + strings.Repeat("y", 1<<20) + "\r\n\r\nx\r\n--b--", "the header of a part has more than 8192 bytes"},
		{"deep JSON", "", "", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "nested too deeply"},
		{"deep XML", "", "", strings.Repeat("<a>", 100_000), "nested more than 128 deep"},
		{"deep names", "", "", strings.Repeat("a.", 100) + "b=1\n", "a name has more than 64 steps"},
		{"deep lists of names", "", "", "a" + strings.Repeat("[0]", 80) + "=1\n", "a name has more than 64 steps"},
		{"many elements", "", "", "<a>" + strings.Repeat("<b/>", 2*MaxElements) + "</a>", "more than 100000 elements"},
		{"many attributes", "", "", "<a " + strings.Repeat("b='' ", 2*MaxElements) + "/>", "more than 100000 elements"},
		{"many end tags", "", "", "<a>" + strings.Repeat("</b>", 1_000_000), ""},
		{"many names", "", "", manyNames(2 * MaxElements), "more than 100000 elements"},
		{"many indexes, backwards", "", "", manyIndexes(50_000), ""},
		{"many fields", "application/x-www-form-urlencoded", "", strings.Repeat("a=1&", MaxElements), "more than 10000 fields"},
		{"fields of JSON without end", "application/x-www-form-urlencoded", "", strings.Repeat("a={&", 9_000), ""},
		{"many rows", "", "", strings.Repeat("1\t2\n", MaxElements), "more than 100000 elements"},
		{"many documents", "", "", strings.Repeat(`{"a":1}`, 10_000), "more than 1000 documents"},
		{"many events", "", "", strings.Repeat("Code=A;action=Pulse;index=0\n", 10_000), "more than 1000 events"},
		{"a large text", "text/plain", "", strings.Repeat("x", MaxDoc), ""}, // it is lifted
		{"a large document of XML", "", "", "<a>" + strings.Repeat("<b>"+strings.Repeat("x", 1000)+"</b>", 2*MaxDoc/1000) + "</a>", "after lifting"},
		{"a bomb", "", "gzip", deflated("gzip", strings.Repeat("\x00", MaxInflated+1)), " bytes after decompression"},
		{"a bomb in a bomb", "", "gzip, deflate", deflated("zlib", deflated("gzip", strings.Repeat("a", MaxInflated+1))), " bytes after decompression"},
		{"a bomb that says nothing", "", "", deflated("gzip", strings.Repeat("a", MaxInflated+1)), " bytes after decompression"},
		{"a bomb of random bytes", "", "gzip", deflated("gzip", noise(1<<20)+strings.Repeat("a", MaxInflated)), "more than 33554432 bytes after decompression"},
		{"three encodings", "", "gzip, gzip, gzip", "x", "more than two encodings"},
		{"an unknown encoding", "", "br", "x", `unknown Content-Encoding "br": want gzip, deflate or none`},
		{"broken compression", "", "gzip", "\x1F\x8B\x08\x00\x00\x00\x00\x00\x00\x00xxxxxxxxxxxxxxxx", "broken gzip"},
		{"an entity of entities", "", "", `<!DOCTYPE a [<!ENTITY b "` + strings.Repeat("&c;", 100) + `">]><a>` + strings.Repeat("&b;", 1000) + "</a>", ""},
		{"many delimiters that are none", "multipart/form-data; boundary=boundary", "", "--boundary\r\n\r\n{}\r\n" + strings.Repeat("--boundaryx", 500_000) + "\r\n--boundary--", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begun := time.Now()
			c := kindCase{contentType: tt.contentType, encoding: tt.encoding, body: tt.body}
			_, err := c.decode(NewDecoder(), new(Event))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			// Quadratic behaviour takes minutes; a busy machine does not.
			if d := time.Since(begun); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func noise(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; {
		x = x*1664525 + 1013904223
		b.WriteByte(byte(x >> 24))
	}
	return b.String()
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "n%d=%d\n", i, i)
	}
	return b.String()
}

func manyIndexes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "e[%d].a=1\n", n-i)
	}
	return b.String()
}

// Decoding XML allocates only what its tree outgrows, and for the unwrapped member.
func TestXMLAllocations(t *testing.T) {
	body := cameraXML(5 << 10)
	d, ev := NewDecoder(), new(Event)
	n := testing.AllocsPerRun(100, func() {
		if err := d.Decode(ev, "application/xml", body, Layout{Unwrap: []string{"EventNotificationAlert"}}); err != nil {
			t.Fatal(err)
		}
	})
	if n > 12 {
		t.Errorf("%v allocations for an event of %d bytes, want at most 12", n, len(body))
	}
}

// A picture in multipart is a slice of the body, and a long text of XML too.
func TestNoCopies(t *testing.T) {
	for _, c := range []struct{ contentType, body, inside string }{
		{"multipart/form-data; boundary=b", "--b\r\n\r\n{}\r\n--b\r\nContent-Length: 9\r\n\r\n" + jpeg + "\r\n--b--", jpeg},
		{"application/xml", "<a><b> " + picture64 + " </b></a>", picture64},
		{"application/x-www-form-urlencoded", "a=1&b=" + strings.ReplaceAll(picture64, "+", "/"), picture64},
		{"text/plain", "PIN=1\nSN=2\x00" + jpeg, jpeg},
		{"text/plain", "Code=A;action=Pulse;index=0;data={\"b\":\"" + picture64 + "\"}", picture64},
		{"text/plain", "BIOPHOTO PIN=1\tContent=" + picture64, picture64},
	} {
		body := []byte(c.body)
		ev := new(Event)
		if err := NewDecoder().Decode(ev, c.contentType, body, Layout{}); err != nil {
			t.Fatal(err)
		}
		blob := ev.Blobs[len(ev.Blobs)-1]
		if at, ok := Offset(body, blob.Data); !ok || at != strings.Index(c.body, c.inside) || string(blob.Data) != c.inside {
			t.Errorf("%s: the picture is no slice of the body: %d, %v", ev.Kind, at, ok)
		}
	}
}
