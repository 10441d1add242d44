package transform

import (
	"errors"
	"regexp"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// bodySays is what the decoders of bodies say, in both languages. What no
// pattern fits is told as they say it.
var bodySays = []struct {
	pattern *regexp.Regexp
	rule    string // its gaps are the pattern's groups
}{
	{regexp.MustCompile(`^the body is empty$`), "body-empty"},
	{regexp.MustCompile(`^the document has (\d+) bytes after lifting, more than (\d+)$`), "body-large"},
	{regexp.MustCompile(`^the text is neither UTF-8 nor GB18030$`), "body-encoding"},
	{regexp.MustCompile(`^this string has no end$`), "body-string"},
	{regexp.MustCompile(`^more than (\d+) long strings$`), "body-strings"},
	{regexp.MustCompile(`^no delimiter: `), "body-boundary"},
	{regexp.MustCompile(`^no part has any content`), "body-cut"},
	{regexp.MustCompile(`^delimiter (".*") is not in the body$`), "body-delimiter"},
	{regexp.MustCompile(`^more than (\d+) parts$`), "body-parts"},
	{regexp.MustCompile(`^no element$`), "body-element"},
	{regexp.MustCompile(`^nested too deeply`), "body-deep"},
	{regexp.MustCompile(`^want a value$`), "body-value"},
	{regexp.MustCompile(`^line (\d+): unexpected EOF$`), "body-xml-end"},
	{regexp.MustCompile(`^unexpected end`), "body-end"},
}

// bodyMessage says in both languages what is wrong with a body.
func bodyMessage(err error) error {
	var e *event.Error
	if !errors.As(err, &e) {
		return err
	}
	why := message.New("body-raw", e.Text)
	for _, s := range bodySays {
		if m := s.pattern.FindStringSubmatch(e.Text); m != nil {
			args := make([]any, len(m)-1)
			for i := range args {
				args[i] = m[i+1]
			}
			why = message.New(s.rule, args...)
			break
		}
	}
	if e.Offset < 0 {
		return message.New("broken-body", e.Kind, why)
	}
	return message.New("broken-body-at", e.Kind, e.Offset, why)
}
