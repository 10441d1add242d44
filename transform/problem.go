package transform

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"yiqiao/transform/message"
)

// Place is a position in a file that a person wrote. Line and Col count from 1,
// Col in characters; 0 is unknown.
type Place struct {
	File      string
	Line, Col int
}

func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Problem is one thing wrong with the files of a site: a message about a place.
// Loading reports all of them at once.
type Problem struct {
	Place
	message.Message
	Warning bool   // worth a look, but the rules can run
	line    string // the text of the line, for the excerpt
	width   int    // characters under the caret
}

// Width is how many characters are wrong, from Col on; at least 1.
func (p Problem) Width() int { return max(p.width, 1) }

// Problem is said in English where nobody asked for another language.
func (p Problem) Error() string { return p.In(message.English) }

// In is the problem in one line: place, what is wrong and was wanted, what to do.
func (p Problem) In(l message.Language) string {
	s := p.Place.String() + ": " + p.Message.In(l)
	if h := p.Hint(l); h != "" {
		s += map[message.Language]string{message.English: "; ", message.Chinese: "；"}[l] + h
	}
	return s
}

// Text is what is wrong, without its place and what to do.
func (p Problem) Text(l message.Language) string { return p.Message.In(l) }

// Excerpt is the message with the line it is about and a caret under the part.
func (p Problem) Excerpt(l message.Language) string {
	var b strings.Builder
	kind := ""
	if p.Warning {
		kind = map[message.Language]string{message.English: "warning: ", message.Chinese: "警告："}[l]
	}
	fmt.Fprintf(&b, "%s: %s%s [%s]\n", p.Place, kind, p.Text(l), p.Rule)
	if p.line != "" {
		number := fmt.Sprint(p.Line)
		fmt.Fprintf(&b, " %s | %s\n", number, strings.TrimRight(p.line, " \r"))
		if p.Col > 0 {
			fmt.Fprintf(&b, " %s | %s%s\n", strings.Repeat(" ", len(number)), blank(p.line, p.Col-1), strings.Repeat("^", p.columns()))
		}
	}
	if h := p.Hint(l); h != "" {
		fmt.Fprintf(&b, "   = %s\n", h)
	}
	return b.String()
}

// columns is how wide the caret is on a terminal, as blank counts.
func (p Problem) columns() int {
	n := 0
	for i, r := range []rune(p.line) {
		if i >= p.Col-1 && i < p.Col-1+p.width {
			if n++; r >= 0x1100 {
				n++
			}
		}
	}
	return max(n, 1)
}

// blank is as wide on a terminal as the first n characters of line: a Chinese
// character takes two columns.
func blank(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n == 0 {
			break
		}
		n--
		switch {
		case r == '\t':
			b.WriteByte('\t')
		case r >= 0x1100:
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String() + strings.Repeat(" ", n)
}

// Problems is a list of problems as an error.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Errors returns those that keep the rules from running.
func (ps Problems) Errors() Problems {
	return slices.DeleteFunc(slices.Clone(ps), func(p Problem) bool { return p.Warning })
}

// Sort puts the problems of a file in the order of its lines, the files in that
// of their names.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return strings.Compare(fmt.Sprintf("%s\x00%06d%06d", a.File, a.Line, a.Col), fmt.Sprintf("%s\x00%06d%06d", b.File, b.Line, b.Col))
	})
}

// didYouMean names the candidate nearest to what was written, if one is near.
func didYouMean(got string, candidates []string) message.Message {
	near := Nearest(got, candidates)
	if len(near) == 0 {
		return message.Message{}
	}
	return message.New("did-you-mean", near[0])
}

// Nearest are the candidates that come near to what was written, the nearest
// first.
func Nearest(got string, candidates []string) []string {
	limit := len(got)/3 + 2
	edits := map[string]int{}
	var near []string
	for _, c := range candidates {
		if d := distance(strings.ToLower(got), strings.ToLower(c)); d < limit {
			edits[c] = d
			near = append(near, c)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return edits[a] - edits[b] })
	return near
}

// hint is didYouMean, or else the whole list where it is short.
func hint(got string, candidates []string) message.Message {
	candidates = slices.Compact(slices.Sorted(slices.Values(candidates)))
	if m := didYouMean(got, candidates); m.Rule != "" {
		return m
	}
	if len(candidates) > 0 && len(candidates) <= 24 {
		return message.New("there-are", candidates)
	}
	return message.Message{}
}

// Nearby names the candidate that was probably meant; it says nothing if none
// comes near.
func Nearby(got string, candidates []string) message.Message { return didYouMean(got, candidates) }

// distance counts the edits (a swap of neighbours is one) from a to b.
func distance(a, b string) int {
	if utf8.RuneCountInString(a) > 64 || utf8.RuneCountInString(b) > 64 {
		return 64
	}
	x, y := []rune(a), []rune(b)
	rows := [3][]int{make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(x); i++ {
		older, last, now := rows[0], rows[1], rows[2]
		now[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				now[j] = min(now[j], older[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = last, now, older
	}
	return rows[1][len(y)]
}
