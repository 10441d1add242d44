package disk

import (
	"context"
	"time"

	"yiqiao/proxy/store"
)

// Keys returns the dedup keys that are known at now, in their own order, at
// most limit of them, beginning behind after (the zero key: at the first). It
// serves a store that shares its keys with other replicas.
func (s *Store) Keys(ctx context.Context, now time.Time, after store.Key, limit int) ([]store.Known, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	rows, err := s.readers.QueryContext(ctx, "SELECT key, id, expires FROM key WHERE key > ? AND expires > ? ORDER BY key LIMIT ?", after[:], nanos(now), limit)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var list []store.Known
	for rows.Next() {
		var key []byte
		var k store.Known
		var expires int64
		if err := rows.Scan(&key, &k.ID, &expires); err != nil {
			return nil, explain(err)
		}
		copy(k.Key[:], key)
		k.Expires = timeOf(expires)
		list = append(list, k)
	}
	return list, explain(rows.Err())
}
