package console

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/jpeg"
	_ "image/png" // devices send both
	"strings"

	"github.com/tidwall/gjson"

	"yiqiao/transform"
	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// record is one that a mapping gave.
type record struct {
	To       string  `json:"to"`
	Title    string  `json:"title"`
	Mapping  string  `json:"mapping"`
	Fields   []field `json:"fields"`
	Bytes    int     `json:"bytes"`    // of its document
	Envelope int     `json:"envelope"` // bytes, sealed for the platform
}

// field is a member of a record, in the order of the standard.
type field struct {
	Name    string `json:"name"`
	Label   string `json:"label"`
	Value   string `json:"value"`             // text, or JSON of what is none; personal values are masked
	Says    string `json:"says,omitempty"`    // what a dictionary's code means
	Picture string `json:"picture,omitempty"` // a data URI of a thumbnail, a blur of 12 pixels unless revealed
}

func (c *console) record(rec *transform.Record, reveal bool) (record, error) {
	size, err := c.proxy.EnvelopeSize(rec)
	out := record{To: rec.Interface.Name, Title: rec.Interface.Title, Mapping: rec.Mapping.Name, Fields: []field{}, Bytes: rec.Len(), Envelope: size}
	doc := rec.Masked(rec.Interface)
	if reveal {
		doc = rec.Describe()
	}
	hole := 0
	gjson.ParseBytes(doc).ForEach(func(k, v gjson.Result) bool {
		f := field{Name: k.String(), Value: v.Raw}
		if v.Type == gjson.String {
			f.Value = v.String()
		}
		if known := rec.Interface.Field(f.Name); known != nil {
			f.Label = known.Label
			if known.Dict != nil {
				f.Says, _ = known.Dict.Label(f.Value)
			}
			switch {
			case known.Type == spec.List:
				hole += strings.Count(v.Raw, `"@`) // a list shows its pictures in words only
			case known.Format == spec.GF005 && hole < len(rec.Holes):
				f.Picture = thumbnail(&rec.Holes[hole].Blob, reveal)
				hole++
			}
		}
		out.Fields = append(out.Fields, f)
		return true
	})
	return out, err
}

const (
	thumbWide  = 240
	blurWide   = 12
	pixelsMost = 64 << 20 // of a picture that is decoded; larger ones have no thumbnail
)

// thumbnail is a small picture as a data URI; empty if it is none that can be
// decoded (of recent events only the ends are kept).
func thumbnail(b *event.Blob, reveal bool) string {
	data := b.Data
	if !b.Raw {
		var err error
		if data, err = base64.StdEncoding.DecodeString(string(data)); err != nil {
			return ""
		}
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || size.Width < 1 || size.Height < 1 || size.Width > pixelsMost/size.Height {
		return ""
	}
	full, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return ""
	}
	wide := thumbWide
	if !reveal {
		wide = blurWide
	}
	small := shrink(full, min(wide, size.Width))
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: 80}); err != nil {
		return ""
	}
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(out.Bytes())
}

// shrink is a picture so many pixels wide: one pixel of each cell, which is
// enough to recognise a picture by.
func shrink(full image.Image, wide int) image.Image {
	from := full.Bounds()
	high := max(1, from.Dy()*wide/from.Dx())
	small := image.NewRGBA(image.Rect(0, 0, wide, high))
	for y := range high {
		for x := range wide {
			small.Set(x, y, full.At(from.Min.X+(2*x+1)*from.Dx()/(2*wide), from.Min.Y+(2*y+1)*from.Dy()/(2*high)))
		}
	}
	return small
}

// eventPath is a value of an event, as an expression names it.
type eventPath struct {
	Path string `json:"path"` // event.AccessControllerEvent.serialNo
	Kind string `json:"kind"` // text, number, list …: no value, for it may be personal
}

// pathsMost bounds what is told of an event's inside.
const pathsMost = 400

func pathsOf(ev *event.Event) []eventPath {
	list := []eventPath{}
	addPaths(gjson.ParseBytes(ev.Doc), "event", &list, 0)
	return list
}

func addPaths(v gjson.Result, at string, list *[]eventPath, deep int) {
	if len(*list) >= pathsMost || deep > 12 {
		return
	}
	if deep > 0 {
		*list = append(*list, eventPath{at, kindOf(v)})
	}
	switch {
	case v.IsObject():
		v.ForEach(func(k, inner gjson.Result) bool {
			name := at + "." + k.String()
			if !plainName(k.String()) {
				name = at + "[" + k.Raw + "]"
			}
			addPaths(inner, name, list, deep+1)
			return len(*list) < pathsMost
		})
	case v.IsArray():
		if first := v.Get("0"); first.Exists() {
			addPaths(first, at+"[0]", list, deep+1)
		}
	}
}

// plainName tells whether a key may stand behind a dot.
func plainName(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func kindOf(v gjson.Result) string {
	switch {
	case v.IsObject():
		return "对象"
	case v.IsArray():
		return "列表"
	case v.Type == gjson.Number:
		return "数字"
	case v.Type == gjson.String:
		return "文字"
	case v.Type == gjson.Null:
		return "空"
	}
	return "是否"
}
