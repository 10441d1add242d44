package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// patience is for how long a call waits, since its partition began to fail,
	// for a server that takes over or comes back. Many devices never send
	// again: a refusal that could have been waited out is a loss.
	patience  = 2 * time.Second
	redirects = 3
	maxPause  = 200 * time.Millisecond
)

// call is one command for one partition.
type call struct {
	p      int    // partition
	script string // its name; "" if args are a plain command
	args   []any
	// admission waits for as many replicas as the options ask for.
	admission bool

	answer *redis.Cmd
	err    error // of the answer, or why there is none
}

// do runs calls, those for one server in one pipeline, and returns when each
// has its answer or its error.
//
// Nothing that a server may have carried out is ever sent again. What a server
// certainly did not do, because it was not reached or the partition lies
// elsewhere now, is sent to where it belongs: at once after a MOVED, and with
// pauses for as long as the partition has not been failing for longer than
// wait.
func (s *Store) do(ctx context.Context, wait time.Duration, calls ...*call) {
	pending := calls
	for try := 0; ; try++ {
		began := time.Now()
		s.send(ctx, pending)
		s.faults.note(ctx, pending, began)
		pending = slices.DeleteFunc(slices.Clone(pending), func(c *call) bool {
			_, moved := redis.IsMovedError(c.err)
			return !(moved && try < redirects) && !(undone(c.err) && s.faults.lasting(c.p) < wait)
		})
		if len(pending) == 0 || !pause(ctx, min(time.Duration(try)*10*time.Millisecond, maxPause)) {
			return
		}
		s.locate(ctx)
	}
}

// pause tells whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// locate asks the cluster anew which server has what. ReloadState of the
// client would only begin to. A machine that is lost without a trace must not
// take all patience.
func (s *Store) locate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	if c, ok := s.client.(*redis.ClusterClient); ok {
		c.ForEachMaster(ctx, func(context.Context, *redis.Client) error { return nil })
	}
}

// master is the client of the server on which a partition lies. The scripts
// never go through the cluster's own client: it would repeat what may have
// been carried out, and follow an ASK (see lua/lib.lua).
func (s *Store) master(ctx context.Context, p int) (*redis.Client, error) {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, s.tag(p))
	}
	return s.client.(*redis.Client), nil
}

// masters are all servers on which partitions lie.
func (s *Store) masters(ctx context.Context) ([]*redis.Client, error) {
	c, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return []*redis.Client{s.client.(*redis.Client)}, nil
	}
	var mu sync.Mutex
	var out []*redis.Client
	err := c.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		out = append(out, node)
		return nil
	})
	return out, err
}

func (s *Store) send(ctx context.Context, calls []*call) {
	byServer := map[*redis.Client][]*call{}
	for _, c := range calls {
		node, err := s.master(ctx, c.p)
		if c.err = err; err == nil {
			byServer[node] = append(byServer[node], c)
		}
	}
	var sending sync.WaitGroup
	for node, calls := range byServer {
		if len(byServer) == 1 {
			s.pipeline(ctx, node, calls)
			return
		}
		sending.Go(func() { s.pipeline(ctx, node, calls) })
	}
	sending.Wait()
}

// pipeline sends calls to one server: scripts by their hashes, and by their
// texts where the server does not know them.
func (s *Store) pipeline(ctx context.Context, node *redis.Client, calls []*call) {
	for _, text := range []bool{false, true} {
		pipe := node.Pipeline()
		for _, c := range calls {
			c.answer = s.queue(ctx, pipe, c, text)
		}
		wait := s.queueWait(ctx, pipe, calls)
		_, err := pipe.Exec(ctx)
		for _, c := range calls {
			c.err = c.answer.Err()
			if c.err == nil && c.admission && wait != nil {
				c.err = s.replicated(wait, err)
			}
		}
		calls = slices.DeleteFunc(slices.Clone(calls), func(c *call) bool { return !redis.HasErrorPrefix(c.err, "NOSCRIPT") })
		if len(calls) == 0 {
			return
		}
	}
}

func (s *Store) queue(ctx context.Context, pipe redis.Pipeliner, c *call, text bool) *redis.Cmd {
	switch script, keys := s.scripts[c.script], []string{s.tag(c.p)}; {
	case script == nil:
		return pipe.Do(ctx, c.args...)
	case text:
		return script.Eval(ctx, pipe, keys, c.args...)
	default:
		return script.EvalSha(ctx, pipe, keys, c.args...)
	}
}

// queueWait lets the pipeline end with a WAIT if it has admissions. The write
// before it makes a duplicate, which writes nothing itself, wait for its first
// admission too.
func (s *Store) queueWait(ctx context.Context, pipe redis.Pipeliner, calls []*call) *redis.Cmd {
	at := slices.IndexFunc(calls, func(c *call) bool { return c.admission })
	if at < 0 || s.options.Replicas == 0 {
		return nil
	}
	pipe.Incr(ctx, s.tag(calls[at].p)+"waits")
	return pipe.Do(ctx, "WAIT", s.options.Replicas, s.options.wait.Milliseconds())
}

// replicasError: the server has the entries, but too few of its replicas.
type replicasError struct {
	got, want int
	after     time.Duration
}

func (e *replicasError) Error() string {
	return fmt.Sprintf("%d of %d replicas have the entries after %v", e.got, e.want, e.after)
}

func (s *Store) replicated(wait *redis.Cmd, err error) error {
	n, waitErr := wait.Int()
	switch {
	case waitErr != nil:
		return lostAnswer{waitErr}
	case err != nil && !isReply(err):
		return lostAnswer{err}
	case n < s.options.Replicas:
		return &replicasError{n, s.options.Replicas, s.options.wait}
	}
	return nil
}

// lostAnswer is an error after the server had carried out the command, even
// if WAIT itself was refused.
type lostAnswer struct{ error }

func (e lostAnswer) Unwrap() error { return e.error }

// unreached is an error of dialling.
type unreached struct{ error }

func (e unreached) Unwrap() error { return e.error }

// dialHook tells errors of dialling from those of a connection that was there.
type dialHook struct{}

func (dialHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			err = unreached{err}
		}
		return conn, err
	}
}

func (dialHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (dialHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// uncertain tells whether the server may have carried out a command that ended
// with err. A connection that breaks while it is being opened counts too.
func uncertain(err error) bool {
	var dial unreached
	var lost lostAnswer
	var short *replicasError
	switch {
	case err == nil:
		return false
	case errors.As(err, &lost), errors.As(err, &short):
		return true
	case errors.As(err, &dial), isReply(err), // refused
		errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted), errors.Is(err, redis.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded): // no connection in time
		return false
	}
	return true
}

// undone tells whether err says that the command was certainly not carried out
// and may be somewhere else, or a moment later.
func undone(err error) bool {
	var dial unreached
	if err == nil || uncertain(err) {
		return false
	}
	if errors.As(err, &dial) {
		return true
	}
	return slices.ContainsFunc([]string{"MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "LOADING", "MASTERDOWN"},
		func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}
