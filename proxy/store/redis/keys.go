package redis

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"yiqiao/proxy/store"
)

// keysPrefix keeps the keys apart from a store with the same prefix.
const keysPrefix = ":keys"

// keepKeys is for how long the server keeps a key that has expired: the clocks
// of replicas may differ a little.
const keepKeys = time.Minute

// Keys are the dedup keys of replicas that keep their entries elsewhere, each
// on its own disk. A key is reserved, then its entry is made durable there,
// then it is confirmed. They lie on the same kinds of servers as a Store, are
// spread over partitions by their own hashes, and the servers are looked at in
// the same way.
//
// A server that is away when Keys are opened is no error: see Ready.
type Keys struct {
	s         *Store // its servers and scripts; it holds no entries
	preparing sync.Mutex
	missing   atomic.Pointer[error] // why the servers have not been looked at yet; nil: they have
}

func keyFlags() map[string]string {
	return map[string]string{"reserve": "", "confirm": "allow-oom", "giveback": "allow-oom", "meet": ""}
}

// OpenKeys connects to the servers that url names, as Open does, and refuses
// those that may forget keys.
func OpenKeys(ctx context.Context, url string, o Options) (*Keys, error) {
	scripts, err := loadScripts("keys", keyFlags())
	if err != nil {
		return nil, err
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	o.Prefix += keysPrefix
	s, err := newStore(url, o, scripts)
	if err != nil {
		return nil, err
	}
	k := &Keys{s: s}
	k.missing.Store(new(error))
	if err := k.prepare(ctx); err != nil && !away(err) {
		s.client.Close()
		return nil, err
	}
	return k, nil
}

// away tells whether err says that a server was not reached, and nothing about
// how it is set up.
func away(err error) bool {
	var of net.Error
	return errors.As(err, &of) || errors.Is(err, io.EOF) || undone(err)
}

func (k *Keys) prepare(ctx context.Context) error {
	k.preparing.Lock()
	defer k.preparing.Unlock()
	if k.missing.Load() == nil {
		return nil
	}
	err := k.s.prepare(ctx)
	if err != nil {
		k.missing.Store(&err)
		return err
	}
	k.s.beginWatch(ctx)
	k.missing.Store(nil)
	return nil
}

// Ready tells whether keys can be reserved: it looks at servers that were
// away, and tries it with a key of its own in each partition.
func (k *Keys) Ready(ctx context.Context) error {
	if err := k.s.enter(ctx); err != nil {
		return err
	}
	defer k.s.leave()
	if err := k.prepare(ctx); err != nil {
		return err
	}
	calls := k.s.everywhere("reserve", nanos(k.s.theirs(k.s.options.clock())), time.Second.Milliseconds(), "ready", "", "ready")
	for _, c := range calls {
		c.admission = true
	}
	k.s.do(ctx, 0, calls...)
	if err := failed(calls); err != nil {
		return failure("keys", err)
	}
	return nil
}

// enter begins a call.
func (k *Keys) enter(ctx context.Context) error {
	if err := k.missing.Load(); err != nil {
		return *err
	}
	return k.s.enter(ctx)
}

// keyCall is the call of one partition and which of the keys it is for.
type keyCall struct {
	*call
	keys []int
}

// spread makes the calls of all partitions that have keys, each beginning with
// args.
func (k *Keys) spread(script string, n int, key func(i int) store.Key, args ...any) (list []keyCall) {
	at := map[int]int{}
	for i := range n {
		h := key(i)
		p := int(crc32.ChecksumIEEE(h[:]) % uint32(k.s.options.Partitions))
		if _, ok := at[p]; !ok {
			at[p] = len(list)
			list = append(list, keyCall{call: &call{p: p, script: script, admission: true, args: append([]any(nil), args...)}})
		}
		c := &list[at[p]]
		c.keys = append(c.keys, i)
	}
	return list
}

func (k *Keys) do(ctx context.Context, verb string, list []keyCall) error {
	calls := make([]*call, len(list))
	for i, c := range list {
		calls[i] = c.call
	}
	k.s.do(ctx, k.s.options.patience, calls...)
	if err := failed(calls); err != nil {
		return failure(verb, err)
	}
	return nil
}

// Reserve reserves keys for h. first tells for each the id of the entry that
// brought it; it is empty where the key is reserved now. held: another holds
// one of them, so none is reserved. After an error some may be, until the
// lease ends.
func (k *Keys) Reserve(ctx context.Context, now time.Time, h store.Hold, keys []store.Key) (first []string, held bool, err error) {
	if err := k.enter(ctx); err != nil {
		return nil, false, err
	}
	defer k.s.leave()
	list := k.spread("reserve", len(keys), func(i int) store.Key { return keys[i] },
		nanos(k.s.theirs(now)), max(h.Lease.Milliseconds(), 1), h.Token, h.Replaces)
	for _, c := range list {
		for _, i := range c.keys {
			c.args = append(c.args, keys[i][:])
		}
	}
	if err := k.do(ctx, "reserve", list); err != nil {
		return nil, false, err
	}
	first = make([]string, len(keys))
	for _, c := range list {
		values, err := c.answer.Slice()
		a := answer{values: values, err: err}
		if a.text() == "held" {
			held = true
			continue
		}
		for _, i := range c.keys {
			first[i] = a.text()
		}
		if a.err != nil {
			return nil, false, failure("reserve", a.err)
		}
	}
	if held && len(list) > 1 {
		return nil, true, k.giveBack(ctx, h, keys)
	}
	return first, held, nil
}

// Confirm tells that entries are durable: until they expire their keys are
// duplicates for all. twice counts those that meanwhile are another entry's,
// and had not been counted before: both entries are delivered.
func (k *Keys) Confirm(ctx context.Context, now time.Time, h store.Hold, known []store.Known) (twice int, err error) {
	if err := k.enter(ctx); err != nil {
		return 0, err
	}
	defer k.s.leave()
	list := k.spread("confirm", len(known), func(i int) store.Key { return known[i].Key }, nanos(k.s.theirs(now)), h.Replaces)
	for _, c := range list {
		for _, i := range c.keys {
			e := &known[i]
			keep := max(e.Expires.Sub(now), 0) + keepKeys
			c.args = append(c.args, e.Key[:], e.ID, nanos(k.s.theirs(e.Expires)), keep.Milliseconds())
		}
	}
	if err := k.do(ctx, "confirm", list); err != nil {
		return 0, err
	}
	for _, c := range list {
		values, err := c.answer.Slice()
		a := answer{values: values, err: err}
		if twice += int(a.number()); a.err != nil {
			return twice, failure("confirm", a.err)
		}
	}
	return twice, nil
}

// GiveBack ends reservations of h.
func (k *Keys) GiveBack(ctx context.Context, h store.Hold, keys []store.Key) error {
	if err := k.enter(ctx); err != nil {
		return err
	}
	defer k.s.leave()
	return k.giveBack(ctx, h, keys)
}

func (k *Keys) giveBack(ctx context.Context, h store.Hold, keys []store.Key) error {
	list := k.spread("giveback", len(keys), func(i int) store.Key { return keys[i] }, h.Token)
	for _, c := range list {
		c.admission = false // who waits for it needs no replica
		for _, i := range c.keys {
			c.args = append(c.args, keys[i][:])
		}
	}
	return k.do(ctx, "give back", list)
}

// State says "ok", or "degraded: " and what is wrong now.
func (k *Keys) State() string {
	if err := k.missing.Load(); err != nil {
		return fmt.Sprintf("degraded: %v", *err)
	}
	return k.s.State()
}

// Warnings are what may lose keys, as of the last look at the servers.
func (k *Keys) Warnings() []string {
	if k.missing.Load() != nil {
		return nil
	}
	return k.s.Warnings()
}

// Close waits for the calls under way.
func (k *Keys) Close() error { return k.s.Close() }
