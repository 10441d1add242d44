package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// Overview is the page without a question: what there is.
func (r *Reference) Overview() string {
	var b strings.Builder
	b.WriteString("《智慧社区平台标准数据接入规范》 " + r.c.Version + "\n")
	b.WriteString(r.say("\n接口，按前置接入的顺序：在它之前的要先送\n", "\nInterfaces, in order: what stands in \"after\" goes first (前置接入)\n"))
	rows := [][]string{{r.say("接口", "name"), r.say("名称", "title"), r.say("章", "chapter"), r.say("属性", "fields"), r.say("必填", "must"), r.say("在它之前", "after")}}
	for _, i := range r.ordered() {
		fields, must := 0, 0
		for f := range i.All {
			if fields++; f.Need == spec.Required {
				must++
			}
		}
		rows = append(rows, []string{i.Name, r.title(i), i.Chapter, fmt.Sprint(fields), fmt.Sprint(must), r.join(after(i))})
	}
	table(&b, "  ", rows)
	b.WriteString(r.say("\n字典\n", "\nDictionaries\n"))
	rows = [][]string{{r.say("编号", "code"), r.say("名称", "name"), r.say("值", "values"), r.say("已知", "known"), r.say("地址", "path")}}
	for _, d := range r.c.Dicts {
		rows = append(rows, []string{d.Code, r.dictName(d), fmt.Sprint(len(d.Entries)), r.known(d), dictPath(d)})
	}
	table(&b, "  ", rows)
	b.WriteString(r.say("\n格式\n", "\nFormats\n"))
	rows = nil
	for _, f := range formats {
		rows = append(rows, []string{f.format.String(), r.phrase(f.title), strings.TrimPrefix(r.format(f.format), f.format.String()+" ")})
	}
	table(&b, "  ", rows)
	b.WriteString(r.say(`
yiqiao spec stk/rytxjl    一个接口：属性、条件、例子、映射的开头
yiqiao spec ZD018         一个字典              yiqiao spec GF004   一种格式
yiqiao spec functions     映射里可用的函数      yiqiao spec time    一个函数
yiqiao spec 抓拍时间      按中文名、属性名、代码名称查找
yiqiao spec -lang en …    in English            -json、-markdown、-schema [接口]   给程序和文档
`, `
yiqiao spec stk/rytxjl    an interface: fields, conditions, examples, how a mapping begins
yiqiao spec ZD018         a dictionary           yiqiao spec GF004   a format
yiqiao spec functions     functions of mappings  yiqiao spec time    one of them
yiqiao spec 抓拍时间      search labels, field names and the labels of codes
yiqiao spec -json, -markdown, -schema [INTERFACE]   for programs and documents
`))
	return b.String()
}

// known says how much of a dictionary is known.
func (r *Reference) known(d *spec.Dict) string {
	switch {
	case d.Complete:
		return r.say("全部", "all")
	case len(d.Entries) == 0:
		return r.say("无", "none")
	}
	return r.say("部分", "some")
}

func dictPath(d *spec.Dict) string {
	if d.Path == "" {
		return ""
	}
	return "GET /api/v1/" + d.Path
}

// Interface is the page of an interface: what an integrator needs on the wall.
func (r *Reference) Interface(i *spec.Interface) string {
	var b strings.Builder
	b.WriteString(i.Name + " " + r.title(i) + "\n")
	fmt.Fprintf(&b, r.say("POST /api/v1/%s?appKey=…    规范 %s 第 %s 章\n", "POST /api/v1/%s?appKey=…    规范 %s, chapter %s\n"), i.Name, r.c.Version, i.Chapter)

	b.WriteString(r.say("\n前置接入：平台要先收下这些\n", "\nPrerequisites (前置接入): the platform must have these before\n"))
	var rows [][]string
	for n := range i.Prerequisites {
		p := &i.Prerequisites[n]
		rows = append(rows, []string{p.Field, r.label(i.Field(p.Field)), r.prerequisite(p)})
	}
	if rows == nil {
		b.WriteString(r.say("  无\n", "  none\n"))
	} else {
		table(&b, "  ", rows)
	}

	b.WriteString(r.say("\n属性\n", "\nFields\n"))
	table(&b, "  ", r.fieldRows(i))
	b.WriteString(r.legend(i))

	if len(i.Rules) > 0 {
		b.WriteString(r.say("\n条件\n", "\nConditions\n"))
		for n := range i.Rules {
			rule := &i.Rules[n]
			paragraph(&b, fmt.Sprintf("  %d. ", n+1), r.rule(i, rule))
			paragraph(&b, "     ", r.say("因为：", "because ")+r.because(rule))
		}
	}
	b.WriteString(r.say("\n怎样算同一条\n", "\nWhat is one record\n"))
	paragraph(&b, "  ", r.identity(i))
	for n := range i.Examples {
		r.example(&b, &i.Examples[n])
	}
	b.WriteString(r.say("\n映射的开头（event 是厂商的报文，把属性名换成它的）\n", "\nHow a mapping begins (event is the vendor's: put its names in place of ours)\n"))
	for line := range strings.Lines(r.Mapping(i)) {
		b.WriteString("  " + line)
	}
	return b.String()
}

func (r *Reference) fieldRows(i *spec.Interface) [][]string {
	rows := [][]string{{r.say("名称", "name"), r.say("中文名", "label"), r.say("类型", "type"), r.say("长度", "length"), r.say("填写", "need"), r.say("来源", "source"), r.say("格式和取值", "format and values")}}
	for f := range i.All {
		rows = append(rows, []string{f.Path, r.label(f), typeName(f.Type), length(f), r.need(f), r.source(f), strings.Join(r.values(i, f), r.say("；", "; "))})
	}
	sources := false
	for _, row := range rows[1:] {
		sources = sources || row[5] != ""
	}
	if !sources {
		for n := range rows {
			rows[n] = append(rows[n][:5:5], rows[n][6])
		}
	}
	return rows
}

// legend explains the marks that an interface's table has.
func (r *Reference) legend(i *spec.Interface) string {
	var marks []string
	mark := func(has bool, text string) {
		if has {
			marks = append(marks, text)
		}
	}
	has := func(holds func(*spec.Field) bool) bool {
		for f := range i.All {
			if holds(f) {
				return true
			}
		}
		return false
	}
	mark(has(func(f *spec.Field) bool { return f.Source == "client" }), r.say("旁证：原文缺页，由平台其他客户端的做法得知", "client: the page is lost, known from other clients of the platform"))
	mark(has(func(f *spec.Field) bool { return f.Source == "inferred" }), r.say("推断：原文缺页，只告警", "guess: the page is lost, it only warns"))
	mark(has(func(f *spec.Field) bool {
		return f.Need == spec.Required && f.Severity(spec.RuleRequired) == spec.Warning
	}), r.say("必填?：很可能必填，没有只告警", "must?: probably required, absence only warns"))
	mark(has(func(f *spec.Field) bool { return f.Type == spec.Integer }), r.say("Integer：写成数字或数字的文本都可以（规范自己的例子写成文本）", "Integer: a number, or its digits as a text"))
	mark(has(func(f *spec.Field) bool { return f.Shape != spec.AnyShape || i.Begins(f) != "" }), r.say("样子和开头（数字、号码、以…开头）不符只告警", "what a value looks like and begins with only warns"))
	if marks == nil {
		return ""
	}
	var b strings.Builder
	paragraph(&b, r.say("  注  ", "  "), strings.Join(marks, r.say("；", "; ")))
	return b.String()
}

func (r *Reference) example(b *strings.Builder, e *spec.Example) {
	fmt.Fprintf(b, r.say("\n例子（%s）\n", "\nExample (%s)\n"), r.exampleTitle(e))
	var out bytes.Buffer
	enc := json.Indent(&out, []byte(e.JSON), "  ", "  ")
	if enc != nil { // the catalogue proves its examples when it is loaded
		out.Reset()
		out.WriteString(e.JSON)
	}
	b.WriteString("  " + strings.TrimSpace(out.String()) + "\n")
	for _, x := range e.Except {
		paragraph(b, "  ", r.say("注意 ", "note: ")+r.join(x.Fields)+r.say("：", ": ")+x.Because)
	}
}

func (r *Reference) exampleTitle(e *spec.Example) string {
	return r.say("规范 ", "规范 ") + e.Title + map[string]string{
		"client":   r.say("，原文缺页，来自其他客户端", ", lost: from a client"),
		"inferred": r.say("，原文缺页，推断", ", lost: inferred"),
	}[e.Source]
}

// Dict is the page of a dictionary.
func (r *Reference) Dict(d *spec.Dict) string {
	var b strings.Builder
	b.WriteString(d.Code + " " + r.dictName(d) + "\n")
	if d.Standard != "" {
		b.WriteString(r.say("标准：", "standard: ") + d.Standard + "\n")
	}
	if d.Path != "" {
		b.WriteString(dictPath(d) + "?appKey=…\n")
	}
	var state string
	switch {
	case d.Complete:
		state = r.say("值全部已知：别的代码是错误，记录不会送出。", "All values are known: another code is an error, its record is not sent.")
	case len(d.Entries) == 0:
		state = r.say("原文没有值：不检查，问平台，或从上面的地址取。", "The standard has no values: nothing is checked. Ask the platform, or fetch them.")
	default:
		state = r.say("只知道一部分值：别的代码只告警。", "Some values are known: another code only warns.")
	}
	b.WriteString(state + "\n")
	if d.Note != "" {
		paragraph(&b, "", r.say("注：", "note: ")+d.Note)
	}
	if len(d.Entries) > 0 {
		b.WriteString("\n")
		entries(&b, d.Entries)
		fmt.Fprintf(&b, r.say("\n映射里按名称取代码：dict(\"%s\", \"%s\") 得到 \"%s\"\n", "\nIn a mapping, the code of a label: dict(%q, %q) is %q\n"), d.Code, d.Entries[0].Label, d.Entries[0].Code)
	}
	b.WriteString("\n" + r.say("用到它的属性", "fields that have it") + "\n")
	r.uses(&b, func(f *spec.Field) bool { return f.Dict != nil && f.Dict.Code == d.Code })
	return b.String()
}

// entries stand in columns, read downwards, as many as there is room for.
func entries(b *strings.Builder, list []spec.Entry) {
	code, cell := 0, 0
	for _, e := range list {
		code = max(code, message.Width(e.Code))
	}
	for _, e := range list {
		cell = max(cell, code+2+message.Width(e.Label))
	}
	across := max(1, min(4, (columns-2)/(cell+3)))
	if len(list) <= 12 {
		across = 1
	}
	down := (len(list) + across - 1) / across
	for n := range down {
		line := "  "
		for m := n; m < len(list); m += down {
			line += pad(pad(list[m].Code, code+2)+list[m].Label, cell+3)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
