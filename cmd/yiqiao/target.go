package main

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"yiqiao/mappings"
	"yiqiao/proxy"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// target is what check and test are asked about: a site, a folder of packs
// without a site (each vendor with the tables in its own folder), or the packs
// inside the binary.
type target struct {
	name string         // for a person: the folder, or "bundled"
	site proxy.Site     // Dir is empty if there is no site
	dir  string         // that holds the vendors' folders; empty: inside the binary
	pack transform.Pack // the vendors' folders
	only []string       // paths inside that were asked for; none: all

	loaded map[string]loadedRules // by vendor; of a site under ""
}

type loadedRules struct {
	rules    *transform.Rules
	problems transform.Problems
}

// targetsOf finds the site or the folder of packs that each path lies in.
// Without paths it is the site, the one here, or the bundled packs.
func targetsOf(dir string, paths []string) ([]*target, error) {
	site, err := siteOf("")
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 && dir == "" {
		if _, err := os.Stat(proxy.ConfigFile); err != nil {
			return []*target{{name: "bundled", site: site, pack: transform.Pack{Prefix: "bundled", FS: mappings.FS}}}, nil
		}
		dir = "."
	}
	if dir != "" {
		t := siteTarget(site, dir)
		for _, p := range paths {
			if _, err := os.Stat(p); err != nil {
				return nil, usageError{err.Error()}
			}
			inside, err := below(dir, p)
			if err != nil {
				return nil, err
			}
			t.only = append(t.only, inside)
		}
		return []*target{t}, nil
	}
	var list []*target
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return nil, usageError{err.Error()}
		}
		t, err := targetOf(site, filepath.Clean(p))
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(o *target) bool { return o.name == t.name })
		switch {
		case i < 0:
			list = append(list, t)
		case len(list[i].only) == 0 || len(t.only) == 0:
			list[i].only = nil
		default:
			list[i].only = append(list[i].only, t.only...)
		}
	}
	return list, nil
}

func siteTarget(site proxy.Site, dir string) *target {
	site.Dir = dir
	t := &target{name: dir, site: site, dir: filepath.Join(dir, "mappings")}
	t.pack = transform.Pack{Prefix: t.dir, FS: os.DirFS(t.dir)}
	return t
}

// targetOf climbs from a path to what it belongs to.
func targetOf(site proxy.Site, name string) (*target, error) {
	packs := ""
	for dir, steps := name, 0; steps < 5; dir, steps = parent(dir), steps+1 {
		if isFile(filepath.Join(dir, proxy.ConfigFile)) {
			t := siteTarget(site, dir)
			inside, err := below(dir, name)
			if inside != dir && inside != filepath.Join(dir, proxy.ConfigFile) && inside != t.dir {
				t.only = []string{inside}
			}
			return t, err
		}
		if packs == "" && isFile(filepath.Join(dir, "source.yaml")) {
			packs = parent(dir)
		}
	}
	if packs == "" {
		if found, _ := filepath.Glob(filepath.Join(name, "*", "source.yaml")); len(found) == 0 {
			return nil, usagef("%s: it belongs to no site and to no vendor: want a folder with %s, a vendor's folder with source.yaml, or something inside one", name, proxy.ConfigFile)
		}
		packs = name
	}
	t := &target{name: packs, site: site, dir: packs, pack: transform.Pack{Prefix: packs, FS: os.DirFS(packs)}}
	inside, err := below(packs, name)
	if inside != packs {
		t.only = []string{inside}
	}
	return t, err
}

// below writes a path as messages about the folder dir write it: with dir
// before it.
func below(dir, name string) (string, error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	rest, err := filepath.Rel(from, to)
	return filepath.Join(dir, rest), err
}

// parent is the folder that holds a file or folder, also of "." and "..".
func parent(name string) string {
	if base := filepath.Base(name); base == "." || base == ".." {
		return filepath.Join(name, "..")
	}
	return filepath.Dir(name)
}

func isFile(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular()
}

// owns tells whether a file of the rules belongs to the target: a site's rules
// hold bundled files too.
func (t *target) owns(file string) bool {
	return t.dir == "" || !strings.HasPrefix(file, "bundled/")
}

// wants tells whether what stands in a file was asked for. The tables of a pack
// go by their names inside it.
func (t *target) wants(file string) bool {
	if strings.Contains(file, "/tables/") && t.site.Dir == "" {
		file = filepath.Join(t.dir, file)
	}
	return len(t.only) == 0 || slices.ContainsFunc(t.only, func(only string) bool {
		return file == only || strings.HasPrefix(file, only+string(filepath.Separator))
	})
}

func (t *target) wantsCase(c transform.Case) bool {
	mapping := filepath.Join(t.dir, c.Vendor, c.Event+".yaml")
	if t.wants(mapping) || t.wants(filepath.Join(t.dir, filepath.FromSlash(c.Input))) {
		return true
	}
	stem := filepath.Join(t.dir, c.Vendor, c.Event+".cases", c.Name)
	return t.wants(stem+".want.json") || t.wants(stem+".want.err")
}

// caseGroup is the cases that run with one set of rules.
type caseGroup struct {
	vendor string // empty: those of a site
	cases  []transform.Case
}

// groups sorts cases by the rules that they need. whole: vendors without a
// case are listed too.
func (t *target) groups(cases []transform.Case, whole bool) []caseGroup {
	if t.site.Dir != "" {
		if len(cases) == 0 && !whole {
			return nil
		}
		return []caseGroup{{cases: cases}}
	}
	var list []caseGroup
	for _, v := range t.vendors() {
		g := caseGroup{vendor: v}
		for _, c := range cases {
			if c.Vendor == v {
				g.cases = append(g.cases, c)
			}
		}
		if len(g.cases) > 0 || whole && t.wants(filepath.Join(t.dir, v)) {
			list = append(list, g)
		}
	}
	return list
}

// vendors are the folders of a pack that have a source.
func (t *target) vendors() []string {
	var names []string
	found, _ := fs.Glob(t.pack.FS, "*/source.yaml") // the pattern is right
	for _, n := range found {
		names = append(names, path.Dir(n))
	}
	return names
}

// rules loads the rules of a site, or of one vendor with its tables.
func (t *target) rules(vendor string) (*transform.Rules, transform.Problems) {
	if l, ok := t.loaded[vendor]; ok {
		return l.rules, l.problems
	}
	var l loadedRules
	if t.site.Dir != "" {
		cfg, problems := proxy.ReadConfig(t.site.Dir)
		if l.problems = problems; len(problems.Errors()) == 0 {
			var more transform.Problems
			l.rules, more = t.site.LoadRules(cfg)
			l.problems = append(l.problems, more...)
		}
	} else {
		tables, problems := t.packTables(vendor)
		rules, more := transform.Load(transform.Options{Catalogue: t.site.Catalogue, Packs: []transform.Pack{t.pack}, Sources: []string{vendor}, Tables: tables})
		l = loadedRules{rules, append(problems, more...)}
	}
	if t.loaded == nil {
		t.loaded = map[string]loadedRules{}
	}
	t.loaded[vendor] = l
	return l.rules, l.problems
}

// packTables reads the tables that lie in a vendor's folder.
func (t *target) packTables(vendor string) ([]*transform.Table, transform.Problems) {
	names, _ := fs.Glob(t.pack.FS, vendor+"/tables/*.csv") // the pattern is right
	var tables []*transform.Table
	var problems transform.Problems
	for _, n := range names {
		data, err := fs.ReadFile(t.pack.FS, n)
		if err != nil {
			problems = append(problems, transform.Problem{Place: transform.Place{File: n, Line: 1, Col: 1}, Message: message.New("file", err)})
			continue
		}
		table, more := transform.ParseTable(strings.TrimSuffix(path.Base(n), ".csv"), n, data)
		tables, problems = append(tables, table), append(problems, more...)
	}
	return tables, problems
}

// check proves everything: of a site its configuration too.
func (t *target) check() ([]*transform.Rules, transform.Problems, error) {
	switch {
	case t.site.Dir != "":
		if _, err := os.Stat(t.site.Dir); err != nil {
			return nil, nil, err
		}
		g, problems := t.site.Load()
		if g == nil {
			return nil, problems, nil
		}
		return []*transform.Rules{g.Rules}, problems, nil
	case t.dir == "":
		rules, problems, err := bundledRules(proxy.Site{Bundled: mappings.FS, Catalogue: t.site.Catalogue})
		return []*transform.Rules{rules}, problems, err
	}
	var list []*transform.Rules
	var all transform.Problems
	for _, v := range t.vendors() {
		if !t.wants(filepath.Join(t.dir, v)) && !slices.ContainsFunc(t.only, func(only string) bool {
			return strings.HasPrefix(only, filepath.Join(t.dir, v)+string(filepath.Separator))
		}) {
			continue
		}
		rules, problems := t.rules(v)
		all = append(all, problems...)
		if rules != nil {
			list = append(list, rules)
		}
	}
	if len(list) == 0 && len(all) == 0 {
		return nil, nil, errors.New("no vendor's folder has a source.yaml")
	}
	return list, all, nil
}
