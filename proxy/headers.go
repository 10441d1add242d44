package proxy

import (
	"net/http"
	"strings"
)

// Headers that say nothing of the event, and those that are secrets, are
// neither mapped nor kept.
var dropped = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Connection": true, "Content-Length": true, "Content-Type": true,
	"Host": true, "Authorization": true, "Proxy-Authorization": true, "Cookie": true, "User-Agent": true,
}

// keptHeaders returns the other headers by name in lower case; nil if none.
func keptHeaders(h http.Header) map[string]string {
	var kept map[string]string
	for k, v := range h {
		if dropped[k] || len(v) == 0 || len(v[0]) > 1024 {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		if len(kept) == 64 {
			break
		}
		kept[strings.ToLower(k)] = v[0]
	}
	return kept
}
