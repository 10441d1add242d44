package reference

import (
	"fmt"
	"strings"

	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// Mapping is how a mapping for an interface begins: it loads as it is, and
// takes events whose fields are named as the standard's. Optional fields are
// left out.
func (r *Reference) Mapping(i *spec.Interface) string {
	m := beginning{r: r, i: i}
	m.fields(i.Fields, "  ", "event.")
	widest := 0
	for _, l := range m.lines {
		widest = max(widest, message.Width(l.rule))
	}
	var b strings.Builder
	fmt.Fprintf(&b, r.say("title: 厂商 事件 → %s\n", "title: vendor, event → %s\n"), r.title(i))
	b.WriteString("when: event.type == \"…\"\nto: " + i.Name + "\nrecord:\n")
	for _, l := range m.lines {
		if l.comment == "" {
			b.WriteString(l.rule + "\n")
			continue
		}
		b.WriteString(pad(l.rule, widest+2) + "# " + l.comment + "\n")
	}
	return b.String()
}

// beginning of a mapping, as its lines are found.
type beginning struct {
	r     *Reference
	i     *spec.Interface
	lines []struct{ rule, comment string }
}

func (m *beginning) line(rule, comment string) {
	m.lines = append(m.lines, struct{ rule, comment string }{rule, comment})
}

// fields are those of the record, from the event, or of a list's objects, from
// it.
func (m *beginning) fields(fields []spec.Field, indent, from string) {
	for n := range fields {
		f := &fields[n]
		comment := m.r.label(f)
		switch {
		case f.Need == spec.Optional:
			continue
		case f.Type == spec.List:
			m.line(indent+f.Name+":", comment)
			m.line(indent+"  each: "+from+f.Name, "")
			m.line(indent+"  record:", "")
			m.fields(f.Fields, indent+"    ", "it.")
			continue
		case f.Need == spec.Conditional:
			comment += m.r.say("，有条件", ", see the conditions")
		case f.Format == spec.GF001 || f.Format == spec.GF002:
			comment += m.r.say("；原来的坐标：wgs84、gcj02 或 bd09", "; coordinates before: wgs84, gcj02 or bd09")
		}
		m.line(indent+f.Name+": "+m.r.expression(m.i, f, from), comment)
	}
}

// deviceColumns are those of tables/devices.csv, as a new site has them.
var deviceColumns = map[string]bool{"xqbm": true, "zpjbm": true, "mjxtbm": true, "dzbm": true}

// expression is what a field's rule begins with; from is what holds it.
func (r *Reference) expression(i *spec.Interface, f *spec.Field, from string) string {
	if strings.HasPrefix(i.Name, "stk/") {
		for _, p := range i.Prerequisites {
			of := r.c.Interface(p.Of)
			if code := of.Fields[of.Code()].Name; p.Field == f.Path && deviceColumns[code] {
				return "device." + code
			}
		}
	}
	value := from + f.Name
	switch {
	case f.Format == spec.GF001 && f.Name == "jd":
		return `bd09(event.jd, event.wd, "wgs84").jd`
	case f.Format == spec.GF001:
		return `bd09(event.jd, event.wd, "wgs84").wd`
	case f.Format == spec.GF002:
		return `polygon(` + value + `, "wgs84")`
	case f.Format == spec.GF003:
		return "date(" + value + ")"
	case f.Format == spec.GF004:
		return "time(" + value + ")"
	case f.Format == spec.GF005:
		return "picture(" + value + ")"
	case f.Shape == spec.Plate:
		return "plate(" + value + ")"
	case f.Dict != nil && len(f.Dict.Entries) > 0:
		return fmt.Sprintf("dict(%q, %s)", f.Dict.Code, value)
	}
	return value
}
