package mappings_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/goccy/go-yaml"
	gocmp "github.com/google/go-cmp/cmp"

	"yiqiao/transform"
	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// The references are read by people and run by this test. A bold line above a
// fenced block says what the block is: a file's name; an event; what comes of
// the event before it (records, ignored, refused, answer); expressions over it,
// a line each; problems that loading the section's files gives. A section (##)
// has its own files, and of the first section those that are no mappings.
var blockKinds = map[string]string{
	"事件": "event", "记录": "records", "忽略": "ignored", "拒绝": "refused", "应答": "answer", "表达式": "expressions", "问题": "problems", "过程": "trace",
	"Event": "event", "Records": "records", "Ignored": "ignored", "Refused": "refused", "Answer": "answer", "Expressions": "expressions", "Problems": "problems", "Trace": "trace",
}

var (
	blockLabel = regexp.MustCompile("^\\*\\*`?([^`*]+)`?\\*\\*$")
	functions  = regexp.MustCompile(`(?s)(<!-- functions -->\n).*(<!-- /functions -->)`)
)

var loadCatalogue = sync.OnceValues(spec.Load)

type block struct {
	line     int // of its first line of content
	kind     string
	info     string
	text     string
	from, to int // lines of its content
}

// section is one example under way.
type section struct {
	t     *testing.T
	lang  message.Language
	base  map[string]string // files of the first section
	files map[string]string
	event *block
	res   transform.Result
	ev    *event.Event
}

func TestReference(t *testing.T) {
	for _, name := range []string{"README.zh-CN.md", "README.md"} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := functions.ReplaceAllString(string(data), "${1}"+strings.ReplaceAll(functionTable(name), "$", "$$")+"${2}")
			lines := strings.Split(got, "\n")
			var base map[string]string
			lang := map[string]message.Language{"README.zh-CN.md": message.Chinese}[name]
			s := &section{t: t, lang: lang, files: map[string]string{}}
			done, ran := []string{}, 0
			at := 0
			for _, b := range blocks(t, lines) {
				if b.kind == "section" {
					if base == nil && len(s.files) > 0 {
						base = maps.Clone(s.files)
						maps.DeleteFunc(base, func(n, _ string) bool {
							return path.Ext(n) == ".yaml" && path.Base(n) != "source.yaml" && !strings.HasPrefix(n, "tables/")
						})
					}
					s = &section{t: t, lang: lang, base: base, files: map[string]string{}}
					continue
				}
				done = append(done, lines[at:b.from]...)
				done = append(done, strings.Split(strings.TrimSuffix(s.run(b), "\n"), "\n")...)
				at = b.to
				ran++
			}
			if ran < 40 {
				t.Errorf("only %d blocks: the reader of blocks is broken", ran)
			}
			got = strings.Join(append(done, lines[at:]...), "\n")
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := gocmp.Diff(string(data), got); d != "" {
				t.Errorf("%s says something else than what comes out (-update writes it):\n%s", name, d)
			}
		})
	}
}

// blocks lists the sections and the blocks in them.
func blocks(t *testing.T, lines []string) []*block {
	var list []*block
	label := ""
	for i := 0; i < len(lines); i++ {
		if m := blockLabel.FindStringSubmatch(lines[i]); m != nil {
			label = m[1]
			continue
		}
		if strings.HasPrefix(lines[i], "## ") {
			list = append(list, &block{kind: "section"})
		}
		info, fence := strings.CutPrefix(lines[i], "```")
		if !fence {
			if lines[i] != "" {
				label = ""
			}
			continue
		}
		end := i + 1 + slices.Index(lines[i+1:], "```")
		if end <= i {
			t.Fatalf("line %d: the block has no end", i+1)
		}
		switch kind := blockKinds[label]; {
		case kind != "":
		case strings.Contains(label, "."):
			blockKinds[label] = label
		default:
			t.Fatalf("line %d: the block has no label that this test knows: %q", i+1, label)
		}
		list = append(list, &block{line: i + 2, kind: blockKinds[label], info: info, text: strings.Join(lines[i+1:end], "\n") + "\n", from: i + 1, to: end})
		i, label = end, ""
	}
	return list
}

// run runs one block and returns what it ought to hold.
func (s *section) run(b *block) string {
	s.t.Helper()
	switch b.kind {
	case "event":
		s.event = b
		return b.text
	case "expressions":
		return s.expressions(b)
	case "problems":
		_, problems := s.load(s.files)
		return s.excerpts(problems)
	case "records", "ignored", "refused", "answer", "trace":
		return s.apply(b)
	}
	s.files[b.kind] = b.text
	return b.text
}

func (s *section) excerpts(problems transform.Problems) string {
	var out strings.Builder
	for _, p := range problems {
		out.WriteString(p.Excerpt(s.lang))
	}
	return out.String()
}

// load loads the section's files over those of the first section.
func (s *section) load(files map[string]string) (*transform.Rules, transform.Problems) {
	s.t.Helper()
	catalogue, err := loadCatalogue()
	if err != nil {
		s.t.Fatal(err)
	}
	all := maps.Clone(s.base)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, files)
	var site struct{ Tables map[string]any }
	if err := yaml.Unmarshal([]byte(all["yiqiao.yaml"]), &site); err != nil {
		s.t.Fatal(err)
	}
	key := func(table string) (columns []string) {
		if m, ok := site.Tables[table].(map[string]any); ok {
			for _, k := range m["key"].([]any) {
				columns = append(columns, k.(string))
			}
		}
		return columns
	}
	o := transform.Options{Catalogue: catalogue}
	pack := fstest.MapFS{}
	var problems transform.Problems
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if path.Dir(name) == "tables" {
			base := strings.TrimSuffix(path.Base(name), path.Ext(name))
			table, ps := transform.ParseTable(base, name, []byte(all[name]), key(base)...)
			problems = append(problems, ps...)
			o.Tables = append(o.Tables, table)
		} else if strings.Contains(name, "/") {
			pack[name] = &fstest.MapFile{Data: []byte(all[name])}
		}
	}
	o.Packs = []transform.Pack{{Prefix: "mappings", FS: pack}}
	rules, more := transform.Load(o)
	return rules, append(problems, more...)
}

// input is the section's event; one without a request line comes to
// POST /acme/door-1.
func (s *section) input(r *transform.Rules) (*transform.Source, event.Request, []byte) {
	s.t.Helper()
	name, text := "event.json", s.event.text
	if s.event.info == "http" {
		name = "event.http"
	}
	q, body, err := transform.ReadInput(name, []byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	if q.Path == "" {
		q.Path = "/acme/door-1"
	}
	src, params, ok := r.Match(q.Method, q.Path)
	if !ok {
		s.t.Fatalf("line %d: nobody listens at %s %s", s.event.line, q.Method, q.Path)
	}
	q.Params = params
	return src, q, body
}

func (s *section) apply(b *block) string {
	s.t.Helper()
	rules, problems := s.load(s.files)
	if rules == nil || s.event == nil {
		s.t.Fatalf("line %d: no rules or no event:\n%s", b.line, s.excerpts(problems))
	}
	src, q, body := s.input(rules)
	var tr transform.Trace
	rules.MatchTraced(q.Method, q.Path, &tr)
	s.ev = rules.ApplyBody(src, q, body, &s.res, &tr)
	var out strings.Builder
	switch b.kind {
	case "trace":
		tr.Write(&out)
		fmt.Fprintln(&out)
		transform.WriteResult(&out, &s.res, s.lang)
	case "records":
		for i := range s.res.Records {
			var doc bytes.Buffer
			_ = json.Indent(&doc, s.res.Records[i].Describe(), "", "  ")
			fmt.Fprintln(&out, doc.String())
		}
	case "ignored":
		for _, ig := range s.res.Ignored {
			fmt.Fprintln(&out, ig.Because)
		}
	case "refused":
		if s.res.Refusal != nil {
			fmt.Fprintf(&out, "%s: %s\n", s.res.Refusal.Class, s.res.Refusal.In(s.lang))
		}
	case "answer":
		a := rules.Answer(src, transform.Accepted, s.ev)
		fmt.Fprintln(&out, a.Status)
		for _, h := range a.Header {
			fmt.Fprintf(&out, "%s: %s\n", h[0], h[1])
		}
		fmt.Fprintf(&out, "\n%s\n", a.Body)
	}
	if out.Len() == 0 {
		s.t.Errorf("line %d: want %s, got %s", b.line, b.kind, s.res.Describe())
	}
	return out.String()
}

const arrow = " → "

// expressions evaluates each line over the section's event, as the value of a
// let, and writes what a trace says.
func (s *section) expressions(b *block) string {
	s.t.Helper()
	var out strings.Builder
	for line := range strings.Lines(b.text) {
		expr, _, ok := strings.Cut(strings.TrimRight(line, "\n"), arrow)
		if !ok {
			out.WriteString(line)
			continue
		}
		quoted := "'" + strings.ReplaceAll(strings.TrimSpace(expr), "'", "''") + "'"
		files := maps.Clone(s.files)
		maps.DeleteFunc(files, func(n, _ string) bool { return strings.HasPrefix(n, "acme/") && n != "acme/source.yaml" })
		files["acme/x.yaml"] = "title: x\neach: event\nlet:\n  x: " + quoted + "\nto: stk/sbzt\nrecord: {areaNo: device.xqbm, deviceID: device.zpjbm, isOnLine: '\"1\"', deviceType: '\"1\"'}\n"
		rules, problems := s.load(files)
		if rules == nil {
			s.t.Fatalf("line %d: %s:\n%s", b.line, expr, s.excerpts(problems))
		}
		src, q, body := s.input(rules)
		var tr transform.Trace
		rules.ApplyBody(src, q, body, &transform.Result{}, &tr)
		value := ""
		for _, step := range tr.Steps {
			if step.What != "let" {
				continue
			}
			if value = step.Value; step.Err != nil {
				_, text, _ := strings.Cut(step.Err.Error(), ".yaml:")
				_, text, _ = strings.Cut(text, ": ")
				value = "✗ " + text
			}
		}
		if value == "" {
			s.t.Errorf("line %d: %s gave no value", b.line, expr)
		}
		fmt.Fprintf(&out, "%s%s%s\n", expr, arrow, value)
	}
	return out.String()
}

// functionTable is the functions with their examples, which TestFunctionExamples
// of transform runs. Their description is in Chinese.
func functionTable(name string) string {
	var out strings.Builder
	chinese := name == "README.zh-CN.md"
	for _, f := range transform.Functions() {
		fmt.Fprintf(&out, "- `%s`", f.Usage)
		if chinese {
			fmt.Fprintf(&out, "：%s", f.Doc)
		}
		out.WriteString("\n")
		for _, ex := range f.Examples {
			fmt.Fprintf(&out, "  - `` %s `` → `` %s ``\n", ex.Expr, cmp.Or(ex.Want, `""`))
		}
	}
	return out.String()
}
