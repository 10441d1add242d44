package spec

import (
	"errors"
	"fmt"
	"slices"
)

// finish checks what can only be seen when all interfaces are there.
func (l *loader) finish() error {
	if len(l.sheets) == 0 {
		return errors.New("the catalogue has no interface")
	}
	for n, i := range l.c.Interfaces {
		k := whole{l.sheets[n], l.c, i}
		k.identity()
		k.prerequisites()
		k.names()
		k.ruled()
	}
	if err := l.problems(); err != nil {
		return err
	}
	for n, i := range l.c.Interfaces {
		k := whole{l.sheets[n], l.c, i}
		k.circle()
		k.examples()
	}
	return l.problems()
}

func (l *loader) problems() error {
	var all []error
	for _, s := range l.sheets {
		all = append(all, s.problems...)
	}
	return errors.Join(all...)
}

// whole checks one interface of a whole catalogue.
type whole struct {
	*sheet
	c *Catalogue
	i *Interface
}

func (k whole) identity() {
	if len(k.i.Identity) == 0 {
		k.problem("$.identity", "nothing tells a record from another: identity is empty")
	}
	if k.i.Device < 0 {
		k.problem("$.device", "no field puts its records in order: device is empty")
		return
	}
	switch f := &k.i.Fields[k.i.Device]; {
	case f.Need != Required:
		k.problem("$.device", "device field %q is not required", f.Name)
	case f.Mask != Open:
		k.problem("$.device", "device field %q is personal, and stores show it", f.Name)
	}
	if t := k.i.Time; t >= 0 && k.i.Fields[t].Format != GF004 {
		k.problem("$.time", "time field %q has not the format GF004", k.i.Fields[t].Name)
	}
}

func (k whole) prerequisites() {
	for n := range k.i.Prerequisites {
		p := &k.i.Prerequisites[n]
		at := fmt.Sprintf("$.prerequisites[%d]", n)
		f := k.i.Field(p.Field)
		if f == nil {
			k.problem(at+".field", "prerequisite %s: no field %q", p.Of, p.Field)
			continue
		}
		of := k.c.Interface(p.Of)
		switch {
		case of == nil:
			k.problem(at+".of", "prerequisite: there is no interface %q", p.Of)
		case of.Code() < 0:
			k.problem(at+".of", "prerequisite: a record of %s has no code of its own", p.Of)
		default:
			code := &of.Fields[of.Code()]
			length := f.Max
			if p.First > 0 {
				length = p.First
			}
			if p.Separator == "" && length != code.Max {
				k.problem(at+".field", "prerequisite %s: %s has %d characters, its %s %d", p.Of, p.Field, length, code.Name, code.Max)
			}
		}
	}
}

// names checks the fields that begin with one of an earlier record.
func (k whole) names() {
	for n := range k.i.Fields {
		f := &k.i.Fields[n]
		if f.earlier == "" {
			continue
		}
		of := k.c.Interface(f.earlierOf)
		after := slices.ContainsFunc(k.i.Prerequisites, func(p Prerequisite) bool { return p.Of == f.earlierOf })
		if of == nil || !after || of.FieldIndex(f.earlier) < 0 {
			k.problem(fmt.Sprintf("$.fields[%d].begins", n), "field %q: no earlier record has %s.%s", f.Name, f.earlierOf, f.earlier)
		}
	}
}

// ruled tells conditional fields that no rule speaks of.
func (k whole) ruled() {
	for n := range k.i.Fields {
		f := &k.i.Fields[n]
		if f.Need != Conditional {
			continue
		}
		if !slices.ContainsFunc(k.i.Rules, func(r Rule) bool { return slices.Contains(r.Require, n) || slices.Contains(r.Omit, n) }) {
			k.problem(fmt.Sprintf("$.fields[%d].need", n), "field %q is conditional and no rule says when", f.Name)
		}
	}
}

// circle tells an interface that must come before itself.
func (k whole) circle() {
	seen := map[string]bool{}
	var visit func(i *Interface) bool
	visit = func(i *Interface) bool {
		for _, p := range i.Prerequisites {
			if p.Of == k.i.Name {
				return true
			}
			if !seen[p.Of] {
				seen[p.Of] = true
				if visit(k.c.Interface(p.Of)) {
					return true
				}
			}
		}
		return false
	}
	if visit(k.i) {
		k.problem("$.prerequisites", "interface %q must come before itself", k.i.Name)
	}
}

func (k whole) examples() {
	if len(k.i.Examples) == 0 {
		k.problem("$.examples", "it has no example")
	}
	for n := range k.i.Examples {
		e := &k.i.Examples[n]
		for _, err := range k.i.proveExample(e) {
			k.problem(fmt.Sprintf("$.examples[%d]", n), "example %d: %w", n+1, err)
		}
	}
}
