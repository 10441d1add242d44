package platform

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Kind is what the caller has to do with a record.
type Kind int

// The four kinds of verdict. The zero Kind is none of them.
const (
	// Delivered: the platform said code 0. The record is done.
	Delivered Kind = iota + 1
	// Later: nothing is wrong with the record as far as is known. Try again.
	Later
	// Rejected: the platform opened this record and refused it. A person must
	// look at it.
	Rejected
	// Misconfigured: the platform could not even open the record, or what
	// answered is not the platform. Every record would fare alike: keep them
	// all, say so loudly, try one from time to time.
	Misconfigured
)

var kinds = [...]struct{ word, chinese string }{
	Delivered:     {"delivered", "已送达"},
	Later:         {"later", "稍后重试"},
	Rejected:      {"rejected", "平台拒收"},
	Misconfigured: {"misconfigured", "配置有误，已暂停"},
}

// String is the word for logs and metric labels.
func (k Kind) String() string {
	if k < Delivered || int(k) >= len(kinds) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kinds[k].word
}

// Why says what led to the verdict. Its word is a metric label.
type Why int

// The reasons for a verdict.
const (
	Answered    Why = iota + 1 // the code in the platform's answer
	Network                    // no connection, or it broke
	Timeout                    // no whole answer in time
	ServerError                // HTTP 5xx, 408
	Busy                       // HTTP 429
	Open                       // the circuit breaker is open: nothing was sent
	Paused                     // the interface is paused: nothing was sent
	Canceled                   // the caller's context ended
	Refused                    // HTTP 4xx: the request as such, not its content
	Redirected                 // HTTP 3xx to where a record must not go
	Unreadable                 // the answer is not that of a platform
	Untrusted                  // TLS: the certificate, or no TLS at all
	TooLarge                   // HTTP 413
)

var reasons = [...]struct{ word, chinese string }{
	Answered:    {"answered", "平台应答"},
	Network:     {"network", "网络不通"},
	Timeout:     {"timeout", "平台应答超时"},
	ServerError: {"server-error", "平台内部错误"},
	Busy:        {"busy", "平台限流"},
	Open:        {"breaker-open", "平台不可用，已熔断"},
	Paused:      {"paused", "该接口已暂停"},
	Canceled:    {"canceled", "已取消"},
	Refused:     {"refused", "请求被拒，可能是公钥、加密参数、appKey 或地址有误"},
	Redirected:  {"redirected", "被重定向，可能是平台地址有误"},
	Unreadable:  {"unreadable", "应答无法识别，可能是平台地址有误"},
	Untrusted:   {"untrusted", "TLS 证书不可信，或地址的 http/https 有误"},
	TooLarge:    {"too-large", "记录过大，超出平台（或其前置代理）的限制"},
}

// String is the word for logs and metric labels.
func (w Why) String() string {
	if w < Answered || int(w) >= len(reasons) {
		return fmt.Sprintf("Why(%d)", int(w))
	}
	return reasons[w].word
}

// Verdict is what became of one record.
type Verdict struct {
	Kind Kind
	Why  Why
	// After is how long to wait at least: the platform's Retry-After, or the
	// rest of the time that the breaker or a pause lasts. 0: no wish.
	After time.Duration
	// Code and Message are the platform's; Message may be ours. Neither holds
	// the appKey or a control character, and both are short. Message may repeat
	// values of the record.
	Code, Message string
	HTTP          int // the status; 0: no answer
	Latency       time.Duration
}

// Blameless reports whether the record itself cannot be at fault, so that this
// try should not count as one of its attempts. An error of the server, or its
// silence, may come from this very record.
func (v Verdict) Blameless() bool {
	switch v.Why {
	case Network, Busy, Open, Paused, Canceled:
		return true
	}
	return v.Kind == Misconfigured
}

// String is one line for logs:
//
//	later: server-error: HTTP 503: "busy", again after 5s (12ms)
func (v Verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", v.Kind, v.Why)
	if v.HTTP != 0 {
		fmt.Fprintf(&b, ": HTTP %d", v.HTTP)
	}
	if v.Code != "" {
		fmt.Fprintf(&b, ": code %q", v.Code)
	}
	if v.Message != "" {
		fmt.Fprintf(&b, ": %q", v.Message)
	}
	if v.After > 0 {
		fmt.Fprintf(&b, ", again after %s", v.After.Round(time.Millisecond))
	}
	if v.Latency > 0 {
		fmt.Fprintf(&b, " (%s)", v.Latency.Round(time.Millisecond))
	}
	return b.String()
}

// Chinese is the same for the operator.
func (v Verdict) Chinese() string {
	if v.Kind < Delivered || int(v.Kind) >= len(kinds) || v.Why < Answered || int(v.Why) >= len(reasons) {
		return v.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s：%s", kinds[v.Kind].chinese, reasons[v.Why].chinese)
	if v.HTTP != 0 && v.HTTP != 200 {
		fmt.Fprintf(&b, "，HTTP %d", v.HTTP)
	}
	if v.Code != "" {
		fmt.Fprintf(&b, "，code %s", v.Code)
	}
	if v.Message != "" {
		fmt.Fprintf(&b, "：%s", v.Message)
	}
	if v.After > 0 {
		fmt.Fprintf(&b, "（%s 后再试）", v.After.Round(time.Second))
	}
	return b.String()
}

// maxText bounds a code or a message, in characters.
const maxText = 500

// clean makes foreign text fit for a line of a log: no control characters, no
// appKey, not endless.
func (c *Client) clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "***")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText]) + "…"
	}
	return s
}
