package seal_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"yiqiao/proxy/seal"
)

// program finds a command that these tests cannot do without.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: apt-get install %s (make test does)", name, pkg)
	}
	return path
}

// document is longer than a chunk, so that other implementations see its seams.
func document() []byte {
	return []byte(`{"xqmc":"测试小区","tp":"` + strings.Repeat("QUJDREVG", 1600) + `"}`)
}

func openssl(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program(t, "openssl", "openssl"), args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if exit, ok := err.(*exec.ExitError); ok {
			stderr = exit.Stderr
		}
		t.Fatalf("openssl %v: %v: %s", args, err, stderr)
	}
	return out
}

// TestOpenSSL: the openssl command opens what we seal.
func TestOpenSSL(t *testing.T) {
	pkeyutl := map[string][]string{
		"pkcs1v15":              {"-pkeyopt", "rsa_padding_mode:pkcs1"},
		"oaep-sha1":             {"-pkeyopt", "rsa_padding_mode:oaep"},
		"oaep-sha256":           {"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"},
		"oaep-sha256-mgf1-sha1": {"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha1"},
	}
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key.pem")
	write(t, keyFile, openssl(t, nil, "genrsa", "2048"))
	public := openssl(t, nil, "pkey", "-in", keyFile, "-pubout")

	ran := 0
	for _, cfg := range every() {
		// One process per step is slow: every axis, not every combination.
		if cfg.Suite == "plain" || cfg.Mode == "gcm" || cfg.Bits != 128 && cfg.RSA != "pkcs1v15" ||
			cfg.Output == "hex" && (cfg.Key != "hex" || cfg.RSA != "pkcs1v15") {
			continue
		}
		ran++
		s, err := seal.New(cfg, public)
		if err != nil {
			t.Fatal(err)
		}
		doc := document()
		envelope, err := s.Seal(nil, len(doc), one(doc))
		if err != nil {
			t.Fatal(err)
		}
		wrapped, data := members(t, cfg.Output, envelope)
		args := append([]string{"pkeyutl", "-decrypt", "-inkey", keyFile}, pkeyutl[cfg.RSA]...)
		key := decode(t, cfg.Key, string(openssl(t, wrapped, args...)))

		args = []string{"enc", "-d", "-aes-" + strconv.Itoa(cfg.Bits) + "-" + cfg.Mode, "-K", hex.EncodeToString(key)}
		switch cfg.IV {
		case "prefix":
			args, data = append(args, "-iv", hex.EncodeToString(data[:16])), data[16:]
		case "zero":
			args = append(args, "-iv", strings.Repeat("0", 32))
		case "key":
			args = append(args, "-iv", hex.EncodeToString(key[:16]))
		}
		if got := openssl(t, data, args...); !bytes.Equal(got, doc) {
			t.Errorf("%s: openssl opened %d bytes that are not the %d sealed", cfg, len(got), len(doc))
		}
	}
	if ran < 40 {
		t.Errorf("only %d combinations ran", ran)
	}
}

// TestJava: javax.crypto opens what we seal and we open what it seals, in every
// combination.
func TestJava(t *testing.T) {
	var configs []seal.Config
	for _, cfg := range every() {
		if cfg.Suite != "plain" {
			configs = append(configs, cfg)
		}
	}
	doc := document()
	var tasks bytes.Buffer
	task := func(verb string, cfg seal.Config, key, data []byte) {
		iv := cfg.IV
		if iv == "" {
			iv = "-"
		}
		fmt.Fprintln(&tasks, verb, cfg.Mode, cfg.Bits, cfg.Key, iv, cfg.RSA, cfg.Output, string(key), string(data))
	}
	for _, cfg := range configs {
		envelope, err := newSealer(t, cfg, rsa2048()).Seal(nil, len(doc), one(doc))
		if err != nil {
			t.Fatal(err)
		}
		task("open", cfg, rsa2048().private, envelope)
		task("seal", cfg, rsa2048().public, base64.StdEncoding.AppendEncode(nil, doc))
	}
	answers := java(t, &tasks)
	if len(answers) != 2*len(configs) {
		t.Fatalf("%d answers to %d tasks", len(answers), 2*len(configs))
	}
	for i, cfg := range configs {
		opened, sealed := answers[2*i], answers[2*i+1]
		if opened != base64.StdEncoding.EncodeToString(doc) {
			t.Errorf("%s: Java opened %.80q", cfg, opened)
		}
		got, err := newOpener(t, cfg, rsa2048()).Open([]byte(sealed))
		if err != nil || !bytes.Equal(got, doc) {
			t.Errorf("%s: we opened %d bytes, %v, of %.80q", cfg, len(got), err, sealed)
		}
	}
}

// java runs testdata/Open.java on the tasks and returns its lines.
func java(t *testing.T, tasks *bytes.Buffer) []string {
	t.Helper()
	program(t, "javac", "default-jdk-headless") // what a JRE alone lacks
	cmd := exec.Command(program(t, "java", "default-jdk-headless"), filepath.Join("testdata", "Open.java"))
	cmd.Stdin = tasks
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("java: %v: %s", err, &stderr)
	}
	var lines []string
	scanner := bufio.NewScanner(bytes.NewReader(out))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func members(t *testing.T, output string, envelope []byte) (wrapped, data []byte) {
	t.Helper()
	var e struct{ Encrypted, RequestData string }
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	return decode(t, output, e.Encrypted), decode(t, output, e.RequestData)
}

func decode(t *testing.T, form, text string) []byte {
	t.Helper()
	var b []byte
	var err error
	switch form {
	case "chars":
		b = []byte(text)
	case "hex":
		b, err = hex.DecodeString(text)
	case "base64":
		b, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
