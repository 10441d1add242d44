package spec

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

//go:embed v1.0.4
var embedded embed.FS

// Load parses the embedded catalogue and checks it: names are unique,
// dictionaries exist, rules and prerequisites name real fields, and every
// example of the standard validates. Mistakes are told with file and line.
func Load() (*Catalogue, error) { return load(embedded, "v1.0.4") }

const dictsFile = "dicts.yaml"

func load(files fs.FS, dir string) (*Catalogue, error) {
	c := &Catalogue{Version: strings.ToUpper(dir)}
	s, err := openSheet(files, path.Join(dir, dictsFile))
	if err != nil {
		return nil, err
	}
	if err := c.loadDicts(s); err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, path.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	l := loader{c: c, scratch: newScratch()}
	for _, name := range names {
		if path.Base(name) == dictsFile {
			continue
		}
		if err := l.open(files, name); err != nil {
			return nil, err
		}
	}
	if err := l.finish(); err != nil {
		return nil, err
	}
	slices.SortFunc(c.Interfaces, func(a, b *Interface) int {
		n, _ := strconv.Atoi(a.Chapter)
		m, _ := strconv.Atoi(b.Chapter)
		return cmp.Or(n-m, strings.Compare(a.Name, b.Name))
	})
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

func (c *Catalogue) loadDicts(s *sheet) error {
	var list []dictFile
	if err := s.decode(&list); err != nil {
		return err
	}
	for n, d := range list {
		at := fmt.Sprintf("$[%d]", n)
		if c.Dict(d.Code) != nil {
			s.problem(at+".code", "dictionary %q stands twice", d.Code)
		}
		if d.Code == "" || d.Name == "" {
			s.problem(at, "dictionary %q: want a code and a name", d.Code)
		}
		dict := &Dict{Code: d.Code, Name: d.Name, Standard: d.Standard, Path: d.Path, Complete: d.Complete, Note: d.Note}
		for _, e := range d.Entries {
			code, ok := e.Key.(string)
			label, ok2 := e.Value.(string)
			if !ok || !ok2 {
				s.problem(at+".entries", "dictionary %q: want quoted texts, got %v: %v", d.Code, e.Key, e.Value)
			}
			dict.Entries = append(dict.Entries, Entry{code, label})
		}
		if again := dict.index(); again != "" {
			s.problem(at+".entries", "dictionary %q: code %q stands twice", d.Code, again)
		}
		if d.Complete && len(d.Entries) == 0 {
			s.problem(at+".complete", "dictionary %q is empty and cannot be complete", d.Code)
		}
		c.Dicts = append(c.Dicts, dict)
	}
	return errors.Join(s.problems...)
}

// sheet is one file of the catalogue, and what is wrong in it.
type sheet struct {
	name     string
	data     []byte
	problems []error
}

func openSheet(files fs.FS, name string) (*sheet, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	return &sheet{name: name, data: data}, nil
}

// decode reads the sheet; keys that out does not have are mistakes.
func (s *sheet) decode(out any) error {
	if err := yaml.UnmarshalWithOptions(s.data, out, yaml.DisallowUnknownField()); err != nil {
		return s.located(err)
	}
	return nil
}

func (s *sheet) located(err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return fmt.Errorf("%s:%d: %s", s.name, e.GetToken().Position.Line, e.GetMessage())
	}
	return fmt.Errorf("%s:1: %w", s.name, err)
}

// problem notes a mistake at a path like "$.fields[3].dict".
func (s *sheet) problem(at, format string, args ...any) {
	s.problems = append(s.problems, fmt.Errorf("%s:%d: "+format, append([]any{s.name, s.line(at)}, args...)...))
}

// line of the node at a path, or, if there is none, of what it would be in.
// The file is parsed for it once more: a start without mistakes is faster so.
func (s *sheet) line(at string) int {
	tree, err := parser.ParseBytes(s.data, 0)
	if err != nil {
		return 1
	}
	for at != "$" && at != "" {
		p, err := yaml.PathString(at)
		if err != nil {
			break
		}
		if n, err := p.FilterFile(tree); err == nil && n != nil {
			return n.GetToken().Position.Line
		}
		at = at[:strings.LastIndexAny(at, ".[")]
	}
	return 1
}
