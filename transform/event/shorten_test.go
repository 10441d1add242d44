package event

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// What is left of an event decodes to the same shape: the same document but for
// its pictures, and pictures that are still known as such, and apart.
func TestShorten(t *testing.T) {
	one, two := SyntheticJPEG(90_000, 1), SyntheticJPEG(40_000, 2)
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	text := `{"long":"` + strings.Repeat("不是图片", 500) + `","a":1}`
	multipart := "--b\r\nContent-Disposition: form-data; name=\"e\"\r\nContent-Type: application/json\r\n\r\n{\"n\":1,\"img\":\"" + b64(two) + "\"}\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"Picture\"\r\nContent-Type: image/jpeg\r\n\r\n" + string(one) + "\r\n--b--\r\n"
	for name, tt := range map[string]struct {
		body  string
		limit int
		ok    bool
		most  int // bytes that are left
	}{
		"small":        {`{"a":1}`, 100, true, 7},
		"two pictures": {`{"big":"` + b64(one) + `","n":1,"small":"` + b64(two) + `"}`, 1 << 16, true, 2200},
		"escaped":      {`{"x":"` + strings.Repeat(`\/`, 600) + `","big":"` + strings.ReplaceAll(b64(one), "/", `\/`) + `","n":"a"}`, 1 << 16, true, 2400},
		"data URI":     {`{"big":"data:image/jpeg;base64,` + b64(one) + `"}`, 1 << 16, true, 1200},
		"no picture":   {text, 1 << 16, true, len(text)},
		"too long":     {text, 1 << 10, false, 0},
		"cut off":      {`{"big":"` + b64(one)[:70_001] + `"}`, 1 << 16, true, 1200},
		"multipart":    {multipart, 1 << 16, true, 2600},
		"xml":          {"<a><img>" + b64(one) + "</img></a>", 1 << 16, true, 1200},
		"xml, small":   {"<a><b>1</b></a>", 1 << 16, true, 15},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder()
			var ev Event
			body := []byte(tt.body)
			if err := d.Decode(&ev, "", body, Layout{}); err != nil {
				t.Fatal(err)
			}
			short, ok := ev.Shorten([]byte("before"), body, tt.limit)
			if ok != tt.ok {
				t.Fatalf("want %v, got %v, %d bytes", tt.ok, ok, len(short))
			}
			short, found := bytes.CutPrefix(short, []byte("before"))
			if !found {
				t.Fatal("what stood in dst is gone")
			}
			if !ok {
				return
			}
			if len(short) > tt.most {
				t.Errorf("%d bytes are left, want at most %d", len(short), tt.most)
			}
			var again Event
			if err := d.Decode(&again, "", short, Layout{}); err != nil {
				t.Fatal(err)
			}
			if string(again.Doc) != string(ev.Doc) || len(again.Blobs) != len(ev.Blobs) || len(again.Parts) != len(ev.Parts) {
				t.Errorf("want %s with %d blobs, got %s with %d", ev.Doc, len(ev.Blobs), again.Doc, len(again.Blobs))
			}
			seen := map[string]bool{}
			for i := range again.Blobs {
				was, is := &ev.Blobs[i], &again.Blobs[i]
				if seen[string(is.Data)] && len(is.Data) > 0 {
					t.Error("two pictures are the same now")
				}
				seen[string(is.Data)] = true
				if was.Raw != is.Raw || kindOf(was) != kindOf(is) || len(was.Data)%4 != len(is.Data)%4 {
					t.Errorf("blob %d was %s %s, is %s %s", i, was, kindOf(was), is, kindOf(is))
				}
			}
		})
	}
}

// kindOf is the format of a picture, and whether its Base64 is sound.
func kindOf(b *Blob) string {
	if b.Raw {
		return PictureType(b.Data)
	}
	text := string(b.Data)
	if _, rest, ok := strings.Cut(text, ";base64,"); ok {
		text = rest
	}
	data, err := base64.StdEncoding.DecodeString(text)
	return fmt.Sprint(PictureType(data), err == nil)
}

func FuzzShorten(f *testing.F) {
	f.Add([]byte(`{"a":"` + strings.Repeat(`\/9j`, 1000) + `"}`))
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"e\"\r\n\r\n\xff\xd8\xff" + strings.Repeat("x", 3000) + "\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := NewDecoder()
		var ev Event
		if d.Decode(&ev, "", body, Layout{}) != nil {
			return
		}
		short, ok := ev.Shorten(nil, body, 1<<14)
		if ok && len(short) > 1<<14 {
			t.Errorf("%d bytes are left", len(short))
		}
	})
}
