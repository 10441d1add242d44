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
	// Somebody else has made one meanwhile: theirs is the key.
	if errors.Is(err, os.ErrExist) {
		created = false
		private, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, "", false, err
	}
	public, err = seal.PublicKey(private)
	if err != nil {
		return nil, "", false, fmt.Errorf("private key %q: %w", name, err)
	}
	if _, err := os.Stat(name + ".pub"); created || errors.Is(err, os.ErrNotExist) {
		if err := place(name+".pub", []byte(public+"\n"), 0o644, os.Rename); err != nil {
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
	// Link, not rename: it never replaces a key.
	return data, place(name, data, 0o600, os.Link)
}

// place writes a file whole: whoever sees it sees all of it. move brings the
// finished file to its name.
func place(name string, data []byte, mode os.FileMode, move func(from, to string) error) error {
	temp, err := os.CreateTemp(filepath.Dir(name), ".key-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return move(temp.Name(), name)
}
