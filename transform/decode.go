package transform

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/message"
)

// Document is a YAML file that was read into a struct, as far as it fits: what
// stands where, for whoever finds out later that a value is wrong.
type Document struct {
	file     *file
	Problems Problems
	values   map[string]ast.Node // by path: "platform.url", "sources[1]"
	keys     map[string]ast.Node // of the same
	bad      map[string]bool     // paths whose value could not be read, which is told
}

// Decode reads a YAML file into a struct by its yaml tags, strictly and with
// every problem. What the file does not say is left alone. expand is asked for
// each text; it reports what is wrong with one.
//
// Fields may be structs, maps with text keys, lists, texts, numbers, true or
// false, time.Duration, and what reads itself from a text. A struct that does
// may be written as a text.
func Decode(name string, data []byte, into any, expand func(string) (string, []message.Message)) *Document {
	d := &Document{values: map[string]ast.Node{}, keys: map[string]ast.Node{}, bad: map[string]bool{}}
	f, root := parseYAML(name, data, &d.Problems)
	if d.file = f; root != nil {
		v := reflect.ValueOf(into).Elem()
		r := decoder{Document: d, expand: expand, root: v.Type()}
		r.structure("", root, v)
	}
	d.hide(reflect.TypeOf(into).Elem())
	return d
}

var password = regexp.MustCompile(`://[^/@\s]+@`)

// hide masks what is secret in the lines that excerpts show: the values of
// fields with the tag secret, and passwords in addresses. It looks at the text
// alone: a file that cannot be parsed has secrets too.
func (d *Document) hide(t reflect.Type) {
	secret := regexp.MustCompile(`\b(?:` + strings.Join(secrets(t), "|") + `)["']?\s*:\s*("[^"]*"|'[^']*'|[^\s,{}\[\]#$][^,}#]*)`)
	mask := func(line string) string {
		for _, at := range secret.FindAllStringSubmatchIndex(line, -1) {
			if value := line[at[2]:at[3]]; !strings.HasPrefix(strings.Trim(value, `"'`), "file:") {
				line = line[:at[2]] + strings.Repeat("*", len(value)) + line[at[3]:]
			}
		}
		return password.ReplaceAllStringFunc(line, func(s string) string { return "://" + strings.Repeat("*", len(s)-4) + "@" })
	}
	for i, line := range d.file.lines {
		d.file.lines[i] = mask(line)
	}
	for i := range d.Problems {
		d.Problems[i].line = mask(d.Problems[i].line)
	}
}

// secrets are the keys of fields with the tag secret.
func secrets(t reflect.Type) []string {
	var keys []string
	for name, i := range yamlFields(t) {
		f := t.Field(i)
		if _, ok := f.Tag.Lookup("secret"); ok {
			keys = append(keys, name)
		}
		sub := f.Type
		if sub.Kind() == reflect.Map {
			sub = sub.Elem()
		}
		if sub.Kind() == reflect.Struct {
			keys = append(keys, secrets(sub)...)
		}
	}
	return keys
}

// Knows tells whether the file says something at a path.
func (d *Document) Knows(path string) bool { return d != nil && d.values[path] != nil }

// Bad tells whether what the file says at a path, or around it, could not be
// read. That is told already.
func (d *Document) Bad(path string) bool {
	for d != nil && path != "" {
		if d.bad[path] {
			return true
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return false
}

// Sound tells whether nothing is wrong with keys at the top of the file, nor in
// some of its sections.
func (d *Document) Sound(sections ...string) bool {
	if len(d.keys) == 0 && len(d.Problems) > 0 {
		return false
	}
	for _, p := range d.Problems {
		if p.Col == 1 {
			return false
		}
		section := d.sectionAt(p.Line)
		for _, s := range sections {
			if section == s {
				return false
			}
		}
	}
	return true
}

// sectionAt is the key at the top of the file that a line belongs to.
func (d *Document) sectionAt(line int) string {
	section, begins := "", 0
	for path, k := range d.keys {
		if at := k.GetToken().Position.Line; !strings.ContainsAny(path, ".[") && at <= line && at > begins {
			section, begins = path, at
		}
	}
	return section
}

// At makes a problem about the value at a path, or about what it is missing
// from: the section around it, or the file.
func (d *Document) At(path string, m message.Message) Problem {
	if d == nil {
		return Problem{Place: Place{"yiqiao.yaml", 1, 1}, Message: m} // defaults stand in for a file
	}
	p := Problem{Place: Place{d.file.name, 1, 1}, Message: m}
	switch {
	case d.values[path] != nil:
		d.file.point(&p, tokenOf(d.values[path]))
	case d.keys[path] != nil:
		d.file.point(&p, d.keys[path].GetToken())
	case strings.ContainsAny(path, ".["):
		return d.At(path[:strings.LastIndexAny(path, ".[")], m)
	}
	if p.Line <= len(d.file.lines) {
		p.line = d.file.lines[p.Line-1]
	}
	return p
}

// AtKey is At for the key in place of its value.
func (d *Document) AtKey(path string, m message.Message) Problem {
	p := d.At(path, m)
	if k := d.keys[path]; k != nil {
		d.file.point(&p, k.GetToken())
		p.line = d.file.lines[p.Line-1]
	}
	return p
}

type decoder struct {
	*Document
	expand func(string) (string, []message.Message)
	root   reflect.Type
}

func (d *decoder) wrong(path string, n ast.Node, m message.Message) {
	d.bad[path] = true
	d.file.at(tokenOf(n), m)
}

// textReader is what reads itself from a text.
type textReader = encoding.TextUnmarshaler

func (d *decoder) value(path string, n ast.Node, v reflect.Value) {
	d.values[path] = n
	if _, null := n.(*ast.NullNode); null {
		return // a key without a value says nothing
	}
	_, keys := n.(*ast.MappingNode)
	_, key := n.(*ast.MappingValueNode)
	if r, ok := v.Addr().Interface().(textReader); ok && !(v.Kind() == reflect.Struct && (keys || key)) {
		if s, ok := d.text(path, n); ok {
			if err := r.UnmarshalText([]byte(s)); err != nil {
				d.wrong(path, n, asMessage(err))
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(path, n, v)
	case reflect.Map:
		d.dictionary(path, n, v)
	case reflect.Slice:
		d.list(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

// structure reads keys into a struct.
func (d *decoder) structure(path string, n ast.Node, v reflect.Value) {
	fields := yamlFields(v.Type())
	what := any(path)
	if path == "" {
		what = message.New("a-site")
	}
	ms := d.file.members(n, what)
	d.bad[path] = d.bad[path] || ms == nil
	for _, m := range ms {
		i, known := fields[m.key]
		if known {
			d.member(path, m, v.Field(i))
			continue
		}
		d.file.at(m.keyAt, message.New("unknown-key", m.key, what, d.elsewhere(m.key, v.Type())))
		if near := Nearest(m.key, slices.Collect(maps.Keys(fields))); len(near) > 0 {
			d.bad[below(path, near[0])] = true // it was probably meant
		}
	}
}

// elsewhere is a hint at a key of this section, or else at the section that a
// key belongs to.
func (d *decoder) elsewhere(key string, t reflect.Type) message.Message {
	var names []string
	for name := range yamlFields(t) {
		names = append(names, name)
	}
	if m := didYouMean(key, names); m.Rule != "" {
		return m
	}
	for section, i := range yamlFields(d.root) {
		if f := d.root.Field(i).Type; f.Kind() == reflect.Struct && f != t {
			if _, ok := yamlFields(f)[key]; ok {
				return message.New("belongs-under", key, section)
			}
		}
	}
	return hint(key, names)
}

// yamlFields are the fields of a struct by their yaml tags.
func yamlFields(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			fields[name] = i
		}
	}
	return fields
}

func below(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

func (d *decoder) member(path string, m member, v reflect.Value) {
	path = below(path, m.key)
	d.keys[path] = m.name
	d.value(path, m.value, v)
}

func (d *decoder) dictionary(path string, n ast.Node, v reflect.Value) {
	made := reflect.MakeMap(v.Type())
	for _, m := range d.file.members(n, path) {
		el := reflect.New(v.Type().Elem()).Elem()
		d.member(path, m, el)
		made.SetMapIndex(reflect.ValueOf(m.key), el)
	}
	v.Set(made)
}

// list reads a list; one value counts as a list of one.
func (d *decoder) list(path string, n ast.Node, v reflect.Value) {
	made := reflect.MakeSlice(v.Type(), 0, 4)
	for i, e := range d.file.elements(n) {
		el := reflect.New(v.Type().Elem()).Elem()
		d.value(fmt.Sprintf("%s[%d]", path, i), e, el)
		made = reflect.Append(made, el)
	}
	v.Set(made)
}

// text is a scalar's text with what stands for other things put in.
func (d *decoder) text(path string, n ast.Node) (string, bool) {
	s, ok := d.file.text(n, path)
	if d.bad[path] = !ok; !ok || d.expand == nil {
		return s, ok
	}
	s, wrong := d.expand(s)
	for _, m := range wrong {
		d.wrong(path, n, m)
	}
	return s, len(wrong) == 0
}

func (d *decoder) scalar(path string, n ast.Node, v reflect.Value) {
	s, ok := d.text(path, n)
	if !ok {
		return
	}
	_, number := n.(*ast.IntegerNode)
	switch v.Interface().(type) {
	case string:
		v.SetString(s)
	case time.Duration:
		if t, err := time.ParseDuration(s); err != nil {
			d.wrong(path, n, wrongDuration(path, s, number))
		} else {
			v.SetInt(int64(t))
		}
	case bool:
		if s != "true" && s != "false" {
			d.wrong(path, n, message.New("site-truth", path, s))
		}
		v.SetBool(s == "true")
	case float64:
		if f, err := strconv.ParseFloat(s, 64); err != nil {
			d.wrong(path, n, message.New("site-number", path, s))
		} else {
			v.SetFloat(f)
		}
	case int:
		if i, err := strconv.Atoi(s); err != nil {
			d.wrong(path, n, message.New("site-integer", path, s))
		} else {
			v.SetInt(int64(i))
		}
	default:
		panic("Decode cannot read " + v.Type().String()) // a test reads each key
	}
}

// wrongDuration says what is wrong with a duration; days are what people try.
func wrongDuration(path, s string, number bool) message.Message {
	if number {
		return message.New("site-duration-unit", path, s)
	}
	if n, err := strconv.Atoi(strings.TrimRight(s, "days 天")); err == nil && n > 0 && n < 10_000 && slices.ContainsFunc([]string{"d", "day", "days", "天"}, func(unit string) bool { return strings.HasSuffix(s, unit) }) {
		return message.New("site-duration", path, s, message.New("did-you-mean", strconv.Itoa(24*n)+"h"))
	}
	return message.New("site-duration", path, s, nil)
}

// asMessage is an error as a message.
func asMessage(err error) message.Message {
	if m, ok := err.(message.Message); ok {
		return m
	}
	return message.New("file", err)
}
