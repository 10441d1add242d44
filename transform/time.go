package transform

import (
	"strconv"
	"strings"
	"time"

	"yiqiao/transform/message"
)

// The layouts of the standard: GF003 and GF004.
const (
	dateLayout = "2006-01-02"
	timeLayout = "2006-01-02 15:04:05"
)

// zone is a fixed offset from UTC and the correction of a source's clocks.
// It is a value: no time zone is loaded while events pass.
type zone struct {
	source  *time.Location // of times that name no offset
	target  *time.Location // of the records
	correct time.Duration  // added to every device time
}

// localLayouts are the forms without an offset that devices send, beside the
// ISO form that parseISO reads.
var localLayouts = []string{
	"2006/01/02 15:04:05", "2006-1-2 15:04:05", "02-01-2006 15:04:05",
	"20060102T150405", "20060102T150405Z0700", "20060102T150405-0700", "2006-01-02 15:04", "2006-01-02",
}

// parse reads a device's time: text in one of the forms seen on devices, or a
// number of seconds, milliseconds or microseconds since 1970 (told apart by
// its size), as number or text. layouts, if any, are the only forms tried.
func (z zone) parse(v any, layouts []string) (time.Time, error) {
	switch v := v.(type) {
	case string:
		t, err := z.parseText(strings.TrimSpace(v), layouts)
		return t.Add(z.correct), err
	case int:
		t, err := epoch(int64(v))
		return t.Add(z.correct), err
	case float64:
		sec := int64(v)
		if v < 1e11 {
			return time.Unix(sec, int64((v-float64(sec))*1e9)).Add(z.correct), nil
		}
		t, err := epoch(sec)
		return t.Add(z.correct), err
	case time.Time:
		return v, nil
	}
	return time.Time{}, want("a-time", v)
}

func (z zone) parseText(s string, layouts []string) (time.Time, error) {
	for _, l := range layouts {
		if t, err := time.ParseInLocation(goLayout(l), s, z.source); err == nil {
			return t, nil
		}
	}
	if len(layouts) > 0 {
		return time.Time{}, message.New("want-time-like", message.Choice(layouts), s)
	}
	if t, ok := z.parseISO(s); ok {
		return t, nil
	}
	if allDigits(s) {
		return z.parseDigits(s)
	}
	for _, l := range localLayouts {
		if t, err := time.ParseInLocation(l, s, z.source); err == nil {
			return t, nil
		}
	}
	return time.Time{}, want("a-time", s)
}

// parseISO reads yyyy-MM-dd and HH:mm:ss with T or a blank between, with or
// without a fraction and an offset (Z, +08:00, +0800, -8:00).
func (z zone) parseISO(s string) (time.Time, bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != ' ') || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	year, ok1 := digits(s[:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	hour, ok4 := digits(s[11:13])
	minute, ok5 := digits(s[14:16])
	sec, ok6 := digits(s[17:19])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || !calendar(year, month, day) || hour > 23 || minute > 59 || sec > 59 {
		return time.Time{}, false
	}
	rest := s[19:]
	nanos := 0
	if len(rest) > 1 && rest[0] == '.' {
		n := 1
		for unit := 100_000_000; n < len(rest) && '0' <= rest[n] && rest[n] <= '9'; n++ {
			nanos += int(rest[n]-'0') * unit
			unit /= 10
		}
		rest = rest[n:]
	}
	offset, local, ok := parseOffset(strings.TrimSpace(rest))
	if !ok {
		return time.Time{}, false
	}
	if local {
		return time.Date(year, time.Month(month), day, hour, minute, sec, nanos, z.source), true
	}
	return time.Date(year, time.Month(month), day, hour, minute, sec, nanos, time.UTC).Add(-offset), true
}

func parseOffset(s string) (offset time.Duration, local, ok bool) {
	switch {
	case s == "":
		return 0, true, true
	case s == "Z" || s == "z":
		return 0, false, true
	case len(s) < 2 || s[0] != '+' && s[0] != '-':
		return 0, false, false
	}
	h, m, colon := strings.Cut(s[1:], ":")
	if !colon && len(h) == 4 {
		h, m = h[:2], h[2:]
	}
	hours, ok := digits(h)
	minutes := 0
	if ok && m != "" {
		minutes, ok = digits(m)
	}
	if !ok || hours > 14 || minutes > 59 {
		return 0, false, false
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, false, true
}

// parseDigits reads 14 digits as yyyyMMddHHmmss, 17 with milliseconds, 8 as a
// date, anything else as time since 1970.
func (z zone) parseDigits(s string) (time.Time, error) {
	layout := map[int]string{8: "20060102", 14: "20060102150405", 17: "20060102150405.000"}[len(s)]
	if layout != "" {
		if len(s) == 17 {
			s = s[:14] + "." + s[14:]
		}
		t, err := time.ParseInLocation(layout, s, z.source)
		if err != nil {
			return t, want("a-time", s)
		}
		return t, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, want("a-time", s)
	}
	return epoch(n)
}

// epoch reads a count since 1970. A count of seconds is below 10^11 until the
// year 5138, one of milliseconds above it since 1973.
func epoch(n int64) (time.Time, error) {
	switch {
	case n < 1e8:
		return time.Time{}, want("a-time", int(n))
	case n < 1e11:
		return time.Unix(n, 0), nil
	case n < 1e14:
		return time.UnixMilli(n), nil
	case n < 1e17:
		return time.UnixMicro(n), nil
	}
	return time.Time{}, want("a-time", int(n))
}

// format writes t in a layout of the standard, in the records' zone.
func (z zone) format(t time.Time, layout string) string {
	var buf [len(timeLayout)]byte
	return string(t.In(z.target).AppendFormat(buf[:0], layout))
}

// goLayout turns yyyy-MM-dd HH:mm:ss.SSS into Go's form; Go's own passes.
func goLayout(l string) string {
	if strings.Contains(l, "2006") || strings.Contains(l, "15:04") {
		return l
	}
	return layoutWords.Replace(l)
}

var layoutWords = strings.NewReplacer("yyyy", "2006", "yy", "06", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05", "SSS", "000", "XXX", "Z07:00", "Z", "-0700")

// parseZone reads "+08:00" or "Asia/Shanghai", which has had no summer time
// since 1991.
func parseZone(s string) (zone *time.Location, ok bool) {
	if s == "Asia/Shanghai" || s == "" {
		s = "+08:00"
	}
	offset, local, ok := parseOffset(s)
	if !ok || local {
		return nil, false
	}
	return time.FixedZone(s, int(offset.Seconds())), true
}

func calendar(year, month, day int) bool {
	if year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	return day <= 28 || time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() == day
}

func digits(s string) (n int, ok bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
