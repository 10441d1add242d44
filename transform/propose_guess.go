package transform

import (
	"fmt"
	"slices"
	"strings"

	"yiqiao/transform/spec"
)

// guess is the expression for a field, and why it is proposed; no expression
// if nothing was found, and then why says what was looked for.
func (p *proposer) guess(f *spec.Field) (expr, why string) {
	if f.Format == spec.GF005 {
		return p.picture(f)
	}
	l := p.picked[f.Name]
	if l != nil && p.score(f, l) >= scoreExact {
		p.used[l] = true
		return p.wrapped(f, l), "名字就是规范里的"
	}
	switch f.Name {
	case "accessType":
		return p.passage(l)
	case "cardNo":
		return p.person(l)
	case "isOnLine":
		return p.online(l)
	}
	column := p.column(f)
	if l != nil {
		p.used[l] = true
		expr = p.wrapped(f, l)
		if column != "" && f.Format == spec.GF001 {
			return "device." + column, fmt.Sprintf("查设备表，%s；事件里的 %s 不知道是哪种坐标", f.Label, p.at(l))
		}
		if column != "" && f.Shape != spec.Digits {
			return fmt.Sprintf("first(device.%s, %s)", column, expr), "设备表里有就用设备表的，没有就用事件里的"
		}
		return expr, p.reason(f, l)
	}
	if column != "" {
		return "device." + column, "查设备表，" + f.Label
	}
	if f.Dict != nil && f.Dict.Complete && len(f.Dict.Entries) == 1 {
		return fmt.Sprintf("'\"%s\"'", f.Dict.Entries[0].Code), "字典里只有这一项：" + f.Dict.Entries[0].Label
	}
	if f.Format == spec.GF004 {
		if day, clock := p.dayAndClock(); day != nil {
			p.used[day], p.used[clock] = true, true
			expr := fmt.Sprintf("time(%s + \" \" + %s)", p.at(day), p.at(clock))
			if layout := dayLayout(day.first().text); layout != "" {
				expr = fmt.Sprintf("time(%s + \" \" + %s, %q)", p.at(day), p.at(clock), layout)
			}
			return expr, fmt.Sprintf("日期（%s）和时间（%s）分开写的，合在一起", shown(day.first().text), shown(clock.first().text))
		}
	}
	return "", p.missing(f)
}

// dayLayout is the layout of a day that time() does not know by itself.
func dayLayout(day string) string {
	if strings.ContainsAny(day, "-/") {
		return ""
	}
	return "yyyyMMdd HH:mm:ss"
}

// reason says why a leaf was chosen.
func (p *proposer) reason(f *spec.Field, l *leaf) string {
	v := l.first()
	c := conceptOf(f.Name)
	switch {
	case f.Format == spec.GF004 && c.score(l) > 0:
		return fmt.Sprintf("值像时间（%s），名字也像", shown(v.text))
	case f.Format == spec.GF004:
		return fmt.Sprintf("值像时间（%s）", shown(v.text))
	case f.Shape == spec.Plate && v.text == "":
		return "名字像车牌，样例里是空的"
	case f.Shape == spec.Plate:
		return fmt.Sprintf("像车牌（%s）；没有车牌时写“无牌”", shown(v.text))
	case f.Shape == spec.Digits:
		return fmt.Sprintf("像 %d 位编码（%s）；若不是平台的编码，改用设备表", f.Max, shown(v.text))
	}
	if f.Format == spec.GF001 {
		return fmt.Sprintf("名字像%s（%s）；坐标系是猜的：wgs84（GPS）、gcj02（高德、腾讯）还是 bd09", f.Label, shown(v.text))
	}
	return fmt.Sprintf("名字像%s（%s）", f.Label, shown(v.text))
}

// missing says what was looked for in vain.
func (p *proposer) missing(f *spec.Field) string {
	switch {
	case f.Format == spec.GF004:
		return "没有像时间的值；只能用收到的时间时写 time(request.received)"
	case f.Shape == spec.Plate:
		return "没有像车牌的值"
	case f.Shape == spec.Digits:
		return "没有这样的编码，设备表也没有这一列"
	case f.Dict != nil && len(f.Dict.Entries) > 0:
		return "没有猜到；" + dictTitle(f.Dict) + "：" + entriesText(f.Dict)
	}
	return "没有猜到"
}

func entriesText(d *spec.Dict) string {
	var list []string
	for _, e := range d.Entries[:min(len(d.Entries), 6)] {
		list = append(list, e.Code+" "+e.Label)
	}
	if len(d.Entries) > 6 {
		list = append(list, "…")
	}
	return strings.Join(list, "，")
}

// shown is a value of the sample in a comment.
func shown(s string) string {
	if r := []rune(s); len(r) > 32 {
		s = string(r[:32]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// wrapped is the leaf as the format of the field wants it.
func (p *proposer) wrapped(f *spec.Field, l *leaf) string {
	at := p.at(l)
	switch {
	case f.Format == spec.GF004:
		return "time(" + at + ")"
	case f.Format == spec.GF003:
		return "date(" + at + ")"
	case f.Shape == spec.Plate:
		return fmt.Sprintf("first(plate(%s), \"无牌\")", at)
	case f.Dict != nil && len(f.Dict.Entries) > 0:
		return fmt.Sprintf("dict(%q, %s)", f.Dict.Code, at)
	case f.Format == spec.GF001 && p.picked["jd"] != nil && p.picked["wd"] != nil:
		return fmt.Sprintf("bd09(%s, %s, \"wgs84\").%s", p.at(p.picked["jd"]), p.at(p.picked["wd"]), f.Name)
	}
	return at
}

// column is the column of the device table that holds a field: the code of the
// earlier record that it names, or the field itself.
func (p *proposer) column(f *spec.Field) string {
	if p.devices == nil {
		return ""
	}
	// The row of a device holds what a record of the device itself asks for; of
	// other records it only knows what they are part of. Kinds are those of zpj.
	var names []string
	code := p.to.Code()
	if own := code >= 0 && len(p.to.Prerequisites) > 0 && slices.Contains(p.devices.Columns, p.to.Fields[code].Name); own && (f.Dict == nil || p.to.Name == "zpj") {
		names = append(names, f.Name)
	}
	for _, pre := range p.to.Prerequisites {
		if pre.Field != f.Name {
			continue
		}
		if of := p.sample.Catalogue.Interface(pre.Of); of != nil && of.Code() >= 0 {
			names = append([]string{of.Fields[of.Code()].Name}, names...)
		}
	}
	if slices.Contains([]string{"mc", "dzmc", "mjxtmc"}, f.Name) && names != nil {
		names = append(names, "name")
	}
	for _, n := range names {
		if slices.Contains(p.devices.Columns, n) {
			return n
		}
	}
	return ""
}

// passage guesses the way through a door: by known codes, else by words.
func (p *proposer) passage(l *leaf) (expr, why string) {
	for _, known := range waysByCode {
		for _, l := range p.tree.leaves {
			if !l.called(known.name) {
				continue
			}
			if v := l.first().text; !slices.ContainsFunc(known.codes, func(c [2]string) bool { return c[0] == v }) {
				continue
			}
			p.used[l] = true
			p.way, p.wayNote = known.codes, "这个厂商已知的代码；别的值会成为死信，补在这里"
			return "way[string(" + p.at(l) + ")]", "按上面的 way 表（ZD018）"
		}
	}
	if l == nil || p.wayOf(l) == "" {
		if n := slices.IndexFunc(p.tree.leaves, func(l *leaf) bool { return p.wayOf(l) != "" && len(l.first().text) <= 16 }); n >= 0 {
			l = p.tree.leaves[n]
		}
	}
	if l != nil {
		if code := p.wayOf(l); code != "" {
			p.used[l] = true
			p.way, p.wayNote = [][2]string{{l.first().text, code}}, "样例里只有这一个值；其他值补在这里"
			return "way[string(" + p.at(l) + ")]", "按上面的 way 表（ZD018）"
		}
	}
	// The event as a whole may tell: a rectangle of a face, a picture of one.
	for _, w := range waysByWord {
		for _, l := range p.tree.leaves {
			name, v := strings.ToLower(chain("", l.steps)), strings.ToLower(l.first().text)
			if strings.Contains(name, w.word) && (v != "" && v != "0" && v != "unknown" || l.first().picture > 0) && w.code == "2" || len(v) < 64 && strings.Contains(v, w.word) && w.word != "app" {
				return fmt.Sprintf("'\"%s\"'", w.code), fmt.Sprintf("事件里有 %s，猜是%s；有多种方式时改成按字段判断", p.at(l), p.label("ZD018", w.code))
			}
		}
	}
	if l != nil {
		return "", fmt.Sprintf("样例里 %s 是 %s，不知道是哪种方式；%s", p.at(l), shown(l.first().text), entriesText(p.sample.Catalogue.Dict("ZD018")))
	}
	return "", "没有像通行方式的值；" + entriesText(p.sample.Catalogue.Dict("ZD018"))
}

// wayOf is the code of the way that a value names; empty: it names none, or is
// the kind of the event.
func (p *proposer) wayOf(l *leaf) string {
	v := strings.ToLower(l.first().text)
	kind := slices.ContainsFunc(kindNames, l.called)
	for _, w := range waysByWord {
		if v == w.word || !kind && l == p.picked["accessType"] && (strings.HasPrefix(v, w.word) || strings.HasSuffix(v, w.word)) {
			return w.code
		}
	}
	return ""
}

func (p *proposer) label(dict, code string) string {
	if d := p.sample.Catalogue.Dict(dict); d != nil {
		if label, ok := d.Label(code); ok {
			return label
		}
	}
	return code
}

// person guesses the number of the person's document: it is seldom in the
// event, and is looked up by what is.
func (p *proposer) person(l *leaf) (expr, why string) {
	var args []string
	if l != nil {
		p.used[l] = true
		args, why = append(args, p.at(l)), "像证件号码"
	}
	if p.people != nil {
		for _, name := range personNames {
			l := p.named(name)
			if l == nil || len(args) == 3 || l.first().text == "0" {
				continue
			}
			p.used[l] = true
			args = append(args, fmt.Sprintf("people[%s]?.zjhm", p.at(l)))
			why = strings.TrimPrefix(why+"；人员编号查 people 表，没有这一行就当陌生人", "；")
		}
	}
	switch len(args) {
	case 0:
		return "", "没有像证件号码或人员编号的值：都当陌生人"
	case 1:
		return args[0], why
	}
	return "first(" + strings.Join(args, ", ") + ")", why
}

// named is the leaf of that name, rather one in the list of the mapping.
func (p *proposer) named(name string) *leaf {
	var found *leaf
	for _, l := range p.tree.leaves {
		if l.called(name) && l.first().picture == 0 && (found == nil || p.each != nil && l.within(p.each) && !found.within(p.each)) {
			found = l
		}
	}
	return found
}

// online guesses whether the device is there.
func (p *proposer) online(l *leaf) (expr, why string) {
	if l != nil {
		v := l.first()
		p.used[l] = true
		if _, is := v.is.(bool); is {
			return p.at(l) + ` ? "1" : "2"`, "真假值：1 在线，2 离线"
		}
		if d := p.sample.Catalogue.Dict("SBZT_ISONLINE"); len(Entries(d, v.text)) == 1 {
			return fmt.Sprintf("dict(%q, %s)", d.Code, p.at(l)), fmt.Sprintf("名字像在线状态（%s）", shown(v.text))
		}
		p.used[l] = false
	}
	for _, l := range p.tree.leaves {
		if v := collapsed(l.first().text + " " + l.name()); strings.Contains(v, "heartbeat") || strings.Contains(v, "keepalive") || strings.Contains(v, "videoloss") {
			return `'"1"'`, fmt.Sprintf("是心跳（%s）：发来就是在线；设备不会报自己离线", p.at(l))
		}
	}
	if strings.Contains(strings.ToLower(p.out.Posted.Path), "alive") || strings.Contains(strings.ToLower(p.out.Posted.Path), "heart") {
		return `'"1"'`, "路径像心跳：发来就是在线"
	}
	return "", "没有像在线状态的值；" + entriesText(p.sample.Catalogue.Dict("SBZT_ISONLINE"))
}
