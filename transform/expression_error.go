package transform

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	exprfile "github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"yiqiao/transform/message"
)

// exprSays is what expr's parser, checker and machine say, in the words of a
// mapping. What no pattern fits is told as expr says it.
var exprSays = []struct {
	pattern *regexp.Regexp
	means   func(m []string) message.Message
}{
	{regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types (.+) and (.+)\)$`), func(m []string) message.Message {
		return message.New("operand-types", m[1], goKind(m[2]), goKind(m[3]), textAndNumber(m[2], m[3]))
	}},
	{regexp.MustCompile(`^invalid operation: (\S+) \(mismatched type (.+)\)$`), func(m []string) message.Message {
		return message.New("operand-type", m[1], goKind(m[2]))
	}},
	{regexp.MustCompile(`^invalid operation: (.+) (\S+) (.+)$`), func(m []string) message.Message {
		return message.New("cannot-work-out", goKind(m[1]), m[2], goKind(m[3]))
	}},
	{regexp.MustCompile(`^interface conversion: interface \{\} is (.+), not bool$`), func(m []string) message.Message {
		return message.New("want-truth", goKind(m[1]))
	}},
	{regexp.MustCompile(`^memory budget exceeded$`), func([]string) message.Message {
		return message.New("too-many-elements", maxElements)
	}},
	{regexp.MustCompile(`^unexpected (?:token EOF|end of expression)`), func([]string) message.Message {
		return message.New("expression-end")
	}},
	{regexp.MustCompile(`^unexpected token \w+\((".*")\)$`), func(m []string) message.Message {
		token, _ := strconv.Unquote(m[1])
		if token == "=" {
			return message.New("expression-token", strconv.Quote(token), message.New("compare"))
		}
		return message.New("expression-token", strconv.Quote(token), wideHint(token))
	}},
	{regexp.MustCompile(`integer.* range|integer literal is too large`), func([]string) message.Message {
		return message.New("number-too-large")
	}},
	{regexp.MustCompile(`^literal not terminated`), func([]string) message.Message { return message.New("text-end") }},
	{regexp.MustCompile(`^invalid char escape|unable to unescape`), func([]string) message.Message {
		return message.New("text-escape")
	}},
	{regexp.MustCompile(`^unrecognized character: U\+\w+(?: '(.+)')?`), func(m []string) message.Message {
		return message.New("character", strconv.Quote(m[1]), wideHint(m[1]))
	}},
	{regexp.MustCompile(`^bad number syntax|^invalid \w+ literal`), func([]string) message.Message { return message.New("number-form") }},
	{regexp.MustCompile(`^builtin (\w+) takes only array \(got (.+)\)`), func(m []string) message.Message {
		return message.New("wants-list", m[1], goKind(m[2]))
	}},
	{regexp.MustCompile(`^predicate should return boolean \(got (.+)\)`), func(m []string) message.Message {
		return message.New("predicate", goKind(m[1]))
	}},
	{regexp.MustCompile(`^wrap predicate with brackets|^predicate should has`), func([]string) message.Message {
		return message.New("predicate-brackets")
	}},
	{regexp.MustCompile(`^Operator \((.+)\) and coalesce expressions`), func(m []string) message.Message {
		return message.New("coalesce-mixed", m[1])
	}},
	{regexp.MustCompile(`^non-bool expression \(type (.+)\) used as condition`), func(m []string) message.Message {
		return message.New("want-truth", goKind(m[1]))
	}},
	{regexp.MustCompile(`^type (.+) has no (?:field|method) (.+)$`), func(m []string) message.Message {
		return message.New("no-member", goKind(m[1]), m[2])
	}},
	{regexp.MustCompile(`^invalid argument for (\w+) \(type (.+)\)`), func(m []string) message.Message {
		return message.New("wrong-argument", m[1], goKind(m[2]))
	}},
	{regexp.MustCompile(`^cannot redeclare (?:variable |builtin |function )?(.+)$`), func(m []string) message.Message {
		return message.New("name-taken", m[1])
	}},
}

// exprMessage says in the words of a mapping what expr says in Go's.
func exprMessage(text string) message.Message {
	for _, s := range exprSays {
		if m := s.pattern.FindStringSubmatch(text); m != nil {
			return s.means(m)
		}
	}
	return message.New("expression", text)
}

// goKind says what a type of Go's is in a mapping.
func goKind(t string) any {
	switch {
	case t == "string":
		return message.New("kind-text")
	case t == "bool":
		return message.New("kind-truth")
	case t == "nil" || t == "<nil>":
		return message.New("nothing")
	case strings.HasPrefix(t, "[]"):
		return message.New("list")
	case strings.HasPrefix(t, "map["):
		return message.New("kind-object")
	case strings.HasPrefix(t, "int") || strings.HasPrefix(t, "uint") || strings.HasPrefix(t, "float"):
		return message.New("kind-number")
	}
	return t
}

// textAndNumber is the hint where one of two values is a text and one a number.
func textAndNumber(a, b string) any {
	if (a == "string") != (b == "string") {
		return message.New("to-text")
	}
	return nil
}

// wideForms are the characters of Chinese keyboards that halfWidth leaves.
var wideForms = strings.NewReplacer("“", `"`, "”", `"`, "‘", "'", "’", "'", "。", ".", "、", ",", "【", "[", "】", "]", "《", "<", "》", ">", "…", "...")

// wideHint is what to write in place of a wide character.
func wideHint(s string) any {
	if plain := wideForms.Replace(halfWidth(s)); plain != s {
		return message.New("wide-token", plain)
	}
	return nil
}

// exprError reports an error of expr's own parser or checker.
func (s *scope) exprError(c code, err error) {
	var fe *exprfile.Error
	if !errors.As(err, &fe) {
		c.problem(0, 1, message.New("expression", err))
		return
	}
	m := exprMessage(fe.Message)
	text := []rune(c.text)
	from, to := min(fe.From, len(text)), fe.To
	switch {
	case m.Rule == "number-too-large":
		// The lexer tells the end of the number.
		for from > 0 && '0' <= text[from-1] && text[from-1] <= '9' {
			from--
		}
	case m.Rule == "expression-token" && strings.Contains(c.text, "'") && strings.Contains(c.text, "="):
		token, _ := strconv.Unquote(strings.TrimSuffix(fe.Message[strings.IndexByte(fe.Message, '(')+1:], ")"))
		m = message.New("expression-token", strconv.Quote(token), message.New("compare-quotes"))
	}
	if name, ok := strings.CutPrefix(fe.Message, "unknown name "); ok {
		m = message.New("unknown-name", name, hint(name, s.names()))
	}
	if name, ok := strings.CutPrefix(fe.Message, "unknown builtin "); ok {
		m = message.New("unknown-function", name, hint(name, functionNames()))
	}
	c.problem(from, max(to-from, 1), m)
}

// letCycles finds names of let that need each other: by name, the way round.
func letCycles(lets map[string]string) map[string][]string {
	needs := map[string][]string{}
	for name, text := range lets {
		tree, err := parser.Parse(text)
		if err != nil {
			continue // told when it is compiled
		}
		c := &collector{}
		ast.Walk(&tree.Node, c)
		for _, id := range c.idents {
			if _, ok := lets[id.Value]; ok && !slices.Contains(needs[name], id.Value) {
				needs[name] = append(needs[name], id.Value)
			}
		}
	}
	cycles := map[string][]string{}
	for name := range lets {
		if way := wayRound(name, needs); way != nil {
			cycles[name] = way
		}
	}
	return cycles
}

// wayRound is the shortest way from a name back to it; nil: there is none.
func wayRound(name string, needs map[string][]string) []string {
	ways := [][]string{{name}}
	seen := map[string]bool{}
	for len(ways) > 0 {
		way := ways[0]
		ways = ways[1:]
		for _, next := range needs[way[len(way)-1]] {
			further := append(slices.Clone(way), next)
			if next == name {
				return further
			}
			if !seen[next] {
				seen[next] = true
				ways = append(ways, further)
			}
		}
	}
	return nil
}
