package transform

import (
	"strings"

	"errors"
	"regexp"
	"sync"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// bodyRules are the messages whose English is what the decoders of bodies say,
// and note, themselves. What none fits is told as they say it.
var bodyRules = []string{
	"body-empty", "body-not-empty", "body-large", "body-too-large", "body-picture", "body-string", "body-strings",
	"body-boundary", "body-cut", "body-delimiter", "body-parts", "body-part-header", "body-part-cut", "body-element",
	"body-deep", "body-depth", "body-steps", "body-elements", "body-fields", "body-documents", "body-events",
	"body-value", "body-ends-early", "body-text-behind", "body-one-of-several", "body-percent", "body-no-json",
	"body-no-lines", "body-line", "body-code", "body-code-behind", "body-data", "body-encodings",
	"body-unknown-encoding", "body-bomb", "body-name-wanted", "odd-delimiter", "odd-break", "odd-parts", "odd-no-place",
	"odd-part", "odd-gb", "odd-lost", "odd-utf16", "odd-label-utf8", "odd-label-unknown", "odd-label-wrong",
	"odd-base64", "odd-field", "odd-compressed", "odd-compressed-cut", "odd-plain", "odd-around", "odd-documents",
	"odd-events", "odd-twice", "odd-lines", "odd-behind", "odd-before-xml", "odd-xml-broken", "odd-xml-cut",
	"odd-xml-open", "odd-xml-unclosed", "odd-xml-stray",
}

type bodyPattern struct {
	rule string
	text *regexp.Regexp
}

var gap = regexp.MustCompile(`\\\{\d\\\}`) // {1}, quoted

// bodyPatterns recognise what a rule's English says, with anything in its gaps.
var bodyPatterns = sync.OnceValue(func() (list []bodyPattern) {
	for _, rule := range bodyRules {
		text := regexp.QuoteMeta(message.New(rule).In(message.English))
		list = append(list, bodyPattern{rule, regexp.MustCompile(`(?s)^` + gap.ReplaceAllString(text, `(.*)`) + `$`)})
	}
	return list
})

// bodySays is what a decoder says, in both languages.
func bodySays(text string) message.Message {
	for _, p := range bodyPatterns() {
		m := p.text.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		args := make([]any, len(m)-1)
		for i := range args {
			args[i] = m[i+1]
		}
		return message.New(p.rule, args...)
	}
	return message.New("body-raw", text)
}

// bodyMessage says in both languages what is wrong with a body.
func bodyMessage(err error) error {
	var e *event.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Offset < 0 {
		return message.New("broken-body", e.Kind, bodySays(e.Text))
	}
	return message.New("broken-body-at", e.Kind, e.Offset, bodySays(e.Text))
}

// bodyNotes are what was odd about a body.
func bodyNotes(ev *event.Event) message.List {
	list := message.List{Separator: "; "}
	for _, n := range ev.Notes {
		list.Of = append(list.Of, bodySays(n))
	}
	return list
}

// odd adds what was odd about the event's body to the reason.
func (r *Refusal) odd(ev *event.Event) {
	if len(ev.Notes) > 0 {
		r.Text = addOdd(r.Text, ev, message.English)
		r.Chinese = addOdd(r.Chinese, ev, message.Chinese)
	}
}

// addOdd keeps rows to paste, which stand on lines of their own, at the end.
func addOdd(text string, ev *event.Event, l message.Language) string {
	said, rows, pasted := strings.Cut(text, "\n")
	said = message.New("body-odd", said, bodyNotes(ev)).In(l)
	if pasted {
		return said + "\n" + rows
	}
	return said
}
