package transform

import (
	"fmt"
	"slices"
	"strings"
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
func (r *run) unknownDevice() string {
	t := r.source.devices
	if t == nil {
		return "the source has no device table: add \"device: {from: [...]}\" to " + r.source.place.File
	}
	var tried, ids []string
	for _, e := range r.source.deviceIDs {
		id := r.candidate(e)
		if id == "" {
			tried = append(tried, e.text+" gave nothing")
			continue
		}
		tried = append(tried, fmt.Sprintf("%s = %q", e.text, id))
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return fmt.Sprintf("the event names no device: %s", strings.Join(tried, ", "))
	}
	return fmt.Sprintf("the device is not in %s: %s; add a row with an id that only this device has: %s%s",
		t.File, strings.Join(tried, ", "), ids[0], strings.Repeat(",", len(t.Columns)-1))
}
