package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tidwall/sjson"

	"yiqiao/transform/columns"
	"yiqiao/transform/sheet"
)

// refusals is the file of what was refused: the columns of the sheet and one
// with the reason, as Excel reads it; of JSON lines the lines with a member for
// it. It stands beside the sheet, and no file is ever written over: a person
// may have begun to mend it.
type refusals struct {
	input string
	names []string // nil: JSON lines
	name  string   // empty: nothing was refused

	file *os.File
	text *bufio.Writer
	csv  *csv.Writer
}

// numbered is the end of the name of an earlier file of refusals.
var numberedRefusals = regexp.MustCompile(`\.refused(\.\d+)?$`)

// add writes the rows of one record.
func (r *refusals) add(rows []sheet.Row, reason string) error {
	if r.file == nil {
		if err := r.create(); err != nil {
			return err
		}
	}
	if r.csv == nil {
		return r.addLines(rows, reason)
	}
	for _, row := range rows {
		cells := make([]string, 0, len(r.names)+1)
		at := -1 // of the reasons of an earlier import
		for n, name := range r.names {
			if name == columns.Reasons {
				at = n
			}
			cell := ""
			if n < len(row.Cells) {
				cell = columns.Protect(row.Cells[n])
			}
			cells = append(cells, cell)
		}
		where := fmt.Sprintf("第 %d 行：%s", row.Line, reason)
		if at >= 0 {
			cells[at] = where
		} else {
			cells = append(cells, where)
		}
		cells = append(cells, row.Cells[min(len(r.names), len(row.Cells)):]...) // what stood beyond the columns
		if err := r.csv.Write(cells); err != nil {
			return err
		}
	}
	return nil
}

func (r *refusals) addLines(rows []sheet.Row, reason string) error {
	for _, row := range rows {
		line, err := sjson.SetBytes(row.Raw, columns.Reasons, fmt.Sprintf("第 %d 行：%s", row.Line, reason))
		if err != nil || row.Names == nil {
			line = row.Raw // no object: it has no place for a reason
		}
		if _, err := r.text.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// create finds a name that nobody has: people.refused.csv, people.refused.2.csv.
func (r *refusals) create() error {
	base := strings.TrimSuffix(r.input, filepath.Ext(r.input))
	base = numberedRefusals.ReplaceAllString(base, "")
	ext := ".csv"
	if r.names == nil {
		ext = ".jsonl"
	}
	for n := 1; ; n++ {
		name := base + ".refused" + ext
		if n > 1 {
			name = fmt.Sprintf("%s.refused.%d%s", base, n, ext)
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // people stand in it
		if errors.Is(err, os.ErrExist) && n < 10_000 {
			continue
		}
		if err != nil {
			return fmt.Errorf("拒收的行写不下来：%w", err)
		}
		r.file, r.name, r.text = f, name, bufio.NewWriter(f)
		break
	}
	if r.names == nil {
		return nil
	}
	if _, err := r.text.WriteString("\uFEFF"); err != nil {
		return err
	}
	r.csv = csv.NewWriter(r.text)
	r.csv.UseCRLF = true
	head := r.names
	for n := range head {
		head[n] = sheet.Trim(head[n])
	}
	if !strings.Contains("\x00"+strings.Join(head, "\x00")+"\x00", "\x00"+columns.Reasons+"\x00") {
		head = append(head[:len(head):len(head)], columns.Reasons)
	}
	return r.csv.Write(head)
}

func (r *refusals) close() error {
	if r.file == nil {
		return nil
	}
	var errs []error
	if r.csv != nil {
		r.csv.Flush()
		errs = append(errs, r.csv.Error())
	}
	return errors.Join(append(errs, r.text.Flush(), r.file.Close())...)
}
