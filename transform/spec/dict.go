package spec

import (
	"fmt"
	"strings"

	"golang.org/x/text/width"
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

	labels map[string]string // by code
	codes  map[string]string // by plain label; "" for one that several share
}

// Entry is a code with its label.
type Entry struct{ Code, Label string }

// Label returns the label of a code.
func (d *Dict) Label(code string) (string, bool) {
	label, ok := d.labels[code]
	return label, ok
}

// CodeOf returns the code of a label. Spaces around it and full-width forms do
// not matter, unless two labels of the dictionary differ in nothing else. A
// label that two codes share has none.
func (d *Dict) CodeOf(label string) (string, bool) {
	var exact []string
	for _, e := range d.Entries {
		if e.Label == label {
			exact = append(exact, e.Code)
		}
	}
	switch len(exact) {
	case 0:
		code := d.codes[plain(label)]
		return code, code != ""
	case 1:
		return exact[0], true
	}
	return "", false
}

// plain is a label without what people write differently.
func plain(label string) string { return strings.TrimSpace(width.Fold.String(label)) }

// With returns the dictionary with other entries, all that there are: it is
// Complete. For Catalogue.WithDicts.
func (d *Dict) With(entries []Entry) (*Dict, error) {
	out := *d
	out.Complete, out.Entries = true, entries
	if again := out.index(); again != "" {
		return nil, fmt.Errorf("dictionary %s: code %q stands twice", d.Code, again)
	}
	return &out, nil
}

// index prepares the look-ups. A code that stands twice is returned.
func (d *Dict) index() (again string) {
	d.labels, d.codes = map[string]string{}, map[string]string{}
	for _, e := range d.Entries {
		if _, ok := d.labels[e.Code]; ok {
			return e.Code
		}
		d.labels[e.Code] = e.Label
		code := e.Code
		if _, ok := d.codes[plain(e.Label)]; ok {
			code = ""
		}
		d.codes[plain(e.Label)] = code
	}
	return ""
}

// want lists a dictionary's values, those of a long one in part.
func (d *Dict) want() Phrase {
	const most = 8
	var list []string
	for _, e := range d.Entries[:min(most, len(d.Entries))] {
		list = append(list, e.Code+" "+e.Label)
	}
	if len(d.Entries) > most {
		list = append(list, "…")
	}
	return Phrase{
		fmt.Sprintf("a code of %s %s (%s)", d.Code, d.Name, strings.Join(list, ", ")),
		fmt.Sprintf("字典 %s %s的代码（%s）", d.Code, d.Name, strings.Join(list, "；")),
	}
}
