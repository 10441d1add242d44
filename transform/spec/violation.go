package spec

import "fmt"

// Violation is one thing in a record that is not as the standard wants it.
type Violation struct {
	Interface *Interface
	Field     *Field // of an unknown field only the name is set; nil: the document itself
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
	RuleFormat     = "format"
	RuleDictionary = "dictionary"
	RuleCondition  = "condition"
	RuleUnknown    = "unknown"
	RuleDocument   = "document"
)

// Severity of a violation.
type Severity int

// An Error keeps a record from being sent, a Warning does not.
const (
	Error Severity = iota
	Warning
)

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
	s := fmt.Sprintf("%s应为%s，实际是%s", v.subject("（", "）："), v.Want.Chinese, v.Got.Chinese)
	if v.Because.Chinese != "" {
		s += "：" + v.Because.Chinese
	}
	return s
}

func (v Violation) subject(open, end string) string {
	switch {
	case v.Field != nil && v.Field.Label != "":
		return v.Field.Name + open + v.Field.Label + end
	case v.Field != nil:
		return fmt.Sprintf("%q: ", v.Field.Name)
	}
	return ""
}
