package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchEvery is how often the servers are looked at: another one may have
// taken over, and clocks drift.
const watchEvery = 30 * time.Second

// findings are what a look at the servers has shown.
type findings struct {
	warnings []string // what weakens the promise
	wrong    []string // what State tells
}

// watch looks at the servers until ctx ends. A server that does not answer is
// told by the calls that fail.
func (s *Store) watch(ctx context.Context) {
	for ticker := time.NewTicker(watchEvery); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
		s.look(ctx)
	}
}

// look is examine for a store in use: a server that has taken over and may
// forget entries is told, not refused, because to take none would lose all.
func (s *Store) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ioTimeout)
	defer cancel()
	found, err := s.examine(ctx)
	var danger *unsafeError
	switch {
	case errors.As(err, &danger):
		found = findings{warnings: []string{danger.what}, wrong: []string{"the server would lose entries: " + danger.what}}
	case err != nil:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = found
}

// examine looks at the settings of all servers, their replicas and their
// clocks.
func (s *Store) examine(ctx context.Context) (found findings, err error) {
	nodes, err := s.masters(ctx)
	if err != nil {
		return found, fmt.Errorf("redis: connect: %w", err)
	}
	for _, n := range nodes {
		warnings, err := inspect(ctx, n)
		if err != nil {
			return found, err
		}
		found.warnings = append(found.warnings, warnings...)
		if err := s.load(ctx, n); err != nil {
			return found, err
		}
		if err := s.countReplicas(ctx, n, &found); err != nil {
			return found, err
		}
	}
	warnings, err := s.measure(ctx, nodes)
	if err != nil {
		return found, fmt.Errorf("redis: connect: %w", err)
	}
	found.warnings = append(found.warnings, warnings...)
	slices.Sort(found.warnings)
	found.warnings = slices.Compact(found.warnings)
	return found, nil
}

// load makes the scripts known to a server. Each is sent again where it is not
// known, so a user who may not load them may go on; but where replicas are
// missing, that costs a WAIT in vain.
func (s *Store) load(ctx context.Context, node *redis.Client) error {
	for name, script := range s.scripts {
		if err := script.Load(ctx, node).Err(); err != nil && !isReply(err) {
			return fmt.Errorf("redis: load script %q: %w", name, err)
		}
	}
	return nil
}

// countReplicas tells if a server has fewer than an admission waits for.
func (s *Store) countReplicas(ctx context.Context, node *redis.Client, found *findings) error {
	if s.options.Replicas == 0 {
		return nil
	}
	info, err := readInfo(ctx, node, "replication")
	if err != nil {
		return fmt.Errorf("redis: connect: %w", err)
	}
	if n, err := strconv.Atoi(info["connected_slaves"]); err != nil || n < s.options.Replicas {
		found.wrong = append(found.wrong, fmt.Sprintf("%s has %s of the %d replicas that an admission waits for",
			node.Options().Addr, info["connected_slaves"], s.options.Replicas))
	}
	return nil
}
