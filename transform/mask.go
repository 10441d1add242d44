package transform

import (
	"strconv"

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
	return mask(doc, iface.Fields, "")
}

// mask masks the fields of the object at a path: "" or like "jzxxList.0.".
func mask(doc []byte, fields []spec.Field, path string) []byte {
	for i := range fields {
		f := &fields[i]
		v := gjson.GetBytes(doc, path+f.Name)
		switch {
		case !v.Exists():
		case f.Type == spec.List:
			for n := range v.Array() {
				doc = mask(doc, f.Fields, path+f.Name+"."+strconv.Itoa(n)+".")
			}
		case f.Mask != spec.Open:
			if masked, err := sjson.SetBytes(doc, path+f.Name, f.Masked(v.String())); err == nil {
				doc = masked
			}
		}
	}
	return doc
}
