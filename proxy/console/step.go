package console

import (
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// step is a transform.Step in the language of the page.
type step struct {
	What    string            `json:"what"`
	Verdict transform.Verdict `json:"verdict"`
	Mapping string            `json:"mapping,omitempty"`
	Name    string            `json:"name,omitempty"`
	Note    string            `json:"note,omitempty"`
	Expr    string            `json:"expression,omitempty"`
	Place   string            `json:"place,omitempty"` // file:line:col
	Value   string            `json:"value,omitempty"`
	Saw     string            `json:"saw,omitempty"`
	Because []because         `json:"because,omitempty"`
	Rows    []rowUsed         `json:"rows,omitempty"`
	Checks  []check           `json:"checks,omitempty"`
	Err     string            `json:"error,omitempty"`
}

// because is a part of a condition that does not hold.
type because struct {
	Expr string `json:"expression"`
	Saw  string `json:"saw,omitempty"`
}

type rowUsed struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	Place string `json:"place"`
	Found bool   `json:"found"`
}

type check struct {
	Rule    string            `json:"rule"`
	Want    string            `json:"want,omitempty"`
	Verdict transform.Verdict `json:"verdict"`
}

func stepsOf(list []transform.Step, l message.Language) []step {
	out := make([]step, 0, len(list))
	for _, s := range list {
		one := step{
			What: s.What, Verdict: s.Verdict, Mapping: s.Mapping, Name: s.Name, Note: s.Note,
			Expr: s.Expr, Place: s.Place.String(), Value: s.Value, Saw: s.Saw,
		}
		for _, b := range s.Because {
			one.Because = append(one.Because, because{b.Expr, b.Saw})
		}
		for _, r := range s.Rows {
			one.Rows = append(one.Rows, rowUsed{r.Table, r.Key, r.Place.String(), r.Found})
		}
		for _, c := range s.Checks {
			want := c.Want.Chinese
			if l == message.English {
				want = c.Want.English
			}
			one.Checks = append(one.Checks, check{c.Rule, want, c.Verdict})
		}
		if s.Err != nil && s.What != "check" { // its checks say it, in either language
			one.Err = message.In(s.Err, l)
		}
		out = append(out, one)
	}
	return out
}
