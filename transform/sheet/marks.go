package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"io"
	"path"
	"strings"

	"github.com/xuri/excelize/v2"
)

// marks are what the cells' values do not show. A list of rows is bounded: a
// sheet that is one merged block says so for its first rows.
type marks struct {
	merged    map[int][]string // ranges that take a row's values away
	uncounted map[int][]string // cells whose formula has no value
	last      int              // row
}

const maxMarks = 200_000

// readMarks walks through the XML of a worksheet once, in a stream: excelize
// has these things only for a sheet that it holds in memory as a whole.
func readMarks(data []byte, name string, most int64) (*marks, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, errorf("工作簿已损坏：%v", err)
	}
	part := sheetPart(z, name, most)
	f, err := z.Open(part)
	if err != nil {
		return nil, errorf("工作簿里找不到工作表 %q 的内容：请在 Excel 里打开、另存一次", name)
	}
	defer f.Close()
	m := &marks{merged: map[int][]string{}, uncounted: map[int][]string{}}
	if err := m.read(io.LimitReader(f, most)); err != nil {
		return nil, errorf("工作表 %q 已损坏（%v）：请在 Excel 里打开、另存一次", name, err)
	}
	return m, nil
}

// sheetPart finds the part of a worksheet by its name.
func sheetPart(z *zip.Reader, name string, most int64) string {
	var book struct {
		Sheets []struct {
			Name string `xml:"name,attr"`
			ID   string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	var rels struct {
		Relationship []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
		}
	}
	decodePart(z, "xl/workbook.xml", most, &book)
	decodePart(z, "xl/_rels/workbook.xml.rels", most, &rels)
	for _, s := range book.Sheets {
		for _, r := range rels.Relationship {
			if s.Name == name && s.ID == r.ID {
				if target, absolute := strings.CutPrefix(r.Target, "/"); absolute {
					return target
				}
				return path.Join("xl", r.Target)
			}
		}
	}
	return ""
}

// decodePart leaves v as it is if the part is not there or damaged: then no
// sheet is found, and that is told.
func decodePart(z *zip.Reader, name string, most int64, v any) {
	f, err := z.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	_ = xml.NewDecoder(io.LimitReader(f, most)).Decode(v)
}

func (m *marks) read(in io.Reader) error {
	d := xml.NewDecoder(in)
	var ref string
	var formula, value bool
	inside := "" // v, t
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside = t.Name.Local
			switch t.Name.Local {
			case "c":
				ref, formula, value = attr(t, "r"), false, false
			case "f":
				formula = true
			case "mergeCell":
				m.merge(attr(t, "ref"))
			}
		case xml.CharData:
			value = value || (inside == "v" || inside == "t")
		case xml.EndElement:
			inside = ""
			if t.Name.Local == "c" {
				m.cell(ref, formula && !value)
			}
		}
	}
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (m *marks) cell(ref string, uncounted bool) {
	row := rowOf(ref)
	m.last = max(m.last, row)
	if uncounted && row > 0 && len(m.uncounted) < maxMarks {
		m.uncounted[row] = append(m.uncounted[row], ref)
	}
}

// rowOf "B12" is 12; 0 of what is no name of a cell.
func rowOf(ref string) int {
	n := 0
	for _, c := range strings.TrimLeft(ref, "$ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		if c < '0' || c > '9' || n > excelize.TotalRows {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// merge marks the rows that a merged range takes values from: all but the
// first, and that too if the range is wider than a column.
func (m *marks) merge(ref string) {
	from, to, ok := strings.Cut(ref, ":")
	if !ok {
		return
	}
	top, bottom := rowOf(from), rowOf(to)
	if top == 0 || bottom < top {
		return
	}
	if strings.TrimRight(from, "$0123456789") == strings.TrimRight(to, "$0123456789") {
		top++
	}
	for row := top; row <= bottom && len(m.merged) < maxMarks; row++ {
		m.merged[row] = append(m.merged[row], ref)
	}
}
