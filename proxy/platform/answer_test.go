package platform

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                     0,
		"7":                    7 * time.Second,
		" 0 ":                  0,
		"-1":                   0,
		"1.5":                  0,
		"soon":                 0,
		"86400":                time.Hour,
		"99999999999999999999": 0,
		now.Add(9 * time.Second).Format(http.TimeFormat): 9 * time.Second,
		now.Add(-time.Minute).Format(http.TimeFormat):    0,
		now.AddDate(1, 0, 0).Format(http.TimeFormat):     time.Hour,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", value, got, want)
		}
	}
}

// TestWords: every enum value has both its words.
func TestWords(t *testing.T) {
	for k := Delivered; int(k) < len(kinds); k++ {
		if kinds[k].word == "" || kinds[k].chinese == "" {
			t.Errorf("%d has no words", k)
		}
	}
	for w := Answered; int(w) < len(reasons); w++ {
		if reasons[w].word == "" || reasons[w].chinese == "" {
			t.Errorf("%d has no words", w)
		}
	}
	if got := Kind(9).String() + Why(99).String() + (Verdict{}).Chinese(); got != "Kind(9)Why(99)Kind(0): Why(0)" {
		t.Errorf("unknown values: %q", got)
	}
	v := Verdict{Kind: Rejected, Why: Answered, HTTP: 200, Code: "1001", Message: "抓拍时间格式错误"}
	if got, want := v.Chinese(), "平台拒收：平台应答，code 1001：抓拍时间格式错误"; got != want {
		t.Errorf("Chinese = %q, want %q", got, want)
	}
	v = Verdict{Kind: Later, Why: ServerError, HTTP: 503, After: 7 * time.Second}
	if got, want := v.Chinese(), "稍后重试：平台内部错误，HTTP 503（7s 后再试）"; got != want {
		t.Errorf("Chinese = %q, want %q", got, want)
	}
}

func FuzzJudge(f *testing.F) {
	c, err := New(Config{URL: "http://192.0.2.1/api/v1", AppKey: "k3y!"})
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{`{"code":"0"}`, `{"code":1,"errMsg":"k3y!\u0000"}`, "<title>x", "\ufeff", `{"code":{}}`} {
		f.Add(200, body)
		f.Add(400, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		v := c.judge(status, http.Header{"Location": {body}, "Retry-After": {body}}, []byte(body))
		line := v.String() + v.Chinese()
		if strings.Contains(line, "k3y!") || strings.ContainsAny(line, "\n\r\x00\x1b") || !utf8.ValidString(line) {
			t.Errorf("unfit for a log: %q", line)
		}
		if v.Kind < Delivered || v.Kind > Misconfigured || v.Why < Answered || len([]rune(v.Message)) > maxText+1 {
			t.Errorf("%+v", v)
		}
		if v.Kind == Delivered && v.Code != "0" {
			t.Errorf("delivered with %+v", v)
		}
	})
}

func FuzzDictionary(f *testing.F) {
	for _, body := range []string{`[{"zdx":"1","zdz":"男"}]`, `{"code":0,"data":[{"zdid":1,"zdz":"男"}]}`, `{"code":"0"}`, "<title>x", "\ufeff[{}]", "[null]", `[[]]`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		entries, err := readDictionary([]byte(body))
		if (err == nil) != (len(entries) > 0) {
			t.Errorf("%d entries and error %v", len(entries), err)
		}
		seen := map[string]bool{}
		for _, e := range entries {
			if e.Code == "" || e.Label == "" || seen[e.Code] {
				t.Errorf("entry %+v of %q", e, body)
			}
			seen[e.Code] = true
		}
	})
}
