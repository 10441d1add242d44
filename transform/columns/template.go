package columns

import (
	"encoding/csv"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/xuri/excelize/v2"

	"yiqiao/transform"
	"yiqiao/transform/spec"
)

// Template is an empty sheet of an interface: labels, a line that shows how it
// is filled in, and notes that a reader passes over.
type Template struct {
	Header, Example []string
	Notes           []string // each begins with #

	fields []*spec.Field // parallel to Header
}

// homes is how many objects of a list a template has columns for.
const homes = 2

// TemplateOf makes the template of an interface from the standard's own
// example.
func TemplateOf(i *spec.Interface) Template {
	var t Template
	k := keysOf(i)
	example := gjson.ParseBytes(i.Examples[0].Document())
	var picture, date bool
	add := func(s slot, suffix string, v gjson.Result) {
		f := s.field
		name := f.Label
		if found, ok := k.find(name + suffix); !ok || found != s {
			name = f.Name
		}
		if f.Need == spec.Required && s.element == 0 {
			suffix += "*"
		}
		cell := v.String()
		switch {
		case f.Format == spec.GF005 && cell != "":
			cell = f.Name + ".jpg"
		case f.Dict != nil:
			cell = labelOf(f.Dict, cell)
		}
		picture = picture || f.Format == spec.GF005
		date = date || f.Format == spec.GF003
		t.Header, t.Example, t.fields = append(t.Header, name+suffix), append(t.Example, cell), append(t.fields, f)
	}
	t.Notes = append(t.Notes,
		"# 上面一行是示例：填写前请删掉，从第 2 行填起。带 * 的列必填；不用的列可以删，列的顺序随意，列名也可以写规范的属性名。",
		"# 编码、证件号码、手机号要是“文本”格式，否则 Excel 会丢掉后几位或前面的 0；用 yiqiao import -template "+i.Name+" 表.xlsx 得到的表已经设好。",
		"# 代码列写代码或字典里的名称都行（yiqiao spec 可查）。以 # 开头的行不导入。")
	for n := range i.Fields {
		f := &i.Fields[n]
		if f.Type != spec.List {
			add(slot{f, n, -1, 0}, "", example.Get(f.Name))
			continue
		}
		for element := range homes {
			for m := range f.Fields {
				at := f.Name + "." + strconv.Itoa(element) + "." + f.Fields[m].Name
				add(slot{&f.Fields[m], n, m, element}, strconv.Itoa(element+1), example.Get(at))
			}
		}
		t.Notes = append(t.Notes, "# "+listLabel(f)+"有多处时：往右加列（"+f.Fields[0].Label+"3、"+f.Fields[0].Label+"4……），或者写成相邻的几行，其余各格照抄。")
	}
	if picture {
		t.Notes = append(t.Notes, "# 照片列写文件名，照片放在表的同一个文件夹，或用 -pictures 指定文件夹。")
	}
	if date {
		t.Notes = append(t.Notes, "# 日期写成 2026-01-02 或 2026/1/2。")
	}
	return t
}

// labelOf is the label of a code, if the label leads back to it.
func labelOf(d *spec.Dict, code string) string {
	label, ok := d.Label(code)
	if found := transform.Entries(d, label); ok && len(found) == 1 && found[0].Code == code {
		return label
	}
	return code
}

// CSV writes it as Excel reads it: UTF-8 with a byte order mark.
func (t *Template) CSV(w io.Writer) error {
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	example := make([]string, len(t.Example))
	for n, cell := range t.Example {
		example[n] = Protect(cell)
	}
	_ = c.Write(t.Header)
	_ = c.Write(example)
	for _, note := range t.Notes {
		_ = c.Write([]string{note})
	}
	c.Flush()
	return c.Error()
}

// number is what Excel would take for one, and change: long digits, zeros in
// front.
var number = regexp.MustCompile(`^(0\d+|\d{12,})$`)

// Protect writes a cell of CSV so that Excel keeps its digits: as ="0123",
// which Text reads.
func Protect(cell string) string {
	if number.MatchString(cell) {
		return `="` + cell + `"`
	}
	return cell
}

// XLSX writes it as a workbook whose columns are texts, so that Excel leaves
// what is entered as it is; columns of short dictionaries offer their labels.
func (t *Template) XLSX(w io.Writer) error {
	f := excelize.NewFile()
	defer f.Close()
	const name = "Sheet1"
	text, err := f.NewStyle(&excelize.Style{NumFmt: 49}) // @
	if err != nil {
		return err
	}
	head, err := f.NewStyle(&excelize.Style{NumFmt: 49, Font: &excelize.Font{Bold: true}})
	if err != nil {
		return err
	}
	for n := range t.Header {
		column, err := excelize.ColumnNumberToName(n + 1)
		if err != nil {
			return err
		}
		for _, err := range []error{
			f.SetColStyle(name, column, text),
			f.SetColWidth(name, column, column, float64(min(max(len(t.Header[n]), len(t.Example[n]))+2, 40))),
			f.SetCellStr(name, column+"1", t.Header[n]),
			f.SetCellStyle(name, column+"1", column+"1", head),
			f.SetCellStr(name, column+"2", t.Example[n]),
			offer(f, name, column, t.fields[n].Dict),
		} {
			if err != nil {
				return err
			}
		}
	}
	for n, note := range t.Notes {
		if err := f.SetCellStr(name, "A"+strconv.Itoa(n+3), note); err != nil {
			return err
		}
	}
	return f.Write(w)
}

// offer gives a column the labels of its dictionary to choose from; Excel takes
// 255 characters of them. Other values may be entered all the same.
func offer(f *excelize.File, name, column string, d *spec.Dict) error {
	if d == nil || len(d.Entries) == 0 {
		return nil
	}
	var labels []string
	for _, e := range d.Entries {
		labels = append(labels, labelOf(d, e.Code))
	}
	list := strings.Join(labels, ",")
	if len([]rune(list)) > 250 || strings.Count(list, ",") != len(labels)-1 {
		return nil
	}
	v := excelize.NewDataValidation(true)
	v.Sqref = column + "2:" + column + "10000"
	if err := v.SetDropList(labels); err != nil {
		return err
	}
	v.ShowErrorMessage = false
	return f.AddDataValidation(name, v)
}
