package proxy

import (
	"bufio"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// withAccess puts lines under access into the site.
func withAccess(lines string, files map[string]string) func(string) {
	return func(dir string) {
		f, err := os.OpenFile(filepath.Join(dir, ConfigFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			panic(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "access:\n%s", lines)
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				panic(err)
			}
		}
	}
}

var nonceOf = regexp.MustCompile(`nonce="([^"]+)"`)

// A device that sends its whole body with its first request, then with
// credentials, and goes on: all on one connection, and only what was let in is an
// event.
func TestAccessDigest(t *testing.T) {
	b := newBed(t, withAccess("  hikvision: {kind: digest, accounts: \"file:accounts\"}\n", map[string]string{"accounts": "# cameras\ndoor:other\ncamera:pass:word\n"}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.devices.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	in := bufio.NewReader(conn)
	send := func(path, authorization, body string) *http.Response {
		t.Helper()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", path, authorization, len(body), body)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp
	}
	const path = "/hikvision/door-1"
	sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	nonce := ""
	authorization := func(nc int) string {
		count := fmt.Sprintf("%08x", nc)
		proof := sum(sum("camera:yiqiao:pass:word") + ":" + nonce + ":" + count + ":c:auth:" + sum("POST:"+path))
		return fmt.Sprintf("Authorization: Digest username=\"camera\", realm=\"yiqiao\", nonce=%q, uri=%q, nc=%s, cnonce=\"c\", qop=auth, response=%q\r\n", nonce, path, count, proof)
	}
	large := passage("1001", 1) + strings.Repeat(" ", 600_000)
	resp := send(path, "", large)
	if resp.StatusCode != http.StatusUnauthorized || resp.Close {
		t.Fatalf("want a challenge and the connection kept, got %s, closed %v", resp.Status, resp.Close)
	}
	nonce = nonceOf.FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))[1]
	for nc := 1; nc <= 3; nc++ {
		if resp := send(path, authorization(nc), passage("1001", nc)); resp.StatusCode != http.StatusOK {
			t.Fatalf("request %d: got %s", nc, resp.Status)
		}
	}
	resp = send(path, authorization(2), passage("1001", 9))
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "stale=true") {
		t.Errorf("a count that came already: got %s %q", resp.Status, resp.Header.Get("WWW-Authenticate"))
	}
	counts, err := b.Outcomes()
	if err != nil || total(counts) != 3 {
		t.Errorf("want 3 events, got %v, %v", counts, err)
	}

	// Accounts change with their file.
	b.write("accounts", "camera:new\n")
	b.Reload(context.Background(), "test")
	if resp := send(path, authorization(4), passage("1001", 10)); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old password after a reload: got %s", resp.Status)
	}
	for _, secret := range []string{"pass:word", nonce} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
	if !strings.Contains(b.log.String(), "a device was not let in") {
		t.Error("a wrong password is not logged")
	}
}

// A device that waits for 100 Continue sends no body before it is let in.
func TestAccessExpect(t *testing.T) {
	b := newBed(t, withAccess("  hikvision: {kind: basic, accounts: \"camera:pass\"}\n", nil))
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.devices.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprint(conn, "POST /hikvision/door-1 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 500000\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "401") {
		t.Errorf("got %q, %v", line, err)
	}
}

// A token lets in, and is seen neither in dead letters nor in the log; sources
// that are not named ask for nothing.
func TestAccessToken(t *testing.T) {
	b := newBed(t, withAccess("  hikvision: {kind: token, token: s3cr3t-t0ken, in: query, name: k}\n", nil))
	for query, want := range map[string]int{"": 401, "?k=wrong": 403, "?k=s3cr3t-t0ken": 200} {
		if got, answer := b.post("/hikvision/nobody"+query, "application/json", passage("1001", 1)); got != want {
			t.Errorf("%q: want %d, got %d %s", query, want, got, answer)
		}
	}
	list := b.dead()
	if len(list) != 1 {
		t.Fatalf("want a dead letter, got %d", len(list))
	}
	for where, text := range map[string]string{"the dead letter": fmt.Sprintf("%+v", list[0]), "the log": b.log.String()} {
		if strings.Contains(text, "s3cr3t-t0ken") {
			t.Errorf("%s shows the token: %s", where, text)
		}
	}
	if got, _ := b.post("/iflytek/api/v1/stk/zpjl", "application/json", `{}`); got == 401 || got == 403 {
		t.Errorf("a source that is not named under access: got %d", got)
	}
}

func TestAccessAddresses(t *testing.T) {
	b := newBed(t, withAccess("  hikvision: {addresses: [192.0.2.0/24]}\n  dahua: {addresses: [127.0.0.0/8]}\n", nil))
	if got, _ := b.post("/hikvision/door-1", "application/json", passage("1001", 1)); got != http.StatusForbidden {
		t.Errorf("from elsewhere: got %d", got)
	}
	if got, answer := b.post("/dahua/door-1", "application/json", `{}`); got == http.StatusForbidden {
		t.Errorf("from an address of the range: got %d %s", got, answer)
	}
}

func total(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
