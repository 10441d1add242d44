package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fields builds the fields of an interface, or of the list with the path list.
func (l *loader) fields(s *sheet, at, list string, in []fieldFile) []Field {
	var out []Field
	for n, ff := range in {
		b := fieldBuilder{sheet: s, c: l.c, at: fmt.Sprintf("%s[%d]", at, n), list: list, in: ff}
		if ff.Name == "" {
			b.problem(b.at, "a field has no name")
		}
		if fieldIndex(out, ff.Name) >= 0 {
			b.problem(b.at+".name", "field %q stands twice", ff.Name)
		}
		f := b.field()
		f.Path = list + f.Name
		if len(ff.Fields) > 0 {
			if list != "" {
				b.wrong("fields", "it is a list in a list")
			}
			f.Fields = l.fields(s, b.at+".fields", f.Path+"[].", ff.Fields)
		}
		out = append(out, f)
	}
	return out
}

// fieldBuilder reads one field.
type fieldBuilder struct {
	*sheet
	c    *Catalogue
	at   string
	list string // as in fields
	in   fieldFile
}

func (b *fieldBuilder) wrong(key, format string, args ...any) {
	b.problem(b.at+"."+key, "field %q: "+format, append([]any{b.in.Name}, args...)...)
}

func (b *fieldBuilder) field() Field {
	in := &b.in
	f := Field{Name: in.Name, Label: in.Label, Source: in.Source, Note: in.Note, warn: in.Warn}
	f.Type = word(b, "type", in.Type, types)
	f.Need = word(b, "need", in.Need, needs)
	f.Mask = word(b, "mask", in.Mask, masks)
	f.Format = Format(row(b, "format", in.Format, len(formats), func(n int) string { return formats[n].name }))
	f.Shape = Shape(row(b, "shape", in.Shape, len(shapes), func(n int) string { return shapes[n].name }))
	b.source(b.at+".source", in.Source)
	if in.Label == "" {
		b.wrong("label", "it has no label")
	}
	for _, rule := range in.Warn {
		if !slices.Contains(ruleNames, rule) {
			b.wrong("warn", "unknown rule %q", rule)
		}
	}
	if in.Dict != "" {
		if f.Dict = b.c.Dict(in.Dict); f.Dict == nil {
			b.wrong("dict", "no dictionary %q", in.Dict)
		}
	}
	var err error
	if f.Min, f.Max, err = interval(in.Length); err != nil {
		b.wrong("length", "impossible length %q: %w", in.Length, err)
	}
	if in.Range != "" {
		low, high, err := interval(in.Range)
		f.Range = &Range{low, high}
		if err != nil || f.Type != Integer {
			b.wrong("range", "impossible range %q of %s", in.Range, in.Type)
		}
	}
	b.consistent(&f)
	return f
}

// consistent tells what cannot be together.
func (b *fieldBuilder) consistent(f *Field) {
	if list := len(b.in.Fields) > 0; list != (f.Type == List) {
		b.wrong("type", "a List, and nothing else, has fields")
	}
	if f.Type == List && (f.Format != NoFormat || f.Shape != AnyShape || f.Dict != nil || f.Mask != Open) {
		b.wrong("type", "a List has no format, shape, dictionary or mask: its fields have")
	}
	if b.list != "" && f.Format == GF005 {
		b.wrong("format", "no picture belongs in a list")
	}
	if f.Dict == nil || f.Max == 0 {
		return
	}
	for _, e := range f.Dict.Entries {
		if n := utf8.RuneCountInString(e.Code); n < f.Min || n > f.Max {
			b.wrong("length", "impossible length %q: dictionary %s has the code %q", b.in.Length, f.Dict.Code, e.Code)
			return
		}
	}
}

func word[T any](b *fieldBuilder, key, got string, words map[string]T) T {
	v, ok := words[got]
	if !ok {
		b.wrong(key, "unknown %s %q", key, got)
	}
	return v
}

func row(b *fieldBuilder, key, got string, rows int, name func(int) string) int {
	for n := range rows {
		if name(n) == got {
			return n
		}
	}
	b.wrong(key, "unknown %s %q", key, got)
	return 0
}

// interval reads "20", "0…50" or "1…".
func interval(s string) (low, high int, err error) {
	if s == "" {
		return 0, 0, nil
	}
	from, to, two := strings.Cut(s, "…")
	if low, err = strconv.Atoi(from); err != nil {
		return 0, 0, errors.New("want a number, or two with … between")
	}
	switch {
	case !two:
		high = low
	case to == "":
		return low, 0, nil
	default:
		if high, err = strconv.Atoi(to); err != nil {
			return 0, 0, errors.New("want a number, or two with … between")
		}
	}
	if low < 0 || high < 1 || high < low {
		return 0, 0, errors.New("it begins below 0, ends below 1 or before its beginning")
	}
	return low, high, nil
}
