// Package columns makes records of the rows of a sheet: it knows which column
// is which field of an interface, and what people write in cells where the
// standard wants a code, a date or a number.
//
// A column is named by the standard's field name or its Chinese label, with or
// without a remark (性别代码（ZD004）, 姓名*); a cell of a dictionary's field
// holds a code or a label. A list of the record (jzxxList of rk) has columns
// with a number: 房屋编码1, 房屋编码2; and rows of one person that follow each
// other are one record, with the homes of all of them.
//
// The package is pure. What it tells is Chinese.
package columns

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/width"

	"yiqiao/transform"
	"yiqiao/transform/sheet"
	"yiqiao/transform/spec"
)

// Reasons is the column that a file of refusals has in addition. It is ignored.
const Reasons = "拒收原因"

// maxElements bounds the objects of a list in one row.
const maxElements = 99

// Columns says which field each column of a sheet is. It is for one goroutine.
type Columns struct {
	iface    *spec.Interface
	names    []string
	slots    []slot // parallel to names
	identity []int  // columns that tell one record from another; nil: the interface has no list
	elements int    // of the list in one row
	date1904 bool
	pictures Pictures
	codes    map[code]string // of labels that were looked up
}

type code struct {
	dict  *spec.Dict
	label string
}

// slot is what a column is for. field nil: for nothing.
type slot struct {
	field   *spec.Field
	index   int // in the interface's fields; of a list's field: of the list
	sub     int // in the list's fields; -1: it is no list's
	element int // of the list, from 0
}

// Pictures returns the bytes of a picture that a cell names. The error is for
// a person.
type Pictures func(name string) ([]byte, error)

// Options of Match.
type Options struct {
	Skip     []string // columns that are for nothing
	Date1904 bool     // numbers of days count from 1904
	Pictures Pictures // nil: a cell holds Base64
	// Partial: required columns may be missing, the rows say so themselves.
	Partial bool
}

// Match finds the field of each column. All that is wrong is told at once, one
// line each.
func Match(i *spec.Interface, names []string, o Options) (*Columns, error) {
	c := &Columns{iface: i, names: names, date1904: o.Date1904, pictures: o.Pictures, codes: map[code]string{}}
	k := keysOf(i)
	var wrong []string
	seen := map[slot]string{}
	for n, name := range names {
		name = sheet.Trim(name)
		s, ok := k.find(name)
		switch {
		case name == "" || name == Reasons || slices.Contains(o.Skip, name):
			s = slot{}
		case !ok:
			wrong = append(wrong, fmt.Sprintf("第 %d 列 %q 不是 %s（%s）的属性%s；不需要的列用 -skip %q", n+1, name, i.Name, i.Title, k.meant(name), name))
		case seen[s] != "":
			wrong = append(wrong, fmt.Sprintf("第 %d 列 %q 与列 %q 是同一个属性 %s：只留一列", n+1, name, seen[s], s.field.Path))
		default:
			seen[s] = name
		}
		c.slots = append(c.slots, s)
		c.elements = max(c.elements, s.element+1)
	}
	if !o.Partial {
		wrong = append(wrong, c.missing()...)
	}
	if len(wrong) > 0 {
		return nil, sheet.Error(strings.Join(wrong, "\n"))
	}
	c.identify()
	return c, nil
}

// missing tells required fields without a column.
func (c *Columns) missing() []string {
	var list []string
	for f := range c.iface.All {
		if f.Type == spec.List || f.Need != spec.Required || f.Severity(spec.RuleRequired) != spec.Error {
			continue
		}
		if !slices.ContainsFunc(c.slots, func(s slot) bool { return s.field == f }) {
			list = append(list, fmt.Sprintf("缺少必填的列：%s（%s）", f.Label, f.Path))
		}
	}
	return list
}

// identify finds the columns that rows of one record share.
func (c *Columns) identify() {
	if !slices.ContainsFunc(c.iface.Fields, func(f spec.Field) bool { return f.Type == spec.List }) {
		return
	}
	for _, index := range c.iface.Identity {
		n := slices.IndexFunc(c.slots, func(s slot) bool { return s.field == &c.iface.Fields[index] })
		if n < 0 {
			c.identity = nil
			return
		}
		c.identity = append(c.identity, n)
	}
}

// Key of a row: rows with the same key belong to one record. Empty: the row
// stands alone.
func (c *Columns) Key(cells []string) string {
	if c.identity == nil {
		return ""
	}
	var b strings.Builder
	for _, n := range c.identity {
		cell := sheet.Trim(at(cells, n))
		if cell == "" {
			return ""
		}
		b.WriteString(cell)
		b.WriteByte(0)
	}
	return b.String()
}

func at(cells []string, n int) string {
	if n < len(cells) {
		return cells[n]
	}
	return ""
}

// keys find fields by what people call them.
type keys struct {
	iface *spec.Interface
	slots map[string]slot
}

func keysOf(i *spec.Interface) *keys {
	k := &keys{i, map[string]slot{}}
	var short []slot
	add := func(name string, s slot) {
		if name = strings.ToLower(plain(name)); name == "" {
			return
		}
		if other, ok := k.slots[name]; ok && other.field != s.field {
			s = slot{} // two fields share it: it says nothing
		}
		k.slots[name] = s
	}
	for n := range i.Fields {
		f := &i.Fields[n]
		if f.Type != spec.List {
			s := slot{f, n, -1, 0}
			add(f.Name, s)
			add(f.Label, s)
			add(remark.ReplaceAllString(plain(f.Label), ""), s) // 详细地址（户籍地址）
			short = append(short, s)
			continue
		}
		list := listLabel(f)
		for m := range f.Fields {
			s := slot{&f.Fields[m], n, m, 0}
			for _, name := range []string{s.field.Name, s.field.Label, f.Name + "." + s.field.Name, list + s.field.Label, list + "." + s.field.Label} {
				add(name, s)
			}
			short = append(short, s)
		}
	}
	// 性别 for 性别代码, where nothing else is called so.
	for _, s := range short {
		for _, ending := range []string{"代码", "编码"} {
			name, ok := strings.CutSuffix(plain(s.field.Label), ending)
			if _, taken := k.slots[strings.ToLower(name)]; ok && name != "" && !taken {
				add(name, s)
			}
		}
	}
	return k
}

// listLabel is 居住信息 of 居住信息列表.
func listLabel(f *spec.Field) string { return strings.TrimSuffix(f.Label, "列表") }

// plain is a name in the forms that do not matter taken out: width, blanks.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if sheet.Trim(string(r)) == "" {
			return -1
		}
		return r
	}, width.Fold.String(s))
}

var (
	remark   = regexp.MustCompile(`\([^()]*[^()\d][^()]*\)|\[[^\[\]]*[^\[\]\d][^\[\]]*\]|【[^【】]*】|[*:]`)
	numbered = regexp.MustCompile(`^(.*?)(?:\[(\d{1,3})\]\.?|\.(\d{1,3})\.)(.+)$`) // jzxxList[0].fwbm
	ending   = regexp.MustCompile(`^(.+?)[-_.(]?(\d{1,3})\)?$`)                    // 房屋编码2
	middle   = regexp.MustCompile(`^(\D+)(\d{1,3})[-_.]?(\D+)$`)                   // 居住信息2房屋编码
)

// find finds the slot of a column's name.
func (k *keys) find(name string) (slot, bool) {
	name = strings.ToLower(plain(name))
	if s, ok := k.element(name); ok {
		return s, true
	}
	return k.element(remark.ReplaceAllString(name, ""))
}

func (k *keys) element(name string) (slot, bool) {
	if s := k.slots[name]; s.field != nil {
		return s, true
	}
	if m := numbered.FindStringSubmatch(name); m != nil {
		return k.nth(m[1]+"."+m[4], m[2]+m[3], 0)
	}
	if m := ending.FindStringSubmatch(name); m != nil {
		return k.nth(m[1], m[2], 1)
	}
	if m := middle.FindStringSubmatch(name); m != nil {
		return k.nth(m[1]+m[3], m[2], 1)
	}
	return slot{}, false
}

// nth is the slot of a list's field in the element number counts, from first.
func (k *keys) nth(name, number string, first int) (slot, bool) {
	s := k.slots[name]
	n, err := strconv.Atoi(number)
	if n -= first; s.field == nil || s.sub < 0 || err != nil || n < 0 || n >= maxElements {
		return slot{}, false
	}
	s.element = n
	return s, true
}

// meant names the field that a name is near to.
func (k *keys) meant(name string) string {
	name = strings.ToLower(remark.ReplaceAllString(plain(name), ""))
	var names []string
	for f := range k.iface.All {
		if f.Type != spec.List {
			names = append(names, f.Name, f.Label)
		}
	}
	near := ""
	for _, n := range transform.Nearest(name, names) {
		if strings.ContainsAny(strings.ToLower(n), name) { // two labels of two characters are near in nothing
			near = n
			break
		}
	}
	if near == "" {
		return ""
	}
	for f := range k.iface.All {
		if f.Name == near || f.Label == near {
			return fmt.Sprintf("，是不是 %s（%s）？", f.Label, f.Path)
		}
	}
	return ""
}
