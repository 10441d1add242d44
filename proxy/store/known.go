package store

import "time"

// Known is a key of deduplication and the entry that brought it.
type Known struct {
	Key     Key
	ID      string
	Expires time.Time
}

// Hold is how one admission holds keys that replicas share, from its
// reservation until it is durable.
type Hold struct {
	Token    string        // of the admission, unique
	Lease    time.Duration // the reservation ends by itself after it
	Replaces string        // the dead letter that is replaced: its key is no obstacle; or empty
}
