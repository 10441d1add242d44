package transform

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"yiqiao/transform/message"
)

// value evaluates one expression over an event of acme, as the value of a let,
// by way of distinct.
func value(t testing.TB, expr, body string) string {
	t.Helper()
	mapping := strings.Replace(goodMapping, "to:", "tables:\n  way: {card: \"1\", default: \"9\"}\neach: event\nlet:\n  v: "+quoted(expr)+"\nto:", 1) + "distinct: 'v == nil ? \"nil\" : type(v) == \"string\" ? \"text \" + v : type(v) == \"bool\" ? string(v) : string(v) ?? \"?\"'\n"
	rules, problems := loadFiles(t, map[string]string{"face.yaml": mapping, "tables/people.csv": "id,name,zjhm\n1001,某甲,\n*,任何人,x\n"}, nil)
	if len(problems) > 0 {
		return "problem: " + problems[0].Text(message.English)
	}
	res := applyAcme(t, rules, strings.TrimSuffix(face, "}")+","+strings.TrimPrefix(body, "{"), nil)
	if res.Refusal != nil {
		return "error: " + res.Refusal.Text
	}
	return res.Records[0].Distinct
}

// Nothing (a missing member or null), the empty text and the empty list are
// three things: this is the table of mappings/README.md. A wanted value that
// begins with error: or problem: is a piece of the message.
func TestNothing(t *testing.T) {
	const body = `{"null":null,"empty":"","blank":" ","list":[],"zero":0,"no":false,"object":{"null":null},"text":"x","n":6}`
	for _, tt := range []struct{ expr, want string }{
		// member access
		{`event.missing`, "nil"}, {`event.null`, "nil"}, {`event.empty`, "text "}, {`event.zero`, "0"}, {`event.no`, "false"},
		{`event.missing.below.it`, "nil"}, {`event.null.below`, "nil"}, {`event.text.below`, "nil"}, {`event.n[0]`, "nil"}, {`event.list[0]`, "nil"}, {`event.list.name`, "nil"},
		// the same however the path is written
		{`let x = event.text; x.below`, "nil"}, {`let x = event.missing; x.below`, "nil"}, {`let x = event.list; x[0]`, "nil"}, {`let x = event.list; x.name`, "nil"}, {`let x = event.n; x[0]`, "nil"}, {`it.text.below`, "nil"}, {`get("text.below")`, "nil"},
		{`let x = event.object; x[event.missing]`, "nil"},
		// null and missing are told apart by in only
		{`"null" in event`, "true"}, {`"missing" in event`, "false"}, {`"null" in event.object`, "true"},
		// comparison
		{`event.missing == nil`, "true"}, {`event.null == nil`, "true"}, {`event.empty == nil`, "false"}, {`event.empty == ""`, "true"}, {`event.missing == ""`, "false"}, {`event.missing == 0`, "false"}, {`event.missing == false`, "false"}, {`event.list == nil`, "false"},
		{`event.missing != "x"`, "true"}, {`event.n == "6"`, "false"}, {`string(event.n) == "6"`, "true"}, {`event.missing in [1, nil]`, "true"}, {`event.missing not in [1]`, "true"},
		{`event.missing > 1`, "error: event.missing > 1 at mappings/acme/face.yaml:7:21"}, {`event.text > 1`, "error: cannot work out a text > a number"}, {`event.n > 5`, "true"},
		// ??, first and conditions
		{`event.missing ?? "y"`, "text y"}, {`event.null ?? "y"`, "text y"}, {`event.empty ?? "y"`, "text "}, {`event.no ?? true`, "false"}, {`event.zero ?? 1`, "0"},
		{`first(event.missing, event.null, event.empty, "y")`, "text y"}, {`first(event.blank, "y")`, "text  "}, {`first(event.zero, 1)`, "0"}, {`first(event.no, true)`, "false"},
		{`event.missing ? 1 : 2`, "error: want true or false, got nothing"}, {`event.missing == true ? 1 : 2`, "2"}, {`event.missing and event.no`, "error: "},
		// what is made of nothing
		{`"a" + event.missing`, `error: + wants two texts or two numbers, got "a" and nothing`}, {`event.n + event.null`, "error: + wants two texts or two numbers, got the number 6 and nothing"}, {`event.text + event.n`, `error: + wants two texts or two numbers, got "x" and the number 6`}, {`event.n + event.n`, "12"}, {`event.text + event.text`, "text xx"},
		{`string(event.missing)`, "nil"}, {`lower(event.null)`, "nil"}, {`trim(event.blank)`, "text "}, {`time(event.missing)`, "nil"}, {`time(event.empty)`, "nil"}, {`picture(event.empty)`, "nil"}, {`dict("ZD004", event.null)`, "nil"}, {`pad(event.empty, 2)`, "nil"}, {`plate(event.missing)`, "text "}, {`split(event.missing, "-")`, "nil"}, {`json(event.empty)`, "nil"},
		{`map(event.missing, .x)`, "error: "}, {`map(event.missing ?? [], .x)`, "error: want a text, a number, true or false, got a list of 0"}, {`len(event.missing)`, "error: "}, {`len(event.list)`, "0"},
		// tables: no key finds nothing, not even the row of "*"; an empty cell is missing
		{`way["card"]`, "text 1"}, {`way["x"]`, "text 9"}, {`way[event.missing]`, "nil"}, {`way[event.empty]`, "text 9"},
		{`people[event.missing].name`, "nil"}, {`people[event.empty].name`, "text 任何人"}, {`people["7"].name`, "text 任何人"}, {`people["1001"].zjhm`, "nil"}, {`people["1001"].zjhm ?? "z"`, "text z"},
		{`lookup("people", event.null, "name")`, "nil"}, {`device.zpjbm`, "text 34010200011321000001"},
		// of the request
		{`request.query.x`, "nil"}, {`request.path.device`, "text cam-1"},
	} {
		got := value(t, tt.expr, body)
		if message, _, isMessage := strings.Cut(tt.want, ": "); isMessage && (message == "error" || message == "problem") {
			if !strings.HasPrefix(got, message+": ") || !strings.Contains(got, tt.want[len(message)+2:]) {
				t.Errorf("%s\n got %s\nwant %s", tt.expr, got, tt.want)
			}
		} else if got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.expr, got, tt.want)
		}
	}
}

// A field of nothing is left out, or refused where the standard requires it;
// so is an empty text where it is required; an optional empty text is sent.
func TestNothingInFields(t *testing.T) {
	rules, problems := loadFiles(t, map[string]string{"face.yaml": goodMapping}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for at, want := range map[string]string{
		`null`: "time(event.at) is empty: event.at = nothing (mappings/acme/face.yaml:7:13)",
		`""`:   `time(event.at) is empty: event.at = "" (mappings/acme/face.yaml:7:13)`,
	} {
		res := applyAcme(t, rules, strings.Replace(face, `"2026-01-02 03:04:05"`, at, 1), nil)
		if res.Refusal == nil || !strings.Contains(res.Refusal.Text, want) {
			t.Errorf("required, %s: got %s", at, res.Describe())
		}
	}
	optional := strings.Replace(residents("each: event.homes", "record: {fwbm: it.code, yhzgxdm: '\"0\"'}"), "  jzxxList:", "  hjdxz: event.address\n  jzxxList:", 1)
	rules, problems = loadFiles(t, map[string]string{"face.yaml": optional}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for address, want := range map[string]string{``: "", `"address":null,`: "", `"address":"",`: `"hjdxz":""`, `"address":"某路 1 号",`: `"hjdxz":"某路 1 号"`} {
		res := applyAcme(t, rules, strings.Replace(resident, "HOMES", address+`"homes":{"code":"340102001001001001012201"}`, 1), nil)
		if len(res.Records) != 1 {
			t.Fatalf("%s: got %s", address, res.Describe())
		}
		if doc := string(res.Records[0].Doc); want == "" && strings.Contains(doc, "hjdxz") || !strings.Contains(doc, want) {
			t.Errorf("optional, %s: got %s", address, doc)
		}
	}
}

// Numbers of any length keep their digits, on every way into a record.
func TestNumbers(t *testing.T) {
	const long = "12345678901234567890123456789012345678901"
	body := `{"long":` + long + `,"max":9223372036854775807,"over":9223372036854775808,"neg":-5,"f":0.1,"e":1e3,"huge":1e400,"list":[` + long + `],"text":"{\"n\":` + long + `}","lng":117.302269}`
	for expr, want := range map[string]string{
		`event.long`:                   "text " + long,
		`event["long"]`:                "text " + long,
		`it.long`:                      "text " + long,
		`get("long")`:                  "text " + long,
		`event.list[0]`:                "text " + long,
		`map(event.list, #)[0]`:        "text " + long,
		`json(event.text).n`:           "text " + long,
		`"a" + event.long`:             "text a" + long,
		`event.long == "` + long + `"`: "true",
		`event.max`:                    "9223372036854775807",
		`event.over`:                   "text 9223372036854775808",
		`event.neg`:                    "-5",
		`event.f`:                      "0.1",
		`string(event.lng)`:            "text 117.302269",
		`event.e`:                      "1000",
		`event.huge`:                   "text 1e400",
		`string(12345678901.5)`:        "text 12345678901.5",
		`int("12")`:                    "12",
		`int(event.long)`:              "error: ",
		`event.long + 1`:               "error: ",
	} {
		got := value(t, expr, body)
		if got != want && !(want == "error: " && strings.HasPrefix(got, want)) {
			t.Errorf("%s = %s, want %s", expr, got, want)
		}
	}
}

// The same event gives the same record, byte for byte, however often.
func TestDeterministic(t *testing.T) {
	const body = `{"object":{"z":1,"y":2,"x":3,"w":4,"v":5,"u":6,"t":7,"s":8}}`
	for expr, want := range map[string]string{
		`join(keys(event.object), "")`:            "text stuvwxyz",
		`join(values(event.object), "")`:          "text 87654321",
		`digest(event.object)`:                    "",
		`time("2026-07-01T00:00:00")`:             "text 2026-07-01 00:00:00",
		`join(map(keys(event.object), lower(#)))`: "text stuvwxyz",
	} {
		first := value(t, expr, body)
		if want != "" && first != want {
			t.Errorf("%s = %s, want %s", expr, first, want)
		}
		for range 5 {
			if again := value(t, expr, body); again != first {
				t.Errorf("%s = %s, then %s", expr, first, again)
			}
		}
	}
	for name := range disabled {
		if got := value(t, name+`(event.object)`, body); !strings.HasPrefix(got, "problem: ") {
			t.Errorf("%s: got %s, want a problem", name, got)
		}
	}
}

// What an expression may cost is bounded; each is refused, and soon.
func TestLimits(t *testing.T) {
	list := `{"list":[` + strings.TrimSuffix(strings.Repeat("1,", 50_000), ",") + `],"text":"` + strings.Repeat("x", 1000) + `"}`
	doubled := "let a0 = event.text;"
	lists := "let l0 = [1, 2];"
	for i := range 40 {
		doubled += fmt.Sprintf("let a%d = a%d + a%d;", i+1, i, i)
		lists += fmt.Sprintf("let l%d = [l%d, l%d];", i+1, i, i)
	}
	for name, tt := range map[string]struct{ expr, want string }{
		"range":              {`len(1..1000000000)`, "its lists have more than 100000 elements"},
		"range of the event": {`len(1..(event.list[0] * 1000000000))`, "error: "},
		"wide range":         {`len(-9223372036854775807..9223372036854775807)`, ""},
		"loop in loop":       {`count(event.list, count(event.list, # == 2) > 5)`, "more than 200000 steps for one event"},
		"constant loops":     {`count(1..90000, count(1..90000, # == 1) > 0)`, "error: "},
		"loops by let":       {`let r = event.list; count(r, count(r, count(r, # == 2) > 1) > 1)`, "more than 200000 steps for one event"},
		"text doubled":       {doubled + "a40", "the text would have 128000 bytes, more than 65536"},
		"text in reduce":     {`reduce(1..60, #acc + #acc, event.text)`, "the text would have 128000 bytes, more than 65536"},
		"replace":            {`replace(event.text + event.text, "", event.text)`, "the text would have 2003000 bytes"},
		"join":               {`join(map(event.list, event.text))`, "the text would have 50000000 bytes, more than 65536"},
		"lists doubled":      {lists + `len(flatten(l40))`, "flatten: more than 100000 elements"},
		"digest of lists":    {lists + `digest(l40)`, "a list of 2 is too large for a digest"},
		"uniq":               {`len(uniq(event.list))`, "uniq wants a list of at most 4096, got a list of 50000"},
		"map of map":         {`len(map(event.list, map(event.list, #)))`, "error: "},
		"brackets":           {strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), "problem: the expression has 10001 characters, more than 8192"},
		"deep brackets":      {strings.Repeat("(", 4000) + "1" + strings.Repeat(")", 4000), "1"},
		"deep nots":          {strings.Repeat("!", 8000) + "true", ""},
		"deep lists":         {strings.Repeat("[", 4000) + strings.Repeat("]", 4000), ""},
		"division by zero":   {`5 % (event.list[0] - 1)`, "error: "},
		"pattern":            {`event.text matches "(a+)+$"`, "false"},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			got := value(t, tt.expr, list)
			if len(got) > 4000 {
				t.Errorf("a message of %d bytes", len(got))
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %.300s, want %s", got, tt.want)
			}
			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	}
}

// Brackets without end in a file are told, not parsed.
func TestNestedYAML(t *testing.T) {
	for _, open := range []string{"[", "{a: ", "- ", "? "} {
		begin := time.Now()
		var ps Problems
		_, root := parseYAML("x.yaml", []byte("title: x\n"+strings.Repeat(open, 200_000)), &ps)
		if root != nil || len(ps) != 1 || ps[0].Rule != "nested" || ps[0].Line != 2 || time.Since(begin) > time.Second {
			t.Errorf("%q: got %v in %s", open, ps, time.Since(begin))
		}
	}
	var ps Problems
	if parseYAML("x.yaml", []byte(strings.Repeat("- ", 50)+"x\n"), &ps); len(ps) > 0 {
		t.Error(ps)
	}
}

// No expression and no payload takes the process down or holds it.
func FuzzExpression(f *testing.F) {
	for _, fn := range functions {
		for _, ex := range fn.examples {
			f.Add(ex.Expr, exampleDoc)
		}
	}
	f.Add(`reduce(1..60, #acc + #acc, event.text)`, `{"text":"x"}`)
	f.Add(`count(event.list, count(event.list, # == 1) > 0)`, `{"list":[1,2,[3]]}`)
	f.Add(`let a = [event]; let b = [a, a]; digest(flatten([b, b]))`, `{}`)
	f.Add(`map(event.list, {"a": #, "b": .x?.y[0]})[-1].a ?? event.n % 0`, `{"list":[null,"",0],"n":5}`)
	f.Fuzz(func(t *testing.T, expr, doc string) {
		if strings.Contains(expr, "\n") {
			return
		}
		begin := time.Now()
		_ = value(t, expr, doc)
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("%q took %s", expr, d)
		}
	})
}
