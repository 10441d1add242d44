package reference_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"yiqiao/transform/spec"
)

const jpeg = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="

// validators compiles the schema of each interface twice: from the document of
// all, and from its own. They are to say the same.
func validators(t *testing.T) map[string][]*jsonschema.Schema {
	t.Helper()
	r := newReference(t, false)
	compile := func(name string, doc []byte, at string) *jsonschema.Schema {
		parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource("mem:///"+name, parsed); err != nil {
			t.Fatal(err)
		}
		s, err := c.Compile("mem:///" + name + at)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	all, err := r.Schema()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]*jsonschema.Schema{}
	for _, i := range catalogue(t).Interfaces {
		own, err := r.InterfaceSchema(i)
		if err != nil {
			t.Fatal(err)
		}
		out[i.Name] = []*jsonschema.Schema{compile("all", all, "#/$defs/"+strings.ReplaceAll(i.Name, "/", "-")), compile("own", own, "")}
	}
	return out
}

// verdicts are those of the checker and of the schema; the schema knows errors
// only.
func verdicts(t *testing.T, i *spec.Interface, doc []byte, schemas ...*jsonschema.Schema) (checker, schema bool, why string) {
	t.Helper()
	checker = true
	for _, v := range i.CheckJSON(doc) {
		if v.Severity == spec.Error {
			checker = false
			why += " " + v.Error()
		}
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	first := schemas[0].Validate(value)
	for _, s := range schemas[1:] {
		if other := s.Validate(value); (other == nil) != (first == nil) {
			t.Errorf("%s: the schemas differ on %s: %v, %v", i.Name, doc, first, other)
		}
	}
	return checker, first == nil, fmt.Sprintf("checker:%s; schema: %v", why, first)
}

// values for every field of every interface, few of them good. Of all of them
// the two verdicts must be the same.
var values = []any{
	nil, "", " ", "x", "1", "2", "7", "-1", "007", "127", "128", "1.5", "测", true, 0, 1, 2, 127, 128, -1, 1.5, 3401,
	[]any{}, []any{"x"}, []any{map[string]any{}}, map[string]any{}, map[string]any{"a": 1},
	strings.Repeat("3", 7), strings.Repeat("3", 12), strings.Repeat("3", 15), strings.Repeat("3", 18), strings.Repeat("3", 19),
	strings.Repeat("3", 20), strings.Repeat("3", 22), strings.Repeat("3", 24), strings.Repeat("测", 50), strings.Repeat("测", 51), strings.Repeat("9", 201),
	"2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0000-01-01", "2024-04-31", "2024-13-01", "2024-1-1", "2024-00-10", "2024-10-00", "20240101",
	"2024-02-29 23:59:59", "2024-02-29 24:00:00", "2024-02-29T23:59:59", "2024-02-29 23:60:00", "2024-02-29 23:59:59.123", "2024-12-31 00:00:00",
	"117.302269", "180", "180.0", "180.1", "-180.000", "181.000000", "31.895847", "90", "90.0", "90.1", "-31.895847", "0117.3", "117.", ".5", "1e2", "+1.0", "",
	"117.1,31.8;117.2,31.8;117.3,31.9", "117.1,31.8; 117.2, 31.8;117.3 ,31.9;", "117.1,31.8;117.2,31.8", "117.1,31.8;117.2,31.8;", "31.8,117.1;31.8,117.2;31.8,117.3", "117.1 31.8;117.2 31.8;117.3 31.8",
	jpeg, "data:image/jpeg;base64," + jpeg, jpeg[:29], "/9j/4A==SkZJRgAB", "/9j/4AAQ\nSkZJRgAB", "/9j=", "====", "http://192.0.2.1/a.jpg",
	"01", "10", "20", "90", "111", "D1-101F", "男", "340102000000",
}

// sayable tells what the schema cannot say, and its comment tells: that Base64 is
// of no picture.
func sayable(v any, f *spec.Field) bool {
	s, _ := v.(string)
	_, err := base64.StdEncoding.DecodeString(s)
	return f.Format != spec.GF005 || err != nil || s == "" || strings.HasPrefix(s, "/9j/")
}

func TestSchemaAgreesWithChecker(t *testing.T) {
	schemas := validators(t)
	for _, i := range catalogue(t).Interfaces {
		t.Run(defName(i.Name), func(t *testing.T) {
			good, bad := 0, 0
			compare := func(doc map[string]any) {
				t.Helper()
				text, err := json.Marshal(doc)
				if err != nil {
					t.Fatal(err)
				}
				checker, schema, why := verdicts(t, i, text, schemas[i.Name][0])
				if checker != schema {
					t.Errorf("%s: checker %t, schema %t\n%s", text, checker, schema, why)
				}
				if checker {
					good++
				} else {
					bad++
				}
			}
			for n := range i.Examples {
				whole := map[string]any{}
				if err := json.Unmarshal(i.Examples[n].Document(), &whole); err != nil {
					t.Fatal(err)
				}
				if ok, schema, why := verdicts(t, i, i.Examples[n].Document(), schemas[i.Name]...); !ok || !schema {
					t.Errorf("the standard's example %s: %s", i.Examples[n].Title, why)
				}
				for f := range i.All {
					change(f, whole, compare)
				}
			}
			if good < len(i.Fields) || bad < 10*len(i.Fields) {
				t.Errorf("%d good records and %d bad ones are no table", good, bad)
			}
		})
	}
}

func defName(name string) string { return strings.ReplaceAll(name, "/", "-") }

// change calls then with a record without the field, and with each value in it.
func change(f *spec.Field, whole map[string]any, then func(map[string]any)) {
	list, name, nested := strings.Cut(f.Path, "[].")
	with := func(set func(object map[string]any)) {
		doc := maps.Clone(whole)
		if !nested {
			set(doc)
		} else {
			element := maps.Clone(doc[list].([]any)[0].(map[string]any))
			set(element)
			doc[list] = []any{doc[list].([]any)[0], element}
		}
		then(doc)
	}
	if !nested {
		name = f.Path
	}
	with(func(o map[string]any) { delete(o, name) })
	for _, v := range values {
		if sayable(v, f) {
			with(func(o map[string]any) { o[name] = v })
		}
	}
	if d := f.Dict; d != nil {
		for _, e := range d.Entries {
			with(func(o map[string]any) { o[name] = e.Code })
			if n, err := strconv.Atoi(e.Code); err == nil {
				with(func(o map[string]any) { o[name] = n })
			}
		}
	}
}

// Conditions, and what schemas are known to leave to the checker.
func TestSchema(t *testing.T) {
	schemas := validators(t)
	c := catalogue(t)
	head := `{"accessControlNo":"3401020010010011150001","areaNo":"340102001001001","accessTime":"2026-01-02 03:04:05","accessType":`
	pictures := `,"snapSmallImage":"` + jpeg + `","snapBigImage":"` + jpeg + `"`
	face := `{"snapNo":"34010241011328001001","areaNo":"340102001001001","snapTime":"2026-01-02 03:04:05","snapSmallImage":"` + jpeg + `","snapBigImage":`
	xq := string(c.Interface("xq").Examples[0].Document())
	for name, tt := range map[string]struct {
		iface, doc      string
		checker, schema bool
	}{
		"recognised":                {"stk/rytxjl", head + `"2","cardNo":"x"}`, true, true},
		"recognised, pictures":      {"stk/rytxjl", head + `"2","cardNo":"x"` + pictures + `}`, false, false},
		"recognised, empty picture": {"stk/rytxjl", head + `"2","cardNo":"x","snapSmallImage":"","snapBigImage":null}`, true, true},
		"not recognised":            {"stk/rytxjl", head + `"2"` + pictures + `}`, true, true},
		"not recognised, empty":     {"stk/rytxjl", head + `"2","cardNo":""` + pictures + `}`, true, true},
		"not recognised, null":      {"stk/rytxjl", head + `"2","cardNo":null}`, false, false},
		"not recognised, one":       {"stk/rytxjl", head + `"2","snapBigImage":"` + jpeg + `"}`, false, false},
		"card, nobody: warns":       {"stk/rytxjl", head + `"1"}`, true, true},
		"another field: warns":      {"stk/rytxjl", head + `"1","infoKind":1}`, true, true},
		"guess: warns":              {"ld", `{"xqbm":"340102001001001","ldbm":"340102001001001001"}`, true, true},
		"outside China: warns":      {"xq", strings.Replace(xq, `"117.200164"`, `"17.2"`, 1), true, true},
		"list":                      {"xq", `[]`, false, false},
		"text":                      {"xq", `"xq"`, false, false},
		// What only the checker sees.
		"no picture":    {"stk/zpjl", face + `"aGVsbG8gd29ybGQh"}`, false, true},
		"a key twice":   {"stk/zpjl", face + `"` + jpeg + `","areaNo":"340102001001001"}`, false, true},
		"closed of two": {"xq", strings.Replace(xq, `"dtzbj":"`, `"dtzbj":"117.1,31.8;117.2,31.8;117.1,31.8","x":"`, 1), false, true},
		"1.0":           {"ld", `{"xqbm":"340102001001001","ldbm":"340102001001001001","dys":1.0}`, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			if !json.Valid([]byte(tt.doc)) {
				t.Fatal(tt.doc)
			}
			checker, schema, why := verdicts(t, c.Interface(tt.iface), []byte(tt.doc), schemas[tt.iface]...)
			if checker != tt.checker || schema != tt.schema {
				t.Errorf("checker %t, schema %t; %s", checker, schema, why)
			}
		})
	}
}
