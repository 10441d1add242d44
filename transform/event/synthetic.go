package event

import "encoding/base64"

// tinyJPEG is a grey ramp of 8 by 8 pixels.
const tinyJPEG = "" +
	"/9j/2wCEAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI//////////////////////////////////////////////////8BVVpa" +
	"eGl464KC6//////////////////////////////////////////////////////////////////////////AAAsIAAgACAEBEQD/" +
	"xADSAAABBQEBAQEBAQAAAAAAAAAAAQIDBAUGBwgJCgsQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNC" +
	"scEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SV" +
	"lpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAAgBAQAAPwBBFX//" +
	"2Q=="

// SyntheticJPEG returns a real JPEG picture of exactly n bytes (or the
// smallest there is), padded by comment segments; seed makes pictures differ.
// Tests, cases and the simulated devices use it, so that no real face does.
func SyntheticJPEG(n int, seed byte) []byte {
	tiny, err := base64.StdEncoding.DecodeString(tinyJPEG)
	if err != nil {
		panic("event: " + err.Error()) // the constant is broken
	}
	pad := n - len(tiny)
	out := append(make([]byte, 0, max(n, len(tiny))), tiny[:2]...)
	for pad >= 4 {
		seg := min(pad, 65_000)
		if rest := pad - seg; rest > 0 && rest < 4 {
			seg -= 4
		}
		out = append(out, 0xFF, 0xFE, byte((seg-2)>>8), byte(seg-2))
		for i := range seg - 4 {
			out = append(out, 'a'+(seed+byte(i/64))%26)
		}
		pad -= seg
	}
	return append(out, tiny[2:]...)
}
