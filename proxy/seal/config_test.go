package seal_test

import (
	"strings"
	"testing"

	"yiqiao/proxy/seal"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		cfg  seal.Config
		want string // the whole error; empty: none
	}{
		{seal.Config{}, ""},
		{seal.Config{Mode: "gcm", Reuse: 100}, ""},
		{seal.Config{Mode: "cbc", IV: "zero", Reuse: 100}, ""},
		{seal.Config{Mode: "gcm", IV: "zero", Reuse: 1}, ""},
		{seal.Config{Suite: "sm2"}, `suite: want rsa-aes or plain, got "sm2"`},
		{seal.Config{Mode: "ctr"}, `mode: want ecb, cbc or gcm, got "ctr"`},
		{seal.Config{Bits: 512}, `bits: want 128, 192 or 256, got 512`},
		{seal.Config{Key: "raw"}, `key: want chars, hex or base64, got "raw"`},
		{seal.Config{RSA: "oaep"}, `rsa: want pkcs1v15, oaep-sha1, oaep-sha256 or oaep-sha256-mgf1-sha1, got "oaep"`},
		{seal.Config{Output: "url"}, `output: want base64 or hex, got "url"`},
		{seal.Config{Suite: "plain", Output: "url"}, `output: want base64 or hex, got "url"`},
		{seal.Config{Suite: "plain", DataName: `a"b`}, `names: want letters, digits and _, got "a\"b"`},
		{seal.Config{KeyName: "requestData"}, `names: want two, got "requestData" twice`},
		{seal.Config{IV: "zero"}, `iv: mode ecb has none, want it left out, got "zero"`},
		{seal.Config{Mode: "cbc", IV: "fixed"}, `iv: want prefix, zero or key, got "fixed"`},
		{seal.Config{Reuse: -1}, `reuse: want 0 to 1048576 records, got -1`},
		{seal.Config{Reuse: 1<<20 + 1}, `reuse: want 0 to 1048576 records, got 1048577`},
		{seal.Config{Mode: "gcm", IV: "key", Reuse: 2}, `reuse: want 0 or iv: prefix, got 2 with iv: key: ` +
			`gcm with one key and one IV for two records gives both away`},
		{seal.Config{Bits: 64, Key: "x"}, "bits: want 128, 192 or 256, got 64\nkey: want chars, hex or base64, got \"x\""},
	}
	for _, test := range tests {
		got := ""
		if _, err := seal.New(test.cfg, rsa1024().public); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("New(%+v)\n got %s\nwant %s", test.cfg, got, test.want)
		}
		_, err := seal.NewOpener(test.cfg, rsa1024().private)
		if (err == nil) != (test.want == "") {
			t.Errorf("NewOpener(%+v) = %v, want %q", test.cfg, err, test.want)
		}
	}
}

func TestConfigString(t *testing.T) {
	for want, cfg := range map[string]seal.Config{
		"rsa-aes ecb-128 chars pkcs1v15 base64":               {},
		"rsa-aes gcm-256 hex oaep-sha1 hex iv=prefix reuse=9": {Mode: "gcm", Bits: 256, Key: "hex", RSA: "oaep-sha1", Output: "hex", Reuse: 9},
		"plain base64": {Suite: "plain"},
		"rsa-aes ecb-128 chars pkcs1v15 base64 aesCiphertext+msg": {KeyName: "aesCiphertext", DataName: "msg"},
		"plain hex encryptedKey+requestData":                      {Suite: "plain", Output: "hex", KeyName: "encryptedKey"},
	} {
		if got := cfg.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}

// TestRoom: OAEP with SHA-256 under RSA-1024 has room for 62 bytes.
func TestRoom(t *testing.T) {
	cfg := seal.Config{RSA: "oaep-sha256", Bits: 256, Key: "hex"}
	_, err := seal.New(cfg, rsa1024().public)
	if err == nil || !strings.HasPrefix(err.Error(), "rsa: oaep-sha256 under this RSA-1024 public key has room for 62 bytes") {
		t.Errorf("New = %v", err)
	}
	cfg.Key = "base64" // 44 bytes
	newSealer(t, cfg, rsa1024())
}
