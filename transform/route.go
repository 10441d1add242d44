package transform

import "strings"

// Match finds the source that listens at path, and the values of its
// wildcards: {name} is one segment, {name...} as the last one is all the rest.
// A literal segment goes before a wildcard, a wildcard before a rest. s is nil
// if nobody listens there; with a source and ok false, somebody does, but not
// for this method.
func (r *Rules) Match(method, path string) (s *Source, params map[string]string, ok bool) {
	best := ""
	for _, src := range r.Sources {
		for _, route := range src.Routes {
			p, rank, fits := route.match(path)
			if !fits {
				continue
			}
			if route.Method == method {
				rank = "+" + rank
			} else {
				rank = " " + rank
			}
			if rank > best {
				best, s, params, ok = rank, src, p, route.Method == method
			}
		}
	}
	return s, params, ok
}

// match compares segment by segment. rank orders matches: the greater text is
// the more literal one.
func (r Route) match(path string) (params map[string]string, rank string, ok bool) {
	pattern := strings.Split(strings.Trim(r.Path, "/"), "/")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range pattern {
		if name, rest := strings.CutSuffix(strings.Trim(p, "{}"), "..."); rest && p[0] == '{' && i == len(pattern)-1 {
			if i > len(segments) {
				return nil, "", false
			}
			return put(params, name, strings.Join(segments[i:], "/")), rank + "1", true
		}
		if i >= len(segments) {
			return nil, "", false
		}
		switch {
		case strings.HasPrefix(p, "{"):
			if segments[i] == "" {
				return nil, "", false
			}
			params = put(params, strings.Trim(p, "{}"), segments[i])
			rank += "2"
		case p != segments[i]:
			return nil, "", false
		default:
			rank += "3"
		}
	}
	return params, rank, len(segments) == len(pattern)
}

func put(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}
