package transform

import (
	"fmt"
	"strings"
	"testing"

	"yiqiao/transform/event"
)

// exampleRules are rules whose only mapping ignores everything, with the
// tables that the functions' examples speak of.
func exampleRules(t *testing.T) (*Rules, *Source) {
	t.Helper()
	people, problems := ParseTable("people", "people.csv", []byte("id,name,zjhm\n1001,张三,340102199001010010\n1002,李四,\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := &Source{Name: "example"}
	loc, ok := parseZone("+08:00")
	if !ok {
		t.Fatal("+08:00 is no zone")
	}
	s.zone = zone{source: loc, target: loc}
	r := &Rules{Catalogue: testCatalogue(t), tables: map[string]*Table{"people": people}, decoder: event.NewDecoder()}
	s.runs.New = func() any { return newRun(r, s) }
	return r, s
}

const exampleDoc = `{"image":"/9j/4AAQSkZJRgAB","list":[{"kind":"car","id":6},{"kind":"face","id":7}],"name":"x"}`

func exampleEvent(t *testing.T, r *Rules, s *Source) *event.Event {
	t.Helper()
	body := "--b\r\n\r\n" + exampleDoc + "\r\n--b\r\nContent-Disposition: form-data; name=\"Picture\"; filename=\"Picture.jpg\"\r\n\r\n\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\r\n--b--"
	ev := &event.Event{Request: event.Request{ContentType: "multipart/mixed; boundary=b", Received: CaseTime}}
	if err := r.Decode(s, ev, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return ev
}

// eval compiles and runs one expression over the example event.
func eval(t *testing.T, text string) (any, error) {
	t.Helper()
	r, s := exampleRules(t)
	var ps Problems
	f := &file{name: "example.yaml", lines: []string{text}, problems: &ps}
	m := &Mapping{Name: "example", eachRaw: -1, inline: map[string]inlineTable{"way": {"face": "2", "default": "9"}}}
	sc := scope{event: &s.paths, tables: r.tables, inline: m.inline, lets: map[string]*Table{}, catalogue: r.Catalogue}
	e := sc.compile(code{file: f, text: text, place: Place{"example.yaml", 1, 1}})
	if len(ps) > 0 {
		return nil, ps
	}
	run := s.runs.Get().(*run)
	run.mapping = m
	run.begin(exampleEvent(t, r, s), nil)
	if err := run.event.Fill(&s.paths, run.slots); err != nil {
		t.Fatal(err)
	}
	return run.eval(e)
}

// Every example of the function set is what the integrator reads; it is run.
func TestFunctionExamples(t *testing.T) {
	for _, f := range functions {
		if len(f.examples) == 0 || f.doc == "" {
			t.Errorf("%s: no example or no doc", f.name)
		}
		for _, ex := range f.examples {
			got, err := eval(t, ex.Expr)
			text := fmt.Sprint(got)
			if got == nil {
				text = "nil"
			}
			if err != nil {
				_, after, _ := strings.Cut(err.Error(), "example.yaml:1:")
				_, after, _ = strings.Cut(after, ": ")
				text = "error: " + after
			}
			if text != ex.Want {
				t.Errorf("%s = %s, want %s (%v)", ex.Expr, text, ex.Want, err)
			}
		}
	}
}

// What is missing is nil, all the way; a wrong kind is an error, not a guess.
func TestSemantics(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`event.nothing.at.all`, "<nil>"},
		{`event.name.below`, "<nil>"},
		{`event.list[1].id`, "7"},
		{`event["list"][0]["kind"]`, "car"},
		{`event.list[5].id`, "<nil>"},
		{`event.list[-1].id`, "7"},
		{`event?.list?.[0]?.id`, "6"},
		{`event.nothing ?? "x"`, "x"},
		{`event.name == "x" && event.list[0].id == 6`, "true"},
		{`event.nothing == 5`, "false"},
		{`map(event.list, .id)`, "[6 7]"},
		{`filter(event.list, .kind == "face")[0].id`, "7"},
		{`let x = event.list[0]; x.id + 1`, "7"},
		{`way["nothing"]`, "9"},
		{`people[event.nothing]`, "<nil>"},
		{`people["1002"].zjhm`, "<nil>"},
		{`request.received`, "2026-01-02T03:04:05+08:00"},
		{`request.header["X-Nothing"]`, "<nil>"},
		{`event.list.id`, "<nil>"},
		{`event.name + 1`, "error: example.yaml:1:12"},
	} {
		got, err := eval(t, tt.expr)
		text := fmt.Sprint(got)
		if err != nil {
			text = "error: " + err.Error()
		}
		if text != tt.want && !(err != nil && strings.HasPrefix(tt.want, "error: ") && strings.Contains(text, tt.want[7:])) {
			t.Errorf("%s = %s, want %s", tt.expr, text, tt.want)
		}
	}
}

// No clock but the event's own: a replay gives the same record.
func TestNoClock(t *testing.T) {
	for _, e := range []string{`now()`, `now().Year()`} {
		if v, err := eval(t, e); err == nil {
			t.Errorf("%s = %v, want a problem", e, v)
		}
	}
}

func TestExpressionProblems(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`tme(event.x)`, `example.yaml:1:1: unknown function "tme"; did you mean "time"?`},
		{`time()`, `example.yaml:1:1: time takes at least 1 arguments, got 0; time(value, layout…)`},
		{`evnt.x`, `example.yaml:1:1: unknown name "evnt"; did you mean "event"?`},
		{`"a" + peple["x"].zjhm`, `example.yaml:1:7: unknown name "peple"; did you mean "people"?`},
		{`people["x"].zjh`, `example.yaml:1:13: table people (people.csv) has no column "zjh"; did you mean "zjhm"?`},
		{`lookup("people", "x", "nme")`, `example.yaml:1:23: table people (people.csv) has no column "nme"; did you mean "name"?`},
		{`lookup("peple", "x")`, `example.yaml:1:8: there is no table "peple"; did you mean "people"?`},
		{`event.x ==`, `example.yaml:1:10: the expression ends too early; a value, a bracket or a quote is missing at its end`},
		{`event.x = 5`, `example.yaml:1:9: unexpected "="; compare with ==`},
		{`34010241011328001001`, `example.yaml:1:1: this number is too large; a code is a text: write '"34010241011328001001"'`},
		{`it.x`, `example.yaml:1:1: there is no it without each; add "each: event.…" to the mapping`},
		{`request.pth.x`, `example.yaml:1:9: request has no "pth"; did you mean "path"?`},
		{`device`, `example.yaml:1:1: device alone is no value; name a member: device.…`},
		{`"东门" + evnt.x`, `example.yaml:1:8: unknown name "evnt"; did you mean "event"?`},
	} {
		_, err := eval(t, tt.expr)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant %s", tt.expr, err, tt.want)
		}
	}
}
