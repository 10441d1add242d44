package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"yiqiao/proxy"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

var packName = regexp.MustCompile(`^[\pL\pN][\pL\pN_-]*$`)

// runNew proposes a mapping from a sample: the work is transform.Propose's.
func runNew(_ context.Context, std stdio, args []string) error {
	f := flags("new")
	n := newMapping{std: std}
	f.StringVar(&n.dir, "site", ".", "folder of the site")
	from := f.String("from", "", "the sample: a .json or .xml body, or a request as yiqiao capture writes it (.http)")
	f.StringVar(&n.sample.To, "to", "", "interface of the standard, like stk/zpjl")
	languageFlag(f, &n.std)
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) != 1 || *from == "" || n.sample.To == "" {
		return usagef("want VENDOR/EVENT, -from and -to")
	}
	vendor, event, ok := strings.Cut(strings.TrimSuffix(words[0], ".yaml"), "/")
	if !ok || !packName.MatchString(vendor) || !packName.MatchString(event) || event == "source" {
		return usagef("want VENDOR/EVENT like acme/face, got %q", words[0])
	}
	n.sample.Vendor, n.event, n.from = vendor, event, *from
	n.zh = n.std.language() == message.Chinese
	data, err := os.ReadFile(*from)
	if err != nil {
		return err
	}
	n.sample.Name = "sample.in." + sampleKind(*from, data)
	n.sample.Data = transform.Replace(n.sample.Name, data)
	return n.run()
}

// sampleKind is how a sample is read: by its name, else by how it begins.
func sampleKind(name string, data []byte) string {
	ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), ".")
	switch {
	case slices.Contains([]string{"http", "json", "xml"}, ext):
		return ext
	case payloadName("", data) != "":
		return "http"
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")):
		return "xml"
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("--")):
		return "txt"
	}
	return "json"
}

type newMapping struct {
	std    stdio
	dir    string
	event  string
	zh     bool
	sample transform.Sample
	from   string // the file that it was read from
	config *proxy.Config

	bundled bool // the source is one of the bundled packs
}

func (n *newMapping) run() error {
	if err := n.site(); err != nil {
		return err
	}
	folder := filepath.Join(n.dir, "mappings", n.sample.Vendor)
	mapping := filepath.Join(folder, n.event+".yaml")
	sample := filepath.Join(folder, n.event+".cases", n.sample.Name)
	source := filepath.Join(folder, "source.yaml")
	for _, name := range []string{mapping, sample} { // before the first is written
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			return errors.Join(err, fmt.Errorf("%s is there already, and new overwrites nothing", name))
		}
	}
	p, err := transform.Propose(n.sample)
	if err != nil {
		return fmt.Errorf("%s: %w", n.from, err)
	}
	files := []struct {
		name string
		data []byte
	}{{mapping, p.Mapping}, {sample, n.sample.Data}}
	if p.Source != nil {
		files = slices.Insert(files, 0, struct {
			name string
			data []byte
		}{source, p.Source})
	}
	for _, f := range files {
		if err := writeNew(f.name, f.data); err != nil {
			return err
		}
		fmt.Fprintln(n.std.out, f.name)
	}
	if err := writeSchemas(n.std, n.sample.Catalogue, n.dir); err != nil {
		return err
	}
	n.next(p, mapping, sample, source)
	return nil
}

// site reads what the proposal needs of the site: its tables, and the source
// if there is one.
func (n *newMapping) site() error {
	site, err := siteOf(n.dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(n.dir, proxy.ConfigFile)); err != nil {
		return fmt.Errorf("%s is no site: %w; yiqiao init DIR makes one", n.dir, err)
	}
	if to := n.sample.To; site.Catalogue.Interface(to) == nil {
		return usagef("%s", transform.NoInterface(to, site.Catalogue).In(n.std.language()))
	}
	cfg, problems := proxy.ReadConfig(n.dir)
	tables, more := site.Tables(cfg)
	if problems = append(problems, more...); len(problems.Errors()) > 0 {
		n.std.problems(n.std.err, problems)
		return errFindings
	}
	n.config, n.sample.Tables, n.sample.Catalogue = cfg, tables, site.Catalogue
	n.sample.Source, err = os.ReadFile(filepath.Join(n.dir, "mappings", n.sample.Vendor, "source.yaml"))
	if errors.Is(err, os.ErrNotExist) {
		n.sample.Source, err = fs.ReadFile(site.Bundled, n.sample.Vendor+"/source.yaml")
		n.bundled = err == nil
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}

func writeNew(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return errors.Join(err, out.Close())
}

// next says what a person does now, in the order of doing it.
func (n *newMapping) next(p *transform.Proposal, mapping, sample, source string) {
	step := 0
	say := func(zh, en string, args ...any) {
		step++
		text := en
		if n.zh {
			text = zh
		}
		fmt.Fprintf(n.std.out, "  %d. %s\n", step, fmt.Sprintf(text, args...))
	}
	n.title(p, source)
	if n.config.Sources != nil && !slices.Contains(n.config.Sources, n.sample.Vendor) {
		say("在 %s 的 sources 里加上 %s：不加它就不起作用", "add to sources in %s: %s; nothing reads it before that", filepath.Join(n.dir, proxy.ConfigFile), n.sample.Vendor)
	}
	if p.Unheard {
		say("在 %s 的 listen 里加上 %s：样例发到那里", "add to listen in %s: %s, where the sample was posted to", source, p.Posted)
	}
	if open := p.Open(); len(open) > 0 {
		var names []string
		for _, f := range open {
			names = append(names, fmt.Sprintf("%s (%s)", f.Name, f.Label))
		}
		say("写好 %s 里标着 %s 的：%s", "in %s, write what is marked %s: %s", mapping, transform.Mark, strings.Join(names, ", "))
	}
	say("看一遍其余的猜测：每一行后面是理由", "read the other guesses: each has its reason behind it")
	say("在设备表里加上这台设备的一行", "add a row for the device to the table of devices")
	say("yiqiao check -site %[1]s && yiqiao map -site %[1]s -trace %[2]s/%[3]s %[4]s", "yiqiao check -site %[1]s && yiqiao map -site %[1]s -trace %[2]s/%[3]s %[4]s", n.dir, n.sample.Vendor, n.event, sample)
	say("对了以后，把结果记作样例的答案：yiqiao test -site %s -run '^%s/%s/' -update", "once it is right, keep its result as what the case wants: yiqiao test -site %s -run '^%s/%s/' -update", n.dir, n.sample.Vendor, n.event)
}

func (n *newMapping) title(p *transform.Proposal, source string) {
	var w io.Writer = n.std.out
	switch {
	case n.bundled && n.zh:
		fmt.Fprintf(w, "来源 %s 用内置的。", n.sample.Vendor)
	case n.bundled:
		fmt.Fprintf(w, "The source %s is the bundled one. ", n.sample.Vendor)
	case p.Source == nil && n.zh:
		fmt.Fprintf(w, "%s 已经有了，没有动它。", source)
	case p.Source == nil:
		fmt.Fprintf(w, "%s is there already and was left as it is. ", source)
	}
	if n.zh {
		fmt.Fprintf(w, "猜到 %d 项，还有 %d 项要人写。样例里的图片、姓名、证件、电话、车牌已经换掉，提交前请再看一眼。接下来：\n", len(p.Guesses)-len(p.Open()), len(p.Open()))
		return
	}
	fmt.Fprintf(w, "%d guessed, %d left to you. Pictures, names, numbers of documents and telephones, and plates of the sample were replaced; look it over before you share it. Next:\n", len(p.Guesses)-len(p.Open()), len(p.Open()))
}
