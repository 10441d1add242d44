package spec

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/segmentio/asm/base64"
)

// textChunk of Base64 is decoded at a time: both halves stay in the fastest
// cache, and no picture is ever decoded as a whole.
const (
	textChunk    = 12 << 10
	decodedChunk = textChunk / 4 * 3
)

func newScratch() *sync.Pool {
	return &sync.Pool{New: func() any { return new([decodedChunk]byte) }}
}

// picture checks GF005: standard Base64 in one line, with its padding and
// without a data: prefix, of a picture in a format of 规范 1.8 that can be
// known by its first bytes, and its size.
func (c *checker) picture(f *Field, v *Value) {
	if v.Promised {
		return
	}
	want, got, ok := c.iface.checkPicture(f, v)
	if !ok {
		c.breach(f, RuleFormat, want, got)
		return
	}
	if n, most := v.pictureSize(), c.iface.maxPicture; most > 0 && n > most {
		w := size(most)
		c.breach(f, RuleSize, Phrase{"a picture of at most " + w.English, spaced("不超过", w.Chinese) + "的图片"}, size(n))
	}
}

// CheckPicture checks the picture of a field that was promised when its record
// was checked, and appends to out what is wrong with it.
func (i *Interface) CheckPicture(field string, data []byte, out []Violation) []Violation {
	for n := range i.Fields {
		if f := &i.Fields[n]; f.Name == field && f.Format == GF005 {
			c := checker{iface: i, fields: i.Fields, out: out}
			c.picture(f, &Value{Kind: Picture, Data: data, Raw: true})
			return c.out
		}
	}
	return out
}

// pictureSize is that of the picture itself, in bytes.
func (v *Value) pictureSize() int {
	switch {
	case v.Kind == Text:
		return len(v.Text)/4*3 - padding(v.Text)
	case v.Raw:
		return len(v.Data)
	}
	return len(v.Data)/4*3 - padding(v.Data)
}

func (i *Interface) checkPicture(f *Field, v *Value) (want, got Phrase, ok bool) {
	switch {
	case v.Kind == Picture && v.Raw:
		if !isPicture(v.Data) {
			return wantFormats, begins(v.Data), false
		}
		return want, got, true
	case v.Kind == Picture:
		return i.checkBase64(v.Data)
	case v.Kind == Text:
		return i.checkBase64([]byte(v.Text))
	}
	return wantPicture, f.got(v), false
}

func (i *Interface) checkBase64(text []byte) (want, got Phrase, ok bool) {
	switch head := text[:min(len(text), 32)]; {
	case bytes.HasPrefix(head, []byte("data:")):
		return Phrase{"Base64 without a data: prefix", "不带 data: 前缀的 Base64"}, same(fmt.Sprintf("%q…", head)), false
	case bytes.HasPrefix(head, []byte("http://")), bytes.HasPrefix(head, []byte("https://")):
		// tplj of cldz is called 图片链接 and is none.
		return wantPicture, Phrase{"a link", "链接"}, false
	}
	if n := len(text); n%4 != 0 || n == 0 {
		return wantPicture, Phrase{fmt.Sprintf("%d characters, no multiple of 4: cut off?", n), fmt.Sprintf("%d 个字符，不是 4 的倍数（可能被截断）", n)}, false
	}
	scratch := i.scratch.Get().(*[decodedChunk]byte)
	defer i.scratch.Put(scratch)
	for at := 0; at < len(text); at += textChunk {
		chunk := text[at:min(at+textChunk, len(text))]
		n, err := base64.StdEncoding.Decode(scratch[:], chunk)
		full := len(chunk) / 4 * 3
		if at+len(chunk) == len(text) {
			full -= padding(chunk)
		}
		// The decoder skips line breaks, and it stops at padding: a short
		// count tells both.
		if err != nil || n != full {
			where := at + strings.IndexFunc(string(chunk), func(r rune) bool { return !strings.ContainsRune(alphabet, r) })
			return wantPicture, Phrase{fmt.Sprintf("what is not Base64 at character %d", where+1), fmt.Sprintf("第 %d 个字符不是 Base64", where+1)}, false
		}
		if at == 0 && !isPicture(scratch[:n]) {
			return wantFormats, begins(scratch[:n]), false
		}
	}
	return want, got, true
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func padding[T string | []byte](chunk T) int {
	n := 0
	for n < min(2, len(chunk)) && chunk[len(chunk)-1-n] == '=' {
		n++
	}
	return n
}

// magics are the first bytes of the formats of 规范 1.8 that have some (Pix has
// none); the last rows are formats of Other 其他.
var magics = []struct {
	at    int
	bytes string
}{
	{0, "\xff\xd8\xff"},             // JPEG, JFIF
	{0, "\x89PNG\r\n\x1a\n"},        // PNG
	{0, "BM"},                       // BMP
	{0, "GIF8"},                     // GIF
	{0, "II*\x00"},                  // TIFF, KDC
	{0, "MM\x00*"},                  // TIFF, KDC
	{4, "jP  "},                     // JPEG 2000, file
	{0, "\xff\x4f\xff\x51"},         // JPEG 2000, code stream
	{0, "\x0a\x05\x01"},             // PCX
	{0, "8BPS"},                     // PSD
	{0, "\xd7\xcd\xc6\x9a"},         // WMF
	{0, "\x00\x00\x02\x00\x00\x00"}, // Targa
	{0, "\x00\x00\x0a\x00\x00\x00"}, // Targa, run-length encoded
	{0, "\x34\x12"},                 // PIC, Pictor
	{0, "\x53\x80\xf6\x34"},         // PIC, Softimage
	{2048, "PCD_IPI"},               // Photo CD
	{8, "WEBP"},                     // WebP
	{4, "ftyphei"},                  // HEIC
}

func isPicture(data []byte) bool {
	for _, m := range magics {
		if len(data) >= m.at+len(m.bytes) && string(data[m.at:m.at+len(m.bytes)]) == m.bytes {
			return true
		}
	}
	return false
}

func begins(data []byte) Phrase {
	head := data[:min(len(data), 8)]
	return Phrase{fmt.Sprintf("bytes that begin with % x", head), fmt.Sprintf("以 % x 开头的数据", head)}
}
