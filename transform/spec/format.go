package spec

import (
	"strconv"
	"strings"
)

// Format is one of the standard's formats (规范 1.5).
type Format int

// The formats. The pages with GF004 to GF007 are lost: GF004 and GF005 are
// known from the examples; of GF006 and GF007 the examples show a few values.
const (
	NoFormat Format = iota
	GF001           // 经纬度: BD-09, decimal text, 6 places
	GF002           // 坐标集合: lng,lat;lng,lat;…
	GF003           // 短格式日期: yyyy-MM-dd
	GF004           // 日期时间: yyyy-MM-dd HH:mm:ss
	GF005           // Base64 图片
	GF006           // 方向: one digit
	GF007           // 出入口类型: 1 and 2 are seen
)

var formats = []struct {
	name string
	want Phrase
}{
	GF001: {"GF001", Phrase{"degrees with 6 decimal places (BD-09), like 117.302269", "经纬度，6 位小数（百度坐标），如 117.302269"}},
	GF002: {"GF002", Phrase{"at least 3 points lng,lat separated by ;", "至少 3 个点“经度,纬度”，以 ; 分隔"}},
	GF003: {"GF003", same("yyyy-MM-dd")},
	GF004: {"GF004", same("yyyy-MM-dd HH:mm:ss")},
	GF005: {"GF005", wantPicture},
	GF006: {"GF006", Phrase{"a direction of one digit", "一位数字的方向代码"}},
	GF007: {"GF007", Phrase{"a kind of entrance, 1 or 2", "出入口类型代码 1 或 2"}},
}

func (f Format) String() string { return formats[f].name }

var (
	insideChina = Phrase{"a place in China (longitude 73 to 136, latitude 3 to 54)", "中国境内的经纬度（经度 73–136，纬度 3–54）"}
	sixPlaces   = Phrase{"6 decimal places", " 6 位小数"}
)

// format checks a text against its field's format. What the standard prints is
// an error; what only makes sense (a place in China, exactly six decimal
// places) or is known from examples alone (GF006, GF007) warns.
func (c *checker) format(f *Field, v *Value) {
	ok := true
	var doubt Phrase
	switch f.Format {
	case NoFormat:
		return
	case GF001:
		// The standard names longitude jd and latitude wd wherever they stand.
		ok, doubt = checkDegrees(v.Text, f.Name == "wd")
	case GF002:
		ok, doubt = checkPolygon(v.Text)
	case GF003:
		ok = len(v.Text) == 10 && isDate(v.Text)
	case GF004:
		ok = len(v.Text) == 19 && isDate(v.Text[:10]) && v.Text[10] == ' ' && isClock(v.Text[11:])
	case GF006:
		if len(v.Text) != 1 || v.Text < "1" || v.Text > "9" {
			doubt = formats[GF006].want
		}
	case GF007:
		if v.Text != "1" && v.Text != "2" {
			doubt = formats[GF007].want
		}
	}
	if !ok {
		c.breach(f, RuleFormat, formats[f.Format].want, f.got(v))
	} else if doubt.English != "" {
		c.warn(f, RuleFormat, doubt, f.got(v))
	}
}

// checkDegrees checks one coordinate; doubt is what it should be but need not.
func checkDegrees(s string, latitude bool) (ok bool, doubt Phrase) {
	whole, places, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if !allDigits(whole) || strings.Contains(s, ".") && !allDigits(places) {
		return false, doubt
	}
	d, err := strconv.ParseFloat(s, 64)
	limit, low, high := 180.0, 73.0, 136.0
	if latitude {
		limit, low, high = 90, 3, 54
	}
	switch {
	case err != nil || d < -limit || d > limit:
		return false, doubt
	case d < low || d > high:
		return true, insideChina
	case len(places) != 6:
		return true, sixPlaces
	}
	return true, doubt
}

// checkPolygon checks GF002. The standard's text says that points are
// separated by commas, its examples use semicolons: those are taken. The last
// point may be the first once more, as in the standard's example; it does not
// count.
func checkPolygon(s string) (ok bool, doubt Phrase) {
	var first, last string
	points := 0
	for point := range strings.SplitSeq(strings.TrimSuffix(s, ";"), ";") {
		lng, lat, two := strings.Cut(point, ",")
		if !two {
			return false, doubt
		}
		okLng, d1 := checkDegrees(strings.TrimSpace(lng), false)
		okLat, d2 := checkDegrees(strings.TrimSpace(lat), true)
		if !okLng || !okLat {
			return false, doubt
		}
		for _, d := range []Phrase{d1, d2} {
			if doubt.English == "" {
				doubt = d
			}
		}
		if last = strings.TrimSpace(point); points == 0 {
			first = last
		}
		points++
	}
	if points > 1 && first == last {
		points--
	}
	return points >= 3, doubt
}

// isDate tells whether s, of 10 bytes, is a day of the calendar.
func isDate(s string) bool {
	if s[4] != '-' || s[7] != '-' || !allDigits(s[:4]) || !allDigits(s[5:7]) || !allDigits(s[8:10]) {
		return false
	}
	return isDay(number(s[:4]), number(s[5:7]), number(s[8:10]))
}

func isDay(y, m, d int) bool {
	return y > 0 && m >= 1 && m <= 12 && d >= 1 && d <= daysIn(y, m)
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && y%100 != 0 || y%400 == 0 {
			return 29
		}
		return 28
	}
	return 31
}

// isClock tells whether s, of 8 bytes, is HH:mm:ss.
func isClock(s string) bool {
	if s[2] != ':' || s[5] != ':' || !allDigits(s[:2]) || !allDigits(s[3:5]) || !allDigits(s[6:8]) {
		return false
	}
	return number(s[:2]) < 24 && number(s[3:5]) < 60 && number(s[6:8]) < 60
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// number reads digits that allDigits has seen.
func number(s string) int {
	n := 0
	for _, c := range []byte(s) {
		n = n*10 + int(c-'0')
	}
	return n
}
