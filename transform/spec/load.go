package spec

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed v1.0.4
var embedded embed.FS

// order is that of the chapters of the standard.
var order = []string{"xq", "zpj", "stk-zpjl", "stk-rytxjl", "stk-cltxjl", "stk-sbzt"}

// Load parses the embedded catalogue and checks it: names are unique,
// dictionaries exist, rules and prerequisites name real fields, and every
// example of the standard validates.
func Load() (*Catalogue, error) {
	return load(embedded, "v1.0.4")
}

func load(files fs.FS, dir string) (*Catalogue, error) {
	c := &Catalogue{Version: strings.ToUpper(dir)}
	if err := c.loadDicts(files, path.Join(dir, "dicts.yaml")); err != nil {
		return nil, err
	}
	scratch := newScratch()
	for _, name := range order {
		file := path.Join(dir, name+".yaml")
		i, err := c.loadInterface(files, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if c.Interface(i.Name) != nil {
			return nil, fmt.Errorf("%s: interface %q stands twice", file, i.Name)
		}
		i.scratch = scratch
		c.Interfaces = append(c.Interfaces, i)
	}
	for _, i := range c.Interfaces {
		if err := i.checkItself(); err != nil {
			return nil, fmt.Errorf("%s: %w", i.Name, err)
		}
	}
	return c, nil
}

type dictFile struct {
	Code     string        `yaml:"code"`
	Name     string        `yaml:"name"`
	Standard string        `yaml:"standard"`
	Path     string        `yaml:"path"`
	Complete bool          `yaml:"complete"`
	Note     string        `yaml:"note"`
	Entries  yaml.MapSlice `yaml:"entries"`
}

func (c *Catalogue) loadDicts(files fs.FS, file string) error {
	var list []dictFile
	if err := readYAML(files, file, &list); err != nil {
		return err
	}
	for _, d := range list {
		if c.Dict(d.Code) != nil {
			return fmt.Errorf("%s: dictionary %q stands twice", file, d.Code)
		}
		dict := &Dict{Code: d.Code, Name: d.Name, Standard: d.Standard, Path: d.Path, Complete: d.Complete, Note: d.Note, labels: map[string]string{}}
		for _, e := range d.Entries {
			code, ok := e.Key.(string)
			label, ok2 := e.Value.(string)
			if !ok || !ok2 {
				return fmt.Errorf("%s: dictionary %q: want quoted texts, got %v: %v", file, d.Code, e.Key, e.Value)
			}
			dict.Entries = append(dict.Entries, Entry{code, label})
			dict.labels[code] = label
		}
		if d.Complete && len(d.Entries) == 0 {
			return fmt.Errorf("%s: dictionary %q is empty and cannot be complete", file, d.Code)
		}
		c.Dicts = append(c.Dicts, dict)
	}
	return nil
}

type interfaceFile struct {
	Name          string         `yaml:"name"`
	Title         string         `yaml:"title"`
	Chapter       string         `yaml:"chapter"`
	Prerequisites []Prerequisite `yaml:"prerequisites"`
	Device        string         `yaml:"device"`
	Time          string         `yaml:"time"`
	Fields        []fieldFile    `yaml:"fields"`
	Rules         []ruleFile     `yaml:"rules"`
	Examples      []string       `yaml:"examples"`
}

type fieldFile struct {
	Name   string   `yaml:"name"`
	Label  string   `yaml:"label"`
	Type   string   `yaml:"type"`
	Length string   `yaml:"length"` // "20", "0…50", or nothing
	Need   string   `yaml:"need"`
	Format string   `yaml:"format"`
	Dict   string   `yaml:"dict"`
	Mask   string   `yaml:"mask"`
	Warn   []string `yaml:"warn"`
	Source string   `yaml:"source"`
	Note   string   `yaml:"note"`
}

type ruleFile struct {
	If       yaml.MapSlice `yaml:"if"` // field: [values] | present | absent
	Require  []string      `yaml:"require"`
	Omit     []string      `yaml:"omit"`
	Severity string        `yaml:"severity"`
	Because  Phrase        `yaml:"because"`
}

func (c *Catalogue) loadInterface(files fs.FS, file string) (*Interface, error) {
	var in interfaceFile
	if err := readYAML(files, file, &in); err != nil {
		return nil, err
	}
	i := &Interface{Name: in.Name, Title: in.Title, Chapter: in.Chapter, Prerequisites: in.Prerequisites, Examples: in.Examples}
	for _, ff := range in.Fields {
		f, err := c.field(ff)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", ff.Name, err)
		}
		if i.FieldIndex(f.Name) >= 0 {
			return nil, fmt.Errorf("field %q stands twice", f.Name)
		}
		i.Fields = append(i.Fields, f)
	}
	var errs []error
	index := func(name string) int {
		n := i.FieldIndex(name)
		if n < 0 && name != "" {
			errs = append(errs, fmt.Errorf("no field %q", name))
		}
		return n
	}
	i.Device, i.Time = index(in.Device), index(in.Time)
	for _, p := range in.Prerequisites {
		index(p.Field)
	}
	for _, rf := range in.Rules {
		r := Rule{Because: rf.Because}
		if rf.Severity == "warning" {
			r.Severity = Warning
		}
		for _, cond := range rf.If {
			r.When = append(r.When, condition(index, cond, &errs))
		}
		for _, name := range rf.Require {
			r.Require = append(r.Require, index(name))
		}
		for _, name := range rf.Omit {
			r.Omit = append(r.Omit, index(name))
		}
		i.Rules = append(i.Rules, r)
	}
	return i, errors.Join(errs...)
}

func condition(index func(string) int, item yaml.MapItem, errs *[]error) Condition {
	name, _ := item.Key.(string)
	c := Condition{Field: index(name)}
	switch v := item.Value.(type) {
	case []any:
		for _, value := range v {
			c.Is = append(c.Is, fmt.Sprint(value))
		}
	case string:
		c.Present = v == "present"
		if v != "present" && v != "absent" {
			*errs = append(*errs, fmt.Errorf("condition on %q: want present, absent or a list, got %q", name, v))
		}
	default:
		*errs = append(*errs, fmt.Errorf("condition on %q: want present, absent or a list, got %v", name, v))
	}
	return c
}

var (
	types = map[string]Type{"String": String, "Integer": Integer}
	needs = map[string]Need{"required": Required, "optional": Optional, "conditional": Conditional}
	masks = map[string]Mask{"": Open, "personal": Personal, "secret": Secret}
)

func (c *Catalogue) field(in fieldFile) (Field, error) {
	f := Field{Name: in.Name, Label: in.Label, Source: in.Source, Note: in.Note, warn: in.Warn}
	var ok [4]bool
	f.Type, ok[0] = types[in.Type]
	f.Need, ok[1] = needs[in.Need]
	f.Mask, ok[2] = masks[in.Mask]
	n := slices.IndexFunc(formats, func(row struct {
		name string
		want Phrase
	}) bool {
		return row.name == in.Format
	})
	f.Format, ok[3] = Format(n), n >= 0
	for i, what := range []string{in.Type, in.Need, in.Mask, in.Format} {
		if !ok[i] {
			return f, fmt.Errorf("unknown word %q", what)
		}
	}
	if !slices.Contains([]string{"seed", "client", "inferred"}, in.Source) {
		return f, fmt.Errorf("unknown source %q", in.Source)
	}
	if in.Label == "" {
		return f, errors.New("it has no label")
	}
	if in.Dict != "" {
		if f.Dict = c.Dict(in.Dict); f.Dict == nil {
			return f, fmt.Errorf("no dictionary %q", in.Dict)
		}
	}
	var err error
	f.Min, f.Max, err = length(in.Length)
	return f, err
}

// length reads "20" or "0…50".
func length(s string) (low, high int, err error) {
	if s == "" {
		return 0, 0, nil
	}
	from, to, two := strings.Cut(s, "…")
	if low, err = strconv.Atoi(from); err != nil || !two {
		return low, low, err
	}
	high, err = strconv.Atoi(to)
	return low, high, err
}

// tinyPicture stands for the examples' <Base64 图片编码>: a JPEG's first bytes.
const tinyPicture = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="

func (i *Interface) checkItself() error {
	if i.Device >= 0 && i.Fields[i.Device].Need != Required {
		return fmt.Errorf("device field %q is not required", i.Fields[i.Device].Name)
	}
	if len(i.Examples) == 0 {
		return errors.New("it has no example")
	}
	for n, example := range i.Examples {
		doc := strings.ReplaceAll(example, "<Base64 图片编码>", tinyPicture)
		for _, v := range i.CheckJSON([]byte(doc)) {
			if v.Severity == Error {
				return fmt.Errorf("example %d: %w", n+1, v)
			}
		}
	}
	return nil
}

func readYAML(files fs.FS, file string, out any) error {
	data, err := fs.ReadFile(files, file)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalWithOptions(data, out, yaml.DisallowUnknownField()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
