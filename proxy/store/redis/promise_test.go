package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

const childURL = "YIQIAO_TEST_CHILD_REDIS"

// TestMain runs the process that TestPromiseAcknowledgedSurvivesEndOfProcess
// kills.
func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		child(url)
	}
	os.Exit(m.Run())
}

// child admits and claims for ever and prints the ids of what was acknowledged.
func child(url string) {
	s, err := Open(context.Background(), url, Options{})
	for n := 0; err == nil; n++ {
		e := entry(n, fmt.Sprint(n%5), 3000)
		if _, err = s.Admit(context.Background(), start(), []store.Entry{e}); err == nil {
			fmt.Println(e.ID)
			_, err = s.Claim(context.Background(), start(), store.Want{Max: 1, Lease: time.Minute})
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// promises checks that the store says what the test shows.
func promises(t *testing.T, s *Store, text string) {
	t.Helper()
	if !strings.Contains(s.Promise(), text) {
		t.Errorf("Promise does not say %q:\n%s", text, s.Promise())
	}
}

func TestPromiseAcknowledgedSurvivesEndOfProcess(t *testing.T) {
	server := storetest.StartRedis(t)
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), childURL+"="+server.URL())
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	var acked []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if acked = append(acked, lines.Text()); len(acked) == 100 {
			process.Process.Kill()
		}
	}
	process.Wait()
	if len(acked) < 100 {
		t.Fatalf("the process ended by itself after %d entries", len(acked))
	}
	s := open(t, server.URL(), Options{})
	promises(t, s, "An acknowledged entry survives the end of every yiqiao process.")
	list, err := s.List(t.Context(), store.Filter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, i := range list {
		there[i.ID] = true
	}
	for _, id := range acked {
		if body, err := s.Load(t.Context(), id, nil); !there[id] || err != nil || len(body) != 3000 {
			t.Errorf("%s was acknowledged; listed %v, body of %d bytes, %v", id, there[id], len(body), err)
		}
	}
	if got := claim(t, s, 10); len(got) != 0 {
		t.Errorf("the leases of the process are given out before they end: %+v", got)
	}
	later, err := s.Claim(t.Context(), start().Add(time.Minute), store.Want{Max: 10, Lease: time.Minute})
	if err != nil || len(later) != 5 {
		t.Errorf("after the leases Claim gave %d of 5 lanes, %v", len(later), err)
	}
}

func TestPromiseTellsWeakness(t *testing.T) {
	tests := []struct {
		name, config, want string
	}{
		{"all is well", "appendfsync always", ""},
		{"synced every second", "appendfsync everysec", `appendfsync is "everysec"`},
		{"no limit of memory", "maxmemory 0", "maxmemory is 0"},
		{"CONFIG hidden", "rename-command CONFIG hidden", "CONFIG GET is not allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, storetest.StartRedis(t, "maxmemory 64mb", tt.config).URL(), Options{})
			got := strings.Join(s.Warnings(), "\n")
			if !strings.Contains(got, tt.want) || (tt.want == "") != (got == "") {
				t.Errorf("Warnings = %q, want %q", got, tt.want)
			}
			if !strings.Contains(s.Promise(), got) {
				t.Errorf("the promise does not mention the warning: %s", s.Promise())
			}
		})
	}
}

// TestPromiseAcknowledgedSurvivesKillOfServer ends the server by SIGKILL under
// concurrent admissions, several times: what was acknowledged is there, once,
// with body and key.
func TestPromiseAcknowledgedSurvivesKillOfServer(t *testing.T) {
	const kills, producers, between = 3, 8, 60
	server := storetest.StartRedis(t)
	s := open(t, server.URL(), Options{})
	var mu sync.Mutex
	acked := map[string]store.Entry{}
	n := 0
	next := func() store.Entry {
		mu.Lock()
		defer mu.Unlock()
		n++
		return entry(n, fmt.Sprint(n%7), 5000)
	}
	enough := make(chan struct{}, 1)
	produce := func(stop <-chan struct{}) {
		for e := next(); ; {
			select {
			case <-stop:
				return
			default:
			}
			got, err := s.Admit(t.Context(), start(), []store.Entry{e})
			if err != nil {
				continue // the same entry again, as a caller would
			}
			if got[0].Duplicate {
				t.Errorf("%s became a duplicate of %s", e.ID, got[0].ID)
			}
			mu.Lock()
			acked[e.ID] = e
			if len(acked)%between == 0 {
				select {
				case enough <- struct{}{}:
				default:
				}
			}
			mu.Unlock()
			e = next()
		}
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range producers {
		group.Go(func() { produce(stop) })
	}
	for range kills {
		<-enough
		server.Restart()
	}
	<-enough
	close(stop)
	group.Wait()
	server.Restart()
	wantAll(t, s, acked)
}

func wantAll(t *testing.T, s *Store, acked map[string]store.Entry) {
	t.Helper()
	found, after := map[string]bool{}, ""
	for {
		page, err := s.List(t.Context(), store.Filter{After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page {
			if found[i.ID] {
				t.Errorf("%s is listed twice", i.ID)
			}
			found[i.ID], after = true, i.ID
		}
		if len(page) == 0 {
			break
		}
	}
	for id, e := range acked {
		if !found[id] {
			t.Errorf("%s was acknowledged and is gone", id)
			continue
		}
		if body, err := s.Load(t.Context(), id, nil); err != nil || string(body) != string(e.Body) {
			t.Errorf("body of %s: %d bytes, %v", id, len(body), err)
		}
		e.ID = store.NewID(start())
		if got := admit(t, s, e)[0]; !got.Duplicate || got.ID != id {
			t.Errorf("the key of %s is forgotten: %+v", id, got)
		}
	}
}

// pair is a master and a replica whose link runs through a relay.
type pair struct {
	master, replica *storetest.RedisServer
	link            *relay
}

func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{master: storetest.StartRedis(t, "repl-diskless-sync-delay 0")}
	p.link = startRelay(t, p.master.Addr())
	p.replica = storetest.StartRedis(t, p.link.replicaof())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p.replica.AwaitLine(ctx, "master_link_status:up", "INFO", "replication")
	p.master.AwaitLine(ctx, "state=online", "INFO", "replication")
	return p
}

// has waits until the replica has an entry.
func (p *pair) has(t *testing.T, s *Store, id string) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p.replica.AwaitLine(ctx, "1", "EXISTS", s.tag(0)+"e:"+id)
}

// promote lets the replica take over from a master that is lost for ever.
func (p *pair) promote(t *testing.T) *Store {
	t.Helper()
	p.master.Kill()
	p.replica.Do(t.Context(), "REPLICAOF", "NO", "ONE")
	return open(t, p.replica.URL(), Options{})
}

// The link is cut before the second entry: without WAIT it is acknowledged and
// lost, which is what the promise says.
func TestPromiseFailoverWithoutWaitMayLose(t *testing.T) {
	p := startPair(t)
	s := open(t, p.master.URL(), Options{})
	promises(t, s, "It does not survive the loss of the server's disk, nor that a replica takes over which had not received it yet.")
	early, late := entry(1, "a", 100), entry(2, "a", 100)
	admit(t, s, early)
	p.has(t, s, early.ID)
	p.link.down()
	admit(t, s, late)
	after := p.promote(t)
	if got, err := after.List(t.Context(), store.Filter{}); err != nil || len(got) != 1 || got[0].ID != early.ID {
		t.Errorf("after the failover List = %+v, %v, want only %s", got, err, early.ID)
	}
	// Entry and key are lost together, so a device that sends again is heard.
	late.ID = store.NewID(start())
	if got := admit(t, after, late)[0]; got.Duplicate {
		t.Errorf("Admit = %+v, want a first admission", got)
	}
}

func TestPromiseFailoverWithWaitKeepsAcknowledged(t *testing.T) {
	p := startPair(t)
	s := open(t, p.master.URL(), Options{Replicas: 1})
	hasty := open(t, p.master.URL(), Options{Replicas: 1, wait: 100 * time.Millisecond})
	promises(t, s, "1 replicas of the server had received it: it survives the loss of the server if one of these takes over.")
	acked := map[string]store.Entry{}
	for i := range 50 {
		e := entry(i, fmt.Sprint(i%7), 5000)
		admit(t, s, e)
		acked[e.ID] = e
	}
	p.link.down()
	for what, e := range map[string]store.Entry{"an entry": entry(99, "a", 100), "a duplicate": entry(99, "a", 100)} {
		_, err := hasty.Admit(t.Context(), start(), []store.Entry{e})
		if !errors.Is(err, store.ErrUncertain) || !strings.Contains(err.Error(), "0 of 1 replicas have the entries") {
			t.Errorf("%s was acknowledged without its replica: %v", what, err)
		}
		if got := hasty.State(); !strings.Contains(got, "0 of 1 replicas have the entries") {
			t.Errorf("State = %q, want the missing replica", got)
		}
	}
	wantAll(t, p.promote(t), acked)
}

func TestPromiseFailoverMayRepeatDelivery(t *testing.T) {
	p := startPair(t)
	s := open(t, p.master.URL(), Options{Replicas: 1})
	promises(t, s, "A delivery is made again if its note is lost with a server.")
	e := entry(1, "a", 100)
	admit(t, s, e)
	p.link.down()
	if err := s.Settle(t.Context(), start(), claim(t, s, 1)[0], store.Outcome{Do: store.Delivered}); err != nil {
		t.Fatal(err)
	}
	wantStats(t, s, 0, 0)
	if got := claim(t, p.promote(t), 1); len(got) != 1 || got[0].ID != e.ID {
		t.Errorf("after the failover Claim = %+v, want %s again", got, e.ID)
	}
}

// TestPromiseGroupsAreAdmittedWhole loses one of three masters: of an event
// with entries in its partition and in another, each group is there whole or
// not at all, the caller knows that it is uncertain, and sending again gives
// each entry once. The other partitions go on meanwhile.
func TestPromiseGroupsAreAdmittedWhole(t *testing.T) {
	cluster := storetest.StartCluster(t, 3, 0, "cluster-require-full-coverage no")
	s := open(t, cluster.URL(), Options{patience: 1})
	promises(t, s, "The entries of an event are admitted whole or not at all for each device, which lie in 16 partitions.")
	lost, kept := "lost", ""
	owner := cluster.Owner(t.Context(), s.tag(s.partition(lost)))
	for i := 0; kept == ""; i++ {
		if g := fmt.Sprint("kept ", i); cluster.Owner(t.Context(), s.tag(s.partition(g))) != owner {
			kept = g
		}
	}
	event := []store.Entry{entry(1, "a", 10), entry(2, "b", 10), entry(3, "c", 10), entry(4, "d", 10)}
	for i := range event {
		event[i].Group = []string{kept, lost}[i%2]
	}
	wantStats(t, s, 0, 0)
	owner.Kill()
	if _, err := s.Admit(t.Context(), start(), event); !errors.Is(err, store.ErrUncertain) || errors.Is(err, store.ErrFull) {
		t.Errorf("Admit: %v, want %v", err, store.ErrUncertain)
	}
	if _, err := s.Admit(t.Context(), start(), event[1:2]); err == nil || errors.Is(err, store.ErrUncertain) {
		t.Errorf("Admit into the lost partition alone: %v, want a plain refusal", err)
	}
	got := claim(t, s, 10)
	if len(got) != 2 || got[0].Lane+got[1].Lane != "ac" && got[0].Lane+got[1].Lane != "ca" {
		t.Errorf("Claim = %+v, want the lanes of the group that is there", got)
	}
	if state := s.State(); !strings.HasPrefix(state, "degraded: partitions [") {
		t.Errorf("State = %q, want the lost partitions", state)
	}
	owner.Restart()
	var again []store.Admission
	eventually(t, func() (err error) {
		again, err = s.Admit(t.Context(), start(), event)
		return err
	})
	for i, a := range again {
		if a != (store.Admission{ID: event[i].ID}) {
			t.Errorf("Admit again: entry %d = %+v", i, a)
		}
	}
	wantStats(t, s, 4, 0)
	wantWhole(t, s, 4)
	if state := s.State(); state != "ok" {
		t.Errorf("State = %q, want ok", state)
	}
}
