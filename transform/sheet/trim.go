package sheet

import (
	"strings"
	"unicode"
)

// Trim takes off what people do not see at the ends of a cell: blanks of any
// width, tabs, byte order marks, zero-width and direction marks.
func Trim(s string) string {
	if clean(s) {
		return s
	}
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Cc, r) })
}

// clean tells the common case: nothing to take off.
func clean(s string) bool {
	if s == "" {
		return true
	}
	visible := func(c byte) bool { return ' ' < c && c < 0x7F }
	return visible(s[0]) && visible(s[len(s)-1])
}
