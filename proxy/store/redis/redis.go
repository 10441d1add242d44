// Package redis keeps the outbox in a Redis server (7.0 or newer) that many
// replicas of yiqiao share.
//
// Every verb is one Lua script, so it happens whole or not at all; the scripts
// and the layout of the keys are in lua/. All keys of a store share one hash
// tag: in a cluster a store lies in one slot.
//
// The backlog is in the memory of the server, about 1.15 times the bytes of
// the bodies.
package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"yiqiao/proxy/store"
)

const (
	defaultPrefix   = "yiqiao"
	defaultMaxEntry = 64 << 20
	// maxCall bounds the bodies of one call: a server closes a connection
	// whose query is longer than 1 GiB.
	maxCall = 512 << 20
	layout  = "1" // of the keys, see lua/lib.lua
)

// Options of a store; each zero value has a default.
type Options struct {
	// Prefix begins every key, so that stores can share a server. Default
	// "yiqiao". It may not contain braces.
	Prefix string
	// MaxEntry is the longest body in bytes. Default 64 MiB.
	MaxEntry int
	// Replicas of the server that must have received an admission before it is
	// acknowledged. Default 0: the server itself suffices.
	Replicas int
}

// Store implements store.Store.
type Store struct {
	client   redis.UniversalClient
	tag      string // KEYS[1] of every script
	options  Options
	scripts  scripts
	warnings []string

	open   sync.RWMutex // held for reading by every call, for writing by Close
	closed bool

	mu   sync.Mutex
	held map[string]lease // by entry: what Close gives back
}

type lease struct {
	token int64
	until time.Time
}

var _ store.Store = (*Store)(nil)

// Open connects to the server named by a url:
//
//	redis://user:password@host:6379/0              one server
//	rediss://…                                     the same over TLS
//	redis://host:6379?addr=host2:6379&addr=…       a cluster
//	redis://host:26379?master_name=main&addr=…     Sentinels, which know the server
//
// It refuses a server that may forget what it acknowledged: older than 7.0,
// without an append only file, or evicting keys. No error contains the
// password of the url.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.MaxEntry <= 0 {
		o.MaxEntry = defaultMaxEntry
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, fmt.Errorf("redis: prefix %q contains a brace", o.Prefix)
	}
	scripts, err := loadScripts()
	if err != nil {
		return nil, err
	}
	client, err := dial(url)
	if err != nil {
		return nil, err
	}
	s := &Store{
		client: client, tag: "{" + o.Prefix + "}:", options: o,
		scripts: scripts, held: map[string]lease{},
	}
	if err := s.prepare(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// prepare checks the server and the layout of the keys.
func (s *Store) prepare(ctx context.Context) error {
	node, err := s.node(ctx)
	if err != nil {
		return fmt.Errorf("redis: connect: %w", err)
	}
	if s.warnings, err = inspect(ctx, node); err != nil {
		return err
	}
	key := s.tag + "layout"
	found, err := s.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		found, err = layout, s.client.Set(ctx, key, layout, 0).Err()
	}
	if err != nil {
		return failure("open", err)
	}
	if found != layout {
		return fmt.Errorf("redis: the keys of prefix %q have layout %q, this program knows %q", s.options.Prefix, found, layout)
	}
	return nil
}

// node is the client of the one server on which the keys lie.
func (s *Store) node(ctx context.Context) (redis.UniversalClient, error) {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, s.tag)
	}
	return s.client, nil
}

// Warnings are what Open found that weakens the Promise.
func (s *Store) Warnings() []string { return s.warnings }

// Promise implements store.Store.
func (s *Store) Promise() string {
	p := "An acknowledged entry survives the end of every yiqiao process and of the Redis server, " +
		"and a power cut there, once the server has its append only file back"
	if len(s.warnings) > 0 {
		p += "; but: " + strings.Join(s.warnings, "; ")
	}
	if s.options.Replicas == 0 {
		return p + ". It does not survive the loss of the Redis server's disk."
	}
	return p + fmt.Sprintf(". %d of its replicas had received the entry: it survives the loss of the Redis server "+
		"if one of these takes over.", s.options.Replicas)
}

// enter begins a call; leave ends it.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.open.RLock()
	if s.closed {
		s.open.RUnlock()
		return store.ErrClosed
	}
	return nil
}

func (s *Store) leave() { s.open.RUnlock() }

// Close waits for the calls under way and gives back the leases of this Store;
// if the server does not answer, they end at their time.
func (s *Store) Close() error {
	s.open.Lock()
	defer s.open.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), ioTimeout)
	defer cancel()
	var args []any
	for id, l := range s.held {
		args = append(args, id, l.token)
	}
	var err error
	if len(args) > 0 {
		err = s.run(ctx, "release", args).Err()
	}
	if err := errors.Join(err, s.client.Close()); err != nil {
		return failure("close", err)
	}
	return nil
}

// hold remembers claims for Close, and forgets those that ended long ago
// without being settled.
func (s *Store) hold(now time.Time, until time.Time, claims []store.Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.held, func(_ string, l lease) bool { return l.until.Before(now) })
	for _, c := range claims {
		s.held[c.ID] = lease{c.Token, until}
	}
}

// extend moves the end of a held lease; a zero until forgets it.
func (s *Store) extend(c store.Claim, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.held[c.ID].token != c.Token:
	case until.IsZero():
		delete(s.held, c.ID)
	default:
		s.held[c.ID] = lease{c.Token, until}
	}
}

// failure wraps what the server or the connection said. A full memory is
// ErrFull.
func failure(verb string, err error) error {
	if redis.IsOOMError(err) {
		return fmt.Errorf("redis %s: %w: %w", verb, store.ErrFull, err)
	}
	return fmt.Errorf("redis %s: %w", verb, err)
}
