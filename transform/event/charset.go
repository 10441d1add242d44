package event

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

const noteGB = "the text was GB18030, not UTF-8"

// utf8 returns text in UTF-8. What is not is read as GB18030, of which GBK and
// GB2312 are parts: no other encoding is met at Chinese devices. It is a guess,
// so there is a note.
func (ev *Event) utf8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(text)
	if err != nil {
		return bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	if bytes.Contains(out, []byte("\uFFFD")) {
		ev.note("the text is neither UTF-8 nor GB18030: some characters are lost")
	} else {
		ev.note(noteGB)
	}
	return out
}

// charset returns text in UTF-8 that is said to be in the encoding label. A
// label that the text contradicts is not believed.
func (ev *Event) charset(text []byte, label string) []byte {
	label = strings.ToLower(strings.TrimSpace(label))
	if label == "" || label == "utf-8" || label == "utf8" {
		return ev.utf8(text)
	}
	if ascii(text) {
		return text
	}
	if utf8.Valid(text) && eastAsian(text) {
		ev.note("the text says that it is %.20q, and is UTF-8", label)
		return text
	}
	enc, err := htmlindex.Get(label)
	if err != nil {
		ev.note("the text says that it is %.20q, which is no known encoding", label)
		return ev.utf8(text)
	}
	out, err := enc.NewDecoder().Bytes(text)
	if err != nil || bytes.Contains(out, []byte("\uFFFD")) {
		ev.note("the text says that it is %.20q, and is not", label)
		return ev.utf8(text)
	}
	return out
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// eastAsian tells whether UTF-8 is plausible where GBK was announced: there is
// Chinese in it, and no letter that is neither Chinese nor Latin. Characters of
// GBK are at times valid UTF-8 as well, but then £, Greek, Cyrillic or Arabic.
func eastAsian(text []byte) bool {
	chinese := false
	for _, r := range view(text) {
		if r >= 0x250 && r < 0x2000 {
			return false
		}
		chinese = chinese || r >= 0x2E80
	}
	return chinese
}

func utf16Mark(b []byte) bool {
	return len(b) >= 2 && (b[0] == 0xFF && b[1] == 0xFE || b[0] == 0xFE && b[1] == 0xFF)
}

// utf16 turns a text with the byte order mark of UTF-16 into UTF-8.
func (ev *Event) utf16(b []byte) []byte {
	if !utf16Mark(b) {
		return b
	}
	out, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder().Bytes(b)
	if err != nil {
		return b
	}
	ev.note("the text was UTF-16, not UTF-8")
	return out
}
