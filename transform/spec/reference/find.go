package reference

import (
	"fmt"
	"slices"
	"strings"
)

// most hits that a search shows of codes; a short word is in hundreds.
const mostCodes = 20

// Find lists what has a word in its name or label: interfaces, fields,
// dictionaries and their values, in both languages. Empty: nothing has.
func (r *Reference) Find(word string) string {
	word = strings.ToLower(strings.TrimSpace(word))
	if word == "" {
		return ""
	}
	has := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), word) })
	}
	var b strings.Builder
	section := func(title string, rows [][]string) {
		if len(rows) > 0 {
			if b.Len() > 0 {
				b.WriteString("\n")
			}
			b.WriteString(title + "\n")
			table(&b, "  ", rows)
		}
	}
	var interfaces, fields, dicts, codes [][]string
	for _, i := range r.c.Interfaces {
		if has(i.Name, i.Title, r.names.Interfaces[i.Name]) {
			interfaces = append(interfaces, []string{i.Name, r.title(i)})
		}
		for f := range i.All {
			if has(f.Path, f.Label, r.names.Fields[f.Name]) {
				fields = append(fields, []string{i.Name, f.Path, r.label(f), typeName(f.Type), length(f), r.need(f), strings.Join(r.values(i, f), r.say("；", "; "))})
			}
		}
	}
	for _, d := range r.c.Dicts {
		if has(d.Code, d.Name, r.names.Dictionaries[d.Code]) {
			dicts = append(dicts, []string{d.Code, r.dictName(d)})
		}
		for _, e := range d.Entries {
			if e.Code == word || has(e.Label) {
				codes = append(codes, []string{d.Code, r.dictName(d), e.Code + " " + e.Label})
			}
		}
	}
	section(r.say("接口", "Interfaces"), interfaces)
	section(r.say("属性", "Fields"), fields)
	section(r.say("字典", "Dictionaries"), dicts)
	if more := len(codes) - mostCodes; more > 0 {
		codes = append(codes[:mostCodes], []string{"…", "", fmt.Sprintf(r.say("还有 %d 个", "%d more"), more)})
	}
	section(r.say("字典里的值", "Values of dictionaries"), codes)
	return b.String()
}

// Words are all that Find knows by name: for whoever mistyped one.
func (r *Reference) Words() []string {
	var list []string
	for _, i := range r.c.Interfaces {
		list = append(list, i.Name, i.Title)
		for f := range i.All {
			list = append(list, f.Name, f.Label)
		}
	}
	for _, d := range r.c.Dicts {
		list = append(list, d.Code, d.Name)
	}
	for _, f := range formats {
		list = append(list, f.format.String())
	}
	slices.Sort(list)
	return slices.Compact(list)
}
