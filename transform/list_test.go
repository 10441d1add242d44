package transform

import (
	"strings"
	"testing"
)

// residents is a mapping to rk whose list is written with these lines.
func residents(lines ...string) string {
	return `title: 住户
when: event.kind == "resident"
to: rk
record:
  xqbm: device.xqbm
  xm: event.name
  xbdm: event.sex
  zjlxdm: '"414"'
  zjhm: event.number
  sjhm: event.phone
  ryZp: picture(event.face)
  rklxdm: '"1"'
  csrq: date(event.born)
  zzmmdm: '"13"'
  jzxxList:
    ` + strings.Join(lines, "\n    ") + "\n"
}

const resident = `{"kind":"resident","name":"某甲","sex":1,"number":"G00000000","phone":"19900000000","face":"` + jpegText + `","born":"1994-11-22",HOMES}`

// The ways to write a list in a record.
func TestList(t *testing.T) {
	const code = "340102001001001001012201"
	each := []string{"each: event.homes", "record: {fwbm: it.code, yhzgxdm: 'first(it.kin[0].code, event.kin)'}"}
	for name, tt := range map[string]struct {
		rule []string
		body string // the event's end
		want string // a piece of the description
	}{
		"each": {each, `"kin":"8","homes":[{"code":"` + code + `","kin":[{"code":"0"}]},{"code":"340102001001001001012202"}]`,
			`"jzxxList":[{"fwbm":"` + code + `","yhzgxdm":"0"},{"fwbm":"340102001001001001012202","yhzgxdm":"8"}]}`},
		"one is a list of one":   {each, `"kin":"8","homes":{"code":"` + code + `"}`, `"jzxxList":[{"fwbm":"` + code + `","yhzgxdm":"8"}]`},
		"none":                   {each, `"kin":"8"`, `jzxxList (居住信息列表): event.homes is empty (mappings/acme/face.yaml:16:11)`},
		"empty":                  {each, `"homes":[]`, `jzxxList (居住信息列表): event.homes is empty: event.homes = a list of 0 (mappings/acme`},
		"wrong in one":           {each, `"kin":"8","homes":[{"code":"` + code + `"},{"code":"3401"}]`, `refused: jzxxList[1].fwbm (房屋编码): want 24 characters, got 4: "3401" [it.code at mappings/acme/face.yaml:17:20; it.code = "3401"]`},
		"missing in one":         {each, `"homes":[{"code":"` + code + `"}]`, `is empty: it.kin[0].code = nothing, event.kin = nothing (mappings/acme/face.yaml:17:39)`},
		"a function refuses":     {[]string{"each: event.homes", "record: {fwbm: time(it.code), yhzgxdm: it.kin}"}, `"homes":[{"code":"soon"}]`, `refused: jzxxList[0].fwbm (房屋编码): time(it.code) at mappings/acme/face.yaml:17:20: want a time, got "soon" [it.code = "soon"`},
		"a list where a text is": {each, `"kin":"8","homes":[{"code":["x"]}]`, `refused: jzxxList[0].fwbm (房屋编码): want a text, got a list of 1`},
		"written out": {[]string{"- {fwbm: event.code, yhzgxdm: '\"0\"'}", "- {fwbm: event.other, yhzgxdm: '\"8\"'}"}, `"code":"` + code + `","other":"340102001001001001012202"`,
			`"jzxxList":[{"fwbm":"` + code + `","yhzgxdm":"0"},{"fwbm":"340102001001001001012202","yhzgxdm":"8"}]}`},
		"wrong in the second written": {[]string{"- {fwbm: event.code, yhzgxdm: '\"0\"'}", "- {fwbm: event.other, yhzgxdm: '\"8\"'}"}, `"code":"` + code + `","other":"1"`,
			`refused: jzxxList[1].fwbm (房屋编码): want 24 characters, got 1: "1" [event.other at mappings/acme/face.yaml:17:14; event.other = "1"]`},
	} {
		t.Run(name, func(t *testing.T) {
			rules, problems := loadAcme(t, goodSource, residents(tt.rule...), goodDevices)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			res := applyAcme(t, rules, strings.Replace(resident, "HOMES", tt.body, 1), new(Trace))
			got := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(string(res.Describe()))
			if !strings.Contains(got, tt.want) {
				t.Errorf("want %s in %s", tt.want, got)
			}
			if plain := applyAcme(t, rules, strings.Replace(resident, "HOMES", tt.body, 1), nil); string(plain.Describe()) != string(res.Describe()) {
				t.Errorf("a trace changes what comes out: %s", plain.Describe())
			}
		})
	}
}

// A list in the standard's own form goes through, its strange members do not.
func TestListThrough(t *testing.T) {
	mapping := strings.Replace(residents("-"), "jzxxList:\n    -", "jzxxList: event.homes", 1)
	rules, problems := loadAcme(t, goodSource, mapping, goodDevices)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for name, tt := range map[string]struct{ homes, want string }{
		"standard": {`[{"yhzgxdm":0,"fwbm":"340102001001001001012201","owner":"某乙"}]`, `"jzxxList":[{"fwbm":"340102001001001001012201","yhzgxdm":"0"}]}`},
		"one":      {`{"yhzgxdm":"0","fwbm":"340102001001001001012201"}`, `"jzxxList":[{"fwbm":"340102001001001001012201","yhzgxdm":"0"}]}`},
		"no list":  {`"340102001001001001012201"`, `refused: jzxxList[0] (居住信息列表): want an object, got a text [event.homes at mappings/acme/face.yaml:15:13`},
		"no object": {`[{"yhzgxdm":"0","fwbm":"340102001001001001012201"},null]`,
			`refused: jzxxList[1] (居住信息列表): want an object, got nothing [event.homes at`},
		"wrong": {`[{"yhzgxdm":"0","fwbm":"3401"}]`, `refused: jzxxList[0].fwbm (房屋编码): want 24 characters, got 4: "3401" [event.homes at`},
		"deep":  {`[{"yhzgxdm":{},"fwbm":"340102001001001001012201"}]`, `refused: jzxxList (居住信息列表): jzxxList[0].yhzgxdm (与房主关系): want a text, got an object with`},
	} {
		t.Run(name, func(t *testing.T) {
			res := applyAcme(t, rules, strings.Replace(resident, "HOMES", `"homes":`+tt.homes, 1), nil)
			got := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(string(res.Describe()))
			if !strings.Contains(got, tt.want) {
				t.Errorf("want %s in %s", tt.want, got)
			}
		})
	}
}

// In a list, it is the list's element, outer the mapping's; what follows the
// list has the mapping's again.
func TestListOuter(t *testing.T) {
	mapping := residents("each: it.homes", "record: {fwbm: it.code, yhzgxdm: outer.kin}")
	mapping = strings.NewReplacer("to: rk", "each: event.people\nto: rk", "event.name", "it.name", "event.number", "it.number").Replace(mapping) + "distinct: it.number\n"
	rules, problems := loadAcme(t, goodSource, mapping, goodDevices)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	body := strings.Replace(resident, "HOMES", `"people":[
		{"name":"某甲","number":"G1","kin":"0","homes":[{"code":"340102001001001001012201"}]},
		{"name":"某乙","number":"G2","kin":"8","homes":[{"code":"340102001001001001012202"},{"code":"340102001001001001012203"}]}]`, 1)
	res := applyAcme(t, rules, body, nil)
	got := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(string(res.Describe()))
	for _, want := range []string{
		`"distinct":"G1"`, `"jzxxList":[{"fwbm":"340102001001001001012201","yhzgxdm":"0"}]`,
		`"distinct":"G2"`, `"jzxxList":[{"fwbm":"340102001001001001012202","yhzgxdm":"8"},{"fwbm":"340102001001001001012203","yhzgxdm":"8"}]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %s in %s", want, got)
		}
	}
	masked := string(res.Records[1].Masked(res.Records[1].Interface))
	if strings.Contains(masked, "某乙") || !strings.Contains(masked, `"xm":"***"`) || !strings.Contains(masked, "012203") {
		t.Errorf("want the name masked and the house not, got %s", masked)
	}
}
