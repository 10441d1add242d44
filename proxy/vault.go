package proxy

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"yiqiao/proxy/store"
)

// Vault seals what the store holds, so that nobody reads a face on a disk or
// in a Redis: AES-256-GCM, and a keyed hash for the keys of deduplication.
//
//	sealed = version u8 | key id [4] | nonce [12] | ciphertext and tag
//
// The id of the entry is authenticated with it, so that a body cannot be moved
// to another entry.
type Vault struct {
	aead  cipher.AEAD
	keyID [4]byte
	mac   []byte
}

const vaultVersion = 1

// overhead is how many bytes sealing adds.
const overhead = 1 + 4 + 12 + 16

// NewVault makes a vault of a 32-byte key.
func NewVault(key []byte) (*Vault, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("the store key has %d bytes, want 32 (64 hex digits)", len(key))
	}
	block, err := aes.NewCipher(derive(key, "entries"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	v := &Vault{aead: aead, mac: derive(key, "keys")}
	copy(v.keyID[:], derive(key, "id"))
	return v, nil
}

// derive makes keys of one key that tell nothing of each other.
func derive(key []byte, purpose string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("yiqiao " + purpose))
	return h.Sum(nil)
}

// LoadVault reads the key that cfg names. With a disk store and no key named,
// it is the file store.key beside the data, made on the first start.
func LoadVault(dir string, cfg StoreConfig) (*Vault, error) {
	text := cfg.Key
	if text == "" {
		name := filepath.Join(inside(dir, cfg.Disk), "store.key")
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			if b, err = newKeyFile(name); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	b, err := fileOrText(dir, text)
	if err != nil {
		return nil, fmt.Errorf("store.key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("store.key: want 64 hex digits, got something else of %d bytes", len(b)) // never the key itself
	}
	return NewVault(key)
}

// newKeyFile writes a fresh key so that a crash leaves either all of it or
// nothing: entries sealed with a lost key are lost.
func newKeyFile(name string) ([]byte, error) {
	key := make([]byte, 32)
	rand.Read(key)
	text := []byte(hex.EncodeToString(key) + "\n")
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err == nil {
		err = syncDir(filepath.Dir(name))
	}
	return text, err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// begin makes room at the front of dst for the head; the plaintext is appended
// behind it and sealed in place by end.
func (v *Vault) begin(dst []byte) []byte {
	dst = append(dst[:0], vaultVersion)
	dst = append(dst, v.keyID[:]...)
	var nonce [12]byte
	rand.Read(nonce[:])
	return append(dst, nonce[:]...)
}

func (v *Vault) end(buf []byte, id string) []byte {
	const head = 1 + 4 + 12
	buf = slices.Grow(buf, v.aead.Overhead())
	out := v.aead.Seal(buf[head:head], buf[5:head], buf[head:], []byte(id))
	return buf[:head+len(out)]
}

// open decrypts in place.
func (v *Vault) open(sealed []byte, id string) ([]byte, error) {
	const head = 1 + 4 + 12
	if len(sealed) < overhead || sealed[0] != vaultVersion {
		return nil, errors.New("the entry is no sealed entry of this version")
	}
	if [4]byte(sealed[1:5]) != v.keyID {
		return nil, errors.New("the entry was sealed with another store key")
	}
	plain, err := v.aead.Open(sealed[head:head], sealed[5:head], sealed[head:], []byte(id))
	if err != nil {
		return nil, errors.New("the entry is damaged")
	}
	return plain, nil
}

// key makes the key by which duplicates are known.
func (v *Vault) key(parts ...string) store.Key {
	h := hmac.New(sha256.New, v.mac)
	var n [4]byte
	for _, p := range parts {
		n[0], n[1], n[2], n[3] = byte(len(p)>>24), byte(len(p)>>16), byte(len(p)>>8), byte(len(p))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return store.Key(h.Sum(nil)[:16])
}
