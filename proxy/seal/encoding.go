package seal

import (
	"encoding/base64"
	"encoding/hex"
	"slices"

	fast "github.com/segmentio/asm/base64"
)

// encoding is the text form of the two members of the envelope. append never
// reallocates when dst has room for size more bytes.
type encoding struct {
	name   string
	size   func(n int) int
	append func(dst, src []byte) []byte
	decode func(text string) ([]byte, error)
}

func encodings() []encoding {
	return []encoding{
		{"base64", base64.StdEncoding.EncodedLen, appendBase64, base64.StdEncoding.DecodeString},
		{"hex", hex.EncodedLen, hex.AppendEncode, hex.DecodeString},
	}
}

// appendBase64 encodes with AVX2 or NEON, an order of magnitude faster than the
// standard library.
func appendBase64(dst, src []byte) []byte {
	n := len(dst)
	end := n + fast.StdEncoding.EncodedLen(len(src))
	dst = slices.Grow(dst, end-n)[:end]
	fast.StdEncoding.Encode(dst[n:], src)
	return dst
}
