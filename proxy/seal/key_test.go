package seal_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/seal"
)

// material is what an administrator may hand over, each in DER.
type material struct{ spki, pkcs1, pkcs8, pkcs1Private, certificate, request, ecPublic, ecPrivate, small []byte }

func newMaterial(t *testing.T) material {
	t.Helper()
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	subject := pkix.Name{CommonName: "platform.test"}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, NotAfter: time.Unix(4e9, 0)}
	return material{
		spki:         must(x509.MarshalPKIXPublicKey(&key.PublicKey)),
		pkcs1:        x509.MarshalPKCS1PublicKey(&key.PublicKey),
		pkcs8:        must(x509.MarshalPKCS8PrivateKey(key)),
		pkcs1Private: x509.MarshalPKCS1PrivateKey(key),
		certificate:  must(x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)),
		request:      must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)),
		ecPublic:     must(x509.MarshalPKIXPublicKey(&ec.PublicKey)),
		ecPrivate:    must(x509.MarshalPKCS8PrivateKey(ec)),
		small:        must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1022), E: 65537})),
	}
}

func b64(der []byte) string { return base64.StdEncoding.EncodeToString(der) }

func armor(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func wrap(s string) string {
	var lines []string
	for len(s) > 64 {
		lines, s = append(lines, s[:64]), s[64:]
	}
	return strings.Join(append(lines, s), "\r\n")
}

const (
	wantPublic      = "want the public key"
	certificateText = "public key: is a certificate: " + wantPublic
	privateText     = "public key: is a private key, which must not leave the platform: " + wantPublic
)

func TestPublicKeys(t *testing.T) {
	m := newMaterial(t)
	tests := []struct {
		name, key, want string // want: how the error begins; empty: none
	}{
		{"base64", b64(m.spki), ""},
		{"base64 in lines", wrap(b64(m.spki)), ""},
		{"base64 without its padding", strings.TrimRight(b64(m.spki), "="), ""},
		{"space around", "\ufeff \t" + b64(m.spki) + "\n\n", ""},
		{"PEM", armor("PUBLIC KEY", m.spki), ""},
		{"PEM on one line", strings.ReplaceAll(armor("PUBLIC KEY", m.spki), "\n", " "), ""},
		{"PEM with literal line breaks", strings.ReplaceAll(armor("PUBLIC KEY", m.spki), "\n", `\n`), ""},
		{"PEM behind a remark", "the key:\n" + armor("PUBLIC KEY", m.spki), ""},
		{"PKCS#1 PEM", armor("RSA PUBLIC KEY", m.pkcs1), ""},
		{"PKCS#1 base64", b64(m.pkcs1), ""},
		{"nothing", " \n", "public key: is empty: want Base64 of an X.509 SubjectPublicKeyInfo"},
		{"half a PEM", armor("PUBLIC KEY", m.spki)[:100], "public key: is a cut off PEM"},
		{"half a base64", b64(m.spki)[:100], "public key: is Base64, but of something else or cut off (75 bytes)"},
		{"a path", "platform.pub", "public key: is neither PEM nor Base64"},
		{"a certificate", armor("CERTIFICATE", m.certificate), certificateText},
		{"a bare certificate", b64(m.certificate), certificateText},
		{"a request", armor("CERTIFICATE REQUEST", m.request), "public key: is a certificate request: " + wantPublic},
		{"a bare request", b64(m.request), "public key: is a certificate request: " + wantPublic},
		{"PKCS#8 private", armor("PRIVATE KEY", m.pkcs8), privateText},
		{"PKCS#1 private", armor("RSA PRIVATE KEY", m.pkcs1Private), privateText},
		{"encrypted private", armor("ENCRYPTED PRIVATE KEY", []byte("box")), privateText},
		{"bare PKCS#8 private", b64(m.pkcs8), privateText},
		{"bare PKCS#1 private", b64(m.pkcs1Private), privateText},
		{"bare EC private", b64(m.ecPrivate), privateText},
		{"EC", b64(m.ecPublic), "public key: is for ECDSA: want RSA"},
		{"too small", b64(m.small), "public key: has 1023 bits: want RSA with 1024 to 16384"},
	}
	for _, test := range tests {
		_, err := seal.New(seal.Config{}, []byte(test.key))
		check(t, test.name, err, test.want)
		if err != nil && strings.Contains(err.Error(), b64(m.pkcs8)[40:60]) {
			t.Errorf("%s: the error quotes the key: %v", test.name, err)
		}
	}
}

func TestPrivateKeys(t *testing.T) {
	m := newMaterial(t)
	legacy := "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
	tests := []struct{ name, key, want string }{
		{"PKCS#8", armor("PRIVATE KEY", m.pkcs8), ""},
		{"PKCS#1", armor("RSA PRIVATE KEY", m.pkcs1Private), ""},
		{"bare PKCS#8", wrap(b64(m.pkcs8)), ""},
		{"bare PKCS#1", b64(m.pkcs1Private), ""},
		{"encrypted", armor("ENCRYPTED PRIVATE KEY", []byte("box")), "private key: is encrypted with a passphrase"},
		{"encrypted, old form", legacy, "private key: is encrypted with a passphrase"},
		{"public", b64(m.spki), "private key: is a public key"},
		{"EC", b64(m.ecPrivate), "private key: is for ECDSA: want RSA"},
		{"something", b64([]byte("something")), "private key: want PKCS#8 or PKCS#1 for RSA"},
	}
	for _, test := range tests {
		_, err := seal.NewOpener(seal.Config{}, []byte(test.key))
		check(t, test.name, err, test.want)
		public, err := seal.PublicKey([]byte(test.key))
		check(t, test.name, err, test.want)
		if err == nil && public != b64(m.spki) {
			t.Errorf("%s: PublicKey = %s, want %s", test.name, public, b64(m.spki))
		}
	}
}

func check(t *testing.T, name string, err error, want string) {
	t.Helper()
	if want == "" && err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
		t.Errorf("%s: got %v, want %s…", name, err, want)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add(rsa1024().public)
	f.Add(rsa1024().private)
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"))
	f.Add([]byte("-----BEGIN -----BEGIN "))
	f.Fuzz(func(t *testing.T, key []byte) {
		if s, err := seal.New(seal.Config{}, key); err == nil {
			// An error is fine: crypto/rsa knows more kinds of bad keys.
			s.Seal(nil, 2, one([]byte("{}")))
		}
		seal.NewOpener(seal.Config{}, key)
	})
}
