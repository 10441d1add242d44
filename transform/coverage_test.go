package transform

import (
	"fmt"
	"strings"
	"testing"
)

func TestCoverage(t *testing.T) {
	const mapping = `title: 人口
merge: _way.yaml
when: event.kind == "person"
ignore:
  - {when: event.skip == true, because: 不要}
to: stk/rytxjl
record:
  accessControlNo: device.zpjbm
  areaNo: device.xqbm
  accessTime: time(event.at)
  cardNo: people[event.no].zjhm
`
	const fragment = "tables:\n  way: {a: \"1\", b: \"2\", default: \"1\"}\nrecord:\n  accessType: way[event.way]\n"
	rules, problems := loadFiles(t, map[string]string{
		"person.yaml": mapping, "_way.yaml": fragment, "other.yaml": strings.Replace(mapping, "person", "other", 1),
		"tables/people.csv": "id,zjhm\nE1|e2,99999919850608004X\nE3,\n",
	}, nil)
	if rules == nil {
		t.Fatal(problems)
	}
	var cover Coverage
	totals := func() string {
		var list []string
		for _, part := range cover.Of(rules, nil) {
			list = append(list, fmt.Sprintf("%d/%d %s", part.Touched, part.Touched+len(part.Missed), part.What))
		}
		return strings.Join(list, ", ")
	}
	run := func(body string) {
		var tr Trace
		applyAcme(t, rules, body, &tr)
		cover.Add(&tr)
	}
	// Two mappings of 5 fields, of which they share one; two ignore rules; three
	// rows of way, one device, two people (one of them with two ids).
	for _, step := range []struct{ body, want string }{
		{`{"kind":"nobody"}`, "0/2 mappings, 0/9 fields, 0/2 ignore rules, 0/6 table rows"},
		{`{"kind":"person","skip":true}`, "1/2 mappings, 0/9 fields, 1/2 ignore rules, 0/6 table rows"},
		{`{"kind":"person","at":"2026-01-02 03:04:05","way":"b"}`, "1/2 mappings, 4/9 fields, 1/2 ignore rules, 2/6 table rows"},
		{`{"kind":"person","at":"2026-01-02 03:04:05","way":"?","no":"E2"}`, "1/2 mappings, 5/9 fields, 1/2 ignore rules, 4/6 table rows"},
		{`{"kind":"other","at":"2026-01-02 03:04:05","way":"a","no":"e1"}`, "2/2 mappings, 9/9 fields, 1/2 ignore rules, 5/6 table rows"},
	} {
		if run(step.body); totals() != step.want {
			t.Errorf("%s: want %s, got %s", step.body, step.want, totals())
		}
	}
	var missed []string
	for _, part := range cover.Of(rules, nil) {
		for _, m := range part.Missed {
			missed = append(missed, m.Name+" "+m.Place.String())
		}
	}
	if got := strings.Join(missed, "\n"); got != "不要 mappings/acme/other.yaml:5:12\npeople E3 tables/people.csv:3" {
		t.Errorf("missed:\n%s", got)
	}
	for _, part := range cover.Of(rules, func(file string) bool { return file == "mappings/acme/_way.yaml" }) {
		if want := map[string]int{CoveredFields: 1, CoveredRows: 3}[part.What]; part.Touched+len(part.Missed) != want {
			t.Errorf("of the fragment alone: want %d %s, got %d", want, part.What, part.Touched+len(part.Missed))
		}
	}
}
