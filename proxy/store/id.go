package store

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// ids sort as the times they were made: Crockford's alphabet in lower case.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a unique id of 26 characters (48 bits of milliseconds, 80 of
// randomness, as a ULID): ids of later milliseconds sort behind earlier ones.
func NewID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	rand.Read(b[6:])
	return idEncoding.EncodeToString(b[:])
}

// IsID tells whether a text looks like what NewID returns.
func IsID(s string) bool {
	b, err := idEncoding.DecodeString(s)
	return err == nil && len(b) == 16
}
