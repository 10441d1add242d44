package shared_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/disk"
	"yiqiao/proxy/store/redis"
	"yiqiao/proxy/store/shared"
	"yiqiao/proxy/store/storetest"
)

// replica is a store under test with a folder and a server that outlive it.
type replica struct {
	*shared.Store
	t       *testing.T
	folder  string
	url     string
	options shared.Options
	keys    redis.Options
	local   *gate
	notes   chan string
}

// gate is a disk whose admissions a test may hold up or fail, before or after
// they are durable.
type gate struct {
	*disk.Store
	before, after func() error
}

func (g *gate) Admit(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	if g.before != nil {
		if err := g.before(); err != nil {
			return nil, err
		}
	}
	got, err := g.Store.Admit(ctx, now, entries)
	if g.after != nil && err == nil {
		err = g.after()
	}
	return got, err
}

// start opens a replica on a new folder; change may set its options.
func start(t *testing.T, url string, change func(r *replica)) *replica {
	t.Helper()
	r := &replica{t: t, folder: t.TempDir(), url: url, notes: make(chan string, 100)}
	r.options.Note = func(text string) { r.notes <- text }
	if change != nil {
		change(r)
	}
	r.open(diskOptions())
	return r
}

func (r *replica) open(o disk.Options) {
	r.t.Helper()
	st, err := disk.Open(r.folder, o)
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := redis.OpenKeys(r.t.Context(), r.url, r.keys)
	if err != nil {
		r.t.Fatal(err)
	}
	r.local = &gate{Store: st}
	r.Store = shared.New(r.t.Context(), r.local, keys, r.options)
	r.t.Cleanup(func() { r.Store.Close() })
}

func diskOptions() disk.Options { return disk.Options{MaxEntry: 1 << 20} }

func openKeys(t *testing.T, url string) *redis.Keys {
	t.Helper()
	k, err := redis.OpenKeys(t.Context(), url, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// reopen is a restart of the process.
func (r *replica) reopen() {
	r.t.Helper()
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.open(diskOptions())
}

func entry(n int, lane string) store.Entry {
	return store.Entry{ID: store.NewID(time.Now()), Key: store.Key{byte(n), byte(n >> 8), 3}, KeyTTL: time.Hour, Lane: lane, Group: lane, Body: []byte(fmt.Sprint("body ", n))}
}

func (r *replica) admit(e store.Entry) store.Admission {
	r.t.Helper()
	got, err := r.Admit(r.t.Context(), time.Now(), []store.Entry{e})
	if err != nil {
		r.t.Fatalf("Admit: %v", err)
	}
	return got[0]
}

// holds counts the entries on the replica's disk.
func (r *replica) holds() int {
	r.t.Helper()
	list, err := r.List(r.t.Context(), store.Filter{Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	return len(list)
}

func (r *replica) counts() store.Stats {
	r.t.Helper()
	st, err := r.Stats(r.t.Context(), time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return st
}

// wantCounts waits for the counters of an outage.
func (r *replica) wantCounts(unshared, twice int64) {
	r.t.Helper()
	var st store.Stats
	eventually(r.t, func() bool {
		st = r.counts()
		return st.Unshared == unshared && st.Twice == twice
	}, func() string {
		return fmt.Sprintf("%d admitted without the keys, %d twice, want %d and %d", st.Unshared, st.Twice, unshared, twice)
	})
}

// promises checks that the store says what the test shows.
func (r *replica) promises(text string) {
	r.t.Helper()
	if !strings.Contains(r.Promise(), text) {
		r.t.Errorf("Promise does not say %q:\n%s", text, r.Promise())
	}
}

func eventually(t *testing.T, ok func() bool, what func() string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what())
		}
		tick := time.NewTimer(5 * time.Millisecond)
		<-tick.C
	}
}

func (r *replica) wantState(want string) {
	r.t.Helper()
	eventually(r.t, func() bool { return strings.Contains(r.State(), want) }, func() string {
		return fmt.Sprintf("state %q, want %q", r.State(), want)
	})
}

// The whole suite, alone with the server; what is only between replicas is
// tested below.
func TestConformance(t *testing.T) {
	server := storetest.StartRedis(t, "appendfsync no")
	var n atomic.Int64
	fresh := func(r *replica) { r.keys = redis.Options{Prefix: fmt.Sprint("t", n.Add(1)), Partitions: 3} }
	replicas := sync.Map{}
	open := func(t *testing.T) store.Store {
		r := start(t, server.URL(), fresh)
		replicas.Store(r.Store, r)
		return r.Store
	}
	storetest.Run(t, open, storetest.Options{
		MaxEntry: 1 << 20,
		Reopen: func(t *testing.T, closed store.Store) store.Store {
			v, _ := replicas.Load(closed)
			r := v.(*replica)
			r.open(diskOptions())
			return r.Store
		},
		Small: func(t *testing.T) store.Store {
			r := &replica{t: t, folder: t.TempDir(), url: server.URL()}
			fresh(r)
			r.open(disk.Options{MaxBytes: 4 << 20})
			return r.Store
		},
	})
}

// The suite again while Redis is away: alone, a replica lacks nothing.
func TestConformanceWithoutRedis(t *testing.T) {
	server := storetest.StartRedis(t)
	server.Kill()
	open := func(t *testing.T) store.Store { return uncounted{start(t, server.URL(), nil).Store} }
	storetest.Run(t, open, storetest.Options{MaxEntry: 1 << 20, Alone: true})
}

// uncounted hides how many entries were admitted without the keys.
type uncounted struct{ *shared.Store }

func (u uncounted) Stats(ctx context.Context, now time.Time) (store.Stats, error) {
	st, err := u.Store.Stats(ctx, now)
	st.Unshared = 0
	return st, err
}
