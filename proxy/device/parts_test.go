package device

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"yiqiao/transform/event"
)

// texts reads all parts, and says how it ended.
func texts(t *testing.T, r io.Reader, contentType string, limit int) (list []string, err error) {
	t.Helper()
	p, err := NewParts(r, contentType, limit)
	if err != nil {
		return nil, err
	}
	for {
		part, err := p.Next()
		if large := new(TooLarge); errors.As(err, &large) {
			list = append(list, "too large")
			continue
		}
		if err != nil {
			return list, err
		}
		list = append(list, part.Type+":"+string(part.Data))
	}
}

var streams = []struct {
	name, contentType, body string
	want                    string // parts, with | between
	end                     error
}{
	{"with lengths", "multipart/mixed; boundary=boundary", "--boundary\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}\r\n--boundary\r\nContent-Length: 1\r\n\r\nx\r\n", "application/json:{}|:x", io.ErrUnexpectedEOF},
	{"without lengths", "multipart/x-mixed-replace; boundary=myboundary", "--myboundary\r\nContent-Type: text/plain\r\n\r\nCode=A;data={\"x\":\"--y\"}\r\n\r\n--myboundary\r\n\r\nHeartbeat\r\n--myboundary\r\n", "text/plain:Code=A;data={\"x\":\"--y\"}\r\n|:Heartbeat", io.EOF},
	{"boundary with dashes", `multipart/mixed; boundary="--b"`, "--b\nContent-Type: application/xml; charset=\"UTF-8\"\n\n<a/>\n--b\n\nz\n--b--\n", "application/xml:<a/>|:z", io.EOF},
	{"dashes twice", "multipart/mixed; boundary=--b", "----b\r\n\r\na\r\n----b--\r\n", ":a", io.EOF},
	{"no boundary", "multipart/mixed", "--strange\r\n\r\na\r\n--strange\r\n\r\nb\r\n--strange--\r\n", ":a|:b", io.EOF},
	{"length of nothing", "multipart/mixed; boundary=b", "--b\r\nContent-Length: 0\r\n\r\nabc\r\n--b--\r\n", ":abc", io.EOF},
	{"length too long", "multipart/mixed; boundary=b", "--b\r\nContent-Length: 99\r\n\r\nabc\r\n--b\r\n\r\nd\r\n--b--\r\n", ":abc|:d", io.EOF},
	// The first one is cut off; after that lengths are not believed.
	{"length too short", "multipart/mixed; boundary=b", "--b\r\nContent-Length: 2\r\n\r\nabc\r\n--b\r\nContent-Length: 2\r\n\r\ndef\r\n--b--\r\n", ":ab|:def", io.EOF},
	{"delimiter of another", "multipart/mixed; boundary=b", "--b\r\n\r\na\r\n--bc\r\nd\r\n--b--\r\n", ":a\r\n--bc\r\nd", io.EOF},
	{"too large", "multipart/mixed; boundary=b", "--b\r\n\r\n" + strings.Repeat("x\n", 300) + "\r\n--b\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("y", 5000) + "\r\n--b\r\n\r\nc\r\n--b--\r\n", "too large|too large|:c", io.EOF},
	{"preamble", "multipart/mixed; boundary=b", "hello\r\n\r\n--b\r\n\r\na\r\n--b--", ":a", io.EOF},
	{"no empty line", "multipart/mixed; boundary=b", "--b\r\n{\"a\":1}x\r\n--b--\r\n", ":", io.EOF},
}

func TestParts(t *testing.T) {
	for _, c := range streams {
		for how, r := range map[string]io.Reader{"": strings.NewReader(c.body), ", a byte at a time": iotest.OneByteReader(strings.NewReader(c.body))} {
			got, err := texts(t, r, c.contentType, 512)
			if c.name == "no empty line" {
				if !errors.Is(err, c.end) {
					t.Errorf("%s%s: ends with %v", c.name, how, err)
				}
				continue
			}
			if s := strings.Join(got, "|"); s != c.want || !errors.Is(err, c.end) && !errors.Is(err, io.EOF) {
				t.Errorf("%s%s: want %q and %v, got %q and %v", c.name, how, c.want, c.end, s, err)
			}
		}
	}
	for _, bad := range []string{"text/html", "", "application/json; boundary=b"} {
		if _, err := NewParts(strings.NewReader(""), bad, 1); err == nil {
			t.Errorf("%q is taken for several parts", bad)
		}
	}
	if _, err := texts(t, strings.NewReader(strings.Repeat("<html>\n", 40_000)), "multipart/mixed; boundary=b", 512); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a body without any part ends with %v", err)
	}
	if _, err := texts(t, strings.NewReader("--b\r\n"+strings.Repeat("a: b\r\n", 40_000)), "multipart/mixed; boundary=b", 1<<20); err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("a header without end ends with %v", err)
	}
}

// Nothing after the last byte of a part with a length is waited for.
func TestPartsAtOnce(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	picture := event.SyntheticJPEG(900, 1)
	go func() {
		_, _ = w.Write([]byte("--b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"))
		_, _ = w.Write([]byte("\r\n--b\r\nContent-Length: 900\r\n\r\n"))
		_, _ = w.Write(picture)
	}()
	p, err := NewParts(r, "multipart/mixed; boundary=b", 2000)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"{}", string(picture)} {
		part, err := p.Next()
		if err != nil || string(part.Data) != want || part.Picture() != (want != "{}") {
			t.Fatalf("want %d bytes, got %d, %v", len(want), len(part.Data), err)
		}
	}
}

func FuzzParts(f *testing.F) {
	for _, c := range streams {
		f.Add(c.contentType, []byte(c.body), true)
		f.Add(c.contentType, []byte(c.body), false)
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte, slowly bool) {
		var r io.Reader = strings.NewReader(string(body))
		if slowly {
			r = iotest.OneByteReader(r)
		}
		const limit = 512
		p, err := NewParts(r, contentType, limit)
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			part, err := p.Next()
			if large := new(TooLarge); errors.As(err, &large) {
				if n > len(body) {
					t.Fatal("it does not go on")
				}
				continue
			}
			if err != nil {
				break
			}
			if n > len(body) {
				t.Fatal("more parts than bytes")
			}
			if len(part.Data) > len(part.Raw) || len(part.Raw) > limit+maxPartHeader+readSize {
				t.Fatalf("a part of %d bytes", len(part.Raw))
			}
			if cap(p.buf) > 8*(limit+maxPartHeader+readSize) {
				t.Fatalf("the buffer has %d bytes", cap(p.buf))
			}
		}
	})
}
