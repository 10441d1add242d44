package transform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yiqiao/transform/event"
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
	what  string         // for messages; shows nothing personal
	parts map[string]any // a part that is an error is refused with it
}

func (o object) part(key any) (any, error) {
	name, _ := asText(key)
	v, ok := o.parts[name]
	if !ok {
		return nil, fmt.Errorf("%s has no %q; it has %s", o.what, name, strings.Join(slices.Sorted(mapKeys(o.parts)), ", "))
	}
	if err, ok := v.(error); ok {
		return nil, err
	}
	return v, nil
}

// String keeps what an object holds out of every text that is made of it.
func (o object) String() string { return o.what }

// trimmed is the text of a text or a number without the blanks around it. The
// domain's functions take their values so: nothing, and a text of blanks only,
// is the empty text.
func trimmed(v any, what string) (string, error) {
	if v == nil {
		return "", nil
	}
	s, ok := asText(v)
	if !ok {
		return "", fmt.Errorf("want %s, got %s", what, describe(v))
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

// describe says what a value is, for a message; long texts are cut.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		if r := []rune(v); len(r) > 40 {
			return strconv.Quote(string(r[:40])) + "…"
		}
		return strconv.Quote(v)
	case int, float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return fmt.Sprint(v)
	case *event.Blob:
		return v.String()
	case object:
		return v.what
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return fmt.Sprintf("an object with %s", strings.Join(slices.Sorted(mapKeys(v)), ", "))
	}
	return fmt.Sprintf("a %T", v)
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
