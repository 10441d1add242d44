package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"yiqiao/proxy"
	"yiqiao/transform/columns"
	"yiqiao/transform/sheet"
	"yiqiao/transform/spec"
)

// importFlags are what import was asked.
type importFlags struct {
	to, dir, url, mapping, pictures, sheet, template string
	dry, again                                       bool
	skip                                             []string
}

// runImport registers what stands in a sheet: rows become records (columns),
// these go through Accept (importSink), what is refused goes to a file beside
// the sheet (refusals). Nothing but the store remembers how far it came: what
// was accepted before is unchanged when it comes again, so an import that was
// broken off is simply run again.
func runImport(ctx context.Context, std stdio, args []string) error {
	var o importFlags
	f := flags("import")
	f.StringVar(&o.to, "to", "", "interface that the rows are records of: rk, fw, stk/zpjl, …")
	f.StringVar(&o.dir, "site", ".", "folder of the site")
	f.StringVar(&o.url, "url", "", "address of a running daemon's admin listener, instead of the site's")
	f.StringVar(&o.mapping, "mapping", "", "mapping file whose event is a row as an object, in place of -to: event[\"姓名\"]")
	f.StringVar(&o.pictures, "pictures", "", "folder of the pictures that cells name; without it that of the sheet")
	f.StringVar(&o.sheet, "sheet", "", "worksheet of a workbook; without it the first")
	f.StringVar(&o.template, "template", "", "write an empty sheet of this interface: to standard output as CSV, or to FILE, .csv or .xlsx")
	f.BoolVar(&o.dry, "dry-run", false, "prove all rows, send nothing")
	f.BoolVar(&o.again, "again", false, "send what is unchanged too")
	f.Func("skip", "columns that are not imported, separated by commas", func(v string) error {
		o.skip = append(o.skip, strings.Split(v, ",")...)
		return nil
	})
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if o.template != "" {
		return writeTemplate(std, o.template, words)
	}
	if len(words) != 1 {
		return usagef("want one file: FILE.csv, FILE.xlsx or FILE.jsonl, got %d", len(words))
	}
	if (o.to == "") == (o.mapping == "") {
		return usagef("want either -to INTERFACE or -mapping FILE")
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(importGC)
	}
	return importFile(ctx, std, &o, words[0])
}

// importGC makes the garbage collector work a little more: the machine belongs
// to others too, and so a hundred thousand rows take less than 150 MB.
const importGC = 50

// targetNamed finds an interface for a command that was asked for it.
func targetNamed(c *spec.Catalogue, name string) (*spec.Interface, error) {
	if i := interfaceNamed(c, name); i != nil {
		return i, nil
	}
	return nil, usagef("the standard has no interface %q; there are: %s", name, strings.Join(c.Names(), ", "))
}

func writeTemplate(std stdio, name string, words []string) error {
	c, err := spec.Load()
	if err != nil {
		return err
	}
	i, err := targetNamed(c, name)
	if err != nil {
		return err
	}
	t := columns.TemplateOf(i)
	switch {
	case len(words) == 0:
		return t.CSV(std.out)
	case len(words) > 1:
		return unexpected(words[1:])
	}
	write := map[string]func(io.Writer) error{".csv": t.CSV, ".xlsx": t.XLSX}[strings.ToLower(filepath.Ext(words[0]))]
	if write == nil {
		return usagef("want a file .csv or .xlsx, got %q", words[0])
	}
	file, err := os.OpenFile(words[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) // it may be filled in already
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// importFile imports one sheet.
func importFile(ctx context.Context, std stdio, o *importFlags, name string) (err error) {
	site, err := siteOf(o.dir)
	if err != nil {
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	in := &counted{in: file}
	reader, err := sheet.Open(in, sheet.Options{Sheet: o.sheet})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	pictures, err := openPictures(cmp.Or(o.pictures, filepath.Dir(name)))
	if err != nil {
		return err
	}
	defer pictures.close()
	rows := &rowReader{sheet: reader, pictures: pictures, flags: o}
	if err := rows.prepare(std, site); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	sink, err := openSink(ctx, std, site, o, rows.iface)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.close()) }()
	rows.body = sink.body
	im := &importer{
		std: std, sink: sink, refused: &refusals{input: name, names: rows.header}, dry: o.dry,
		progress: newProgress(std.err, in, sizeOf(file), reader),
	}
	fmt.Fprintf(std.err, "%s：%s → %s（%s），%s\n", name, describeSheet(reader), rows.iface.Name, rows.iface.Title, sink.where)
	return im.run(ctx, rows)
}

func sizeOf(f *os.File) int64 {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return 0
	}
	return st.Size()
}

func describeSheet(r *sheet.Reader) string {
	comma := map[rune]string{',': "，逗号分隔", ';': "，分号分隔", '\t': "，制表符分隔", '|': "，竖线分隔"}[r.Comma]
	return strings.TrimRight(string(r.Kind)+" "+r.Encoding, " ") + comma
}

// importer counts what becomes of rows.
type importer struct {
	std      stdio
	sink     *importSink
	refused  *refusals
	progress *progress
	dry      bool

	accepted, unchanged, ignored, bad, warned int // rows
}

// run sends batch after batch; the next one is made while one is on its way.
func (im *importer) run(ctx context.Context, rows *rowReader) error {
	batches := make(chan *batch, 1)
	ended := make(chan error, 1)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(batches)
		ended <- rows.read(reading, batches)
	}()
	var err error
	for b := range batches {
		// What is on its way is finished, and accounted for, even when a person
		// wants to end.
		if err = im.send(context.WithoutCancel(ctx), b); err != nil {
			break
		}
	}
	stop()
	for range batches { // the reader may wait to give one away
	}
	err = errors.Join(err, <-ended)
	im.progress.end()
	return im.summary(errors.Join(err, im.refused.close()))
}

func (im *importer) send(ctx context.Context, b *batch) error {
	var docs [][]byte
	for n := range b.items {
		docs = append(docs, b.items[n].docs...)
	}
	var taken []proxy.Taken
	if len(docs) > 0 {
		var err error
		if taken, err = im.sink.take(ctx, docs); err != nil {
			return err
		}
	}
	for n := range b.items {
		it := &b.items[n]
		k := len(it.docs)
		if err := im.account(it, taken[:k]); err != nil {
			return err
		}
		taken = taken[k:]
	}
	im.progress.step(im.accepted + im.unchanged + im.ignored + im.bad)
	return nil
}

// account counts the rows of one record.
func (im *importer) account(it *item, taken []proxy.Taken) error {
	wrong := it.wrong
	duplicates, warned := 0, false
	for n, t := range taken {
		if t.Outcome == "full" {
			return fmt.Errorf("第 %d 行存不下：%s", it.rows[0].Line, t.Breaches[0].Text)
		}
		if t.Outcome == "duplicate" {
			duplicates++
		}
		for _, b := range t.Breaches {
			text := reason(it.docs[n], b, im.sink.iface)
			if !b.Warning {
				wrong = append(wrong, text)
			} else if warned = true; im.warned < maxWarnings {
				im.progress.print(fmt.Sprintf("提醒 第 %d 行：%s", it.rows[0].Line, text))
			}
		}
	}
	rows := len(it.rows)
	if warned && len(wrong) == 0 {
		im.warned += rows
	}
	switch {
	case len(wrong) > 0:
		im.bad += rows
		return im.refused.add(it.rows, strings.Join(wrong, "；"))
	case len(taken) == 0:
		im.ignored += rows
	case duplicates == len(taken):
		im.unchanged += rows
	default:
		im.accepted += rows
	}
	return nil
}

// maxWarnings is how many rows' warnings are printed.
const maxWarnings = 20

func (im *importer) summary(err error) error {
	counts := fmt.Sprintf("接受 %d 行，未变 %d 行，拒收 %d 行", im.accepted, im.unchanged, im.bad)
	if im.dry {
		counts = fmt.Sprintf("可以导入 %d 行，拒收 %d 行", im.accepted, im.bad)
	}
	if im.ignored > 0 {
		counts += fmt.Sprintf("，按映射忽略 %d 行", im.ignored)
	}
	if im.warned > 0 {
		counts += fmt.Sprintf("，提醒 %d 行", im.warned)
	}
	if im.refused.name != "" {
		counts += "：" + im.refused.name
	}
	fmt.Fprintf(im.std.out, "%s（用时 %s）\n", counts, im.progress.elapsed().Round(time.Second/10))
	switch {
	case err != nil && errors.Is(err, context.Canceled):
		return errors.New("中断了：再运行一次同样的命令就接着导入，已接受的算“未变”")
	case err != nil:
		return fmt.Errorf("没有导完，改好后再运行一次同样的命令（已接受的算“未变”）：%w", err)
	case im.bad > 0:
		fmt.Fprintf(im.std.out, "改好 %s 里的行（原因在最后一列），再导入这个文件即可\n", im.refused.name)
		return errFindings
	case im.dry && im.accepted > 0:
		fmt.Fprintln(im.std.out, "试运行：什么都没有送出")
	case im.accepted > 0 && im.sink.after != "":
		fmt.Fprintln(im.std.out, im.sink.after)
	}
	return nil
}
