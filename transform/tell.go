package transform

import (
	"fmt"
	"slices"
	"strings"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// tell adds a step about an expression and what it gave, if there is a trace.
// f, if not nil, is the field that gets the value.
func (r *run) tell(s Step, e *expression, v any, f *spec.Field) {
	if r.trace == nil {
		return
	}
	s.Mapping = r.mappingName()
	s.Place, s.Expr, s.Value = e.place, e.text, r.shown(e, v, f)
	if s.Saw = r.saw(e, f); s.Saw == e.text+" = "+s.Value {
		s.Saw = "" // the expression is just a name
	}
	if s.Rows = r.rows; r.masks(e, f) || f == nil && slices.ContainsFunc(e.uses, func(u use) bool { return u.keys && r.mapping.isPrivateUse(u) }) {
		s.Rows = slices.Clone(r.rows)
		for i := range s.Rows {
			s.Rows[i].Key = personal.Masked(s.Rows[i].Key)
		}
	}
	r.rows = nil
	r.trace.add(s)
}

// tellCondition adds a step about a condition; one that does not hold with
// the parts that are to blame.
func (r *run) tellCondition(s Step, e *expression, ok bool, err error) {
	if r.trace == nil {
		return
	}
	switch s.Err = err; {
	case err != nil:
		s.Verdict = Failed
	case ok:
		s.Verdict = Yes
	default:
		s.Verdict = No
	}
	rows := r.rows
	if s.Verdict == No && e.clauses != nil {
		s.Because = r.toBlame(e.clauses())
	}
	r.rows = rows
	r.tell(s, e, ok, nil)
}

func (r *run) mappingName() string {
	if r.mapping == nil {
		return ""
	}
	return r.mapping.Name
}

// usedRow keeps a look-up for the step of its expression.
func (r *run) usedRow(table, key string, at Place, found bool) {
	if r.trace != nil {
		r.rows = append(r.rows, RowUsed{table, key, at, found})
	}
}

// tellChecks tells of each field that has a value, or should have one, which
// rules it was checked by, and of each rule that ties fields together.
func (r *run) tellChecks(m *Mapping) {
	r.tellObject(m, m.To.Fields, r.values, "")
	for i := range m.To.Rules {
		rule := &m.To.Rules[i]
		if !rule.Holds(r.values) {
			continue
		}
		s := Step{What: "check", Verdict: Yes, Mapping: m.Name, Name: rule.Names(m.To), Checks: []Checked{{spec.RuleCondition, rule.Because, Yes}}}
		for k := range r.violations {
			if v := &r.violations[k]; v.Rule == spec.RuleCondition && v.Because == rule.Because {
				s.Verdict = verdictOf(v)
				s.Checks[0].Verdict = s.Verdict
			}
		}
		r.trace.add(s)
	}
}

func verdictOf(v *spec.Violation) Verdict {
	if v.Severity == spec.Warning {
		return Warned
	}
	return Failed
}

func (r *run) tellObject(m *Mapping, fields []spec.Field, values []spec.Value, prefix string) {
	for i := range fields {
		f, v := &fields[i], &values[i]
		if v.Kind == spec.Missing && f.Need != spec.Required {
			continue
		}
		s := Step{What: "check", Verdict: Yes, Mapping: m.Name, Name: prefix + f.Name, Note: f.Label}
		for _, c := range m.To.Checks(f) {
			s.Checks = append(s.Checks, Checked{c.Rule, c.Want, Yes})
		}
		if v.Promised { // its content is checked when it is there
			s.Checks = slices.DeleteFunc(s.Checks, func(c Checked) bool { return c.Rule != spec.RuleRequired })
		}
		var texts []string
		for k := range r.violations {
			if v := &r.violations[k]; v.Rule != spec.RuleCondition && v.Field == f && (v.Path == "" || v.Path == s.Name) {
				texts = append(texts, r.blame(m, v).In(message.English))
				s.blame(v)
			}
		}
		if v.Kind == spec.Missing { // what is not there was checked for nothing else
			s.Checks = slices.DeleteFunc(s.Checks, func(c Checked) bool { return c.Rule != spec.RuleRequired })
		}
		if len(texts) > 0 {
			s.Err = fmt.Errorf("%s", strings.Join(texts, "; "))
		}
		r.trace.add(s)
		for n := range v.Items {
			if item := &v.Items[n]; f.Type == spec.List && item.Kind == spec.Object {
				r.tellObject(m, f.Fields, item.Items, element(f, n))
			}
		}
	}
}

// blame marks the check that a violation is about.
func (s *Step) blame(v *spec.Violation) {
	verdict := verdictOf(v)
	if s.Verdict != Failed {
		s.Verdict = verdict
	}
	for i := range s.Checks {
		if s.Checks[i].Rule == v.Rule {
			s.Checks[i].Verdict = verdict
			return
		}
	}
	s.Checks = append(s.Checks, Checked{v.Rule, v.Want, verdict})
}

func (r *run) tellIgnoreSkipped(ig ignoreRule) {
	if r.trace != nil {
		r.trace.add(Step{What: "ignore", Verdict: Skipped, Mapping: r.mappingName(), Name: ig.because, Note: "is about the device, which nobody knows", Place: ig.when.place, Expr: ig.when.text})
	}
}

// tellUntried tells of the mappings behind one that refuses the event.
func (r *run) tellUntried(rest []*Mapping) {
	if r.trace == nil {
		return
	}
	for _, m := range rest {
		r.trace.add(Step{What: "mapping", Verdict: Skipped, Mapping: m.Name, Name: m.Name, Note: m.Title + ": the event is refused already", Place: m.place})
	}
}

// tellEach tells of a list that is walked as text.
func (r *run) tellEach(m *Mapping, raw event.Raw) {
	if r.trace == nil {
		return
	}
	n, e := 0, m.each[0].value
	event.Elements(raw, func(event.Raw) bool { n++; return true })
	verdict := Yes
	if n == 0 {
		verdict = Nothing
	}
	r.trace.add(Step{What: "each", Verdict: verdict, Mapping: m.Name, Place: e.place, Expr: e.text, Value: fmt.Sprintf("a list of %d", n)})
}

// gave is the verdict on an expression that may give anything.
func gave(v any, err error) Verdict {
	switch {
	case err != nil:
		return Failed
	case v == nil:
		return Nothing
	}
	return Yes
}

// saw lists what an expression's names were, for a message; f, if not nil,
// tells whether they have to be masked.
func (r *run) saw(e *expression, f *spec.Field) string {
	return r.seen(e, f).In(message.English)
}

func (r *run) seen(e *expression, f *spec.Field) message.List {
	list := message.List{Separator: ", "}
	for i := range e.uses {
		list.Of = append(list.Of, r.sawUse(e, &e.uses[i], f))
	}
	return list
}

func (r *run) sawUse(e *expression, u *use, f *spec.Field) message.Message {
	if r.masks(e, f) && (f == nil || f.Mask == spec.Open) {
		f = &personal
	}
	v := r.use(u)
	value := any(saidAs(v))
	switch s, ok := asText(v); {
	case ok && f != nil && f.Mask != spec.Open:
		value = f.Masked(s)
	case ok && r.mapping.isPrivateUse(*u):
		value = personal.Masked(s)
	}
	return message.New("saw", u.name, value)
}

// masks tells whether what an expression for field f gives or uses has to be
// masked; f may be nil.
func (r *run) masks(e *expression, f *spec.Field) bool {
	return e.personal || f != nil && f.Mask != spec.Open
}

// shown is what an expression gave, for a trace.
func (r *run) shown(e *expression, v any, f *spec.Field) string {
	s, ok := asText(v)
	switch {
	case !ok:
	case f != nil && f.Mask != spec.Open:
		return f.Masked(s)
	case r.masks(e, f) || r.mapping.usesPrivate(e):
		return personal.Masked(s)
	}
	return describe(v)
}
