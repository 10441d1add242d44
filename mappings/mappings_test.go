package mappings_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yiqiao/mappings"
	"yiqiao/transform"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

var update = flag.Bool("update", false, "write what the cases give as what is wanted")

var vendors = []string{"dahua", "gat1400", "hikvision", "hikvision-isc", "iflytek", "uniview", "vzenith", "zkteco"}

// load loads one vendor's pack with the tables beside it, as files of the
// folder, so that -update sees what it wrote.
func load(t *testing.T, vendor string) *transform.Rules {
	t.Helper()
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	var tables []*transform.Table
	for _, name := range []string{"devices", "people"} {
		file := path.Join(vendor, "tables", name+".csv")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		table, problems := transform.ParseTable(name, file, data)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		tables = append(tables, table)
	}
	rules, problems := transform.Load(transform.Options{Catalogue: catalogue, Packs: []transform.Pack{{Prefix: "mappings", FS: os.DirFS(".")}}, Sources: []string{vendor}, Tables: tables})
	for _, p := range problems {
		t.Error(p.Excerpt(message.English))
	}
	if rules == nil {
		t.FailNow()
	}
	return rules
}

// Every case of every pack gives what lies beside it, and every mapping and
// every ignore rule has a case.
func TestCases(t *testing.T) {
	cases, err := transform.Cases(transform.Pack{FS: os.DirFS(".")})
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, vendor := range vendors {
		rules := load(t, vendor)
		var cover transform.Coverage
		for _, c := range cases {
			if c.Vendor != vendor {
				continue
			}
			t.Run(c.ID(), func(t *testing.T) {
				input, err := os.ReadFile(c.Input)
				if err != nil {
					t.Fatal(err)
				}
				var tr transform.Trace
				res, err := rules.RunCase(c, input, &tr)
				if err != nil {
					t.Fatal(err)
				}
				cover.Add(&tr)
				narrow(t, &tr)
				file := c.Want(res.Refused)
				wanted[file] = true
				if *update {
					_ = os.Remove(c.Want(!res.Refused))
					if err := os.WriteFile(file, res.Got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), string(res.Got)); d != "" {
					t.Error(d)
				}
			})
		}
		for _, part := range cover.Of(rules, nil) {
			for _, missed := range part.Missed {
				if part.What == transform.CoveredMappings || part.What == transform.CoveredIgnores { // yiqiao test -cover tells the rest
					t.Errorf("no case touches %s %s (%s)", part.What, missed.Name, missed.Place)
				}
			}
		}
	}
	left, err := fs.Glob(os.DirFS("."), "*/*.cases/*.want.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if !wanted[f] {
			t.Errorf("%s belongs to no input", f)
		}
	}
}

// narrow wants a printed trace to be no wider than it promises.
func narrow(t *testing.T, tr *transform.Trace) {
	t.Helper()
	var b strings.Builder
	tr.Write(&b)
	for line := range strings.Lines(b.String()) {
		row := strings.HasSuffix(line, ",,,\n") // of a table, to be pasted
		if n := message.Width(strings.TrimSuffix(line, "\n")); n > transform.TraceColumns && !row {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// The binary holds every file of every pack.
func TestEmbedded(t *testing.T) {
	for _, vendor := range vendors {
		err := fs.WalkDir(os.DirFS("."), vendor, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			want, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			got, err := mappings.FS.ReadFile(name)
			if err != nil {
				t.Errorf("%s is not embedded", name)
			} else if !bytes.Equal(want, got) {
				t.Errorf("%s differs from what is embedded", name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
