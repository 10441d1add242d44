package redis

import (
	"cmp"
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
		"claim": "allow-oom", "extend": "allow-oom", "settle": "allow-oom", "release": "allow-oom", "trim": "allow-oom", "hasten": "allow-oom", "meet": "",
		"peek": "no-writes", "list": "no-writes", "stats": "no-writes", "registered": "no-writes",
	}
}

// loadScripts puts lib in front of each script.
func loadScripts(lib string, flags map[string]string) (scripts, error) {
	begin, err := luaFiles.ReadFile("lua/" + lib + ".lua")
	if err != nil {
		return nil, err
	}
	out := scripts{}
	for name, flags := range flags {
		text, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			return nil, err
		}
		out[name] = redis.NewScript("#!lua flags=" + flags + "\n" + string(begin) + string(text))
	}
	return out, nil
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
		a.err = cmp.Or(a.err, errAnswer)
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
