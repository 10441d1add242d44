package transform

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"yiqiao/transform/spec"
)

// Difference is one thing in which two outcomes of an event differ: a field of
// a record, a whole record, or that there is none.
type Difference struct {
	What   string `json:"what"`             // one of the words below
	To     string `json:"to,omitempty"`     // interface of the record
	Record int    `json:"record"`           // which of the event's records, from 0; of those wanted, if it is among them
	Path   string `json:"path,omitempty"`   // of the field: "accessType", "jzxxList[0].fwbm"
	Label  string `json:"label,omitempty"`  // of the field, or of the interface of a whole record
	Want   string `json:"want,omitempty"`   // as JSON on one line, a refusal as its text; empty: nothing was wanted
	Got    string `json:"got,omitempty"`    // likewise; empty: it is missing
	Masked bool   `json:"masked,omitempty"` // personal values are masked; see Mask

	field *spec.Field
	iface *spec.Interface
}

// What differs.
const (
	DifferentField    = "field"
	DifferentRecord   = "record" // a whole one is missing, or too many
	DifferentDistinct = "distinct"
	DifferentIgnored  = "ignored" // the reasons why it was ignored
	DifferentRefusal  = "refusal"
)

// String is like `accessType (出入方式): want "2", got "1"`.
func (d Difference) String() string {
	name := d.What
	switch d.What {
	case DifferentField:
		name = d.Path
	case DifferentRecord:
		name = "record " + d.To
	}
	if d.Label != "" {
		name += " (" + d.Label + ")"
	}
	switch {
	case d.What == DifferentRefusal && d.Got == "":
		return fmt.Sprintf("want the refusal %q, got none", d.Want)
	case d.What == DifferentRefusal && d.Want == "":
		return "unexpected refusal: " + d.Got
	case d.Got == "":
		return fmt.Sprintf("%s: missing, want %s", name, d.Want)
	case d.Want == "":
		return fmt.Sprintf("%s: unexpected, got %s", name, d.Got)
	}
	return fmt.Sprintf("%s: want %s, got %s", name, d.Want, d.Got)
}

// Mask returns the difference for whoever sees it in passing: personal values
// are masked, and it may be that both sides read the same then.
func (d Difference) Mask() Difference {
	d.Masked = true
	for _, side := range []*string{&d.Want, &d.Got} {
		switch {
		case *side == "":
		case d.field != nil && d.field.Mask != spec.Open:
			var s string
			if json.Unmarshal([]byte(*side), &s) != nil {
				s = *side
			}
			*side = canonical(d.field.Masked(s))
		case d.field != nil && len(d.field.Fields) > 0: // an object of a list
			*side = string(mask([]byte(*side), d.field.Fields, ""))
		case d.What == DifferentRecord && d.iface != nil:
			*side = string(mask([]byte(*side), d.iface.Fields, ""))
		}
	}
	return d
}

// outcome is what Result.Describe writes.
type outcome struct {
	Records []described `json:"records"`
	Ignored []string    `json:"ignored"`
	Left    string      `json:"left"` // why some elements gave no record
	refusal string
}

type described struct {
	To       string          `json:"to"`
	Distinct string          `json:"distinct"`
	Record   json.RawMessage `json:"record"`
	at       int
}

// Differences compares two outcomes of one event, as Result.Describe writes
// them, in the order of the standard's fields. Blanks and the order of members
// do not matter. An error says that one of them is no outcome.
//
// Records are paired by interface, those that are equal first, so that of two
// lists of faces only what is really another face is told.
func Differences(c *spec.Catalogue, want, got []byte) ([]Difference, error) {
	w, err := readOutcome(want)
	if err != nil {
		return nil, fmt.Errorf("what is wanted is no outcome of an event: %w", err)
	}
	g, err := readOutcome(got)
	if err != nil {
		return nil, fmt.Errorf("what came is no outcome of an event: %w", err)
	}
	var list []Difference
	if w.refusal != g.refusal {
		list = append(list, Difference{What: DifferentRefusal, Want: w.refusal, Got: g.refusal})
	}
	if g.refusal != "" {
		return list, nil // that says why nothing else is there
	}
	pairs := pair(w.Records, g.Records)
	for _, p := range pairs {
		list = append(list, p.differences(c)...)
	}
	if w.Left != g.Left {
		list = append(list, Difference{What: DifferentRefusal, Want: w.Left, Got: g.Left})
	}
	if !slices.Equal(w.Ignored, g.Ignored) {
		list = append(list, Difference{What: DifferentIgnored, Want: reasons(w.Ignored), Got: reasons(g.Ignored)})
	}
	return list, nil
}

func reasons(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return canonical(list)
}

func readOutcome(b []byte) (o outcome, err error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return o, io.ErrUnexpectedEOF
	}
	if b[0] != '{' {
		o.refusal = folders.ReplaceAllString(string(b), "$1")
		return o, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err = d.Decode(&o); err != nil {
		return o, err
	}
	o.Left = folders.ReplaceAllString(o.Left, "$1")
	for i := range o.Records {
		o.Records[i].at = i
		var members map[string]json.RawMessage
		if err := json.Unmarshal(o.Records[i].Record, &members); err != nil {
			return o, fmt.Errorf("record %d: want an object: %w", i+1, err)
		}
	}
	return o, nil
}

// folders before the files that a refusal names: they tell where the tool was
// called, not what came of the event.
var folders = regexp.MustCompile(`[^\s"]+/([^\s"/]+\.(?:csv|yaml|yml)\b)`)

// recordPair is two records that ought to be the same; one of them may be nil.
type recordPair struct{ want, got *described }

func pair(want, got []described) []recordPair {
	pairs := make([]recordPair, len(want))
	taken := make([]bool, len(got))
	match := func(fits func(w, g *described) bool) {
		for i := range want {
			for k := range got {
				if pairs[i].got == nil && !taken[k] && want[i].To == got[k].To && fits(&want[i], &got[k]) {
					pairs[i].got, taken[k] = &got[k], true
				}
			}
		}
	}
	for i := range want {
		pairs[i].want = &want[i]
	}
	match(func(w, g *described) bool {
		return w.Distinct == g.Distinct && canonical(w.Record) == canonical(g.Record)
	})
	match(func(w, g *described) bool { return true })
	for k := range got {
		if !taken[k] {
			pairs = append(pairs, recordPair{got: &got[k]})
		}
	}
	return pairs
}

func (p recordPair) differences(c *spec.Catalogue) []Difference {
	some := cmp.Or(p.want, p.got)
	base := Difference{To: some.To, Record: some.at, iface: c.Interface(some.To)}
	if p.want == nil || p.got == nil {
		base.What = DifferentRecord
		if base.iface != nil {
			base.Label = base.iface.Title
		}
		if p.want != nil {
			base.Want = canonical(p.want.Record)
		} else {
			base.Got = canonical(p.got.Record)
		}
		return []Difference{base}
	}
	var fields []spec.Field
	if base.iface != nil {
		fields = base.iface.Fields
	}
	list := base.objects(fields, "", p.want.Record, p.got.Record)
	if p.want.Distinct != p.got.Distinct {
		d := base
		d.What, d.Want, d.Got = DifferentDistinct, text(p.want.Distinct), text(p.got.Distinct)
		list = append(list, d)
	}
	return list
}

func text(s string) string {
	if s == "" {
		return ""
	}
	return canonical(s)
}

// objects compares two objects member by member.
func (d Difference) objects(fields []spec.Field, prefix string, want, got json.RawMessage) (list []Difference) {
	var w, g map[string]json.RawMessage
	_, _ = json.Unmarshal(want, &w), json.Unmarshal(got, &g) // proved to be objects
	known := map[string]bool{}
	for i := range fields {
		f := &fields[i]
		known[f.Name] = true
		list = append(list, d.members(f, prefix+f.Name, w[f.Name], g[f.Name])...)
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if !known[name] {
			known[name] = true
			list = append(list, d.members(nil, prefix+name, w[name], g[name])...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if !known[name] {
			list = append(list, d.members(nil, prefix+name, nil, g[name])...)
		}
	}
	return list
}

// members compares two values of one field; nil: it is not there.
func (d Difference) members(f *spec.Field, path string, want, got json.RawMessage) []Difference {
	w, g := canonical(want), canonical(got)
	if w == g {
		return nil
	}
	var a, b []json.RawMessage
	if f != nil && f.Type == spec.List && json.Unmarshal(want, &a) == nil && json.Unmarshal(got, &b) == nil {
		return d.elements(f, path, a, b)
	}
	d.What, d.Path, d.Want, d.Got, d.field = DifferentField, path, w, g, f
	if f != nil {
		d.Label = f.Label
	}
	return []Difference{d}
}

func (d Difference) elements(f *spec.Field, path string, want, got []json.RawMessage) (list []Difference) {
	for n := range max(len(want), len(got)) {
		at := fmt.Sprintf("%s[%d]", path, n)
		if n < len(want) && n < len(got) && isObject(want[n]) && isObject(got[n]) {
			list = append(list, d.objects(f.Fields, at+".", want[n], got[n])...)
			continue
		}
		one := d
		one.What, one.Path, one.Label, one.field = DifferentField, at, f.Label, f
		if n < len(want) {
			one.Want = canonical(want[n])
		}
		if n < len(got) {
			one.Got = canonical(got[n])
		}
		if one.Want != one.Got {
			list = append(list, one)
		}
	}
	return list
}

func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// canonical is a value as JSON on one line, its members sorted; of nothing it
// is empty. Digits of numbers stay as they are.
func canonical(v any) string {
	if raw, ok := v.(json.RawMessage); ok {
		if raw == nil {
			return ""
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return string(raw)
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of what JSON can hold
	return strings.TrimSuffix(b.String(), "\n")
}
