package transform

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/segmentio/asm/base64"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// Record is a document for one interface of the standard. Its pictures are not
// in Doc: each stands in a hole, at the place where its Base64 belongs.
type Record struct {
	Interface *spec.Interface
	Mapping   *Mapping
	Doc       []byte
	Holes     []Hole // in the order of At
	// Device and Time are the values of the fields that identify the record;
	// Distinct tells apart two records of one device and one second.
	Device, Time, Distinct string
	// FoundBy is the id by which the device was found in the site's table;
	// empty if the mapping needs no device.
	FoundBy string
	// Join is the key by which pictures that come in another request find the
	// record, within the source; empty: none do.
	Join string
}

// Hole is where a picture belongs in a record.
type Hole struct {
	At   int // offset in Doc, between two quotes
	Blob event.Blob
	// Recipe, if not nil, says how the picture is made that belongs there, of
	// Blob or of what is fetched. Before that the record is not whole.
	Recipe *Recipe
}

// Unmade tells whether a picture of the record has yet to be made.
func (r *Record) Unmade() bool {
	for i := range r.Holes {
		if r.Holes[i].Recipe != nil {
			return true
		}
	}
	return false
}

// Len is the length of the whole document in bytes.
func (r *Record) Len() int {
	n := len(r.Doc)
	for i := range r.Holes {
		n += r.Holes[i].len()
	}
	return n
}

func (h *Hole) len() int {
	if h.Blob.Raw {
		return base64.StdEncoding.EncodedLen(len(h.Blob.Data))
	}
	return len(h.Blob.Data)
}

// rawChunk is how many bytes of a raw picture become one piece: 12 KiB of
// Base64 stay in the fastest cache.
const rawChunk = 9 << 10

// Pieces yields the document piece by piece. A raw picture is encoded chunk by
// chunk into scratch (at least 12 KiB), so a piece is good until the next.
func (r *Record) Pieces(scratch []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		from := 0
		for i := range r.Holes {
			h := &r.Holes[i]
			if !yield(r.Doc[from:h.At]) {
				return
			}
			from = h.At
			if !h.Blob.Raw {
				if !yield(h.Blob.Data) {
					return
				}
				continue
			}
			for data := h.Blob.Data; len(data) > 0; {
				n := min(len(data), rawChunk)
				m := base64.StdEncoding.EncodedLen(n)
				base64.StdEncoding.Encode(scratch[:m], data[:n])
				if !yield(scratch[:m]) {
					return
				}
				data = data[n:]
			}
		}
		yield(r.Doc[from:])
	}
}

// record evaluates and proves one record and appends it to the result.
func (r *run) record(m *Mapping, res *Result, element int) error {
	r.missed = r.missed[:0]
	clear(r.letMissed)
	if m.deviceIDs != nil && !r.elementDevice(m) {
		return nil
	}
	for _, l := range m.lets {
		before := len(r.missed)
		v, err := r.eval(l.value)
		r.keepMissed(l, before)
		if r.trace != nil {
			r.tell(Step{What: "let", Verdict: gave(v, err), Name: l.name, Err: err}, l.value, v, nil)
		}
		if err != nil {
			return message.New("value-of", l.name, err)
		}
		r.env[l.name] = v
	}
	if m.To == nil {
		return r.bring(m, res)
	}
	n := len(m.To.Fields)
	if cap(r.values) < n {
		r.values, r.blobs, r.recipes = make([]spec.Value, n), make([]*event.Blob, n), make([]*Recipe, n)
	}
	r.values, r.blobs, r.recipes = r.values[:n], r.blobs[:n], r.recipes[:n]
	clear(r.values)
	clear(r.blobs)
	clear(r.recipes)
	for i := range m.fields {
		if err := r.field(m, &m.fields[i]); err != nil {
			return err
		}
	}
	m.To.Omit(r.values)
	r.tellOmitted(m)
	if err := r.check(m, res); err != nil {
		return err
	}
	rec := res.next()
	rec.Interface, rec.Mapping = m.To, m
	r.write(rec)
	if err := r.waits(m, rec); err != nil {
		return err
	}
	return r.identify(m, rec, element)
}

// tellOmitted traces the pictures that a rule of the standard leaves out.
func (r *run) tellOmitted(m *Mapping) {
	if r.trace == nil {
		return
	}
	for i, b := range r.blobs {
		if f := &m.To.Fields[i]; b != nil && r.values[i].Kind == spec.Missing {
			r.trace.add(Step{What: "left out", Name: f.Name, Note: f.Label + "：按规范不传", Verdict: Yes, Mapping: m.Name})
		}
	}
}

// next returns a record at the end of the result, with the buffers of one
// that is no longer used.
func (res *Result) next() *Record {
	var rec Record
	if n := len(res.spare); n > 0 {
		rec = res.spare[n-1]
		res.spare = res.spare[:n-1]
	}
	clear(rec.Holes)
	res.Records = append(res.Records, Record{Doc: rec.Doc[:0], Holes: rec.Holes[:0]})
	return &res.Records[len(res.Records)-1]
}

// field evaluates one field. Conversions: a number for a text is its digits;
// nothing else is converted.
func (r *run) field(m *Mapping, rule *fieldRule) error {
	f, out := &m.To.Fields[rule.index], &r.values[rule.index]
	if rule.objects != nil {
		return r.list(f, rule, out)
	}
	v, err := r.value(f, rule, out, "")
	switch v := v.(type) {
	case *event.Blob:
		r.blobs[rule.index] = v
	case *unmade:
		if v.recipe.URL+v.recipe.Later != "" && m.To.Time < 0 && err == nil {
			return message.New("field-error", message.New("field", f.Name, f.Label), message.New("fetch-registration"), r.because(rule.value, f, nil))
		}
		v.recipe.Field = f.Name
		r.blobs[rule.index], r.recipes[rule.index] = v.blob, &v.recipe
	}
	return err
}

// value evaluates one rule into out. prefix is where the field stands:
// "jzxxList[0]." in a list.
func (r *run) value(f *spec.Field, rule *fieldRule, out *spec.Value, prefix string) (any, error) {
	v, err := r.eval(rule.value)
	if err == nil {
		err = assign(f, out, v)
	}
	if r.trace != nil {
		r.tell(Step{What: "field", Verdict: gave(v, err), Name: prefix + f.Name, Note: f.Label, Err: err}, rule.value, v, f)
	}
	if err != nil {
		return v, withRows(message.New("field-error", message.New("field", prefix+f.Name, f.Label), err, r.because(rule.value, f, err)), r.missedBy(rule.value))
	}
	return v, nil
}

func assign(f *spec.Field, out *spec.Value, v any) error {
	if f.Type == spec.List {
		return assignList(f, out, v)
	}
	switch v := v.(type) {
	case nil:
	case string:
		*out = spec.Value{Kind: spec.Text, Text: v}
		if f.Format == spec.GF005 && v != "" {
			return message.New("picture-got-text", saidAs(v))
		}
	case int:
		*out = spec.Value{Kind: numberKind(f), Text: strconv.Itoa(v)}
	case float64:
		*out = spec.Value{Kind: numberKind(f), Text: strconv.FormatFloat(v, 'f', -1, 64)}
	case *event.Blob:
		if f.Format != spec.GF005 {
			return want("kind-text", v)
		}
		*out = spec.Value{Kind: spec.Picture, Data: v.Data, Raw: v.Raw}
	case *unmade:
		if f.Format != spec.GF005 {
			return want("kind-text", v)
		}
		*out = spec.Value{Kind: spec.Picture, Promised: true}
	default:
		return want("kind-text", v)
	}
	return nil
}

func numberKind(f *spec.Field) spec.Kind {
	if f.Type == spec.Integer {
		return spec.Number
	}
	return spec.Text
}

// write writes the fields that are there, in the standard's order.
func (r *run) write(rec *Record) {
	doc := append(rec.Doc, '{')
	for i := range r.values {
		v := &r.values[i]
		if v.Kind == spec.Missing {
			continue
		}
		doc = appendName(doc, rec.Interface.Fields[i].Name)
		switch v.Kind {
		case spec.Number:
			doc = append(doc, v.Text...)
		case spec.Picture:
			doc = append(doc, '"')
			hole := Hole{At: len(doc), Recipe: r.recipes[i]}
			if r.blobs[i] != nil {
				hole.Blob = *r.blobs[i]
			}
			rec.Holes = append(rec.Holes, hole)
			doc = append(doc, '"')
		case spec.Array:
			doc = appendList(doc, rec.Interface.Fields[i].Fields, v.Items)
		default:
			doc = event.AppendString(doc, v.Text)
		}
	}
	rec.Doc = append(doc, '}')
}

// appendName begins a member of the object under way.
func appendName(doc []byte, name string) []byte {
	if doc[len(doc)-1] != '{' {
		doc = append(doc, ',')
	}
	doc = append(append(doc, '"'), name...)
	return append(doc, '"', ':')
}

// identify finds out what makes the record one of its kind.
func (r *run) identify(m *Mapping, rec *Record, element int) error {
	rec.FoundBy = r.deviceID
	if i := m.To.Device; i >= 0 {
		rec.Device = r.values[i].Text
	}
	if i := m.To.Time; i >= 0 {
		rec.Time = r.values[i].Text
	}
	if m.distinct == nil {
		rec.Distinct = rec.digest()
	} else {
		v, err := r.eval(m.distinct)
		if r.trace != nil {
			r.tell(Step{What: "distinct", Verdict: gave(v, err), Err: err}, m.distinct, v, nil)
		}
		if err != nil {
			return message.New("distinct-error", err)
		}
		s, ok := asText(v)
		if !ok {
			// Without the number that the device usually gives, two events of
			// one second must not become one: fall back to the content.
			s = rec.digest()
		}
		rec.Distinct = s
	}
	r.tellRecord(m, rec, element)
	return nil
}

func (r *run) tellRecord(m *Mapping, rec *Record, element int) {
	if r.trace == nil {
		return
	}
	r.trace.add(Step{What: "record", Verdict: Yes, Mapping: m.Name, Name: m.To.Name, Note: m.To.Title,
		Value: fmt.Sprintf("element %d: device %s, time %s, distinct %s", element, rec.Device, rec.Time, cmp.Or(m.shownDistinct(rec), rec.Distinct))})
}

// digest tells two contents apart, pictures included (two faces of one second
// differ in nothing else). It is no defence: the key made of it is.
func (r *Record) digest() string {
	h := xxhash.New()
	_, _ = h.Write(r.Doc)
	for i := range r.Holes {
		_, _ = h.Write(r.Holes[i].Blob.Data)
		if rc := r.Holes[i].Recipe; rc != nil {
			_, _ = h.WriteString(rc.identity())
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
