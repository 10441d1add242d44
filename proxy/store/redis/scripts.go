package redis

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

type scripts map[string]*redis.Script

// scriptFlags by name. Without flags a script is refused before its first
// write when the memory is full. What ends leases must still run then: it
// frees memory, or needs very little.
func scriptFlags() map[string]string {
	return map[string]string{
		"admit": "", "replace": "",
		"claim": "allow-oom", "extend": "allow-oom", "settle": "allow-oom", "release": "allow-oom",
		"list": "no-writes", "stats": "no-writes",
	}
}

func loadScripts() (scripts, error) {
	lib, err := luaFiles.ReadFile("lua/lib.lua")
	if err != nil {
		return nil, err
	}
	out := scripts{}
	for name, flags := range scriptFlags() {
		text, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			return nil, err
		}
		out[name] = redis.NewScript("#!lua flags=" + flags + "\n" + string(lib) + string(text))
	}
	return out, nil
}

// run runs a script by its hash, and by its text where the server does not
// know it.
func (s *Store) run(ctx context.Context, name string, args []any) *redis.Cmd {
	return s.scripts[name].Run(ctx, s.client, []string{s.tag}, args...)
}

// runDurable is run for admissions: the answer is good only if as many
// replicas as asked for have received it. The write before WAIT makes a
// duplicate, which writes nothing itself, wait for its first admission too.
func (s *Store) runDurable(ctx context.Context, name string, args []any) ([]any, error) {
	if s.options.Replicas == 0 {
		return s.run(ctx, name, args).Slice()
	}
	node, err := s.node(ctx)
	if err != nil {
		return nil, err
	}
	script := s.scripts[name]
	send := func(eval func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd) (answer, wait *redis.Cmd) {
		pipe := node.Pipeline()
		answer = eval(ctx, pipe, []string{s.tag}, args...)
		pipe.Incr(ctx, s.tag+"waits")
		wait = pipe.Do(ctx, "WAIT", s.options.Replicas, waitTimeout.Milliseconds())
		_, err = pipe.Exec(ctx)
		return answer, wait
	}
	answer, wait := send(script.EvalSha)
	if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
		answer, wait = send(script.Eval)
	}
	if err := answer.Err(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if n, err := wait.Int(); err != nil || n < s.options.Replicas {
		return nil, fmt.Errorf("%d of %d replicas have the entries after %v", n, s.options.Replicas, waitTimeout)
	}
	return answer.Slice()
}

// errAnswer means that a script answered what it never should.
var errAnswer = errors.New("unexpected answer")

// answer reads the strings of a script's answer one by one; the first value
// that does not fit is kept in err.
type answer struct {
	values []any
	err    error
}

func (a *answer) more() bool { return a.err == nil && len(a.values) > 0 }

func (a *answer) text() string {
	if len(a.values) == 0 {
		a.err = errAnswer
		return ""
	}
	s, ok := a.values[0].(string)
	if !ok {
		a.err = fmt.Errorf("%w: %T for a string", errAnswer, a.values[0])
	}
	a.values = a.values[1:]
	return s
}

func (a *answer) number() int64 {
	n, err := strconv.ParseInt(a.text(), 10, 64)
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("%w: %w", errAnswer, err)
	}
	return n
}

// time reads what nanos wrote; empty is the zero time.
func (a *answer) time() time.Time {
	if len(a.values) > 0 && a.values[0] == "" {
		a.values = a.values[1:]
		return time.Time{}
	}
	return time.Unix(0, a.number()).UTC()
}

// nanos writes a time for the scripts: nanoseconds since 1970 in 19 digits.
// Times outside of 1970 to 2262 become the nearest that fits.
func nanos(t time.Time) string {
	const last = 1<<63 - 1
	n := int64(0)
	switch {
	case t.After(time.Unix(0, last)):
		n = last
	case t.After(time.Unix(0, 0)):
		n = t.UnixNano()
	}
	return fmt.Sprintf("%019d", n)
}
