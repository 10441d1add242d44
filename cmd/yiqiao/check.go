package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"yiqiao/proxy"
	"yiqiao/transform"
)

func runCheck(_ context.Context, io stdio, args []string) error {
	f := flags("check")
	languageFlag(f, &io)
	dir := f.String("site", "", "folder of the site; without it, and without yiqiao.yaml here, the bundled packs are checked")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) == 1 && *dir == "" {
		*dir, words = words[0], nil
	}
	if len(words) > 0 {
		return unexpected(words)
	}
	rules, problems, err := loadRules(*dir, true)
	if err != nil {
		return err
	}
	io.problems(io.out, problems)
	if len(problems.Errors()) > 0 {
		fmt.Fprintln(io.out, io.told(problems))
		return errFindings
	}
	mappings, sources := 0, 0
	for _, s := range rules.Sources {
		sources++
		mappings += len(s.Mappings)
	}
	fmt.Fprintf(io.out, "ok: %d sources, %d mappings, rules %s\n", sources, mappings, rules.Digest)
	return nil
}

// count says how many there are of a thing: "1 problem", "2 problems".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// loadRules loads the rules of a site, or the bundled ones with the tables
// of their cases if there is no site. whole: the configuration is proved too.
func loadRules(dir string, whole bool) (*transform.Rules, transform.Problems, error) {
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
	if whole {
		g, problems := site.Load()
		if g == nil {
			return nil, problems, nil
		}
		return g.Rules, problems, nil
	}
	cfg, problems := proxy.ReadConfig(site.Dir)
	if len(problems.Errors()) > 0 {
		return nil, problems, nil // which sources and tables there are is in doubt
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
