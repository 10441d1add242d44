package spec

import (
	"slices"
	"strings"
	"testing"
)

// Checks tells of every rule that Check can find broken: whatever stands in a
// field, the rule that it breaks is one of those that were announced.
func TestChecks(t *testing.T) {
	catalogue, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	values := []Value{
		{}, {Kind: Text}, {Kind: Text, Text: "x"}, {Kind: Text, Text: strings.Repeat("9", 600)}, {Kind: Text, Text: "1990-13-40"},
		{Kind: Text, Text: "0"}, {Kind: Number, Text: "999"}, {Kind: Picture, Data: []byte("hello"), Raw: true}, {Kind: Array},
		{Kind: Array, Items: []Value{{Kind: Text}}},
	}
	seen := map[string]bool{}
	for _, i := range catalogue.Interfaces {
		for n := range i.Fields {
			f := &i.Fields[n]
			var rules []string
			for _, c := range i.Checks(f) {
				rules = append(rules, c.Rule)
				if !slices.Contains(ruleNames, c.Rule) || (c.Want.English == "") != (c.Want.Chinese == "") {
					t.Errorf("%s %s: %+v", i.Name, f.Name, c)
				}
			}
			for _, v := range append(values, Value{Kind: Text, Text: strings.Repeat("9", f.Max)}) {
				record := make([]Value, len(i.Fields))
				for k := range record {
					record[k] = Value{Kind: Text, Text: "340102"} // so that prefixes have something to begin with
				}
				record[n] = v
				for _, violation := range i.Check(record, nil) {
					if violation.Field != f || violation.Rule == RuleType || violation.Rule == RuleCondition {
						continue
					}
					seen[violation.Rule] = true
					if !slices.Contains(rules, violation.Rule) && f.Shape != Document && f.kind.index < 0 {
						t.Errorf("%s %s: %s is not among %v", i.Name, f.Name, violation, rules)
					}
				}
			}
		}
	}
	for _, rule := range []string{RuleRequired, RuleLength, RuleRange, RuleFormat, RuleDictionary, RuleShape, RulePrefix} {
		if !seen[rule] {
			t.Errorf("nothing broke the rule %q: the test proves nothing of it", rule)
		}
	}
}
