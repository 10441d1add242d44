package redis

import (
	"context"
	"errors"
	"net"
	"strings"
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
	if _, err := s.Admit(soon, start(), []store.Entry{e}); !errors.Is(err, store.ErrUncertain) {
		t.Fatalf("Admit without a replica: %v, want %v", err, store.ErrUncertain)
	}
	if got := s.State(); !strings.Contains(got, "0 of the 1 replicas that an admission waits for") {
		t.Errorf("State = %q, want the missing replica", got)
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
	s.look(t.Context())
	if got := s.State(); got != "ok" {
		t.Errorf("State = %q, want ok", got)
	}
}
