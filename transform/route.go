package transform

import (
	"fmt"
	"strings"
)

// Match finds the source that listens at path, and the values of its
// wildcards: {name} is one segment, {name...} as the last one is all the rest.
// A literal segment goes before a wildcard, a wildcard before a rest. s is nil
// if nobody listens there; with a source and ok false, somebody does, but not
// for this method.
func (r *Rules) Match(method, path string) (s *Source, params map[string]string, ok bool) {
	return r.MatchTraced(method, path, nil)
}

// MatchTraced is Match, and adds to tr, which may be nil, why each source is
// the one or is not.
func (r *Rules) MatchTraced(method, path string, tr *Trace) (s *Source, params map[string]string, ok bool) {
	best := ""
	var chosen Route
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
				best, s, params, ok, chosen = rank, src, p, route.Method == method, route
			}
		}
	}
	if tr != nil {
		for _, src := range r.Sources {
			tr.add(src.tell(Route{method, path}, s, chosen))
		}
	}
	return s, params, ok
}

// tell says why a request went to this source, or why it did not. chosen is
// the route by which it went to source to, if to is not nil.
func (s *Source) tell(request Route, to *Source, chosen Route) Step {
	step := Step{What: "source", Verdict: No, Name: s.Name, Note: s.Title + ": ", Place: s.place}
	if s == to {
		step.Note += fmt.Sprintf("%s is %s", request, chosen)
		if step.Verdict = Yes; chosen.Method != request.Method {
			step.Verdict = Failed
			step.Note = fmt.Sprintf("%s: %s is only for %s", s.Title, chosen.Path, chosen.Method)
		}
		return step
	}
	for _, route := range s.Routes {
		if _, _, fits := route.match(request.Path); fits {
			step.Note += fmt.Sprintf("%s fits too; %s is nearer", route, chosen)
			return step
		}
	}
	const most = 4
	var list []string
	for _, route := range s.Routes[:min(most, len(s.Routes))] {
		list = append(list, route.String())
	}
	if len(s.Routes) > most {
		list = append(list, fmt.Sprintf("… (%d)", len(s.Routes)))
	}
	step.Note += "listens at " + strings.Join(list, ", ")
	return step
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
