package transform

import (
	"encoding/csv"
	"strings"
)

// secretColumn tells whether a column holds passwords.
func secretColumn(name string) bool { return strings.ToLower(name) == "password" }

// Credentials are those with which a device is called: the cells user and
// password of its row; empty if it has none. id is the one by which the source
// found the device, or, for sources that find none, the code that a record
// gives it.
func (r *Rules) Credentials(source, id string) (user, password string) {
	t := r.tables["devices"]
	if s := r.Source(source); s != nil && s.devices != nil {
		t = s.devices
	}
	row := t.exact(id)
	if row == nil {
		row = t.holding(id)
	}
	if row == nil {
		return "", ""
	}
	user, _ = row.cells["user"].(string)
	return user, row.secret["password"]
}

// holding is the first row that holds a value in some cell.
func (t *Table) holding(value string) (first *tableRow) {
	if t == nil || value == "" {
		return nil
	}
	for _, row := range t.rows {
		for _, cell := range row.cells {
			if cell == value && (first == nil || row.line < first.line) {
				first = row
			}
		}
	}
	return first
}

// hide takes the cells of secret columns out of the lines that problems show.
func (t *Table) hide(f *file, r *csv.Reader, cells []string) {
	for i, c := range cells {
		if c == "" || i >= len(t.Columns) || !secretColumn(t.Columns[i]) {
			continue
		}
		number, col := r.FieldPos(i)
		f.hide(number, col, c)
	}
}

// hide takes a text that begins at a column (in bytes, from 1) or soon behind
// it out of a line.
func (f *file) hide(number, col int, secret string) {
	if number < 1 || number > len(f.lines) {
		return
	}
	text := f.lines[number-1]
	at := max(0, min(col-1, len(text)))
	if n := strings.Index(text[at:], secret); n >= 0 {
		at += n
		f.lines[number-1] = text[:at] + strings.Repeat("*", len(secret)) + text[at+len(secret):]
	} else {
		f.lines[number-1] = text[:at] + "***" // quoted in some way
	}
}
