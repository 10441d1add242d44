package columns

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/width"

	"yiqiao/transform"
	"yiqiao/transform/sheet"
	"yiqiao/transform/spec"
)

// What Excel makes of what people enter, and where it cannot be undone.
var (
	exponent  = regexp.MustCompile(`^-?\d(\.\d+)?[eE]\+\d+$`)
	protected = regexp.MustCompile(`^="([^"]*)"$`) // a text that is to stay one
	hashes    = regexp.MustCompile(`^#{3,}$`)
	zeros     = regexp.MustCompile(`^(-?\d+)\.0+$`)
	degrees   = regexp.MustCompile(`^\d{1,3}(\.\d{0,5})?$`)
)

var excelErrors = []string{"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#GETTING_DATA"}

const asText = "请把这一列设为“文本”格式，再重新填写"

// Text is what a cell says, without what Excel or a keyboard put around it;
// wrong says why it says nothing that can be used.
func Text(cell string) (text, wrong string) {
	s := sheet.Trim(cell)
	if m := protected.FindStringSubmatch(s); m != nil {
		s = sheet.Trim(m[1])
	}
	if rest, ok := strings.CutPrefix(s, "'"); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		s = rest // Excel's mark of a text
	}
	if s == "" {
		return "", ""
	}
	// Full-width digits and letters, unless the text is Chinese anyway.
	if s[0] >= utf8.RuneSelf {
		if folded := width.Fold.String(s); ascii(folded) {
			s = sheet.Trim(folded)
		}
	}
	switch {
	case exponent.MatchString(s):
		return s, fmt.Sprintf("%s 是 Excel 把号码当成了数字，后面几位已经丢失：%s", s, asText)
	case hashes.MatchString(s):
		return s, "列太窄，Excel 存成了 ####：请拉宽这一列再保存"
	case slices.Contains(excelErrors, s):
		return s, fmt.Sprintf("公式出错（%s）：请改正公式，或粘贴为“值”", s)
	}
	return s, ""
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// value is a cell's text as its field wants it. What nothing is known of stays
// as it is: the check of the record tells it.
func (c *Columns) value(f *spec.Field, s string) (value, wrong string) {
	switch {
	case f.Dict != nil:
		return c.code(f, s)
	case f.Format == spec.GF003 || f.Format == spec.GF004:
		return date(f, s, c.date1904)
	case f.Format == spec.GF001:
		return places(s), ""
	case f.Type == spec.Integer:
		return zeros.ReplaceAllString(s, "$1"), ""
	case f.Min == f.Max && f.Max > 0: // a code
		return zeros.ReplaceAllString(s, "$1"), ""
	case lost(s, f) && (f.Shape == spec.IDCard || f.Shape == spec.Document):
		return s, "最后几位全是 0，像是 Excel 把号码当成了数字：" + asText
	}
	return s, ""
}

// lost tells a number of 18 digits of which Excel kept 15. One whose check
// digit is right ends so by itself.
func lost(s string, f *spec.Field) bool {
	return len(s) == 18 && strings.HasSuffix(s, "000") && digits(s) && len(f.CheckText(s, nil)) > 0
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// code finds the code that a cell means: the code itself, a label, both (1 男),
// or one that lost its zeros (1 of 01, 1.0 of 1).
func (c *Columns) code(f *spec.Field, s string) (value, wrong string) {
	d := f.Dict
	if _, ok := d.Label(s); ok || len(d.Entries) == 0 {
		return s, ""
	}
	if found, ok := c.codes[code{d, s}]; ok {
		return found, ""
	}
	number := zeros.ReplaceAllString(s, "$1")
	found := transform.Entries(d, number)
	if head, rest, ok := cut(s); len(found) == 0 && ok {
		if label, known := d.Label(head); known && slices.ContainsFunc(transform.Entries(d, rest), func(e spec.Entry) bool { return e.Label == label }) {
			found = []spec.Entry{{Code: head, Label: label}}
		}
	}
	if len(found) == 0 && digits(number) {
		for _, e := range d.Entries {
			if digits(e.Code) && len(e.Code) > len(number) && strings.TrimLeft(e.Code, "0") == strings.TrimLeft(number, "0") {
				found = append(found, e)
			}
		}
	}
	switch {
	case len(found) == 1:
		if len(c.codes) < 10_000 {
			c.codes[code{d, strings.Clone(s)}] = found[0].Code
		}
		return found[0].Code, ""
	case len(found) > 1:
		return s, fmt.Sprintf("字典 %s（%s）里有几个 %q：%s；请写代码", d.Code, d.Name, s, listed(found))
	case digits(number):
		return number, "" // the check says what it thinks of it
	}
	wrong = fmt.Sprintf("字典 %s（%s）里没有 %q", d.Code, d.Name, shown(s))
	if near := transform.NearEntries(d, s); len(near) > 0 {
		wrong += "，相近的有：" + listed(near)
	}
	return s, wrong
}

// cut splits "1 男", "1-男", "1：男".
func cut(s string) (head, rest string, ok bool) {
	n := strings.IndexAny(s, " -:：、.．　")
	if n <= 0 {
		return "", "", false
	}
	return s[:n], strings.TrimLeft(s[n:], " -:：、.．　"), true
}

func listed(entries []spec.Entry) string {
	var list []string
	for _, e := range entries[:min(len(entries), 5)] {
		list = append(list, e.Code+" "+e.Label)
	}
	return strings.Join(list, "、")
}

func shown(s string) string {
	if utf8.RuneCountInString(s) > 32 {
		return string([]rune(s)[:32]) + "…"
	}
	return s
}

// places gives a coordinate the zeros back that Excel takes from a number's
// end (规范 GF001: 6 places). A longer one is not cut.
func places(s string) string {
	if !degrees.MatchString(s) {
		return s
	}
	whole, part, _ := strings.Cut(s, ".")
	return whole + "." + part + strings.Repeat("0", 6-len(part))
}

// layouts of dates as Excel, WPS and people write them. Day before month, and
// years of two digits, are not guessed.
var layouts = []string{
	"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2006年1月2日",
	"2006-1-2 15:04:05", "2006/1/2 15:04:05", "2006-1-2 15:04", "2006/1/2 15:04", "2006-1-2T15:04:05", "2006年1月2日 15:04:05", "20060102150405",
}

// date writes a date as its format wants it.
func date(f *spec.Field, s string, from1904 bool) (value, wrong string) {
	want := time.DateOnly
	if f.Format == spec.GF004 {
		want = time.DateTime
	}
	if len(s) == len(want) {
		if t, err := time.Parse(want, s); err == nil && t.Format(want) == s {
			return s, ""
		}
	}
	t, ok := serial(s, from1904)
	for n := 0; !ok && n < len(layouts); n++ {
		parsed, err := time.Parse(layouts[n], s)
		t, ok = parsed, err == nil
	}
	midnight := t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0
	switch {
	case !ok:
		return s, fmt.Sprintf("%q 看不出是哪一天：请写成 %s", shown(s), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Format(want))
	case f.Format == spec.GF003 && !midnight:
		return s, fmt.Sprintf("%q 带着时间，这里只要日期：请写成 2026-01-02", shown(s))
	}
	return t.Format(want), ""
}

// serial reads Excel's number of a day: 46024 is 2026-01-02; the fraction is
// the time of the day, to the second.
func serial(s string, from1904 bool) (time.Time, bool) {
	if len(s) > 20 || strings.Trim(s, "0123456789.") != "" {
		return time.Time{}, false
	}
	days, err := strconv.ParseFloat(s, 64)
	if err != nil || days < 61 || days >= 2_958_466 { // before March 1900 Excel counts a day that never was; after 9999
		return time.Time{}, false
	}
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if from1904 {
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	whole := int(days)
	seconds := time.Duration((days-float64(whole))*86400+0.5) * time.Second
	return epoch.AddDate(0, 0, whole).Add(seconds), true
}
