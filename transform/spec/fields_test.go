package spec

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// Every field of the catalogue keeps every rule that its row names: a value
// that breaks it is found, as an error or a warning as the row says.
func TestEveryField(t *testing.T) {
	proved := 0
	for _, i := range catalogue(t).Interfaces {
		for f := range i.All {
			for _, w := range wrongOf(f) {
				proved++
				name, value := f.Name, w.value
				if list, _, nested := strings.Cut(f.Path, "[]."); nested {
					name, value = list, within(t, i, list, f.Name, w.value)
				}
				found := i.CheckJSON(document(t, i, name, value))
				severity := f.Severity(w.rule)
				if w.warns {
					severity = Warning
				}
				if !slices.ContainsFunc(found, func(v Violation) bool { return v.Field == f && v.Rule == w.rule && v.Severity == severity }) {
					t.Errorf("%s %s: want an %s %s for %.80s, got %v", i.Name, f.Path, w.rule, severity, w.value, found)
				}
			}
		}
	}
	if proved < 400 {
		t.Errorf("want every field proved, got %d wrong values", proved)
	}
}

type wrong struct {
	rule, value string
	warns       bool
}

// wrongOf is a wrong value for each rule of a field.
func wrongOf(f *Field) []wrong {
	var list []wrong
	add := func(applies bool, w wrong) {
		if applies {
			list = append(list, w)
		}
	}
	text := f.Type == String && f.Format != GF005
	add(f.Need == Required, wrong{rule: RuleRequired})
	add(f.Need == Required, wrong{rule: RuleRequired, value: `null`})
	add(text, wrong{rule: RuleType, value: `1`})
	add(f.Type == Integer, wrong{rule: RuleType, value: `"?"`})
	add(f.Type == List, wrong{rule: RuleType, value: `{}`})
	add(f.Max > 0, wrong{rule: RuleLength, value: `"` + strings.Repeat("1", f.Max+1) + `"`})
	add(f.Min > 1, wrong{rule: RuleLength, value: `"` + strings.Repeat("1", max(f.Min-1, 0)) + `"`})
	add(f.Range != nil, wrong{rule: RuleRange, value: `12345678`})
	add(f.Format >= GF001 && f.Format <= GF005, wrong{rule: RuleFormat, value: `"?"`})
	add(f.Format == GF006 || f.Format == GF007, wrong{rule: RuleFormat, value: `"77"`, warns: true})
	add(f.Dict != nil && len(f.Dict.Entries) > 0, wrong{rule: RuleDictionary, value: `"7777"`, warns: f.Dict != nil && !f.Dict.Complete})
	// What a dictionary lacks need not look like a code too.
	listed := f.Dict != nil && len(f.Dict.Entries) > 0
	add(f.Shape != AnyShape && f.Shape != Document && !listed, wrong{rule: RuleShape, value: `"` + strings.Repeat("?", max(f.Min, 1)) + `"`, warns: true})
	add(f.begins.index >= 0 && !listed, wrong{rule: RulePrefix, value: `"9` + strings.Repeat("1", max(f.Min, 1)-1) + `"`, warns: true})
	return list
}

// within is the list of the example with one member of its first object
// changed.
func within(t *testing.T, i *Interface, list, name, value string) string {
	t.Helper()
	var doc map[string]json.RawMessage
	var objects []map[string]json.RawMessage
	if err := json.Unmarshal(i.Examples[0].Document(), &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc[list], &objects); err != nil {
		t.Fatal(err)
	}
	if objects[0][name] = json.RawMessage(value); value == "" {
		delete(objects[0], name)
	}
	out, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
