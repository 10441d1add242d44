package transform

import (
	"fmt"
	"io"
	"strings"

	"yiqiao/transform/message"
)

// TraceColumns is how wide a printed trace is at most. A Chinese character
// takes two columns; signs like → count as one, as most terminals draw them.
const TraceColumns = 100

const traceIndent = 13 // of what stands below a step's first line

var marks = map[Verdict]string{Yes: "✓", No: "✗", Nothing: "·", Warned: "!", Failed: "✗", Skipped: "·"}

// Write prints the steps for a person.
func (t *Trace) Write(w io.Writer) {
	for i := range t.Steps {
		t.Steps[i].write(&sheet{w: w})
	}
}

// WriteResult prints what came of an event, as wide as its trace: personal
// values are masked, and what is too long is cut. A refusal is in language l.
func WriteResult(w io.Writer, res *Result, l message.Language) {
	out := &sheet{w: w}
	if no := res.Refusal; no != nil {
		out.put("✗ ")
		out.words(2, string(no.Class)+": "+no.In(l))
		out.end()
		return
	}
	if left := res.Left; left != nil {
		defer func() {
			out.put("✗ ")
			out.words(2, string(left.Class)+": "+left.In(l))
			out.end()
		}()
	}
	for line := range strings.Lines(string(res.describe(true))) {
		line = strings.TrimSuffix(line, "\n")
		if message.Width(line) > TraceColumns {
			line = cutColumns(line, TraceColumns-1) + "…"
		}
		out.put(line)
		out.end()
	}
}

func (s *Step) write(w *sheet) {
	if head := s.head(); head == "" {
		w.put(marks[s.Verdict] + " " + s.What)
	} else {
		w.put(fmt.Sprintf("%s %-8s ", marks[s.Verdict], s.What))
		w.words(11, head)
	}
	w.end()
	if s.Expr != "" {
		value := s.Value
		if s.What == "mapping" || s.What == "ignore" {
			value = "" // the mark tells
		}
		w.pieces(exprPieces(s.Expr, value, s.Place)...)
	} else if s.Value != "" {
		w.pieces(s.Value)
	}
	if len(s.Because) == 0 {
		w.pieces(s.Saw)
	}
	for _, p := range s.Because {
		value := p.Value
		if value == "false" {
			value = "" // that is why it is here
		}
		w.pieces(append(exprPieces("not: "+p.Expr, value, p.Place), p.Saw)...)
	}
	for _, r := range s.Rows {
		if r.Found {
			w.pieces(fmt.Sprintf("%s[%q] is %s", r.Table, r.Key, r.Place))
		} else {
			w.pieces(fmt.Sprintf("%s[%q] is not there: %s", r.Table, r.Key, r.Place))
		}
	}
	if s.Err != nil {
		w.pieces(s.Err.Error())
	}
}

// head is what stands in the first line.
func (s *Step) head() string {
	list := []string{s.Name, s.Note}
	if s.Verdict == Skipped {
		list = append(list, "(not tried)")
	}
	for i, c := range s.Checks {
		text := c.Rule
		if c.Want.English != "" {
			text += " (" + c.Want.English + ")"
		}
		if c.Verdict != Yes {
			text = marks[c.Verdict] + " " + text
		}
		if i > 0 {
			text = "· " + text
		}
		list = append(list, text)
	}
	return strings.TrimSpace(strings.Join(list, " "))
}

func exprPieces(text, value string, at Place) []string {
	list := []string{text}
	if value != "" {
		list = append(list, "→ "+value)
	}
	return append(list, "("+at.String()+")")
}

// sheet writes lines of at most TraceColumns.
type sheet struct {
	w  io.Writer
	at int // columns that the line under way has
}

func (s *sheet) put(text string) {
	_, _ = io.WriteString(s.w, text) // who prints a trace sees that it ends
	s.at += message.Width(text)
}

func (s *sheet) end() {
	_, _ = io.WriteString(s.w, "\n")
	s.at = 0
}

// pieces writes pieces on lines of their own, several on one where they fit.
func (s *sheet) pieces(list ...string) {
	for _, p := range list {
		p, rows, pasted := strings.Cut(p, "\n")
		if p = strings.Join(strings.Fields(p), " "); p == "" {
			continue
		}
		if s.at > 0 && s.at+2+message.Width(p) > TraceColumns {
			s.end()
			s.put(strings.Repeat(" ", traceIndent+2))
		} else if s.at > 0 {
			s.put("  ")
		} else {
			s.put(strings.Repeat(" ", traceIndent))
		}
		s.words(traceIndent+2, p)
		if pasted {
			s.rows(rows)
		}
	}
	if s.at > 0 {
		s.end()
	}
}

// words goes on with a text; where the line is full, a new one begins at the
// indent. A word that is longer than a line is broken.
//
// What stands behind a line end is rows of a table, to be pasted: they are
// written as they are, however long.
func (s *sheet) words(indent int, text string) {
	text, rows, pasted := strings.Cut(text, "\n")
	if pasted {
		defer s.rows(rows)
	}
	for i, word := range strings.Fields(text) {
		if i > 0 && s.at+1+message.Width(word) <= TraceColumns {
			s.put(" ")
		} else if i > 0 || s.at > 0 && s.at+message.Width(word) > TraceColumns && s.at > indent {
			s.end()
		}
		if s.at == 0 {
			s.put(strings.Repeat(" ", indent))
		}
		for s.at+message.Width(word) > TraceColumns {
			head := cutColumns(word, TraceColumns-s.at)
			s.put(head)
			word = word[len(head):]
			s.end()
			s.put(strings.Repeat(" ", indent))
		}
		s.put(word)
	}
}

// rows writes rows of a table on lines of their own.
func (s *sheet) rows(rows string) {
	s.end()
	s.put(rows)
}

// cutColumns is the beginning of a text that is at most n columns wide, but
// at least one character.
func cutColumns(s string, n int) string {
	for i, r := range s {
		if n -= message.RuneWidth(r); n < 0 && i > 0 {
			return s[:i]
		}
	}
	return s
}
