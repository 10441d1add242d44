package device

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

// Bounds of nonces: how long one is good, and of how many the counts are kept
// (about 100 bytes each).
const (
	nonceLife = 5 * time.Minute
	maxNonces = 1 << 16
)

// Nonces gives out the nonces of digests and counts their uses. A nonce proves
// by itself that it is ours and how old it is; what was used is in a bounded
// table, to which only requests with the right password come.
type Nonces struct {
	key [32]byte
	now func() time.Time

	mu    sync.Mutex
	used  map[string]*uses
	order []string // of used, oldest use first; a ring
	next  int      // where the ring is written next
	// forgotten is the newest issue of those that fell out of the ring: what
	// is no newer, and not in the table, may have been used already.
	forgotten time.Time
}

// uses of a nonce: the highest count, and which of the 64 up to it came, so
// that several connections may overtake each other.
type uses struct {
	most uint32
	came uint64
}

// NewNonces makes a table of its own key: a restart ends all nonces, and devices
// are asked for new ones.
func NewNonces() *Nonces {
	n := &Nonces{now: time.Now, used: map[string]*uses{}, order: make([]string, 0, maxNonces)}
	_, _ = rand.Read(n.key[:]) // never fails
	return n
}

const nonceBytes = 8 + 8 + 16 // time of issue, random, proof

func (n *Nonces) issue() string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, nonceBytes), uint64(n.now().UnixNano()))
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	b = append(b, random[:]...)
	return base64.RawURLEncoding.EncodeToString(append(b, n.proof(b)...))
}

func (n *Nonces) proof(b []byte) []byte {
	h := hmac.New(sha256.New, n.key[:])
	h.Write(b)
	return h.Sum(nil)[:16]
}

// use counts one use of a nonce; false if it is not ours, too old, or this count
// of it came already.
func (n *Nonces) use(nonce string, count uint32) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != nonceBytes || !hmac.Equal(b[16:], n.proof(b[:16])) {
		return false
	}
	issued := time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	if n.now().Sub(issued) > nonceLife {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	u := n.used[nonce]
	if u == nil {
		if !issued.After(n.forgotten) {
			return false
		}
		n.remember(nonce, &uses{most: count, came: 1})
		return true
	}
	switch behind := u.most - count; {
	case count > u.most:
		u.came = u.came<<(count-u.most) | 1 // a shift of 64 and more leaves nothing
		u.most = count
	case behind >= 64 || u.came&(1<<behind) != 0:
		return false
	default:
		u.came |= 1 << behind
	}
	return true
}

// remember puts a nonce into the table, in place of the oldest if it is full.
func (n *Nonces) remember(nonce string, u *uses) {
	n.used[nonce] = u
	if len(n.order) < cap(n.order) {
		n.order = append(n.order, nonce)
		return
	}
	old := n.order[n.next]
	if b, err := base64.RawURLEncoding.DecodeString(old); err == nil {
		if issued := time.Unix(0, int64(binary.BigEndian.Uint64(b))); issued.After(n.forgotten) {
			n.forgotten = issued
		}
	}
	delete(n.used, old)
	n.order[n.next] = nonce
	n.next = (n.next + 1) % len(n.order)
}
