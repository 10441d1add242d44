package transform

import (
	"cmp"
	"errors"

	"github.com/expr-lang/expr/vm"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// Result is what an event became. It may be used for one event after another;
// its records share memory with the event and live no longer than it.
type Result struct {
	Records []Record
	// Brought are pictures for records of other requests.
	Brought []Brought
	// Refusal, if not nil, says why the event gave no record at all: the
	// records of one event are admitted together or not at all.
	Refusal *Refusal
	// Left, if not nil, says which elements of the event gave no record because
	// nobody knows their device; the records of the others stand. The event has
	// to be kept for them.
	Left *Refusal
	// Ignored says why mappings that matched wanted nothing of the event.
	Ignored []IgnoredBy
	// Device is the id by which the device was found, or the first one that
	// was sought in vain. Of several devices it is the first that was found;
	// see Record.FoundBy.
	Device string
	// Sighted is the first id of the device's row, if the source watches
	// whether its devices are there; Beats: the event is a heartbeat.
	Sighted string
	Beats   bool

	// Violations are all that the checks of the records found, warnings too.
	Violations []spec.Violation

	spare []Record // records of earlier events, for their buffers
}

// IgnoredBy names the rule that ignored an event.
type IgnoredBy struct{ Mapping, Because string }

// Refusal says why an event gave no record.
type Refusal struct {
	Class   RefusalClass
	Mapping string // empty if none matched
	Text    string // for a person, in English; personal values are masked
	Chinese string // the same for who reads Chinese
}

// NewRefusal refuses with what is said.
func NewRefusal(c RefusalClass, why error) *Refusal {
	why = bodyMessage(why)
	return &Refusal{Class: c, Text: message.In(why, message.English), Chinese: message.In(why, message.Chinese)}
}

// In is why, for a reader.
func (r *Refusal) In(l message.Language) string {
	return message.Both{English: r.Text, Chinese: r.Chinese}.In(l)
}

// RefusalClass groups refusals.
type RefusalClass string

// The classes of refusals.
const (
	Undecodable   RefusalClass = "undecodable"
	UnknownDevice RefusalClass = "unknown-device"
	Unmapped      RefusalClass = "unmapped"
	Refused       RefusalClass = "refused"
	// NoPicture is a refusal only because pictures are missing: the commonest
	// reason, and mended at the device.
	NoPicture RefusalClass = "picture-missing"
)

// Apply maps an event of source s. It is the one way from event to records:
// traffic, tests, `yiqiao map` and the console all come here. tr may be nil.
//
// The event must have been decoded; that its document is well-formed is proved
// here, by the walk that fetches its values.
func (r *Rules) Apply(s *Source, ev *event.Event, res *Result, tr *Trace) {
	res.reset()
	run := s.runs.Get().(*run)
	defer run.release()
	run.begin(ev, tr)
	defer func() {
		res.Device = cmp.Or(run.firstID, run.deviceID)
		if res.Refusal != nil {
			res.Refusal.odd(ev)
		}
		run.sight(res)
		if res.Left != nil {
			res.Left.odd(ev)
		}
	}()
	if err := ev.Fill(&s.paths, run.slots); err != nil {
		res.refuse(Undecodable, nil, err)
		return
	}
	if run.unknownBeats() {
		res.refuse(UnknownDevice, nil, run.unknownDevice())
		return
	}
	var failed []message.Speaker
	matched := false
	for i, m := range s.Mappings {
		run.mapping = m
		ok, err := run.matches(m)
		if err != nil {
			failed = append(failed, spoken(err))
		}
		if !ok {
			continue
		}
		matched = true
		if run.apply(m, res); res.Refusal != nil {
			run.tellUntried(s.Mappings[i+1:])
			return
		}
	}
	run.mapping = nil
	switch {
	case run.strangers.mapping != nil:
		run.leave(res)
	case matched:
	case s.otherwise != "":
		res.Ignored = append(res.Ignored, IgnoredBy{Because: s.otherwise})
		tr.add(Step{What: "otherwise", Verdict: Yes, Note: s.otherwise})
	default:
		why := message.New("no-mapping", s.Name, s.place)
		if len(failed) > 0 {
			why = message.New("no-mapping-failed", s.Name, message.List{Of: failed, Separator: "; "})
		}
		res.refuse(Unmapped, nil, why)
	}
}

func (res *Result) reset() {
	res.spare = append(res.spare, res.Records...)
	clear(res.Brought)
	*res = Result{Records: res.Records[:0], Brought: res.Brought[:0], Ignored: res.Ignored[:0], Violations: res.Violations[:0], spare: res.spare}
}

func (res *Result) refuse(c RefusalClass, m *Mapping, why error) {
	res.spare = append(res.spare, res.Records...)
	res.Records, res.Brought = res.Records[:0], res.Brought[:0]
	res.Refusal = NewRefusal(c, why)
	if m != nil {
		res.Refusal.Mapping = m.Name
	}
}

// run is the working memory of one event's application.
type run struct {
	rules   *Rules
	source  *Source
	mapping *Mapping
	event   *event.Event
	trace   *Trace

	vm    vm.VM
	env   map[string]any
	slots []any // of source.paths
	its   []any // of mapping.it
	it    any   // the element, when it is no text of the document

	element any // of the list of the record that is under way

	device   Row
	deviceID string
	sought   bool     // the device was looked for
	soughtBy *Mapping // whose candidates they were; nil: the source's
	beats    bool     // the event is a heartbeat
	firstID  string   // by which the first device of an element was found

	strangers strangers // elements whose device nobody knows

	values     []spec.Value
	blobs      []*event.Blob
	recipes    []*Recipe // parallel to blobs: of pictures that have yet to be made
	violations []spec.Violation
	missed     []missing            // rows that look-ups of the record did not find
	letMissed  map[string][]missing // those of each let, and of the lets that it uses
	args       []any                // of direct calls under way
	steps      int                  // see maxSteps
	pictures   []event.Blob         // made of texts of the event
	rows       []RowUsed            // of the expression under way, for the trace
}

func newRun(r *Rules, s *Source) *run {
	n := 0
	for _, m := range s.Mappings {
		if m.it != nil {
			n = max(n, m.it.Len())
		}
	}
	x := &run{rules: r, source: s, env: map[string]any{}, slots: make([]any, s.paths.Len()), its: make([]any, n), vm: vm.VM{MemoryBudget: maxElements}}
	return x
}

func (r *run) begin(ev *event.Event, tr *Trace) {
	r.event, r.trace, r.env[runName] = ev, tr, r
	r.steps = 0
}

// release lets go of everything of the event: its memory is its body's.
func (r *run) release() {
	clear(r.slots)
	clear(r.its)
	clear(r.env)
	clear(r.values)
	clear(r.blobs)
	clear(r.recipes)
	r.event, r.trace, r.mapping, r.it, r.element, r.device = nil, nil, nil, nil, nil, nil
	r.deviceID, r.firstID, r.sought, r.beats, r.soughtBy, r.missed, r.rows = "", "", false, false, nil, nil, nil
	r.strangers, r.letMissed = strangers{}, nil
	clear(r.pictures)
	r.pictures = r.pictures[:0]
	r.source.runs.Put(r)
}

func (r *run) matches(m *Mapping) (bool, error) {
	if m.when == nil {
		if r.trace != nil {
			r.trace.add(Step{What: "mapping", Verdict: Yes, Mapping: m.Name, Name: m.Name, Note: m.Title, Place: m.place})
		}
		return true, nil
	}
	ok, err := r.condition(m.when)
	if r.trace != nil {
		r.tellCondition(Step{What: "mapping", Name: m.Name, Note: m.Title}, m.when, ok, err)
	}
	return ok && err == nil, err
}

func (r *run) condition(e *expression) (bool, error) {
	v, err := r.eval(e)
	if err != nil || v == nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, message.New("want-truth-at", e.said(), e.place, saidAs(v))
	}
	return b, nil
}

// apply writes the records of one mapping that matches.
func (r *run) apply(m *Mapping, res *Result) {
	for _, ig := range m.ignore {
		// A rule about the device says nothing of one that nobody knows: that
		// is refused below.
		if ig.when.usesDevice() && r.findDevice() == nil {
			r.tellIgnoreSkipped(ig)
			continue
		}
		ok, err := r.condition(ig.when)
		if r.trace != nil {
			r.tellCondition(Step{What: "ignore", Name: ig.because}, ig.when, ok, err)
		}
		if err != nil {
			res.refuse(Refused, m, err)
			return
		}
		if ok {
			res.Ignored = append(res.Ignored, IgnoredBy{m.Name, ig.because})
			return
		}
	}
	if m.To == nil && m.join == nil {
		res.refuse(Unmapped, m, message.New("only-ignores", m.place))
		return
	}
	if m.device && m.deviceIDs == nil && r.findDevice() == nil {
		res.refuse(UnknownDevice, m, r.unknownDevice())
		return
	}
	if err := r.elements(m, res); err != nil {
		class := Refused
		if errors.As(err, new(noPicture)) {
			class = NoPicture
		}
		res.refuse(class, m, err)
	}
}

// elements runs record once, or for each element.
func (r *run) elements(m *Mapping, res *Result) error {
	if m.each == nil {
		return r.record(m, res, 0)
	}
	if m.eachRaw >= 0 {
		raw, _ := r.slots[m.eachRaw].(event.Raw)
		n := 0
		var err error
		r.tellEach(m, raw)
		for el := range func(yield func(event.Raw) bool) { event.Elements(raw, yield) } {
			if n == maxRecords {
				return tooMany(m)
			}
			if err = r.event.FillRaw(el, m.it, r.its[:m.it.Len()]); err == nil {
				err = r.record(m, res, n)
			}
			if n++; err != nil {
				return err
			}
		}
		return noElements(m, n)
	}
	n := 0
	if err := r.loop(m, res, 0, &n); err != nil {
		return err
	}
	r.it = nil
	return noElements(m, n)
}

// loop runs record for each element of the loops from depth on; n counts them.
func (r *run) loop(m *Mapping, res *Result, depth int, n *int) error {
	if depth == len(m.each) {
		if *n == maxRecords {
			return tooMany(m)
		}
		*n++
		return r.record(m, res, *n-1)
	}
	l := &m.each[depth]
	v, err := r.eval(l.value)
	if r.trace != nil {
		r.tell(Step{What: "each", Verdict: gave(v, err), Name: l.name, Err: err}, l.value, v, nil)
	}
	if err != nil {
		return message.New("each-error", err)
	}
	for _, el := range listOf(v) {
		if r.it = el; l.name != "" {
			r.env[l.name] = el
		}
		if err := r.loop(m, res, depth+1, n); err != nil {
			return err
		}
	}
	return nil
}

// maxRecords bounds what one mapping makes of one event: an entry of the store
// holds the whole event beside each of its records.
const maxRecords = 1000

func tooMany(m *Mapping) error {
	e := m.each[0].value
	return message.New("each-many", e.said(), e.place, maxRecords)
}

func noElements(m *Mapping, n int) error {
	if n == 0 {
		e := m.each[len(m.each)-1].value
		return message.New("each-none", e.said(), e.place)
	}
	return nil
}
