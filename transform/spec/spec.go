// Package spec is the catalogue of 《智慧社区平台标准数据接入规范 V1.0.4》, as data,
// and the validator that proves records against it.
//
// The data stands in v1.0.4: one file an interface, and the dictionaries. Each
// field says where it is known from (seed: the surviving text of the standard,
// client: what other clients of the platform send, inferred). What is certain
// is an error; what is inferred only warns, so that a guess never blocks a site.
package spec

import (
	"slices"
	"strings"
	"sync"
)

// Catalogue holds all interfaces and dictionaries. It does not change after
// Load and is safe for many goroutines; the With methods give changed copies.
type Catalogue struct {
	Version    string       // of the standard
	Interfaces []*Interface // in the order of the chapters
	Dicts      []*Dict
}

// Interface is one target of the platform: POST /api/v1/<Name>.
type Interface struct {
	Name          string // "stk/zpjl"
	Title         string // "人脸抓拍记录信息"
	Chapter       string // of the standard: "13"
	Prerequisites []Prerequisite
	// Identity are the indices in Fields of what tells a record from the others
	// of its interface. A single one is the record's own code, which later
	// records name.
	Identity []int
	// Device is the index in Fields of the one that puts records in order: the
	// device, the base record's own code, or what a record without one belongs
	// to. It is never personal, for stores show it. Time is that of the
	// device's time. -1: it has none.
	Device, Time int
	Fields       []Field // in the order of the standard
	Rules        []Rule
	Examples     []Example

	scratch    *sync.Pool // *[decodedChunk]byte, for checkBase64
	maxPicture int        // bytes of a picture itself; 0: no limit
}

// Field is one row of an interface's table.
type Field struct {
	Name   string // "snapTime", as on the wire
	Path   string // "jzxxList[].fwbm" in a list; else the name
	Label  string // "抓拍时间"
	Type   Type
	Fields []Field // of a List: those of each of its objects
	// Min and Max count characters, of a List objects. Min == Max: exactly so
	// many. Max 0: no limit.
	Min, Max int
	Range    *Range // of an Integer; nil: any
	Need     Need
	Format   Format
	Shape    Shape
	Dict     *Dict
	Mask     Mask
	Source   string // seed, client or inferred
	Note     string

	begins place // the field of the same record whose value it begins with
	kind   place // the field that says which kind of document it numbers
	// earlier is the field of an earlier record of interface earlierOf whose
	// value it begins with: xqmc of xq.
	earlierOf, earlier string
	warn               []string
}

// Range of an Integer, ends included.
type Range struct{ Low, High int }

// place of a field that another one refers to: in the same object, or, from a
// list, in the record around it.
type place struct {
	index int // -1: none
	outer bool
}

// Type of a field as the standard's tables say.
type Type int

// The types. The standard's own examples send integers as strings: both are
// accepted.
const (
	String Type = iota
	Integer
	List // of objects
)

// Need says whether a field must be there.
type Need int

// The needs. A Conditional field is ruled by the interface's Rules.
const (
	Optional Need = iota
	Required
	Conditional
)

// Rule ties fields together: when all of When hold, the fields in Require must
// be there and those in Omit must not. Indices are those of Interface.Fields.
type Rule struct {
	When     []Condition
	Require  []int
	Omit     []int
	Severity Severity
	Because  Phrase
}

// Condition holds if the field has one of the values Is, or, without values,
// if it is there (Present) or not.
type Condition struct {
	Field   int
	Is      []string
	Present bool
}

// Interface returns the interface with a name like "stk/zpjl", or nil.
func (c *Catalogue) Interface(name string) *Interface {
	for _, i := range c.Interfaces {
		if i.Name == name {
			return i
		}
	}
	return nil
}

// Names are the names of all interfaces.
func (c *Catalogue) Names() []string {
	var names []string
	for _, i := range c.Interfaces {
		names = append(names, i.Name)
	}
	return names
}

// Dict returns the dictionary with a code like "ZD018", or nil.
func (c *Catalogue) Dict(code string) *Dict {
	for _, d := range c.Dicts {
		if d.Code == code {
			return d
		}
	}
	return nil
}

// FieldIndex returns the index in Fields of a name, or -1.
func (i *Interface) FieldIndex(name string) int { return fieldIndex(i.Fields, name) }

func fieldIndex(fields []Field, name string) int {
	for n := range fields {
		if fields[n].Name == name {
			return n
		}
	}
	return -1
}

// Code is the index in Fields of the record's own code, which later records
// name. -1: it has none.
func (i *Interface) Code() int {
	if len(i.Identity) != 1 {
		return -1
	}
	return i.Identity[0]
}

// Field returns the field with a path like "snapTime" or "jzxxList[].fwbm", or
// nil.
func (i *Interface) Field(path string) *Field {
	list, name, nested := strings.Cut(path, "[].")
	n := i.FieldIndex(list)
	if n < 0 {
		return nil
	}
	f := &i.Fields[n]
	if !nested {
		return f
	}
	if n = fieldIndex(f.Fields, name); n < 0 {
		return nil
	}
	return &f.Fields[n]
}

// All are the fields in the order of the standard; those of a List follow it.
func (i *Interface) All(yield func(*Field) bool) {
	for n := range i.Fields {
		f := &i.Fields[n]
		if !yield(f) {
			return
		}
		for m := range f.Fields {
			if !yield(&f.Fields[m]) {
				return
			}
		}
	}
}

// Severity of a breach of one rule of the field.
func (f *Field) Severity(rule string) Severity {
	if f.Source == "inferred" || slices.Contains(f.warn, rule) {
		return Warning
	}
	return Error
}
