package transform

import (
	"fmt"
	"strings"
	"time"

	"yiqiao/transform/spec"
)

// ImportSource is the name of the source that bulk registration is: its events
// are records already, as JSON with the standard's own names. It stands beside
// the sources of a site, and no device can post to it.
const ImportSource = "import"

// ImportPath is the path of an event of ImportSource.
func ImportPath(i *spec.Interface) string { return "/-/import/" + i.Name }

// importSource makes the source: one mapping an interface, which names its
// fields and nothing else. It is compiled like any other, when it is first
// used.
func importSource(c *spec.Catalogue, zone *time.Location) *Source {
	l := &loader{catalogue: c, tables: map[string]*Table{}, zone: zone, unread: map[string]bool{}, files: map[string]packFile{
		ImportSource + "/source.yaml": {"import/source.yaml", []byte("title: 批量登记\nlisten: [POST /import]\n")},
	}}
	for _, i := range c.Interfaces {
		name := ImportSource + "/" + strings.ReplaceAll(i.Name, "/", "-") + ".yaml"
		l.files[name] = packFile{name, importMapping(i)}
	}
	s := l.loadSource(ImportSource)
	if problems := l.problems.Errors(); len(problems) > 0 {
		panic(problems) // the catalogue has what the language cannot write: a test finds it
	}
	r := &Rules{Sources: []*Source{s}, Catalogue: c}
	s.runs.New = func() any { return newRun(r, s) }
	return s
}

// importMapping writes the mapping of an interface.
func importMapping(i *spec.Interface) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "title: %q\nwhen: request.url == %q\nto: %s\nrecord:\n", "登记 → "+i.Title, ImportPath(i), i.Name)
	for n := range i.Fields {
		f := &i.Fields[n]
		value := "event." + f.Name
		if f.Format == spec.GF005 {
			value = "picture(" + value + ")"
		}
		fmt.Fprintf(&b, "  %s: %s\n", f.Name, value)
	}
	return []byte(b.String())
}

// LoadRows compiles one mapping file whose event is a row of a sheet as an
// object. o's packs and sources do not matter, its tables do. The rules have
// one source.
func LoadRows(o Options, fileName string, data []byte) (*Rules, Problems) {
	o.Packs, o.Sources, o.SourceAt = nil, []string{"rows"}, nil
	o.files = map[string]packFile{
		"rows/source.yaml":  {"rows/source.yaml", []byte("title: 表格\nlisten: [POST /rows]\n")},
		"rows/mapping.yaml": {fileName, data},
	}
	return Load(o)
}
