package reference

import (
	"strings"

	"yiqiao/transform/spec"
)

// format is what a page tells of a format beyond what the checker wants.
type format struct {
	format  spec.Format
	title   spec.Phrase
	example string
	rules   []spec.Phrase // what is an error, what only warns, what to do
	source  spec.Phrase
}

var (
	printed = spec.Phrase{Chinese: "规范 1.5 原文", English: "规范 1.5"}
	lost    = spec.Phrase{Chinese: "规范 1.5 的这一页缺失，由各接口的例子得知", English: "its page of 规范 1.5 is lost; known from the examples"}
)

var formats = []format{
	{spec.GF001, spec.Phrase{Chinese: "经纬度数据", English: "longitude or latitude"}, "117.302269", []spec.Phrase{
		{Chinese: "文本，不是数字；经度 jd 在 -180 到 180 之间，纬度 wd 在 -90 到 90 之间，否则是错误", English: "a text, no number; longitude jd from -180 to 180, latitude wd from -90 to 90: anything else is an error"},
		{Chinese: "不是 6 位小数，或不在中国境内：告警", English: "not 6 decimal places, or outside China: a warning"},
		{Chinese: `百度坐标（BD-09）。GPS 或高德、腾讯的坐标要换算：bd09(event.lng, event.lat, "wgs84").jd`, English: `coordinates of Baidu (BD-09). Others have to be converted: bd09(event.lng, event.lat, "wgs84").jd`},
	}, printed},
	{spec.GF002, spec.Phrase{Chinese: "坐标集合", English: "list of coordinates"}, "117.302165,31.895847;117.302894,31.895845;117.304036,31.895611", []spec.Phrase{
		{Chinese: "点与点之间用 ; 隔开（原文写的是逗号，例子都是分号）；至少 3 个不同的点；首尾可闭合可不闭合", English: "; between points (the text says commas, the examples have semicolons); at least 3 different points; closed or not"},
		{Chinese: "每个数按 GF001 检查", English: "each number is checked as GF001"},
		{Chinese: `换算和整理写法：polygon(event.points, "wgs84")`, English: `to convert them and write them well: polygon(event.points, "wgs84")`},
	}, printed},
	{spec.GF003, spec.Phrase{Chinese: "短格式日期", English: "date"}, "2019-01-01", []spec.Phrase{
		{Chinese: "日历上有的一天，月和日补零", English: "a day of the calendar, month and day with leading zeros"},
		{Chinese: "整理写法：date(event.birthday)", English: "to write it well: date(event.birthday)"},
	}, printed},
	{spec.GF004, spec.Phrase{Chinese: "日期时间", English: "date and time"}, "2019-01-01 12:12:12", []spec.Phrase{
		{Chinese: "东八区时间，不带时区、T、毫秒；24 小时制，补零", English: "China Standard Time without zone, T or fractions; 24 hours, leading zeros"},
		{Chinese: "设备的各种写法都可以交给 time(event.time)；没有时区的按 source.yaml 的 zone", English: "time(event.time) reads what devices write; without a zone, the zone of source.yaml counts"},
	}, lost},
	{spec.GF005, spec.Phrase{Chinese: "Base64 图片", English: "picture in Base64"}, "/9j/4AAQSkZJRgABAQEASABIAAD/2Q==", []spec.Phrase{
		{Chinese: "一行标准 Base64，带补位 =，不带 data: 前缀、不换行", English: "standard Base64 in one line, with its padding =, without a data: prefix or line breaks"},
		{Chinese: "解开后开头要是图片（JPEG、PNG、GIF、BMP、TIFF、JPEG 2000 等，规范 1.8），否则是错误", English: "it must begin like a picture (JPEG, PNG, GIF, BMP, TIFF, JPEG 2000, …: 规范 1.8), anything else is an error"},
		{Chinese: `取图片：picture(part("Picture"))、picture(event.image)；前缀会自动去掉`, English: `to take one: picture(part("Picture")), picture(event.image); a prefix goes by itself`},
	}, lost},
	{spec.GF006, spec.Phrase{Chinese: "方向", English: "direction"}, "1", []spec.Phrase{
		{Chinese: "代码的含义在缺失的一页上，例子里只有 1：不是一位数字只告警", English: "what the codes mean is on the lost page, the examples have 1 only: what is not one digit warns"},
	}, lost},
	{spec.GF007, spec.Phrase{Chinese: "出入口类型", English: "kind of entrance"}, "2", []spec.Phrase{
		{Chinese: "代码的含义在缺失的一页上，例子里有 1 和 2：其他值只告警", English: "what the codes mean is on the lost page, the examples have 1 and 2: others warn"},
	}, lost},
}

// Format is the page of a format like "GF004"; ok: there is one.
func (r *Reference) Format(name string) (page string, ok bool) {
	for _, f := range formats {
		if f.format.String() != name {
			continue
		}
		var b strings.Builder
		b.WriteString(name + " " + r.phrase(f.title) + "\n\n")
		paragraph(&b, "  ", r.say("写法  ", "form     ")+strings.TrimPrefix(r.format(f.format), name+" "))
		paragraph(&b, "  ", r.say("例子  ", "example  ")+f.example)
		paragraph(&b, "  ", r.say("来源  ", "source   ")+r.phrase(f.source))
		b.WriteString("\n")
		for _, rule := range f.rules {
			paragraph(&b, "  - ", r.phrase(rule))
		}
		b.WriteString("\n" + r.say("用到它的属性", "fields that have it") + "\n")
		r.uses(&b, func(field *spec.Field) bool { return field.Format == f.format })
		return b.String(), true
	}
	return "", false
}

// uses lists the fields for which has holds, a line an interface.
func (r *Reference) uses(b *strings.Builder, has func(*spec.Field) bool) {
	var rows [][]string
	for _, i := range r.c.Interfaces {
		var list []string
		for f := range i.All {
			if has(f) {
				list = append(list, f.Path+" "+r.label(f))
			}
		}
		if len(list) > 0 {
			rows = append(rows, []string{i.Name, r.title(i), r.join(list)})
		}
	}
	if rows == nil {
		b.WriteString(r.say("  没有", "  none") + "\n")
		return
	}
	table(b, "  ", rows)
}
