package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

func TestOpenRefuses(t *testing.T) {
	advice := []string{
		"in redis.conf:\n  appendonly yes\n  maxmemory-policy noeviction\n  appendfsync always",
		"redis-cli CONFIG SET appendonly yes\n", "redis-cli CONFIG SET maxmemory-policy noeviction\n",
		"redis-cli CONFIG SET appendfsync always",
	}
	noConfig := "rename-command CONFIG hidden"
	tests := []struct {
		name   string
		config []string
		want   string
	}{
		{"no append only file", []string{"appendonly no"}, `appendonly is "no"`},
		{"eviction", []string{"maxmemory-policy allkeys-lru"}, `maxmemory-policy is "allkeys-lru"`},
		{"no append only file, CONFIG hidden", []string{"appendonly no", noConfig}, `appendonly is "aof_enabled:0"`},
		{"eviction, CONFIG hidden", []string{"maxmemory-policy volatile-ttl", noConfig}, `maxmemory-policy is "maxmemory_policy:volatile-ttl"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), storetest.StartRedis(t, tt.config...).URL(), Options{})
			if err == nil {
				t.Fatal("Open took the server")
			}
			for _, want := range append(advice, tt.want) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestWarnings(t *testing.T) {
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

func TestVersion(t *testing.T) {
	for version, ok := range map[string]bool{
		"7.0.0": true, "7.2.4": true, "8.0.1": true, "10.1": true, "6.2.14": false, "5.0": false, "": false, "x": false,
	} {
		if err := checkVersion(version); (err == nil) != ok {
			t.Errorf("version %q: %v, want ok %v", version, err, ok)
		}
	}
}

func TestNoPasswordInErrors(t *testing.T) {
	const secret = "s3cret-of-the-site"
	server := storetest.StartRedis(t, "requirepass something-else")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := silent.Addr().String()
	silent.Close()
	for name, url := range map[string]string{
		"wrong password":     "redis://:" + secret + "@" + server.Addr() + "/0",
		"wrong user":         "redis://user:" + secret + "@" + server.Addr() + "/0",
		"nobody listens":     "redis://:" + secret + "@" + gone + "/0",
		"slash in password":  "redis://:" + secret + "/x@" + server.Addr() + "/0",
		"number and slash":   "redis://user:1234/" + secret + "@" + server.Addr() + "/0",
		"bad escape":         "redis://:" + secret + "%zz@" + server.Addr() + "/0",
		"bad scheme":         "http://:" + secret + "@" + server.Addr() + "/0",
		"bad database":       "redis://:" + secret + "@" + server.Addr() + "/zero",
		"as user":            "redis://" + secret + "@" + server.Addr() + "/zero",
		"as option":          "redis://" + server.Addr() + "/0?password=" + secret,
		"unknown option":     "redis://:" + secret + "@" + server.Addr() + "/0?speed=high",
		"cluster, no answer": "redis://:" + secret + "@" + gone + "?addr=" + gone,
		"sentinel, gone":     "redis://:" + secret + "@" + gone + "?master_name=main",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), url, Options{})
			if err == nil {
				t.Fatal("Open took the server")
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error contains the password: %v", err)
			}
		})
	}
	t.Run("right password", func(t *testing.T) {
		open(t, "redis://:something-else@"+server.Addr()+"/0", Options{})
	})
}

// TestFull fills the server and proves that leases still end while it stays
// full, even when it has forgotten the scripts.
func TestFull(t *testing.T) {
	s := open(t, storetest.StartRedis(t, "maxmemory 8mb", "appendfsync no").URL(), Options{})
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		_, err = s.Admit(t.Context(), start(), []store.Entry{entry(n, fmt.Sprint(n), 64<<10)})
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("Admit at the limit: %v, want %v", err, store.ErrFull)
	}
	wantStats(t, s, n-1, 0)
	if err := s.client.ConfigSet(t.Context(), "maxmemory", "2mb").Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	claims := claim(t, s, 3)
	for i, do := range []store.Action{store.Delivered, store.Retry, store.Bury} {
		if err := s.Extend(t.Context(), start(), claims[i], time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context(), start(), claims[i], store.Outcome{Do: do, At: start()}); err != nil {
			t.Errorf("Settle %v: %v", do, err)
		}
	}
	wantStats(t, s, n-3, 1)
	if _, err := s.Admit(t.Context(), start(), []store.Entry{entry(n, "a", 1)}); !errors.Is(err, store.ErrFull) {
		t.Errorf("Admit: %v, want %v", err, store.ErrFull)
	}
	if err := s.client.ConfigSet(t.Context(), "maxmemory", "64mb").Err(); err != nil {
		t.Fatal(err)
	}
	admit(t, s, entry(n, "a", 1))
}

// TestKill ends the server by SIGKILL under concurrent admissions, several
// times: what was acknowledged is there, once, with body and key.
func TestKill(t *testing.T) {
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

func TestServerAway(t *testing.T) {
	server := storetest.StartRedis(t)
	s := open(t, server.URL(), Options{})
	admit(t, s, entry(1, "a", 1))
	held := claim(t, s, 1)
	server.Kill()
	if _, err := s.Admit(t.Context(), start(), []store.Entry{entry(2, "a", 1)}); err == nil ||
		errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUncertain) {
		t.Errorf("Admit without a server: %v, want a plain error", err)
	}
	if got := s.State(); !strings.HasPrefix(got, "degraded: ") || !strings.Contains(got, "connection refused") {
		t.Errorf("State = %q, want that no connection is to be had", got)
	}
	server.Restart()
	// The connection pool dials again within a second.
	eventually(t, func() error { return s.Settle(t.Context(), start(), held[0], store.Outcome{Do: store.Delivered}) })
	if got := s.State(); got != "ok" {
		t.Errorf("State = %q, want ok", got)
	}
}

func TestContext(t *testing.T) {
	s := open(t, storetest.StartRedis(t).URL(), Options{})
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Admit(done, start(), []store.Entry{entry(1, "a", 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Admit: %v, want %v", err, context.Canceled)
	}
	if err := s.client.Do(t.Context(), "CLIENT", "PAUSE", 60_000, "ALL").Err(); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := s.Claim(soon, start(), store.Want{Max: 1, Lease: time.Minute}); err == nil {
		t.Error("Claim of a server that does not answer gave no error")
	}
	if d := time.Since(began); d > ioTimeout/2 {
		t.Errorf("Claim took %v after its context had ended", d)
	}
}

func TestReplicaAcknowledges(t *testing.T) {
	main := storetest.StartRedis(t, "repl-diskless-sync-delay 0")
	s := open(t, main.URL(), Options{Replicas: 1})
	e := entry(1, "a", 1)
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.Admit(soon, start(), []store.Entry{e}); err == nil {
		t.Fatal("Admit was acknowledged without a replica")
	}
	host, port, _ := net.SplitHostPort(main.Addr())
	storetest.StartRedis(t, "replicaof "+host+" "+port)
	var got []store.Admission
	err := errors.New("not tried")
	for deadline := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		got, err = s.Admit(ctx, start(), []store.Entry{e})
		cancel()
	}
	if err != nil || got[0].Duplicate {
		t.Errorf("Admit = %+v, %v, want the first admission", got, err)
	}
	wantStats(t, s, 1, 0)
}
