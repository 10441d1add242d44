package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

// relay stands between a client and a server, or a replica and its master,
// and can cut them off from each other.
type relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	deaf  bool // the next answer is not passed on: the connection ends instead
	conns []net.Conn
}

func startRelay(t *testing.T, target string) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, target: target}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				near.Close()
				continue
			}
			r.add(near, far)
			running.Go(func() { r.questions(near, far) })
			running.Go(func() { r.answers(near, far) })
		}
	})
	t.Cleanup(func() { r.down(); running.Wait() })
	return r
}

func (r *relay) add(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conns...)
}

func (r *relay) questions(near, far net.Conn) {
	io.Copy(far, near)
	far.Close()
}

func (r *relay) answers(near, far net.Conn) {
	defer near.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := far.Read(buf)
		r.mu.Lock()
		cut := r.deaf && n > 0
		r.deaf = r.deaf && !cut
		r.mu.Unlock()
		if cut || err != nil {
			return
		}
		if _, err := near.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cutNextAnswer lets the next command through and ends its connection instead
// of the answer.
func (r *relay) cutNextAnswer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = true
}

// down ends all connections and refuses new ones.
func (r *relay) down() {
	r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
}

func (r *relay) url() string { return "redis://" + r.listener.Addr().String() + "/0" }

func (r *relay) replicaof() string {
	host, port, _ := net.SplitHostPort(r.listener.Addr().String())
	return "replicaof " + host + " " + port
}

// TestUncertain cuts the connection behind the command: the caller is told
// that the outcome is unknown, and sending again gives exactly one entry.
func TestUncertain(t *testing.T) {
	r := startRelay(t, storetest.StartRedis(t).Addr())
	s := open(t, r.url(), Options{Partitions: 3})
	wantDoubt := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrUncertain) || !errors.Is(err, io.EOF) {
			t.Fatalf("error %v, want %v with its cause", err, store.ErrUncertain)
		}
	}
	n := 0
	for _, again := range []string{"the same entry", "the device's resend"} {
		t.Run("Admit, then "+again, func(t *testing.T) {
			wantStats(t, s, n, 0) // a connection is open
			n++
			e := entry(n, "a", 100)
			r.cutNextAnswer()
			_, err := s.Admit(t.Context(), start(), []store.Entry{e})
			wantDoubt(t, err)
			resend := e
			if again != "the same entry" {
				resend.ID = store.NewID(start())
			}
			got := admit(t, s, resend)[0]
			if got.ID != e.ID || got.Duplicate != (resend.ID != e.ID) {
				t.Errorf("Admit again = %+v of entry %s", got, e.ID)
			}
			wantStats(t, s, n, 0)
		})
	}
	t.Run("Replace, then the same", func(t *testing.T) {
		dead, better := entry(50, "a", 10), entry(50, "a", 20)
		dead.Dead = &store.Reason{Class: store.Unmapped}
		admit(t, s, dead)
		// The first answer is that of the search for the dead letter.
		place, err := s.find(t.Context(), dead.ID)
		if err != nil || place.state != store.Dead {
			t.Fatalf("find = %+v, %v", place, err)
		}
		batches, err := s.pack(start(), []store.Entry{better})
		if err != nil {
			t.Fatal(err)
		}
		batches[0].script, batches[0].args[1] = "replace", dead.ID
		r.cutNextAnswer()
		wantDoubt(t, s.admit(t.Context(), "replace", batches, make([]store.Admission, 1)))
		got, err := s.Replace(t.Context(), start(), dead.ID, []store.Entry{better})
		if err != nil || got[0] != (store.Admission{ID: better.ID}) {
			t.Errorf("Replace again = %+v, %v", got, err)
		}
		n++
		wantStats(t, s, n, 0)
	})
	t.Run("Settle is not an admission", func(t *testing.T) {
		c := claim(t, s, 1)[0]
		r.cutNextAnswer()
		if err := s.Settle(t.Context(), start(), c, store.Outcome{Do: store.Delivered}); err == nil || errors.Is(err, store.ErrUncertain) {
			t.Errorf("Settle: %v, want a plain error", err)
		}
	})
}

// TestUncertainTimeout: a server that does not answer in time may have the
// entry or not.
func TestUncertainTimeout(t *testing.T) {
	server := storetest.StartRedis(t)
	s := open(t, server.URL(), Options{})
	wantStats(t, s, 0, 0)
	server.Freeze()
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	e := entry(1, "a", 100)
	if _, err := s.Admit(soon, start(), []store.Entry{e}); !errors.Is(err, store.ErrUncertain) {
		t.Errorf("Admit: %v, want %v", err, store.ErrUncertain)
	}
	server.Thaw()
	if got := admit(t, s, e)[0]; got != (store.Admission{ID: e.ID}) {
		t.Errorf("Admit again = %+v", got)
	}
	wantStats(t, s, 1, 0)
}

// TestRefused: what was certainly not stored is a plain error.
func TestRefused(t *testing.T) {
	server := storetest.StartRedis(t)
	r := startRelay(t, server.Addr())
	s := open(t, r.url(), Options{patience: 1})
	refused := func(t *testing.T, want string) {
		t.Helper()
		_, err := s.Admit(t.Context(), start(), []store.Entry{entry(1, "a", 100)})
		if err == nil || errors.Is(err, store.ErrUncertain) || errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), want) {
			t.Errorf("Admit: %v, want a plain error with %q", err, want)
		}
	}
	t.Run("by a server that became a replica", func(t *testing.T) {
		server.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1")
		refused(t, "READONLY")
		server.Do(t.Context(), "REPLICAOF", "NO", "ONE")
		wantStats(t, s, 0, 0)
	})
	t.Run("before there is a connection", func(t *testing.T) {
		r.down()
		refused(t, "connection refused")
	})
	direct := open(t, server.URL(), Options{})
	wantStats(t, direct, 0, 0)
}

// TestPatience: a refusal that lasts only a moment is waited out.
func TestPatience(t *testing.T) {
	server := storetest.StartRedis(t)
	s := open(t, server.URL(), Options{patience: 20 * time.Second})
	server.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1")
	done := make(chan error)
	go func() {
		_, err := s.Admit(t.Context(), start(), []store.Entry{entry(1, "a", 100)})
		done <- err
	}()
	eventually(t, func() error {
		if s.State() == "ok" {
			return errors.New("the refusal is not known yet")
		}
		return nil
	})
	server.Do(t.Context(), "REPLICAOF", "NO", "ONE")
	if err := <-done; err != nil {
		t.Errorf("Admit: %v", err)
	}
	wantStats(t, s, 1, 0)
}

// TestOutcome: what an error says of the command.
func TestOutcome(t *testing.T) {
	refusal := func(text string) error { return fmt.Errorf("wrapped: %w", proto(text)) }
	for _, tt := range []struct {
		err               error
		uncertain, undone bool
	}{
		{nil, false, false},
		{io.EOF, true, false},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, true, false},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, true, false},
		{unreached{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, false, true},
		{redis.ErrPoolTimeout, false, false},
		{context.Canceled, false, false},
		{refusal("OOM command not allowed"), false, false},
		{refusal("MOVED 1 127.0.0.1:1"), false, true},
		{refusal("ASK 1 127.0.0.1:1"), false, true},
		{refusal("READONLY You can't write against a read only replica."), false, true},
		{refusal("CLUSTERDOWN The cluster is down"), false, true},
		{refusal("LOADING Redis is loading the dataset in memory"), false, true},
		{refusal("NOPERM this user has no permissions"), false, false},
		{&replicasError{0, 1, time.Second}, true, false},
		{lostAnswer{refusal("UNBLOCKED force unblock from blocking operation")}, true, false},
		{lostAnswer{context.DeadlineExceeded}, true, false},
	} {
		if got := uncertain(tt.err); got != tt.uncertain {
			t.Errorf("%v: uncertain %v, want %v", tt.err, got, tt.uncertain)
		}
		if got := undone(tt.err); got != tt.undone {
			t.Errorf("%v: undone %v, want %v", tt.err, got, tt.undone)
		}
	}
}

// proto is what a server answers instead of a result.
type proto string

func (e proto) Error() string { return string(e) }
func (e proto) RedisError()   {}
