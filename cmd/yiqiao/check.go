package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"yiqiao/proxy"
	"yiqiao/transform"
)

func runCheck(_ context.Context, io stdio, args []string) error {
	f := flags("check")
	languageFlag(f, &io)
	dir := f.String("site", "", "folder of the site; without it and without PATH, and without yiqiao.yaml here, the bundled packs are checked")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	targets, err := targetsOf(*dir, words)
	if err != nil {
		return err
	}
	found := false
	for _, t := range targets {
		title := ""
		if len(targets) > 1 {
			title = t.name + ": "
		}
		ok, err := checkTarget(io, t, title)
		if err != nil {
			return err
		}
		found = found || !ok
	}
	if found {
		return errFindings
	}
	return nil
}

// checkTarget tells all that is wrong with a target, or with what of it was
// asked for. What is wrong elsewhere is counted: the rules cannot run with it.
func checkTarget(io stdio, t *target, title string) (ok bool, err error) {
	rules, problems, err := t.check()
	if err != nil {
		return false, err
	}
	var here, elsewhere transform.Problems
	for _, p := range problems {
		if t.wants(filepath.FromSlash(p.File)) {
			here = append(here, p)
		} else {
			elsewhere = append(elsewhere, p)
		}
	}
	io.problems(io.out, here)
	if len(here.Errors()) > 0 {
		fmt.Fprintln(io.out, title+io.told(here))
	}
	if len(elsewhere.Errors()) > 0 {
		fmt.Fprintf(io.out, "%s%s in other files: yiqiao check %s\n", title, io.told(elsewhere), t.name)
	}
	if len(problems.Errors()) > 0 {
		return false, nil
	}
	if err := t.tellWithoutCases(io, rules); err != nil {
		return false, err
	}
	mappings, sources := 0, 0
	var digests []string
	for _, r := range rules {
		for _, s := range r.Sources {
			sources++
			mappings += len(s.Mappings)
		}
		digests = append(digests, r.Digest)
	}
	fmt.Fprintf(io.out, "%sok: %d sources, %d mappings, rules %s\n", title, sources, mappings, strings.Join(digests, " "))
	return true, nil
}

// tellWithoutCases notes the mappings of the target that have no case: nobody
// would see when a change breaks them.
func (t *target) tellWithoutCases(io stdio, rules []*transform.Rules) error {
	cases, err := transform.Cases(t.pack)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, c := range cases {
		has[path.Join(c.Vendor, c.Event+".yaml")] = true
	}
	var list []string
	for _, r := range rules {
		for _, s := range r.Sources {
			for _, m := range s.Mappings {
				if file := m.File(); !has[m.Name] && t.owns(file) && t.wants(filepath.FromSlash(file)) {
					list = append(list, file)
				}
			}
		}
	}
	if len(list) > 0 {
		fmt.Fprintf(io.out, "note: %s no case: %s; a folder %s.cases beside it holds them, yiqiao test runs them\n",
			have(len(list)), strings.Join(list, ", "), strings.TrimSuffix(path.Base(list[0]), ".yaml"))
	}
	return nil
}

func have(n int) string {
	if n == 1 {
		return "1 mapping has"
	}
	return fmt.Sprintf("%d mappings have", n)
}

// count says how many there are of a thing: "1 problem", "2 problems".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// loadRules loads the rules of a site, or the bundled ones with the tables
// of their cases if there is no site; only: of these sources.
func loadRules(dir string, only ...string) (*transform.Rules, transform.Problems, error) {
	site, err := siteOf(dir)
	if err != nil {
		return nil, nil, err
	}
	if dir == "" {
		if _, err := os.Stat(proxy.ConfigFile); errors.Is(err, os.ErrNotExist) {
			return bundledRules(site)
		}
		site.Dir = "."
	}
	if _, err := os.Stat(site.Dir); err != nil {
		return nil, nil, err
	}
	cfg, problems := proxy.ReadConfig(site.Dir)
	if len(problems.Errors()) > 0 {
		return nil, problems, nil // which sources and tables there are is in doubt
	}
	if len(only) > 0 {
		cfg.Sources = only
	}
	rules, more := site.LoadRules(cfg)
	return rules, append(problems, more...), nil
}

func bundledRules(site proxy.Site) (*transform.Rules, transform.Problems, error) {
	tables := []*transform.Table{{Name: "devices", File: filepath.Join("tables", "devices.csv")}, {Name: "people", File: filepath.Join("tables", "people.csv")}}
	tables[0].Columns = []string{"id", "name", "xqbm", "zpjbm", "mjxtbm", "dzbm", "ip", "jd", "wd", "lx", "fx"}
	tables[1].Columns = []string{"id", "name", "zjhm"}
	rules, problems := transform.Load(transform.Options{Catalogue: site.Catalogue, Packs: []transform.Pack{{Prefix: "bundled", FS: site.Bundled}}, Tables: tables})
	return rules, problems, nil
}
