package transform

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// Of a condition that does not hold exactly the parts to blame are named, at
// their own places.
func TestBecause(t *testing.T) {
	const body = `{"kind":"face","n":3,"s":"a) or (b","at":"2026-01-02 03:04:05"}`
	for _, tt := range []struct{ when, because string }{
		{`event.kind == "car"`, ""}, // the whole is the part
		{`event.kind == "face" and event.n == 4`, `event.n == 4 [2:33] event.n = the number 3`},
		{`event.kind == "car" and event.n == 4`, `event.kind == "car" [2:8] event.kind = "face"`},
		{`event.kind == "car" or event.n == 4`, "event.kind == \"car\" [2:8] event.kind = \"face\"\nevent.n == 4 [2:31] event.n = the number 3"},
		{`event.n == 3 && (event.kind == "car" || (event.n > 5))`, "event.kind == \"car\" [2:25] event.kind = \"face\"\nevent.n > 5 [2:49] event.n = the number 3"},
		{`(event.n == 3) and event.kind == "face" and not (event.n in [3])`, `not (event.n in [3]) [2:52] event.n = the number 3`},
		{`event.s == "a) or (c" or event.s == "and"`, "event.s == \"a) or (c\" [2:8] event.s = \"a) or (b\"\nevent.s == \"and\" [2:33] event.s = \"a) or (b\""},
		{`event.nothing == true and event.n == 3`, `event.nothing == true [2:8] event.nothing = nothing`},
		{`any([1, 2], # == event.n and # > 0) or event.kind == "car"`, "any([1, 2], # == event.n and # > 0) [2:8] event.n = the number 3\nevent.kind == \"car\" [2:47] event.kind = \"face\""},
		{`let k = event.kind; k == "car" and event.n == 3`, ""}, // cannot be taken apart
	} {
		t.Run(tt.when, func(t *testing.T) {
			mapping := strings.Replace(goodMapping, "event.kind == \"face\"", "'"+tt.when+"'", 1)
			rules, problems := loadAcme(t, goodSource, mapping, goodDevices)
			if rules == nil {
				t.Fatal(problems)
			}
			var tr Trace
			plain, traced := applyAcme(t, rules, body, nil).Describe(), applyAcme(t, rules, body, &tr).Describe()
			if string(plain) != string(traced) {
				t.Errorf("the trace changed the result: %s %s", plain, traced)
			}
			step := stepOf(t, &tr, "mapping")
			var lines []string
			for _, p := range step.Because {
				_, at, _ := strings.Cut(p.Place.String(), ".yaml:")
				lines = append(lines, fmt.Sprintf("%s [%s] %s", p.Expr, at, p.Saw))
			}
			if got := strings.Join(lines, "\n"); got != tt.because || step.Verdict != No {
				t.Errorf("want\n%s\ngot %s\n%s", tt.because, step.Verdict, got)
			}
		})
	}
}

// A condition of several lines has its parts in several lines.
func TestBecauseInBlock(t *testing.T) {
	mapping := strings.Replace(goodMapping, "event.kind == \"face\"", "|\n  event.kind == \"face\" and\n    (event.n == 1 or\n     event.n == 2)", 1)
	rules, problems := loadAcme(t, goodSource, mapping, goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	var tr Trace
	applyAcme(t, rules, `{"kind":"face","n":3}`, &tr)
	var places []string
	for _, p := range stepOf(t, &tr, "mapping").Because {
		places = append(places, p.Place.String())
	}
	if got := strings.Join(places, " "); got != "mappings/acme/face.yaml:4:6 mappings/acme/face.yaml:5:6" {
		t.Errorf("got %s", got)
	}
}

func stepOf(t *testing.T, tr *Trace, what string) *Step {
	t.Helper()
	for i := range tr.Steps {
		if tr.Steps[i].What == what {
			return &tr.Steps[i]
		}
	}
	t.Fatalf("the trace has no step %q", what)
	return nil
}

// Rules in use are traced by many at a time; the first trace compiles the
// parts of a condition. Run with -race.
func TestTracesAtATime(t *testing.T) {
	mapping := strings.Replace(goodMapping, "event.kind == \"face\"", `'event.kind == "face" and event.a.b == 1'`, 1)
	rules, problems := loadAcme(t, goodSource, mapping, goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var tr Trace
			applyAcme(t, rules, `{"kind":"face","a":{"b":2}}`, &tr)
			if n := len(stepOf(t, &tr, "mapping").Because); n != 1 {
				t.Errorf("want one part to blame, got %d", n)
			}
		})
	}
	all.Wait()
}

// What a personal field is made of is masked in every step, whatever the way
// it takes; the key by which a person is found is not.
func TestTraceIsMasked(t *testing.T) {
	const mapping = `title: 通行
when: event.card != "" and event.who.no != "0"
ignore:
  - {when: event.card == "x" or event.card == "y", because: x}
let:
  card: event.card
  upper: upper(card)
  row: people[event.staff]
to: stk/rytxjl
record:
  accessControlNo: '"3401020010010011150001"'
  areaNo: device.xqbm
  accessType: '"1"'
  accessTime: time(event.at)
  cardNo: first(upper, event.who.no, row.zjhm)
distinct: event.card
`
	rules, problems := loadFiles(t, map[string]string{"face.yaml": mapping, "tables/people.csv": "id,zjhm\nE1,999999198506080041\n"}, nil)
	if rules == nil {
		t.Fatal(problems)
	}
	var tr Trace
	res := applyAcme(t, rules, `{"card":"99999919850608004x","who":{"no":"1234567890"},"staff":"E1","at":"2026-01-02 03:04:05"}`, &tr)
	if res.Refusal != nil {
		t.Fatal(res.Refusal.Text)
	}
	var b strings.Builder
	tr.Write(&b)
	WriteResult(&b, res, message.English)
	machine, err := json.Marshal(tr.Explain(rules.Source("acme"), res))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{b.String(), string(machine)} {
		for _, secret := range []string{"1985", "234567"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is shown:\n%s", secret, text)
			}
		}
	}
	if !strings.Contains(b.String(), `people["E1"] is tables/people.csv:2`) {
		t.Errorf("the row is not named:\n%s", b.String())
	}
	if !strings.Contains(string(res.Describe()), "19850608") {
		t.Errorf("the result itself is masked:\n%s", res.Describe())
	}
}

// The object for machines is documented by Explanation and by this file.
func TestExplanation(t *testing.T) {
	rules, problems := loadAcme(t, goodSource, strings.Replace(goodMapping, "to:", "tables:\n  way: {a: \"1\"}\nignore: [{when: 'event.skip == true and event.kind == \"face\"', because: skipped}]\nlet:\n  w: way[event.way]\nto:", 1), goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	var out strings.Builder
	for _, body := range []string{
		fmt.Sprintf(`{"kind":"face","way":"b","at":"2026-01-02 03:04:05","small":%q,"big":%q}`, jpegText, jpegText),
		`{"kind":"car"}`,
	} {
		tr := new(Trace)
		s, params, _ := rules.MatchTraced("POST", "/acme/cam-1", tr)
		q := event.Request{Method: "POST", Path: "/acme/cam-1", Params: params, Remote: "192.0.2.9", Received: CaseTime}
		var res Result
		rules.ApplyBody(s, q, []byte(body), &res, tr)
		text, err := json.MarshalIndent(tr.Explain(s, &res), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(text, '\n'))
	}
	golden(t, "testdata/explanation.golden", out.String())
}

// Nothing that a payload or a file holds makes a line wider than TraceColumns.
func TestTraceColumns(t *testing.T) {
	wide := strings.Repeat("很长的中文没有空格", 30)
	long := strings.Repeat("x", 250)
	mapping := strings.Replace(goodMapping, "title: 测试人脸", "title: "+wide, 1)
	mapping = strings.Replace(mapping, "time(event.at)", `'event.`+long+` == "`+wide+`" or event.kind == "`+long+`" ? time(event.at) : event["`+wide+`"]'`, 1)
	mapping = strings.Replace(mapping, "to:", "ignore: [{when: 'event.kind == \""+wide+"\" and event.skip', because: "+wide+"}]\nto:", 1)
	rules, problems := loadAcme(t, goodSource, mapping, goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	for _, value := range []string{`"2026-01-02 03:04:05"`, `"` + wide + `"`, `"` + long + `\u0007\u001b[31m"`, "1e300", "null"} {
		tr := new(Trace)
		s, _, _ := rules.MatchTraced("POST", "/acme/"+long+wide, tr)
		q := event.Request{Method: "POST", Path: "/acme/cam-1", Params: map[string]string{"device": long + wide}, Received: CaseTime}
		for _, device := range []string{"cam-1", long + wide} {
			q.Params = map[string]string{"device": device}
			var res Result
			rules.ApplyBody(s, q, []byte(fmt.Sprintf(`{"kind":"face","at":%s,%q:%s,"small":%q,"big":%q}`, value, wide, value, jpegText, jpegText)), &res, tr)
			var b strings.Builder
			tr.Write(&b)
			WriteResult(&b, &res, message.Chinese)
			wideLines(t, b.String())
		}
	}
}

func wideLines(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		row := strings.HasSuffix(line, ",,,\n") // of a table, to be pasted
		if line = strings.TrimSuffix(line, "\n"); message.Width(line) > TraceColumns && !row {
			t.Errorf("%d columns: %s", message.Width(line), line)
		}
		if strings.ContainsAny(line, "\a\x1b\t\r") {
			t.Errorf("a control character in %q", line)
		}
	}
}

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "抓拍": 4, "→ ✓ …": 5, "（）": 4, "ａ": 2} {
		if got := message.Width(s); got != want {
			t.Errorf("%q: want %d, got %d", s, want, got)
		}
	}
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{{"抓拍时间", 5, "抓拍"}, {"抓", 1, "抓"}, {"abc", 2, "ab"}, {"abc", 9, "abc"}} {
		if got := cutColumns(tt.s, tt.n); got != tt.want {
			t.Errorf("%q to %d: want %q, got %q", tt.s, tt.n, tt.want, got)
		}
	}
}

// Of an object only the member that a personal field is made of is masked.
func TestTraceMasksMembers(t *testing.T) {
	const mapping = `title: 通行
each: {group: event.groups, p: group.people}
let:
  row: people[p["staff-no"]]
to: stk/rytxjl
record:
  accessControlNo: '"3401020010010011150001"'
  areaNo: device.xqbm
  accessType: p.way
  accessTime: time(p["at"])
  cardNo: first(row.zjhm, p["card"].no)
distinct: string(p.card.no)
`
	rules, problems := loadFiles(t, map[string]string{"face.yaml": mapping, "tables/people.csv": "id,zjhm\nE1,\n"}, nil)
	if rules == nil {
		t.Fatal(problems)
	}
	var tr Trace
	res := applyAcme(t, rules, `{"groups":[{"people":[{"staff-no":"E1","way":"2","at":"2026-01-02 03:04:05","card":{"no":"99999919850608004X"}}]}]}`, &tr)
	if res.Refusal != nil {
		t.Fatal(res.Refusal.Text)
	}
	var b strings.Builder
	tr.Write(&b)
	for _, want := range []string{`p.way  → "2"`, `→ "2026-01-02 03:04:05"`, `people["E1"] is tables/people.csv:2`, "string(p.card.no)  → 9***X", "distinct 9***X"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the trace lacks %s:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "1985") {
		t.Errorf("the number is shown:\n%s", b.String())
	}
}
