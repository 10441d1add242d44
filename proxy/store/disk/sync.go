package disk

import "context"

// syncOps is how many operations one sync takes, at most.
const syncOps = 4 * groupOps

// mostLag is how many records the index may be behind the log: so many are
// replayed after a crash, at most.
const mostLag = 4000

// sync is the syncer goroutine.
func (s *Store) sync() {
	defer close(s.synced)
	for ops := range s.written {
		for more := true; more; {
			select {
			case next, open := <-s.written:
				ops, more = append(ops, next...), open && len(ops) < syncOps
			default:
				more = false
			}
		}
		s.makeDurable(ops)
		for len(ops) > 0 {
			n, weight := 0, int64(0)
			for n < len(ops) && weight < mostLag/4 {
				weight += ops[n].weigh()
				n++
			}
			s.pass(ops[:n:n], weight)
			ops = ops[n:]
		}
	}
}

// pass answers operations whose callers want nothing but that they are
// durable, and hands them to the indexer, when it is not too far behind.
func (s *Store) pass(ops []*op, weight int64) {
	_ = s.lag.Acquire(context.Background(), weight) // it does not end
	var answered, left []*op
	for _, o := range ops {
		early := o.answerEarly()
		if early {
			answered = append(answered, o)
		}
		if early && o.failed != nil {
			s.lighten(o)
			s.drop(o)
			continue
		}
		if early {
			s.unseen.Add(1)
		}
		left = append(left, o)
	}
	// Before they are answered: who lets the index catch up then comes behind
	// them.
	s.synced <- left
	for _, o := range answered {
		o.done <- o.failed
	}
}

// weigh is what an operation takes of mostLag, until it is lightened.
func (o *op) weigh() int64 {
	o.weight = min(int64(len(o.records)), mostLag/4)
	return o.weight
}

func (s *Store) lighten(o *op) {
	s.lag.Release(o.weight)
	o.weight = 0
}

// answerEarly says whether the caller is answered now: if what it wants is
// that its records are durable. What they were made of is the caller's again
// then.
//
// A duplicate rests on its first entry. That of an operation which has yet to
// be applied, and so may fail, is answered behind it.
func (o *op) answerEarly() bool {
	if o.plan == nil || o.old != "" || o.answered {
		return false
	}
	for _, first := range o.after {
		switch {
		case !first.early:
			return false
		case first.failed != nil && o.err == nil:
			o.err = errFirst
		}
	}
	o.early, o.answered, o.failed = true, true, o.err
	for i := range o.records {
		o.records[i].head, o.records[i].body = nil, nil
	}
	return true
}

// drop takes back what an operation has entered that has failed.
func (s *Store) drop(o *op) {
	for _, p := range o.at { // that no row names
		s.log.gone(p)
	}
	s.flight.land(o)
}

// makeDurable syncs what operations have written; those for which that fails
// are marked.
func (s *Store) makeDurable(ops []*op) {
	ends := map[*segmentState]int64{}
	for _, o := range ops {
		if n := len(o.at); n > 0 && o.err == nil {
			ends[o.seg] = o.at[n-1].off + int64(o.at[n-1].len)
		}
	}
	failed := map[*segmentState]error{}
	for seg, end := range ends {
		err := s.log.sync(seg, padded(end))
		if s.health.log(err); err != nil {
			failed[seg] = explain(err)
		}
	}
	for _, o := range ops {
		if err := failed[o.seg]; err != nil && o.err == nil {
			o.err = err
		}
	}
}

// catchUp waits until what was acknowledged stands in the index, or else in
// what the index cannot take now.
func (s *Store) catchUp(ctx context.Context) error {
	if s.unseen.Load() == 0 {
		return nil
	}
	return s.do(ctx, &op{})
}
