package event

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// param returns the parameter key of a header's value: form-data; name="a b";
// filename=C:\x.jpg. mime.ParseMediaType turns a whole header away for one
// character that must be quoted; firmware does not know which.
func param(header, key string) (value string, ok bool) {
	rest := header
	for {
		i := indexFold(rest, key)
		if i < 0 {
			return "", false
		}
		begins := i == 0 || strings.IndexByte("; \t,?", rest[i-1]) >= 0
		rest = rest[i+len(key):]
		encoded := strings.HasPrefix(rest, "*")
		after, equals := strings.CutPrefix(strings.TrimLeft(strings.TrimPrefix(rest, "*"), " \t"), "=")
		if !begins || !equals {
			continue
		}
		value = unquoted(strings.TrimLeft(after, " \t"))
		if encoded { // filename*=UTF-8''%E4%B8%9C.jpg (RFC 8187)
			_, text, _ := strings.Cut(value, "''")
			if plain, err := url.PathUnescape(text); err == nil {
				value = plain
			}
		}
		if !utf8.ValidString(value) {
			if text, err := simplifiedchinese.GB18030.NewDecoder().String(value); err == nil {
				value = text
			}
		}
		return value, true
	}
}

// unquoted reads a value in quotes of either kind, or up to the next ; without.
// A quote that is never closed ends with the value.
func unquoted(s string) string {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		s, _, _ = strings.Cut(s, ";")
		return strings.TrimRight(s, " \t\"")
	}
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return strings.ReplaceAll(s[1:i], `\"`, `"`)
		}
	}
	s, _, _ = strings.Cut(s[1:], ";")
	return s
}

// indexFold is strings.Index for a key in lower case, whatever the case of s.
func indexFold(s, key string) int {
	for i := 0; i+len(key) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(key)], key) {
			return i
		}
	}
	return -1
}
