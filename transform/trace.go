package transform

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"yiqiao/transform/spec"
)

// Trace collects what became of an event, step by step. A nil *Trace collects
// nothing, and costs nothing. Personal values are masked in it and long ones
// cut: it is made to be shown to somebody.
type Trace struct{ Steps []Step }

// Step is one thing that was done.
type Step struct {
	// What was done: source (is it the one that listens there?), decoded,
	// mapping (does it match?), ignore, device (a candidate for its id), each,
	// let, field, left out, check, distinct, record, otherwise.
	What    string
	Verdict Verdict
	Mapping string // of which it is a part
	Name    string // of the source, mapping, field …
	Note    string // its title, label or reason, or what else there is to say
	Place   Place  // of the expression
	Expr    string // as it stands in the file
	Value   string // what it gave
	Saw     string // the names that it used, with their values
	Because []Part // of a condition that does not hold: the parts to blame
	Rows    []RowUsed
	Checks  []Checked
	Err     error
}

// Verdict of a step.
type Verdict string

// The verdicts.
const (
	Yes     Verdict = "yes"     // it holds, was found, gave a value
	No      Verdict = "no"      // it does not hold, was not found
	Nothing Verdict = "nothing" // it gave no value
	Warned  Verdict = "warning" // it is doubtful, and no obstacle
	Failed  Verdict = "failed"  // it gave an error, or is not as the standard wants it
	Skipped Verdict = "skipped" // it was not tried
)

// Part is a part of a condition that does not hold.
type Part struct {
	Expr  string
	Place Place
	Value string
	Saw   string
}

// RowUsed is a look-up in a table.
type RowUsed struct {
	Table string
	Key   string // as text; masked where what uses it is
	Place Place  // of the row, which may be that of any other key; of none, the table
	Found bool
}

// Checked is a rule of the standard with its verdict.
type Checked struct {
	Rule    string // "length"
	Want    spec.Phrase
	Verdict Verdict
}

func (t *Trace) add(s Step) {
	if t != nil {
		t.Steps = append(t.Steps, s)
	}
}

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
	if s.Rows = r.rows; r.masks(e, f) || f == nil && slices.ContainsFunc(e.uses, func(u use) bool { return u.keys && r.mapping.isPrivate(u.name) }) {
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

// MarshalJSON writes a step for machines: places as "file:line:col".
func (s Step) MarshalJSON() ([]byte, error) {
	type part struct {
		Expr  string `json:"expression"`
		Place string `json:"place"`
		Value string `json:"value,omitempty"`
		Saw   string `json:"saw,omitempty"`
	}
	type row struct {
		Table string `json:"table"`
		Key   string `json:"key"`
		Place string `json:"place"`
		Found bool   `json:"found"`
	}
	type check struct {
		Rule    string  `json:"rule"`
		Want    string  `json:"want,omitempty"`
		Verdict Verdict `json:"verdict"`
	}
	out := struct {
		What    string  `json:"what"`
		Verdict Verdict `json:"verdict"`
		Mapping string  `json:"mapping,omitempty"`
		Name    string  `json:"name,omitempty"`
		Note    string  `json:"note,omitempty"`
		Expr    string  `json:"expression,omitempty"`
		Place   string  `json:"place,omitempty"`
		Value   string  `json:"value,omitempty"`
		Saw     string  `json:"saw,omitempty"`
		Because []part  `json:"because,omitempty"`
		Rows    []row   `json:"rows,omitempty"`
		Checks  []check `json:"checks,omitempty"`
		Err     string  `json:"error,omitempty"`
	}{What: s.What, Verdict: s.Verdict, Mapping: s.Mapping, Name: s.Name, Note: s.Note, Expr: s.Expr, Place: s.Place.String(), Value: s.Value, Saw: s.Saw}
	for _, p := range s.Because {
		out.Because = append(out.Because, part{p.Expr, p.Place.String(), p.Value, p.Saw})
	}
	for _, r := range s.Rows {
		out.Rows = append(out.Rows, row{r.Table, r.Key, r.Place.String(), r.Found})
	}
	for _, c := range s.Checks {
		out.Checks = append(out.Checks, check{c.Rule, c.Want.English, c.Verdict})
	}
	if s.Err != nil {
		out.Err = s.Err.Error()
	}
	return json.Marshal(out)
}

// Explanation is what `yiqiao map -json` prints: one input, the steps from it
// to its records, and what came of it. Steps are in the order in which they
// were done. Personal values are masked.
type Explanation struct {
	Source  string            `json:"source"`
	Device  string            `json:"device,omitempty"` // the id by which it was found, or sought in vain
	Steps   []Step            `json:"steps"`
	Records []ExplainedRecord `json:"records,omitempty"`
	Ignored []string          `json:"ignored,omitempty"` // the reasons
	Refusal *ExplainedRefusal `json:"refusal,omitempty"`
}

// ExplainedRecord is a record with its pictures described.
type ExplainedRecord struct {
	To       string          `json:"to"`
	Mapping  string          `json:"mapping"`
	Record   json.RawMessage `json:"record"`
	Envelope json.RawMessage `json:"envelope,omitempty"` // sealed for a key made for this call
}

// ExplainedRefusal says why the event gave no record.
type ExplainedRefusal struct {
	Class   RefusalClass `json:"class"`
	Mapping string       `json:"mapping,omitempty"`
	Text    string       `json:"text"`
}

// Explain gathers a result and its trace.
func (t *Trace) Explain(s *Source, res *Result) Explanation {
	x := Explanation{Source: s.Name, Device: res.Device, Steps: t.Steps}
	for i := range res.Records {
		rec := &res.Records[i]
		x.Records = append(x.Records, ExplainedRecord{To: rec.Interface.Name, Mapping: rec.Mapping.Name, Record: rec.Masked(rec.Interface)})
	}
	for _, ig := range res.Ignored {
		x.Ignored = append(x.Ignored, ig.Because)
	}
	if no := res.Refusal; no != nil {
		x.Refusal = &ExplainedRefusal{no.Class, no.Mapping, no.Text}
	}
	return x
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
		var texts []string
		for k := range r.violations {
			if v := &r.violations[k]; v.Rule != spec.RuleCondition && v.Field == f && (v.Path == "" || v.Path == s.Name) {
				texts = append(texts, v.Error()+r.blame(m, v))
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
