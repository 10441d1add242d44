package spec

import (
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Mask says who may see a value.
type Mask int

// The masks: Personal values are shown in part, Secret ones not at all.
const (
	Open Mask = iota
	Personal
	Secret
)

// Masked shows a value as its Mask allows: of a personal one the first and the
// last character, of a secret one nothing.
func (f *Field) Masked(s string) string {
	switch f.Mask {
	case Personal:
		first, n := utf8.DecodeRuneInString(s)
		last, m := utf8.DecodeLastRuneInString(s)
		if len(s) <= n+m {
			return "***"
		}
		return string(first) + "***" + string(last)
	case Secret:
		return "***"
	}
	return s
}

// MaskJSON returns a document, or a description of one, with what is personal
// or secret in it masked, in lists too. What should be a list of objects that
// hold such values and is something else is not shown at all, nor what is no
// document.
func (i *Interface) MaskJSON(doc []byte) []byte {
	if !gjson.ValidBytes(doc) {
		return []byte(hidden)
	}
	return maskObject(nil, i.Fields, gjson.ParseBytes(doc))
}

const hidden = `"***"`

func maskObject(out []byte, fields []Field, doc gjson.Result) []byte {
	if !doc.IsObject() {
		return append(out, hidden...)
	}
	out = append(out, '{')
	sep := ""
	doc.ForEach(func(key, v gjson.Result) bool {
		out = append(append(append(out, sep...), key.Raw...), ':')
		sep = ","
		n := fieldIndex(fields, key.String())
		if n < 0 || v.Type == gjson.Null {
			out = append(out, v.Raw...)
			return true
		}
		out = fields[n].maskValue(out, v)
		return true
	})
	return append(out, '}')
}

func (f *Field) maskValue(out []byte, v gjson.Result) []byte {
	switch {
	case f.Mask != Open:
		return gjson.AppendJSONString(out, f.Masked(v.String()))
	case f.Type != List || !f.masksWithin():
		return append(out, v.Raw...)
	case !v.IsArray():
		return append(out, hidden...)
	}
	out = append(out, '[')
	sep := ""
	v.ForEach(func(_, element gjson.Result) bool {
		out = maskObject(append(out, sep...), f.Fields, element)
		sep = ","
		return true
	})
	return append(out, ']')
}

func (f *Field) masksWithin() bool {
	for n := range f.Fields {
		if f.Fields[n].Mask != Open {
			return true
		}
	}
	return false
}
