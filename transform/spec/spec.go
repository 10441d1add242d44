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
	"sync"
	"unicode/utf8"
)

// Catalogue holds all interfaces and dictionaries. It does not change after
// Load and is safe for many goroutines.
type Catalogue struct {
	Version    string // of the standard
	Interfaces []*Interface
	Dicts      []*Dict
}

// Interface is one target of the platform: POST /api/v1/<Name>.
type Interface struct {
	Name          string // "stk/zpjl"
	Title         string // "人脸抓拍记录信息"
	Chapter       string // of the standard: "13"
	Prerequisites []Prerequisite
	// Device is the index in Fields of the one that names the device, or the
	// base record's own code; Time that of the device's time. -1: it has none.
	Device, Time int
	Fields       []Field // in the order of the standard
	Rules        []Rule
	Examples     []string // of the standard, JSON

	scratch *sync.Pool // *[decodedChunk]byte, for checkBase64
}

// Prerequisite (前置接入): Field holds the code of a record of interface Of,
// which the platform must have accepted before.
type Prerequisite struct {
	Field string `yaml:"field"`
	Of    string `yaml:"of"`
}

// Field is one row of an interface's table.
type Field struct {
	Name   string // "snapTime", as on the wire
	Label  string // "抓拍时间"
	Type   Type
	Min    int // characters
	Max    int // characters; 0: no limit. Min == Max: exactly so many
	Need   Need
	Format Format
	Dict   *Dict
	Mask   Mask
	Source string // seed, client or inferred
	Note   string

	warn []string // rules of this field that are inferred: they only warn
}

// Type of a field as the standard's tables say.
type Type int

// The types. The standard's own examples send integers as strings: both are
// accepted.
const (
	String Type = iota
	Integer
)

// Need says whether a field must be there.
type Need int

// The needs. A Conditional field is ruled by the interface's Rules.
const (
	Optional Need = iota
	Required
	Conditional
)

// Mask says who may see a value.
type Mask int

// The masks: Personal values are shown in part, Secret ones not at all.
const (
	Open Mask = iota
	Personal
	Secret
)

// Dict is a dictionary (规范 1.6). A code that a Complete one lacks is an
// error; one that an incomplete one lacks warns; one without entries knows
// nothing and says nothing.
type Dict struct {
	Code     string // "ZD018"
	Name     string // "通行方式"
	Standard string // "国标 GB/T 2260-2007"
	Path     string // of the live one, below the platform's URL; empty: none
	Complete bool
	Note     string
	Entries  []Entry

	labels map[string]string
}

// Entry is a code with its label.
type Entry struct{ Code, Label string }

// Label returns the label of a code.
func (d *Dict) Label(code string) (string, bool) {
	label, ok := d.labels[code]
	return label, ok
}

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
func (i *Interface) FieldIndex(name string) int {
	return slices.IndexFunc(i.Fields, func(f Field) bool { return f.Name == name })
}

// Masked shows a value as its Mask allows: of a personal one the first and the
// last character, of a secret one nothing.
func (f *Field) Masked(s string) string {
	switch f.Mask {
	case Personal:
		first, n := utf8.DecodeRuneInString(s)
		last, m := utf8.DecodeLastRuneInString(s)
		if len(s) <= n+m {
			return "***"
		}
		return string(first) + "***" + string(last)
	case Secret:
		return "***"
	}
	return s
}

// severity of a breach of one rule of the field.
func (f *Field) severity(rule string) Severity {
	if slices.Contains(f.warn, rule) {
		return Warning
	}
	return Error
}
