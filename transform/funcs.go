package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"yiqiao/transform/event"
)

// function is one row of the function set: its code, its documentation and
// the examples that prove it (run by TestFunctions, printed by `yiqiao spec
// functions`).
type function struct {
	name     string
	usage    string
	doc      string // in Chinese: it is shown to the integrator
	min, max int    // number of arguments; max -1: any
	call     func(r *run, args []any) (any, error)
	examples []Example
}

// Example is an expression over the example event with its value.
type Example struct {
	Expr, Want string // Want: the value as text; "error: …" if it is refused
}

// functions is the function set.
var functions = []function{
	{name: "time", usage: `time(value, layout…)`, min: 1, max: -1, call: timeFunc,
		doc: "设备时间 → yyyy-MM-dd HH:mm:ss（GF004）。识别带/不带时区的常见写法、14/17 位数字、1970 年以来的秒/毫秒/微秒；没有时区的按 source.yaml 的 zone。给出 layout 时只按它解析。",
		examples: []Example{
			{`time("2026-09-02T13:32:56+08:00")`, "2026-09-02 13:32:56"},
			{`time("2026-09-02T05:32:56Z")`, "2026-09-02 13:32:56"},
			{`time("2016-12-24T18:59:49-8:00")`, "2016-12-25 10:59:49"},
			{`time("2026-02-10 09:30:45.123")`, "2026-02-10 09:30:45"},
			{`time("20260211180000")`, "2026-02-11 18:00:00"},
			{`time("20240507174803847")`, "2024-05-07 17:48:03"},
			{`time(1770804000)`, "2026-02-11 18:00:00"},
			{`time("1770804000123")`, "2026-02-11 18:00:00"},
			{`time("02-03-2020 21:41:40", "dd-MM-yyyy HH:mm:ss")`, "2020-03-02 21:41:40"},
			{`time("gestern")`, `error: want a time, got "gestern"`},
			{`time(nil)`, "nil"},
		}},
	{name: "date", usage: `date(value, layout…)`, min: 1, max: -1, call: dateFunc,
		doc: "日期 → yyyy-MM-dd（GF003）。写法同 time。",
		examples: []Example{
			{`date("19940307")`, "1994-03-07"},
			{`date("2026-09-02T23:32:56Z")`, "2026-09-03"},
		}},
	{name: "picture", usage: `picture(value)`, min: 1, max: 1, call: pictureFunc,
		doc: "图片（GF005）：multipart 的部件，或 Base64 文本（可带 data: 前缀，前缀会去掉）。没有值时为 nil；不是图片则拒绝。",
		examples: []Example{
			{`picture(part("Picture"))`, "@part 12 bytes"},
			{`picture(event.image)`, "@text 16 bytes"},
			{`picture("data:image/jpeg;base64,/9j/4AAQSkZJRgAB")`, "@text 16 bytes"},
			{`picture("")`, "nil"},
			{`picture("hello")`, `error: want a picture, got 5 bytes that begin with "hello"`},
		}},
	{name: "part", usage: `part(name…)`, min: 1, max: -1, call: partFunc,
		doc: "multipart 的一个部件：按 name、filename、Content-ID、类型查找，取第一个找到的名字。找不到为 nil。",
		examples: []Example{
			{`part("Picture")`, "@part 12 bytes"},
			{`part("nothing", "Picture.jpg")`, "@part 12 bytes"},
			{`part("nothing")`, "nil"},
		}},
	{name: "lookup", usage: `lookup(table, key, column)`, min: 2, max: 3, call: lookupFunc,
		doc: "查表：site 的表（devices、people…）或映射里的 tables。没有该行或该格为空时为 nil。people[key].zjhm 是同一件事的简写。",
		examples: []Example{
			{`lookup("people", "1001", "zjhm")`, "340102199001010010"},
			{`lookup("people", "9999", "zjhm")`, "nil"},
			{`people["1001"].zjhm`, "340102199001010010"},
			{`people["9999"]?.zjhm`, "nil"},
			{`lookup("way", "face")`, "2"},
		}},
	{name: "get", usage: `get(path)`, min: 1, max: 1, call: getFunc,
		doc: "按 gjson 路径取事件里的值，可带条件：get(\"list.#(kind==\\\"face\\\").id\")。",
		examples: []Example{
			{`get("list.#(kind==\"face\").id")`, "7"},
			{`get("list.#.id")`, "[6 7]"},
			{`get("nothing")`, "nil"},
		}},
	{name: "first", usage: `first(value…)`, min: 1, max: -1, call: firstFunc,
		doc: "第一个有内容的值：nil 和空文本跳过。",
		examples: []Example{
			{`first(event.nothing, "", "x", "y")`, "x"},
			{`first(nil, "")`, "nil"},
		}},
	{name: "digest", usage: `digest(value…)`, min: 1, max: -1, call: digestFunc,
		doc: "若干值的短摘要（16 位十六进制），用于 distinct。",
		examples: []Example{
			{`digest("a", 1)`, "4e05abd6911b81cc"},
			{`digest("a", 1) == digest("a1")`, "false"},
		}},
}

func functionByName(name string) *function {
	for i := range functions {
		if functions[i].name == name {
			return &functions[i]
		}
	}
	return nil
}

func functionNames() []string {
	names := []string{"len", "int", "float", "string", "trim", "upper", "lower", "split", "replace", "filter", "map", "hasPrefix", "hasSuffix", "indexOf"}
	for _, f := range functions {
		names = append(names, f.name)
	}
	return names
}

// FunctionDoc documents one function of the mapping language.
type FunctionDoc struct {
	Usage, Doc string
	Examples   []Example
}

// Functions documents the function set, in the order of its table.
func Functions() []FunctionDoc {
	var docs []FunctionDoc
	for _, f := range functions {
		docs = append(docs, FunctionDoc{f.usage, f.doc, f.examples})
	}
	return docs
}

// expr adapts a function to expr, whose compiler passes the run first.
func (f *function) expr() func(args ...any) (any, error) {
	call := f.call
	return func(args ...any) (any, error) { return call(args[0].(*run), args[1:]) }
}

func (f *function) arity() string {
	switch {
	case f.max < 0:
		return fmt.Sprintf("at least %d arguments", f.min)
	case f.min == f.max && f.min == 1:
		return "1 argument"
	case f.min == f.max:
		return fmt.Sprintf("%d arguments", f.min)
	}
	return fmt.Sprintf("%d to %d arguments", f.min, f.max)
}

func timeFunc(r *run, args []any) (any, error) { return r.formatTime(args, timeLayout) }
func dateFunc(r *run, args []any) (any, error) { return r.formatTime(args, dateLayout) }

func (r *run) formatTime(args []any, layout string) (any, error) {
	if args[0] == nil || args[0] == "" {
		return nil, nil
	}
	var layouts []string
	for _, a := range args[1:] {
		s, ok := a.(string)
		if !ok {
			return nil, fmt.Errorf("want a layout like \"yyyy-MM-dd HH:mm:ss\", got %s", describe(a))
		}
		layouts = append(layouts, s)
	}
	t, err := r.source.zone.parse(args[0], layouts)
	if err != nil {
		return nil, err
	}
	return r.source.zone.format(t, layout), nil
}

func pictureFunc(r *run, args []any) (any, error) {
	var b *event.Blob
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case *event.Blob:
		b = v
	case string:
		if v == "" {
			return nil, nil
		}
		// Nobody writes to a blob, and it lives no longer than the event that
		// the text is of.
		b = r.picture(unsafe.Slice(unsafe.StringData(v), len(v)))
	default:
		return nil, fmt.Errorf("want a picture, got %s", describe(v))
	}
	if b.Len() == 0 {
		return nil, nil
	}
	if b.Raw {
		if event.Picture(b.Data) == "" {
			return nil, notAPicture(b.Data)
		}
		return b, nil
	}
	if skip := dataPrefix(b.Data); skip > 0 {
		b = r.picture(b.Data[skip:])
	}
	// That the text is Base64 of a picture is proved by the catalogue (GF005),
	// once; here only what can never be one is turned away.
	if len(b.Data)%4 != 0 && !bytes.ContainsAny(b.Data[max(0, len(b.Data)-3):], "=\r\n") && len(b.Data) < 16 {
		return nil, notAPicture(b.Data)
	}
	return b, nil
}

// picture makes a blob of a text's bytes.
func (r *run) picture(data []byte) *event.Blob {
	r.pictures = append(r.pictures, event.Blob{Data: data})
	return &r.pictures[len(r.pictures)-1]
}

func notAPicture(b []byte) error {
	return fmt.Errorf("want a picture, got %d bytes that begin with %q", len(b), b[:min(len(b), 12)])
}

// dataPrefix is the length of a data URI's head ("data:image/png;base64,").
func dataPrefix(b []byte) int {
	if !bytes.HasPrefix(b, []byte("data:")) {
		return 0
	}
	return bytes.IndexByte(b[:min(len(b), 128)], ',') + 1
}

func partFunc(r *run, args []any) (any, error) {
	for _, a := range args {
		s, ok := a.(string)
		if !ok {
			continue // a missing name finds nothing
		}
		if b := r.event.Find(s); b != nil {
			return b, nil
		}
	}
	return nil, nil
}

func lookupFunc(r *run, args []any) (any, error) {
	name, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("want the name of a table, got %s", describe(args[0]))
	}
	row, err := rowOf(r, name, args[1])
	if err != nil || len(args) == 2 || row == nil {
		return row, err
	}
	return memberOf(row, args[2])
}

// rowOf is table[key]: of a site table the row, of an inline table the value.
func rowOf(args ...any) (any, error) {
	r, name := args[0].(*run), args[1].(string)
	key, ok := asText(args[2])
	if !ok {
		if args[2] == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("want a key of table %s, got %s", name, describe(args[2]))
	}
	if r.mapping != nil {
		if t, ok := r.mapping.inline[name]; ok {
			if v, ok := t[key]; ok {
				return v, nil
			}
			return t["default"], nil
		}
	}
	table := r.rules.tables[name]
	row := table.Row(key)
	if row == nil {
		r.missed = append(r.missed, fmt.Sprintf("%s has no row %q", table.File, key))
		return nil, nil
	}
	return row, nil
}

// memberOf is value.key for any value: nil where there is nothing.
func memberOf(args ...any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case map[string]any:
		key, ok := asText(args[1])
		if !ok {
			return nil, fmt.Errorf("want a member's name, got %s", describe(args[1]))
		}
		return v[key], nil
	case []any:
		i, ok := args[1].(int)
		if !ok {
			return nil, fmt.Errorf("want an index into a list of %d, got %s", len(v), describe(args[1]))
		}
		if i < 0 {
			i += len(v)
		}
		if i < 0 || i >= len(v) {
			return nil, nil
		}
		return v[i], nil
	}
	return nil, fmt.Errorf("%s has no member %v", describe(args[0]), args[1])
}

func getFunc(r *run, args []any) (any, error) {
	path, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("want a path, got %s", describe(args[0]))
	}
	res := gjson.GetBytes(r.event.Doc, path)
	if !res.Exists() {
		return nil, nil
	}
	return r.event.Value([]byte(res.Raw))
}

func firstFunc(_ *run, args []any) (any, error) {
	for _, a := range args {
		if a != nil && a != "" {
			return a, nil
		}
	}
	return nil, nil
}

func digestFunc(_ *run, args []any) (any, error) {
	h := sha256.New()
	for _, a := range args {
		if b, ok := a.(*event.Blob); ok {
			fmt.Fprintf(h, "%d:", b.Len())
			h.Write(b.Data)
			continue
		}
		s, ok := asText(a)
		if !ok {
			s = fmt.Sprint(a)
		}
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

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
