package reference

import (
	"fmt"
	"strings"

	"yiqiao/transform/spec"
)

// Mapping is how a mapping for an interface begins: it loads as it is, and
// takes events whose fields are named as the standard's. Optional fields are
// left out.
func (r *Reference) Mapping(i *spec.Interface) string {
	type line struct{ rule, comment string }
	var lines []line
	widest := 0
	for n := range i.Fields {
		f := &i.Fields[n]
		if f.Need == spec.Optional {
			continue
		}
		rule := f.Name + ": " + r.expression(i, f)
		comment := r.label(f)
		switch {
		case f.Need == spec.Conditional:
			comment += r.say("，有条件", ", see the conditions")
		case f.Format == spec.GF001 || f.Format == spec.GF002:
			comment += r.say("；原来的坐标：wgs84、gcj02 或 bd09", "; coordinates before: wgs84, gcj02 or bd09")
		}
		lines = append(lines, line{rule, comment})
		widest = max(widest, Width(rule))
	}
	var b strings.Builder
	fmt.Fprintf(&b, r.say("title: 厂商 事件 → %s\n", "title: vendor, event → %s\n"), r.title(i))
	b.WriteString("when: event.type == \"…\"\nto: " + i.Name + "\nrecord:\n")
	for _, l := range lines {
		b.WriteString("  " + pad(l.rule, widest+2) + "# " + l.comment + "\n")
	}
	return b.String()
}

// deviceColumns are those of tables/devices.csv, as a new site has them.
var deviceColumns = map[string]bool{"xqbm": true, "zpjbm": true, "mjxtbm": true, "dzbm": true}

// expression is what a field's rule begins with.
func (r *Reference) expression(i *spec.Interface, f *spec.Field) string {
	if strings.HasPrefix(i.Name, "stk/") {
		for _, p := range i.Prerequisites {
			of := r.c.Interface(p.Of)
			if code := of.Fields[of.Code()].Name; p.Field == f.Path && deviceColumns[code] {
				return "device." + code
			}
		}
	}
	value := "event." + f.Name
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
