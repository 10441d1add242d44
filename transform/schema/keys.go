package schema

import (
	"yiqiao/transform"
)

// What may stand where a text is wanted: YAML makes a number of 1.
var scalar = []string{"string", "number", "boolean"}

const (
	environment = `\$\{[A-Za-z_][A-Za-z0-9_]*\}`
	duration    = `^([+-]?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+|0|` + environment + `)$`
	size        = `^([0-9]+(\.[0-9]+)? *([kKmMgGtT]([iI]?[bB])?|[bB])?|` + environment + `)$`
)

// section is the schema of keys. special, if not nil, knows what a key of kind
// RecordFields or ExpressionOr holds.
func section(docs []transform.KeyDoc, special func(*transform.KeyDoc) *node) *node {
	n := &node{Type: "object", Additional: false}
	for i := range docs {
		d := &docs[i]
		n.Properties = append(n.Properties, member{d.Name, value(d, special)})
		if d.Required {
			n.Required = append(n.Required, d.Name)
		}
	}
	return n
}

// value is the schema of what stands behind a key.
func value(d *transform.KeyDoc, special func(*transform.KeyDoc) *node) *node {
	var n *node
	if special != nil {
		n = special(d)
	}
	if n == nil {
		n = kind(d, special)
	}
	if n.Ref != "" {
		n = &node{AllOf: []*node{n}} // what stands beside a $ref does not count
	}
	n.Title, n.Description = d.Name, describe(d)
	if d.Default != "" {
		n.Default = d.Default
	}
	if d.Example != "" {
		n.Examples = []any{d.Example}
	}
	return n
}

// describe is what an editor shows beside a key, in both languages.
func describe(d *transform.KeyDoc) string {
	s := d.Chinese
	if d.English != "" {
		s += "\n\n" + d.English
	}
	if d.Default != "" {
		s += "\n\n默认 (default): " + d.Default
	}
	if d.Example != "" && d.Example != d.Default {
		s += "\n\n例 (example): " + d.Example
	}
	return s
}

func kind(d *transform.KeyDoc, special func(*transform.KeyDoc) *node) *node {
	text := func() *node {
		if d.Values != nil {
			return &node{Type: "string", Enum: d.Values}
		}
		return &node{Type: scalar}
	}
	switch d.Kind {
	case transform.Expression:
		return expression()
	case transform.Texts:
		return oneOrMore(text(), text())
	case transform.Expressions:
		return oneOrMore(expression(), expression())
	case transform.TextList:
		return &node{Type: "array", Items: text()}
	case transform.Named:
		return &node{Type: "object", Additional: text()}
	case transform.NamedExprs:
		return &node{Type: "object", Additional: expression()}
	case transform.ExpressionOr:
		return &node{AnyOf: []*node{expression(), {Type: "object", Additional: expression()}}}
	case transform.NamedTexts:
		return &node{Type: "object", Additional: &node{Type: "object", Additional: text()}}
	case transform.Section:
		return section(d.Keys, special)
	case transform.Sections:
		return oneOrMore(section(d.Keys, special), section(d.Keys, special))
	case transform.TextOr:
		return &node{AnyOf: []*node{text(), section(d.Keys, special)}}
	case transform.NamedTextOr:
		return &node{Type: "object", Additional: &node{AnyOf: []*node{text(), section(d.Keys, special)}}}
	case transform.Whole:
		return &node{Type: []string{"integer", "string"}, Pattern: `^([0-9]+|` + environment + `)$`, PatternNote: "要一个整数 (want a whole number)"}
	case transform.Number:
		return &node{Type: []string{"number", "string"}, Pattern: `^([0-9]+(\.[0-9]+)?|` + environment + `)$`, PatternNote: "要一个数 (want a number)"}
	case transform.Duration:
		return &node{Type: []string{"string", "integer"}, Pattern: duration, PatternNote: "要一段时间，如 72h、10m、30s (want a duration)"}
	case transform.Bytes:
		return &node{Type: []string{"string", "integer"}, Pattern: size, PatternNote: "要一个大小，如 16MB、512KiB (want a size)"}
	}
	return text()
}

func oneOrMore(one, of *node) *node {
	return &node{AnyOf: []*node{one, {Type: "array", Items: of}}}
}

// expression is a scalar: numbers and true stand for themselves.
func expression() *node { return &node{Type: scalar, MinLength: 1} }
