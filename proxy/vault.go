package proxy

import (
	"cmp"
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

	"yiqiao/transform/message"
)

// Vault seals what the store holds, so that nobody reads a face on a disk or
// in a Redis: AES-256-GCM, and a keyed hash for the keys of deduplication.
//
//	sealed = version u8 | key id [4] | nonce [12] | ciphertext and tag
//
// Each entry has a key of its own, derived from the store key and the entry's
// id, which is unique: no two entries ever share a key and a nonce. The head
// and the id are authenticated, so a body cannot be moved to another entry.
//
// A vault has one key that seals and may have older ones that only open: see
// Rekey.
type Vault struct {
	keys []vaultKey // the first one seals
	mac  []byte
}

type vaultKey struct {
	id     [4]byte
	secret []byte // entries' keys are derived from it
}

const (
	vaultVersion = 2
	vaultHead    = 1 + 4 + 12
	// overhead is how many bytes sealing adds.
	overhead = vaultHead + 16
)

// NewVault makes a vault of 32-byte keys, the newest first. The hash of the
// dedup keys is that of the oldest: a new key does not make resends unknown.
func NewVault(keys ...[]byte) (*Vault, error) {
	if len(keys) == 0 {
		return nil, message.New("store-key-none")
	}
	v := new(Vault)
	for _, key := range keys {
		if len(key) != 32 {
			return nil, message.New("store-key-length", len(key))
		}
		v.keys = append(v.keys, vaultKey{[4]byte(derive(key, "id")), derive(key, "entries")})
	}
	v.mac = derive(keys[len(keys)-1], "keys")
	return v, nil
}

// aead is the cipher of one entry.
func (k *vaultKey) aead(id string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(derive(k.secret, id))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
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
		return nil, message.New("store-key", err)
	}
	v, err := vaultOf(b)
	if err != nil {
		return nil, message.New("store-key", err)
	}
	return v, nil
}

// KeyFile is the file that holds a site's store key; an error if the site
// gives the key in another way.
func KeyFile(dir string, cfg StoreConfig) (string, error) {
	if cfg.Key == "" {
		return filepath.Join(inside(dir, cmp.Or(cfg.Disk, "data")), "store.key"), nil
	}
	name, ok := strings.CutPrefix(cfg.Key, "file:")
	if !ok {
		return "", errors.New("store.key is no file: put the new key there by hand, in a line above the old one")
	}
	return inside(dir, name), nil
}

// vaultOf makes a vault of the text of a key file.
func vaultOf(text []byte) (*Vault, error) {
	keys, err := parseKeys(text)
	if err != nil {
		return nil, err
	}
	return NewVault(keys...)
}

// parseKeys reads keys, one a line; lines that begin with # are comments.
func parseKeys(b []byte) ([][]byte, error) {
	var keys [][]byte
	for n, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := hex.DecodeString(line)
		if err != nil {
			return nil, message.New("store-key-text", len(line), n+1) // never the key itself
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Rekey puts a fresh key in front of a key file: from the next start on new
// entries are sealed with it, and the older keys only open what they sealed.
// An old key may be taken out when nothing that it sealed is left.
func Rekey(name string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if _, err := parseKeys(old); err != nil {
		return err
	}
	key := make([]byte, 32)
	rand.Read(key)
	return writeKeyFile(name, append([]byte(hex.EncodeToString(key)+"\n"), old...))
}

// newKeyFile writes a fresh key so that a crash leaves either all of it or
// nothing: entries sealed with a lost key are lost.
func newKeyFile(name string) ([]byte, error) {
	key := make([]byte, 32)
	rand.Read(key)
	text := []byte(hex.EncodeToString(key) + "\n")
	return text, writeKeyFile(name, text)
}

func writeKeyFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err == nil {
		err = syncDir(filepath.Dir(name))
	}
	return err
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
	dst = append(dst, v.keys[0].id[:]...)
	var nonce [12]byte
	rand.Read(nonce[:])
	return append(dst, nonce[:]...)
}

func (v *Vault) end(buf []byte, id string) ([]byte, error) {
	aead, err := v.keys[0].aead(id)
	if err != nil {
		return nil, err
	}
	buf = slices.Grow(buf, aead.Overhead())
	out := aead.Seal(buf[vaultHead:vaultHead], buf[5:vaultHead], buf[vaultHead:], additional(buf, id))
	return buf[:vaultHead+len(out)], nil
}

// additional is what is authenticated but not secret.
func additional(buf []byte, id string) []byte {
	return append(append(make([]byte, 0, 5+len(id)), buf[:5]...), id...)
}

// open decrypts in place.
func (v *Vault) open(sealed []byte, id string) ([]byte, error) {
	if len(sealed) < overhead || sealed[0] != vaultVersion {
		return nil, errors.New("the entry is no sealed entry of this version")
	}
	i := slices.IndexFunc(v.keys, func(k vaultKey) bool { return k.id == [4]byte(sealed[1:5]) })
	if i < 0 {
		return nil, fmt.Errorf("the entry was sealed with another store key (%x), which store.key does not hold", sealed[1:5])
	}
	aead, err := v.keys[i].aead(id)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(sealed[vaultHead:vaultHead], sealed[5:vaultHead], sealed[vaultHead:], additional(sealed, id))
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
