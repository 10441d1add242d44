package transform

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"math/bits"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
	"golang.org/x/text/encoding/simplifiedchinese"

	"yiqiao/transform/message"
)

// Table is a table of the site: devices, people. A row is found by its key
// columns, the first one unless the site names others; a key cell holds one id
// or several separated by "|". The id "*" stands for any other.
type Table struct {
	Name    string
	File    string
	Columns []string
	Key     []string // the key columns

	keys  []int // places of the key columns
	rows  map[string]*tableRow
	masks []int // which key columns hold "*" in some row, as bits; 0 is first
	count int
}

const anyID = "*"

// maxKeys is how many key columns a table may have.
const maxKeys = 4

// Row is one row by column. An empty cell is a missing value: it has no entry.
type Row = map[string]any

// lacks tells whether a column is certainly not there: of a table that could
// not be read that is said once, not for each use.
func (t *Table) lacks(column string) bool {
	return t.Columns != nil && (!slices.Contains(t.Columns, column) || secretColumn(column))
}

type tableRow struct {
	id    string // by which it was found
	first string // of its ids: names the row
	cells Row
	line  int // in the table's file
	// secret are the cells of secret columns: no expression sees them, so no
	// trace, message or record can show them.
	secret map[string]string
}

// Len is the number of rows.
func (t *Table) Len() int { return t.count }

// Row finds a row by one id of each key column, whatever their case, or else
// the row of "*"; nil if there is none.
func (t *Table) Row(ids ...string) Row {
	if r := t.find(ids); r != nil {
		return r.cells
	}
	return nil
}

// rowOf is a line of the table's file, to be pasted and filled in, for a thing
// that has these ids.
func (t *Table) rowOf(ids ...string) string {
	cells := make([]string, max(1, len(t.Columns)))
	at := 0
	if len(t.keys) > 0 {
		at = t.keys[0]
	}
	cells[at] = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' ' // a device sent it: it must not end the line
		}
		return r
	}, strings.Join(ids, "|"))
	if strings.ContainsAny(cells[at], `,"`) {
		cells[at] = `"` + strings.ReplaceAll(cells[at], `"`, `""`) + `"`
	}
	return strings.Join(cells, ",")
}

// place of a row in the table's file; of none, that file.
func (t *Table) place(r *tableRow) Place {
	if r == nil {
		return Place{File: t.File}
	}
	return Place{File: t.File, Line: r.line}
}

// find takes the row that names the most ids itself; of two that name as many,
// the one that names the earlier columns.
func (t *Table) find(ids []string) *tableRow {
	if t == nil || len(ids) != len(t.Key) {
		return nil
	}
	if len(ids) == 1 {
		if r := t.exact(ids[0]); r != nil || len(t.masks) == 0 {
			return r
		}
		return t.rows[anyID]
	}
	for _, mask := range t.masks {
		parts := make([]string, len(ids))
		for i, id := range ids {
			if parts[i] = normal(id); mask&(1<<i) != 0 {
				parts[i] = anyID
			}
		}
		if r := t.rows[strings.Join(parts, keyGlue)]; r != nil {
			return r
		}
	}
	return nil
}

// exact finds a row of a table with one key column by an id that it names.
func (t *Table) exact(id string) *tableRow {
	if t == nil || id == anyID {
		return nil
	}
	if r, ok := t.rows[id]; ok {
		return r
	}
	if id = normal(id); id != anyID {
		return t.rows[id]
	}
	return nil
}

const keyGlue = "\x1f"

func normal(id string) string { return strings.ToLower(strings.TrimSpace(id)) }

// excelNumber is what Excel makes of a 20-digit code that it took for a number.
var excelNumber = regexp.MustCompile(`^\d(\.\d+)?[eE]\+\d+$`)

// ParseTable reads a table: a CSV file as Excel saves it (UTF-8 with or without
// a byte order mark, or GBK; separated by comma, semicolon or tab; lines that
// begin with # are comments), or a YAML file with a list of rows. key names the
// key columns; none: the first column.
func ParseTable(name, fileName string, data []byte, key ...string) (*Table, Problems) {
	var ps Problems
	t := &Table{Name: name, File: fileName, Key: key, rows: map[string]*tableRow{}}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	if ext := strings.ToLower(path.Ext(fileName)); ext == ".yaml" || ext == ".yml" {
		t.readYAML(data, &ps)
	} else {
		t.readCSV(data, &ps)
	}
	slices.SortFunc(t.masks, func(a, b int) int {
		return cmp.Or(bits.OnesCount(uint(a))-bits.OnesCount(uint(b)), b-a)
	})
	return t, ps
}

func (t *Table) readCSV(data []byte, ps *Problems) {
	f := &file{name: t.File, problems: ps}
	if bytes.IndexByte(data, 0) >= 0 {
		// A workbook (.xlsx), or Excel's "Unicode text".
		f.add(Problem{Place: Place{f.name, 1, 1}, Message: message.New("table-encoding")})
		return
	}
	if !utf8.Valid(data) {
		text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
		if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
			f.add(Problem{Place: Place{f.name, 1, 1}, Message: message.New("table-encoding")})
			return
		}
		data = text
	}
	f.lines = strings.Split(string(data), "\n")
	t.read(f, data)
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
			p := Problem{Place: Place{f.name, parse.Line, max(1, parse.Column)}, Message: message.New("csv", parse.Err)}
			if errors.Is(parse.Err, csv.ErrQuote) || errors.Is(parse.Err, csv.ErrBareQuote) {
				p.Message = message.New("csv-quote")
				p.Place = Place{f.name, parse.StartLine, 1}
			}
			f.add(p)
			return
		}
		if err != nil {
			f.add(Problem{Place: Place{f.name, 1, 1}, Message: message.New("csv", err)})
			return
		}
		row := line{cells: cells}
		row.number, _ = r.FieldPos(0)
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		row.at = func(i int) Problem {
			number, col := r.FieldPos(i)
			return f.cell(number, col, cells[i])
		}
		if t.Columns == nil {
			t.header(f, row)
			continue
		}
		t.hide(f, r, cells)
		if strings.Join(cells, "") != "" {
			t.add(f, row, seen)
		}
	}
	if t.Columns == nil {
		f.add(Problem{Place: Place{f.name, 1, 1}, Message: message.New("csv-empty")})
	}
}

// line is one row as it stands in a file: its cells, and where each of them
// stands.
type line struct {
	cells  []string
	number int
	at     func(cell int) Problem
}

// problem adds a problem about a cell.
func (l line) problem(f *file, cell int, m message.Message) {
	p := l.at(cell)
	p.Message = m
	f.add(p)
}

// cell is where a CSV cell stands; col counts bytes from 1.
func (f *file) cell(number, col int, text string) Problem {
	p := Problem{Place: Place{f.name, number, col}, width: utf8.RuneCountInString(text)}
	if number <= len(f.lines) {
		before := f.lines[number-1][:min(col-1, len(f.lines[number-1]))]
		p.Col = utf8.RuneCountInString(before) + 1
	}
	return p
}

func (t *Table) header(f *file, l line) {
	for i, c := range l.cells {
		if c == "" && i < len(l.cells)-1 || slices.Contains(l.cells[:i], c) {
			l.problem(f, i, message.New("csv-column", i+1, c))
		}
	}
	t.setColumns(f, l, l.cells)
}

// setColumns finds the key columns. A table whose key is wrong has no rows.
func (t *Table) setColumns(f *file, l line, columns []string) {
	t.Columns = columns
	if len(t.Key) == 0 {
		t.Key = columns[:1]
	}
	if len(t.Key) > maxKeys {
		l.problem(f, 0, message.New("table-keys", t.Name, maxKeys, len(t.Key)))
	}
	for n, k := range t.Key {
		i := slices.Index(columns, k)
		if i < 0 || slices.Contains(t.Key[:n], k) {
			l.problem(f, 0, message.New("table-key-column", t.Name, k, hint(k, columns)))
			continue
		}
		t.keys = append(t.keys, i)
	}
}

// add adds a row; cells are parallel to the columns or fewer.
func (t *Table) add(f *file, l line, seen map[string]int) {
	cells := l.cells
	if len(cells) > len(t.Columns) {
		l.problem(f, len(t.Columns), message.New("csv-cells", len(cells), len(t.Columns)))
		return
	}
	row, secret := Row{}, map[string]string(nil)
	for i, c := range cells {
		if excelNumber.MatchString(c) && !secretColumn(t.Columns[i]) {
			l.problem(f, i, message.New("excel-number", t.Columns[i], c))
		}
		switch {
		case c == "":
		case secretColumn(t.Columns[i]):
			if secret == nil {
				secret = map[string]string{}
			}
			secret[t.Columns[i]] = c
		default:
			row[t.Columns[i]] = c
		}
	}
	if len(t.keys) != len(t.Key) || len(t.Key) > maxKeys {
		return // told already
	}
	keys := []string{""}
	for n, i := range t.keys {
		if i >= len(cells) || cells[i] == "" {
			l.problem(f, min(i, len(cells)-1), message.New("csv-key", t.Columns[i]))
			return
		}
		keys = combine(keys, strings.Split(cells[i], "|"), n > 0)
	}
	t.count++
	for _, name := range keys {
		id := strings.ToLower(name)
		if other, ok := seen[id]; ok && other != l.number {
			l.problem(f, t.keys[0], message.New("duplicate-id", t.Key, strings.ReplaceAll(id, keyGlue, ", "), other))
			continue
		}
		seen[id] = l.number
		t.rows[id] = &tableRow{name, keys[0], row, l.number, secret}
		mask := 0
		for i, part := range strings.Split(id, keyGlue) {
			if part == anyID {
				mask |= 1 << i
			}
		}
		if (mask != 0 || len(t.Key) > 1) && !slices.Contains(t.masks, mask) {
			t.masks = append(t.masks, mask)
		}
	}
}

// combine puts each id behind each of the keys so far.
func combine(keys, ids []string, glue bool) []string {
	var all []string
	for _, k := range keys {
		for _, id := range ids {
			if id = strings.TrimSpace(id); id == "" {
				continue
			}
			if glue {
				id = k + keyGlue + id
			}
			all = append(all, id)
		}
	}
	return all
}

// readYAML reads a list of rows: - {id: cam-1, name: 东门}.
func (t *Table) readYAML(data []byte, ps *Problems) {
	f, root := parseYAML(t.File, data, ps)
	if root == nil {
		return
	}
	list, ok := root.(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		f.at(tokenOf(root), message.New("table-rows", nodeKind(root)))
		return
	}
	var columns []string
	rows := make([][]member, len(list.Values))
	for i, n := range list.Values {
		rows[i] = f.members(n, message.New("a-row"))
		for _, m := range rows[i] {
			if !slices.Contains(columns, m.key) {
				columns = append(columns, m.key)
			}
		}
	}
	if len(columns) == 0 {
		return // told by members
	}
	t.setColumns(f, yamlLine(f, list.Values[0]), columns)
	seen := map[string]int{}
	for i, row := range rows {
		l := yamlLine(f, list.Values[i])
		l.cells = make([]string, len(columns))
		places := make([]*token.Token, len(columns))
		for _, m := range row {
			if _, null := m.value.(*ast.NullNode); !null {
				c := slices.Index(columns, m.key)
				l.cells[c], _ = f.text(m.value, m.key)
				places[c] = m.value.GetToken()
				if secretColumn(m.key) && l.cells[c] != "" {
					f.hide(places[c].Position.Line, places[c].Position.Column, l.cells[c])
				}
			}
		}
		begin := l.at
		l.at = func(cell int) Problem {
			p := begin(0)
			if cell < len(places) && places[cell] != nil {
				f.point(&p, places[cell])
			}
			return p
		}
		t.add(f, l, seen)
	}
}

// yamlLine is a row of a YAML table without its cells.
func yamlLine(f *file, n ast.Node) line {
	var p Problem
	f.point(&p, tokenOf(n))
	return line{number: p.Line, at: func(int) Problem { return p }}
}
