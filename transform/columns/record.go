package columns

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"yiqiao/transform/event"
	"yiqiao/transform/sheet"
	"yiqiao/transform/spec"
)

// Record appends to dst the record that rows of one Key make, as JSON with the
// standard's own names: the event that an import is. wrong are reasons why it
// cannot be made, in Chinese, each with its column.
func (c *Columns) Record(dst []byte, rows [][]string) (doc []byte, wrong []string) {
	m := maker{Columns: c, doc: append(dst, '{'), single: make([]string, len(c.iface.Fields))}
	for n, cells := range rows {
		m.row(n, cells)
	}
	for n := range c.iface.Fields {
		if f := &c.iface.Fields[n]; f.Type == spec.List {
			m.objectsOf(f, n)
		} else if m.single[n] != "" {
			m.member(f, m.single[n])
		}
	}
	return append(m.doc, '}'), m.wrong
}

// maker makes one record.
type maker struct {
	*Columns
	doc    []byte
	single []string // values of the fields that are no lists
	// objects of the list with index list: values parallel to its fields.
	objects [][]string
	list    int
	wrong   []string
}

func (m *maker) tell(column int, format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf("列“%s”：", sheet.Trim(m.names[column]))+fmt.Sprintf(format, args...))
}

// row takes the cells of the nth row.
func (m *maker) row(nth int, cells []string) {
	if len(cells) > len(m.slots) && sheet.Trim(strings.Join(cells[len(m.slots):], "")) != "" {
		m.wrong = append(m.wrong, fmt.Sprintf("这一行有 %d 格，表头只有 %d 列：含逗号的单元格要用双引号括起来", len(cells), len(m.slots)))
		return
	}
	objects := make([][]string, m.elements)
	for n := range m.slots {
		s := &m.slots[n]
		if s.field == nil {
			if sheet.Trim(m.names[n]) == "" && sheet.Trim(at(cells, n)) != "" {
				m.wrong = append(m.wrong, fmt.Sprintf("第 %d 列有内容，却没有列名：请写上列名，或删掉这一列（表头不能是合并的单元格）", n+1))
			}
			continue
		}
		text, wrong := Text(at(cells, n))
		if text == "" {
			continue
		}
		if wrong == "" && s.field.Format != spec.GF005 {
			text, wrong = m.value(s.field, text)
		}
		switch {
		case wrong != "":
			m.tell(n, "%s", wrong)
		case s.sub >= 0:
			if objects[s.element] == nil {
				objects[s.element] = make([]string, len(m.iface.Fields[s.index].Fields))
			}
			objects[s.element][s.sub], m.list = text, s.index
		case nth == 0:
			m.single[s.index] = text
		case m.single[s.index] != text:
			m.tell(n, "与上一行是同一个%s，这一格却不同：同一条记录的各行除了%s以外要一样", m.identityLabel(), m.ListLabel())
		}
	}
	for _, o := range objects {
		if o != nil {
			m.objects = append(m.objects, o)
		}
	}
}

// identityLabel names what tells records apart: 证件号码.
func (c *Columns) identityLabel() string {
	return c.iface.Fields[c.iface.Identity[len(c.iface.Identity)-1]].Label
}

// ListLabel names the list that several rows of one record may have: 居住信息.
func (c *Columns) ListLabel() string {
	for n := range c.iface.Fields {
		if f := &c.iface.Fields[n]; f.Type == spec.List {
			return listLabel(f)
		}
	}
	return ""
}

func (m *maker) name(name string) {
	if last := m.doc[len(m.doc)-1]; last != '{' {
		m.doc = append(m.doc, ',')
	}
	m.doc = append(append(append(m.doc, '"'), name...), '"', ':')
}

func (m *maker) member(f *spec.Field, text string) {
	m.name(f.Name)
	switch {
	case f.Format == spec.GF005:
		m.picture(f, text)
	case f.Type == spec.Integer && integer(text):
		m.doc = append(m.doc, text...)
	default:
		m.doc = event.AppendString(m.doc, text)
	}
}

// integer tells a text that is the same as a number of JSON.
func integer(s string) bool {
	return digits(s) && len(s) < 16 && (s == "0" || s[0] != '0')
}

func (m *maker) objectsOf(f *spec.Field, index int) {
	if len(m.objects) == 0 || m.list != index {
		return
	}
	m.name(f.Name)
	m.doc = append(m.doc, '[')
	for n, o := range m.objects {
		if n > 0 {
			m.doc = append(m.doc, ',')
		}
		m.doc = append(m.doc, '{')
		for k, text := range o {
			if text != "" {
				m.member(&f.Fields[k], text)
			}
		}
		m.doc = append(m.doc, '}')
	}
	m.doc = append(m.doc, ']')
}

// picture writes the Base64 of a picture that a cell names, or holds.
func (m *maker) picture(f *spec.Field, text string) {
	if IsBase64(text) || m.pictures == nil {
		m.doc = event.AppendString(m.doc, text)
		return
	}
	data, err := m.pictures(text)
	if err != nil {
		m.doc = append(m.doc, "null"...)
		m.wrong = append(m.wrong, fmt.Sprintf("列“%s”：%v", f.Label, err))
		return
	}
	m.doc = append(m.doc, '"')
	m.doc = base64.StdEncoding.AppendEncode(m.doc, data)
	m.doc = append(m.doc, '"')
}

// IsBase64 tells a picture in a cell from the name of its file.
func IsBase64(s string) bool {
	if strings.HasPrefix(s, "data:image/") {
		return true
	}
	if len(s) < 16 || len(s)%4 != 0 {
		return false
	}
	head, err := base64.StdEncoding.DecodeString(s[:min(len(s), 64)])
	return err == nil && event.PictureType(head) != ""
}

// Reason is what a person is told of a violation: what the standard says, and
// where Excel is probably to blame, that.
func Reason(rule, text string, f *spec.Field, value string) string {
	if rule == spec.RuleLength && f != nil && f.Min == f.Max && digits(value) && len(value) < f.Min {
		return text + "（少了 " + strconv.Itoa(f.Min-len(value)) + " 位：如果是前面的 0 没有了，" + asText + "）"
	}
	return text
}
