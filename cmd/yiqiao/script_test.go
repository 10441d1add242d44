package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"

	"yiqiao/proxy/platform/platformtest"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

var update = flag.Bool("update", false, "write what the scripts give as their golden parts")

// TestMain lets a script's "exec yiqiao" run this binary's main in a process
// of its own, with the race detector if the test has it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"yiqiao": main})
}

// TestScript runs testdata/script, one script for each theme.
func TestScript(t *testing.T) {
	bundled, err := filepath.Abs("../../mappings")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("BUNDLED", bundled)
			e.Setenv("SPEC", filepath.Join(bundled, "../transform/spec"))
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each of many processes ends a second later
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": scriptExitcode,
			"keypair":  scriptKeypair,
			"freeport": scriptFreeport,
			"waitfor":  scriptWaitfor,
			"capture":  scriptCapture,
			"expand":   scriptExpand,
			"replace":  scriptReplace,
			"append":   scriptAppend,
			"join":     scriptJoin,
			"bytes":    scriptBytes,
			"bom":      scriptBOM,
			"post":     scriptPost,
			"records":  scriptRecords,
			"envelope": scriptEnvelope,
			"sigterm":  scriptSigterm,
			"columns":  scriptColumns,
			"junit":    scriptJUnit,
		},
	})
}

// need ends a script whose command is written wrongly.
func need(ts *testscript.TestScript, ok bool, usage string) {
	if !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

// exitcode CODE COMMAND… is "! exec" that knows which code is wanted.
func scriptExitcode(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) > 1, "exitcode CODE COMMAND…")
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || fmt.Sprint(exit.ExitCode()) != args[0] {
		ts.Fatalf("want exit code %s, got %v", args[0], err)
	}
}

// keypair FILE makes FILE and FILE.pub, as `yiqiao platform` does.
func scriptKeypair(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 1, "keypair FILE")
	_, _, _, err := platformtest.LoadOrCreateKey(ts.MkAbs(args[0]))
	ts.Check(err)
}

// freeport NAME… sets each variable to an address of this machine on which
// nobody listens.
func scriptFreeport(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) > 0, "freeport NAME…")
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close() // not before all have theirs: no two get the same
		ts.Setenv(name, l.Addr().String())
	}
}

// waitfor URL [REGEXP] asks until the answer is 200 and matches.
func scriptWaitfor(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && (len(args) == 1 || len(args) == 2), "waitfor URL [REGEXP]")
	re := regexp.MustCompile(strings.Join(args[1:], ""))
	client := http.Client{Timeout: 5 * time.Second}
	last := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		resp, err := client.Get(args[0])
		if err != nil {
			last = err.Error()
		} else {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if last = resp.Status + " " + string(body); resp.StatusCode == http.StatusOK && re.Match(body) {
				return
			}
		}
		pause := time.NewTimer(20 * time.Millisecond)
		<-pause.C
	}
	ts.Fatalf("%s never answered as wanted, at last: %s", args[0], last)
}

// capture NAME REGEXP sets a variable to what the first group matches in the
// last command's standard output.
func scriptCapture(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 2, "capture NAME REGEXP")
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("stdout has no match of %q with one group", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// change rewrites a file of the script.
func change(ts *testscript.TestScript, name string, f func(string) string) {
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(f(ts.ReadFile(name))), 0o600))
}

// expand FILE… puts the script's variables into files.
func scriptExpand(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) > 0, "expand FILE…")
	for _, name := range args {
		change(ts, name, func(s string) string { return os.Expand(s, ts.Getenv) })
	}
}

// replace FILE OLD NEW replaces a text that must stand there exactly once.
func scriptReplace(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 3, "replace FILE OLD NEW")
	change(ts, args[0], func(s string) string {
		if n := strings.Count(s, args[1]); n != 1 {
			ts.Fatalf("%s holds %q %d times, want once", args[0], args[1], n)
		}
		return strings.Replace(s, args[1], args[2], 1)
	})
}

// append FILE TEXT adds a line.
func scriptAppend(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 2, "append FILE TEXT")
	change(ts, args[0], func(s string) string { return s + args[1] + "\n" })
}

// join FILE TABLE adds the rows of a table, without its first line.
func scriptJoin(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 2, "join FILE TABLE")
	_, rows, _ := strings.Cut(ts.ReadFile(args[1]), "\n")
	change(ts, args[0], func(s string) string { return s + rows })
}

// bytes FILE TEXT writes a file from TEXT in Go's notation, as \xff\x00.
func scriptBytes(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 2, "bytes FILE TEXT")
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// bom FILE… wants UTF-8 in each file, with a byte order mark (with "!": without).
func scriptBOM(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) > 0, "bom FILE…")
	for _, name := range args {
		text := ts.ReadFile(name)
		if strings.HasPrefix(text, "\uFEFF") == neg || !utf8.ValidString(text) {
			ts.Fatalf("%s begins with %q, and is UTF-8: %t", name, text[:min(4, len(text))], utf8.ValidString(text))
		}
	}
}

// post URL FILE posts a file of JSON, and prints the answer's status and body.
func scriptPost(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 2, "post URL FILE")
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Post(args[0], "application/json", strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s\n", resp.StatusCode, body)
}

// records FILE proves each line of a records file: the keys, an interface of
// the specification, a record that keeps its rules. It prints how many lines
// there are of each interface, and in all.
func scriptRecords(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 1, "records FILE")
	catalogue, err := spec.Load()
	ts.Check(err)
	counts, total := map[string]int{}, 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if !strings.HasSuffix(line, "\n") {
			ts.Fatalf("the last line is cut off: %.200s", line)
		}
		var r map[string]json.RawMessage
		ts.Check(json.Unmarshal([]byte(line), &r))
		var name, appKey string
		ts.Check(json.Unmarshal(r["interface"], &name))
		ts.Check(json.Unmarshal(r["appKey"], &appKey))
		iface := catalogue.Interface(name)
		if iface == nil || len(r) != 3 || appKey == "" {
			ts.Fatalf(`want {"interface","appKey","record"} of an interface of the specification, got %.200s`, line)
		}
		for _, v := range iface.CheckJSON(r["record"]) {
			if v.Severity == spec.Error {
				ts.Fatalf("%s: %s: %.200s", name, v.Chinese(), line)
			}
		}
		counts[name]++
		total++
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(ts.Stdout(), "%s %d\n", name, counts[name])
	}
	fmt.Fprintf(ts.Stdout(), "total %d\n", total)
}

// envelope wants the last line of standard output to be what the platform
// gets (规范 1.4): two texts in Base64, and no others.
func scriptEnvelope(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 0, "envelope")
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	var e map[string][]byte // Base64 or an error
	ts.Check(json.Unmarshal([]byte(lines[len(lines)-1]), &e))
	if len(e) != 2 || len(e["encrypted"]) != 256 || len(e["requestData"]) == 0 || len(e["requestData"])%16 != 0 {
		ts.Fatalf("want encrypted and requestData, got %s", lines[len(lines)-1])
	}
}

// columns N wants no line of the last command's standard output to be wider on
// a terminal.
func scriptColumns(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 1, "columns N")
	most, err := strconv.Atoi(args[0])
	ts.Check(err)
	text := ts.ReadFile("stdout")
	if text == "" {
		ts.Fatalf("there is no output")
	}
	for line := range strings.Lines(text) {
		if n := message.Width(strings.TrimSuffix(line, "\n")); n > most {
			ts.Fatalf("%d columns: %s", n, line)
		}
	}
}

// junit FILE TESTS FAILURES ERRORS reads a report as a CI system does: the
// numbers of each suite and of all have to be those of the elements.
func scriptJUnit(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 4, "junit FILE TESTS FAILURES ERRORS")
	type numbers struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
	}
	var all struct {
		XMLName xml.Name `xml:"testsuites"`
		numbers
		Suites []struct {
			Name string `xml:"name,attr"`
			numbers
			Cases []struct {
				Class   string    `xml:"classname,attr"`
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	ts.Check(xml.Unmarshal([]byte(ts.ReadFile(args[0])), &all))
	var total numbers
	for _, s := range all.Suites {
		var n numbers
		for _, c := range s.Cases {
			if c.Class == "" || c.Name == "" {
				ts.Fatalf("a case without a name in suite %s", s.Name)
			}
			n.Tests++
			if c.Failure != nil {
				n.Failures++
			}
			if c.Error != nil {
				n.Errors++
			}
		}
		if n != s.numbers {
			ts.Fatalf("suite %s says %+v and holds %+v", s.Name, s.numbers, n)
		}
		total = numbers{total.Tests + n.Tests, total.Failures + n.Failures, total.Errors + n.Errors}
	}
	if got := fmt.Sprintf("%d %d %d", total.Tests, total.Failures, total.Errors); total != all.numbers || got != strings.Join(args[1:], " ") {
		ts.Fatalf("want %v, got %s, and %+v at the top", args[1:], got, all.numbers)
	}
}

// sigterm NAME tells a background process to end, as init systems do.
func scriptSigterm(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, !neg && len(args) == 1, "sigterm COMMAND")
	for _, c := range ts.BackgroundCmds() {
		if slices.Contains(c.Args, args[0]) {
			ts.Check(c.Process.Signal(syscall.SIGTERM))
			return
		}
	}
	ts.Fatalf("no background process %q", args[0])
}
