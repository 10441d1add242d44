// Package schema writes JSON Schemas of the files that people write, for
// editors: what a key is for, which values it may have, which fields an
// interface has and what they are called.
//
// They are draft-07, which is what yaml-language-server knows best. A schema
// does not replace yiqiao check: it knows no expressions and no tables.
package schema

import (
	"bytes"
	"encoding/json"
)

const dialect = "http://json-schema.org/draft-07/schema#"

// node is a schema, or a part of one. A node with Ref has nothing else: draft-07
// ignores what stands beside it.
type node struct {
	Dialect     string   `json:"$schema,omitempty"`
	Comment     string   `json:"$comment,omitempty"`
	Ref         string   `json:"$ref,omitempty"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Type        any      `json:"type,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	EnumNotes   []string `json:"enumDescriptions,omitempty"` // read by yaml-language-server
	Const       string   `json:"const,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	PatternNote string   `json:"patternErrorMessage,omitempty"` // read by yaml-language-server
	MinLength   int      `json:"minLength,omitempty"`
	Minimum     *int     `json:"minimum,omitempty"`
	Default     any      `json:"default,omitempty"`
	Examples    []any    `json:"examples,omitempty"`
	Properties  members  `json:"properties,omitempty"`
	Additional  any      `json:"additionalProperties,omitempty"` // false or *node
	Required    []string `json:"required,omitempty"`
	MinItems    int      `json:"minItems,omitempty"`
	Items       *node    `json:"items,omitempty"`
	AnyOf       []*node  `json:"anyOf,omitempty"`
	AllOf       []*node  `json:"allOf,omitempty"`
	Not         *node    `json:"not,omitempty"`
	If          *node    `json:"if,omitempty"`
	Then        *node    `json:"then,omitempty"`
	Definitions members  `json:"definitions,omitempty"`
}

// members is an object that keeps its order.
type members []member

type member struct {
	name  string
	value *node
}

// MarshalJSON implements json.Marshaler.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		for k, v := range []any{e.name, e.value} {
			text, err := plain(v)
			if err != nil {
				return nil, err
			}
			b.Write(text)
			if k == 0 {
				b.WriteByte(':')
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// plain is JSON without escapes for HTML.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// document is a whole schema as a file.
func document(n *node) ([]byte, error) {
	n.Dialect = dialect
	text, err := plain(n)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Indent(&b, text, "", " ")
	b.WriteByte('\n')
	return b.Bytes(), err
}

func ref(name string) *node { return &node{Ref: "#/definitions/" + name} }
