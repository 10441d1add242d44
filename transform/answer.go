package transform

import (
	"slices"
	"strings"

	"yiqiao/transform/event"
)

// platformName is what answers call it.
const platformName = "platform"

// PlatformAnswer is what the platform said, for the answer to a sender that
// waits for it: platform.code and platform.message in an answer of the source.
type PlatformAnswer struct{ Code, Message string }

// Answer builds the reply to the sender of an event, by the source's rules.
// ev may be nil (the body could not be read).
func (r *Rules) Answer(s *Source, o Outcome, ev *event.Event) Answer {
	return r.AnswerWaited(s, o, PlatformAnswer{}, ev)
}

// AnswerWaited is Answer to a sender that was to wait for the platform.
func (r *Rules) AnswerWaited(s *Source, o Outcome, said PlatformAnswer, ev *event.Event) Answer {
	if ev == nil {
		ev = new(event.Event)
	}
	run := s.runs.Get().(*run)
	defer run.release()
	run.begin(ev, nil)
	if said != (PlatformAnswer{}) {
		run.env[platformName] = map[string]any{"code": said.Code, "message": said.Message}
	}
	if len(s.answers) > 0 {
		_ = ev.Fill(&s.paths, run.slots) // what it could read is there
	}
	for i := range s.answers {
		a := &s.answers[i]
		if !a.fits(o) {
			continue
		}
		if a.when != nil {
			if ok, err := run.condition(a.when); err != nil || !ok {
				continue
			}
		}
		return run.answer(a)
	}
	if o == Full {
		return Answer{Status: 503, Header: [][2]string{{"Retry-After", "5"}}}
	}
	return Answer{Status: 200}
}

func (r *run) answer(a *answer) Answer {
	json := slices.ContainsFunc(a.header, func(h [2]string) bool { return strings.Contains(h[1], "json") })
	out := Answer{Status: a.status, Header: a.header}
	for i := range a.body {
		if a.body[i].items {
			out.Body = r.items(out.Body, a, json)
			continue
		}
		out.Body = r.piece(out.Body, &a.body[i], json)
	}
	return out
}

// items appends one item for each element, with commas between. Who sends more
// elements than a mapping takes is answered for those that it takes.
func (r *run) items(body []byte, a *answer, json bool) []byte {
	v, _ := r.eval(a.each)
	list := listOf(v)
	for i, el := range list[:min(len(list), maxRecords)] {
		if i > 0 {
			body = append(body, ',')
		}
		r.env["it"] = el
		for k := range a.item {
			body = r.piece(body, &a.item[k], json)
		}
	}
	return body
}

func (r *run) piece(body []byte, p *piece, json bool) []byte {
	if p.value == nil {
		return append(body, p.text...)
	}
	v, _ := r.eval(p.value)
	s, _ := asText(v)
	if json {
		lit := event.AppendString(nil, s)
		s = string(lit[1 : len(lit)-1])
	}
	return append(body, s...)
}
