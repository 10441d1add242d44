package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store/storetest"
)

// Three daemons stand behind a load balancer that gives each request to the
// next of them. Devices send each event twice at once and then again, so the
// resends of an event meet other replicas.

const (
	replicas = 3
	rate     = 120 // events a second
	// inFlight bounds how many requests are under way at one moment.
	inFlight = 32
	// leaseOf a claim: the platform's timeout of a plant and ten seconds.
	leaseOf = 15 * time.Second
)

// startReplicas starts daemons with one platform and the balancer.
func startReplicas(t *testing.T, store string) (*ledger, []*plant) {
	t.Helper()
	l := newLedger(t)
	l.resend = true
	var plants []*plant
	for range replicas {
		p := l.plant(store)
		p.start()
		plants = append(plants, p)
	}
	var turn atomic.Int64
	transport := &http.Transport{MaxIdleConnsPerHost: inFlight}
	t.Cleanup(transport.CloseIdleConnections)
	balancer := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", plants[turn.Add(1)%replicas].addr
		},
		// A replica is away: the device comes again.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusServiceUnavailable) },
	})
	t.Cleanup(balancer.Close)
	l.url = balancer.URL
	return l, plants
}

// stats are those of a replica's store.
func (p *plant) stats() (s proxy.StoreStats) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.admin + "/-/store")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %v", resp.Status, err)
	}
	return s
}

func (p *plant) health() (h proxy.Health) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.admin + "/-/ready")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		p.t.Fatal(err)
	}
	return h
}

func after(d time.Duration) { <-time.NewTimer(d).C }

// within waits for a condition.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); after(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// One of three replicas on one Redis is killed while it delivers, and stays
// dead: each event arrives under one id, and what it had claimed is delivered
// by the others when the leases end, not before.
func TestReplicasOnRedis(t *testing.T) {
	redis := storetest.StartRedis(t)
	l, plants := startReplicas(t, fmt.Sprintf("{redis: %q, key: \"file:store.key\"}", redis.URL()))
	ctx, cancel := context.WithCancel(t.Context())
	var loading sync.WaitGroup
	loading.Go(func() { l.load(ctx, rate) })
	after(2 * time.Second)
	l.platform.Behave(platformtest.Behaviour{Latency: 300 * time.Millisecond}) // so that it holds claims
	after(time.Second)
	plants[0].kill()
	killed := time.Now()
	l.platform.Behave(platformtest.Behaviour{})
	after(2 * time.Second)
	cancel()
	loading.Wait()

	stuck := -1 // the fewest that wait while the leases of the dead last
	for ; time.Since(killed) < leaseOf-2*time.Second; after(100 * time.Millisecond) {
		if n := plants[1].stats().Waiting; stuck < 0 || n < stuck {
			stuck = n
		}
	}
	if stuck < 1 || stuck > 8*replicas {
		t.Errorf("%d entries wait for the leases of the killed replica to end, want those it had claimed", stuck)
	}
	within(t, 2*leaseOf, "the claims of the killed replica move", func() bool { return plants[1].stats().Waiting == 0 })
	l.account()
	t.Logf("%d entries moved %v after their replica was killed", stuck, time.Since(killed).Round(time.Second))
}

// One of three replicas with disks of their own is killed while it has a
// backlog, and started later: nothing acknowledged is lost, its backlog waits
// for it, and at most the events that were under way when it was killed are
// there twice, and counted.
func TestReplicasWithSharedDedup(t *testing.T) {
	redis := storetest.StartRedis(t)
	l, plants := startReplicas(t, fmt.Sprintf("{disk: data, dedup: %q, key: \"file:store.key\"}", redis.URL()))
	ctx, cancel := context.WithCancel(t.Context())
	var loading sync.WaitGroup
	loading.Go(func() { l.load(ctx, rate) })
	after(2 * time.Second)
	l.platform.Behave(platformtest.Behaviour{Latency: 3 * time.Second}) // so that there is a backlog
	after(time.Second)
	plants[0].kill()
	l.platform.Behave(platformtest.Behaviour{})
	after(2 * time.Second)
	for _, p := range plants[1:] {
		within(t, 30*time.Second, "the others have their backlog delivered", func() bool { return p.stats().Waiting < rate/2 })
	}
	if missing := l.missing(); len(missing) == 0 {
		t.Error("nothing waits on the disk of the killed replica")
	}
	plants[0].start()
	after(time.Second)
	cancel()
	loading.Wait()
	twins := l.arrived()
	if twins > inFlight {
		t.Errorf("%d events were admitted twice, at most %d were under way", twins, inFlight)
	}
	wantTwice(t, l, plants)
}

// wantTwice waits until the replicas have counted as many admissions too many
// as ids too many were delivered.
func wantTwice(t *testing.T, l *ledger, plants []*plant) {
	t.Helper()
	var counted, seen int
	count := func() bool {
		counted = 0
		for _, p := range plants {
			counted += int(p.stats().Twice)
		}
		seen = l.twins()
		return counted == seen
	}
	for deadline := time.Now().Add(20 * time.Second); !count(); after(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d ids too many, and %d counted", seen, counted)
		}
	}
	t.Logf("%d admissions too many, each counted once", counted)
}

// The Redis of the keys is killed and comes back: no device is turned away,
// nothing is lost, and what was admitted twice meanwhile is counted.
func TestReplicasWithoutTheirRedis(t *testing.T) {
	redis := storetest.StartRedis(t)
	l, plants := startReplicas(t, fmt.Sprintf("{disk: data, dedup: %q, key: \"file:store.key\"}", redis.URL()))
	ctx, cancel := context.WithCancel(t.Context())
	var loading sync.WaitGroup
	loading.Go(func() { l.load(ctx, rate) })
	after(2 * time.Second)
	redis.Kill()
	within(t, 20*time.Second, "the replicas admit without Redis", func() bool {
		return strings.Contains(plants[0].health().Store, "out of reach") && plants[0].stats().Unshared > 10
	})
	redis.Restart()
	for _, p := range plants {
		within(t, 20*time.Second, "Redis is found again", func() bool { return p.health().Store == "ok" })
	}
	after(3 * time.Second)
	cancel()
	loading.Wait()
	twins, unshared := l.arrived(), 0
	for _, p := range plants {
		unshared += int(p.stats().Unshared)
	}
	if twins == 0 || twins > unshared {
		t.Errorf("%d ids too many, and %d were admitted without the keys", twins, unshared)
	}
	if n := l.busy.Load(); n > 0 {
		t.Errorf("%d requests were turned away", n)
	}
	wantTwice(t, l, plants)
}
