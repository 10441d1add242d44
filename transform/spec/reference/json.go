package reference

import (
	"bytes"
	"encoding/json"

	"yiqiao/transform/spec"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for n, m := range o {
		if n > 0 {
			b.WriteByte(',')
		}
		name, err := plainJSON(m.name)
		if err != nil {
			return nil, err
		}
		value, err := plainJSON(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// plainJSON leaves <, > and & as they are.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// indented is a document to be read, with a line break at its end.
func indented(v any) ([]byte, error) {
	doc, err := plainJSON(v)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, doc, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

type interfaceJSON struct {
	Name   string      `json:"name"`
	Path   string      `json:"path"`
	Title  string      `json:"title"`
	After  []string    `json:"after"`
	Fields []fieldJSON `json:"fields"`
}

// fieldJSON has null where there is no limit, format or dictionary.
type fieldJSON struct {
	Name     string  `json:"name"` // "jzxxList[].fwbm" in a list
	Label    string  `json:"label"`
	Type     string  `json:"type"`
	Min      *int    `json:"min"`
	Max      *int    `json:"max"`
	Required any     `json:"required"` // true, false or "conditional"
	Format   *string `json:"format"`
	Dict     *string `json:"dict"`
	Source   string  `json:"source"`
}

type dictJSON struct {
	Name     string  `json:"name"`
	Path     *string `json:"path"`
	Complete bool    `json:"complete"`
	Entries  object  `json:"entries"` // label by code
}

// JSON is the catalogue for programs: one object with "interfaces" in the order
// of the chapters and "dictionaries" by their codes.
func (r *Reference) JSON() ([]byte, error) {
	var interfaces []interfaceJSON
	for _, i := range r.c.Interfaces {
		one := interfaceJSON{i.Name, "/api/v1/" + i.Name, i.Title, after(i), nil}
		for f := range i.All {
			one.Fields = append(one.Fields, fieldOf(f))
		}
		interfaces = append(interfaces, one)
	}
	dicts := object{}
	for _, d := range r.c.Dicts {
		one := dictJSON{Name: d.Name, Complete: d.Complete, Entries: object{}}
		if d.Path != "" {
			path := "/api/v1/" + d.Path
			one.Path = &path
		}
		for _, e := range d.Entries {
			one.Entries = append(one.Entries, member{e.Code, e.Label})
		}
		dicts = append(dicts, member{d.Code, one})
	}
	return indented(object{{"interfaces", interfaces}, {"dictionaries", dicts}})
}

func fieldOf(f *spec.Field) fieldJSON {
	out := fieldJSON{Name: f.Path, Label: f.Label, Type: typeName(f.Type), Source: f.Source, Required: f.Need == spec.Required}
	if f.Need == spec.Conditional {
		out.Required = "conditional"
	}
	if f.Min > 0 || f.Max > 0 {
		out.Min = &f.Min
	}
	if f.Max > 0 {
		out.Max = &f.Max
	}
	if f.Format != spec.NoFormat {
		name := f.Format.String()
		out.Format = &name
	}
	if f.Dict != nil {
		out.Dict = &f.Dict.Code
	}
	return out
}
