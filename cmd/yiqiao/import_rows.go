package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"yiqiao/proxy"
	"yiqiao/transform"
	"yiqiao/transform/columns"
	"yiqiao/transform/event"
	"yiqiao/transform/sheet"
	"yiqiao/transform/spec"
)

// A batch is bounded in records and in bytes: three of them are in memory.
const (
	batchItems = 1024
	batchBytes = 4 << 20
)

type batch struct{ items []item }

// item is one record with the rows that it is made of; of a mapping with each
// it may be several records, or none.
type item struct {
	rows  []sheet.Row
	docs  [][]byte
	wrong []string
}

// rowReader makes records of rows.
type rowReader struct {
	sheet    *sheet.Reader
	pictures *pictures
	flags    *importFlags
	iface    *spec.Interface
	header   []string // nil: each row has its own names (JSON lines)
	body     int64    // bytes of a largest record

	columns *columns.Columns
	named   map[string]*columns.Columns // of JSON lines, by their names
	rules   *transform.Rules            // of -mapping; nil: columns
	result  transform.Result
	arena   []byte
	seed    maphash.Seed
	lines   map[uint64]int // of records that rows may share, where they stood
}

// prepare finds out what the columns are, before anything is sent.
func (r *rowReader) prepare(std stdio, site proxy.Site) error {
	r.seed, r.lines, r.named = maphash.MakeSeed(), map[uint64]int{}, map[string]*columns.Columns{}
	if err := r.target(std, site); err != nil {
		return err
	}
	if r.sheet.Kind == sheet.JSON {
		return nil
	}
	head, err := r.headRow(std)
	if err != nil {
		return err
	}
	if r.header = head.Cells; r.rules != nil {
		return namedOnce(head.Cells)
	}
	r.columns, err = columns.Match(r.iface, head.Cells, r.options())
	return err
}

func (r *rowReader) options() columns.Options {
	return columns.Options{Skip: r.flags.skip, Date1904: r.sheet.Date1904, Pictures: r.pictures.read}
}

// target loads what the records are to be: the mapping, or the interface.
func (r *rowReader) target(std stdio, site proxy.Site) (err error) {
	cfg, _ := proxy.ReadConfig(site.Dir) // without a site there are no tables, and the built-in dictionaries
	if r.flags.mapping == "" {
		r.iface, err = targetNamed(site.KeptCatalogue(cfg), r.flags.to)
		return err
	}
	data, err := os.ReadFile(r.flags.mapping)
	if err != nil {
		return err
	}
	rules, problems := site.LoadMapping(cfg, r.flags.mapping, data)
	std.problems(std.err, problems)
	if rules == nil {
		return fmt.Errorf("%s: %s", r.flags.mapping, count(len(problems.Errors()), "problem"))
	}
	if r.iface = rules.Sources[0].Mappings[0].To; r.iface == nil {
		return fmt.Errorf("%s: the mapping has no to", r.flags.mapping)
	}
	r.rules = rules
	return nil
}

// maxTitles is how many lines may stand above the header.
const maxTitles = 5

// headRow finds the names of the columns; titles of one cell may stand above.
func (r *rowReader) headRow(std stdio) (sheet.Row, error) {
	for n := 0; ; n++ {
		row, err := r.sheet.Next()
		if errors.Is(err, io.EOF) {
			return row, errors.New("没有列名：第一行应是列名，yiqiao import -template 给出样表")
		}
		if err != nil {
			return row, err
		}
		filled := 0
		for _, c := range row.Cells {
			if sheet.Trim(c) != "" {
				filled++
			}
		}
		if filled > 1 || n == maxTitles {
			return row, nil
		}
		fmt.Fprintf(std.err, "第 %d 行只有一格，当作标题跳过\n", row.Line)
	}
}

func namedOnce(names []string) error {
	for n, name := range names {
		name = sheet.Trim(name)
		if name != "" && slices.ContainsFunc(names[:n], func(s string) bool { return sheet.Trim(s) == name }) {
			return fmt.Errorf("第 %d 列的列名 %q 重复：每列要有自己的名字", n+1, name)
		}
	}
	return nil
}

// read makes batches until the end of the sheet.
func (r *rowReader) read(ctx context.Context, out chan<- *batch) error {
	b, size := new(batch), 0
	give := func() error {
		select {
		case out <- b:
			b, size, r.arena = new(batch), 0, nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var group []sheet.Row
	key := ""
	flush := func() error {
		if len(group) == 0 {
			return nil
		}
		it := r.item(group, key)
		group = nil
		for _, d := range it.docs {
			size += len(d)
		}
		if b.items = append(b.items, it); len(b.items) >= batchItems || size >= batchBytes {
			return give()
		}
		return nil
	}
	for {
		row, err := r.sheet.Next()
		if errors.Is(err, io.EOF) {
			if err := flush(); err != nil {
				return err
			}
			return give()
		}
		if err != nil {
			return errors.Join(flush(), give(), err)
		}
		k := ""
		if r.columns != nil {
			k = r.columns.Key(row.Cells)
		}
		if k == "" || k != key || len(group) >= batchItems {
			if err := flush(); err != nil {
				return err
			}
		}
		group, key = append(group, row), k
	}
}

// item makes a record of rows with one key.
func (r *rowReader) item(rows []sheet.Row, key string) item {
	it := item{rows: rows}
	for _, row := range rows {
		if row.Problem != "" {
			it.wrong = append(it.wrong, row.Problem)
		}
	}
	if key != "" {
		h := maphash.String(r.seed, key)
		if line, again := r.lines[h]; again {
			it.wrong = append(it.wrong, fmt.Sprintf("与第 %d 行是同一条记录，却不相邻：在原表里把它们排到一起，再导入原表；单独导入这一行会盖掉那一行的%s", line, r.columns.ListLabel()))
		}
		r.lines[h] = rows[0].Line
	}
	if len(it.wrong) == 0 {
		r.convert(&it)
	}
	for _, d := range it.docs {
		if int64(len(d)) > r.body {
			it.wrong = append(it.wrong, fmt.Sprintf("这条记录有 %d MB，超过 %d MB（limits.body）：请缩小照片", len(d)>>20, r.body>>20))
		}
	}
	if len(it.wrong) > 0 {
		it.docs = nil
	}
	return it
}

func (r *rowReader) convert(it *item) {
	if r.rules != nil {
		r.mapped(it)
		return
	}
	cols, err := r.columnsOf(&it.rows[0])
	if err != nil {
		it.wrong = strings.Split(err.Error(), "\n")
		return
	}
	cells := make([][]string, len(it.rows))
	for n := range it.rows {
		cells[n] = it.rows[n].Cells
	}
	from := len(r.arena)
	r.arena, it.wrong = cols.Record(r.arena, cells)
	it.docs = [][]byte{r.arena[from:len(r.arena):len(r.arena)]}
}

// maxNamed is how many different sets of names of JSON lines are remembered.
const maxNamed = 256

func (r *rowReader) columnsOf(row *sheet.Row) (*columns.Columns, error) {
	if row.Names == nil {
		return r.columns, nil
	}
	key := strings.Join(row.Names, "\x00")
	if c := r.named[key]; c != nil {
		return c, nil
	}
	o := r.options()
	o.Partial = true
	c, err := columns.Match(r.iface, row.Names, o)
	if err == nil && len(r.named) < maxNamed {
		r.named[key] = c
	}
	return c, err
}

// mapped runs the mapping on a row as an object: names to texts.
func (r *rowReader) mapped(it *item) {
	row := &it.rows[0]
	body := row.Raw
	if body == nil {
		body, it.wrong = r.object(row)
	}
	if len(it.wrong) > 0 {
		return
	}
	r.rules.ApplyBody(r.rules.Sources[0], event.Request{Method: "POST", Path: "/rows"}, body, &r.result, nil)
	if r.result.Refusal != nil {
		for _, v := range r.result.Violations {
			if v.Severity == spec.Error {
				it.wrong = append(it.wrong, v.Chinese())
			}
		}
		if len(it.wrong) == 0 {
			it.wrong = []string{r.result.Refusal.Chinese}
		}
		return
	}
	for n := range r.result.Records {
		rec := &r.result.Records[n]
		doc := make([]byte, 0, rec.Len())
		for piece := range rec.Pieces(make([]byte, 12<<10)) {
			doc = append(doc, piece...)
		}
		it.docs = append(it.docs, doc)
	}
}

// object writes a row as JSON. A cell that names a picture holds it then.
func (r *rowReader) object(row *sheet.Row) (doc []byte, wrong []string) {
	doc = append(doc, '{')
	for n, name := range r.header {
		if name = sheet.Trim(name); name == "" || name == columns.Reasons || n >= len(row.Cells) {
			continue
		}
		text, bad := columns.Text(row.Cells[n])
		if bad == "" && isPictureName(text) {
			var err error
			if text, err = r.pictures.base64(text); err != nil {
				bad = err.Error()
			}
		}
		if bad != "" {
			wrong = append(wrong, fmt.Sprintf("列“%s”：%s", name, bad))
		}
		if text == "" {
			continue
		}
		if len(doc) > 1 {
			doc = append(doc, ',')
		}
		doc = append(event.AppendString(doc, name), ':')
		doc = event.AppendString(doc, text)
	}
	if len(row.Cells) > len(r.header) && sheet.Trim(strings.Join(row.Cells[len(r.header):], "")) != "" {
		wrong = append(wrong, fmt.Sprintf("这一行有 %d 格，表头只有 %d 列：含逗号的单元格要用双引号括起来", len(row.Cells), len(r.header)))
	}
	return append(doc, '}'), wrong
}

// reason is what a person is told of a breach.
func reason(doc []byte, b proxy.Breach, i *spec.Interface) string {
	f := i.Field(b.Field)
	if f == nil || strings.Contains(b.Field, "[]") {
		return b.Text
	}
	return columns.Reason(b.Rule, b.Text, f, gjson.GetBytes(doc, b.Field).String())
}
