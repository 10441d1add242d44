package spec

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
)

type interfaceFile struct {
	Name          string             `yaml:"name"`
	Title         string             `yaml:"title"`
	Chapter       string             `yaml:"chapter"`
	Prerequisites []prerequisiteFile `yaml:"prerequisites"`
	Identity      []string           `yaml:"identity"`
	Device        string             `yaml:"device"`
	Time          string             `yaml:"time"`
	Fields        []fieldFile        `yaml:"fields"`
	Rules         []ruleFile         `yaml:"rules"`
	Examples      []exampleFile      `yaml:"examples"`
}

type prerequisiteFile struct {
	Field     string `yaml:"field"`
	Of        string `yaml:"of"`
	First     int    `yaml:"first"`
	Separator string `yaml:"separator"`
	Source    string `yaml:"source"`
}

type fieldFile struct {
	Name   string      `yaml:"name"`
	Label  string      `yaml:"label"`
	Type   string      `yaml:"type"`
	Length string      `yaml:"length"` // "20", "0…50", "1…", or nothing
	Range  string      `yaml:"range"`  // "0…127"
	Need   string      `yaml:"need"`
	Format string      `yaml:"format"`
	Shape  string      `yaml:"shape"`
	Begins string      `yaml:"begins"` // "xqbm", or "xq.xqmc" of an earlier record
	Kind   string      `yaml:"kind"`
	Dict   string      `yaml:"dict"`
	Mask   string      `yaml:"mask"`
	Warn   []string    `yaml:"warn"`
	Source string      `yaml:"source"`
	Note   string      `yaml:"note"`
	Fields []fieldFile `yaml:"fields"`
}

type ruleFile struct {
	If       yaml.MapSlice `yaml:"if"` // field: [values] | present | absent
	Require  []string      `yaml:"require"`
	Omit     []string      `yaml:"omit"`
	Severity string        `yaml:"severity"`
	Because  Phrase        `yaml:"because"`
}

type exampleFile struct {
	Title  string      `yaml:"title"`
	Source string      `yaml:"source"`
	JSON   string      `yaml:"json"`
	Except []Exception `yaml:"except"`
}

// The words of the files. Formats and shapes have theirs in their own tables.
var (
	types      = map[string]Type{"String": String, "Integer": Integer, "List": List}
	needs      = map[string]Need{"required": Required, "optional": Optional, "conditional": Conditional}
	masks      = map[string]Mask{"": Open, "personal": Personal, "secret": Secret}
	severities = map[string]Severity{"": Error, "error": Error, "warning": Warning}
	sources    = []string{"seed", "client", "inferred"}
)

// loader holds the interfaces with their files, until all are there and what
// one says of another can be checked.
type loader struct {
	c       *Catalogue
	scratch *sync.Pool
	sheets  []*sheet // parallel to c.Interfaces
}

func (l *loader) open(files fs.FS, name string) error {
	s, err := openSheet(files, name)
	if err != nil {
		return err
	}
	var in interfaceFile
	if err := s.decode(&in); err != nil {
		return err
	}
	i := l.build(s, &in)
	if l.c.Interface(i.Name) != nil {
		s.problem("$.name", "interface %q stands twice", i.Name)
	}
	l.c.Interfaces, l.sheets = append(l.c.Interfaces, i), append(l.sheets, s)
	return nil
}

func (l *loader) build(s *sheet, in *interfaceFile) *Interface {
	i := &Interface{Name: in.Name, Title: in.Title, Chapter: in.Chapter, scratch: l.scratch}
	if want := strings.TrimSuffix(path.Base(s.name), ".yaml"); strings.ReplaceAll(i.Name, "/", "-") != want {
		s.problem("$.name", "interface %q in the file of %q", i.Name, want)
	}
	if _, err := strconv.Atoi(i.Chapter); err != nil || i.Title == "" {
		s.problem("$.chapter", "want a title and the number of a chapter, got %q and %q", i.Title, i.Chapter)
	}
	i.Fields = l.fields(s, "$.fields", "", in.Fields)
	b := builder{s, i}
	for n, f := range in.Fields {
		b.refer(fmt.Sprintf("$.fields[%d]", n), &i.Fields[n], f, i.Fields)
	}
	i.Device, i.Time = b.index("$.device", in.Device), b.index("$.time", in.Time)
	for n, name := range in.Identity {
		if f := b.index(fmt.Sprintf("$.identity[%d]", n), name); f >= 0 {
			i.Identity = append(i.Identity, f)
		}
	}
	for n, p := range in.Prerequisites {
		i.Prerequisites = append(i.Prerequisites, Prerequisite(p))
		b.source(fmt.Sprintf("$.prerequisites[%d].source", n), p.Source)
	}
	for n, r := range in.Rules {
		i.Rules = append(i.Rules, b.rule(fmt.Sprintf("$.rules[%d]", n), r))
	}
	for n, e := range in.Examples {
		i.Examples = append(i.Examples, Example(e))
		b.source(fmt.Sprintf("$.examples[%d].source", n), e.Source)
	}
	return i
}

// builder turns the words of one file into indices.
type builder struct {
	*sheet
	i *Interface
}

// index of a field; no name is no mistake.
func (b *builder) index(at, name string) int {
	n := b.i.FieldIndex(name)
	if n < 0 && name != "" {
		b.problem(at, "no field %q", name)
	}
	return n
}

func (s *sheet) source(at, source string) {
	if !slices.Contains(sources, source) {
		s.problem(at, "unknown source %q", source)
	}
}

// refer finds the fields that a field refers to: in its own object, or in the
// record around it.
func (b *builder) refer(at string, f *Field, in fieldFile, own []Field) {
	place := func(key, name string) place {
		if n := fieldIndex(own, name); n >= 0 {
			return place{index: n}
		}
		n := b.i.FieldIndex(name)
		if n < 0 && name != "" {
			b.problem(at+"."+key, "no field %q", name)
		}
		return place{index: n, outer: true}
	}
	if of, name, two := strings.Cut(in.Begins, "."); two {
		f.earlierOf, f.earlier = of, name
		in.Begins = ""
	}
	f.begins, f.kind = place("begins", in.Begins), place("kind", in.Kind)
	for n := range f.Fields {
		b.refer(fmt.Sprintf("%s.fields[%d]", at, n), &f.Fields[n], in.Fields[n], f.Fields)
	}
}

func (b *builder) rule(at string, in ruleFile) Rule {
	r := Rule{Because: in.Because}
	severity, ok := severities[in.Severity]
	if r.Severity = severity; !ok {
		b.problem(at+".severity", "unknown severity %q", in.Severity)
	}
	if in.Because.English == "" || in.Because.Chinese == "" {
		b.problem(at, "the rule does not say why in both languages")
	}
	for _, item := range in.If {
		r.When = append(r.When, b.condition(at+".if", item))
	}
	indices := func(key string, names []string) (list []int) {
		for n, name := range names {
			f := b.index(fmt.Sprintf("%s.%s[%d]", at, key, n), name)
			if f < 0 {
				continue
			}
			if b.i.Fields[f].Need != Conditional {
				b.problem(at+"."+key, "field %q is ruled and not conditional", name)
			}
			list = append(list, f)
		}
		return list
	}
	r.Require, r.Omit = indices("require", in.Require), indices("omit", in.Omit)
	return r
}

func (b *builder) condition(at string, item yaml.MapItem) Condition {
	name, _ := item.Key.(string)
	c := Condition{Field: b.index(at, name)}
	switch v := item.Value.(type) {
	case []any:
		for _, value := range v {
			c.Is = append(c.Is, fmt.Sprint(value))
		}
		if len(v) > 0 {
			return c
		}
	case string:
		c.Present = v == "present"
		if c.Present || v == "absent" {
			return c
		}
	}
	b.problem(at, "condition on %q: want present, absent or a list, got %v", name, item.Value)
	return c
}
