package disk

import (
	"context"
	"runtime"
	"sync/atomic"
)

// A group, which the writer plans at once, has at most so many operations and
// bytes of bodies; one write has at most so many bytes.
const (
	groupOps   = 256
	groupBytes = 64 << 20
	writeBytes = 16 << 20
)

// op is one operation on its way: the writer plans it and writes its records,
// the syncer makes them durable, the indexer applies it. Whoever waits for an
// admission is answered when it is durable; for anything else, when it is
// applied. One without records and plan goes to the indexer at once.
//
// Each goroutine takes all that came while it was busy, so a slow sync is
// shared by all that was written meanwhile.
type op struct {
	bytes   int
	class   class
	records []record // one run of the log: all of them or none
	moves   bool     // the records are copies, and no run
	// plan, in the writer, decides what of the records is needed.
	plan func(o *op) error
	// apply, in the indexer, changes the rows; nil: nothing. It may be run again.
	apply func(t *txn, o *op) error

	old     string // dead letter that it removes
	planned int64  // bytes of bodies, until it has landed
	seg     *segmentState
	at      []place // of the records
	number  int64   // of the last record
	after   []*op   // on their way before it, whose entries its duplicates name
	err     error
	// The syncer's own: it is answered when it is durable, and with what.
	early  bool
	failed error
	weight int64 // of Store.lag
	// Then the indexer's.
	applied, answered bool

	state atomic.Int32 // queued, then taken or given up
	done  chan error
}

const (
	queued int32 = iota
	taken
	givenUp
)

// do hands an operation to the writer and waits until it is answered. When ctx
// ends first, the operation is given up, unless the writer has begun with it:
// then do waits, because the operation reads the caller's buffers.
func (s *Store) do(ctx context.Context, o *op) error {
	o.done = make(chan error, 1)
	if o.plan == nil && len(o.records) == 0 {
		s.synced <- []*op{o}
		return <-o.done
	}
	select {
	case s.ops <- o:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		if o.state.CompareAndSwap(queued, givenUp) {
			return ctx.Err()
		}
		return <-o.done
	}
}

// write is the writer goroutine.
func (s *Store) write() {
	defer close(s.written)
	for first := range s.ops {
		if ops := s.gather(first); len(ops) > 0 {
			s.plan(ops)
			s.written <- ops
		}
	}
}

// gather takes what waits. Whoever was answered just now may be about to come
// again: they are let run first, so that groups are large.
func (s *Store) gather(first *op) []*op {
	var ops []*op
	bytes := 0
	runtime.Gosched()
	for o := first; ; {
		if o.state.CompareAndSwap(queued, taken) {
			ops = append(ops, o)
			bytes += o.bytes
		}
		if len(ops) >= groupOps || bytes >= groupBytes {
			return ops
		}
		select {
		case next, ok := <-s.ops:
			if !ok {
				return ops
			}
			o = next
		default:
			return ops
		}
	}
}

// plan resolves duplicates, gives out places and writes.
func (s *Store) plan(ops []*op) {
	err := s.flight.look(s, ops)
	var batches [classes]*batch
	for _, o := range ops {
		if o.err = err; o.plan != nil && o.err == nil {
			o.err = o.plan(o)
		}
		if o.err == nil && len(o.records) > 0 {
			o.err = s.place(&batches, o)
		}
		if s.opts.planned != nil {
			s.opts.planned(o)
		}
	}
	for _, b := range batches {
		s.flush(b)
	}
}

// place puts an operation's records into the batch of its class.
func (s *Store) place(batches *[classes]*batch, o *op) error {
	n := int64(0)
	for i := range o.records {
		n += o.records[i].size()
	}
	b := batches[o.class]
	if b != nil && (b.size >= writeBytes || b.off+b.size+n > s.log.limit) {
		s.flush(b)
		b = nil
	}
	if b == nil {
		seg, err := s.log.next(o.class, n)
		if err != nil {
			s.health.log(err)
			batches[o.class] = nil
			return explain(err)
		}
		b = &batch{seg: seg, off: seg.size}
		batches[o.class] = b
	}
	b.add(s.log, o)
	return nil
}

// flush writes a batch; what fails is answered by the syncer.
func (s *Store) flush(b *batch) {
	if b == nil {
		return
	}
	if err := s.log.write(b); err != nil {
		s.health.log(err)
		for _, o := range b.ops {
			o.err = explain(err)
		}
	}
}
