package transform

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// page writes lines of YAML with comments behind them.
type page struct{ strings.Builder }

func (w *page) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// noted writes a line with a comment, which begins in column 50 if it can.
func (w *page) noted(text, note string) {
	if note == "" {
		w.line("%s", text)
		return
	}
	width := 0
	for _, r := range text {
		width++
		if r >= 0x1100 {
			width++
		}
	}
	w.line("%s%s # %s", text, strings.Repeat(" ", max(1, 48-width)), oneLine(note))
}

// oneLine keeps what a sample holds inside of its comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xFEFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

var plainScalar = regexp.MustCompile(`^[A-Za-z_/][^\x00-\x1f\x7f]*$`)

// scalar is a text as a plain scalar of YAML, or in quotes where that would
// mean something else.
func scalar(s string) string {
	quotedAlready := strings.HasPrefix(s, `'"`) && strings.HasSuffix(s, `"'`) && strings.Count(s, "'") == 2
	if s == Mark || quotedAlready || plainScalar.MatchString(s) && utf8.ValidString(s) && !strings.Contains(s, ": ") && !strings.Contains(s, " #") && !strings.HasSuffix(s, ":") && s == strings.TrimSpace(s) && !slices.Contains([]string{"true", "false", "null", "yes", "no"}, strings.ToLower(s)) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// key is a member's name as a key of an inline table.
func tableKey(s string) string { return strconv.Quote(oneLine(s)) }

// mappingFile writes the proposed mapping.
func (p *proposer) mappingFile() []byte {
	w := &page{}
	w.line("%s../mapping.schema.json", SchemaLine)
	w.line("# yiqiao new 按样例猜的，每一行后面是理由。%s 的行要由人写：yiqiao check 会指出来。", Mark)
	w.line("title: %s", scalar(fmt.Sprintf("%s → %s", p.sample.Vendor, p.to.Title)))
	when, why := p.when()
	if when == "" {
		w.line("# when: …                                       # %s", why)
	} else {
		w.noted("when: "+scalar(when), why)
	}
	if p.each != nil {
		why := "列表：每个元素（it）一条记录"
		if p.outer {
			why = "列表里的列表：里面的每个元素（it.inner）一条记录，it.outer 是外面的那个"
		}
		w.noted("each: "+scalar(p.eachText()), why)
	}
	if p.way != nil {
		w.line("tables:")
		w.noted("  way:", p.wayNote)
		for _, c := range p.way {
			w.noted(fmt.Sprintf("    %s: %q", tableKey(c[0]), c[1]), p.label("ZD018", c[1]))
		}
	}
	w.line("to: %s", p.to.Name)
	w.line("record:")
	for _, g := range p.out.Guesses {
		w.noted(fmt.Sprintf("  %s: %s", g.Field.Name, scalar(g.Expr)), g.Field.Label+"："+g.Why)
	}
	for i := range p.to.Fields {
		f := &p.to.Fields[i]
		if !slices.ContainsFunc(p.out.Guesses, func(g Guess) bool { return g.Field == f }) {
			need := "可选"
			if f.Need == spec.Conditional {
				need = "有条件"
			}
			_, why := p.guess(f)
			w.line("  # %s: …%s # %s（%s）：%s", f.Name, strings.Repeat(" ", max(1, 41-len(f.Name))), f.Label, need, oneLine(why))
		}
	}
	p.others(w)
	return []byte(w.String())
}

// when guesses what tells this kind of event from the vendor's others.
func (p *proposer) when() (expr, why string) {
	for _, name := range kindNames {
		for _, l := range p.tree.leaves {
			v := l.first()
			if collapsed(l.name()) != collapsed(name) || v.text == "" || v.picture > 0 || len(v.text) > 64 || len(l.steps) > 4 || l.lists() > 1 || timeLike(v) {
				continue
			}
			if is, ok := v.is.(string); ok && looksLikeWord(is) {
				p.used[l] = true
				return fmt.Sprintf("%s == %s", chain("event", l.steps), strconv.Quote(is)), "名字像事件类型；这个厂商只有一种事件时可以去掉"
			}
		}
	}
	if q := p.event.Request.Query; len(q) > 0 {
		for _, name := range kindNames {
			if v := q[name]; v != "" {
				return fmt.Sprintf("%s == %s", queryText(name), strconv.Quote(v)), "查询参数像事件类型"
			}
		}
	}
	if name, ok := onlyMember(p.event.Doc); ok {
		return chain("event", []leafStep{{name: name}}) + " != nil", "事件的最外层就这一项"
	}
	return "", "没有像事件类型的值：这个厂商的每个事件都归它；有别的事件时写上条件"
}

func looksLikeWord(s string) bool {
	return strings.IndexFunc(s, unicode.IsLetter) >= 0 && strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '/' || r == '{' }) < 0
}

func queryText(name string) string {
	return chainName("request.query", event.Step{Name: name})
}

// othersMost is how many of the other places are listed.
const othersMost = 120

// others lists what else the event holds, for a person to pick from.
func (p *proposer) others(w *page) {
	w.line("")
	if p.each != nil {
		w.line("# 事件里还有（it 是 each 的元素）：")
	} else {
		w.line("# 事件里还有：")
	}
	n := 0
	item := func(at, value string) {
		if n++; n <= othersMost {
			w.line("#   %s", oneLine(fmt.Sprintf("%-44s %s", at, value)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.event.Request.Query)) {
		item(queryText(name), shown(p.event.Request.Query[name]))
	}
	for _, part := range p.event.Parts {
		name := part.Name
		for _, other := range []string{part.Filename, part.ContentID, part.Type} {
			if name == "" {
				name = other
			}
		}
		item(fmt.Sprintf("part(%q)", name), fmt.Sprintf("%d 字节 %s", len(p.event.Blobs[part.Blob].Data), part.Type))
	}
	for _, l := range p.tree.leaves {
		if p.used[l] {
			continue
		}
		value := shown(l.first().text)
		if l.first().picture > 0 {
			value = fmt.Sprintf("图片，%d 个字符", l.first().picture)
		}
		item(p.at(l), value)
	}
	if n > othersMost {
		w.line("#   … 还有 %d 项：yiqiao map -trace 可以看", n-othersMost)
	}
}

// sourceFile writes the proposed source.
func (p *proposer) sourceFile() []byte {
	w := &page{}
	w.line("%s../source.schema.json", SchemaLine)
	w.line("# yiqiao new 按样例猜的，每一行后面是理由。")
	w.line("title: %s", scalar(p.sample.Vendor))
	w.line("listen:")
	path, wild := p.listenPath()
	if path != "" {
		w.noted("  - "+scalar(path), "样例就是发到这里的")
	} else {
		w.noted(fmt.Sprintf("  - POST /%s/{device}", p.sample.Vendor), "设备里能写地址时，写上设备编号最可靠")
		w.noted("  - POST /"+p.sample.Vendor, "不能分设备写时")
		wild = true
	}
	if len(p.layout.Unwrap) > 0 {
		w.noted(fmt.Sprintf("unwrap: [%s]", scalar(p.layout.Unwrap[0])), "XML 的根元素，去掉这一层")
	}
	w.line("device:")
	w.line("  from:                                          # 依次查设备表，先查到的为准；选只有这台设备才有的")
	if wild {
		w.noted("    - request.path.device", "路径里的一段")
	}
	for _, c := range p.deviceCandidates() {
		w.noted("    - "+scalar(c.expr), c.why)
	}
	w.noted("    - request.remote", "发送方的 IP 地址")
	w.line("time:")
	w.noted(`  zone: "+08:00"`, "时间里没有时区时按这个算")
	p.answer(w)
	return []byte(w.String())
}

// listenPath is the method and path of the sample, with a wildcard for what
// looks like the number of a device in it; empty if nobody could listen there.
func (p *proposer) listenPath() (route string, wild bool) {
	path, method := p.out.Posted.Path, p.out.Posted.Method
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/-/") || !slices.Contains([]string{"GET", "POST", "PUT"}, method) {
		return "", false
	}
	segments := strings.Split(path, "/")
	last := len(segments) - 1
	for i, s := range segments {
		switch {
		case i == last && i > 1 && deviceLike(s):
			segments[i], wild = "{device}", true
		case strings.IndexFunc(s, func(r rune) bool {
			return unicode.IsControl(r) || strings.ContainsRune("{} #'\"", r) || r == utf8.RuneError
		}) >= 0:
			segments[i] = "{part" + strconv.Itoa(i) + "}"
		}
	}
	return method + " " + strings.Join(segments, "/"), wild
}

// deviceLike: a number, an address or a code, not a word.
func deviceLike(s string) bool {
	digits := 0
	for _, r := range s {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	return digits >= 4 || digits > 0 && digits == len(s)
}

type candidate struct{ expr, why string }

// deviceCandidates are the places that may name the device, the best first.
func (p *proposer) deviceCandidates() []candidate {
	var list []candidate
	for _, name := range deviceNames {
		for _, q := range slices.Sorted(maps.Keys(p.event.Request.Query)) {
			if collapsed(q) == collapsed(name) {
				list = append(list, candidate{queryText(q), fmt.Sprintf("查询参数像设备编号（%s）", shown(p.event.Request.Query[q]))})
			}
		}
		for _, l := range p.tree.leaves {
			v := l.first()
			if !l.called(name) || v.text == "" || v.picture > 0 || !telling(l.name(), v) || strings.HasPrefix(l.name(), "#") {
				continue
			}
			list = append(list, candidate{chain("event", l.steps), fmt.Sprintf("名字像设备的编号（%s）", shown(v.text))})
		}
	}
	for _, q := range slices.Sorted(maps.Keys(p.event.Request.Query)) {
		if endsLikeDevice(q) {
			list = append(list, candidate{queryText(q), fmt.Sprintf("查询参数像设备编号（%s）", shown(p.event.Request.Query[q]))})
		}
	}
	for _, l := range p.tree.leaves {
		if v := l.first(); endsLikeDevice(l.name()) && v.text != "" && v.picture == 0 && telling(l.name(), v) {
			list = append(list, candidate{chain("event", l.steps), fmt.Sprintf("名字像设备的编号（%s）", shown(v.text))})
		}
	}
	seen := map[string]bool{}
	list = slices.DeleteFunc(list, func(c candidate) bool {
		again := seen[c.expr]
		seen[c.expr] = true
		return again
	})
	return list[:min(len(list), 6)]
}

func endsLikeDevice(name string) bool {
	words := wordsOf(name)
	return len(words) > 0 && slices.Contains(deviceEnds, words[len(words)-1])
}

// telling leaves out what every device sends: Default, 1, 88.
// A short serial number counts events.
func telling(name string, v leafValue) bool {
	if _, is := v.is.(bool); is {
		return false
	}
	if strings.Contains(collapsed(name), "serial") && len(v.text) < 8 && allDigits(v.text) {
		return false
	}
	return len(v.text) >= 3 && !strings.EqualFold(v.text, "default") && !strings.EqualFold(v.text, "unknown")
}

func (p *proposer) answer(w *page) {
	for _, a := range answersOf {
		there := a.member != "" && p.tree.has(a.member) || a.path != "" && strings.Contains(p.out.Posted.Path, a.path)
		if !there {
			continue
		}
		w.line("answers:")
		w.line("  # %s", a.why)
		w.line("  - type: %s", a.contentType)
		w.line("    body: '%s'", a.body)
		return
	}
	w.line("# 不写 answers 就回 200、空内容。设备要别的应答时，按它的文档写：")
	w.line("# answers:")
	w.line("#   - type: application/json")
	w.line("#     body: '{\"code\":0}'")
	w.line("# 这个厂商的其他事件都不要时：")
	w.line("# otherwise: {ignore: 不是规范要的事件}")
}

func (t *tree) has(member string) bool {
	return slices.ContainsFunc(t.leaves, func(l *leaf) bool { return l.steps[0].name == member })
}
