package transform

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"yiqiao/transform/event"
)

// A source may say what its bodies are; what was odd about one is in the
// trace, and behind the reason of a refusal.
func TestBodies(t *testing.T) {
	const mapping = `title: x
to: stk/sbzt
record:
  areaNo: device.xqbm
  deviceID: event.code
  isOnLine: '"1"'
  deviceType: '"1"'
`
	const code = "34010200011321000001"
	for name, tt := range map[string]struct {
		source, contentType, body string
		want                      string // of the description, or of the trace
		trace                     string
	}{
		"told by itself":     {"", "text/plain", "code=" + code + "\n", `"deviceID":"` + code, "✓ decoded  keyvalue"},
		"the source's word":  {"body: text\n", "application/json", `{"code":"` + code + `"}`, `refused: deviceID`, "✓ decoded  text"},
		"not what it says":   {"body: xml\n", "application/json", `{"code":"` + code + `"}`, "undecodable: broken xml at byte 0: no element", "✗ decoded  xml"},
		"the named part":     {"part: [second]\n", "multipart/form-data; boundary=b", "--b\n\n{\"code\":\"1\"}\n--b\nContent-Disposition: form-data; name=second\n\n{\"code\":\"" + code + "\"}\n--b--", `"deviceID":"` + code, "✓ decoded  multipart"},
		"odd, with a record": {"unwrap: [a]\n", "", "<a><code>" + code + "</code><b>", `"deviceID":"` + code, `! body     the XML ends too early: element "b" is not closed`},
		"odd and refused":    {"unwrap: [a]\n", "", "<a><b>1</b>", `(of the body: the XML ends too early: element "a" is not closed)`, "! body "},
		"odd and unreadable": {"", "multipart/form-data; boundary=b", "--b\n\n{\"code\":", "broken multipart at byte 8: the document ends too early (of the body: the closing delimiter is missing)", "! body     the closing delimiter is missing"},
	} {
		rules, problems := loadAcme(t, goodSource+tt.source, mapping, goodDevices)
		if rules == nil {
			t.Fatalf("%s: %v", name, problems)
		}
		var res Result
		var tr Trace
		q := event.Request{Method: "POST", Params: map[string]string{"device": "cam-1"}, ContentType: tt.contentType, Received: CaseTime}
		rules.ApplyBody(rules.Source("acme"), q, []byte(tt.body), &res, &tr)
		got := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(string(res.Describe()))
		var trace strings.Builder
		tr.Write(&trace)
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: want %q, got %s", name, tt.want, got)
		}
		if !strings.Contains(trace.String(), tt.trace) {
			t.Errorf("%s: want %q in the trace, got\n%s", name, tt.trace, trace.String())
		}
	}
}

// What the decoders say is said in Chinese too: each text in their source has
// its row.
func TestBodyWords(t *testing.T) {
	said := regexp.MustCompile(`(?:\.note\(|&Error\{[^"\n]*(?:Sprintf\()?|fmt\.Errorf\()("(?:[^"\\]|\\.)*")`)
	verb := regexp.MustCompile(`%[.0-9]*[a-z]`)
	files, err := filepath.Glob("event/*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range said.FindAllSubmatch(src, -1) {
			text, err := strconv.Unquote(string(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			n++
			if got := bodySays(verb.ReplaceAllString(text, "7")); got.Rule == "body-raw" && !strings.Contains(text, "backslash") && !strings.Contains(text, "escape") && text != "body" {
				t.Errorf("%s: %q has no Chinese: add a row to message/bodies.go, and to bodyRules", name, text)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d texts were found", n)
	}
}
