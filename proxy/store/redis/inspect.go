package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// setting is one line of redis.conf that a durable store cannot do without.
type setting struct {
	name, want string
	why        string
	// field and value of INFO that say the same, where CONFIG is forbidden.
	section, field, value string
}

func neededSettings() []setting {
	return []setting{
		{"appendonly", "yes", "without it the server forgets acknowledged entries when it ends", "persistence", "aof_enabled", "1"},
		{"maxmemory-policy", "noeviction", "any other policy drops entries or dedup keys when the memory is full", "memory", "maxmemory_policy", "noeviction"},
	}
}

// inspect refuses a server that may forget what it acknowledged. Warnings tell
// what weakens the promise but can be lived with.
func inspect(ctx context.Context, node redis.UniversalClient) (warnings []string, err error) {
	if err := inspectVersion(ctx, node); err != nil {
		return nil, err
	}
	config, err := readConfig(ctx, node)
	if err != nil {
		warnings = append(warnings, "CONFIG GET is not allowed, so appendfsync is unknown: it must be \"always\" ("+err.Error()+")")
	} else {
		warnings = weaknesses(config)
	}
	var wrong []string
	for _, n := range neededSettings() {
		got, err := n.read(ctx, node, config)
		if err != nil {
			return nil, err
		}
		if got != n.want {
			wrong = append(wrong, fmt.Sprintf("%s is %q, and %s", n.name, got, n.why))
		}
	}
	if len(wrong) > 0 {
		return nil, &unsafeError{strings.Join(wrong, "; ")}
	}
	return warnings, nil
}

// unsafeError: a server that may forget what it acknowledged.
type unsafeError struct{ what string }

func (e *unsafeError) Error() string {
	return "redis: the server would lose entries: " + e.what + advice()
}

// weaknesses are settings that can be lived with.
func weaknesses(config map[string]string) (out []string) {
	if fsync := config["appendfsync"]; fsync != "always" {
		out = append(out, fmt.Sprintf("appendfsync is %q: the end of the server or a power cut may lose about the last second "+
			"of acknowledged entries (CONFIG SET appendfsync always, and the line \"appendfsync always\" in redis.conf)", fsync))
	}
	if config["maxmemory"] == "0" {
		out = append(out, "maxmemory is 0: with a long backlog the system may kill the server for its memory "+
			"before the store can answer that it is full (set maxmemory in redis.conf)")
	}
	return out
}

// advice is what to write to make a server fit.
func advice() string {
	conf, live := "\nin redis.conf:", "\nand at once, without a restart:"
	needed := append(neededSettings(), setting{name: "appendfsync", want: "always"})
	for _, n := range needed {
		conf += "\n  " + n.name + " " + n.want
		live += "\n  redis-cli CONFIG SET " + n.name + " " + n.want
	}
	return conf + live
}

// read takes the value from CONFIG, or from INFO where that is forbidden.
func (n setting) read(ctx context.Context, node redis.UniversalClient, config map[string]string) (string, error) {
	if v, ok := config[n.name]; ok {
		return v, nil
	}
	info, err := readInfo(ctx, node, n.section)
	if err != nil {
		return "", fmt.Errorf("redis: %s cannot be checked, allow CONFIG GET or INFO: %w", n.name, err)
	}
	if info[n.field] == n.value {
		return n.want, nil
	}
	return n.field + ":" + info[n.field], nil
}

func inspectVersion(ctx context.Context, node redis.UniversalClient) error {
	info, err := readInfo(ctx, node, "server")
	if err != nil {
		return fmt.Errorf("redis: connect: %w", err)
	}
	return checkVersion(info["redis_version"])
}

func checkVersion(version string) error {
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return fmt.Errorf("redis: the server has version %q, want 7.0 or newer", version)
	}
	return nil
}

func readConfig(ctx context.Context, node redis.UniversalClient) (map[string]string, error) {
	out := map[string]string{}
	for _, pattern := range []string{"append*", "maxmemory*"} {
		got, err := node.ConfigGet(ctx, pattern).Result()
		if err != nil {
			return nil, err
		}
		for name, value := range got {
			out[name] = value
		}
	}
	return out, nil
}

// readInfo reads the lines "field:value" of one section of INFO.
func readInfo(ctx context.Context, node redis.UniversalClient, section string) (map[string]string, error) {
	text, err := node.Info(ctx, section).Result()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[name] = value
		}
	}
	return out, nil
}
