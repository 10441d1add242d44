package transform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// asText is the text of a text or a number.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// object is what a function gives that has several parts. Unlike an object of
// the event it knows which parts there are: asking for another one is refused.
type object struct {
	what  message.Message // shows nothing personal
	parts map[string]any  // a part that is an error is refused with it
}

func (o object) part(key any) (any, error) {
	name, _ := asText(key)
	v, ok := o.parts[name]
	if !ok {
		return nil, message.New("no-part", o.what, name, slices.Sorted(mapKeys(o.parts)))
	}
	if err, ok := v.(error); ok {
		return nil, err
	}
	return v, nil
}

// String keeps what an object holds out of every text that is made of it.
func (o object) String() string { return o.what.Error() }

// trimmed is the text of a text or a number without the blanks around it. The
// domain's functions take their values so: nothing, and a text of blanks only,
// is the empty text.
func trimmed(v any, what message.Message) (string, error) {
	if v == nil {
		return "", nil
	}
	s, ok := asText(v)
	if !ok {
		return "", message.New("want", what, saidAs(v))
	}
	return strings.TrimSpace(s), nil
}

// halfWidth turns the full-width forms that Chinese keyboards write (Ａ, ７, ；
// and the wide blank) into the ordinary ones.
func halfWidth(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case r == '\u3000':
			return ' '
		}
		return r
	}, s)
}

// want says what was wanted, by its rule, and what was got.
func want(what string, got any) message.Message {
	return message.New("want", message.New(what), saidAs(got))
}

// wants is want of the function called name.
func wants(name, what string, got any) message.Message {
	return message.New("wants", name, message.New(what), saidAs(got))
}

// saidAs says what a value is, for a message; long texts are cut.
func saidAs(v any) message.Speaker {
	switch v := v.(type) {
	case nil:
		return message.New("nothing")
	case string:
		if strings.Contains(v, "://") {
			v = shownURL(v) // a signature opens what it is of
		}
		text := strconv.Quote(v)
		if r := []rune(v); len(r) > 40 {
			text = strconv.Quote(string(r[:40])) + "…"
		}
		return message.Both{English: text, Chinese: text}
	case int, float64:
		return message.New("number-value", fmt.Sprint(v))
	case bool:
		return message.Both{English: fmt.Sprint(v), Chinese: fmt.Sprint(v)}
	case *event.Blob:
		kind, _, _ := strings.Cut(strings.TrimPrefix(v.String(), "@"), " ")
		return message.New("picture-bytes", kind, v.Len())
	case *unmade:
		return message.Both{English: v.String(), Chinese: v.String()}
	case object:
		return v.what
	case []any:
		return message.New("list-of", len(v))
	case map[string]any:
		return message.New("object-with", slices.Sorted(mapKeys(v)))
	}
	return message.New("kind-go", fmt.Sprintf("%T", v))
}

// describe is saidAs in English.
func describe(v any) string { return saidAs(v).In(message.English) }

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
