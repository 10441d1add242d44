package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"

	"yiqiao/transform/message"
)

func newRSASealer(cfg Config, publicKey []byte) (*Sealer, error) {
	public, err := parsePublicKey(publicKey)
	if err != nil {
		return nil, message.New("public-key", err)
	}
	form := named(keyForms(), cfg.Key, func(f keyForm) string { return f.name })
	pad := named(paddings(), cfg.RSA, func(p padding) string { return p.name })
	n := cfg.Bits / 8
	if err := fits(public, pad, form, n); err != nil {
		return nil, err
	}
	s := &Sealer{
		mode:    named(modes(), cfg.Mode, func(m mode) string { return m.name }),
		wrapped: public.Size(),
	}
	s.fresh = func() (*session, error) {
		k := new(session)
		k.key = k.space[:n]
		if err := form.draw(s.random, k.key); err != nil {
			return nil, fmt.Errorf("session key: %w", err)
		}
		var err error
		if k.wrapped, err = pad.wrap(public, form.append(k.space[n:n], k.key)); err != nil {
			return nil, fmt.Errorf("session key under the public key: %w", err)
		}
		return k, k.ready(s.mode)
	}
	return s, nil
}

// ready expands the key.
func (k *session) ready(m mode) (err error) {
	if k.block, err = aes.NewCipher(k.key); err != nil {
		return err
	}
	if m.name == "gcm" {
		k.aead, err = cipher.NewGCM(k.block)
	}
	return err
}

// fits refuses a public key that is too small for the text of the session key
// under this padding, which only OAEP with long keys can reach.
func fits(public *rsa.PublicKey, pad padding, form keyForm, key int) error {
	if room := public.Size() - pad.overhead; form.size(key) > room {
		return message.New("key-room",
			pad.name, public.N.BitLen(), room, key*8, form.name, form.size(key))
	}
	return nil
}

func newRSAOpener(cfg Config, privateKey []byte) (*Opener, error) {
	private, err := parsePrivateKey(privateKey)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	form := named(keyForms(), cfg.Key, func(f keyForm) string { return f.name })
	pad := named(paddings(), cfg.RSA, func(p padding) string { return p.name })
	m := named(modes(), cfg.Mode, func(m mode) string { return m.name })
	if err := fits(&private.PublicKey, pad, form, cfg.Bits/8); err != nil {
		return nil, err
	}
	unseal := func(encrypted, data []byte) ([]byte, error) {
		if len(encrypted) != private.Size() {
			return nil, wrongLength(encrypted, private)
		}
		key, err := unwrap(pad, form, private, encrypted, cfg.Bits/8)
		if err != nil {
			return nil, err
		}
		iv, box, ok := splitIV(cfg.IV, m.iv, key, data)
		if !ok {
			return nil, ErrOpen
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		doc, ok := m.open(block, iv, box)
		if !ok {
			return nil, ErrOpen
		}
		return doc, nil
	}
	return &Opener{unseal: unseal}, nil
}

// wrongLength speaks of lengths only, which are public.
func wrongLength(encrypted []byte, private *rsa.PrivateKey) error {
	if len(encrypted) == 0 {
		return errNotSealed
	}
	return fmt.Errorf("encrypted: want the %d bytes of an RSA-%d key, got %d: sealed for another key",
		private.Size(), private.N.BitLen(), len(encrypted))
}

// unwrap finds the session key. When "encrypted" does not hold one, a random
// key is returned in its place: the document then cannot be opened, and neither
// the answer nor its time tells an attacker which of the two was wrong
// (Bleichenbacher's attack on PKCS#1 v1.5).
func unwrap(p padding, f keyForm, private *rsa.PrivateKey, encrypted []byte, n int) ([]byte, error) {
	key, text := make([]byte, n), make([]byte, f.size(n))
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	if err := f.draw(rand.Reader, text); err != nil {
		return nil, err
	}
	p.unwrap(private, encrypted, text)
	f.parse(key, text)
	return key, nil
}

// splitIV finds the IV of size n for the ciphertext in data.
func splitIV(from string, n int, key, data []byte) (iv, box []byte, ok bool) {
	switch {
	case n == 0:
		return nil, data, true
	case from == "zero":
		return make([]byte, n), data, true
	case from == "key":
		return key[:n], data, true
	case len(data) < n:
		return nil, nil, false
	}
	return data[:n], data[n:], true
}

// keyForm is how a session key of n bytes stands inside "encrypted".
type keyForm struct {
	name string
	size func(n int) int // characters for n bytes
	// draw fills key with random bytes that this form can express.
	draw func(random io.Reader, key []byte) error
	// append writes the text form of key behind dst.
	append func(dst, key []byte) []byte
	// parse sets key from its text form, and leaves it alone if it is not one.
	parse func(key, text []byte)
}

func keyForms() []keyForm {
	b64, hexa := encodings()[0], encodings()[1]
	return []keyForm{
		{
			"chars", func(n int) int { return n }, drawChars,
			func(dst, key []byte) []byte { return append(dst, key...) },
			func(key, text []byte) { copy(key, text) },
		},
		{"hex", hexa.size, drawBytes, hexa.append, parseWith(hexa)},
		{"base64", b64.size, drawBytes, b64.append, parseWith(b64)},
	}
}

func parseWith(e encoding) func(key, text []byte) {
	return func(key, text []byte) {
		if b, err := e.decode(string(text)); err == nil && len(b) == len(key) {
			copy(key, b)
		}
	}
}

func drawBytes(random io.Reader, key []byte) error {
	_, err := io.ReadFull(random, key)
	return err
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// drawChars draws letters and digits. A byte beyond the last whole multiple of
// 62 is drawn again, so that no character is likelier than another.
func drawChars(random io.Reader, key []byte) error {
	const limit = byte(256 - 256%len(alphabet))
	if err := drawBytes(random, key); err != nil {
		return err
	}
	for i := range key {
		for key[i] >= limit {
			if err := drawBytes(random, key[i:i+1]); err != nil {
				return err
			}
		}
		key[i] = alphabet[int(key[i])%len(alphabet)]
	}
	return nil
}
