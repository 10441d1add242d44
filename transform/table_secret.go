package transform

import (
	"encoding/csv"
	"strings"
)

// secretColumn tells whether a column holds passwords.
func secretColumn(name string) bool { return strings.ToLower(name) == "password" }

// Credentials are those with which a device of the source's table is called:
// its cells user and password; empty if it has none.
func (s *Source) Credentials(id string) (user, password string) {
	row := s.devices.exact(id)
	if row == nil {
		return "", ""
	}
	user, _ = row.cells["user"].(string)
	return user, row.secret["password"]
}

// hide takes the cells of secret columns out of the lines that problems show.
func (t *Table) hide(f *file, r *csv.Reader, cells []string) {
	for i, c := range cells {
		if c == "" || i >= len(t.Columns) || !secretColumn(t.Columns[i]) {
			continue
		}
		number, col := r.FieldPos(i)
		if number > len(f.lines) {
			continue
		}
		text := f.lines[number-1]
		at := min(col-1, len(text))
		if n := strings.Index(text[at:], c); n >= 0 {
			at += n
			f.lines[number-1] = text[:at] + strings.Repeat("*", len(c)) + text[at+len(c):]
		} else {
			f.lines[number-1] = text[:at] + "***" // quoted in some way
		}
	}
}
