package transform

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"yiqiao/transform/message"
)

// file is one YAML file being read. It collects problems with their places.
type file struct {
	name     string
	lines    []string
	problems *Problems
	inside   *token.Token // where the keys with values begin that were read last
}

// member is one key of a mapping with its value.
type member struct {
	key   string
	keyAt *token.Token
	value ast.Node
	name  ast.Node
}

// parseFile returns the members of the file's top-level mapping.
func parseFile(name string, data []byte, problems *Problems) (*file, []member) {
	f, root := parseYAML(name, data, problems)
	if root == nil {
		return f, nil
	}
	return f, f.members(root, message.New("the-file"))
}

// parseYAML returns the one document of a file; nil if that is told as a
// problem.
func parseYAML(name string, data []byte, problems *Problems) (*file, ast.Node) {
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	f := &file{name: name, lines: strings.Split(string(data), "\n"), problems: problems}
	if bytes.HasPrefix(data, []byte("\xFF\xFE")) || bytes.HasPrefix(data, []byte("\xFE\xFF")) {
		f.lines = nil
		f.add(Problem{Place: Place{name, 1, 1}, Message: message.New("encoding-utf16")})
		return f, nil
	}
	if line, col := notUTF8(data); line > 0 {
		f.wrongEncoding(data, Place{name, line, col})
		return f, nil
	}
	if line := tooDeep(data); line > 0 {
		f.add(Problem{Place: Place{name, line, 1}, Message: message.New("nested", maxNesting)})
		return f, nil
	}
	doc, err := parse(data)
	if err != nil {
		f.yamlError(err)
		return f, nil
	}
	if len(doc.Docs) == 1 && doc.Docs[0].Body == nil {
		f.add(Problem{Place: Place{name, 1, 1}, Message: message.New("yaml-empty")})
		return f, nil
	}
	if len(doc.Docs) != 1 {
		p := Problem{Place: Place{name, 1, 1}, Message: message.New("yaml-documents", len(doc.Docs))}
		if len(doc.Docs) > 1 && doc.Docs[1].Start != nil {
			p.Line, p.width = doc.Docs[1].Start.Position.Line, len("---")
		}
		f.add(p)
		return f, nil
	}
	return f, doc.Docs[0].Body
}

// parse parses what is not nested too deeply. A panic of the library is an
// error like any other: no file ends the process.
func parse(data []byte) (doc *ast.File, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it makes no sense: %v", v)
		}
	}()
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

// point puts a problem to a token.
func (f *file) point(p *Problem, t *token.Token) {
	p.Place = Place{f.name, max(1, t.Position.Line), max(1, t.Position.Column)}
	first, _, _ := strings.Cut(t.Value, "\n")
	p.width = utf8.RuneCountInString(first)
	if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
		p.width += 2
	}
	if p.Line <= len(f.lines) {
		p.width = min(p.width, max(1, utf8.RuneCountInString(f.lines[p.Line-1])-p.Col+1))
	}
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
func (f *file) at(t *token.Token, m message.Message) {
	p := Problem{Place: Place{f.name, 1, 1}, Message: m}
	if t != nil && t.Position != nil {
		f.point(&p, t)
	}
	f.add(p)
}

// warn makes a warning of the problem just found.
func (f *file) warn() { (*f.problems)[len(*f.problems)-1].Warning = true }

// members returns the members of a mapping node in their order.
func (f *file) members(n ast.Node, what any) []member {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		f.wrongKind(n, "want-keys", what)
		return nil
	}
	f.inside = tokenOf(n)
	ms := []member{}
	for _, v := range values {
		if nodeKind(v.Key).Rule == "alias" {
			f.at(v.Key.GetToken(), message.New("yaml-alias"))
			continue
		}
		ms = append(ms, member{scalarText(v.Key), v.Key.GetToken(), v.Value, v.Key})
	}
	return ms
}

// wrongKind tells that a node is of another kind than rule wants.
func (f *file) wrongKind(n ast.Node, rule string, what any) {
	kind := nodeKind(n)
	m := message.New("want-text", what, kind)
	switch {
	case kind.Rule == "alias":
		m = message.New("yaml-alias")
	case rule == "want-keys":
		m = message.New("want-keys", what, kind)
	}
	f.at(tokenOf(n), m)
}

// tokenOf is where a node begins. Keys with values begin at the first key: the
// library's token of them is the first colon.
func tokenOf(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && n.Start.Value != "{" {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
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
func (f *file) text(n ast.Node, what any) (string, bool) {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.LiteralNode, *ast.InfinityNode, *ast.NanNode:
		return scalarText(n), true
	}
	f.wrongKind(n, "want-text", what)
	return "", false
}

// code returns a scalar as source code with the place of its first character.
func (f *file) code(n ast.Node, what any) (code, bool) {
	if _, null := n.(*ast.NullNode); null {
		f.at(n.GetToken(), message.New("empty-expression", what))
		return code{}, false
	}
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
		c.block = strings.HasPrefix(n.Start.Value, "|")
		c.place.Line = pos.Line + 1
		if c.place.Line <= len(f.lines) {
			line := f.lines[c.place.Line-1]
			c.place.Col = len(line) - len(strings.TrimLeft(line, " ")) + 1
		}
	}
	if strings.TrimSpace(c.text) == "" {
		f.at(n.GetToken(), message.New("empty-expression", what))
		return code{}, false
	}
	if strings.HasPrefix(c.text, Mark) {
		f.at(n.GetToken(), message.New("unfilled", what, Mark))
		return code{}, false
	}
	return c, true
}

// code is an expression as it stands in a file.
type code struct {
	file  *file
	text  string
	place Place
	block bool // a literal block scalar: its lines are lines of the file
}

// problem adds a problem about width characters of the code from offset (in
// characters).
func (c code) problem(offset, width int, m message.Message) {
	c.file.add(Problem{Place: c.at(offset), Message: m, width: width})
}

// at is the place of the character at offset. A text that is not a literal block
// may be folded: a line of the file ends where a blank stands in it.
func (c code) at(offset int) Place {
	p := c.place
	for i, r := range []rune(c.text) {
		if i >= offset {
			break
		}
		p.Col++
		switch {
		case r == '\n' && c.block:
			p.Line, p.Col = p.Line+1, c.place.Col
		case (r == '\n' || r == ' ') && !c.block && c.file.ends(p):
			p.Line++
			for p.Line < len(c.file.lines) && strings.TrimSpace(c.file.lines[p.Line-1]) == "" {
				p.Line++
			}
			if p.Line <= len(c.file.lines) {
				line := c.file.lines[p.Line-1]
				p.Col = len(line) - len(strings.TrimLeft(line, " ")) + 1
			}
		}
	}
	return p
}

// ends tells whether nothing of a line stands before a place.
func (f *file) ends(p Place) bool {
	return p.Line < len(f.lines) && p.Col-1 > utf8.RuneCountInString(strings.TrimRight(f.lines[p.Line-1], " \r"))
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

func nodeKind(n ast.Node) message.Message {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return message.New("keys")
	case *ast.SequenceNode:
		return message.New("list")
	case *ast.NullNode:
		return message.New("nothing")
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return message.New("alias")
	}
	return message.New("quoted", scalarText(n))
}

// A key is one key that a mapping may have. The reader runs in the order of
// the table, not of the file.
type key struct {
	name     string
	required bool
	read     func(n ast.Node)
}

// read hands the members to their keys and reports unknown and missing ones.
func (f *file) read(ms []member, what any, keys []key) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	meant := map[string]bool{}
	for _, m := range ms {
		known := false
		for _, k := range keys {
			known = known || k.name == m.key
		}
		if !known {
			f.at(m.keyAt, message.New("unknown-key", m.key, what, hint(m.key, names)))
			if near := Nearest(m.key, names); len(near) > 0 {
				meant[near[0]] = true // it is told once
			}
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
		if k.required && !found && !meant[k.name] {
			f.at(f.inside, message.New("missing-key", what, k.name))
		}
	}
}
