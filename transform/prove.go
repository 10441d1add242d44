package transform

import (
	"strings"

	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// check proves the record against the standard; all violations are told, each
// with the expression that is to blame.
func (r *run) check(m *Mapping, res *Result) error {
	r.violations = m.To.Check(r.values, r.violations[:0])
	var texts []message.Speaker
	onlyPictures := len(r.missed) == 0 // else a table lacks a row
	var rows []missing
	res.Violations = append(res.Violations, r.violations...)
	if r.trace != nil {
		r.tellChecks(m)
	}
	for _, v := range r.violations {
		if v.Severity == spec.Warning {
			continue // nobody would read it
		}
		texts = append(texts, r.blame(m, &v))
		if v.Missing {
			e, _ := r.behind(m, &v)
			rows = append(rows, r.missedFor(&v, e)...)
		}
		onlyPictures = onlyPictures && v.Missing && v.Field.Format == spec.GF005
	}
	r.rows = nil // blame evaluates again
	switch {
	case len(texts) == 0:
		return nil
	case onlyPictures:
		return noPicture{violations{texts}}
	}
	return withRows(violations{texts}, rows)
}

// violations are what is wrong with a record.
type violations struct{ of []message.Speaker }

func (e violations) In(l message.Language) string {
	return message.List{Of: e.of, Separator: map[message.Language]string{message.English: "; ", message.Chinese: "；"}[l]}.In(l)
}

func (e violations) Error() string { return e.In(message.English) }

// noPicture is a violation of nothing but that pictures are missing.
type noPicture struct{ violations }

// violation is one in both languages.
func violation(v *spec.Violation) message.Both {
	return message.Both{English: v.Error(), Chinese: v.Chinese()}
}

// because names the expression behind a value, its place, and what it saw. What
// an error of the expression itself says already is not said twice.
func (r *run) because(e *expression, f *spec.Field, err error) message.Message {
	more := saidMissing(r.missedBy(e))
	if saw := r.seen(e, f); len(saw.Of) > 0 {
		more = append([]message.Speaker{saw}, more...)
	}
	if m, ok := err.(message.Message); ok && m.Rule == "expression-at" {
		if len(more) == 0 {
			return message.Message{}
		}
		return message.New("saw-only", message.List{Of: more, Separator: "; "})
	}
	var also message.List
	for _, m := range more {
		also.Of = append(also.Of, message.New("also", m))
	}
	return message.New("blame", e.said(), e.place, also)
}

// empty says why a value that must be there is not: what the expression saw,
// and which row of a table lacks what.
func (r *run) empty(v *spec.Violation, e *expression) message.Message {
	name := message.New("field", v.Field.Name, v.Field.Label)
	if v.Path != "" {
		name = message.New("field", v.Path, v.Field.Label)
	}
	var saw, reason message.List
	for i := range e.uses {
		u := &e.uses[i]
		switch v2 := r.use(u); {
		case u.root == rootDevice && v2 == nil:
			saw.Of = append(saw.Of, message.New("row-lacks", r.deviceID, r.source.devices.File, u.key))
		case !e.single || v2 != nil:
			saw.Of = append(saw.Of, r.sawUse(e, u, v.Field))
		}
	}
	saw.Of = append(saw.Of, saidMissing(r.missedFor(v, e))...)
	if saw.Separator = ", "; len(saw.Of) > 0 {
		saw = message.List{Of: []message.Speaker{message.New("because-of", saw)}}
	}
	if v.Because.English != "" {
		reason.Of = []message.Speaker{message.New("also", message.Both(v.Because))}
	}
	text := e.said()
	if strings.ContainsAny(text, " ") {
		text = "`" + text + "`" // it is plain where it ends
	}
	return message.New("field-empty", name, text, saw, reason, e.place)
}
