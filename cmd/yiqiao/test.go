package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"yiqiao/mappings"
	"yiqiao/proxy"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

func runTest(_ context.Context, io stdio, args []string) error {
	f := flags("test")
	languageFlag(f, &io)
	dir := f.String("site", "", "folder of the site; without it, and without yiqiao.yaml here, the bundled packs are tested")
	only := f.String("run", "", "run only cases whose name matches this regular expression")
	update := f.Bool("update", false, "write what the cases give as what is wanted")
	verbose := f.Bool("v", false, "name each case")
	if words, err := parse(f, args); err != nil || len(words) > 0 {
		return errors.Join(err, unexpected(words))
	}
	re, err := regexp.Compile(*only)
	if err != nil {
		return usagef("-run: %v", err)
	}
	if *dir == "" {
		if _, err := os.Stat(proxy.ConfigFile); err == nil {
			*dir = "."
		}
	}
	t := &tester{io: io, only: re, update: *update, verbose: *verbose}
	if err := t.load(*dir); err != nil {
		return err
	}
	return t.run()
}

// tester runs the cases of one folder of packs.
type tester struct {
	io      stdio
	only    *regexp.Regexp
	update  bool
	verbose bool

	pack    transform.Pack
	dir     string                                        // where wants are written; empty: nowhere
	rulesOf func(vendor string) (*transform.Rules, error) // rules with the vendor's tables
}

// load finds the cases and the rules that they are for: the site's own, or
// the bundled ones with the tables that lie beside them.
func (t *tester) load(dir string) error {
	site, err := siteOf(dir)
	if err != nil {
		return err
	}
	if dir == "" {
		t.pack = transform.Pack{Prefix: "bundled", FS: mappings.FS}
		t.rulesOf = func(vendor string) (*transform.Rules, error) {
			tables, problems := packTables(mappings.FS, vendor)
			rules, more := transform.Load(transform.Options{Catalogue: site.Catalogue, Packs: []transform.Pack{t.pack}, Sources: []string{vendor}, Tables: tables})
			return rules, t.told(append(problems, more...))
		}
		return nil
	}
	t.dir = filepath.Join(dir, "mappings")
	t.pack = transform.Pack{Prefix: t.dir, FS: os.DirFS(t.dir)}
	cfg, problems := proxy.ReadConfig(dir)
	if err := t.told(problems); err != nil {
		return err
	}
	rules, problems := site.LoadRules(cfg)
	if err := t.told(problems); err != nil {
		return err
	}
	t.rulesOf = func(string) (*transform.Rules, error) { return rules, nil }
	return nil
}

func (t *tester) told(problems transform.Problems) error {
	t.io.problems(t.io.out, problems)
	if len(problems.Errors()) > 0 {
		return errFindings
	}
	return nil
}

func packTables(pack fs.FS, vendor string) ([]*transform.Table, transform.Problems) {
	names, _ := fs.Glob(pack, vendor+"/tables/*.csv")
	var tables []*transform.Table
	var problems transform.Problems
	for _, n := range names {
		data, err := fs.ReadFile(pack, n)
		if err != nil {
			problems = append(problems, transform.Problem{Place: transform.Place{File: n, Line: 1, Col: 1}, Message: message.New("file", err)})
			continue
		}
		table, more := transform.ParseTable(strings.TrimSuffix(path.Base(n), ".csv"), n, data)
		tables, problems = append(tables, table), append(problems, more...)
	}
	return tables, problems
}

func (t *tester) run() error {
	cases, err := transform.Cases(t.pack)
	if err != nil {
		return err
	}
	results := map[string][]transform.CaseResult{}
	vendors := map[string]*transform.Rules{}
	passed, failed, written := 0, 0, 0
	for _, c := range cases {
		if !t.only.MatchString(c.ID()) {
			continue
		}
		rules, ok := vendors[c.Vendor]
		if !ok {
			if rules, err = t.rulesOf(c.Vendor); err != nil {
				return err
			}
			vendors[c.Vendor] = rules
		}
		res, verdict := t.one(rules, c)
		results[c.Vendor] = append(results[c.Vendor], res)
		switch {
		case verdict == "written":
			written++
		case verdict != "":
			failed++
			fmt.Fprintf(t.io.out, "FAIL %s\n%s", c.ID(), verdict)
		default:
			passed++
			if t.verbose {
				fmt.Fprintf(t.io.out, "ok   %s\n", c.ID())
			}
		}
	}
	for vendor, rules := range vendors {
		for _, m := range rules.Uncovered(results[vendor]) {
			if strings.HasPrefix(m, vendor+"/") && t.only.String() == "" {
				fmt.Fprintf(t.io.out, "note: no case touches mapping %s\n", m)
			}
		}
	}
	fmt.Fprintf(t.io.out, "%d passed, %d failed", passed, failed)
	if written > 0 {
		fmt.Fprintf(t.io.out, ", %d written", written)
	}
	fmt.Fprintln(t.io.out)
	if failed > 0 {
		return errFindings
	}
	return nil
}

// one runs a case. The verdict is empty if it passed, "written" if what is
// wanted was written, else what is wrong.
func (t *tester) one(rules *transform.Rules, c transform.Case) (transform.CaseResult, string) {
	input, err := fs.ReadFile(t.pack.FS, c.Input)
	if err != nil {
		return transform.CaseResult{}, "  " + err.Error() + "\n"
	}
	res, err := rules.RunCase(c, input)
	if err != nil {
		return res, "  " + err.Error() + "\n"
	}
	want, err := fs.ReadFile(t.pack.FS, c.Want(res.Refused))
	if bytes.Equal(want, res.Got) && err == nil {
		return res, ""
	}
	if t.update && t.dir != "" {
		_ = os.Remove(filepath.Join(t.dir, filepath.FromSlash(c.Want(!res.Refused)))) // the other kind of want, if there was one
		if err := os.WriteFile(filepath.Join(t.dir, filepath.FromSlash(c.Want(res.Refused))), res.Got, 0o644); err != nil {
			return res, "  " + err.Error() + "\n"
		}
		return res, "written"
	}
	if err != nil {
		if want, err = fs.ReadFile(t.pack.FS, c.Want(!res.Refused)); err != nil {
			return res, fmt.Sprintf("  there is no %s; -update writes it\n  got:\n%s", path.Base(c.Want(res.Refused)), indent(res.Got))
		}
	}
	return res, lineDiff(want, res.Got)
}

func indent(b []byte) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(string(b), "\n"), "\n", "\n    ") + "\n"
}

// lineDiff shows the lines that differ. Both sides are made by the same
// printer: that a comma follows is no difference.
func lineDiff(want, got []byte) string {
	w, g := strings.Split(strings.TrimRight(string(want), "\n"), "\n"), strings.Split(strings.TrimRight(string(got), "\n"), "\n")
	same := func(i, k int) bool { return bare(w[i]) == bare(g[k]) }
	common := make([][]int, len(w)+1) // of w[i:] and g[k:], the longest common part
	for i := range common {
		common[i] = make([]int, len(g)+1)
	}
	for i := len(w) - 1; i >= 0; i-- {
		for k := len(g) - 1; k >= 0; k-- {
			if common[i][k] = max(common[i+1][k], common[i][k+1]); same(i, k) {
				common[i][k] = common[i+1][k+1] + 1
			}
		}
	}
	var b strings.Builder
	for i, k := 0, 0; i < len(w) || k < len(g); {
		switch {
		case i < len(w) && k < len(g) && same(i, k):
			i, k = i+1, k+1
		case k == len(g) || i < len(w) && common[i+1][k] >= common[i][k+1]:
			fmt.Fprintf(&b, "  - want %s\n", strings.TrimSpace(w[i]))
			i++
		default:
			fmt.Fprintf(&b, "  + got  %s\n", strings.TrimSpace(g[k]))
			k++
		}
	}
	if b.Len() == 0 {
		return "  only spaces and commas differ; -update writes it as it should be\n"
	}
	return b.String()
}

func bare(line string) string { return strings.TrimSuffix(strings.TrimSpace(line), ",") }
