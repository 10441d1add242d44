package message

import "golang.org/x/text/width"

// Width is how many columns a text takes on a terminal: two for each wide
// character of East Asia (UAX #11), one for any other. Ambiguous ones (… “ →)
// count as one, and so stand in aligned columns nowhere but at the end.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += RuneWidth(r)
	}
	return n
}

// RuneWidth is Width of one character.
func RuneWidth(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
