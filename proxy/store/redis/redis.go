// Package redis keeps the outbox in a Redis server (7.0 or newer), or a Redis
// Cluster, that many replicas of yiqiao share.
//
// Every verb is one Lua script, so it happens whole or not at all; the scripts
// and the layout of the keys are in lua/. A store is spread over partitions:
// an entry lies in the partition of its Group, and all keys of a partition
// share one hash tag, so in a cluster each partition lies in one slot. What
// the contract asks of one lane and of one key holds within a partition:
// order, leases, duplicates. Claims and lists are merged over all partitions.
//
// The backlog is in the memory of the servers, about 1.15 times the bytes of
// the bodies.
//
// What Promise says, sentence by sentence, is what these tests show:
//
//	the end of a yiqiao process        TestPromiseAcknowledgedSurvivesEndOfProcess
//	the end of the Redis server        TestPromiseAcknowledgedSurvivesKillOfServer
//	appendfsync not always             TestPromiseTellsWeakness
//	a failover without WAIT            TestPromiseFailoverWithoutWaitMayLose
//	a failover with WAIT               TestPromiseFailoverWithWaitKeepsAcknowledged
//	a note of delivery that was lost   TestPromiseFailoverMayRepeatDelivery
//	memory that is full                TestPromiseFullMemoryRefusesWhole
//	groups in a cluster                TestPromiseGroupsAreAdmittedWhole
//
// A power cut is not tested: that rests on what Redis says of appendfsync
// always, and on the disk.
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"yiqiao/proxy/store"
)

const (
	defaultPrefix     = "yiqiao"
	defaultMaxEntry   = 64 << 20
	defaultPartitions = 16 // of a cluster
	maxPartitions     = 1024
	// maxCall bounds the bodies of one call: a server closes a connection
	// whose query is longer than 1 GiB.
	maxCall = 512 << 20
	// unregistered is the layout before registrations.
	unregistered = 2
	layout       = 3 // of the keys, see lua/lib.lua
)

// Options of a store; each zero value has a default.
type Options struct {
	// Prefix begins every key, so that stores can share a server. Default
	// "yiqiao". It may not contain braces.
	Prefix string
	// Partitions over which a cluster can spread the store, at most 1024. They
	// are fixed by the first Open of a prefix. Default: as they were fixed; at
	// the first Open 16 in a cluster and 1 elsewhere.
	Partitions int
	// MaxEntry is the longest body in bytes. Default 64 MiB.
	MaxEntry int
	// Replicas of the server that must have received an admission before it is
	// acknowledged. Default 0: the server itself suffices.
	Replicas int

	clock    func() time.Time // of this machine; tests set it wrong
	patience time.Duration    // default: patience
	wait     time.Duration    // of WAIT; default: waitTimeout
}

// Store implements store.Store.
type Store struct {
	client    redis.UniversalClient
	options   Options
	scripts   scripts
	faults    faults
	offset    atomic.Int64 // of the server's clock against ours, nanoseconds
	lastOrder atomic.Int64
	turn      atomic.Int64 // of the partition to trim

	open    sync.RWMutex // held for reading by every call, for writing by Close
	closed  bool
	watcher sync.WaitGroup
	end     context.CancelFunc // of the watcher

	mu    sync.Mutex
	held  map[string]lease // by entry: what Close gives back
	found findings
}

type lease struct {
	p     int   // partition
	token int64 // of the script
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
	scripts, err := loadScripts("lib", scriptFlags())
	if err != nil {
		return nil, err
	}
	s, err := newStore(url, o, scripts)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		s.client.Close()
		return nil, err
	}
	s.beginWatch(ctx)
	return s, nil
}

// newStore connects to nothing yet.
func newStore(url string, o Options, scripts scripts) (*Store, error) {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.MaxEntry <= 0 {
		o.MaxEntry = defaultMaxEntry
	}
	if o.clock == nil {
		o.clock = time.Now
	}
	o.patience = cmp.Or(o.patience, patience)
	o.wait = cmp.Or(o.wait, waitTimeout)
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, fmt.Errorf("redis: prefix %q contains a brace", o.Prefix)
	}
	if o.Partitions < 0 || o.Partitions > maxPartitions {
		return nil, fmt.Errorf("redis: %d partitions, want 1 to %d", o.Partitions, maxPartitions)
	}
	client, err := dial(url)
	if err != nil {
		return nil, err
	}
	return &Store{
		client: client, options: o, scripts: scripts, end: func() {},
		held: map[string]lease{}, faults: faults{of: map[faultOf]fault{}},
	}, nil
}

func (s *Store) beginWatch(ctx context.Context) {
	watch, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	s.watcher.Go(func() { s.watch(watch) })
}

// prepare checks the servers and the layout of the keys.
func (s *Store) prepare(ctx context.Context) error {
	found, err := s.examine(ctx)
	if err != nil {
		return err
	}
	s.found = found
	want := s.options.Partitions
	if _, cluster := s.client.(*redis.ClusterClient); want == 0 && cluster {
		want = defaultPartitions
	}
	key, text := "{"+s.options.Prefix+"}:layout", fmt.Sprintf("%d %d", layout, max(want, 1))
	if err := s.client.SetNX(ctx, key, text, 0).Err(); err != nil {
		return failure("open", err)
	}
	if text, err = s.client.Get(ctx, key).Result(); err != nil {
		return failure("open", err)
	}
	var version, partitions int
	_, err = fmt.Sscanf(text, "%d %d", &version, &partitions)
	if err == nil && version == unregistered { // its keys are good, but older programs must not touch it any more
		version = layout
		err = s.client.Set(ctx, key, fmt.Sprintf("%d %d", layout, partitions), 0).Err()
	}
	if err != nil || version != layout || partitions < 1 {
		return fmt.Errorf("redis: the keys of prefix %q have layout %q, this program knows %d", s.options.Prefix, text, layout)
	}
	if s.options.Partitions != 0 && partitions != s.options.Partitions {
		return fmt.Errorf("redis: the store with prefix %q has %d partitions, which are fixed; the options say %d: "+
			"leave them out, or take another prefix", s.options.Prefix, partitions, s.options.Partitions)
	}
	s.options.Partitions = partitions
	return nil
}

// partition of a group.
func (s *Store) partition(group string) int {
	return int(crc32.ChecksumIEEE([]byte(group)) % uint32(s.options.Partitions))
}

// tag begins the keys of a partition; it is KEYS[1] of every script.
func (s *Store) tag(p int) string { return fmt.Sprintf("{%s:%d}:", s.options.Prefix, p) }

// everywhere makes one call for each partition.
func (s *Store) everywhere(script string, args ...any) []*call {
	calls := make([]*call, s.options.Partitions)
	for p := range calls {
		calls[p] = &call{p: p, script: script, args: args}
	}
	return calls
}

// Warnings are what weakens the Promise, as of the last look at the servers.
func (s *Store) Warnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found.warnings
}

// Promise implements store.Store.
func (s *Store) Promise() string {
	weak := "."
	if w := s.Warnings(); len(w) > 0 {
		weak = "; but: " + strings.Join(w, "; ") + "."
	}
	out := []string{
		"An acknowledged entry survives the end of every yiqiao process.",
		"It survives the end of the Redis server, and a power cut there, once the server has its append only file back" + weak,
	}
	if n := s.options.Replicas; n > 0 {
		out = append(out, fmt.Sprintf("%d replicas of the server had received it: it survives the loss of the server if one of these takes over.", n))
	} else {
		out = append(out, "It does not survive the loss of the server's disk, nor that a replica takes over which had not received it yet.")
	}
	out = append(out,
		"A delivery is made again if its note is lost with a server.",
		"When the memory is full, new entries are refused whole and what waits is still delivered.")
	if s.options.Partitions > 1 {
		out = append(out, fmt.Sprintf("The entries of an event are admitted whole or not at all for each device, which lie in %d partitions.", s.options.Partitions))
	}
	return strings.Join(out, " ")
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
// if a server does not answer, they end at their time.
func (s *Store) Close() error {
	s.open.Lock()
	defer s.open.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.end()
	s.watcher.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), ioTimeout)
	defer cancel()
	byPartition := map[int]*call{}
	for id, l := range s.held {
		if byPartition[l.p] == nil {
			byPartition[l.p] = &call{p: l.p, script: "release"}
		}
		byPartition[l.p].args = append(byPartition[l.p].args, id, l.token)
	}
	var calls []*call
	for _, c := range byPartition {
		calls = append(calls, c)
	}
	if len(calls) > 0 {
		s.do(ctx, 0, calls...)
	}
	if err := errors.Join(failed(calls), s.client.Close()); err != nil {
		return failure("close", err)
	}
	return nil
}

// hold remembers claims for Close and Load, and forgets those that ended long
// ago without being settled.
func (s *Store) hold(now time.Time, claims map[string]lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.held, func(_ string, l lease) bool { return l.until.Before(now) })
	maps.Copy(s.held, claims)
}

// extend moves the end of a held lease; a zero until forgets it.
func (s *Store) extend(id string, l lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.held[id].token != l.token || s.held[id].p != l.p:
	case l.until.IsZero():
		delete(s.held, id)
	default:
		s.held[id] = l
	}
}

// holder is the partition of an entry that this Store holds.
func (s *Store) holder(id string) (p int, ok bool) {
	if s.options.Partitions == 1 {
		return 0, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.held[id]
	return l.p, ok
}

// failed joins the errors of calls.
func failed(calls []*call) error {
	var errs []error
	for _, c := range calls {
		errs = append(errs, c.err)
	}
	return errors.Join(errs...)
}

// failure wraps what the server or the connection said. A full memory is
// ErrFull.
func failure(verb string, err error) error {
	if redis.IsOOMError(err) {
		return fmt.Errorf("redis %s: %w: %w", verb, store.ErrFull, err)
	}
	return fmt.Errorf("redis %s: %w", verb, err)
}
