package spec

import (
	"fmt"
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
	GF001: {"GF001", Phrase{"a longitude with 6 decimal places (BD-09), like 117.302269", "6 位小数的经度（百度坐标），如 117.302269"}},
	GF002: {"GF002", Phrase{"at least 3 points longitude,latitude with ; between", "至少 3 个点的“经度,纬度”，点之间用 ; 分隔"}},
	GF003: {"GF003", same("yyyy-MM-dd")},
	GF004: {"GF004", same("yyyy-MM-dd HH:mm:ss")},
	GF005: {"GF005", wantPicture},
	GF006: {"GF006", Phrase{"a direction of one digit", "一位数字的方向代码"}},
	GF007: {"GF007", Phrase{"a kind of entrance, 1 or 2", "出入口类型代码 1 或 2"}},
}

func (f Format) String() string { return formats[f].name }

var (
	latitude    = Phrase{"a latitude with 6 decimal places (BD-09), like 31.895847", "6 位小数的纬度（百度坐标），如 31.895847"}
	insideChina = Phrase{"a place in China (longitude 73 to 136, latitude 3 to 54)", "中国境内的经纬度（经度 73–136，纬度 3–54）"}
	sixPlaces   = Phrase{"6 decimal places", "6 位小数"}
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
		c.degrees(f, v)
	case GF002:
		c.polygon(f, v.Text)
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

// degrees checks GF001. The standard names longitude jd and latitude wd
// wherever they stand.
func (c *checker) degrees(f *Field, v *Value) {
	want := formats[GF001].want
	if f.Name == "wd" {
		want = latitude
	}
	switch ok, doubt := checkDegrees(v.Text, f.Name == "wd"); {
	case !ok:
		c.breach(f, RuleFormat, want, f.got(v))
	case doubt.English != "":
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

// polygon checks GF002. The standard's text says that points are separated by
// commas, its examples use semicolons: those are taken. The last point may be
// the first once more, as in the standard's example; it does not count. Of
// points that only look wrong the first is told.
func (c *checker) polygon(f *Field, s string) {
	var first, last string
	points, doubted := 0, false
	for point := range strings.SplitSeq(strings.TrimSuffix(s, ";"), ";") {
		points++
		last = strings.TrimSpace(point)
		if points == 1 {
			first = last
		}
		lng, lat, two := strings.Cut(last, ",")
		okLng, doubt := checkDegrees(strings.TrimSpace(lng), false)
		okLat, more := checkDegrees(strings.TrimSpace(lat), true)
		if !two || !okLng || !okLat {
			c.breach(f, RuleFormat, formats[GF002].want, gotPoint(points, last))
			return
		}
		if doubt.English == "" {
			doubt = more
		}
		if doubt.English != "" && !doubted {
			doubted = true
			c.warn(f, RuleFormat, doubt, gotPoint(points, last))
		}
	}
	if points > 1 && first == last {
		points--
	}
	if points < 3 {
		c.breach(f, RuleFormat, formats[GF002].want, Phrase{fmt.Sprintf("%d points", points), fmt.Sprintf("%d 个点", points)})
	}
}

func gotPoint(n int, point string) Phrase {
	point = cut(point)
	return Phrase{fmt.Sprintf("%q as point %d", point, n), fmt.Sprintf("第 %d 个点 %q", n, point)}
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
