package seal

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"yiqiao/transform/message"
)

// Config names the cipher and its parameters. The standard (规范) states none of
// them, so each is a setting. The zero value is what the platforms known so far
// use: rsa-aes, ecb, 128 bits, chars, pkcs1v15, base64, a fresh key per record.
type Config struct {
	// Suite is "rsa-aes" (default) or "plain". Plain hides nothing: the caller
	// allows it only towards a platform on loopback.
	Suite string
	// Mode of the block cipher: "ecb" (default), "cbc" or "gcm".
	Mode string
	// Bits of the session key: 128 (default), 192 or 256.
	Bits int
	// Key says how the session key stands inside "encrypted": "chars" (default),
	// random letters and digits whose bytes are the key itself; "hex" or
	// "base64", the text form of random bytes.
	Key string
	// IV of cbc and gcm: "prefix" (default), random and in front of the
	// ciphertext; "zero"; "key", the first bytes of the session key. ecb has none.
	IV string
	// RSA padding: "pkcs1v15" (default), "oaep-sha1", "oaep-sha256" or
	// "oaep-sha256-mgf1-sha1", which is what a Java platform means by
	// OAEPWithSHA-256AndMGF1Padding unless it gives parameters.
	RSA string
	// Output is the text form of both members: "base64" (default) or "hex".
	Output string
	// KeyName and DataName are the members of the envelope: "encrypted" and
	// "requestData" (规范 1.3); other platforms of the same family say
	// "encryptedKey", or "aesCiphertext" and "msg".
	KeyName, DataName string
	// Reuse is the number of records sealed under one session key; 0 and 1 make
	// a fresh key for each. At most MaxReuse.
	Reuse int
}

// The members of the standard's envelope.
const (
	keyName  = "encrypted"
	dataName = "requestData"
)

var memberName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// MaxReuse bounds Config.Reuse. It keeps the chance that two random GCM nonces
// of one key meet below 2^-56.
const MaxReuse = 1 << 20

// withDefaults fills the empty fields.
func (c Config) withDefaults() Config {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&c.Suite, "rsa-aes")
	set(&c.Mode, "ecb")
	set(&c.Key, "chars")
	set(&c.RSA, "pkcs1v15")
	set(&c.Output, "base64")
	set(&c.KeyName, keyName)
	set(&c.DataName, dataName)
	if c.Mode != "ecb" {
		set(&c.IV, "prefix")
	}
	if c.Bits == 0 {
		c.Bits = 128
	}
	return c
}

// Choices are the words that each key of a person's configuration may be.
func Choices() map[string][]string {
	return map[string][]string{
		"suite":  names(suites(), func(s suite) string { return s.name }),
		"mode":   names(modes(), func(m mode) string { return m.name }),
		"key":    names(keyForms(), func(f keyForm) string { return f.name }),
		"iv":     ivs,
		"rsa":    names(paddings(), func(p padding) string { return p.name }),
		"output": names(encodings(), func(e encoding) string { return e.name }),
	}
}

var ivs = []string{"prefix", "zero", "key"}

// Validate reports every value that is not one of those wanted, one error a
// line, each beginning with the name of the key. The suite "plain" looks at
// Output and the names only.
func (c Config) Validate() error {
	c = c.withDefaults()
	var problems []error
	one := func(key, got string, wanted []string) {
		if !slices.Contains(wanted, got) {
			problems = append(problems, message.New("cipher-choice", key, message.Choice(wanted), got))
		}
	}
	choices := Choices()
	one("suite", c.Suite, choices["suite"])
	one("output", c.Output, choices["output"])
	for _, name := range []string{c.KeyName, c.DataName} {
		if !memberName.MatchString(name) {
			problems = append(problems, message.New("cipher-name", name))
		}
	}
	if c.KeyName == c.DataName {
		problems = append(problems, message.New("cipher-names", c.KeyName))
	}
	if c.Suite == "plain" {
		return errors.Join(problems...)
	}
	one("mode", c.Mode, choices["mode"])
	if !slices.Contains([]int{128, 192, 256}, c.Bits) {
		problems = append(problems, message.New("cipher-bits", c.Bits))
	}
	one("key", c.Key, choices["key"])
	one("rsa", c.RSA, choices["rsa"])
	if c.Mode != "ecb" {
		one("iv", c.IV, choices["iv"])
	} else if c.IV != "" {
		problems = append(problems, message.New("cipher-iv", c.IV))
	}
	return errors.Join(append(problems, c.validateReuse())...)
}

func (c Config) validateReuse() error {
	if c.Reuse < 0 || c.Reuse > MaxReuse {
		return message.New("cipher-reuse", MaxReuse, c.Reuse)
	}
	if c.Reuse > 1 && c.Mode == "gcm" && c.IV != "prefix" {
		return message.New("cipher-reuse-gcm", c.Reuse, c.IV)
	}
	return nil
}

// String is the configuration in one line, as logs and health pages show it:
// "rsa-aes ecb-128 chars pkcs1v15 base64".
func (c Config) String() string {
	c = c.withDefaults()
	parts := []string{c.Suite, c.Mode + "-" + strconv.Itoa(c.Bits), c.Key, c.RSA, c.Output}
	if c.Suite == "plain" {
		parts = []string{c.Suite, c.Output}
	}
	if c.KeyName != keyName || c.DataName != dataName {
		parts = append(parts, c.KeyName+"+"+c.DataName)
	}
	if c.Suite == "plain" {
		return strings.Join(parts, " ")
	}
	if c.IV != "" {
		parts = append(parts, "iv="+c.IV)
	}
	if c.Reuse > 1 {
		parts = append(parts, "reuse="+strconv.Itoa(c.Reuse))
	}
	return strings.Join(parts, " ")
}

func names[T any](rows []T, name func(T) string) []string {
	all := make([]string, len(rows))
	for i, row := range rows {
		all[i] = name(row)
	}
	return all
}

// named finds the row that Validate has already seen to be there.
func named[T any](rows []T, want string, name func(T) string) T {
	return rows[slices.IndexFunc(rows, func(row T) bool { return name(row) == want })]
}
