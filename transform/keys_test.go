package transform

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// The documented keys are those that the readers know, and as much required:
// the readers' tables are read from their source.
func TestKeyDocs(t *testing.T) {
	source, mapping := SourceKeys(), MappingKeys()
	fragment := FragmentKeys()
	fragment = slices.DeleteFunc(fragment, func(d KeyDoc) bool { return d.Name == "merge" }) // added by its reader
	rest := slices.DeleteFunc(MappingKeys(), func(d KeyDoc) bool { return Key(fragment, d.Name) != nil })
	tables := readerTables(t, "mapping.go", "mapping_keys.go", "merge.go", "list.go", "source.go")
	for reader, docs := range map[string][]KeyDoc{
		"compileMapping": rest,
		"fragmentKeys":   fragment,
		"ignore":         Key(mapping, "ignore").Keys,
		"dedup":          Key(mapping, "dedup").Keys,
		"list":           ListKeys(),
		"compileSource":  source,
		"device":         Key(source, "device").Keys,
		"time":           Key(source, "time").Keys,
		"otherwise":      Key(source, "otherwise").Keys,
		"answers":        Key(source, "answers").Keys,
	} {
		read := tables[reader]
		delete(tables, reader)
		for _, d := range docs {
			if required, ok := read[d.Name]; !ok || required != d.Required {
				t.Errorf("%s: %q is documented (required %v), but read is %v", reader, d.Name, d.Required, read)
			}
			if d.Chinese == "" || d.English == "" {
				t.Errorf("%s: %q has no words", reader, d.Name)
			}
			delete(read, d.Name)
		}
		for name := range read {
			t.Errorf("%s: %q is read and not documented", reader, name)
		}
	}
	for reader := range tables {
		t.Errorf("%s reads keys that nothing documents", reader)
	}
}

// readerTables collects the literals of []key by the function that they stand
// in: key → required.
func readerTables(t *testing.T, files ...string) map[string]map[string]bool {
	t.Helper()
	tables := map[string]map[string]bool{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				lit, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				of, ok := lit.Type.(*ast.ArrayType)
				if !ok {
					return true
				}
				if elem, ok := of.Elt.(*ast.Ident); !ok || elem.Name != "key" {
					return true
				}
				tables[fn.Name.Name] = map[string]bool{}
				for _, row := range lit.Elts {
					cells := row.(*ast.CompositeLit).Elts
					key, err := strconv.Unquote(cells[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					tables[fn.Name.Name][key] = cells[1].(*ast.Ident).Name == "true"
				}
				return true
			})
		}
	}
	return tables
}
