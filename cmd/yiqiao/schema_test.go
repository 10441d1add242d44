package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yiqiao/transform"
	"yiqiao/transform/schema"
	"yiqiao/transform/spec"
)

// bundledFolder holds the packs and the committed schemas.
const bundledFolder = "../../mappings"

// The committed schemas are what the code writes.
func TestSchemaCommitted(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range schemaKinds() {
		want, err := schemaOf(catalogue, kind)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(bundledFolder, schema.FileName(kind))
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what yiqiao schema %s writes (%v): go test ./cmd/yiqiao -run Schema -update", name, kind, err)
		}
	}
}

// Each bundled file, and each site of the examples, begins with the line by
// which an editor finds its schema, and the schema is there.
func TestSchemaLines(t *testing.T) {
	files := everyYAML(t)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		ref, ok := strings.CutPrefix(first, transform.SchemaLine)
		want := schema.FileName(kindOfFile(name))
		if !ok || filepath.Base(ref) != want {
			t.Errorf("%s: want a first line %s…%s, got %q", name, transform.SchemaLine, want, first)
			continue
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(name), ref)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// kindOfFile tells what a file is by its name.
func kindOfFile(name string) string {
	switch base := filepath.Base(name); {
	case base == "yiqiao.yaml":
		return "site"
	case base == "source.yaml":
		return "source"
	case strings.HasPrefix(base, "_"):
		return "fragment"
	}
	return "mapping"
}

// everyYAML are the bundled files and those of the examples.
func everyYAML(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{bundledFolder + "/*/*.yaml", "../../examples/*/yiqiao.yaml", "../../examples/*/site/yiqiao.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 20 {
		t.Fatalf("found %d files", len(files))
	}
	return files
}
