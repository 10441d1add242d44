package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yiqiao/proxy/device/devicetest"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store/storetest"
)

// plant is a site whose daemon is a process of its own.
type plant struct {
	*ledger
	binary  string
	dir     string
	addr    string
	admin   string
	process *exec.Cmd
	died    chan struct{}
}

// ledger is the platform that one or more plants deliver to, devices that post
// unique events until each is taken, and what became of these.
type ledger struct {
	t        *testing.T
	url      string // where devices post
	platform *platformtest.Platform
	upstream *httptest.Server
	key      string // file of the platform's public key
	resend   bool   // devices post each event again after it was taken

	mu    sync.Mutex
	tail  []string                   // the end of the daemons' logs
	ids   map[string]map[string]bool // device of a record → ids of entries that the log says were delivered
	dead  map[string]bool            // devices of dead letters, as the log says
	acked map[string]bool            // devices whose event got its 200
	busy  atomic.Int64               // answers 503
}

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "yiqiao-test-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "yiqiao")
	out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return name, nil
})

func newLedger(t *testing.T) *ledger { return newLedgerOf(t, 1<<20) }

// newLedgerOf makes a ledger whose platform keeps so many records to be shown.
func newLedgerOf(t *testing.T, keep int) *ledger {
	t.Helper()
	l := &ledger{t: t, ids: map[string]map[string]bool{}, dead: map[string]bool{}, acked: map[string]bool{}}
	name := filepath.Join(t.TempDir(), "platform.key")
	l.key = name + ".pub"
	key, _, _, err := platformtest.LoadOrCreateKey(name)
	if err != nil {
		t.Fatal(err)
	}
	if l.platform, err = newPlatform(platformOptions{key: key, keep: keep}); err != nil {
		t.Fatal(err)
	}
	l.upstream = httptest.NewServer(l.platform)
	t.Cleanup(l.upstream.Close)
	return l
}

// newPlant makes a site alone with its platform.
func newPlant(t *testing.T, store string) *plant {
	t.Helper()
	return newLedger(t).alone(store)
}

// alone makes the ledger's only site.
func (l *ledger) alone(store string) *plant {
	l.t.Helper()
	p := l.plant(store)
	l.url = "http://" + p.addr
	return p
}

// plant makes a site that delivers to the ledger's platform.
func (l *ledger) plant(store string) *plant {
	l.t.Helper()
	binary, err := buildOnce()
	if err != nil {
		l.t.Fatal(err)
	}
	p := &plant{ledger: l, binary: binary, dir: l.t.TempDir(), addr: freeAddr(l.t), admin: freeAddr(l.t)}
	config := fmt.Sprintf("listen: %s\nplatform: {url: %q, appKey: k, publicKey: \"file:%s\", timeout: 5s}\nstore: %s\nsources: [iflytek]\ntables: {devices: devices.csv, people: people.csv}\nadmin: {listen: %s}\nlog: {level: debug}\n",
		p.addr, l.upstream.URL+"/api/v1", l.key, store, p.admin)
	for name, text := range map[string]string{"yiqiao.yaml": config, "devices.csv": devicetest.DevicesCSV(0), "people.csv": devicetest.PeopleCSV(0), "store.key": strings.Repeat("5c", 32)} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
	l.t.Cleanup(p.kill)
	return p
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

var deliveredLine = regexp.MustCompile(`msg=(delivered|"dead letter") id=(\S+) .*device=(\S+)`)

// start starts the daemon and reads its log.
func (p *plant) start() {
	p.t.Helper()
	p.process = exec.Command(p.binary, "serve", "-site", p.dir)
	log, err := p.process.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	started := make(chan struct{})
	p.died = make(chan struct{})
	go func() {
		defer close(p.died)
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line := lines.Text()
			p.mu.Lock()
			p.tail = append(p.tail[max(0, len(p.tail)-9):], line)
			p.mu.Unlock()
			if strings.Contains(line, "msg=started") {
				close(started)
			}
			if m := deliveredLine.FindStringSubmatch(line); m != nil {
				p.mu.Lock()
				if m[1] == "delivered" {
					if p.ids[m[3]] == nil {
						p.ids[m[3]] = map[string]bool{}
					}
					p.ids[m[3]][m[2]] = true
				} else {
					p.dead[m[3]] = true
				}
				p.mu.Unlock()
			}
		}
		_ = p.process.Wait()
		select {
		case <-started:
		default:
			p.t.Errorf("the daemon did not start: %s", strings.Join(p.tail, "\n"))
			close(started)
		}
	}()
	<-started
}

// kill ends the daemon as a power cut does.
func (p *plant) kill() {
	if p.process != nil {
		_ = p.process.Process.Kill()
		<-p.died
	}
}

// load posts events, rate a second, until ctx ends. Each is posted until it
// is taken, as firmware with a buffer does.
func (p *ledger) load(ctx context.Context, rate int) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	events := make(chan int)
	var posting sync.WaitGroup
	for range 16 {
		posting.Go(func() {
			for n := range events {
				p.send(client, n)
			}
		})
	}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			close(events)
			posting.Wait()
			return
		case <-tick.C:
		}
		select {
		case events <- n:
		case <-ctx.Done():
		}
	}
}

// send posts an event; with resend, at the same time twice and then again.
func (p *ledger) send(client *http.Client, n int) {
	if p.resend {
		var posting sync.WaitGroup
		posting.Go(func() { p.post(client, n) })
		p.post(client, n)
		posting.Wait()
	}
	p.post(client, n)
}

func (p *ledger) post(client *http.Client, n int) {
	device := fmt.Sprintf("%s115%04d", devicetest.Area, n%10000)
	body := fmt.Sprintf(`{"accessType":"1","accessTime":"2026-01-02 03:04:05","accessControlNo":%q,"areaNo":%q,"cardNo":%q}`, device, devicetest.Area, devicetest.Identity(n))
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		resp, err := client.Post(p.url+"/iflytek/api/v1/stk/rytxjl", "application/json", strings.NewReader(body))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				p.mu.Lock()
				p.acked[device] = true
				p.mu.Unlock()
				return
			}
			if resp.StatusCode != http.StatusServiceUnavailable {
				p.t.Errorf("a device was told %s", resp.Status)
				return
			}
			p.busy.Add(1)
		}
		wait := time.NewTimer(20 * time.Millisecond)
		<-wait.C
	}
	p.t.Errorf("event %d was never taken", n)
}

// account waits until every acknowledged event is at the platform, and checks
// that none went there under two ids.
func (p *ledger) account() {
	p.t.Helper()
	if n := p.arrived(); n > 0 {
		p.t.Errorf("events were delivered under %d ids too many", n)
	}
}

// records counts those at the platform by device.
func (p *ledger) records() map[string]int {
	arrived := map[string]int{}
	for _, r := range p.platform.Records() {
		_, rest, _ := bytes.Cut(r.Record, []byte(`"accessControlNo":"`))
		arrived[string(rest[:22])]++
	}
	return arrived
}

// missing are acknowledged events that are not at the platform.
func (p *ledger) missing() (list []string) {
	arrived := p.records()
	p.mu.Lock()
	defer p.mu.Unlock()
	for device := range p.acked {
		if arrived[device] == 0 && !p.dead[device] {
			list = append(list, device)
		}
	}
	return list
}

// twins counts the second and third ids under which events were delivered.
func (p *ledger) twins() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for device, ids := range p.ids {
		n += len(ids) - 1
		if len(ids) > 1 {
			p.t.Logf("%s was delivered under %v", device, slices.Sorted(maps.Keys(ids)))
		}
	}
	return n
}

// arrived waits until every acknowledged event is at the platform, and counts
// the ids that are too many.
func (p *ledger) arrived() (twins int) {
	p.t.Helper()
	// A claim whose answer was lost with the Redis connection stands until its
	// lease ends, 15 s here.
	for deadline := time.Now().Add(60 * time.Second); len(p.missing()) > 0; {
		if time.Now().After(deadline) {
			list := p.missing()
			p.t.Fatalf("%d acknowledged events of %d never arrived: %v…\nlog:\n%s", len(list), len(p.acked), list[:min(3, len(list))], strings.Join(p.tail, "\n"))
		}
		wait := time.NewTimer(50 * time.Millisecond)
		<-wait.C
	}
	arrived, twice := p.records(), 0
	for _, n := range arrived {
		if n > 1 {
			twice++
		}
	}
	twins = p.twins()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Logf("%d events acknowledged, %d records arrived (%d of them again, %d ids too many), %d answers 503, %d dead letters", len(p.acked), len(arrived), twice, twins, p.busy.Load(), len(p.dead))
	if len(p.acked) < 100 {
		p.t.Errorf("only %d events: too little happened", len(p.acked))
	}
	return twins
}

// kill -9 of the daemon, 30 times, under load: every event that got its 200
// arrives, none under two ids.
func TestKillServe(t *testing.T) {
	p := newPlant(t, "{disk: data}")
	ctx, cancel := context.WithCancel(t.Context())
	var loading sync.WaitGroup
	loading.Go(func() { p.load(ctx, 200) })
	for range 30 {
		p.start()
		life := time.NewTimer(time.Duration(50+rand.IntN(300)) * time.Millisecond)
		<-life.C
		p.kill()
	}
	p.start()
	cancel()
	loading.Wait()
	p.account()
}

// Redis is killed and restarted under load: devices are told to come again
// while it is away, and nothing acknowledged is lost.
func TestKillRedis(t *testing.T) {
	redis := storetest.StartRedis(t)
	p := newPlant(t, fmt.Sprintf("{redis: %q, key: \"file:store.key\"}", redis.URL()))
	p.start()
	ctx, cancel := context.WithCancel(t.Context())
	var loading sync.WaitGroup
	loading.Go(func() { p.load(ctx, 200) })
	for range 5 {
		up := time.NewTimer(time.Second)
		<-up.C
		redis.Kill()
		down := time.NewTimer(300 * time.Millisecond)
		<-down.C
		redis.Restart()
	}
	up := time.NewTimer(500 * time.Millisecond)
	<-up.C
	cancel()
	loading.Wait()
	p.account()
	if p.busy.Load() == 0 {
		t.Error("no device was told to come again while Redis was away")
	}
}

// SIGTERM under load: what was accepted is delivered before the process ends.
func TestTerminate(t *testing.T) {
	p := newPlant(t, "{disk: data}")
	p.start()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	p.load(ctx, 200)
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.died
	if code := p.process.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.account()
}
