package reference

import (
	"strings"
	"unicode/utf8"

	"yiqiao/transform/message"
)

// columns of a terminal that a page may fill.
const columns = 100

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-message.Width(s))) }

// Wrap breaks a text into lines of at most n columns: at blanks and beside wide
// characters, never before closing nor behind opening punctuation. A longer
// word has a line of its own.
func Wrap(s string, n int) []string {
	var lines []string
	line := ""
	for _, w := range words(s) {
		if line != "" && message.Width(line)+message.Width(strings.TrimRight(w, " ")) > n {
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
	return message.RuneWidth(before) == 2 || message.RuneWidth(r) == 2
}

// table aligns rows; the last column is wrapped into what is left of the
// width. The first row is the head.
func table(b *strings.Builder, indent string, rows [][]string) {
	last := len(rows[0]) - 1
	wide := make([]int, last)
	for _, row := range rows {
		for n := range wide {
			wide[n] = max(wide[n], message.Width(row[n]))
		}
	}
	left := message.Width(indent)
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
	n := message.Width(indent)
	for _, line := range Wrap(text, columns-n) {
		b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
		indent = strings.Repeat(" ", n)
	}
}
