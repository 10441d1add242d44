package platformtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"yiqiao/proxy/seal"
)

// LoadOrCreateKey reads a private key, or makes one (RSA 2048, PKCS#8 PEM,
// readable by its owner only) when there is no such file. The public key, in
// Base64 X.509 as the platform's administrator hands it out, goes to
// name.pub, unless that is there.
func LoadOrCreateKey(name string) (private []byte, public string, created bool, err error) {
	private, err = os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		created = true
		private, err = createKey(name)
	}
	if err != nil {
		return nil, "", false, err
	}
	public, err = seal.PublicKey(private)
	if err != nil {
		return nil, "", false, fmt.Errorf("private key %q: %w", name, err)
	}
	if _, err := os.Stat(name + ".pub"); created || errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(name+".pub", []byte(public+"\n"), 0o644); err != nil {
			return nil, "", false, err
		}
	}
	return private, public, created, nil
}

func createKey(name string) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	temp, err := os.CreateTemp(filepath.Dir(name), ".key-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp.Name())
	if _, err := temp.Write(data); err != nil {
		temp.Close()
		return nil, err
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return nil, err
	}
	// Link, not rename: a key that somebody else has made meanwhile stays.
	if err := os.Link(temp.Name(), name); err != nil {
		return nil, err
	}
	return data, nil
}
