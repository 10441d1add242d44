package transform

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// The general functions that differ from expr's own: of nothing they make
// nothing, a number keeps its digits, an object's members have an order, and
// what they make is bounded.

func stringFunc(_ *run, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case bool:
		return fmt.Sprint(v), nil
	default:
		if s, ok := asText(v); ok {
			return s, nil
		}
	}
	return nil, want("text-number-truth", args[0])
}

// ofText makes a function of a text: of nothing it makes nothing.
func ofText(name string, f func(s string, more []string) (any, error)) func(*run, []any) (any, error) {
	return func(_ *run, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		var texts [4]string
		for i, a := range args {
			s, ok := a.(string)
			if !ok {
				return nil, wants(name, "kind-text", a)
			}
			texts[i] = s
		}
		return f(texts[0], texts[1:len(args)])
	}
}

func lowerText(s string, _ []string) (any, error) { return strings.ToLower(s), nil }
func upperText(s string, _ []string) (any, error) { return strings.ToUpper(s), nil }

func trimText(s string, more []string) (any, error) {
	if len(more) > 0 {
		return strings.Trim(s, more[0]), nil
	}
	return strings.TrimSpace(s), nil
}

func replaceText(s string, more []string) (any, error) {
	length := len(s) + strings.Count(s, more[0])*(len(more[1])-len(more[0]))
	return bounded(length, func() string { return strings.ReplaceAll(s, more[0], more[1]) })
}

func splitText(s string, more []string) (any, error) {
	var list []any
	for part := range strings.SplitSeq(s, more[0]) {
		list = append(list, part)
	}
	return list, nil
}

func joinFunc(_ *run, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	glue, glueOK := "", true
	if len(args) > 1 {
		glue, glueOK = args[1].(string)
	}
	if !ok || !glueOK {
		return nil, wants("join", "list-and-text", args[0])
	}
	texts := make([]string, len(list))
	length := max(0, len(list)-1) * len(glue)
	for i, el := range list {
		if texts[i], ok = asText(el); !ok {
			return nil, message.New("join-wants", saidAs(el))
		}
		length += len(texts[i])
	}
	return bounded(length, func() string { return strings.Join(texts, glue) })
}

func jsonFunc(r *run, args []any) (any, error) {
	var doc []byte
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case string:
		doc = []byte(v)
	case *event.Blob:
		if v.Len() > event.MaxDoc {
			return nil, message.New("json-bytes", event.MaxDoc, v.Len())
		}
		doc = slices.Clone(v.Data)
	default:
		return nil, want("json-text", v)
	}
	if len(doc) == 0 {
		return nil, nil
	}
	v, err := r.event.Value(doc)
	if e := (*event.Error)(nil); errors.As(err, &e) {
		return nil, message.New("json-at", e.Offset, e.Text)
	}
	return v, err
}

func keysFunc(_ *run, args []any) (any, error) {
	names, _, err := members("keys", args[0])
	return names, err
}

func valuesFunc(_ *run, args []any) (any, error) {
	_, values, err := members("values", args[0])
	return values, err
}

// members lists an object's members in the order of their names: a replay
// gives the same record.
func members(what string, v any) (names, values any, err error) {
	if v == nil {
		return nil, nil, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, nil, wants(what, "kind-object", v)
	}
	ns, vs := []any{}, []any{}
	for _, k := range slices.Sorted(mapKeys(m)) {
		ns, vs = append(ns, k), append(vs, m[k])
	}
	return ns, vs, nil
}

func flattenFunc(_ *run, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	if !ok {
		return nil, wants("flatten", "list", args[0])
	}
	flat, left := []any{}, maxElements
	if !flatten(&flat, list, &left) {
		return nil, message.New("flatten-most", maxElements)
	}
	return flat, nil
}

func flatten(flat *[]any, list []any, left *int) bool {
	for _, el := range list {
		if *left--; *left < 0 {
			return false
		}
		if inner, ok := el.([]any); ok {
			if !flatten(flat, inner, left) {
				return false
			}
			continue
		}
		*flat = append(*flat, el)
	}
	return true
}

// maxUniq: each element is compared with each.
const maxUniq = 4096

func uniqFunc(_ *run, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	if !ok || len(list) > maxUniq {
		return nil, message.New("wants", "uniq", message.New("list-of-at-most", maxUniq), saidAs(args[0]))
	}
	once := []any{}
	for _, el := range list {
		if !slices.ContainsFunc(once, func(o any) bool { return reflect.DeepEqual(o, el) }) {
			once = append(once, el)
		}
	}
	return once, nil
}
