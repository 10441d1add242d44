package transform

import (
	"fmt"
	"io"
	"strings"
)

// Trace collects what Apply did, step by step. A nil *Trace collects nothing.
type Trace struct{ Steps []Step }

// Step is one thing that Apply did.
type Step struct {
	What    string // device, mapping, ignore, otherwise, let, field, check, record
	Name    string
	Note    string // label, title or reason, in the language of the files
	Place   Place
	Expr    string
	Value   string
	Saw     string // the names that the expression used, with their values
	OK      bool
	Warning bool
	Err     error
}

func (t *Trace) add(s Step) {
	if t != nil {
		t.Steps = append(t.Steps, s)
	}
}

// Write prints the steps for a person, in about 100 columns.
func (t *Trace) Write(w io.Writer) {
	for _, s := range t.Steps {
		mark := "✓"
		switch {
		case s.Warning:
			mark = "!"
		case !s.OK:
			mark = "✗"
		}
		head := strings.TrimSpace(s.Name + " " + s.Note)
		fmt.Fprintf(w, "%s %-8s %s\n", mark, s.What, head)
		if s.Expr != "" {
			fmt.Fprintf(w, "             %s", s.Expr)
			if s.Value != "" {
				fmt.Fprintf(w, "  →  %s", s.Value)
			}
			fmt.Fprintf(w, "   (%s)\n", s.Place)
		} else if s.Value != "" {
			fmt.Fprintf(w, "             %s\n", s.Value)
		}
		if s.Saw != "" && s.Saw != s.Expr+" = "+s.Value {
			fmt.Fprintf(w, "             %s\n", s.Saw)
		}
		if s.Err != nil {
			fmt.Fprintf(w, "             %s\n", s.Err)
		}
	}
}
