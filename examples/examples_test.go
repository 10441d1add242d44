// Package examples_test runs every example as its README says.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store/storetest"
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

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// copySite copies a folder, with change applied to each text.
func copySite(t *testing.T, from string, change *strings.Replacer) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
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

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The commands of the quickstart's README, as they stand there but for the
// ports, do what it says.
func TestQuickstart(t *testing.T) {
	dir := copySite(t, "quickstart", strings.NewReplacer("127.0.0.1:8000", "127.0.0.1:"+freePort(t), "127.0.0.1:8080", "127.0.0.1:"+freePort(t), "127.0.0.1:8081", "127.0.0.1:"+freePort(t)))
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := "set -e\n"
	for _, m := range shellBlock.FindAllStringSubmatch(string(readme), -1) {
		script += m[1]
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the two in the background
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "serve.log"))
		t.Fatalf("%v\n%s\nserve.log:\n%s", err, out.String(), log)
	}
	for _, piece := range []string{
		"ok: 3 sources, 11 mappings", "200\n200\n200\n",
		`{"Result":true,"Message":"Success"}`, `{"Active":true,"DeviceID":"its-1"}`, `{"code":"0","errMsg":"","data":{}}`,
		"2 dead letters", `request.path.device = "door-9"`, "snapTime (抓拍时间)", `want a time, got "yesterday"`,
		`"ok":true,"generation":"2-`, " accepted\n", "1 dead letter\n", "ok: rules 2-",
	} {
		if !strings.Contains(out.String(), piece) {
			t.Errorf("want %q in\n%s", piece, out.String())
		}
	}
	want := map[string]int{"stk/zpjl": 2, "stk/rytxjl": 4, "stk/cltxjl": 1, "zpj": 1, "stk/sbzt": 1}
	if d := cmp.Diff(want, records(t, filepath.Join(dir, "records.jsonl"))); d != "" {
		t.Error(d)
	}
}

// records counts the lines of a records file by interface.
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
	counts := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct{ Interface, AppKey string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil || r.AppKey != "demo" {
			t.Errorf("line %q: %v", lines.Text(), err)
		}
		counts[r.Interface]++
	}
	return counts
}

// compose is what the test needs of compose.yaml.
type compose struct {
	Services map[string]struct {
		Command     []string
		Environment map[string]string
		Volumes     []string
	}
}

var envName = regexp.MustCompile(`\$\{([A-Z_]+)`)

// The site of docker-compose, with its own configuration, as local processes:
// two replicas share one Redis, an event that reaches both is one record, and
// the death of one loses nothing.
func TestDockerCompose(t *testing.T) {
	text, err := os.ReadFile("docker-compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	site, err := os.ReadFile("docker-compose/site/yiqiao.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"yiqiao-1", "yiqiao-2"} {
		for _, m := range envName.FindAllStringSubmatch(string(site), -1) {
			if _, ok := c.Services[name].Environment[m[1]]; !ok {
				t.Errorf("service %s does not set %s", name, m[1])
			}
		}
	}
	if cmd := c.Services["redis"].Command; !slices.Contains(cmd, "noeviction") || !slices.Contains(cmd, "always") {
		t.Errorf("redis: %q", cmd)
	}

	redis := storetest.StartRedis(t, strings.Split(strings.TrimPrefix(strings.Join(c.Services["redis"].Command[1:], " "), "--"), " --")...)
	data := t.TempDir()
	platform := "127.0.0.1:" + freePort(t)
	start(t, nil, strings.Split(strings.NewReplacer("/data/", data+"/", ":8000", platform).Replace(strings.Join(c.Services["platform"].Command, " ")), " ")...)
	waitFor(t, "the platform", func() bool { return answers("http://" + platform + "/-/counts") })

	var urls []string
	var replicas []*exec.Cmd
	dir := copySite(t, "docker-compose/site", strings.NewReplacer())
	for _, name := range []string{"yiqiao-1", "yiqiao-2"} {
		listen, admin := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
		var env []string
		for k, v := range c.Services[name].Environment {
			switch k {
			case "YIQIAO_LISTEN":
				v = listen
			case "YIQIAO_ADMIN":
				v = admin
			case "YIQIAO_APP_KEY":
				v = "demo"
			case "YIQIAO_STORE_KEY":
				v = strings.Repeat("5c", 32)
			}
			env = append(env, k+"="+strings.NewReplacer("platform:8000", platform, "redis://redis:6379/0", redis.URL(), "file:/platform/", "file:"+data+"/").Replace(v))
		}
		replicas = append(replicas, start(t, env, "serve", "-site", dir))
		urls = append(urls, "http://"+listen)
		waitFor(t, name, func() bool { return answers("http://" + admin + "/-/ready") })
	}

	passage := func(n int) string {
		return fmt.Sprintf(`{"accessType":"1","accessTime":"2026-01-02 03:04:05","accessControlNo":"340102001001001115%04d","areaNo":"340102001001001","cardNo":"340102199001010015"}`, n)
	}
	var posting sync.WaitGroup
	for _, url := range urls {
		posting.Go(func() { post(t, url, passage(0)) })
	}
	posting.Wait()
	for n := 1; n <= 50; n++ {
		url := urls[n%2]
		if n > 30 {
			url = urls[1]
		}
		post(t, url, passage(n))
		if n == 30 {
			_ = replicas[0].Process.Kill()
		}
	}
	waitFor(t, "51 records", func() bool { return records(t, data+"/records.jsonl")["stk/rytxjl"] >= 51 })
	var counts struct{ Accepted, Repeated, Refused int }
	resp, err := http.Get("http://" + platform + "/-/counts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&counts); err != nil || counts.Accepted-counts.Repeated != 51 || counts.Refused != 0 || counts.Repeated > 1 {
		// One may be repeated: the replica that was killed between the
		// platform's answer and its note of it.
		t.Errorf("want 51 records, each once: %+v %v", counts, err)
	}
}

// start runs yiqiao until the test ends.
func start(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), env...)
	var log lockedBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%q:\n%s", args, log.String())
		}
	})
	return cmd
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

func answers(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func post(t *testing.T, url, body string) {
	t.Helper()
	resp, err := http.Post(url+"/iflytek/api/v1/stk/rytxjl", "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Errorf("got %s %s", resp.Status, answer)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		tick := time.NewTimer(20 * time.Millisecond)
		<-tick.C
	}
}
