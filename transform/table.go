package transform

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Table is a table of the site: devices, people. Its first column holds the
// ids by which a row is found, several of them separated by "|".
type Table struct {
	Name    string
	File    string
	Columns []string
	rows    map[string]*tableRow // by each id
	count   int
}

// Row is one row by column. An empty cell is a missing value: it has no entry.
type Row = map[string]any

// lacks tells whether a column is certainly not there: of a table that could
// not be read that is said once, not for each use.
func (t *Table) lacks(column string) bool {
	return t.Columns != nil && !slices.Contains(t.Columns, column)
}

type tableRow struct {
	id    string // by which it was found
	cells Row
}

// Len is the number of rows.
func (t *Table) Len() int { return t.count }

// Row finds a row by one of its ids, whatever its case; nil if there is none.
func (t *Table) Row(id string) Row {
	if r := t.find(id); r != nil {
		return r.cells
	}
	return nil
}

func (t *Table) find(id string) *tableRow {
	if t == nil {
		return nil
	}
	if r, ok := t.rows[id]; ok {
		return r
	}
	return t.rows[strings.ToLower(strings.TrimSpace(id))]
}

// excelNumber is what Excel makes of a 20-digit code that it took for a number.
var excelNumber = regexp.MustCompile(`^\d(\.\d+)?[eE]\+\d+$`)

// ParseTable reads a CSV file as Excel saves it: UTF-8 with or without a byte
// order mark, or GBK; separated by comma, semicolon or tab. Lines that begin
// with # are comments.
func ParseTable(name, fileName string, data []byte) (*Table, Problems) {
	var ps Problems
	t := &Table{Name: name, File: fileName, rows: map[string]*tableRow{}}
	f := &file{name: fileName, problems: &ps}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	if bytes.IndexByte(data, 0) >= 0 {
		// A workbook (.xlsx), or Excel's "Unicode text".
		f.add(Problem{Rule: "encoding", Text: "the table is neither UTF-8 nor GBK", Hint: "in Excel, save it as \"CSV UTF-8\""})
		return t, ps
	}
	if !utf8.Valid(data) {
		text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
		if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
			f.add(Problem{Rule: "encoding", Text: "the table is neither UTF-8 nor GBK", Hint: "in Excel, save it as \"CSV UTF-8\""})
			return t, ps
		}
		data = text
	}
	f.lines = strings.Split(string(data), "\n")
	t.read(f, data)
	return t, ps
}

func (t *Table) read(f *file, data []byte) {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace = '#', -1, true
	first, _, _ := bytes.Cut(data, []byte("\n"))
	for _, sep := range "\t;" {
		if !bytes.ContainsRune(first, ',') && bytes.ContainsRune(first, sep) {
			r.Comma = sep
		}
	}
	seen := map[string]int{}
	for {
		cells, err := r.Read()
		if err == io.EOF {
			break
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			f.add(Problem{Place: Place{f.name, parse.Line, parse.Column}, Rule: "csv", Text: "unreadable CSV: " + parse.Err.Error()})
			return
		}
		if err != nil {
			f.add(Problem{Rule: "csv", Text: "unreadable CSV: " + err.Error()})
			return
		}
		line, _ := r.FieldPos(0)
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if t.Columns == nil {
			t.header(f, line, cells)
			continue
		}
		if strings.Join(cells, "") != "" {
			t.add(f, line, cells, seen)
		}
	}
	if t.Columns == nil {
		f.add(Problem{Place: Place{f.name, 1, 1}, Rule: "csv", Text: "the table is empty", Hint: "its first line names the columns: id,name,…"})
	}
}

func (t *Table) header(f *file, line int, cells []string) {
	for i, c := range cells {
		if c == "" && i < len(cells)-1 || slices.Contains(cells[:i], c) {
			f.add(Problem{Place: Place{f.name, line, 1}, Rule: "csv", Text: fmt.Sprintf("column %d: want a name of its own, got %q", i+1, c)})
		}
	}
	t.Columns = cells
}

func (t *Table) add(f *file, line int, cells []string, seen map[string]int) {
	if len(cells) > len(t.Columns) {
		f.add(Problem{Place: Place{f.name, line, 1}, Rule: "csv", Text: fmt.Sprintf("the row has %d cells, the table %d columns", len(cells), len(t.Columns)), Hint: "a cell that holds a comma stands in double quotes"})
		return
	}
	row := Row{}
	for i, c := range cells {
		if excelNumber.MatchString(c) {
			f.add(Problem{Place: Place{f.name, line, 1}, Rule: "excel-number", Text: fmt.Sprintf("column %q holds %q: Excel took a code for a number and lost its digits", t.Columns[i], c), Hint: "format the column as text (文本) and enter the code again"})
		}
		if c != "" {
			row[t.Columns[i]] = c
		}
	}
	if cells[0] == "" {
		f.add(Problem{Place: Place{f.name, line, 1}, Rule: "csv", Text: fmt.Sprintf("the row has no %s", t.Columns[0])})
		return
	}
	t.count++
	for _, id := range strings.Split(cells[0], "|") {
		name := strings.TrimSpace(id)
		id = strings.ToLower(name)
		if id == "" {
			continue
		}
		if other, ok := seen[id]; ok && other != line {
			f.add(Problem{Place: Place{f.name, line, 1}, Rule: "duplicate-id", Text: fmt.Sprintf("%s %q stands in line %d already", t.Columns[0], id, other)})
			continue
		}
		seen[id] = line
		t.rows[id] = &tableRow{name, row}
	}
}
