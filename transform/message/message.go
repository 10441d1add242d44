// Package message is what people are told, in two languages. A message is the
// name of a row of one table and what stands in its gaps; it is rendered for
// who reads it. What is known of an event in words of one language only does not
// exist.
package message

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Language of a reader.
type Language int

// The languages.
const (
	English Language = iota
	Chinese
)

func (l Language) String() string {
	if l == Chinese {
		return "zh"
	}
	return "en"
}

// Parse reads the name of a language: en or zh.
func Parse(name string) (Language, bool) {
	return map[string]Language{"zh": Chinese}[name], name == "en" || name == "zh"
}

// Environment is the language of who started the process: LC_ALL goes before
// LC_MESSAGES before LANG, as everywhere.
func Environment(getenv func(string) string) Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(v, "zh") {
				return Chinese
			}
			return English
		}
	}
	return English
}

// Speaker is whatever can be said in both languages.
type Speaker interface{ In(l Language) string }

// Message is a row of the table with its gaps filled. It is an error, in
// English. The zero Message says nothing.
type Message struct {
	Rule string // the row: a word to search for, "unknown-field"
	args []any
}

// New makes a message of the row called rule. args stand in its gaps, {1} the
// first: a Speaker is said in the reader's language, any other error as it is,
// a list with commas. They must not change afterwards.
func New(rule string, args ...any) Message { return Message{rule, args} }

// In is the message for a reader.
func (m Message) In(l Language) string {
	r, ok := find(m.Rule)
	if !ok {
		return m.Rule
	}
	if l == Chinese {
		return fill(r.zh, m.args, l)
	}
	return fill(r.en, m.args, l)
}

// Hint says what to do; empty if there is nothing to say.
func (m Message) Hint(l Language) string {
	r, _ := find(m.Rule)
	if l == Chinese {
		return fill(r.zhHint, m.args, l)
	}
	return fill(r.hint, m.args, l)
}

func (m Message) Error() string { return m.In(English) }

// Unwrap is the first error among the arguments.
func (m Message) Unwrap() error {
	for _, a := range m.args {
		if err, ok := a.(error); ok {
			return err
		}
	}
	return nil
}

// In says an error in a reader's language, as far as it has one.
func In(err error, l Language) string {
	if s, ok := err.(Speaker); ok {
		return s.In(l)
	}
	return err.Error()
}

// Both is what stands in both languages already.
type Both struct{ English, Chinese string }

// In is the text for a reader.
func (b Both) In(l Language) string {
	if l == Chinese {
		return b.Chinese
	}
	return b.English
}

// List is several things in a row.
type List struct {
	Of        []Speaker
	Separator string
}

// In says them all.
func (s List) In(l Language) string {
	texts := make([]string, len(s.Of))
	for i, m := range s.Of {
		texts[i] = m.In(l)
	}
	return strings.Join(texts, s.Separator)
}

// Choice is what may be chosen from: "a, b or c".
type Choice []string

// In says what may be chosen.
func (c Choice) In(l Language) string {
	comma, or := ", ", " or "
	if l == Chinese {
		comma, or = "、", " 或 "
	}
	if len(c) < 2 {
		return strings.Join(c, "")
	}
	return strings.Join(c[:len(c)-1], comma) + or + c[len(c)-1]
}

// row is one message. Gaps are {1}, {2}, …; {1q} is quoted. A hint has the gaps
// of its row.
type row struct{ rule, en, zh, hint, zhHint string }

var index = sync.OnceValue(func() map[string]*row {
	m := map[string]*row{}
	for _, table := range tables {
		for i := range table {
			m[table[i].rule] = &table[i]
		}
	}
	return m
})

func find(rule string) (row, bool) {
	if r := index()[rule]; r != nil {
		return *r, true
	}
	return row{}, false
}

// fill puts the arguments into the gaps of a text.
func fill(text string, args []any, l Language) string {
	var b []byte
	for {
		before, rest, found := strings.Cut(text, "{")
		b = append(b, before...)
		if !found {
			return string(b)
		}
		n, quoted, width := gap(rest)
		if width == 0 || n > len(args) {
			b, text = append(b, '{'), rest
			continue
		}
		s := say(args[n-1], l)
		if quoted {
			s = strconv.Quote(s)
		}
		text = rest[width:]
		if l == Chinese {
			b, text = tight(b, s, text)
		}
		b = append(b, s...)
	}
}

// gap reads "1}" or "1q}"; width 0: it is none.
func gap(s string) (n int, quoted bool, width int) {
	if len(s) < 2 || s[0] < '1' || s[0] > '9' {
		return 0, false, 0
	}
	n, width = int(s[0]-'0'), 1
	if s[1] == 'q' {
		quoted, width = true, 2
	}
	if width >= len(s) || s[width] != '}' {
		return 0, false, 0
	}
	return n, quoted, width + 1
}

// tight takes away the blanks around a gap between Chinese and Chinese, where
// none belongs.
func tight(before []byte, s, after string) ([]byte, string) {
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if text, blank := bytes.CutSuffix(before, []byte(" ")); blank {
		if end, _ := utf8.DecodeLastRune(text); wide(end) && (wide(first) || s == "") {
			before = text
		}
	}
	if text, blank := strings.CutPrefix(after, " "); blank {
		if begin, _ := utf8.DecodeRuneInString(text); wide(begin) && wide(last) {
			after = text
		}
	}
	return before, after
}

func wide(r rune) bool { return r >= 0x2E80 && r != utf8.RuneError }

func say(a any, l Language) string {
	switch a := a.(type) {
	case nil:
		return ""
	case Speaker:
		return a.In(l)
	case string:
		return a
	case []string:
		return strings.Join(a, ", ")
	}
	return fmt.Sprint(a)
}
