package reference

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// columns of a terminal that a page may fill.
const columns = 100

// Width is how many columns a text takes on a terminal: two for each wide
// character of East Asia (UAX #11), one for any other. Ambiguous ones (… “ →)
// count as one, and so stand in aligned columns nowhere but at the end.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-Width(s))) }

// Wrap breaks a text into lines of at most n columns: at blanks and beside wide
// characters, never before closing nor behind opening punctuation. A longer
// word has a line of its own.
func Wrap(s string, n int) []string {
	var lines []string
	line := ""
	for _, w := range words(s) {
		if line != "" && Width(line)+Width(strings.TrimRight(w, " ")) > n {
			lines, line = append(lines, strings.TrimRight(line, " ")), ""
			w = strings.TrimLeft(w, " ")
		}
		line += w
	}
	return append(lines, strings.TrimRight(line, " "))
}

const (
	closing = "，。、；：？！）》”’,;:)"
	opening = "（《“‘"
)

// words are the pieces of a text that no line break divides; blanks belong to
// what stands before them.
func words(s string) []string {
	var list []string
	start := 0
	for n, r := range s {
		if n == 0 {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(s[:n])
		if breaks(before, r) {
			list = append(list, s[start:n])
			start = n
		}
	}
	return append(list, s[start:])
}

func breaks(before, r rune) bool {
	switch {
	case r == ' ' || strings.ContainsRune(closing, r) || strings.ContainsRune(opening, before):
		return false
	case before == ' ':
		return true
	}
	return runeWidth(before) == 2 || runeWidth(r) == 2
}

// table aligns rows; the last column is wrapped into what is left of the
// width. The first row is the head.
func table(b *strings.Builder, indent string, rows [][]string) {
	last := len(rows[0]) - 1
	wide := make([]int, last)
	for _, row := range rows {
		for n := range wide {
			wide[n] = max(wide[n], Width(row[n]))
		}
	}
	left := Width(indent)
	for _, w := range wide {
		left += w + 2
	}
	for _, row := range rows {
		for n, line := range Wrap(row[last], max(24, columns-left)) {
			var out strings.Builder
			out.WriteString(indent)
			for m, w := range wide {
				cell := ""
				if n == 0 {
					cell = row[m]
				}
				out.WriteString(pad(cell, w+2))
			}
			out.WriteString(line)
			b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
		}
	}
}

// paragraph wraps a text behind a first indent; its other lines are indented
// by as many blanks.
func paragraph(b *strings.Builder, indent, text string) {
	n := Width(indent)
	for _, line := range Wrap(text, columns-n) {
		b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
		indent = strings.Repeat(" ", n)
	}
}
