package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"yiqiao/transform"
	"yiqiao/transform/message"
)

// languageFlag adds -lang to the flags of a command that tells problems or
// refusals. What it says goes before LC_ALL, LC_MESSAGES and LANG.
func languageFlag(f *flag.FlagSet, std *stdio) {
	if std.lang == nil {
		l := message.Environment(os.Getenv)
		std.lang = &l
	}
	f.Var(languageValue{std.lang}, "lang", "`language` of messages: en or zh, instead of that of LC_ALL, LC_MESSAGES or LANG")
}

// languageValue is a language as a flag.
type languageValue struct{ *message.Language }

func (v languageValue) String() string { return "" }

func (v languageValue) Set(name string) error {
	l, ok := message.Parse(name)
	if !ok {
		return fmt.Errorf("want en or zh, got %q", name)
	}
	*v.Language = l
	return nil
}

// language is that of the person who called the command.
func (s stdio) language() message.Language {
	if s.lang == nil {
		return message.Environment(os.Getenv)
	}
	return *s.lang
}

// problems prints problems to w, with the lines that they are about.
func (s stdio) problems(w io.Writer, problems transform.Problems) {
	for _, p := range problems {
		fmt.Fprint(w, p.Excerpt(s.language()))
	}
}

// told counts problems, for the last line.
func (s stdio) told(problems transform.Problems) string {
	n := len(problems.Errors())
	if s.language() == message.Chinese {
		return fmt.Sprintf("%d 个问题", n)
	}
	return count(n, "problem")
}
