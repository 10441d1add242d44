package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"yiqiao/proxy"
	"yiqiao/transform"
)

// runDiff maps events with two sets of rules and tells what differs, as a
// reload does with the last events of a daemon.
func runDiff(_ context.Context, std stdio, args []string) error {
	f := flags("diff")
	languageFlag(f, &std)
	from := f.String("events", "", "folder of events: .http, .json and .xml files, as capture writes them or as cases are; or one file")
	asJSON := f.Bool("json", false, "the result as JSON")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) != 2 || *from == "" {
		return usagef("want two folders and -events")
	}
	var sides [2]*ruleFolder
	for i, dir := range words {
		if sides[i], err = loadRuleFolder(std, dir); err != nil {
			return err
		}
	}
	d := &differ{was: sides[0], will: sides[1]}
	if err := d.find(*from); err != nil {
		return err
	}
	r := transform.Rehearse(d.will.site.Catalogue, d.was.rulesFor, d.will.rulesFor, d.events)
	if d.err != nil {
		return d.err
	}
	if *asJSON {
		enc := json.NewEncoder(std.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		r.Write(std.out)
	}
	if err == nil && !r.Same() {
		return errFindings
	}
	return err
}

// ruleFolder is a site, or a folder of packs, where each vendor has its own
// tables beside it.
type ruleFolder struct {
	site    proxy.Site
	rules   *transform.Rules            // of a site
	vendors map[string]*transform.Rules // of packs
}

func loadRuleFolder(std stdio, dir string) (*ruleFolder, error) {
	site, err := siteOf(dir)
	if err != nil {
		return nil, err
	}
	f := &ruleFolder{site: site}
	told := func(problems transform.Problems) error {
		if bad := problems.Errors(); len(bad) > 0 {
			std.problems(std.err, bad)
			return fmt.Errorf("the rules of %s do not load", dir)
		}
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, proxy.ConfigFile)); err == nil {
		cfg, problems := proxy.ReadConfig(dir)
		if err := told(problems); err != nil {
			return nil, err
		}
		f.rules, problems = site.LoadRules(cfg)
		return f, told(problems)
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*", "source.yaml"))
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("%s is neither a site (%s) nor a folder of packs (VENDOR/source.yaml)", dir, proxy.ConfigFile)
	}
	f.vendors = map[string]*transform.Rules{}
	for _, s := range sources {
		vendor, pack := filepath.Base(filepath.Dir(s)), os.DirFS(dir)
		tables, problems := packTables(pack, vendor)
		rules, more := transform.Load(transform.Options{Catalogue: site.Catalogue, Packs: []transform.Pack{{Prefix: dir, FS: pack}}, Sources: []string{vendor}, Tables: tables})
		if err := told(append(problems, more...)); err != nil {
			return nil, err
		}
		f.vendors[vendor] = rules
	}
	return f, nil
}

// rulesFor are the rules that take an event.
func (f *ruleFolder) rulesFor(e *transform.PastEvent) *transform.Rules {
	if f.rules != nil {
		return f.rules
	}
	if rules := f.vendors[e.Source]; rules != nil {
		return rules
	}
	for _, vendor := range slices.Sorted(maps.Keys(f.vendors)) {
		if s, _, ok := f.vendors[vendor].Match(e.Request.Method, e.Request.Path); ok && s != nil {
			return f.vendors[vendor]
		}
	}
	return nil
}

// sources are the names of the sources of the folder.
func (f *ruleFolder) sources() []string {
	if f.rules == nil {
		return slices.Sorted(maps.Keys(f.vendors))
	}
	var names []string
	for _, s := range f.rules.Sources {
		names = append(names, s.Name)
	}
	return names
}

// differ reads events one after the other: there may be many.
type differ struct {
	was, will *ruleFolder
	files     []string
	err       error
}

// find lists the files of events. What a case wants is none.
func (d *differ) find(from string) error {
	err := filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		ext := filepath.Ext(name)
		if slices.Contains([]string{".http", ".json", ".xml"}, ext) && !strings.HasSuffix(name, ".want.json") && !strings.HasSuffix(name, ".schema.json") {
			d.files = append(d.files, name)
		}
		return nil
	})
	if err == nil && len(d.files) == 0 {
		err = fmt.Errorf("%s has no event: want .http, .json or .xml files, as yiqiao capture writes them", from)
	}
	return err
}

func (d *differ) events(yield func(transform.PastEvent) bool) {
	for _, name := range d.files {
		e, err := d.read(name)
		if err != nil {
			d.err = err
			return
		}
		if !yield(e) {
			return
		}
	}
}

func (d *differ) read(name string) (e transform.PastEvent, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return e, err
	}
	e.Name = name
	if e.Request, e.Body, err = transform.ReadInput(name, data); err != nil {
		return e, err
	}
	e.Source, err = d.sourceOf(name)
	if e.Request.Path != "" {
		err = nil // it says itself where it goes
	}
	return e, err
}

// sourceOf tells by its folders for which source a file is:
// VENDOR/EVENT.cases/name.in.json, VENDOR/name.json, or the only source.
func (d *differ) sourceOf(name string) (string, error) {
	known := slices.Concat(d.was.sources(), d.will.sources())
	slices.Sort(known)
	known = slices.Compact(known)
	full, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	for dir := filepath.Dir(full); ; dir = filepath.Dir(dir) {
		if slices.Contains(known, filepath.Base(dir)) {
			return filepath.Base(dir), nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if len(known) == 1 {
		return known[0], nil
	}
	return "", fmt.Errorf("%s: nothing says which source it is for; put it into a folder of that name (%s), or capture it as .http", name, strings.Join(known, ", "))
}
