package seal

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"   // for crypto.SHA1
	_ "crypto/sha256" // for crypto.SHA256
	"crypto/subtle"
)

// padding of a session key under RSA.
type padding struct {
	name     string
	overhead int // bytes of the modulus that the message cannot use
	wrap     func(public *rsa.PublicKey, text []byte) ([]byte, error)
	// unwrap sets text, whose length is the one expected, and leaves it alone
	// if box does not hold just that.
	unwrap func(private *rsa.PrivateKey, box, text []byte)
}

func paddings() []padding {
	return []padding{
		{"pkcs1v15", 11, wrapPKCS1v15, unwrapPKCS1v15},
		oaep("oaep-sha1", crypto.SHA1, crypto.SHA1),
		oaep("oaep-sha256", crypto.SHA256, crypto.SHA256),
		oaep("oaep-sha256-mgf1-sha1", crypto.SHA256, crypto.SHA1),
	}
}

// wrapPKCS1v15 is deprecated in the library because PKCS#1 v1.5 is weaker than
// OAEP. The platform chose it; what it protects against, an oracle that tells a
// bad padding from a good one, is at the opening side.
func wrapPKCS1v15(public *rsa.PublicKey, text []byte) ([]byte, error) {
	return rsa.EncryptPKCS1v15(rand.Reader, public, text) //nolint:staticcheck // SA1019, see above
}

// unwrapPKCS1v15 takes constant time and says nothing about the padding.
func unwrapPKCS1v15(private *rsa.PrivateKey, box, text []byte) {
	// The error is about the length of box, which the caller has checked.
	_ = rsa.DecryptPKCS1v15SessionKey(nil, private, box, text) //nolint:staticcheck // SA1019, see above
}

func oaep(name string, hash, mgf crypto.Hash) padding {
	options := &rsa.OAEPOptions{Hash: hash, MGFHash: mgf}
	return padding{
		name:     name,
		overhead: 2*hash.Size() + 2,
		wrap: func(public *rsa.PublicKey, text []byte) ([]byte, error) {
			return rsa.EncryptOAEPWithOptions(rand.Reader, public, text, options)
		},
		unwrap: func(private *rsa.PrivateKey, box, text []byte) {
			b, err := private.Decrypt(nil, box, options)
			if err == nil && subtle.ConstantTimeEq(int32(len(b)), int32(len(text))) == 1 {
				copy(text, b)
			}
		},
	}
}
