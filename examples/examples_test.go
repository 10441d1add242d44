// Package examples_test runs every example as its README says.
package examples_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

var binary string // yiqiao, built once

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "yiqiao-examples-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "yiqiao")
	if out, err := exec.Command("go", "build", "-o", binary, "yiqiao/cmd/yiqiao").CombinedOutput(); err != nil {
		fmt.Printf("%s%v\n", out, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// sources makes the result of a test depend on what the binary is built from:
// go test knows of files that a test opens, not of those that its child does.
func sources(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"../cmd", "../proxy", "../transform", "../mappings"} {
		if err := filepath.WalkDir(dir, func(_ string, _ os.DirEntry, err error) error { return err }); err != nil {
			t.Fatal(err)
		}
	}
}

// The commands of the quickstart's README, as they stand there but for the
// ports, print what it says, and the platform has each record once.
func TestQuickstart(t *testing.T) {
	sources(t)
	platform, devices, admin := freeAddr(t), freeAddr(t), freeAddr(t)
	dir := copySite(t, "quickstart", strings.NewReplacer("127.0.0.1:8000", platform, "127.0.0.1:8080", devices, "127.0.0.1:8081", admin))
	follow(t, dir, strings.NewReplacer())

	// Only when nothing waits any more is it sure that no duplicate follows.
	var held struct{ Waiting, Dead int }
	waitFor(t, "nothing waits", func() bool { return fetch(t, "http://"+admin+"/-/store", &held) && held.Waiting == 0 })
	if held.Dead != 1 {
		t.Errorf("got %d dead letters, want the one that was neither retried nor dropped", held.Dead)
	}
	want := map[string]int{
		"stk/zpjl 34010200011321000001":     1, // Hikvision's camera
		"stk/rytxjl 3401020010010011150001": 2, // one who is known, one who is not
		"stk/cltxjl 34010200011322000001":   1, // sent twice
		"zpj 34010200011322000001":          1,
		"stk/sbzt 34010200011321000001":     1, // each sends heartbeats
		"stk/sbzt 34010200011322000001":     1,
		"stk/rytxjl 3401020010010011150002": 1,
		"stk/zpjl 34010200011323000001":     1, // sent twice
		"stk/rytxjl 3401020010010011150009": 1, // after its row was added
	}
	if d := gocmp.Diff(want, records(t, filepath.Join(dir, "records.jsonl"))); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	if d := gocmp.Diff(counts{Accepted: 10}, platformCounts(t, platform)); d != "" {
		t.Errorf("what the platform counted (-want +got):\n%s", d)
	}
	removeIgnored(t, dir)
	if d := gocmp.Diff(names(t, "quickstart"), names(t, dir)); d != "" {
		t.Errorf("the commands leave what .gitignore does not name (-want +got):\n%s", d)
	}
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// follow runs the shell blocks of a folder's README, with change applied, and
// checks that they print, in this order, the lines of its "# → " comments, in
// which … stands for anything.
func follow(t *testing.T, dir string, change *strings.Replacer) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script string
	for _, m := range shellBlock.FindAllStringSubmatch(string(readme), -1) {
		script += m[1]
	}
	out := shell(t, dir, change.Replace(script))
	lines := strings.Split(out, "\n")
	said := 0
	for line := range strings.Lines(script) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "# → ")
		if !ok {
			continue
		}
		said++
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".*") + "$")
		at := slices.IndexFunc(lines, want.MatchString)
		if at < 0 {
			t.Fatalf("the README says that %q comes next; got\n%s\nof\n%s", text, strings.Join(lines, "\n"), out)
		}
		lines = lines[at+1:]
	}
	if said == 0 {
		t.Fatalf("the README of %s does not say what its commands print", dir)
	}
}

// shell runs a script in a folder, with yiqiao in the PATH. What the script
// leaves in the background ends with the test.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-ec", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	if err := cmd.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "serve.log"))
		t.Fatalf("%v\n%s\nserve.log:\n%s", err, out.String(), log)
	}
	return out.String()
}

// copySite copies a folder without what its .gitignore names, which a person
// may have left there, and with change applied to its configuration and README.
func copySite(t *testing.T, from string, change *strings.Replacer) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	removeIgnored(t, dir)
	for _, name := range []string{"yiqiao.yaml", "README.md"} {
		name = filepath.Join(dir, name)
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(name, []byte(change.Replace(string(text))), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func removeIgnored(t *testing.T, dir string) {
	t.Helper()
	for _, name := range ignored(t, dir) {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
}

// ignored are the paths in a folder that its .gitignore names, if it has one.
func ignored(t *testing.T, dir string) (paths []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, pattern := range strings.Fields(string(text)) {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// names are those in a folder and below it that its .gitignore does not name.
func names(t *testing.T, dir string) map[string]bool {
	t.Helper()
	skip := map[string]bool{}
	for _, path := range ignored(t, dir) {
		skip[path] = true
	}
	all := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && skip[path] {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		all[strings.TrimPrefix(path, dir)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// records counts the lines of a records file by interface and the code of the
// device that the record is about.
func records(t *testing.T, name string) map[string]int {
	t.Helper()
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return map[string]int{}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct {
			Interface, AppKey string
			Record            struct{ AccessControlNo, SnapNo, Zpjbm, DeviceID string }
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil || r.AppKey != "demo" {
			t.Errorf("line %q: %v", lines.Text(), err)
		}
		found[r.Interface+" "+cmp.Or(r.Record.AccessControlNo, r.Record.SnapNo, r.Record.Zpjbm, r.Record.DeviceID)]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// counts are those of the simulated platform; Repeated are among Accepted.
type counts struct{ Accepted, Repeated, Refused int }

func platformCounts(t *testing.T, addr string) (c counts) {
	t.Helper()
	if !fetch(t, "http://"+addr+"/-/counts", &c) {
		t.Fatal("the platform does not answer")
	}
	return c
}

// fetch reads a JSON answer into v, unless there is none.
func fetch(t *testing.T, url string, v any) bool {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return true
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(40 * time.Second)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-poll.C:
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
