package transform

import (
	"encoding/json"

	"yiqiao/transform/message"
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

// ToldStep is a Step in one language, for machines: places are "file:line:col".
type ToldStep struct {
	What    string      `json:"what"`
	Verdict Verdict     `json:"verdict"`
	Mapping string      `json:"mapping,omitempty"`
	Name    string      `json:"name,omitempty"`
	Note    string      `json:"note,omitempty"`
	Expr    string      `json:"expression,omitempty"`
	Place   string      `json:"place,omitempty"`
	Value   string      `json:"value,omitempty"`
	Saw     string      `json:"saw,omitempty"`
	Because []ToldPart  `json:"because,omitempty"`
	Rows    []ToldRow   `json:"rows,omitempty"`
	Checks  []ToldCheck `json:"checks,omitempty"`
	Err     string      `json:"error,omitempty"`
}

// ToldPart is a part of a condition that does not hold.
type ToldPart struct {
	Expr  string `json:"expression"`
	Place string `json:"place"`
	Value string `json:"value,omitempty"`
	Saw   string `json:"saw,omitempty"`
}

// ToldRow is a row of a table that was asked for.
type ToldRow struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	Place string `json:"place"`
	Found bool   `json:"found"`
}

// ToldCheck is one rule of the standard, and what came of it.
type ToldCheck struct {
	Rule    string  `json:"rule"`
	Want    string  `json:"want,omitempty"`
	Verdict Verdict `json:"verdict"`
}

// MarshalJSON writes a step for machines, in English.
func (s Step) MarshalJSON() ([]byte, error) { return json.Marshal(s.In(message.English)) }

// In is the step in a language.
func (s Step) In(l message.Language) ToldStep {
	out := ToldStep{What: s.What, Verdict: s.Verdict, Mapping: s.Mapping, Name: s.Name, Note: s.Note, Expr: s.Expr, Place: s.Place.String(), Value: s.Value, Saw: s.Saw}
	for _, p := range s.Because {
		out.Because = append(out.Because, ToldPart{p.Expr, p.Place.String(), p.Value, p.Saw})
	}
	for _, r := range s.Rows {
		out.Rows = append(out.Rows, ToldRow{r.Table, r.Key, r.Place.String(), r.Found})
	}
	for _, c := range s.Checks {
		want := c.Want.English
		if l == message.Chinese {
			want = c.Want.Chinese
		}
		out.Checks = append(out.Checks, ToldCheck{c.Rule, want, c.Verdict})
	}
	if s.Err != nil {
		out.Err = message.In(s.Err, l)
	}
	return out
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
	Left    *ExplainedRefusal `json:"left,omitempty"` // why some elements gave no record
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
	if no := res.Left; no != nil {
		x.Left = &ExplainedRefusal{no.Class, no.Mapping, no.Text}
	}
	return x
}
