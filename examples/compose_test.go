package examples_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goccy/go-yaml"
	gocmp "github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store/storetest"
)

// compose is compose.yaml; a key that is not here is an error.
type compose struct {
	Template any                        `yaml:"x-yiqiao"`
	Services map[string]*composeService `yaml:"services"`
	Volumes  map[string]any             `yaml:"volumes"`
}

type composeService struct {
	Build       string            `yaml:"build"`
	Image       string            `yaml:"image"`
	Restart     string            `yaml:"restart"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck struct {
		Test     []string `yaml:"test"`
		Interval string   `yaml:"interval"`
		Timeout  string   `yaml:"timeout"`
		Retries  int      `yaml:"retries"`
		Disable  bool     `yaml:"disable"`
	} `yaml:"healthcheck"`
}

var replicaNames = []string{"yiqiao-1", "yiqiao-2"}

func readCompose(t *testing.T) (c compose) {
	t.Helper()
	text, err := os.ReadFile("docker-compose/compose.yaml")
	if err == nil {
		err = yaml.UnmarshalWithOptions(text, &c, yaml.Strict())
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	siteEnv     = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	instruction = regexp.MustCompile(`(?m)^(?:HEALTHCHECK .*)?(ENTRYPOINT|CMD) (\[.*\])$`)
)

// image is what the Dockerfile says of running yiqiao: ENTRYPOINT, CMD and
// HEALTHCHECK.
type image struct{ entrypoint, command, health []string }

func readDockerfile(t *testing.T, dir string) (i image) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range instruction.FindAllStringSubmatch(string(text), -1) {
		to := &i.command
		if strings.HasPrefix(m[0], "HEALTHCHECK") {
			to = &i.health
		} else if m[1] == "ENTRYPOINT" {
			to = &i.entrypoint
		}
		if err := json.Unmarshal([]byte(m[2]), to); err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
	}
	if len(i.entrypoint) != 1 || len(i.command) == 0 || len(i.health) == 0 || i.health[0] != i.entrypoint[0] {
		t.Fatalf("want the binary in ENTRYPOINT, arguments in CMD and both in HEALTHCHECK, got %+v", i)
	}
	return i
}

// What compose.yaml names is there, and what each side gives the other takes.
func TestComposeFile(t *testing.T) {
	c := readCompose(t)
	published := map[string]string{}
	for name, s := range c.Services {
		if (s.Build == "") == (s.Image == "") {
			t.Errorf("%s: want an image or a folder to build it from", name)
		}
		if s.Build != "" {
			readDockerfile(t, filepath.Join("docker-compose", s.Build))
		}
		for _, port := range s.Ports {
			host, _, _ := strings.Cut(port, ":")
			if other := published[host]; other != "" {
				t.Errorf("%s and %s publish port %s", name, other, host)
			}
			published[host] = name
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			_, declared := c.Volumes[from]
			if info, err := os.Stat(filepath.Join("docker-compose", from)); !declared && (!strings.HasPrefix(from, "./") || err != nil || !info.IsDir()) {
				t.Errorf("%s mounts %q, which is neither a volume nor a folder here", name, from)
			}
		}
		for other, d := range s.DependsOn {
			on := c.Services[other]
			if on == nil || d.Condition == "service_healthy" && len(on.Healthcheck.Test) == 0 {
				t.Errorf("%s waits for %s to be healthy, which is not told of it", name, other)
			}
		}
	}

	site, err := os.ReadFile("docker-compose/site/yiqiao.yaml")
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string]bool{}
	for _, m := range siteEnv.FindAllStringSubmatch(string(site), -1) {
		needs[m[1]] = true
	}
	for _, name := range replicaNames {
		sets := map[string]bool{}
		for v := range c.Services[name].Environment {
			sets[v] = true
		}
		if d := gocmp.Diff(needs, sets); d != "" {
			t.Errorf("%s sets other variables than the site reads (-reads +sets):\n%s", name, d)
		}
	}
}

// interpolated is a value of compose.yaml with ${NAME:-default} and
// ${NAME:?message} filled in, as docker compose does before it starts anything.
func interpolated(t *testing.T, value string, given map[string]string) string {
	t.Helper()
	return regexp.MustCompile(`\$\{([A-Z_]+)(?::-([^}]*)|:\?[^}]*)?\}`).ReplaceAllStringFunc(value, func(ref string) string {
		name, rest, hasDefault := strings.Cut(strings.Trim(ref, "${}"), ":-")
		if !hasDefault {
			name, _, _ = strings.Cut(name, ":?")
		}
		if v, ok := given[name]; ok {
			return v
		}
		if !hasDefault {
			t.Errorf("%s: the README does not have %s exported", ref, name)
		}
		return rest
	})
}

// replica is a yiqiao of compose.yaml as a local process.
type replica struct {
	cmd   *exec.Cmd
	log   *lockedBuffer
	url   string // for devices
	admin string
	env   []string
	site  string
}

// stack is compose.yaml as local processes: a real Redis, the simulated
// platform and the replicas, with the commands and the environment that
// compose.yaml gives them. Only addresses and folders differ.
type stack struct {
	platform string // host:port
	records  string
	replicas []*replica
}

func startStack(t *testing.T) *stack {
	t.Helper()
	c := readCompose(t)
	img := readDockerfile(t, filepath.Join("docker-compose", c.Services["yiqiao-1"].Build))

	server := c.Services["redis"].Command
	redis := storetest.StartRedis(t, strings.Split(strings.TrimPrefix(strings.Join(server[1:], " "), "--"), " --")...)

	volume := t.TempDir() // "platform"
	s := &stack{platform: freeAddr(t), records: filepath.Join(volume, "records.jsonl")}
	var args []string
	for _, arg := range c.Services["platform"].Command {
		if rest, ok := strings.CutPrefix(arg, "/data/"); ok {
			arg = filepath.Join(volume, rest)
		}
		args = append(args, strings.Replace(arg, ":8000", s.platform, 1))
	}
	start(t, nil, args...)
	waitFor(t, "the platform", func() bool { return fetch(t, "http://"+s.platform+"/-/counts", &counts{}) })

	site := copySite(t, "docker-compose/site", strings.NewReplacer())
	local := strings.NewReplacer("//platform:8000", "//"+s.platform, "redis://redis:6379/0", redis.URL(), "file:/platform/", "file:"+volume+"/")
	given := map[string]string{"YIQIAO_STORE_KEY": strings.Repeat("5c", 32)}
	for _, name := range replicaNames {
		r := &replica{site: site}
		listen, admin := freeAddr(t), freeAddr(t)
		r.url, r.admin = "http://"+listen, "http://"+admin
		env := map[string]string{}
		for k, v := range c.Services[name].Environment {
			env[k] = local.Replace(interpolated(t, v, given))
		}
		env["YIQIAO_LISTEN"], env["YIQIAO_ADMIN"] = listen, admin
		for _, k := range slices.Sorted(maps.Keys(env)) {
			r.env = append(r.env, k+"="+env[k])
		}
		r.cmd, r.log = start(t, r.env, inSite(img.command, site)...)
		s.replicas = append(s.replicas, r)
		waitFor(t, name+" is healthy as the image asks", func() bool { return r.healthy(img) })
	}
	return s
}

// inSite are arguments for a container, with the folder of the site here.
func inSite(args []string, site string) []string {
	args = slices.Clone(args)
	for i := range args {
		if args[i] == "/site" {
			args[i] = site
		}
	}
	return args
}

// healthy runs the image's HEALTHCHECK in the replica's environment.
func (r *replica) healthy(img image) bool {
	cmd := exec.Command(binary, inSite(img.health[1:], r.site)...)
	cmd.Env = r.env
	return cmd.Run() == nil
}

// start runs yiqiao until the test ends, with nothing but env in its
// environment, as in a container.
func start(t *testing.T, env []string, args ...string) (*exec.Cmd, *lockedBuffer) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append([]string{"TMPDIR=" + t.TempDir()}, env...)
	log := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = log, log
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
	return cmd, log
}

// settled waits until nothing waits in the Redis that the replicas share.
func (r *replica) settled(t *testing.T) {
	t.Helper()
	waitFor(t, "nothing waits", func() bool {
		var held struct{ Waiting int }
		return fetch(t, r.admin+"/-/store", &held) && held.Waiting == 0
	})
}

// door is the code of a door of its own for event n, by which its record is
// told from the others.
func door(n int) string { return fmt.Sprintf("3401020010010011159%03d", n) }

func passage(n int) string {
	return fmt.Sprintf(`{"accessType":"1","accessTime":"2026-01-02 03:04:05","accessControlNo":%q,"areaNo":"340102001001001","cardNo":"340102199001010015"}`, door(n))
}

// post sends event n and says whether it was acknowledged.
func (r *replica) post(n int) error {
	resp, err := http.Post(r.url+"/iflytek/api/v1/stk/rytxjl", "application/json", strings.NewReader(passage(n)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"code":"0"`)) {
		err = fmt.Errorf("%s %s", resp.Status, answer)
	}
	return err
}

const (
	firstEvents = 20 // while both replicas live; event 0 reaches both
	allEvents   = 51
	killAfter   = 8 // acknowledgements of the events after the first

	// width is how many records a replica delivers at once (the default of
	// platform.concurrency). One that is killed between the platform's answer
	// and its note of it leaves them to be sent again: delivery is at least once.
	width = 8
)

// Two replicas share one Redis: an event that reaches both is one record, and
// the death of one loses nothing that was acknowledged.
func TestDockerCompose(t *testing.T) {
	sources(t)
	s := startStack(t)
	for _, r := range s.replicas {
		if log := r.log.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
			t.Errorf("the Redis of compose.yaml is not as yiqiao wants it:\n%s", log)
		}
	}
	follow(t, "docker-compose", strings.NewReplacer("http://127.0.0.1:8080", s.replicas[0].url, "http://127.0.0.1:8090", s.replicas[1].url, "127.0.0.1:8000", s.platform))

	want := map[string]int{"stk/rytxjl 3401020010010011150001": 1} // the README's
	var posting sync.WaitGroup
	for n := range firstEvents {
		want["stk/rytxjl "+door(n)] = 1
		for i, r := range s.replicas {
			if n == 0 || n%2 == i {
				posting.Go(func() {
					if err := r.post(n); err != nil {
						t.Errorf("event %d: %v", n, err)
					}
				})
			}
		}
	}
	posting.Wait()
	s.replicas[0].settled(t)
	if d := gocmp.Diff(want, records(t, s.records)); d != "" {
		t.Fatalf("records while both replicas live (-want +got):\n%s", d)
	}

	s.killOneUnderLoad(t)
	s.replicas[1].settled(t)
	for n := firstEvents; n < allEvents; n++ {
		want["stk/rytxjl "+door(n)] = 1
	}
	got := records(t, s.records)
	repeated := 0
	for n := firstEvents; n < allEvents; n++ {
		if more := got["stk/rytxjl "+door(n)] - 1; more > 0 {
			repeated += more
			got["stk/rytxjl "+door(n)] = 1
		}
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("records after one replica was killed (-want +got):\n%s", d)
	}
	if repeated > width {
		t.Errorf("%d records were sent again, want at most the %d that the dead replica was sending", repeated, width)
	}
	if c := platformCounts(t, s.platform); c.Refused != 0 || c.Accepted != len(want)+repeated || c.Repeated != repeated {
		t.Errorf("the platform counted %+v, want %d records and %d repeated ones", c, len(want), repeated)
	}
}

// killOneUnderLoad sends the rest of the events to both replicas at once and
// ends the first by SIGKILL while it works. What it did not acknowledge goes to
// the other, as a device behind a balancer does it.
func (s *stack) killOneUnderLoad(t *testing.T) {
	t.Helper()
	var acknowledged atomic.Int32
	var posting sync.WaitGroup
	for n := firstEvents; n < allEvents; n++ {
		posting.Go(func() {
			err := s.replicas[n%2].post(n)
			if err == nil && acknowledged.Add(1) == killAfter {
				_ = s.replicas[0].cmd.Process.Kill()
			}
			if err != nil && n%2 == 0 {
				err = s.replicas[1].post(n)
			}
			if err != nil {
				t.Errorf("event %d: %v", n, err)
			}
		})
	}
	posting.Wait()
}
