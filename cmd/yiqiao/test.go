package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"yiqiao/transform"
)

func runTest(_ context.Context, io stdio, args []string) error {
	f := flags("test")
	languageFlag(f, &io)
	dir := f.String("site", "", "folder of the site; without it and without PATH, and without yiqiao.yaml here, the bundled packs are tested")
	only := f.String("run", "", "run only cases whose name (vendor/event/case) matches this regular expression")
	update := f.Bool("update", false, "write what the cases give as what is wanted")
	verbose := f.Bool("v", false, "name each case")
	cover := f.Bool("cover", false, "name each mapping, field, ignore rule and table row that no case touched")
	report := f.String("junit", "", "write the results to this file as JUnit XML")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	re, err := regexp.Compile(*only)
	if err != nil {
		return usagef("-run: %v", err)
	}
	targets, err := targetsOf(*dir, words)
	if err != nil {
		return err
	}
	t := &tester{io: io, only: re, update: *update, verbose: *verbose, cover: *cover}
	var broken error
	for _, target := range targets {
		if broken = errors.Join(broken, t.test(target)); broken != nil && !errors.Is(broken, errFindings) {
			return broken
		}
	}
	fmt.Fprintf(io.out, "%d passed, %d failed", t.passed, t.failed)
	if t.written > 0 {
		fmt.Fprintf(io.out, ", %d written", t.written)
	}
	fmt.Fprintln(io.out)
	if *report != "" {
		if err := writeJUnit(*report, t.results); err != nil {
			return err
		}
	}
	if t.failed > 0 || broken != nil {
		return errFindings
	}
	return nil
}

// tester runs the cases of targets, one after the other.
type tester struct {
	io      stdio
	only    *regexp.Regexp
	update  bool
	verbose bool
	cover   bool

	passed, failed, written int
	results                 []caseReport
}

// caseReport is what became of one case.
type caseReport struct {
	vendor, event, name string
	took                time.Duration
	broken              bool   // it could not be run
	failure             string // empty: it passed
}

// test runs the cases of one target. errFindings: its rules cannot run.
func (t *tester) test(target *target) error {
	cases, err := transform.Cases(target.pack)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(cases, func(c transform.Case) bool {
		return !t.only.MatchString(c.ID()) || !target.wantsCase(c)
	})
	for _, group := range target.groups(chosen, t.only.String() == "") {
		rules, problems := target.rules(group.vendor)
		t.io.problems(t.io.out, problems)
		if n := len(problems.Errors()); n > 0 {
			t.results = append(t.results, caseReport{vendor: cmp.Or(group.vendor, target.name), event: "rules", name: "load", broken: true, failure: problems.Errors().Error()})
			return errFindings
		}
		var cover transform.Coverage
		for _, c := range group.cases {
			t.one(target, rules, c, &cover)
		}
		if t.only.String() == "" && len(target.only) == 0 {
			t.tellCoverage(cmp.Or(group.vendor, target.name), cover.Of(rules, target.owns))
		}
	}
	return nil
}

// one runs a case and tells what is wrong with it.
func (t *tester) one(target *target, rules *transform.Rules, c transform.Case, cover *transform.Coverage) {
	begun := time.Now()
	var tr transform.Trace
	r := caseReport{vendor: c.Vendor, event: c.Event, name: c.Name}
	verdict, err := t.verdict(target, rules, c, &tr)
	cover.Add(&tr)
	r.took = time.Since(begun)
	switch {
	case err != nil:
		r.broken, r.failure = true, "  "+err.Error()+"\n"
	case verdict == written:
		t.written++
		t.results = append(t.results, r)
		if t.verbose {
			fmt.Fprintf(t.io.out, "new  %s\n", c.ID())
		}
		return
	default:
		r.failure = verdict
	}
	if t.results = append(t.results, r); r.failure != "" {
		t.failed++
		fmt.Fprintf(t.io.out, "FAIL %s\n%s", c.ID(), r.failure)
		return
	}
	t.passed++
	if t.verbose {
		fmt.Fprintf(t.io.out, "ok   %s\n", c.ID())
	}
}

// written is the verdict on a case whose want was written.
const written = "written"

// verdict is empty if the case passed, else what is wrong.
func (t *tester) verdict(target *target, rules *transform.Rules, c transform.Case, tr *transform.Trace) (string, error) {
	input, err := fs.ReadFile(target.pack.FS, c.Input)
	if err != nil {
		return "", err
	}
	res, err := rules.RunCase(c, input, tr)
	if err != nil {
		return "", err
	}
	file, other := c.Want(res.Refused), c.Want(!res.Refused)
	want, err := fs.ReadFile(target.pack.FS, file)
	if errors.Is(err, fs.ErrNotExist) {
		want, err = fs.ReadFile(target.pack.FS, other)
	}
	wrong := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		wrong = fmt.Sprintf("  there is no %s; -update writes it\n  got:\n%s", path.Base(file), indent(res.Got))
	case err != nil:
		return "", err
	case !bytes.Equal(want, res.Got):
		list, err := transform.Differences(rules.Catalogue, want, res.Got)
		if wrong = differences(list); err != nil {
			wrong = fmt.Sprintf("  %s: %v; -update writes it anew\n", path.Base(file), err)
		}
	}
	if wrong == "" || !t.update || target.dir == "" {
		return wrong, nil
	}
	_ = os.Remove(filepath.Join(target.dir, filepath.FromSlash(other))) // the other kind of want, if there was one
	return written, os.WriteFile(filepath.Join(target.dir, filepath.FromSlash(file)), res.Got, 0o644)
}

// differences lists them, each on a line; with several records, of which one.
func differences(list []transform.Difference) string {
	several := slices.ContainsFunc(list, func(d transform.Difference) bool { return d.Record > 0 })
	var b strings.Builder
	for _, d := range list {
		b.WriteString("  ")
		if several && d.To != "" {
			fmt.Fprintf(&b, "record %d: ", d.Record+1)
		}
		fmt.Fprintln(&b, d)
	}
	return b.String()
}

func indent(b []byte) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(string(b), "\n"), "\n", "\n    ") + "\n"
}

// tellCoverage names the mappings that no case touches, and with -cover all
// else that none does.
func (t *tester) tellCoverage(name string, list []transform.Covered) {
	const rowsMost = 10 // of a site's tables no case needs all rows
	var totals []string
	for _, part := range list {
		totals = append(totals, fmt.Sprintf("%d of %d %s", part.Touched, part.Touched+len(part.Missed), part.What))
		for i, m := range part.Missed {
			switch {
			case part.What == transform.CoveredMappings:
				fmt.Fprintf(t.io.out, "note: no case touches mapping %s\n", m.Name)
			case !t.cover:
			case part.What == transform.CoveredRows && i == rowsMost:
				fmt.Fprintf(t.io.out, "cover: … and %s\n", count(len(part.Missed)-i, "more row"))
			case part.What != transform.CoveredRows || i < rowsMost:
				fmt.Fprintf(t.io.out, "cover: %s: no case touches %s: %s\n", m.Place, singular[part.What], m.Name)
			}
		}
	}
	if t.cover {
		fmt.Fprintf(t.io.out, "cover: %s: %s\n", name, strings.Join(totals, ", "))
	}
}

var singular = map[string]string{transform.CoveredFields: "field", transform.CoveredIgnores: "ignore rule", transform.CoveredRows: "table row"}
