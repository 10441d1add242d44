package transform

import (
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"yiqiao/transform/spec"
)

// Masked returns the document for whoever looks at it in passing: pictures are
// described, and what the standard marks as personal or secret is masked.
func (r *Record) Masked(iface *spec.Interface) []byte {
	doc := r.Describe()
	if iface == nil {
		return doc
	}
	for i := range iface.Fields {
		f := &iface.Fields[i]
		if f.Mask == spec.Open {
			continue
		}
		if v := gjson.GetBytes(doc, f.Name); v.Exists() {
			if masked, err := sjson.SetBytes(doc, f.Name, f.Masked(v.String())); err == nil {
				doc = masked
			}
		}
	}
	return doc
}
