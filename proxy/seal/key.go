package seal

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"

	"yiqiao/transform/message"
)

// minBits is the smallest RSA key that is taken, and that crypto/rsa works with.
const minBits = 1024

// maxBits bounds the work that a key given by mistake or in malice can cause.
const maxBits = 16384

// What the platform's administrator may have handed over. No error ever quotes
// a key: it may be the private one.
var (
	errNoKey         = message.New("key-empty")
	errIsPrivate     = message.New("key-private")
	errIsCertificate = message.New("key-certificate")
	errIsRequest     = message.New("key-request")
	errIsPublic      = message.New("key-public")
	errIsEncrypted   = message.New("key-encrypted")
)

// parsePublicKey takes an RSA public key, or says what it was given instead.
func parsePublicKey(text []byte) (*rsa.PublicKey, error) {
	label, der, err := unarmor(text)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasSuffix(label, "PRIVATE KEY"):
		return nil, errIsPrivate
	case strings.HasSuffix(label, "CERTIFICATE REQUEST"):
		return nil, errIsRequest
	case strings.HasSuffix(label, "CERTIFICATE"):
		return nil, errIsCertificate
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err == nil {
		public, ok := key.(*rsa.PublicKey)
		if !ok {
			return nil, message.New("key-algorithm", algorithm(key))
		}
		return public, checkBits(public)
	}
	if public, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return public, checkBits(public)
	}
	switch {
	case anyPrivate(der):
		return nil, errIsPrivate
	case isA(x509.ParseCertificate(der)):
		return nil, errIsCertificate
	case isA(x509.ParseCertificateRequest(der)):
		return nil, errIsRequest
	}
	return nil, message.New("key-other", len(der), err)
}

// parsePrivateKey takes an RSA private key, or says what it was given instead.
func parsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	label, der, err := unarmor(text)
	if err != nil {
		return nil, err
	}
	if label == "ENCRYPTED PRIVATE KEY" {
		return nil, errIsEncrypted
	}
	if private, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return private, checkBits(&private.PublicKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		private, ok := key.(*rsa.PrivateKey)
		if !ok {
			return nil, message.New("key-algorithm", algorithm(key))
		}
		return private, checkBits(&private.PublicKey)
	}
	if isA(x509.ParsePKIXPublicKey(der)) || isA(x509.ParsePKCS1PublicKey(der)) {
		return nil, errIsPublic
	}
	return nil, fmt.Errorf("want PKCS#8 or PKCS#1 for RSA, as PEM or Base64: %w", err)
}

// PublicKey is the public half of a private key, in the form that New takes and
// that platforms hand out: Base64 of the X.509 SubjectPublicKeyInfo, one line.
func PublicKey(privateKey []byte) (string, error) {
	private, err := parsePrivateKey(privateKey)
	if err != nil {
		return "", fmt.Errorf("private key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(der), nil
}

func checkBits(public *rsa.PublicKey) error {
	if n := public.N.BitLen(); n < minBits || n > maxBits {
		return message.New("key-bits", n, minBits, maxBits)
	}
	return nil
}

// unarmor decodes PEM, whose label it returns, or bare Base64. It is lenient
// about white space, because keys come through chat windows, YAML and
// environment variables: a PEM on one line and a literal \n are both read.
func unarmor(text []byte) (label string, der []byte, err error) {
	s := strings.TrimPrefix(string(text), "\ufeff")
	if _, rest, ok := strings.Cut(s, "-----BEGIN "); ok {
		var body string
		var ok1, ok2 bool
		label, body, ok1 = strings.Cut(rest, "-----")
		s, _, ok2 = strings.Cut(body, "-----END "+label+"-----")
		if !ok1 || !ok2 {
			return "", nil, message.New("key-cut-off")
		}
		if strings.Contains(s, "ENCRYPTED") {
			return "", nil, errIsEncrypted
		}
	}
	s = strings.NewReplacer(`\r`, "", `\n`, "").Replace(s)
	s = strings.Join(strings.Fields(s), "")
	if s == "" {
		return "", nil, errNoKey
	}
	der, err = base64.StdEncoding.DecodeString(s)
	if err != nil {
		der, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	}
	if err != nil {
		return "", nil, message.New("key-text", err)
	}
	return label, der, nil
}

func anyPrivate(der []byte) bool {
	return isA(x509.ParsePKCS8PrivateKey(der)) || isA(x509.ParsePKCS1PrivateKey(der)) ||
		isA(x509.ParseECPrivateKey(der))
}

func isA[T any](_ T, err error) bool { return err == nil }

func algorithm(key any) string {
	switch key.(type) {
	case *ecdsa.PublicKey, *ecdsa.PrivateKey:
		return "ECDSA"
	case ed25519.PublicKey, ed25519.PrivateKey:
		return "Ed25519"
	case *ecdh.PublicKey, *ecdh.PrivateKey:
		return "X25519"
	case *rsa.PublicKey, *rsa.PrivateKey:
		return "RSA"
	}
	return fmt.Sprintf("%T", key)
}
