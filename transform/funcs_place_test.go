package transform

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

func testCatalogue(t testing.TB) *spec.Catalogue {
	t.Helper()
	c, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// callFunction calls a function of the table as an expression would.
func callFunction(t testing.TB, name string, args ...any) (any, error) {
	t.Helper()
	f := functionByName(name)
	if f == nil || len(args) < f.min || f.max >= 0 && len(args) > f.max {
		t.Fatalf("no function %s of %d arguments", name, len(args))
	}
	return f.call(&run{rules: &Rules{Catalogue: testCatalogue(t)}, event: &event.Event{}}, args)
}

// result is what a call gave as text; an error is its message.
func result(v any, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	if v == nil {
		return "nil"
	}
	return fmt.Sprint(v)
}

func near(a, b place, degrees float64) bool {
	return math.Abs(a.lng-b.lng) <= degrees && math.Abs(a.lat-b.lat) <= degrees
}

// Test vectors that other implementations publish: the README and test/app.js
// of wandergis/coordtransform, and the tests of googollee/eviltransform.
func TestPublishedCoordinates(t *testing.T) {
	for _, tt := range []struct {
		what     string
		in, want place
		convert  func(place) place
	}{
		{"coordtransform wgs84togcj02", place{116.404, 39.915}, place{116.41024449916938, 39.91640428150164}, place.gcj02},
		{"coordtransform gcj02tobd09", place{116.404, 39.915}, place{116.41036949371029, 39.92133699351021}, place.shifted},
		{"coordtransform both", place{116.404, 39.915}, place{116.41662724378733, 39.922699552216216}, func(p place) place { return p.bd09(wgs84) }},
		{"eviltransform Shanghai", place{121.5272106, 31.1774276}, place{121.531541859215, 31.17530398364597}, place.gcj02},
		{"eviltransform Shenzhen", place{113.912316, 22.543847}, place{113.9171764808363, 22.540796131694766}, place.gcj02},
		{"eviltransform Beijing", place{116.377817, 39.911954}, place{116.38404722455657, 39.91334545536069}, place.gcj02},
		// Amap's own service, told in issue 1 of coordtransform, the other way
		// round: 0.05 m.
		{"Amap", place{112.97124803, 22.91014091}, place{112.9778, 22.915835}, place.shifted},
	} {
		tolerance := 1e-9
		if tt.what == "Amap" {
			tolerance = 1e-6
		}
		if got := tt.convert(tt.in); !near(got, tt.want, tolerance) {
			t.Errorf("%s: %v became %.9f, want %.9f", tt.what, tt.in, got, tt.want)
		}
	}
}

// unconvert finds by iteration the place that becomes p: the formulas have no
// inverse of their own.
func unconvert(p place, convert func(place) place) place {
	q := p
	for range 30 {
		c := convert(q)
		q = place{q.lng + p.lng - c.lng, q.lat + p.lat - c.lat}
	}
	return q
}

func chinesePlace(t *rapid.T) place {
	return place{rapid.Float64Range(73, 136).Draw(t, "lng"), rapid.Float64Range(3, 54).Draw(t, "lat")}
}

// Each conversion can be undone to a millimetre, and moves no place by more
// than the two offsets together.
func TestCoordinatesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := chinesePlace(t)
		from := rapid.SampledFrom(coordinates).Draw(t, "from")
		convert := func(p place) place { return p.bd09(from) }
		moved := convert(p)
		if back := unconvert(moved, convert); !near(back, p, 1e-8) {
			t.Fatalf("%.9f from %s became %.9f and came back as %.9f", p, from, moved, back)
		}
		if from == bd09 && moved != p || from != bd09 && near(moved, p, 0.002) || !near(moved, p, 0.03) {
			t.Fatalf("%.6f from %s moved to %.6f", p, from, moved)
		}
	})
}

// What bd09 and polygon write is what the catalogue takes without a doubt.
func TestCoordinatesConform(t *testing.T) {
	iface := testCatalogue(t).Interface("xq")
	check := func(t *rapid.T, field, text string) {
		if vs := iface.Fields[iface.FieldIndex(field)].CheckText(text, nil); len(vs) > 0 {
			t.Fatalf("%s %s: %v", field, text, vs)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		// Near the edge of the rectangle the offset leads out of it.
		p := place{rapid.Float64Range(74, 135).Draw(rt, "lng"), rapid.Float64Range(4, 53).Draw(rt, "lat")}
		from := rapid.SampledFrom(coordinates).Draw(rt, "from")
		v, err := callFunction(t, "bd09", p.lng, p.lat, from)
		if err != nil {
			rt.Fatal(err)
		}
		check(rt, "jd", v.(object).parts["jd"].(string))
		check(rt, "wd", v.(object).parts["wd"].(string))
		set, err := callFunction(t, "polygon", []any{[]any{p.lng, p.lat}, v, "100,30", map[string]any{"lng": 101, "lat": "31.5"}}, from)
		if err != nil {
			rt.Fatal(err)
		}
		check(rt, "dtzbj", set.(string))
	})
}

func TestBD09(t *testing.T) {
	inChina := "error: want a place in China (longitude 73 to 136, latitude 3 to 54), got "
	for _, tt := range []struct {
		lng, lat, from any
		want           string
	}{
		{117.3, 31.8, "bd09", "the place 117.300000,31.800000"},
		{"117.3", " +31.80 ", "bd09", "the place 117.300000,31.800000"},
		{117, "31", "bd09", "the place 117.000000,31.000000"},
		{73.0, 3, "bd09", "the place 73.000000,3.000000"},
		{136.0, 54, "bd09", "the place 136.000000,54.000000"},
		{nil, nil, "wgs84", "nil"},
		{"", nil, "wgs84", "nil"},
		{" ", "\t", "wgs84", "nil"},
		{117.3, nil, "wgs84", "error: want a longitude and a latitude, got the number 117.3 and nothing"},
		{"", 31.8, "wgs84", `error: want a longitude and a latitude, got "" and the number 31.8`},
		{"117.3E", 31.8, "wgs84", `error: want a longitude in degrees, got "117.3E"`},
		{117.3, "31°48'", "wgs84", `error: want a latitude in degrees, got "31°48'"`},
		{"1e2", 31.8, "wgs84", `error: want a longitude in degrees, got "1e2"`},
		{"0x75", 31.8, "wgs84", `error: want a longitude in degrees, got "0x75"`},
		{"NaN", 31.8, "wgs84", `error: want a longitude in degrees, got "NaN"`},
		{"-", 31.8, "wgs84", `error: want a longitude in degrees, got "-"`},
		{strings.Repeat("1", 33), 31.8, "wgs84", `error: want a longitude in degrees, got "` + strings.Repeat("1", 33) + `"`},
		{true, 31.8, "wgs84", "error: want a longitude in degrees, got true"},
		{117.3, []any{31.8}, "wgs84", "error: want a latitude in degrees, got a list of 1"},
		{0, 0, "wgs84", inChina + "0, 0"},
		{2.2945, 48.8584, "wgs84", inChina + "2.2945, 48.8584"},
		{72.999999, 31, "bd09", inChina + "72.999999, 31"},
		{136.000001, 31, "bd09", inChina + "136.000001, 31"},
		{117, 2.999999, "bd09", inChina + "117, 2.999999"},
		{117, 54.000001, "bd09", inChina + "117, 54.000001"},
		{31.8, 117.3, "bd09", inChina + "31.8, 117.3: longitude and latitude are swapped"},
		{117.3, 31.8, "WGS84", `error: want coordinates "wgs84", "gcj02" or "bd09", got "WGS84"`},
		{117.3, 31.8, nil, `error: want coordinates "wgs84", "gcj02" or "bd09", got nothing`},
		{nil, nil, "gps", `error: want coordinates "wgs84", "gcj02" or "bd09", got "gps"`},
	} {
		if got := result(callFunction(t, "bd09", tt.lng, tt.lat, tt.from)); got != tt.want {
			t.Errorf("bd09(%v, %v, %v)\n got %s\nwant %s", tt.lng, tt.lat, tt.from, got, tt.want)
		}
	}
}

func TestPolygon(t *testing.T) {
	const square = "117.300000,31.800000;117.400000,31.800000;117.400000,31.900000;117.300000,31.800000"
	list := func(points ...any) []any { return points }
	long := &event.Blob{Data: []byte(strings.Repeat("117.3,31.8;117.4,31.8;117.4,31.9;", 40) + "117.3,31.8")}
	for _, tt := range []struct {
		points any
		want   string
	}{
		{"117.3,31.8;117.4,31.8;117.4,31.9;117.3,31.8", square},
		{"117.3,31.8;117.4,31.8;117.4,31.9;117.3,31.8;", square},
		{" 117.3, 31.8 ;\n117.4, 31.8;\n117.4, 31.9;117.3 31.8\n", square},
		{"１１７．３，３１．８；117.4，31.8；117.4，31.9；117.3，31.8", square},
		{"117.3 31.8,117.4 31.8,117.4 31.9,117.3 31.8", square},
		{"117.3 31.8, 117.4 31.8, 117.4 31.9, 117.3 31.8", square},
		{"POLYGON((117.3 31.8,117.4 31.8,117.4 31.9,117.3 31.8))", square},
		{"polygon ( ( 117.3 31.8, 117.4 31.8, 117.4 31.9, 117.3 31.8 ) )", square},
		{"[[117.3,31.8],[117.4,31.8],[117.4,31.9],[117.3,31.8]]", square},
		{"[[[117.3,31.8],[117.4,31.8],[117.4,31.9],[117.3,31.8]]]", square},
		{`{"type":"Polygon","coordinates":[[[117.3,31.8],[117.4,31.8],[117.4,31.9],[117.3,31.8]]]}`, square},
		{map[string]any{"type": "Polygon", "coordinates": list(list(list(117.3, 31.8), list(117.4, 31.8), list("117.4", 31.9), list(117.3, 31.8)))}, square},
		{list("117.3,31.8", "117.4 31.8", list(117.4, 31.9), map[string]any{"lng": 117.3, "lat": 31.8}), square},
		{list(map[string]any{"x": 117.3, "y": 31.8}, map[string]any{"lon": 117.4, "lat": 31.8}, map[string]any{"longitude": 117.4, "latitude": 31.9}, map[string]any{"jd": "117.3", "wd": "31.8"}), square},
		{"117.3,31.8;117.4,31.8;117.4,31.9", square[:len(square)-len(";117.300000,31.800000")]},
		{long, strings.Repeat(square[:len(square)-20], 40) + "117.300000,31.800000"},
		{nil, "nil"},
		{"", "nil"},
		{" \n", "nil"},
		{list(), "nil"},
		{"[]", "nil"},
		{"117.3,31.8;117.4,31.8", "error: want at least 3 different points, got 2"},
		{"117.3,31.8;117.4,31.8;117.3,31.8", "error: want at least 3 different points, got 2"},
		{"117.3,31.8;117.3,31.8;117.3,31.8", "error: want at least 3 different points, got 1"},
		{";", `error: point 1: want a longitude and a latitude, got ""`},
		{"117.3,31.8;;117.4,31.8", `error: point 2: want a longitude and a latitude, got ""`},
		{"117.3,31.8,117.4,31.8,117.4,31.9", `error: point 1: want a longitude and a latitude, got "117.3"`},
		{"117.3,31.8,5;117.4,31.8,5;117.4,31.9,5", `error: point 1: want a longitude and a latitude, got "117.3,31.8,5"`},
		{"31.8,117.3;31.8,117.4;31.9,117.4", "error: point 1: want a place in China (longitude 73 to 136, latitude 3 to 54), got 31.8, 117.3: longitude and latitude are swapped"},
		{"a,b;c,d;e,f", `error: point 1: want a longitude in degrees, got "a"`},
		{list(list(117.3, 31.8), 5, list(117.4, 31.9)), "error: point 2: want a longitude and a latitude, got the number 5"},
		{list(list(117.3, 31.8), nil, list(117.4, 31.9)), "error: point 2: want a longitude and a latitude, got nothing"},
		{list(map[string]any{"a": 1}), "error: point 1: want a longitude and a latitude, got an object with a"},
		{"POLYGON((117.3 31.8,117.4 31.8,117.4 31.9),(117.31 31.81,117.32 31.81,117.32 31.82))", "error: a coordinate set (GF002) is one ring, got 2"},
		{"POLYGON EMPTY", `error: want POLYGON((lng lat,…)), got "POLYGON EMPTY"`},
		{"POLYGON 117.3 31.8, 117.4 31.8, 117.4 31.9))", `error: want POLYGON((lng lat,…)), got "POLYGON 117.3 31.8, 117.4 31.8, 117.4 31"…`},
		{"POLYGON((117.3 31.8", `error: want POLYGON((lng lat,…)), got "POLYGON((117.3 31.8"`},
		{"[[[117.3,31.8]],[[117.3,31.8]]]", "error: a coordinate set (GF002) is one ring, got 2"},
		{"[[[[117.3,31.8],[117.4,31.8]]]]", "error: point 1: want a longitude in degrees, got a list of 2"},
		{`{"type":"MultiPolygon"}`, `error: want a GeoJSON object of type Polygon, got "MultiPolygon"`},
		{map[string]any{"type": "Polygon"}, "error: want coordinates of a Polygon, got nothing"},
		{"[[117.3", "error: want the points of a polygon as JSON: "},
		{5, "error: want the points of a polygon, got the number 5"},
		{&event.Blob{Raw: true, Data: []byte("117")}, "error: want the points of a polygon, got @part 3 bytes"},
		{strings.Repeat(" ", maxPolygonText+1), "error: want a polygon of at most 262144 bytes, got 262145"},
		{strings.Repeat("117.3,31.8;", maxPoints) + "117.4,31.8", "error: want at most 3000 points, got 3001"},
		{make([]any, maxPoints+1), "error: want at most 3000 points, got 3001"},
	} {
		got := result(callFunction(t, "polygon", tt.points))
		if got != tt.want && !(strings.HasSuffix(tt.want, "JSON: ") && strings.HasPrefix(got, tt.want) && len(got) > len(tt.want)) {
			t.Errorf("polygon(%.80v)\n got %.200s\nwant %.200s", tt.points, got, tt.want)
		}
	}
	most := strings.Repeat("117.3,31.8;", maxPoints-2) + "117.4,31.8;117.4,31.9"
	if got := result(callFunction(t, "polygon", most)); strings.Count(got, ";") != maxPoints-1 {
		t.Errorf("%d points gave %.100s", maxPoints, got)
	}
}

// Points of an event's list are converted one by one or all at once.
func TestPolygonOfBD09(t *testing.T) {
	one, err := eval(t, `polygon(map([[116.404, 39.915], [116.405, 39.915], [116.405, 39.916]], bd09(#[0], #[1], "gcj02")))`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := eval(t, `polygon([[116.404, 39.915], [116.405, 39.915], [116.405, 39.916]], "gcj02")`)
	if err != nil || one != all {
		t.Errorf("one by one %v, all at once %v, %v", one, all, err)
	}
}

func FuzzPolygon(f *testing.F) {
	for _, s := range []string{
		"117.3,31.8;117.4,31.8;117.4,31.9", "117.3 31.8,117.4 31.8,117.4 31.9", "POLYGON((117.3 31.8,117.4 31.8,117.4 31.9))",
		"[[117.3,31.8],[117.4,31.8],[117.4,31.9]]", `{"type":"Polygon","coordinates":[[[117.3,31.8],[117.4,31.8],[117.4,31.9]]]}`, "１１７．３，", "POLYGON ))((", "[[[",
	} {
		f.Add(s, "gcj02")
	}
	iface := testCatalogue(f).Interface("xq")
	field := &iface.Fields[iface.FieldIndex("dtzbj")]
	f.Fuzz(func(t *testing.T, text, from string) {
		v, err := callFunction(t, "polygon", text, from)
		if err != nil || v == nil {
			return
		}
		for _, violation := range field.CheckText(v.(string), nil) {
			if violation.Severity == spec.Error && len(v.(string)) <= 60000 {
				t.Errorf("polygon(%q, %q) = %s: %v", text, from, v, violation)
			}
		}
		if again, err := callFunction(t, "polygon", v); err == nil && again != v {
			t.Errorf("%s is read as %s", v, again)
		}
	})
}
