package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind of a value.
type Kind int

// The kinds. Other is what no field takes: true, false, or a list or object
// where none belongs.
const (
	Missing Kind = iota
	Text
	Number
	Picture
	Array
	Object
	Other
)

// Value is what a record holds for one field.
type Value struct {
	Kind Kind
	Text string // Text: the text; Number: its digits as in JSON; Other: its JSON
	Data []byte // Picture
	Raw  bool   // Picture: Data is the picture itself; otherwise its Base64
	// Promised: a Picture that has yet to be made; it is checked by
	// CheckPicture when it is there.
	Promised bool
	// Items of an Array are its elements, Objects if they are as they should
	// be; those of an Object are parallel to the Fields of the list's Field.
	Items []Value
}

// there tells whether a value says something: an empty text or list does not.
func (v *Value) there() bool {
	switch v.Kind {
	case Missing:
		return false
	case Text:
		return v.Text != ""
	case Array:
		return len(v.Items) > 0
	}
	return true
}

// Omit sets to Missing what the Rules say is left out, for a sender that gives
// a picture with every event (规范 V1.0.3, 人员通行记录). It allocates nothing.
func (i *Interface) Omit(values []Value) {
	for r := range i.Rules {
		rule := &i.Rules[r]
		if len(rule.Omit) == 0 || !rule.holds(values) {
			continue
		}
		for _, f := range rule.Omit {
			values[f] = Value{}
		}
	}
}

func (r *Rule) holds(values []Value) bool {
	for i := range r.When {
		c := &r.When[i]
		v := &values[c.Field]
		if len(c.Is) > 0 {
			if !slices.Contains(c.Is, v.Text) {
				return false
			}
		} else if v.there() != c.Present {
			return false
		}
	}
	return true
}

// Check appends to out what is wrong with values, which are parallel to
// i.Fields. When all is well it allocates nothing.
func (i *Interface) Check(values []Value, out []Violation) []Violation {
	c := checker{iface: i, fields: i.Fields, values: values, out: out}
	c.all()
	for r := range i.Rules {
		if rule := &i.Rules[r]; rule.holds(values) {
			c.rule(rule)
		}
	}
	return c.out
}

// CheckText checks one text as the value of a field, without what needs other
// fields: for constants in mapping files.
func (f *Field) CheckText(s string, out []Violation) []Violation {
	alone := Interface{scratch: newScratch()}
	c := checker{iface: &alone, fields: []Field{*f}, values: []Value{{Kind: Text, Text: s}}, out: out, alone: true}
	c.all()
	for n := range c.out {
		c.out[n].Interface, c.out[n].Field = nil, f
	}
	return c.out
}

// checker goes through the fields of a record, or of one object of a list.
type checker struct {
	iface   *Interface
	fields  []Field
	values  []Value
	out     []Violation
	alone   bool    // the field stands without its record
	outer   []Value // of the record around the list
	list    *Field
	element int // of list
}

func (c *checker) all() {
	for n := range c.fields {
		f, v := &c.fields[n], &c.values[n]
		switch {
		case !v.there():
			if f.Need == Required {
				c.add(f, Violation{Rule: RuleRequired, Severity: f.Severity(RuleRequired), Missing: true, Want: required, Got: gotNothing(v)})
			}
		case f.Type == List:
			c.objects(f, v)
		default:
			c.value(f, v)
		}
	}
}

// add appends a violation of f and says where f stands.
func (c *checker) add(f *Field, v Violation) {
	v.Interface, v.Field = c.iface, f
	if c.list != nil {
		v.List, v.Element, v.Path = c.list, c.element, elementPath(c.list, c.element)+"."+f.Name
	}
	c.out = append(c.out, v)
}

func (c *checker) breach(f *Field, rule string, want, got Phrase) {
	c.add(f, Violation{Rule: rule, Severity: f.Severity(rule), Want: want, Got: got})
}

func (c *checker) warn(f *Field, rule string, want, got Phrase) {
	c.add(f, Violation{Rule: rule, Severity: Warning, Want: want, Got: got})
}

func elementPath(list *Field, n int) string { return list.Name + "[" + strconv.Itoa(n) + "]" }

func (c *checker) rule(rule *Rule) {
	for _, n := range rule.Require {
		if f, v := &c.fields[n], &c.values[n]; !v.there() {
			c.add(f, Violation{Rule: RuleCondition, Severity: rule.Severity, Missing: true, Want: required, Got: gotNothing(v), Because: rule.Because})
		}
	}
	for _, n := range rule.Omit {
		if f, v := &c.fields[n], &c.values[n]; v.there() {
			c.add(f, Violation{Rule: RuleCondition, Severity: rule.Severity, Want: leftOut, Got: f.got(v), Because: rule.Because})
		}
	}
}

// objects checks a list of objects.
func (c *checker) objects(f *Field, v *Value) {
	if v.Kind != Array {
		c.breach(f, RuleType, wantList, f.got(v))
		return
	}
	if n := len(v.Items); n < f.Min || f.Max > 0 && n > f.Max {
		c.breach(f, RuleLength, f.wantLength(), Phrase{strconv.Itoa(n), fmt.Sprintf("%d 个", n)})
	}
	for n := range v.Items {
		item := &v.Items[n]
		if item.Kind != Object || len(item.Items) != len(f.Fields) {
			c.breach(f, RuleType, wantObject, item.kind())
			c.out[len(c.out)-1].Path = elementPath(f, n)
			continue
		}
		one := checker{iface: c.iface, fields: f.Fields, values: item.Items, out: c.out, outer: c.values, list: f, element: n}
		one.all()
		c.out = one.out
	}
}

// value checks a value that is there.
func (c *checker) value(f *Field, v *Value) {
	before := len(c.out)
	if f.Format == GF005 {
		c.picture(f, v)
		return
	}
	switch {
	case v.Kind != Text && (v.Kind != Number || f.Type != Integer):
		c.breach(f, RuleType, f.wantType(), f.got(v))
		return
	case f.Type == Integer && !isInteger(v.Text):
		c.breach(f, RuleType, wantInteger, f.got(v))
		return
	case f.Range != nil && !f.Range.holds(v.Text):
		c.breach(f, RuleRange, f.Range.want(), f.got(v))
	}
	if f.Max > 0 {
		if n := utf8.RuneCountInString(v.Text); n < f.Min || n > f.Max {
			c.breach(f, RuleLength, f.wantLength(), f.gotLength(v, n))
		}
	}
	c.format(f, v)
	if d := f.Dict; d != nil && len(d.Entries) > 0 {
		if _, ok := d.labels[v.Text]; !ok {
			severity := f.Severity(RuleDictionary)
			if !d.Complete {
				severity = Warning
			}
			c.add(f, Violation{Rule: RuleDictionary, Severity: severity, Want: d.want(), Got: f.got(v)})
		}
	}
	// What is wrong already need not be likely too.
	if len(c.out) == before {
		c.likely(f, v)
	}
}

// likely warns of what is right by the letter and yet looks wrong.
func (c *checker) likely(f *Field, v *Value) {
	shape := f.Shape
	if kind := c.at(f.kind); kind != nil && slices.Contains(idCardKinds, kind.Text) {
		shape = IDCard
	}
	if shape != AnyShape && !shapes[shape].holds(v.Text) {
		c.warn(f, RuleShape, shapes[shape].want, f.got(v))
	}
	if head := c.at(f.begins); head != nil && head.Kind == Text && !strings.HasPrefix(v.Text, head.Text) {
		c.warn(f, RulePrefix, c.field(f.begins).wantPrefix(head), f.got(v))
	}
}

// at returns the value of another field, or nil.
func (c *checker) at(p place) *Value {
	switch {
	case p.index < 0 || c.alone:
		return nil
	case p.outer:
		return &c.outer[p.index]
	}
	return &c.values[p.index]
}

func (c *checker) field(p place) *Field {
	if p.outer {
		return &c.iface.Fields[p.index]
	}
	return &c.fields[p.index]
}

// holds tells whether an integer is in the range.
func (r *Range) holds(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= r.Low && n <= r.High
}

func isInteger(s string) bool { return allDigits(strings.TrimPrefix(s, "-")) }
