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
	for _, e := range r.source.deviceIDs {
		id := r.candidate(e)
		if id == "" {
			continue
		}
		row := r.source.devices.exact(id)
		r.tell(Step{What: "device", OK: row != nil}, e)
		if row != nil {
			r.device, r.deviceID = row.cells, row.id
			break
		}
		if r.deviceID == "" {
			r.deviceID = strings.Clone(id)
		}
	}
	return r.device
}

// candidate is the id that an expression gives, or nothing.
func (r *run) candidate(e *expression) string {
	if e.single && e.uses[0].root == rootRequest {
		id, _ := requestText(&r.event.Request, &e.uses[0])
		return id
	}
	v, err := r.eval(e)
	id, ok := asText(v)
	if err != nil || !ok || id == "" {
		r.tell(Step{What: "device", Err: err}, e)
		return ""
	}
	return id
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
		id := r.candidate(e)
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
