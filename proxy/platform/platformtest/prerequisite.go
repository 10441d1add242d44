package platformtest

import (
	"fmt"
	"strings"

	"yiqiao/transform/spec"
)

// registered is a code that a caller has registered.
type registered struct{ appKey, iface, code string }

// names are the values of a registered record that later ones begin with, by
// field.
type names map[string]string

// namedFields are, by interface, the fields of its records that those of later
// ones begin with: xqmc of xq.
func namedFields(c *spec.Catalogue) map[string][]string {
	out := map[string][]string{}
	if c == nil {
		return out
	}
	for _, i := range c.Interfaces {
		for f := range i.All {
			if of, field, earlier := strings.Cut(i.Begins(f), "."); earlier {
				out[of] = append(out[of], field)
			}
		}
	}
	return out
}

// missing says which earlier record a field names in vain.
func (p *Platform) missing(i *spec.Interface, pre *spec.Prerequisite, code string) string {
	f, of := i.Field(pre.Field), p.opts.Catalogue.Interface(pre.Of)
	return fmt.Sprintf("%s（%s）：%s %s（%s）尚未接入（前置接入，规范第 %s 章）", f.Path, f.Label, of.Title, f.Masked(code), of.Name, i.Chapter)
}

// register notes the code of an accepted record; p is locked.
func (p *Platform) register(e *examined) {
	if e.iface == nil || e.iface.Code() < 0 {
		return
	}
	code := e.values[e.iface.Code()].Text
	key := registered{e.appKey, e.name, code}
	if _, again := p.codes[key]; code == "" || !again && len(p.codes) >= maxSeen {
		return
	}
	kept := names{}
	for _, field := range p.named[e.name] {
		kept[field] = e.values[e.iface.FieldIndex(field)].Text
	}
	p.codes[key] = kept
}

// lookup finds the fields of what a caller has registered; p is locked.
func (p *Platform) lookup(appKey string) spec.Lookup {
	return func(of, code, field string) (string, bool) {
		value, ok := p.codes[registered{appKey, of, code}][field]
		return value, ok
	}
}
