package spec

import "strings"

// What the checker knows and a reference tells.

// Want is what a value of the format looks like.
func (f Format) Want() Phrase { return formats[f].want }

// Want is what a value of the shape looks like.
func (s Shape) Want() Phrase { return shapes[s].want }

// Begins is the path of the field whose value f begins with ("xqbm"), or, of an
// earlier record, "xq.xqmc"; empty: none.
func (i *Interface) Begins(f *Field) string {
	if f.earlier != "" {
		return f.earlierOf + "." + f.earlier
	}
	if f.begins.index < 0 {
		return ""
	}
	list, _, nested := strings.Cut(f.Path, "[].")
	if !nested || f.begins.outer {
		return i.Fields[f.begins.index].Path
	}
	return i.Field(list).Fields[f.begins.index].Path
}
