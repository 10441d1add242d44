package spec

import "unicode/utf8"

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
