package transform

import (
	"strconv"
	"strings"

	"yiqiao/transform/message"
)

// crop(picture, rect, unit, form): vendors give rectangles as objects, whose
// members say which number is which, or as lists, where the mapping has to.

// The units of coordinates: how much the whole width or height is.
var rectUnits = map[string]float64{"0..1": 1, "0..100": 100, "0..1000": 1000, "0..8191": 8191, "0..8192": 8192, "0..10000": 10000, "pixels": 0}

var unitNames = []string{"0..1", "0..1000", "0..8191", "0..10000", "pixels"}

// The forms of lists: [left, top, right, bottom], and [x, y, width, height].
const (
	formEdges = "ltrb"
	formSize  = "xywh"
)

// rectNames are the members of vendors' objects in lower case, and the edge
// that each is.
var rectNames = map[string]string{
	"x": "left", "left": "left", "lefttopx": "left", "l": "left",
	"y": "top", "top": "top", "lefttopy": "top", "t": "top",
	"right": "right", "rightbtmx": "right", "rightbottomx": "right", "r": "right",
	"bottom": "bottom", "rightbtmy": "bottom", "rightbottomy": "bottom", "b": "bottom",
	"width": "width", "w": "width", "height": "height", "h": "height",
}

func cropFunc(r *run, args []any) (any, error) {
	unit, ok := rectUnits[unitText(args[2])]
	if !ok {
		return nil, message.New("rect-unit", unitNames, saidAs(args[2]))
	}
	form := ""
	if len(args) > 3 {
		if form, _ = args[3].(string); form != formEdges && form != formSize {
			return nil, message.New("rect-form", saidAs(args[3]))
		}
	}
	if args[1] == nil {
		return nil, nil
	}
	rect, err := rectOf(args[1], unit, form)
	if rect == nil || err != nil {
		return nil, err
	}
	u, err := toEdit(r, args[0])
	if u == nil || err != nil {
		return nil, err
	}
	return u.edited(Edit{Crop: rect}), nil
}

func unitText(v any) string {
	s, _ := v.(string)
	return strings.ReplaceAll(strings.TrimSpace(s), " ", "")
}

// rectOf reads a rectangle; nil: there is none, or all of it is 0, as devices
// write none.
func rectOf(v any, unit float64, form string) (*Rect, error) {
	edges := map[string]float64{}
	switch v := v.(type) {
	case []any:
		names := []string{"left", "top", "right", "bottom"}
		switch {
		case form == "":
			return nil, message.New("rect-form", message.New("nothing"))
		case len(v) != 4:
			return nil, want("a-rect", v)
		case form == formSize:
			names = []string{"left", "top", "width", "height"}
		}
		for i, el := range v {
			n, ok := coordinate(el)
			if !ok {
				return nil, want("a-rect", el)
			}
			edges[names[i]] = n
		}
	case map[string]any:
		said := false
		for key, el := range v {
			name := rectNames[strings.ToLower(key)]
			n, ok := coordinate(el)
			if name != "" && ok {
				edges[name] = n
			}
			said = said || name != "" && el != nil && n != 0 || name != "" && el != nil && !ok
		}
		if !said {
			return nil, nil
		}
		if _, ok := edges["right"]; !ok {
			if w, ok := edges["width"]; ok {
				edges["right"] = edges["left"] + w
			}
		}
		if _, ok := edges["bottom"]; !ok {
			if h, ok := edges["height"]; ok {
				edges["bottom"] = edges["top"] + h
			}
		}
		for _, name := range []string{"left", "top", "right", "bottom"} {
			if _, ok := edges[name]; !ok {
				return nil, want("a-rect", v)
			}
		}
	default:
		return nil, want("a-rect", v)
	}
	if form == formSize {
		edges["right"], edges["bottom"] = edges["left"]+edges["width"], edges["top"]+edges["height"]
	}
	return checkedRect(&Rect{edges["left"], edges["top"], edges["right"], edges["bottom"], unit})
}

// beyond is how far an edge may lie outside of the picture, as a part of it:
// devices widen the box of a face that is at the edge.
const beyond = 0.25

func checkedRect(r *Rect) (*Rect, error) {
	if *r == (Rect{Unit: r.Unit}) {
		return nil, nil
	}
	outside := func(v float64) bool { return r.Unit > 0 && (v < -beyond*r.Unit || v > (1+beyond)*r.Unit) }
	if r.Right <= r.Left || r.Bottom <= r.Top || outside(r.Left) || outside(r.Top) || outside(r.Right) || outside(r.Bottom) {
		return nil, message.New("rect-odd", r.String())
	}
	return r, nil
}

// coordinate is a number, or the text of one.
func coordinate(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil && f > -1e9 && f < 1e9
	}
	return 0, false
}
