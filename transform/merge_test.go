package transform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"yiqiao/transform/message"
)

// loadFiles loads files of the pack acme, with goodSource and goodDevices
// where they are not among them; *.csv and tables/*.yaml are the site's tables.
func loadFiles(t testing.TB, files map[string]string, keys map[string][]string) (*Rules, Problems) {
	t.Helper()
	catalogue, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	files = maps.Clone(files)
	for name, text := range map[string]string{"source.yaml": goodSource, "tables/devices.csv": goodDevices} {
		if _, ok := files[name]; !ok {
			files[name] = text
		}
	}
	var problems Problems
	o := Options{Catalogue: catalogue}
	pack := fstest.MapFS{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		base, isTable := strings.CutPrefix(name, "tables/")
		if !isTable {
			pack["acme/"+name] = &fstest.MapFile{Data: []byte(files[name])}
			continue
		}
		base, _, _ = strings.Cut(base, ".")
		table, ps := ParseTable(base, name, []byte(files[name]), keys[base]...)
		problems = append(problems, ps...)
		o.Tables = append(o.Tables, table)
	}
	o.Packs = []Pack{{Prefix: "mappings", FS: pack}}
	rules, more := Load(o)
	return rules, append(problems, more...)
}

// common is what the mappings of a vendor share.
const common = `let:
  where: device.xqbm
record:
  areaNo: where
  snapTime: time(event.at)
`

const rest = `title: 余下的
merge: _common.yaml
when: event.kind == "face"
let:
  no: device.zpjbm + trim(where)[:0]
to: stk/zpjl
record:
  snapNo: no
  snapSmallImage: picture(event.small)
  snapBigImage: picture(event.big)
`

const face = `{"kind":"face","at":"2026-01-02 03:04:05","small":"` + jpegText + `","big":"` + jpegText + `"}`

// A fragment's fields and values stand as if they were written in the mapping;
// the mapping sees its values; two mappings share it; a fragment is no mapping.
func TestMerge(t *testing.T) {
	rules, problems := loadFiles(t, map[string]string{
		"_common.yaml": "merge: [_deeper.yaml]\n" + common,
		"_deeper.yaml": "tables:\n  way: {a: b}\nignore:\n  - {when: event.test == true, because: 测试}\n",
		"face.yaml":    strings.Replace(rest, "_common.yaml", "[_common.yaml, _deeper.yaml]", 1),
		"two.yaml":     strings.Replace(rest, "face\"", "two\"", 1),
	}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if n := len(rules.Source("acme").Mappings); n != 2 {
		t.Fatalf("got %d mappings, want 2", n)
	}
	for _, kind := range []string{"face", "two"} {
		res := applyAcme(t, rules, strings.Replace(face, "face", kind, 1), nil)
		want := `{"snapNo":"34010200011321000001","areaNo":"340102001001001","snapTime":"2026-01-02 03:04:05",`
		if len(res.Records) != 1 || !strings.HasPrefix(string(res.Records[0].Doc), want) {
			t.Errorf("%s: got %s", kind, res.Describe())
		}
	}
	if res := applyAcme(t, rules, `{"kind":"face","test":true}`, nil); len(res.Ignored) != 1 || res.Ignored[0].Because != "测试" {
		t.Errorf("the fragment's ignore: got %s", res.Describe())
	}
	// What a fragment's expression refuses names the fragment.
	if res := applyAcme(t, rules, strings.Replace(face, "2026-01-02 03:04:05", "soon", 1), nil); res.Refusal == nil || !strings.Contains(res.Refusal.Text, "mappings/acme/_common.yaml:6:13") {
		t.Errorf("got %s", res.Describe())
	}
}

// What can be wrong with merge, let, each, dedup and tables, with its place.
func TestLanguageProblems(t *testing.T) {
	with := func(old, new string) string {
		if !strings.Contains(rest, old) {
			t.Fatalf("%q is not in the text", old)
		}
		return strings.Replace(rest, old, new, 1)
	}
	var got strings.Builder
	for _, tt := range []struct {
		name  string
		files map[string]string
		keys  map[string][]string
	}{
		{name: "merge: cycle", files: map[string]string{"_common.yaml": "merge: _other.yaml\n" + common, "_other.yaml": "merge: _common.yaml\n", "face.yaml": rest}},
		{name: "merge: itself", files: map[string]string{"_common.yaml": "merge: _common.yaml\n" + common, "face.yaml": rest}},
		{name: "merge: no such fragment", files: map[string]string{"_comon.yaml": common, "face.yaml": rest}},
		{name: "merge: a mapping", files: map[string]string{"_common.yaml": common, "face.yaml": with("_common.yaml", "[_common.yaml, face.yaml]")}},
		{name: "merge: another folder", files: map[string]string{"_common.yaml": common, "face.yaml": with("_common.yaml", "[_common.yaml, ../_x.yaml]")}},
		{name: "merge: a field twice", files: map[string]string{"_common.yaml": common, "face.yaml": rest + "  areaNo: event.area\n"}},
		{name: "merge: a let twice", files: map[string]string{"_common.yaml": common, "face.yaml": with("no:", "where:")}},
		{name: "merge: key of a mapping", files: map[string]string{"_common.yaml": "to: stk/zpjl\n" + common, "face.yaml": rest}},
		{name: "merge: broken in two mappings", files: map[string]string{"_common.yaml": strings.Replace(common, "event.at", "evnt.at", 1), "face.yaml": rest, "two.yaml": rest}},
		{name: "merge: field of another interface", files: map[string]string{"_common.yaml": common + "  accessTime: time(event.at)\n", "face.yaml": rest}},
		{name: "let: one that stands below", files: map[string]string{"_common.yaml": common, "face.yaml": with("let:\n", "let:\n  early: no\n")}},
		{name: "let: itself", files: map[string]string{"_common.yaml": common, "face.yaml": with("device.zpjbm +", "no +")}},
		{name: "let: in a circle", files: map[string]string{"_common.yaml": common, "face.yaml": with("let:\n", "let:\n  a: b\n  b: a\n")}},
		{name: "let: in when", files: map[string]string{"_common.yaml": common, "face.yaml": with(`event.kind == "face"`, `no == "face"`)}},
		{name: "each: it in when", files: map[string]string{"_common.yaml": common, "face.yaml": with(`event.kind == "face"`, `it.kind == "face"`) + "each: event.faces\n"}},
		{name: "each: later loop in earlier", files: map[string]string{"_common.yaml": common, "face.yaml": rest + "each: {a: b.list, b: event.list}\n"}},
		{name: "each: name taken", files: map[string]string{"_common.yaml": common, "face.yaml": rest + "each: {no: event.list, device: event.list}\n"}},
		{name: "dedup: no duration", files: map[string]string{"_common.yaml": common, "face.yaml": rest + "dedup: {window: often}\n"}},
		{name: "dedup: too long", files: map[string]string{"_common.yaml": common, "face.yaml": rest + "dedup: {window: 90000h}\n"}},
		{name: "dedup: unknown key", files: map[string]string{"_common.yaml": common, "face.yaml": rest + "dedup: {windows: 1h}\n"}},
		{name: "table: one key for two", files: map[string]string{"_common.yaml": common, "face.yaml": with("device.zpjbm +", `doors["1"].no +`), "tables/doors.csv": doors}, keys: doorKeys},
		{name: "table: three keys for two", files: map[string]string{"_common.yaml": common, "face.yaml": with("device.zpjbm +", `lookup("doors", [event.a, event.b, event.c], "no") +`), "tables/doors.csv": doors}, keys: doorKeys},
		{name: "table: no such key column", files: map[string]string{"_common.yaml": common, "face.yaml": rest, "tables/doors.csv": doors}, keys: map[string][]string{"doors": {"building", "dor"}}},
		{name: "table: same keys twice", files: map[string]string{"_common.yaml": common, "face.yaml": rest, "tables/doors.csv": doors + "a|1,2,x,y\n"}, keys: doorKeys},
		{name: "table: a key missing", files: map[string]string{"_common.yaml": common, "face.yaml": rest, "tables/doors.csv": doors + "4,,x,y\n"}, keys: doorKeys},
		{name: "table: default device", files: map[string]string{"_common.yaml": common, "face.yaml": rest, "tables/devices.csv": goodDevices + "*,任何,340102001001001,34010200011321000009\n"}},
		{name: "table: YAML without rows", files: map[string]string{"_common.yaml": common, "face.yaml": rest, "tables/doors.yaml": "building: 1\n"}},
		{name: "table: YAML with a list in a cell", files: map[string]string{"_common.yaml": common, "face.yaml": rest, "tables/doors.yaml": "- {id: 1, no: [2]}\n- 5\n- {id: 1, no: 2}\n- {no: 3}\n- {id: 3.4E+12}\n"}},
	} {
		_, problems := loadFiles(t, tt.files, tt.keys)
		if len(problems.Errors()) == 0 {
			t.Errorf("%s: nothing was reported", tt.name)
		}
		fmt.Fprintf(&got, "== %s\n", tt.name)
		for _, p := range problems {
			if p.File == "" || p.Line == 0 || p.Rule == "" || p.Text(message.English) == "" || p.Text(message.Chinese) == "" {
				t.Errorf("%s: a problem without place, rule or text: %+v", tt.name, p)
			}
			got.WriteString(p.Excerpt(message.English))
		}
		got.WriteString("\n")
	}
	golden(t, "testdata/language.golden", got.String())
}

// A fragment that nobody merges is told, but hinders nobody.
func TestUnusedFragment(t *testing.T) {
	rules, problems := loadFiles(t, map[string]string{"_common.yaml": common, "face.yaml": goodMapping}, nil)
	if rules == nil || len(problems) != 1 || !problems[0].Warning || problems[0].Rule != "unused" {
		t.Errorf("got %v", problems)
	}
}

// Loops in loops: all elements, the outer one at hand, none of the inner ones
// is passed over, none at all is refused.
func TestEachNested(t *testing.T) {
	mapping := strings.Replace(strings.Replace(goodMapping, "event.small", "shot.small", 1), "time(event.at)", "time(group.at)", 1) +
		"each: {group: event.groups, shot: group.shots}\ndistinct: it.n\n"
	rules, problems := loadFiles(t, map[string]string{"face.yaml": mapping}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	shot := func(n int) string { return fmt.Sprintf(`{"n":%d,"small":%q}`, n, jpegText) }
	body := func(groups string) string {
		return fmt.Sprintf(`{"kind":"face","big":%q,"groups":%s}`, jpegText, groups)
	}
	res := applyAcme(t, rules, body(`[{"at":"2026-01-02 03:04:01","shots":[`+shot(1)+`,`+shot(2)+`]},{"at":"2026-01-02 03:04:02"},{"at":"2026-01-02 03:04:03","shots":`+shot(3)+`}]`), nil)
	var got []string
	for _, rec := range res.Records {
		got = append(got, rec.Distinct+" "+rec.Time)
	}
	if want := "1 2026-01-02 03:04:01, 2 2026-01-02 03:04:01, 3 2026-01-02 03:04:03"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s; %s", strings.Join(got, ", "), want, res.Describe())
	}
	for _, groups := range []string{`[]`, `null`, `[{"at":"2026-01-02 03:04:02"}]`} {
		if res := applyAcme(t, rules, body(groups), nil); res.Refusal == nil || !strings.Contains(res.Refusal.Text, "each: group.shots at mappings/acme/face.yaml:10:35 gave no element") {
			t.Errorf("%s: got %s", groups, res.Describe())
		}
	}
}

// One event makes at most maxRecords records of a mapping.
func TestEachBounded(t *testing.T) {
	for each, text := range map[string]string{
		"event.list":                     "each: event.list at mappings/acme/face.yaml:10:7 gave more than 1000 elements",
		"{a: event.list, b: event.list}": "each: event.list at mappings/acme/face.yaml:10:11 gave more than 1000 elements",
	} {
		rules, problems := loadFiles(t, map[string]string{"face.yaml": goodMapping + "each: " + each + "\n"}, nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		res := applyAcme(t, rules, strings.TrimSuffix(face, "}")+`,"list":[`+strings.Repeat("1,", maxRecords)+`1]}`, nil)
		if res.Refusal == nil || !strings.Contains(res.Refusal.Text, text) || len(res.Records) > 0 {
			t.Errorf("%s: got %.300s", each, res.Describe())
		}
	}
}

// An event that several mappings want gives the records of all or of none.
func TestMappingsTogether(t *testing.T) {
	rules, problems := loadFiles(t, map[string]string{
		"face.yaml":  goodMapping,
		"state.yaml": "title: 状态\nto: stk/sbzt\nrecord: {areaNo: device.xqbm, deviceID: device.zpjbm, isOnLine: string(event.online), deviceType: '\"1\"'}\n",
	}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	with := func(online string) *Result {
		return applyAcme(t, rules, strings.TrimSuffix(face, "}")+`,"online":`+online+`}`, nil)
	}
	if res := with("1"); len(res.Records) != 2 || res.Records[0].Interface.Name != "stk/zpjl" {
		t.Errorf("got %s", res.Describe())
	}
	if res := with(`"x"`); res.Refusal == nil || res.Refusal.Mapping != "acme/state.yaml" || len(res.Records) != 0 {
		t.Errorf("one mapping refuses: want no record at all, got %s", res.Describe())
	}
}

// A mapping may have its own time for duplicates.
func TestWindow(t *testing.T) {
	rules, problems := loadFiles(t, map[string]string{"face.yaml": goodMapping + "dedup: {window: 90s}\n", "two.yaml": strings.Replace(goodMapping, "face\"", "two\"", 1)}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if ms := rules.Source("acme").Mappings; ms[0].Window != 90*time.Second || ms[1].Window != 0 {
		t.Errorf("got %s and %s", ms[0].Window, ms[1].Window)
	}
}

const doors = `building,door,no,name
A|1,1,A-1,东门
A|1,2,A-2,
A|1,*,A-x,别的门
*,9,x-9,后门
*,*,x-x,
`

var doorKeys = map[string][]string{"doors": {"building", "door"}}

// Several key columns, default rows, YAML: the row that names the most itself.
func TestTableKeys(t *testing.T) {
	doorsYAML := strings.NewReplacer("A|1", `"A|1"`, "*", `"*"`)
	var rows strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(doors), "\n")[1:] {
		c := strings.Split(line, ",")
		fmt.Fprintf(&rows, "- {building: %s, door: %s, no: %s, name: %s}\n", doorsYAML.Replace(c[0]), doorsYAML.Replace(c[1]), c[2], c[3])
	}
	for name, text := range map[string]string{"doors.csv": doors, "doors.yaml": rows.String()} {
		table, problems := ParseTable("doors", name, []byte(text), doorKeys["doors"]...)
		if len(problems) > 0 {
			t.Fatal(name, problems)
		}
		for _, tt := range []struct{ building, door, want string }{
			{"A", "1", "A-1"}, {"1", "1", "A-1"}, {" a ", "2", "A-2"}, {"A", "7", "A-x"}, {"A", "9", "A-x"},
			{"B", "9", "x-9"}, {"B", "1", "x-x"}, {"", "", "x-x"},
		} {
			if got := table.Row(tt.building, tt.door)["no"]; got != tt.want {
				t.Errorf("%s: %s, %s: got %v, want %s", name, tt.building, tt.door, got, tt.want)
			}
		}
		if _, ok := table.Row("A", "2")["name"]; ok || table.Len() != 5 {
			t.Errorf("%s: an empty cell is a value, or %d rows", name, table.Len())
		}
		if table.Row("A") != nil || table.Row("A", "1", "1") != nil {
			t.Errorf("%s: found by a key of another length", name)
		}
	}
	one, problems := ParseTable("ways", "ways.csv", []byte("id,way\n1|2,x\n*,y\n"))
	if len(problems) > 0 || one.Row("2")["way"] != "x" || one.Row("3")["way"] != "y" || one.exact("3") != nil || one.exact("*") != nil {
		t.Errorf("got %v, %v", one.rows, problems)
	}
}

// The same from an expression; no key finds nothing.
func TestTableKeysInExpressions(t *testing.T) {
	for expr, want := range map[string]string{
		`doors[[event.b, event.d]].no`:                    "A-x",
		`doors[[event.b, 2]]?.no`:                         "A-2",
		`lookup("doors", [event.b, event.d], "no")`:       "A-x",
		`lookup("doors", [event.b, nil], "no") ?? "none"`: "none",
		`doors[[event.nothing, "1"]]?.no ?? "none"`:       "none",
		`let key = [event.b]; doors[key].no`:              "error: table doors is found by building, door: want 2 keys, got 1",
		`lookup("doors", event.b, "no")`:                  "error: table doors is found by building, door: want 2 keys, got 1",
		`lookup(event.b, "x", "no")`:                      `error: there is no table "A"`,
		`lookup(event.b, ["x"], "no")`:                    `error: there is no table "A"`,
		`doors[[event.l, "1"]].no`:                        "error: want building of table doors, got a list of 1",
		`devices[["cam-1"]].name`:                         "东门",
	} {
		mapping := strings.Replace(goodMapping, "to:", "let:\n  v: "+quoted(expr)+"\nto:", 1) + "distinct: v\n"
		rules, problems := loadFiles(t, map[string]string{"face.yaml": mapping, "tables/doors.csv": doors}, doorKeys)
		if len(problems) > 0 {
			t.Errorf("%s: %v", expr, problems)
			continue
		}
		res := applyAcme(t, rules, strings.TrimSuffix(face, "}")+`,"b":"A","d":"7","l":["A"]}`, nil)
		got := ""
		if res.Refusal != nil {
			got = res.Refusal.Text
		} else {
			got = res.Records[0].Distinct
		}
		if text, refused := strings.CutPrefix(want, "error: "); got != want && !(refused && strings.Contains(got, text)) {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// quoted is a YAML text in single quotes.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// each takes what a gjson path gives, and what an expression makes.
func TestEachExpressions(t *testing.T) {
	for each, want := range map[string]string{
		`get("data.#.shots|@flatten")`:                    "1 2 3",
		`get("data.#(n==2).shots")`:                       "3",
		`filter(flatten(map(event.data, .shots)), # > 1)`: "2 3",
		`event.data[0].shots ?? []`:                       "1 2",
	} {
		rules, problems := loadFiles(t, map[string]string{"face.yaml": goodMapping + "each: " + quoted(each) + "\ndistinct: string(it)\n"}, nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		res := applyAcme(t, rules, strings.TrimSuffix(face, "}")+`,"data":[{"n":1,"shots":[1,2]},{"n":2,"shots":[3]}]}`, nil)
		var got []string
		for _, rec := range res.Records {
			got = append(got, rec.Distinct)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s; %s", each, got, want, res.Describe())
		}
	}
}
