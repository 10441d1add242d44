// Package seal puts a document into the envelope that the platform opens:
//
//	{"encrypted":"<session key under RSA>","requestData":"<document under AES>"}
//
// with these two members (a Config may name them otherwise) and no other,
// because the parser of a known platform breaks on a third. A Sealer streams: it takes the document in pieces, works
// in chunks that stay in the processor's first cache, and writes the envelope
// straight into the caller's buffer, whose exact size it tells beforehand.
// An Opener is the other side, for the simulated platform and for tests.
package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// afterData ends the envelope.
const afterData = `"}`

// MaxDocument is the largest document that Seal takes, in bytes. It keeps every
// size far from the limits of int and of GCM.
const MaxDocument = 1 << 30

// suite is a way to seal and to open. A new one is a file and a row.
type suite struct {
	name   string
	sealer func(Config, []byte) (*Sealer, error)
	opener func(Config, []byte) (*Opener, error)
}

func suites() []suite {
	return []suite{
		{"rsa-aes", newRSASealer, newRSAOpener},
		{"plain", newPlainSealer, newPlainOpener},
	}
}

// Sealer seals documents for one platform. It is safe for many goroutines.
type Sealer struct {
	out     encoding
	mode    mode
	iv      string
	wrapped int // bytes of "encrypted" before encoding
	reuse   int64
	fresh   func() (*session, error)
	random  io.Reader

	beforeKey, beforeData string // the envelope, apart from its two values

	current atomic.Pointer[session] // nil unless reuse > 1
	renew   sync.Mutex              // held while current is replaced
	works   sync.Pool               // of *work
}

// session is one session key, ready for use. Only left ever changes.
type session struct {
	wrapped []byte // the key under RSA
	key     []byte
	block   cipher.Block  // nil: suite plain
	aead    cipher.AEAD   // nil unless the mode is gcm
	left    atomic.Int64  // records that may still use it; negative when used up
	space   [32 + 64]byte // the longest key and its longest text form
}

// New makes a Sealer. publicKey is the platform's: Base64 of an X.509
// SubjectPublicKeyInfo, broken into lines or not, or PEM. The error names the
// key of the configuration that is wrong, or says what publicKey is instead.
func New(cfg Config, publicKey []byte) (*Sealer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	row := named(suites(), cfg.Suite, func(s suite) string { return s.name })
	s, err := row.sealer(cfg, publicKey)
	if err != nil {
		return nil, err
	}
	s.out = named(encodings(), cfg.Output, func(e encoding) string { return e.name })
	s.iv = cfg.IV
	s.reuse = int64(cfg.Reuse)
	s.random = rand.Reader
	s.beforeKey, s.beforeData = `{"`+cfg.KeyName+`":"`, `","`+cfg.DataName+`":"`
	s.works.New = func() any { return newWork() }
	return s, nil
}

// Size is the exact number of bytes that Seal appends for a document of n bytes.
func (s *Sealer) Size(n int) int {
	return len(s.beforeKey) + s.out.size(s.wrapped) +
		len(s.beforeData) + s.out.size(s.prefix()+s.mode.size(n)) + len(afterData)
}

// prefix is the number of IV bytes that travel in front of the ciphertext.
func (s *Sealer) prefix() int {
	if s.iv == "prefix" {
		return s.mode.iv
	}
	return 0
}

// Seal appends the envelope of the document to dst and returns it; if dst has
// room for Size(n) more bytes it is not reallocated. doc yields the n bytes of
// the document in pieces of any length, which Seal reads and does not keep.
// After an error the returned slice is dst as it was given.
func (s *Sealer) Seal(dst []byte, n int, doc iter.Seq[[]byte]) ([]byte, error) {
	if n < 0 || n > MaxDocument {
		return dst, fmt.Errorf("document: want 0 to %d bytes, got %d", MaxDocument, n)
	}
	key, err := s.session()
	if err != nil {
		return dst, err
	}
	w := s.works.Get().(*work)
	defer s.works.Put(w)

	w.start(s, key, n)
	defer w.forget()
	if _, err := io.ReadFull(s.random, w.iv[:w.randomIV]); err != nil {
		return dst, fmt.Errorf("random IV: %w", err)
	}
	out := slices.Grow(dst, s.Size(n))
	out = append(out, s.beforeKey...)
	out = s.out.append(out, key.wrapped)
	out = append(out, s.beforeData...)
	if key.aead != nil {
		out = w.whole(out, doc)
	} else {
		out = w.stream(out, doc)
	}
	if w.over || w.taken != n {
		return dst, fmt.Errorf("document: want %d bytes, got %s%d", n, w.orMore(), w.taken)
	}
	return append(out, afterData...), nil
}

// session returns the key for one record: a fresh one, or the current one while
// it has uses left.
func (s *Sealer) session() (*session, error) {
	if s.reuse <= 1 {
		return s.fresh()
	}
	for {
		if key := s.current.Load(); key != nil && key.left.Add(-1) >= 0 {
			return key, nil
		}
		if err := s.replace(); err != nil {
			return nil, err
		}
	}
}

// replace puts a fresh session in the place of one that is used up.
func (s *Sealer) replace() error {
	s.renew.Lock()
	defer s.renew.Unlock()
	if key := s.current.Load(); key != nil && key.left.Load() > 0 {
		return nil // another goroutine was here first
	}
	key, err := s.fresh()
	if err != nil {
		return err
	}
	key.left.Store(s.reuse)
	s.current.Store(key)
	return nil
}
