package transform

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"yiqiao/transform/message"
)

// DeviceRow is a row of a device table, with its place for messages.
type DeviceRow struct {
	ID    string // the first of its ids
	Cells Row
	place Place
}

// Problem says that something is wrong in the row.
func (r DeviceRow) Problem(m message.Message) Problem { return Problem{Place: r.place, Message: m} }

// Devices is the table that the source finds its devices in; nil: none.
func (s *Source) Devices() *Table { return s.devices }

// DeviceRows are the rows of a table with one key column, as they stand in its
// file.
func (t *Table) DeviceRows() []DeviceRow {
	if t == nil || len(t.Key) != 1 {
		return nil
	}
	byLine := map[int]*tableRow{}
	for _, r := range t.rows {
		byLine[r.line] = r
	}
	list := make([]DeviceRow, 0, len(byLine))
	for _, r := range byLine {
		key, _ := r.cells[t.Key[0]].(string)
		id, _, _ := strings.Cut(key, "|")
		list = append(list, DeviceRow{strings.TrimSpace(id), r.cells, Place{t.File, r.line, 1}})
	}
	slices.SortFunc(list, func(a, b DeviceRow) int { return cmp.Compare(a.place.Line, b.place.Line) })
	return list
}

// SameSecrets tells whether the rows of both rules' tables hold the same
// passwords. They are no part of Digest, which is shown.
func (r *Rules) SameSecrets(o *Rules) bool {
	return maps.EqualFunc(r.tables, o.tables, func(a, b *Table) bool {
		return maps.EqualFunc(a.rows, b.rows, func(x, y *tableRow) bool { return maps.Equal(x.secret, y.secret) })
	})
}
