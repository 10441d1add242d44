package spec

import "strings"

// Prerequisite (前置接入): Field holds the code of a record of interface Of,
// which the platform must have accepted before.
type Prerequisite struct {
	Field     string // its path: "xqbm", "jzxxList[].fwbm"
	Of        string // "xq"
	First     int    // the code is only the first so many characters; 0: all
	Separator string // several codes are joined by it; empty: there is one
	Source    string // seed, client or inferred
}

// Lookup returns the value of a field of an earlier record: of interface of,
// with that code.
type Lookup func(of, code, field string) (value string, ok bool)

// Earlier yields the prerequisites of a record with the code of each. values
// are parallel to i.Fields.
func (i *Interface) Earlier(values []Value) func(yield func(p *Prerequisite, code string) bool) {
	return func(yield func(*Prerequisite, string) bool) {
		for n := range i.Prerequisites {
			p := &i.Prerequisites[n]
			for v := range i.at(p.Field, values) {
				for code := range p.codes(v.Text) {
					if !yield(p, code) {
						return
					}
				}
			}
		}
	}
}

// at yields the values that say something at a path.
func (i *Interface) at(path string, values []Value) func(yield func(*Value) bool) {
	return func(yield func(*Value) bool) {
		name, nested, _ := strings.Cut(path, "[].")
		n := i.FieldIndex(name)
		if nested == "" {
			if v := &values[n]; v.Kind == Text && v.there() {
				yield(v)
			}
			return
		}
		m := fieldIndex(i.Fields[n].Fields, nested)
		for k := range values[n].Items {
			item := &values[n].Items[k]
			if item.Kind != Object {
				continue
			}
			if v := &item.Items[m]; v.Kind == Text && v.there() && !yield(v) {
				return
			}
		}
	}
}

func (p *Prerequisite) codes(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if p.Separator != "" {
			strings.SplitSeq(s, p.Separator)(yield)
			return
		}
		if p.First > 0 {
			s = s[:min(p.First, len(s))]
		}
		yield(s)
	}
}

// CheckAgainst appends to out what does not fit to earlier records: a name that
// does not begin with that of its 小区 (规范 3.4, 8.4, 12.4). It only warns.
func (i *Interface) CheckAgainst(values []Value, earlier Lookup, out []Violation) []Violation {
	c := checker{iface: i, fields: i.Fields, values: values, out: out}
	for n := range i.Fields {
		f, v := &i.Fields[n], &values[n]
		if f.earlier == "" || v.Kind != Text || !v.there() {
			continue
		}
		for p, code := range i.Earlier(values) {
			if p.Of != f.earlierOf {
				continue
			}
			if head, ok := earlier(p.Of, code, f.earlier); ok && !strings.HasPrefix(v.Text, head) {
				c.warn(f, RulePrefix, wantName(p.Of, f.earlier, head), f.got(v))
			}
		}
	}
	return c.out
}

func wantName(of, field, head string) Phrase {
	return Phrase{"what begins with " + of + "." + field + " \"" + head + "\"", "以 " + of + "." + field + " “" + head + "” 开头"}
}
