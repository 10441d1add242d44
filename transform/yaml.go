package transform

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// file is one YAML file being read. It collects problems with their places.
type file struct {
	name     string
	lines    []string
	problems *Problems
}

// member is one key of a mapping with its value.
type member struct {
	key   string
	keyAt *token.Token
	value ast.Node
}

// parseFile returns the members of the file's top-level mapping.
func parseFile(name string, data []byte, problems *Problems) (*file, []member) {
	f, root := parseYAML(name, data, problems)
	if root == nil {
		return f, nil
	}
	return f, f.members(root, "the file")
}

// parseYAML returns the one document of a file; nil if that is told as a
// problem.
func parseYAML(name string, data []byte, problems *Problems) (*file, ast.Node) {
	f := &file{name: name, lines: strings.Split(string(data), "\n"), problems: problems}
	if !utf8.Valid(data) {
		f.add(Problem{Place: Place{File: name}, Rule: "encoding", Text: "the file is not UTF-8", Hint: "save it as UTF-8"})
		return f, nil
	}
	doc, err := ParseYAML(data)
	if err != nil {
		f.yamlError(err)
		return f, nil
	}
	if len(doc.Docs) != 1 || doc.Docs[0].Body == nil {
		f.add(Problem{Place: Place{File: name, Line: 1, Col: 1}, Rule: "yaml", Text: fmt.Sprintf("want one YAML document, got %d", len(doc.Docs))})
		return f, nil
	}
	return f, doc.Docs[0].Body
}

// ParseYAML parses a file that a person wrote. A panic of the library is an
// error like any other: no file ends the process.
func ParseYAML(data []byte) (doc *ast.File, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it makes no sense: %v", v)
		}
	}()
	if line := tooDeep(data); line > 0 {
		return nil, fmt.Errorf("line %d is nested more than %d deep", line, maxNesting)
	}
	return parser.ParseBytes(data, 0)
}

// maxNesting bounds brackets, and list dashes of one line: the library's time
// grows with the square of their number.
const maxNesting = 100

// tooDeep returns the first line that is nested too deeply; 0 if none is. It
// takes brackets in texts for brackets: so many of them stand in no file that
// is meant.
func tooDeep(data []byte) int {
	line, depth, dashes, begin := 1, 0, 0, true
	for i, c := range data {
		switch c {
		case '\n':
			line, dashes, begin = line+1, 0, true
		case '[', '{':
			depth, begin = depth+1, false
		case ']', '}':
			depth, begin = max(0, depth-1), false
		case '-', '?':
			if begin && i+1 < len(data) && data[i+1] == ' ' {
				dashes++
			}
		case ' ':
		default:
			begin = false
		}
		if depth > maxNesting || dashes > maxNesting {
			return line
		}
	}
	return 0
}

func (f *file) yamlError(err error) {
	p := Problem{Place: Place{File: f.name}, Rule: "yaml", Text: "broken YAML: " + err.Error()}
	var y yaml.Error
	if errors.As(err, &y) {
		p.Text = "broken YAML: " + y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Col = t.Position.Line, t.Position.Column
			p.width = utf8.RuneCountInString(t.Value)
		}
		if strings.Contains(p.Text, "already defined") {
			p.Rule = "duplicate-key"
		}
	}
	switch {
	case strings.Contains(p.Text, "found character '\t'"):
		p.Hint = "indent with spaces"
	case strings.Contains(p.Text, "mapping value is not allowed"):
		p.Hint = "what has a colon and a blank in it stands in single quotes: 'a ? b : c'"
	}
	f.add(p)
}

// add completes a problem with its line and keeps it.
func (f *file) add(p Problem) {
	if p.File == "" {
		p.File = f.name
	}
	if p.line == "" && p.Line > 0 && p.Line <= len(f.lines) {
		p.line = f.lines[p.Line-1]
	}
	*f.problems = append(*f.problems, p)
}

// at adds a problem about a token.
func (f *file) at(t *token.Token, rule, text, hint string) {
	p := Problem{Rule: rule, Text: text, Hint: hint}
	if t != nil && t.Position != nil {
		p.Place = Place{f.name, t.Position.Line, t.Position.Column}
		p.width = utf8.RuneCountInString(t.Value)
		if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
			p.width += 2
		}
	}
	f.add(p)
}

// members returns the members of a mapping node in their order.
func (f *file) members(n ast.Node, what string) []member {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		f.at(n.GetToken(), "yaml", fmt.Sprintf("%s: want keys with values, got %s", what, nodeKind(n)), "")
		return nil
	}
	var ms []member
	for _, v := range values {
		ms = append(ms, member{scalarText(v.Key), v.Key.GetToken(), v.Value})
	}
	return ms
}

// elements returns the elements of a list; a single value counts as a list of
// one.
func (f *file) elements(n ast.Node) []ast.Node {
	if s, ok := n.(*ast.SequenceNode); ok {
		return s.Values
	}
	return []ast.Node{n}
}

// text returns a scalar's text. ok is false, and a problem reported, if the
// node is none.
func (f *file) text(n ast.Node, what string) (string, bool) {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.LiteralNode, *ast.InfinityNode, *ast.NanNode:
		return scalarText(n), true
	}
	f.at(n.GetToken(), "yaml", fmt.Sprintf("%s: want a text, got %s", what, nodeKind(n)), "")
	return "", false
}

// code returns a scalar as source code with the place of its first character.
func (f *file) code(n ast.Node, what string) (code, bool) {
	s, ok := f.text(n, what)
	if !ok {
		return code{}, false
	}
	c := code{file: f, text: s}
	pos := n.GetToken().Position
	c.place = Place{f.name, pos.Line, pos.Column}
	switch n := n.(type) {
	case *ast.StringNode:
		if n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType {
			c.place.Col++
		}
	case *ast.LiteralNode:
		c.block = true
		c.place.Line = pos.Line + 1
		if c.place.Line <= len(f.lines) {
			line := f.lines[c.place.Line-1]
			c.place.Col = len(line) - len(strings.TrimLeft(line, " ")) + 1
		}
	}
	if strings.TrimSpace(c.text) == "" {
		f.at(n.GetToken(), "empty-expression", what+": want an expression, got nothing", "")
		return code{}, false
	}
	if strings.HasPrefix(c.text, Mark) {
		f.at(n.GetToken(), "unfilled", fmt.Sprintf("%s: %s still waits for an expression", what, Mark), "write one; the end of the file lists what the event holds")
		return code{}, false
	}
	return c, true
}

// code is an expression as it stands in a file.
type code struct {
	file  *file
	text  string
	place Place
	block bool // a block scalar: its lines are lines of the file
}

// problem adds a problem about width characters of the code from offset (in
// characters).
func (c code) problem(offset, width int, p Problem) {
	p.Place = c.at(offset)
	p.width = width
	c.file.add(p)
}

// at is the place of the character at an offset.
func (c code) at(offset int) Place {
	p := c.place
	for i, r := range []rune(c.text) {
		if i == offset {
			break
		}
		p.Col++
		if r == '\n' && c.block {
			p.Line, p.Col = p.Line+1, c.place.Col
		}
	}
	return p
}

func scalarText(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n")
	case *ast.NullNode:
		return ""
	}
	return n.GetToken().Value
}

func nodeKind(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.AnchorNode, *ast.AliasNode:
		return "an anchor or alias"
	}
	return fmt.Sprintf("%q", scalarText(n))
}

// A key is one key that a mapping may have. The reader runs in the order of
// the table, not of the file.
type key struct {
	name     string
	required bool
	read     func(n ast.Node)
}

// read hands the members to their keys and reports unknown and missing ones.
func (f *file) read(ms []member, what string, keys []key) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	for _, m := range ms {
		known := false
		for _, k := range keys {
			known = known || k.name == m.key
		}
		if !known {
			f.at(m.keyAt, "unknown-key", fmt.Sprintf("unknown key %q of %s", m.key, what), hint(m.key, names))
		}
	}
	for _, k := range keys {
		found := false
		for _, m := range ms {
			if m.key == k.name {
				k.read(m.value)
				found = true
			}
		}
		if k.required && !found {
			p := Problem{Place: Place{f.name, 1, 0}, Rule: "missing-key", Text: fmt.Sprintf("%s has no key %q", what, k.name)}
			if len(ms) > 0 && ms[0].keyAt.Position.Column > 1 { // it is not the file
				p.Place = Place{f.name, ms[0].keyAt.Position.Line, ms[0].keyAt.Position.Column}
			}
			f.add(p)
		}
	}
}

// ProblemAt makes a problem about width characters at a place of a file.
func ProblemAt(name string, data []byte, line, col, width int) Problem {
	p := Problem{Place: Place{name, line, col}, width: width}
	if lines := strings.Split(string(data), "\n"); line > 0 && line <= len(lines) {
		p.line = lines[line-1]
	}
	return p
}

// YAMLProblem makes a problem of an error of the YAML library.
func YAMLProblem(name string, data []byte, err error) Problem {
	var ps Problems
	f := &file{name: name, lines: strings.Split(string(data), "\n"), problems: &ps}
	f.yamlError(err)
	return ps[0]
}
