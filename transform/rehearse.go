package transform

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"

	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// PastEvent is an event that came once and is mapped again.
type PastEvent struct {
	Name    string // for people: the file that it stands in, or when and where it came
	Source  string // that it is for, if the request has no path
	Request event.Request
	Body    []byte
}

// Rehearsal is what two sets of rules make of the same events. Personal values
// are masked.
type Rehearsal struct {
	Events  int      `json:"events"`  // that a source of either takes
	Records int      `json:"records"` // that came of them; an event without one counts as one
	Changed int      `json:"changed"` // of the records
	Changes []Change `json:"changes,omitempty"`
}

// Change is one way in which records change.
type Change struct {
	What   string    `json:"what"`            // one of the words below
	To     string    `json:"to,omitempty"`    // interface of the records
	Path   string    `json:"path,omitempty"`  // of the field
	Label  string    `json:"label,omitempty"` // of the field, or of the interface
	Count  int       `json:"count"`
	Values []Changed `json:"values"` // the most frequent ones, at most shownValues
	Others int       `json:"others,omitempty"`
}

// Changed is a value that becomes another.
type Changed struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Count int    `json:"count"`
	First string `json:"first"` // the first event with it
}

// What changes, beside DifferentField, DifferentDistinct and DifferentRecord.
const (
	ChangedSource  = "source"  // who takes the event
	ChangedOutcome = "outcome" // records, a refusal, or ignored
	ChangedAnswer  = "answer"  // what the device is told
)

const (
	shownValues  = 3
	heldValues   = 100 // of one change while events are tried
	shownLetters = 80  // of one value
)

// RulesFor are the rules that an event is mapped with: one set for all, or, in
// a folder of packs, one for each vendor, with the tables beside it. nil: none.
type RulesFor func(*PastEvent) *Rules

// ForAll are rules for all events.
func (r *Rules) ForAll(*PastEvent) *Rules { return r }

// Rehearse maps events with the old and with the new rules and tells what
// differs. It changes nothing.
func Rehearse(catalogue *spec.Catalogue, was, will RulesFor, events iter.Seq[PastEvent]) *Rehearsal {
	c := &comparison{catalogue: catalogue, found: map[changeKey]*Change{}}
	for e := range events {
		c.event(&e, try(was(&e), &e), try(will(&e), &e))
	}
	return c.result()
}

// tried is what rules make of an event.
type tried struct {
	source *Source // nil: nobody listens there
	event  *event.Event
	result Result
	rules  *Rules
}

func try(r *Rules, e *PastEvent) *tried {
	t := &tried{rules: r}
	q := e.Request
	if r == nil {
		return t
	}
	if q.Path == "" {
		t.source = r.Source(e.Source)
	} else if s, params, ok := r.Match(q.Method, q.Path); ok {
		t.source, q.Params = s, params
	}
	if t.source != nil {
		t.event = r.ApplyBody(t.source, q, e.Body, &t.result, nil)
	}
	return t
}

// outcome is what becomes of the event, as far as its sender is concerned.
func (t *tried) outcome() Outcome {
	switch {
	case t.result.Refusal != nil:
		return Kept
	case len(t.result.Records) == 0:
		return Ignored
	}
	return Accepted
}

// state is the outcome in words, without what differs from event to event.
func (t *tried) state() string {
	switch {
	case t.source == nil:
		return "no source"
	case t.result.Refusal != nil:
		class := "refused (" + string(t.result.Refusal.Class) + ")"
		if t.result.Refusal.Class != Refused && t.result.Refusal.Class != NoPicture {
			return class // its text names files of the site
		}
		head, _, _ := strings.Cut(t.result.Refusal.Text, ": ")
		head = places.ReplaceAllString(head, "")
		return class + ": " + letters(head)
	case len(t.result.Records) == 0:
		return "ignored: " + t.because()
	case len(t.result.Records) == 1:
		return "a record"
	}
	return "records"
}

func (t *tried) because() string {
	var why []string
	for _, ig := range t.result.Ignored {
		why = append(why, ig.Because)
	}
	return strings.Join(why, "; ")
}

// changeKey is a change without its counts.
type changeKey struct{ what, to, path, label string }

type comparison struct {
	catalogue *spec.Catalogue
	out       Rehearsal
	found     map[changeKey]*Change
}

// event compares one event.
func (c *comparison) event(e *PastEvent, was, will *tried) {
	if was.source == nil && will.source == nil {
		return
	}
	n := max(1, len(was.result.Records), len(will.result.Records))
	c.out.Events++
	c.out.Records += n
	a, b := was.state(), will.state()
	if was.source == nil || will.source == nil || was.source.Name != will.source.Name {
		c.add(changeKey{what: ChangedSource}, sourceWords(was), sourceWords(will), e, n)
		c.out.Changed += n
		return
	}
	if was.outcome() != will.outcome() || a != b && was.outcome() != Accepted {
		k := changeKey{what: ChangedOutcome}
		if r := slices.Concat(was.result.Records, will.result.Records); len(r) > 0 {
			k.to, k.label = r[0].Interface.Name, r[0].Interface.Title
		}
		c.add(k, a, b, e, n)
		c.out.Changed += n
		return
	}
	if !same(&was.result, &will.result) {
		c.out.Changed += c.records(e, was, will)
	}
	if from, to := answerWords(was), answerWords(will); from != to {
		c.add(changeKey{what: ChangedAnswer, label: was.source.Name}, from, to, e, 1)
	}
}

func sourceWords(t *tried) string {
	if t.source == nil {
		return "nobody (404)"
	}
	return t.source.Name
}

// answerWords tell answers apart; a body is not shown, for it may hold what the
// device sent.
func answerWords(t *tried) string {
	a := t.rules.Answer(t.source, t.outcome(), t.event)
	var b strings.Builder
	fmt.Fprintf(&b, "%d", a.Status)
	for _, h := range a.Header {
		b.WriteString(" " + h[1])
	}
	fmt.Fprintf(&b, " %d bytes (%08x)", len(a.Body), crc32.ChecksumIEEE(a.Body))
	return b.String()
}

// same tells whether two results are equal, without rendering them.
func same(a, b *Result) bool {
	return (a.Left == nil) == (b.Left == nil) && (a.Left == nil || a.Left.Text == b.Left.Text) && slices.EqualFunc(a.Records, b.Records, func(a, b Record) bool {
		return a.Interface.Name == b.Interface.Name && a.Distinct == b.Distinct && bytes.Equal(a.Doc, b.Doc) &&
			slices.EqualFunc(a.Holes, b.Holes, func(a, b Hole) bool {
				return a.At == b.At && a.Blob.Raw == b.Blob.Raw && bytes.Equal(a.Blob.Data, b.Blob.Data) && a.Recipe.same(b.Recipe)
			})
	})
}

// records compares the records of an event field by field and counts those that
// change.
func (c *comparison) records(e *PastEvent, was, will *tried) int {
	differences, err := Differences(c.catalogue, was.result.Describe(), will.result.Describe())
	if err != nil {
		return 0 // Describe writes what Differences reads
	}
	type which struct {
		to    string
		index int
		whole bool
	}
	changed := map[which]bool{}
	for _, d := range differences {
		d = d.Mask()
		k := changeKey{d.What, d.To, d.Path, d.Label}
		from, to := d.Want, d.Got
		switch d.What {
		case DifferentIgnored:
			continue // the records that are gone or new tell it
		case DifferentRecord:
			from, to = wholeWords(d.Want, was), wholeWords(d.Got, will)
		case DifferentDistinct:
			from, to = "", "" // of the mapping's own making: it may hold anything
		default:
			if from, to = pictureWords(from, to); from == to {
				to += " (another one)" // which the mask hides, or its length
			}
		}
		changed[which{d.To, d.Record, d.What == DifferentRecord && d.Want == ""}] = true
		c.add(k, from, to, e, 1)
	}
	return len(changed)
}

// wholeWords say that a record is there, or why it is not.
func wholeWords(record string, t *tried) string {
	switch {
	case record != "":
		return "a record"
	case len(t.result.Ignored) > 0:
		return "none, ignored: " + t.because()
	}
	return "none"
}

var pictureOf = regexp.MustCompile(`^"@[a-z]+ \d+ bytes( sha256:[0-9a-f]+)?"$`)

// pictureWords leave out sizes and digests of pictures: of past events only
// the ends of a picture are kept.
func pictureWords(from, to string) (string, string) {
	a, b := pictureOf.MatchString(from), pictureOf.MatchString(to)
	if a {
		from = "a picture"
	}
	if b {
		to = "a picture"
	}
	if a && b {
		to = "another picture"
	}
	return letters(from), letters(to)
}

func letters(s string) string {
	if r := []rune(s); len(r) > shownLetters {
		return string(r[:shownLetters]) + "…"
	}
	return s
}

// add counts one change.
func (c *comparison) add(k changeKey, from, to string, e *PastEvent, n int) {
	change := c.found[k]
	if change == nil {
		change = &Change{What: k.what, To: k.to, Path: k.path, Label: k.label}
		c.found[k] = change
	}
	change.Count += n
	i := slices.IndexFunc(change.Values, func(v Changed) bool { return v.From == from && v.To == to })
	switch {
	case i >= 0:
		change.Values[i].Count += n
	case len(change.Values) == heldValues:
		change.Others += n
	default:
		change.Values = append(change.Values, Changed{from, to, n, e.Name})
	}
}

// result puts the changes in the order of the standard.
func (c *comparison) result() *Rehearsal {
	for _, change := range c.found {
		slices.SortStableFunc(change.Values, func(a, b Changed) int { return b.Count - a.Count })
		for _, v := range change.Values[min(len(change.Values), shownValues):] {
			change.Others += v.Count
		}
		change.Values = change.Values[:min(len(change.Values), shownValues)]
		c.out.Changes = append(c.out.Changes, *change)
	}
	names := c.catalogue.Names()
	rank := []string{ChangedSource, ChangedOutcome, DifferentRecord, DifferentField, DifferentDistinct, ChangedAnswer}
	field := func(x *Change) int {
		if i := c.catalogue.Interface(x.To); i != nil {
			name, _, _ := strings.Cut(x.Path, "[")
			return i.FieldIndex(name)
		}
		return -1
	}
	slices.SortFunc(c.out.Changes, func(a, b Change) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rank, a.What), slices.Index(rank, b.What)),
			cmp.Compare(slices.Index(names, a.To), slices.Index(names, b.To)),
			cmp.Compare(field(&a), field(&b)), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Label, b.Label))
	})
	return &c.out
}

// Same tells whether nothing differs.
func (r *Rehearsal) Same() bool { return len(r.Changes) == 0 }

// Headline is like "3 of 200 records change".
func (r *Rehearsal) Headline() string {
	switch {
	case r.Events == 0:
		return "there is no event to try the rules on"
	case r.Same():
		return fmt.Sprintf("0 of %d records change", r.Records)
	case r.Changed == 0:
		return fmt.Sprintf("0 of %d records change, answers to devices do", r.Records)
	}
	return fmt.Sprintf("%d of %d records change", r.Changed, r.Records)
}

// Subject is what changes: "stk/rytxjl accessType (开门方式)".
func (c *Change) Subject() string {
	switch c.What {
	case ChangedAnswer:
		return "answer of source " + c.Label
	case ChangedSource, ChangedOutcome, DifferentRecord, DifferentDistinct:
		if c.To == "" {
			return c.What
		}
		if c.What == DifferentDistinct {
			return c.To + " distinct"
		}
	}
	s := c.To
	if c.Path != "" {
		s += " " + c.Path
	}
	if c.Label != "" {
		s += " (" + c.Label + ")"
	}
	return s
}

// String is like `"2" → "1"`.
func (v *Changed) String() string {
	if v.From == "" && v.To == "" {
		return "another value"
	}
	return cmp.Or(v.From, "nothing") + " → " + cmp.Or(v.To, "nothing")
}

// Lines are the changes for a person, one value a line, like
// `stk/rytxjl accessType (开门方式)  "2" → "1"  ×3`.
func (r *Rehearsal) Lines() (lines []string) {
	for i := range r.Changes {
		c := &r.Changes[i]
		for k := range c.Values {
			v := &c.Values[k]
			lines = append(lines, fmt.Sprintf("%s  %s  ×%d", c.Subject(), v, v.Count))
		}
		if c.Others > 0 {
			lines = append(lines, fmt.Sprintf("%s  other values  ×%d", c.Subject(), c.Others))
		}
	}
	return lines
}

// Write prints the rehearsal for a person, with the first event of each change.
func (r *Rehearsal) Write(w io.Writer) {
	fmt.Fprintln(w, r.Headline())
	lines := r.Lines()
	n := 0
	for i := range r.Changes {
		c := &r.Changes[i]
		for k := range c.Values {
			first := ""
			if f := c.Values[k].First; f != "" {
				first = "   first: " + f
			}
			fmt.Fprintf(w, "  %s%s\n", lines[n], first)
			n++
		}
		if c.Others > 0 {
			fmt.Fprintf(w, "  %s\n", lines[n])
			n++
		}
	}
}
