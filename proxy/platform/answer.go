package platform

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds the answer that is read, in bytes. An answer is some hundred.
const maxAnswer = 64 << 10

// maxRetryAfter bounds the wait that a platform may ask for: a wrong clock must
// not stop a site for a year.
const maxRetryAfter = time.Hour

// statusRule says what an HTTP status means.
type statusRule struct {
	from, to int
	kind     Kind
	why      Why
}

// statusRules are looked at from the first to the last. A status in none of them
// (2xx) is judged by the answer's code.
func statusRules() []statusRule {
	return []statusRule{
		{408, 408, Later, ServerError},
		{413, 413, Rejected, TooLarge},
		{429, 429, Later, Busy},
		{500, 599, Later, ServerError},
		{400, 499, Misconfigured, Refused},
		{100, 199, Misconfigured, Unreadable},
		{300, 399, Misconfigured, Redirected},
	}
}

// defaultCodes are codes that do not mean a fault of the record. The standard
// lists none ("其他均标识返回失败"); these are what frameworks of its time
// answer when they put an HTTP status into the code.
func defaultCodes() map[string]Kind {
	return map[string]Kind{
		"401": Misconfigured,
		"403": Misconfigured,
		"429": Later,
		"503": Later,
	}
}

// reply is what is known of an answer's body.
type reply struct {
	code, message string
	html, json    bool
}

// judge makes the verdict of an answer.
func (c *Client) judge(status int, header http.Header, body []byte) Verdict {
	r := readReply(body)
	v := Verdict{HTTP: status, Code: c.clean(r.code), Message: c.clean(r.message)}
	if status == http.StatusTooManyRequests || status >= 500 {
		v.After = retryAfter(header.Get("Retry-After"), time.Now())
	}
	// A code that the site has listed knows better than any status.
	if kind, ok := c.cfg.Codes[r.code]; ok && r.code != "" {
		v.Kind, v.Why = kind, Answered
		return v
	}
	for _, rule := range statusRules() {
		if rule.from <= status && status <= rule.to {
			v.Kind, v.Why = rule.kind, rule.why
			if rule.why == Redirected {
				v.Message = c.clean("redirected to " + withoutQuery(header.Get("Location")))
			}
			return v
		}
	}
	switch kind, listed := defaultCodes()[r.code]; {
	case r.code == "0":
		v.Kind, v.Why = Delivered, Answered
	case r.code == "":
		v.Kind, v.Why, v.Message = Misconfigured, Unreadable, c.clean(unreadable(r, body))
	case listed:
		v.Kind, v.Why = kind, Answered
	default:
		v.Kind, v.Why = Rejected, Answered
	}
	return v
}

func unreadable(r reply, body []byte) string {
	switch {
	case r.html:
		return "want JSON with a code, got the HTML page " + strconv.Quote(r.message)
	case len(body) == 0:
		return "want JSON with a code, got an empty answer"
	case len(body) > maxAnswer:
		return fmt.Sprintf("want JSON with a code, got more than %d bytes", maxAnswer)
	case r.json:
		return "want JSON with a code, got JSON without one: " + r.message
	}
	return "want JSON with a code, got " + strconv.Quote(string(body[:min(len(body), 100)]))
}

// readReply reads {"code","errMsg"}; code may be a string or a number. Of the
// error pages of Spring and of web servers it takes the message or the title.
func readReply(body []byte) reply {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if bytes.HasPrefix(body, []byte("<")) {
		return reply{html: true, message: pageTitle(body)}
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return reply{}
	}
	r := reply{json: true, code: scalar(members["code"])}
	for _, name := range []string{"errMsg", "message", "msg", "error"} {
		if r.message = scalar(members[name]); r.message != "" {
			break
		}
	}
	return r
}

// scalar is the text of a JSON string or number, or nothing.
func scalar(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

func pageTitle(page []byte) string {
	title := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`).FindSubmatch(page)
	if title == nil {
		return ""
	}
	return html.UnescapeString(string(title[1]))
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 if it is neither.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// judgeError makes the verdict of an exchange that gave no whole answer. ctx is
// the caller's, to tell its end from our own timeout.
func (c *Client) judgeError(ctx context.Context, err error) Verdict {
	v := Verdict{Kind: Later, Why: Network, Message: c.clean(withoutURL(err).Error())}
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		v.Why = Canceled
	case isUntrusted(err):
		v.Kind, v.Why = Misconfigured, Untrusted
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		v.Why = Timeout
	}
	return v
}

func isUntrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &record) ||
		errors.Is(err, http.ErrSchemeMismatch)
}

// withoutURL takes the URL out of an error, because the appKey is in it.
func withoutURL(err error) error {
	var with *url.Error
	if errors.As(err, &with) {
		return with.Err
	}
	return err
}

func withoutQuery(location string) string {
	bare, _, _ := strings.Cut(location, "?")
	return bare
}
