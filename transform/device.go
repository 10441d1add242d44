package transform

import (
	"cmp"
	"slices"
	"strings"

	"yiqiao/transform/message"
)

// candidates are the expressions that may name the device, and where the first
// of them stands: the mapping's own or the source's.
func (r *run) candidates() ([]*expression, Place) {
	if m := r.mapping; m != nil && m.deviceIDs != nil {
		return m.deviceIDs, m.deviceAt
	}
	return r.source.deviceIDs, r.source.deviceAt
}

// findDevice looks the device up by the candidates in turn: that of the event,
// or with candidates of the mapping's own that of the element.
func (r *run) findDevice() Row {
	var by *Mapping
	if r.mapping != nil && r.mapping.deviceIDs != nil {
		by = r.mapping
	}
	if r.sought && r.soughtBy == by {
		return r.device
	}
	r.sought, r.soughtBy, r.device, r.deviceID = true, by, nil, ""
	ids, _ := r.candidates()
	for i, e := range ids {
		id, err := r.candidate(e)
		if id == "" {
			r.tellNoID(e, err)
			continue
		}
		row := r.source.devices.exact(id)
		r.tellDevice(e, id, row)
		if row != nil {
			r.device, r.deviceID = row.cells, row.id
			r.tellRest(ids[i+1:])
			break
		}
		if r.deviceID == "" {
			r.deviceID = strings.Clone(id)
		}
	}
	return r.device
}

// elementDevice finds the device of an element. One that nobody knows gives no
// record, and is told of with all others of its kind: see leave.
func (r *run) elementDevice(m *Mapping) bool {
	r.sought = false
	r.strangers.of++
	if r.findDevice() != nil {
		r.firstID = cmp.Or(r.firstID, r.deviceID)
		return true
	}
	r.strangers.add(m, r)
	return false
}

// strangers are the elements of an event whose device nobody knows.
type strangers struct {
	mapping *Mapping // the first that has one
	of      int      // all elements
	count   int
	tried   []message.Speaker // what was sought, of the first ones
	rows    []string          // to paste
	seen    map[string]bool
	first   message.Message // what is said if it is the only one
}

// maxStrangers is how many of them are told; the others are counted.
const maxStrangers = 10

func (s *strangers) add(m *Mapping, r *run) {
	if s.count++; s.mapping == nil {
		s.mapping, s.seen, s.first = m, map[string]bool{}, r.unknownDevice()
	}
	if s.seen[r.deviceID] || len(s.tried) == maxStrangers {
		return
	}
	s.seen[r.deviceID] = true
	tried, ids := r.tried()
	s.tried = append(s.tried, message.List{Of: tried, Separator: ", "})
	if len(ids) > 0 {
		s.rows = append(s.rows, r.source.devices.rowOf(ids[0]))
	}
}

// leave tells of the elements whose device nobody knows. If no record at all
// came of the event it is refused; otherwise the records stand.
func (r *run) leave(res *Result) {
	s := &r.strangers
	t := r.source.devices
	why := s.first
	if s.count > 1 || len(res.Records) > 0 {
		tried := message.List{Of: s.tried, Separator: "; "}
		why = message.New("unknown-devices", s.count, s.of, t.File, tried, s.mapping.deviceAt)
		if len(res.Records) > 0 {
			why = message.New("others-stand", why)
		}
		if len(s.rows) > 0 {
			why = message.New("unknown-devices-rows", why, strings.Join(s.rows, "\n"))
		}
	}
	if len(res.Records) == 0 {
		res.refuse(UnknownDevice, s.mapping, why)
		return
	}
	res.Left = NewRefusal(UnknownDevice, why)
	res.Left.Mapping = s.mapping.Name
}

// candidate is the id that an expression gives, or nothing.
func (r *run) candidate(e *expression) (id string, err error) {
	if e.single && e.uses[0].root == rootRequest {
		id, _ = requestText(&r.event.Request, &e.uses[0])
		return id, nil
	}
	v, err := r.eval(e)
	if err != nil {
		return "", err
	}
	id, _ = asText(v)
	return id, nil
}

func (r *run) tellNoID(e *expression, err error) {
	switch {
	case r.trace == nil:
	case err != nil:
		r.tell(Step{What: "device", Verdict: Failed, Err: err}, e, nil, nil)
	default:
		r.tell(Step{What: "device", Verdict: Nothing, Note: "gives no id"}, e, nil, nil)
	}
}

// tellDevice tells whether the device table has a candidate.
func (r *run) tellDevice(e *expression, id string, row *tableRow) {
	t := r.source.devices
	if r.trace == nil || t == nil {
		return
	}
	s := Step{What: "device", Verdict: No, Name: r.shown(e, id, nil), Note: "is not in " + t.File}
	if row != nil {
		s.Verdict, s.Note = Yes, ""
		r.usedRow(t.Name, id, t.place(row), true)
	}
	r.tell(s, e, id, nil)
}

// tellRest tells of the candidates behind the one that was found.
func (r *run) tellRest(rest []*expression) {
	if r.trace == nil {
		return
	}
	for _, e := range rest {
		r.trace.add(Step{What: "device", Verdict: Skipped, Mapping: r.mappingName(), Place: e.place, Expr: e.text})
	}
}

// tried is what the candidates gave, and which ids were sought in vain.
func (r *run) tried() (tried []message.Speaker, ids []string) {
	all, _ := r.candidates()
	for _, e := range all {
		id, _ := r.candidate(e)
		if id == "" {
			tried = append(tried, message.New("gave-nothing", e.said()))
			continue
		}
		id = strings.Clone(id)
		tried = append(tried, message.New("gave", e.said(), id))
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return tried, ids
}

// unknownDevice says what was tried, and gives a row to paste.
func (r *run) unknownDevice() message.Message {
	t := r.source.devices
	candidates, at := r.candidates()
	if t == nil || len(candidates) == 0 {
		return message.New("no-devices", r.source.place)
	}
	tried, ids := r.tried()
	all := message.List{Of: tried, Separator: ", "}
	if len(ids) == 0 {
		return message.New("no-device-named", all, at)
	}
	return message.New("unknown-device", t.File, all, at, t.rowOf(ids[0]))
}
