package redis

import (
	"context"
	"slices"
	"time"

	"yiqiao/proxy/store"
)

// meetBatch bounds the sightings of one call, so that a server is not kept
// from others for long.
const meetBatch = 500

// Meet implements store.Store. All sightings stand in the first partition.
func (s *Store) Meet(ctx context.Context, now time.Time, m store.Meeting) (store.Attendance, error) {
	if err := s.enter(ctx); err != nil {
		return store.Attendance{}, err
	}
	defer s.leave()
	return s.meet(ctx, now, m)
}

func (s *Store) meet(ctx context.Context, now time.Time, m store.Meeting) (a store.Attendance, err error) {
	notes := slices.DeleteFunc(slices.Clone(m.Notes), func(n store.Sighting) bool { return n.Device == "" })
	for first := true; first || len(notes) > 0; first = false {
		part := notes[:min(len(notes), meetBatch)]
		notes = notes[len(part):]
		c := &call{script: "meet", args: []any{nanos(s.theirs(now)), m.Holder, m.Lease.Nanoseconds()}}
		for _, n := range part {
			c.args = append(c.args, n.Device, s.stamp(n.Seen), n.Source, bit(n.Beats), s.stamp(n.Told), bit(n.Online))
		}
		if s.do(ctx, 0, c); c.err != nil {
			return a, failure("meet", c.err)
		}
		values, err := c.answer.Slice()
		answers := answer{values: values, err: err}
		a.Leads, a.Since = answers.text() == "1", s.ours(answers.time())
		if answers.err != nil {
			return a, failure("meet", answers.err)
		}
	}
	a.All, err = s.sightings(ctx)
	return a, err
}

func (s *Store) sightings(ctx context.Context) (all []store.Sighting, err error) {
	c := &call{args: []any{"HGETALL", s.tag(0) + "presence"}}
	if s.do(ctx, 0, c); c.err != nil {
		return nil, failure("meet", c.err)
	}
	values, err := c.answer.Result()
	if err != nil {
		return nil, failure("meet", err)
	}
	add := func(device, v string) {
		if len(v) < 40 {
			return // of another version
		}
		a := answer{values: []any{v[:19], v[19:38]}}
		n := store.Sighting{Device: device, Seen: s.moment(a.time()), Told: s.moment(a.time()), Online: v[38] == '1', Beats: v[39] == '1', Source: v[40:]}
		if a.err == nil {
			all = append(all, n)
		}
	}
	switch values := values.(type) {
	case map[any]any: // RESP3
		for k, v := range values {
			device, _ := k.(string)
			text, _ := v.(string)
			add(device, text)
		}
	case []any:
		for i := 0; i+1 < len(values); i += 2 {
			device, _ := values[i].(string)
			text, _ := values[i+1].(string)
			add(device, text)
		}
	}
	return all, nil
}

// stamp is a time of a sighting for the server; the zero time is 0.
func (s *Store) stamp(t time.Time) string {
	if t.IsZero() {
		return nanos(t)
	}
	return nanos(s.theirs(t))
}

// moment is the reverse.
func (s *Store) moment(t time.Time) time.Time {
	if t.UnixNano() == 0 {
		return time.Time{}
	}
	return s.ours(t)
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// Meet is Store.Meet for stores that share nothing but keys.
func (k *Keys) Meet(ctx context.Context, now time.Time, m store.Meeting) (store.Attendance, error) {
	if err := k.enter(ctx); err != nil {
		return store.Attendance{}, err
	}
	defer k.s.leave()
	return k.s.meet(ctx, now, m)
}
