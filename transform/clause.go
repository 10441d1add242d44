package transform

import (
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// clause is a part of a condition, so that a trace can tell which one is to
// blame when the whole does not hold. It is compiled when a trace first asks.
type clause struct {
	or    bool      // any of parts has to hold; else all of them
	parts []*clause // none: it is one expression
	value *expression
	text  string
	place Place
}

// explainable lets a trace take a condition apart at its "and" and "or".
func (e *expression) explainable(s scope, c code) {
	if e == nil || e.isConst || e.single {
		return
	}
	s.frozen = true
	e.clauses = sync.OnceValue(func() *clause {
		tree, err := parser.Parse(c.text)
		if err != nil {
			return nil // it was compiled: this cannot be
		}
		whole := s.clause(c, tree.Node, 0, []rune(c.text))
		if len(whole.parts) == 0 {
			return nil
		}
		return whole
	})
}

// clause takes the text of a node apart; offset is where it stands in c.
func (s *scope) clause(c code, n ast.Node, offset int, text []rune) *clause {
	offset, text = bare(offset, text)
	if b, ok := n.(*ast.BinaryNode); ok && slices.Contains([]string{"and", "&&", "or", "||"}, b.Operator) {
		at := b.Location().From - offset
		behind := at + len(b.Operator)
		if at > 0 && behind < len(text) && string(text[at:behind]) == b.Operator {
			whole := &clause{or: b.Operator == "or" || b.Operator == "||"}
			for _, part := range []*clause{
				s.clause(c, b.Left, offset, text[:at]),
				s.clause(c, b.Right, offset+behind, text[behind:]),
			} {
				if len(part.parts) > 0 && part.or == whole.or { // a and b and c
					whole.parts = append(whole.parts, part.parts...)
				} else {
					whole.parts = append(whole.parts, part)
				}
			}
			return whole
		}
	}
	one := &clause{text: string(text), place: c.at(offset)}
	alone := code{file: &file{name: c.file.name, problems: new(Problems)}, text: one.text, place: one.place, block: c.block}
	one.value = s.compile(alone)
	return one
}

// bare takes off blanks and the brackets around a whole text.
func bare(offset int, text []rune) (int, []rune) {
	for {
		for len(text) > 0 && strings.ContainsRune(" \t\r\n", text[0]) {
			offset, text = offset+1, text[1:]
		}
		for len(text) > 0 && strings.ContainsRune(" \t\r\n", text[len(text)-1]) {
			text = text[:len(text)-1]
		}
		if len(text) < 2 || text[0] != '(' || closes(text) != len(text)-1 {
			return offset, text
		}
		offset, text = offset+1, text[1:len(text)-1]
	}
}

// closes tells where the bracket that text begins with is closed; -1: nowhere.
func closes(text []rune) int {
	depth, quote := 0, rune(0)
	for i := 0; i < len(text); i++ {
		switch r := text[i]; {
		case quote != 0:
			if r == '\\' && quote != '`' {
				i++
			} else if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case r == '(':
			depth++
		case r == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// toBlame finds the parts because of which a condition does not hold. What it
// evaluates once more leaves no mark on the run.
func (r *run) toBlame(c *clause) []Part {
	if c == nil {
		return nil
	}
	steps, missed := r.steps, r.missed
	defer func() { r.steps, r.missed = steps, missed }()
	var list []Part
	r.blameClause(c, &list)
	return list
}

// blameClause tells whether c holds, and of one that does not adds the parts
// to blame.
func (r *run) blameClause(c *clause, list *[]Part) bool {
	switch {
	case len(c.parts) > 0 && c.or:
		var all []Part
		for _, part := range c.parts {
			if r.blameClause(part, &all) {
				return true
			}
		}
		*list = append(*list, all...)
		return false
	case len(c.parts) > 0:
		for _, part := range c.parts {
			if !r.blameClause(part, list) {
				return false
			}
		}
		return true
	}
	p := Part{Expr: c.text, Place: c.place}
	if c.value == nil {
		*list = append(*list, p)
		return false
	}
	r.steps = 0
	v, err := r.eval(c.value)
	if ok, isBool := v.(bool); err == nil && isBool && ok {
		return true
	}
	switch p.Saw = r.saw(c.value, nil); {
	case err != nil:
		p.Value = err.Error()
	case v == nil:
		p.Value = "nothing"
	default:
		p.Value = r.shown(c.value, v, nil)
	}
	*list = append(*list, p)
	return false
}
