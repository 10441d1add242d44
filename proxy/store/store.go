// Package store is the contract of yiqiao's durable memory: the outbox of
// entries that wait for the platform, the keys by which duplicates are known,
// and the dead letters that wait for a person.
//
// Three verbs carry the traffic. Admit makes entries durable, Claim leases the
// oldest due entry of each lane, Settle ends a lease. The rest is for people.
//
// A store knows nothing of events, records or the platform: a body is sealed
// bytes, a lane is a string. Whoever opens a store closes it.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Store is implemented by disk (one machine), redis (many replicas) and shared
// (many replicas, each with its own disk). All pass storetest.Run. All methods are safe for many goroutines.
//
// Time is an argument: now decides what is due, what has expired and what a
// dedup key still covers, so a test moves the clock by passing a later time.
type Store interface {
	// Admit makes all entries of one event durable or none of them.
	//
	// It returns a nil error only when every entry, together with its key, is
	// durable under the store's Promise. Key and entry become durable in the
	// same atomic step. An entry whose key is already known (and not expired)
	// is a duplicate: it is not stored, its Admission names the first entry,
	// and it is answered only when that first admission is itself durable.
	// Two entries of one call with one key: the second is a duplicate.
	//
	// An entry that Registers something is a duplicate by state, not by a key:
	// if the latest version of that registration, which is the newest ready
	// entry of it or, without one, the version accepted last, has the same
	// Digest. So A, B, A are three versions, and A, A is one, however long ago.
	//
	// After ErrFull and ErrTooLarge nothing was stored. After any other error
	// (ErrUncertain says it in a word), and after the context ended, the
	// entries were admitted whole or not at all; sending them again is safe,
	// because of their keys. A store that spreads groups over servers admits
	// the entries of each Group whole or not at all.
	//
	// The store keeps nothing of entries after Admit has returned: their bodies
	// and strings may be slices of a buffer that is used again.
	Admit(ctx context.Context, now time.Time, entries []Entry) ([]Admission, error)

	// Claim leases the oldest ready entries of up to w.Max lanes until
	// now+w.Lease. Lanes take turns: the one that waits longest, since its head
	// became due or its last entry was settled, is first; so a lane with a long
	// backlog never keeps the others waiting. w.Newest of the claims, at most,
	// go instead to the lanes whose heads were admitted last.
	//
	// A lane gives one entry at a time and in the order of admission: while its
	// head is leased, or waits for its retry, nothing behind the head is given
	// out. An entry whose lease has ended is given out again with a new token.
	// An empty result is not an error. Bodies are not loaded: see Load.
	Claim(ctx context.Context, now time.Time, w Want) ([]Claim, error)

	// Extend moves the end of a lease to now+lease. ErrFenced: the lease had
	// ended and the entry may be in other hands.
	Extend(ctx context.Context, now time.Time, c Claim, lease time.Duration) error

	// Settle ends a lease. Delivered removes the entry (its key lives on until
	// it expires), Retry makes it due at At, Bury makes it a dead letter with
	// Reason. Delivered notes what the entry Registers as accepted, in the same
	// atomic step; a buried version is not the latest any more. ErrFenced: the lease had ended and the entry was given to another
	// or settled; nothing was changed.
	Settle(ctx context.Context, now time.Time, c Claim, o Outcome) error

	// Registered tells what is known of registrations, in the order of refs.
	Registered(ctx context.Context, refs []Ref) ([]Registration, error)

	// Hasten makes those of the ready entries that wait for their retry due at
	// now. Ids of others are passed over, and leases stay as they are.
	Hasten(ctx context.Context, now time.Time, ids []string) error

	// Load appends the body of an entry to dst. ErrNotFound if there is none, a
	// *CorruptError if it is damaged.
	Load(ctx context.Context, id string, dst []byte) ([]byte, error)

	// List returns entries in order of admission, at most f.Limit of them
	// (default 100), beginning after f.After.
	List(ctx context.Context, f Filter) ([]Info, error)

	// Replace removes the dead letter id and admits entries, in one atomic
	// step; admissions are as those of Admit, except that the key of the dead
	// letter itself does not make its replacement a duplicate. With no entries
	// it only removes. ErrNotFound if id is not a dead letter: then nothing
	// was admitted.
	Replace(ctx context.Context, now time.Time, id string, entries []Entry) ([]Admission, error)

	// Meet merges what the replica has seen of devices with what the others
	// have, takes the lead if nobody has it, or keeps it, and answers with all
	// of it. Sightings are kept beyond the end of the process, the last minute
	// of them perhaps not; what was told of a device is kept as soon as Meet
	// has returned, though a power cut may take it back. m.Notes without a
	// Device are passed over.
	Meet(ctx context.Context, now time.Time, m Meeting) (Attendance, error)

	// Stats counts what the store holds.
	Stats(ctx context.Context, now time.Time) (Stats, error)

	// State says in a word how the store is now, and what is wrong: "ok",
	// "full: …" (nothing more is admitted until there is room; the rest works),
	// "read-only: …" (nothing is admitted until it can be written again),
	// "degraded: …" (the rest). It asks nobody and is cheap.
	State() string

	// Promise says in words what survives which failure. It is printed at
	// start and on the health page.
	Promise() string

	// Close waits for admissions under way and releases the store. Leases end.
	Close() error
}

// Key identifies an event's record for deduplication: a keyed hash, so that
// nothing personal stands in an index. The zero Key is never a duplicate.
type Key [16]byte

// Ref names what is registered at the platform: a thing with a code of its own
// that later records name. Its Key is a keyed hash, so that nothing personal
// stands in an index; its Group is that of all entries that register it. The
// zero Ref is nothing.
type Ref struct {
	Group string
	Key   Key
}

// Registration is what a store knows of a Ref. It never expires.
type Registration struct {
	// Accepted is when a version was last delivered, and AcceptedID the entry
	// that it was. Zero: never.
	Accepted   time.Time
	AcceptedID string
	// Waiting is the oldest ready entry that registers it, admitted at Since;
	// empty: there is none.
	Waiting string
	Since   time.Time
}

// Entry is what Admit stores.
type Entry struct {
	// ID is made by the caller, unique and ordered by time (NewID).
	ID string
	// Key and KeyTTL: for how long after now a second entry with the same key
	// is a duplicate.
	Key    Key
	KeyTTL time.Duration
	// Lane orders entries: within one lane an older entry is always delivered
	// before a newer one.
	Lane string
	// Group keeps together what a store may spread over servers. All entries
	// with one lane, and all with one key, have one group.
	Group string
	// Registers is what a delivery of the entry registers at the platform, and
	// Digest tells the versions of it apart. Again admits a version that is the
	// latest already. An entry that registers something needs no Key, and its
	// Key is not looked at; all entries that register one Ref have one lane.
	// A dead letter registers nothing.
	Registers Ref
	Digest    Key
	Again     bool
	// Labels are for lists and metrics. Nothing personal may stand in them.
	Labels Labels
	// Dead, if not nil, admits the entry as a dead letter at once.
	Dead *Reason
	// Body is sealed by the caller.
	Body []byte
}

// DedupKey is the key by which an entry may be a duplicate: the zero Key if
// what it registers tells that.
func (e *Entry) DedupKey() Key {
	if e.Registers != (Ref{}) && e.Dead == nil {
		return Key{}
	}
	return e.Key
}

// Labels say what an entry is, for people.
type Labels struct {
	Source     string // "hikvision"
	Mapping    string // "hikvision/face.yaml"; empty if none matched
	Interface  string // "stk/zpjl"; empty if none matched
	Device     string // the id by which the device was found or sought
	Generation string // of the rules that made the entry
}

// Reason says why an entry is a dead letter.
type Reason struct {
	Class Class  // a word to filter and count by
	Text  string // for a person; personal values are masked by the caller
}

// Class groups dead letters, and says of a ready entry what it waits for.
type Class string

// The classes of dead letters.
const (
	Undecodable   Class = "undecodable"     // the body is not what its source sends
	UnknownDevice Class = "unknown-device"  // no row of the device table
	Unmapped      Class = "unmapped"        // no mapping matched
	Refused       Class = "refused"         // a mapping or the standard refused it
	NoPicture     Class = "picture-missing" // refused only because pictures are missing
	Awaiting      Class = "picture-awaited" // no dead letter for a person: its pictures are being made
	Rejected      Class = "rejected"        // the platform refused it
	GaveUp        Class = "gave-up"         // too many tries
	Damaged       Class = "damaged"         // its body cannot be read any more
	Waiting       Class = "waiting"         // no dead letter: an entry that waits for what it refers to
)

// Admission answers for one entry, in the order of the entries.
type Admission struct {
	ID        string // of the entry, or of the first one if Duplicate
	Duplicate bool
}

// Want says what Claim is asked for.
type Want struct {
	Max    int // lanes
	Newest int // of them from the new end
	Lease  time.Duration
}

// Claim is a leased entry.
type Claim struct {
	ID       string
	Lane     string
	Token    int64 // fences Settle and Extend
	Attempts int   // tries before this one
	Admitted time.Time
	Size     int // bytes of the body
	Labels   Labels
}

// Outcome is what became of a claimed entry.
type Outcome struct {
	Do     Action
	At     time.Time // of Retry
	Reason Reason    // of Bury; of Retry: what went wrong (Text), kept as Info.Reason
	// Free: this Retry does not count as an attempt, because the entry was not
	// at fault (the platform was away, or the process is ending).
	Free bool
}

// Action is one of Delivered, Retry and Bury.
type Action int

// The three ends of a lease.
const (
	Delivered Action = iota + 1
	Retry
	Bury
)

func (a Action) String() string {
	switch a {
	case Delivered:
		return "delivered"
	case Retry:
		return "retry"
	case Bury:
		return "bury"
	}
	return fmt.Sprintf("Action(%d)", int(a))
}

// State of an entry: Ready (waiting for delivery or its retry, or leased) or
// Dead.
type State string

// The states an entry may be in.
const (
	Ready State = "ready"
	Dead  State = "dead"
)

// Filter selects entries; an empty field selects all.
type Filter struct {
	ID        string
	State     State
	Source    string
	Interface string
	Device    string
	Class     Class
	Since     time.Time // admitted then or later
	Until     time.Time // admitted before
	After     string    // an ID: begin behind it
	Limit     int
}

// Info describes an entry without its body.
type Info struct {
	ID       string
	State    State
	Lane     string
	Labels   Labels
	Reason   Reason // Dead: why; Ready: what the last try said
	Attempts int
	Admitted time.Time
	Due      time.Time // Ready: when the next try may begin
	Size     int
}

// Stats counts what the store holds.
type Stats struct {
	Ready      int
	ReadyBytes int64
	Oldest     time.Time // admission of the oldest ready entry; zero if none
	Dead       int
	DeadBytes  int64
	Keys       int // dedup keys alive
	// Of a store that shares its keys with other replicas, since it was
	// opened: entries admitted while the keys were out of reach, and entries
	// that turned out to be admitted by another replica too.
	Unshared, Twice int64
}

// Errors that a caller acts on. Everything else means: not now, try again.
var (
	ErrFull      = errors.New("the store is full")
	ErrTooLarge  = errors.New("the entry is too large")
	ErrUncertain = errors.New("it is not known whether the entry was stored")
	ErrFenced    = errors.New("the lease has ended")
	ErrNotFound  = errors.New("no such entry")
	ErrClosed    = errors.New("the store is closed")
)

// CorruptError says where a store is damaged. Damage is told, counted and
// passed over; it is never wider than the entries that it lies in.
type CorruptError struct {
	File   string
	Offset int64 // bytes
	Err    error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %v", e.File, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }
