package storetest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	redisStartTries = 5
	redisStartLimit = 20 * time.Second
)

// RedisServer is a real redis-server that lives as long as one test.
type RedisServer struct {
	t    testing.TB
	dir  string
	port int
	args func(port int) []string // of the command line

	mu   sync.Mutex
	proc *exec.Cmd
	done chan struct{} // closed when proc has been reaped
	log  *bytes.Buffer
}

// StartRedis starts redis-server on a free port of 127.0.0.1 with a folder of
// its own and waits until it answers. It keeps an append only file that is
// synced on every write and evicts nothing; each config is one line of
// redis.conf ("maxmemory 8mb") and overrules these. The server ends with the
// test.
func StartRedis(t testing.TB, config ...string) *RedisServer {
	t.Helper()
	return startRedis(t, t.TempDir(), func(port int) []string {
		args := []string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1",
			"--appendonly", "yes", "--appendfsync", "always",
			"--maxmemory-policy", "noeviction", "--save", "", "--daemonize", "no",
		}
		for _, line := range config {
			words := strings.Fields(line)
			args = append(append(args, "--"+words[0]), words[1:]...)
		}
		return args
	})
}

// startRedis starts a server with its working folder in dir. Where the port
// was taken meanwhile it tries another.
func startRedis(t testing.TB, dir string, args func(port int) []string) *RedisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server")
	}
	s := &RedisServer{t: t, dir: dir, args: args}
	t.Cleanup(s.Kill)
	var err error
	for range redisStartTries {
		s.port = freePort(t)
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatalf("start redis-server: %v", err)
	return nil
}

// URL names the server without user or password.
func (s *RedisServer) URL() string { return "redis://" + s.Addr() + "/0" }

// Addr is host and port.
func (s *RedisServer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Kill ends the server by SIGKILL and waits until the process is gone. A
// server that is not running is left alone.
func (s *RedisServer) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return
	}
	s.proc.Process.Kill()
	<-s.done
	s.proc = nil
}

// Freeze stops the process without ending it (SIGSTOP): connections stay open
// and nothing is answered, until Thaw or Kill.
func (s *RedisServer) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *RedisServer) Thaw() { s.signal(syscall.SIGCONT) }

func (s *RedisServer) signal(sig os.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		s.t.Fatal("the redis-server does not run")
	}
	if err := s.proc.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Restart starts the server again, after Kill if it still runs, with the same
// port and folder, and waits until it has loaded its data.
func (s *RedisServer) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.t.Fatalf("restart redis-server: %v", err)
	}
}

func (s *RedisServer) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = new(bytes.Buffer)
	proc := exec.Command("redis-server", s.args(s.port)...)
	proc.Dir = s.dir
	proc.Stdout, proc.Stderr = s.log, s.log
	if err := proc.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		proc.Wait()
		close(done)
	}()
	if err := s.answers(done); err != nil {
		proc.Process.Kill()
		<-done
		return fmt.Errorf("%w\n%s", err, s.log)
	}
	s.proc, s.done = proc, done
	return nil
}

// answers polls until the server answers PING, which it does when it has loaded
// its data, or asks for a password. A server whose port is taken ends at once.
func (s *RedisServer) answers(done <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), redisStartLimit)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DisableIdentity: true})
	defer client.Close()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	var last error
	for {
		select {
		case <-done:
			return fmt.Errorf("redis-server on port %d ended", s.port)
		case <-ctx.Done():
			return fmt.Errorf("redis-server on port %d does not answer: %w", s.port, last)
		case <-poll.C:
		}
		if last = client.Ping(ctx).Err(); last == nil || redis.HasErrorPrefix(last, "NOAUTH") {
			return nil
		}
	}
}

// freePort asks the system for a port; another process may take it before the
// server does, so the caller tries again.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
