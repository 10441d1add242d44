package seal

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ErrOpen is every failure that depends on a secret: it says no more, because
// an answer that told a wrong key from a wrong padding would let an attacker
// decrypt by asking.
var ErrOpen = errors.New("the envelope cannot be opened: sealed for another key or with another cipher setting")

var (
	errNotSealed = errors.New("encrypted: is empty: the envelope was sealed with suite plain")
	errSealed    = errors.New("encrypted: is not empty: the envelope was not sealed with suite plain")
)

// Opener opens envelopes. It is safe for many goroutines.
type Opener struct {
	out    encoding
	names  [2]string // of the members
	unseal func(encrypted, data []byte) ([]byte, error)
}

// NewOpener makes an Opener. privateKey is PKCS#8 or PKCS#1, as PEM or as Base64
// of the DER form.
func NewOpener(cfg Config, privateKey []byte) (*Opener, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	row := named(suites(), cfg.Suite, func(s suite) string { return s.name })
	o, err := row.opener(cfg, privateKey)
	if err != nil {
		return nil, err
	}
	o.out = named(encodings(), cfg.Output, func(e encoding) string { return e.name })
	o.names = [2]string{cfg.KeyName, cfg.DataName}
	return o, nil
}

// Open returns the document of an envelope. It uses a few times the memory of
// the envelope, whose size is the caller's to limit. Whether the document is
// JSON is for the caller to look at: in ecb and cbc, which prove nothing, about
// one envelope in 250 that was sealed for another key opens to noise.
func (o *Opener) Open(envelope []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(envelope, &members); err != nil {
		return nil, fmt.Errorf("envelope: want a JSON object: %w", err)
	}
	encrypted, err := o.member(members, o.names[0])
	if err != nil {
		return nil, err
	}
	data, err := o.member(members, o.names[1])
	if err != nil {
		return nil, err
	}
	if len(members) != 2 {
		return nil, fmt.Errorf("envelope: want %s and %s alone, got %d members", o.names[0], o.names[1], len(members))
	}
	return o.unseal(encrypted, data)
}

func (o *Opener) member(members map[string]json.RawMessage, name string) ([]byte, error) {
	raw, ok := members[name]
	if !ok {
		return nil, fmt.Errorf("%s: is missing", name)
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return nil, fmt.Errorf("%s: want a string", name)
	}
	b, err := o.out.decode(*text)
	if err != nil {
		return nil, fmt.Errorf("%s: want %s: %w", name, o.out.name, err)
	}
	return b, nil
}
