package schema

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"yiqiao/transform"
	"yiqiao/transform/spec"
)

type read struct {
	Dialect     string `json:"$schema"`
	Title       string
	Description string
	Const       string
	Enum        []string
	Notes       []string `json:"enumDescriptions"`
	Additional  any      `json:"additionalProperties"`
	Required    []string
	Properties  map[string]read
	AllOf       []struct {
		If, Then read
	}
	Definitions map[string]read
}

func written(t *testing.T, kind string) (r read) {
	t.Helper()
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Write(kind, c, []transform.KeyDoc{{Name: "listen", Chinese: "监听", English: "listens <here>"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc, &r); err != nil {
		t.Fatal(err)
	}
	if r.Dialect != dialect || r.Title == "" || r.Additional != false || strings.Contains(string(doc), `\u003c`) {
		t.Errorf("%s: %s %q %v", kind, r.Dialect, r.Title, r.Additional)
	}
	return r
}

// Each interface has a definition with all of its fields, each with its label;
// `to` chooses it, and what the standard requires is required of it.
func TestMapping(t *testing.T) {
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	r, fragment := written(t, "mapping"), written(t, "fragment")
	for _, i := range c.Interfaces {
		n := slices.Index(r.Properties["to"].Enum, i.Name)
		if n < 0 || r.Properties["to"].Notes[n] != i.Title {
			t.Errorf("%s is no value of to", i.Name)
		}
		def := r.Definitions[defName(i)]
		var required []string
		for _, branch := range r.AllOf {
			if branch.If.Properties["to"].Const == i.Name && slices.Equal(branch.If.Required, []string{"to"}) {
				required = append(required, branch.Then.Properties["record"].Required...)
			}
		}
		for k := range i.Fields {
			f := &i.Fields[k]
			if must := f.Need == spec.Required && f.Severity(spec.RuleRequired) == spec.Error; must != slices.Contains(required, f.Name) {
				t.Errorf("%s %s: required %v", i.Name, f.Name, !must)
			}
		}
		if def.Additional != false || len(def.Properties) != len(i.Fields) {
			t.Errorf("%s: %d fields, want %d", i.Name, len(def.Properties), len(i.Fields))
		}
		for k := range i.Fields {
			f := &i.Fields[k]
			p := def.Properties[f.Name]
			if p.Title != f.Label || !strings.Contains(p.Description, f.Label) || f.Dict != nil && !strings.Contains(p.Description, f.Dict.Code) {
				t.Errorf("%s %s: %q %q", i.Name, f.Name, p.Title, p.Description)
			}
			if _, ok := fragment.Properties["record"].Properties[f.Name]; !ok {
				t.Errorf("a fragment may not have %s", f.Name)
			}
		}
	}
}

func TestKinds(t *testing.T) {
	for _, f := range Files() {
		if r := written(t, f.Name); r.Title != f.Title {
			t.Errorf("%s is called %q", f.Name, r.Title)
		}
	}
	if _, err := Write("table", new(spec.Catalogue), nil); err == nil {
		t.Error("a table has a schema")
	}
}
