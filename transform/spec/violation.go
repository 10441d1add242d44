package spec

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Violation is one thing in a record that is not as the standard wants it.
type Violation struct {
	Interface *Interface
	Field     *Field // of an unknown field only the name is set; nil: the document itself
	// Path is where a field of a list stands: "jzxxList[0].fwbm"; List is that
	// list, Element the 0. Else they are empty.
	Path      string
	List      *Field
	Element   int
	Rule      string // one of the rules below: a word to search for
	Severity  Severity
	Missing   bool // a value that must be there is not
	Want, Got Phrase
	Because   Phrase // the reason of a condition; empty otherwise
}

// The rules that a value may break.
const (
	RuleRequired   = "required"
	RuleLength     = "length"
	RuleType       = "type"
	RuleRange      = "range"
	RuleFormat     = "format"
	RuleSize       = "size"
	RuleShape      = "shape"
	RulePrefix     = "prefix"
	RuleDictionary = "dictionary"
	RuleCondition  = "condition"
	RuleUnknown    = "unknown"
	RuleDocument   = "document"
)

var ruleNames = []string{
	RuleRequired, RuleLength, RuleType, RuleRange, RuleFormat, RuleSize, RuleShape, RulePrefix,
	RuleDictionary, RuleCondition, RuleUnknown, RuleDocument,
}

// Severity of a violation.
type Severity int

// An Error keeps a record from being sent, a Warning does not.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Phrase is a piece of a message in both languages.
type Phrase struct {
	English string `yaml:"en"`
	Chinese string `yaml:"zh"`
}

// same is a phrase that needs no translation.
func same(s string) Phrase { return Phrase{s, s} }

// Error is like `snapTime (抓拍时间): want yyyy-MM-dd HH:mm:ss, got "2019-01-01"`.
// Personal values are masked.
func (v Violation) Error() string {
	s := fmt.Sprintf("%swant %s, got %s", v.subject(" (", "): "), v.Want.English, v.Got.English)
	if v.Because.English != "" {
		s += ": " + v.Because.English
	}
	return s
}

// Chinese is the same for who reads Chinese.
func (v Violation) Chinese() string {
	s := v.subject("（", "）：")
	switch {
	case v.Missing:
		s += "必填，实际" + spaced("是", v.Got.Chinese)
	case v.Want == leftOut:
		s += "不应传，实际" + spaced("是", v.Got.Chinese)
	default:
		s += spaced("应为", v.Want.Chinese) + "，实际" + spaced("是", v.Got.Chinese)
	}
	if v.Because.Chinese != "" {
		s += "：" + v.Because.Chinese
	}
	return s
}

// spaced joins two pieces of Chinese with the blank that belongs before
// letters and digits.
func spaced(before, text string) string {
	if text != "" && text[0] < utf8.RuneSelf {
		return before + " " + text
	}
	return before + text
}

func (v Violation) subject(open, end string) string {
	if v.Field == nil {
		return ""
	}
	name := v.Field.Name
	if v.Path != "" {
		name = v.Path
	}
	if v.Field.Label == "" {
		return fmt.Sprintf("%q", name) + strings.TrimLeft(end, ")）")
	}
	return name + open + v.Field.Label + end
}
