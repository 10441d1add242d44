package transform

import (
	"slices"
	"strings"

	"yiqiao/transform/message"
)

// findDevice looks the event's device up by the source's candidates in turn.
func (r *run) findDevice() Row {
	if r.sought {
		return r.device
	}
	r.sought = true
	for i, e := range r.source.deviceIDs {
		id, err := r.candidate(e)
		if id == "" {
			r.tellNoID(e, err)
			continue
		}
		row := r.source.devices.exact(id)
		r.tellDevice(e, id, row)
		if row != nil {
			r.device, r.deviceID = row.cells, row.id
			r.tellRest(r.source.deviceIDs[i+1:])
			break
		}
		if r.deviceID == "" {
			r.deviceID = strings.Clone(id)
		}
	}
	return r.device
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

// unknownDevice says what was tried, and gives a row to paste.
func (r *run) unknownDevice() message.Message {
	t := r.source.devices
	if t == nil {
		return message.New("no-devices", r.source.place)
	}
	var tried []message.Speaker
	var ids []string
	for _, e := range r.source.deviceIDs {
		id, _ := r.candidate(e)
		if id == "" {
			tried = append(tried, message.New("gave-nothing", e.said()))
			continue
		}
		tried = append(tried, message.New("gave", e.said(), strings.Clone(id)))
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	all := message.List{Of: tried, Separator: ", "}
	if len(ids) == 0 {
		return message.New("no-device-named", all, r.source.deviceAt)
	}
	return message.New("unknown-device", t.File, all, r.source.deviceAt, ids[0]+strings.Repeat(",", len(t.Columns)-1))
}
