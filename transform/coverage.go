package transform

import (
	"cmp"
	"slices"
	"strings"

	"yiqiao/transform/spec"
)

// Coverage is what events touched of the rules: it gathers their traces.
// The zero value has seen none.
type Coverage struct{ touched map[touch]bool }

// touch is a part of the rules that was touched. A place in the files is the
// name that mappings, merged fragments and tables have in common.
type touch struct {
	what  string
	name  string
	place Place
}

// What can be covered.
const (
	CoveredMappings = "mappings"     // a mapping that matched
	CoveredFields   = "fields"       // a field that got a value
	CoveredIgnores  = "ignore rules" // a rule by which an event was ignored
	CoveredRows     = "table rows"   // a row that was found
)

// Covered is how much of one kind of thing was touched.
type Covered struct {
	What    string // one of the words above
	Touched int
	Missed  []Missed // in the order of the files
}

// Missed is a thing that nothing touched.
type Missed struct {
	Name  string // of the mapping, field with label, reason of the rule, table and row
	Place Place
}

// Add takes in what one event touched.
func (c *Coverage) Add(tr *Trace) {
	if c.touched == nil {
		c.touched = map[touch]bool{}
	}
	for i := range tr.Steps {
		s := &tr.Steps[i]
		switch {
		case s.Verdict != Yes:
		case s.What == "mapping":
			c.touched[touch{CoveredMappings, s.Name, Place{}}] = true
		case s.What == "field":
			c.touched[touch{CoveredFields, "", s.Place}] = true
		case s.What == "ignore":
			c.touched[touch{CoveredIgnores, "", s.Place}] = true
		}
		for _, row := range s.Rows {
			if row.Found {
				c.touched[touch{CoveredRows, "", row.Place}] = true
			}
		}
	}
}

// Of compares with all that the rules have: mappings, fields, ignore rules and
// table rows, in this order, as far as they stand in files that count selects
// (nil: all). What several mappings merge counts once.
func (c *Coverage) Of(r *Rules, count func(file string) bool) []Covered {
	all := &allCovered{coverage: c, count: count, seen: map[touch]bool{}}
	for _, s := range r.Sources {
		for _, m := range s.Mappings {
			all.mapping(m)
		}
	}
	for _, name := range keys(r.tables) {
		all.table(r.tables[name])
	}
	var list []Covered
	for _, what := range []string{CoveredMappings, CoveredFields, CoveredIgnores, CoveredRows} {
		part := Covered{What: what}
		for _, k := range all.kinds {
			if k.What == what {
				part = k
			}
		}
		slices.SortStableFunc(part.Missed, func(a, b Missed) int {
			return cmp.Or(strings.Compare(a.Place.File, b.Place.File), a.Place.Line-b.Place.Line, a.Place.Col-b.Place.Col)
		})
		list = append(list, part)
	}
	return list
}

// allCovered goes over all that rules have.
type allCovered struct {
	coverage *Coverage
	count    func(file string) bool
	seen     map[touch]bool
	kinds    []Covered
}

// one counts a thing; at is where a person finds it.
func (a *allCovered) one(t touch, name string, at Place) {
	if a.seen[t] || a.count != nil && !a.count(at.File) {
		return
	}
	a.seen[t] = true
	i := slices.IndexFunc(a.kinds, func(k Covered) bool { return k.What == t.what })
	if i < 0 {
		i, a.kinds = len(a.kinds), append(a.kinds, Covered{What: t.what})
	}
	if a.coverage.touched[t] {
		a.kinds[i].Touched++
		return
	}
	a.kinds[i].Missed = append(a.kinds[i].Missed, Missed{name, at})
}

func (a *allCovered) mapping(m *Mapping) {
	a.one(touch{CoveredMappings, m.Name, Place{}}, m.Name, m.place)
	for _, ig := range m.ignore {
		a.one(touch{CoveredIgnores, "", ig.when.place}, ig.because, ig.when.place)
	}
	if m.To != nil {
		a.fields(m.To.Fields, m.fields, "")
	}
	for _, table := range keys(m.rows) {
		for _, key := range keys(m.rows[table].keys) {
			at := m.rows[table].keys[key]
			a.one(touch{CoveredRows, "", at}, table+" "+key, at)
		}
	}
}

func (a *allCovered) fields(fields []spec.Field, rules []fieldRule, prefix string) {
	for i := range rules {
		rule := &rules[i]
		f := &fields[rule.index]
		for _, object := range rule.objects {
			a.fields(f.Fields, object, prefix+f.Name+".")
		}
		if rule.objects == nil {
			a.one(touch{CoveredFields, "", rule.value.place}, prefix+f.Name+" ("+f.Label+")", rule.value.place)
		}
	}
}

// table counts the rows of a site's table, one with several ids once.
func (a *allCovered) table(t *Table) {
	var rows []*tableRow
	for _, row := range t.rows {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(x, y *tableRow) int { return cmp.Or(x.line-y.line, strings.Compare(x.id, y.id)) })
	for _, row := range rows {
		a.one(touch{CoveredRows, "", t.place(row)}, t.Name+" "+strings.ReplaceAll(row.id, keyGlue, ", "), t.place(row))
	}
}
