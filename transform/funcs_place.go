package transform

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// place is a point on the earth in degrees.
type place struct{ lng, lat float64 }

// Coordinate systems. GF001 wants BD-09 (规范 1.5: 通过百度地图获取).
const (
	wgs84 = "wgs84" // GPS
	gcj02 = "gcj02" // 高德, 腾讯
	bd09  = "bd09"  // 百度
)

var coordinates = []string{wgs84, gcj02, bd09}

func bd09Func(_ *run, args []any) (any, error) {
	p, ok, err := placeOf(args[0], args[1])
	if err != nil {
		return nil, err
	}
	from, err := coordinatesOf(args[2])
	if err != nil || !ok {
		return nil, err
	}
	return p.bd09(from).object(), nil
}

func coordinatesOf(v any) (string, error) {
	for _, c := range coordinates {
		if v == c {
			return c, nil
		}
	}
	return "", message.New("want-coordinates", wgs84, gcj02, bd09, saidAs(v))
}

// object is the place as mappings see it, in the standard's names and form.
func (p place) object() object {
	jd, wd := degrees(p.lng), degrees(p.lat)
	return object{what: message.New("the-place", jd+","+wd), parts: map[string]any{"jd": jd, "wd": wd}}
}

// degrees writes GF001: decimal, 6 places (about 0.1 m).
func degrees(d float64) string { return strconv.FormatFloat(d, 'f', 6, 64) }

// placeOf makes a place of numbers or texts; ok is false if both are nothing.
// The standard knows places in China only, and there the numbers tell when
// they are swapped: a wrong place is refused instead of converted.
func placeOf(lng, lat any) (p place, ok bool, err error) {
	x, err := trimmed(lng, message.New("a-longitude"))
	if err != nil {
		return p, false, err
	}
	y, err := trimmed(lat, message.New("a-latitude"))
	if err != nil {
		return p, false, err
	}
	if x == "" && y == "" {
		return p, false, nil
	}
	if x == "" || y == "" {
		return p, false, message.New("want-lng-lat", saidAs(lng), saidAs(lat))
	}
	if p.lng, ok = decimal(x); !ok {
		return p, false, want("a-longitude", lng)
	}
	if p.lat, ok = decimal(y); !ok {
		return p, false, want("a-latitude", lat)
	}
	if !p.inChina() {
		if (place{p.lat, p.lng}).inChina() {
			return p, false, message.New("swapped", x, y)
		}
		return p, false, message.New("in-china", x, y)
	}
	return p, true, nil
}

// inChina is the rectangle that the catalogue asks for (GF001).
func (p place) inChina() bool { return p.lng >= 73 && p.lng <= 136 && p.lat >= 3 && p.lat <= 54 }

// decimal reads plain decimal degrees: no exponent, no hex, no infinity.
func decimal(s string) (float64, bool) {
	if len(s) > 32 || strings.Trim(s, "+-.0123456789") != "" {
		return 0, false
	}
	d, err := strconv.ParseFloat(s, 64)
	return d, err == nil
}

// bd09 converts to BD-09. GCJ-02 and BD-09 are not published; this is the
// formula that all public libraries share (coordtransform, eviltransform). It
// agrees with their test vectors to 1e-9 degrees; how far these are from
// Baidu's own conversion nobody has published, users report up to 10 m.
func (p place) bd09(from string) place {
	switch from {
	case wgs84:
		return p.gcj02().shifted()
	case gcj02:
		return p.shifted()
	}
	return p
}

// Krasovsky 1940, as GCJ-02 uses it.
const (
	semiMajor    = 6378245.0 // m
	eccentricity = 0.00669342162296594323
)

// gcj02 shifts a WGS-84 place by the state's offset, 100 to 700 m.
func (p place) gcj02() place {
	x, y := p.lng-105, p.lat-35
	waves := 20*math.Sin(6*x*math.Pi) + 20*math.Sin(2*x*math.Pi)
	east := 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*math.Sqrt(math.Abs(x)) +
		(waves+20*math.Sin(x*math.Pi)+40*math.Sin(x/3*math.Pi)+150*math.Sin(x/12*math.Pi)+300*math.Sin(x/30*math.Pi))*2/3
	north := -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*math.Sqrt(math.Abs(x)) +
		(waves+20*math.Sin(y*math.Pi)+40*math.Sin(y/3*math.Pi)+160*math.Sin(y/12*math.Pi)+320*math.Sin(y/30*math.Pi))*2/3

	// The offset in metres becomes degrees on the ellipsoid.
	lat := p.lat * math.Pi / 180
	m := 1 - eccentricity*math.Sin(lat)*math.Sin(lat)
	meridian := semiMajor * (1 - eccentricity) / (m * math.Sqrt(m))
	parallel := semiMajor / math.Sqrt(m) * math.Cos(lat)
	return place{p.lng + east*180/(parallel*math.Pi), p.lat + north*180/(meridian*math.Pi)}
}

// shifted shifts a GCJ-02 place by Baidu's second offset, about 1 km.
func (p place) shifted() place {
	const wave = math.Pi * 3000 / 180
	r := math.Hypot(p.lng, p.lat) + 0.00002*math.Sin(p.lat*wave)
	phi := math.Atan2(p.lat, p.lng) + 0.000003*math.Cos(p.lng*wave)
	return place{r*math.Cos(phi) + 0.0065, r*math.Sin(phi) + 0.006}
}

// checkCoordinates proves a constant last argument of bd09 and polygon now.
func (v *chains) checkCoordinates(n *ast.CallNode) {
	last, ok := n.Arguments[len(n.Arguments)-1].(*ast.StringNode)
	if !ok || len(n.Arguments) == 1 {
		return
	}
	if _, err := coordinatesOf(last.Value); err != nil {
		v.problem(last, len([]rune(last.Value))+2, message.New("coordinates", err, didYouMean(last.Value, coordinates)))
	}
}

// Limits of polygon. The longest GF002 field (小区 dtzbj) takes 60,000
// characters, which is 2,857 points.
const (
	maxPoints      = 3000
	maxPolygonText = 256 << 10 // bytes
)

// polygonFunc writes GF002: lng,lat;lng,lat;… The standard's text says that
// points are separated by commas, its examples use semicolons.
func polygonFunc(_ *run, args []any) (any, error) {
	from := bd09
	if len(args) == 2 {
		var err error
		if from, err = coordinatesOf(args[1]); err != nil {
			return nil, err
		}
	}
	points, err := pointsOf(args[0])
	if err != nil || len(points) == 0 {
		return nil, err
	}
	if len(points) > maxPoints {
		return nil, message.New("points-most", maxPoints, len(points))
	}
	var b strings.Builder
	var different []place // up to 3: the closing point is the first again
	for i, v := range points {
		p, err := pointOf(v)
		if err != nil {
			return nil, message.New("point", i+1, err)
		}
		if len(different) < 3 && !slices.Contains(different, p) {
			different = append(different, p)
		}
		if i > 0 {
			b.WriteByte(';')
		}
		p = p.bd09(from)
		b.WriteString(degrees(p.lng))
		b.WriteByte(',')
		b.WriteString(degrees(p.lat))
	}
	if len(different) < 3 {
		return nil, message.New("points-least", len(different))
	}
	return b.String(), nil
}

// pointsOf finds the list of points in whatever tells a polygon.
func pointsOf(v any) ([]any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return pointsOfText(v)
	case *event.Blob: // a long text
		if !v.Raw {
			return pointsOfText(string(v.Data))
		}
	case []any:
		return ring(v)
	case map[string]any: // GeoJSON
		if v["type"] != "Polygon" {
			return nil, want("a-polygon", v["type"])
		}
		list, ok := v["coordinates"].([]any)
		if !ok {
			return nil, want("polygon-coordinates", v["coordinates"])
		}
		return ring(list)
	}
	return nil, want("polygon-points", v)
}

// ring is a list of points, or the only one in a list of such lists, as
// GeoJSON has it.
func ring(list []any) ([]any, error) {
	if len(list) == 0 {
		return nil, nil
	}
	inner, ok := list[0].([]any)
	if !ok || len(inner) == 0 {
		return list, nil
	}
	if _, rings := inner[0].([]any); !rings {
		return list, nil
	}
	if len(list) > 1 {
		return nil, message.New("one-ring", len(list))
	}
	return inner, nil
}

// pointsOfText reads lng,lat;lng,lat or lng lat,lng lat, WKT's
// POLYGON((lng lat,…)), or JSON.
func pointsOfText(s string) ([]any, error) {
	if len(s) > maxPolygonText {
		return nil, message.New("polygon-bytes", maxPolygonText, len(s))
	}
	s = strings.TrimSpace(halfWidth(s))
	switch {
	case s == "":
		return nil, nil
	case s[0] == '[' || s[0] == '{':
		v, err := new(event.Event).Value([]byte(s))
		if err != nil {
			return nil, message.New("polygon-json", err)
		}
		return pointsOf(v)
	case len(s) >= 7 && strings.EqualFold(s[:7], "POLYGON"):
		inner, opened := strings.CutPrefix(strings.ReplaceAll(s[7:], " (", "("), "((")
		inner, closed := strings.CutSuffix(strings.ReplaceAll(inner, ") )", "))"), "))")
		if !opened || !closed {
			return nil, want("wkt-polygon", s)
		}
		if strings.ContainsAny(inner, "()") {
			return nil, message.New("one-ring", 1+strings.Count(inner, "("))
		}
		s = inner
	}
	split := ","
	if strings.Contains(s, ";") {
		split, s = ";", strings.TrimSuffix(s, ";")
	}
	var points []any
	for text := range strings.SplitSeq(s, split) {
		points = append(points, text)
	}
	return points, nil
}

// pointNames are the names that longitude and latitude have in objects.
var pointNames = [][2]string{{"jd", "wd"}, {"lng", "lat"}, {"lon", "lat"}, {"longitude", "latitude"}, {"Longitude", "Latitude"}, {"x", "y"}}

func pointOf(v any) (place, error) {
	var lng, lat any
	switch v := v.(type) {
	case string:
		if words := strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }); len(words) == 2 {
			lng, lat = words[0], words[1]
		}
	case []any:
		if len(v) == 2 {
			lng, lat = v[0], v[1]
		}
	case object:
		lng, lat = v.parts["jd"], v.parts["wd"]
	case map[string]any:
		for _, names := range pointNames {
			if v[names[0]] != nil && v[names[1]] != nil {
				lng, lat = v[names[0]], v[names[1]]
				break
			}
		}
	}
	p, ok, err := placeOf(lng, lat)
	if err == nil && !ok {
		err = want("lng-and-lat", v)
	}
	return p, err
}
