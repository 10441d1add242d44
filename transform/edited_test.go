package transform

import (
	"strings"
	"testing"
	"testing/fstest"

	"yiqiao/transform/spec"
)

// A file that is being written counts as if it was saved, and its problems
// stand at their places.
func TestLoadWith(t *testing.T) {
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	const source, mapping = "acme/source.yaml", "acme/face.yaml"
	text := "title: 抓拍\nto: stk/rytxjl\nrecord:\n  accessType: '\"2\"'\n"
	pack := Pack{Prefix: "site", FS: fstest.MapFS{
		source:  {Data: []byte("title: 甲\nlisten: POST /acme\ndevice: {from: request.remote}\n")},
		mapping: {Data: []byte("this is no mapping")},
	}}
	o := Options{Catalogue: c, Packs: []Pack{pack}, Tables: []*Table{{Name: "devices"}}}
	_, problems := LoadWith(o, "site", map[string][]byte{mapping: []byte(text + "  accessTime: tiem(event.t)\n")})
	found := false
	for _, p := range problems.Errors() {
		if p.File == "site/acme/face.yaml" && p.Line == 5 && p.Col == 15 && p.Width() == 4 && strings.Contains(p.Error(), "tiem") {
			found = true
		}
	}
	if !found {
		t.Errorf("got %v, want the unknown function at 5:15, four characters wide", problems)
	}
	if _, problems = Load(o); len(problems.Errors()) == 0 {
		t.Error("the pack's own file was changed")
	}
}
