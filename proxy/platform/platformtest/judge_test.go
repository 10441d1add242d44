package platformtest_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/platform/platformtest"
)

// like is the standard's example of an interface with other values.
func like(t *testing.T, iface string, change map[string]any) string {
	t.Helper()
	c, err := sharedCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	doc := map[string]any{}
	if err := json.Unmarshal(c.Interface(iface).Examples[0].Document(), &doc); err != nil {
		t.Fatal(err)
	}
	maps.Copy(doc, change)
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

type set = map[string]any

const (
	area     = "340102001001001"
	building = area + "001"
	dwelling = building + "010101"
	entrance = area + "1101"
	system   = area + "1150001"
	camera   = "34010241011328001001"
	gate     = area + "1410001"
)

// registrations of a 小区 in an order that 前置接入 allows, with one record of
// each kind behind them.
func registrations(t *testing.T) [][2]string {
	t.Helper()
	return [][2]string{
		{"xq", like(t, "xq", set{"xqbm": area, "xqmc": "测试小区"})},
		{"crk", like(t, "crk", set{"xqbm": area, "crkbm": entrance, "crkmc": "测试小区东门"})},
		{"ld", like(t, "ld", set{"xqbm": area, "ldbm": building})},
		{"fw", like(t, "fw", set{"xqbm": area, "ldbm": building, "fwbm": dwelling})},
		{"rk", like(t, "rk", set{"xqbm": area, "jzxxList": []set{{"fwbm": dwelling, "yhzgxdm": "0"}}})},
		{"wyry", like(t, "wyry", set{"xqbm": area})},
		{"gj", like(t, "gj", set{"xqbm": area, "gjmc": "测试小区1号杆"})},
		{"zpj", like(t, "zpj", set{"xqbm": area, "zpjbm": camera})},
		{"mjxt", like(t, "mjxt", set{"xqbm": area, "mjxtbm": system, "crkbm": entrance, "ldbm": building})},
		{"clxx", like(t, "clxx", set{"xqbm": area})},
		{"cldz", like(t, "cldz", set{"xqbm": area, "crkbm": entrance, "zpjbms": camera, "dzbm": gate, "dzmc": "测试小区道闸"})},
		{"stk/zpjl", like(t, "stk/zpjl", set{"areaNo": area, "snapNo": camera})},
		{"stk/rytxjl", like(t, "stk/rytxjl", set{"areaNo": area, "accessControlNo": system})},
		{"stk/cltxjl", like(t, "stk/cltxjl", set{"areaNo": area, "snapNo": camera, "gateNo": gate})},
		{"stk/sbzt", like(t, "stk/sbzt", set{"areaNo": area, "deviceID": camera})},
	}
}

func strictly(o *platformtest.Options, _ *platform.Config) { o.Strictness = platformtest.Strict }

// A strict platform takes a whole 小区 in order, and takes registrations and
// states again; for another caller nothing is registered.
func TestStrictTakesInOrder(t *testing.T) {
	b := newBed(t, strictly)
	list := registrations(t)
	for _, rec := range list {
		if v := b.post(t, rec[0], rec[1]); v.Kind != platform.Delivered {
			t.Errorf("%s: %s", rec[0], v)
		}
	}
	for _, rec := range b.Records() {
		for _, remark := range rec.Remarks {
			t.Errorf("%s: remarked: %s", rec.Interface, remark)
		}
	}
	for _, rec := range list {
		v := b.post(t, rec[0], rec[1])
		event := strings.HasPrefix(rec[0], "stk/") && rec[0] != "stk/sbzt"
		if event && (v.Kind != platform.Rejected || v.Code != platformtest.CodeRepeated) || !event && v.Kind != platform.Delivered {
			t.Errorf("%s again: %s", rec[0], v)
		}
	}
	if v := b.post(t, "xq", like(t, "xq", set{"xqbm": area, "xqmc": "新名小区"})); v.Kind != platform.Delivered {
		t.Errorf("a change: %s", v)
	}
	if v := b.post(t, "gj", list[6][1]); v.Kind != platform.Rejected || !strings.Contains(v.Message, "gjmc（杆件名称）：应为以 xq.xqmc “新名小区” 开头") {
		t.Errorf("the old name: %s", v)
	}
	if c := b.Counts(); c.Accepted != 28 || c.Refused != 4 {
		t.Errorf("got %+v", c)
	}
}

// Out of order, each record is refused with what it refers to, by field, label
// and title. Only xq and what names nothing else may come first.
func TestStrictEnforcesOrder(t *testing.T) {
	b := newBed(t, strictly)
	want := map[string]string{
		"crk":        "xqbm（小区编码）：小区基础信息 " + area + "（xq）尚未接入（前置接入，规范第 3 章）",
		"rk":         "jzxxList[].fwbm（房屋编码）：楼栋基础信息 " + building + "（ld）尚未接入",
		"cldz":       "zpjbms（抓拍机编码）：抓拍机基础信息 " + camera + "（zpj）尚未接入（前置接入，规范第 12 章）",
		"stk/rytxjl": "accessControlNo（门禁系统编码）：门禁系统信息 " + system + "（mjxt）尚未接入（前置接入，规范第 14 章）",
	}
	list := registrations(t)
	slices.Reverse(list)
	for _, rec := range list[:len(list)-1] {
		v := b.post(t, rec[0], rec[1])
		if v.Kind != platform.Rejected || v.Code != platformtest.CodeEarlier || !strings.Contains(v.Message, want[rec[0]]) {
			t.Errorf("%s: want %s, got %s", rec[0], want[rec[0]], v)
		}
	}
	if c := b.Counts(); c.Accepted != 0 || c.Refused != 14 {
		t.Errorf("got %+v", c)
	}
	// What was refused is not registered.
	if v := b.post(t, "xq", list[len(list)-1][1]); v.Kind != platform.Delivered {
		t.Error(v)
	}
	if v := b.post(t, "fw", list[len(list)-4][1]); v.Code != platformtest.CodeEarlier || strings.Contains(v.Message, "（xq）") {
		t.Errorf("fw: %s", v)
	}
}

// Codes are registered for the caller that did it.
func TestStrictByCaller(t *testing.T) {
	b := newBed(t, strictly)
	list := registrations(t)
	if v := b.post(t, "xq", list[0][1]); v.Kind != platform.Delivered {
		t.Fatal(v)
	}
	other, err := platform.New(platform.Config{URL: b.server.URL + "/api/v1", AppKey: "key-2"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	mine := b.client
	b.client = other
	if v := b.post(t, "crk", list[1][1]); v.Code != platformtest.CodeEarlier {
		t.Errorf("another caller: %s", v)
	}
	b.client = mine
	if v := b.post(t, "crk", list[1][1]); v.Kind != platform.Delivered {
		t.Errorf("the same caller: %s", v)
	}
}

// One record with one thing wrong, on each kind of platform: what it is refused
// for, or what is remarked.
func TestStrictness(t *testing.T) {
	const taken = ""
	before := registrations(t)
	for name, tt := range map[string]struct {
		iface, doc             string
		usual, strict, lenient string // code of the refusal
		says                   string // in the refusal, or, where it is taken, in its remarks
	}{
		"error":          {"stk/sbzt", like(t, "stk/sbzt", set{"areaNo": area, "deviceID": camera, "isOnLine": "3"}), platformtest.CodeRecord, platformtest.CodeRecord, taken, "isOnLine（设备在线状态）：应为字典"},
		"missing":        {"stk/sbzt", like(t, "stk/sbzt", set{"areaNo": area, "deviceID": nil}), platformtest.CodeRecord, platformtest.CodeRecord, taken, "deviceID（设备编码）：必填"},
		"no object":      {"stk/sbzt", `[]`, platformtest.CodeRecord, platformtest.CodeRecord, platformtest.CodeRecord, "应为 JSON 对象"},
		"no interface":   {"stk/none", `{}`, platformtest.CodeInterface, platformtest.CodeInterface, platformtest.CodeInterface, "没有接口 stk/none"},
		"places":         {"gj", like(t, "gj", set{"xqbm": area, "gjmc": "测试小区1", "jd": "117.3"}), taken, platformtest.CodeRecord, taken, "jd（经度）：应为 6 位小数"},
		"name":           {"gj", like(t, "gj", set{"xqbm": area, "gjmc": "1号杆"}), taken, platformtest.CodeRecord, taken, "gjmc（杆件名称）：应为以 xq.xqmc “测试小区” 开头"},
		"known in part":  {"clxx", like(t, "clxx", set{"xqbm": area, "csysdm": "ZZ"}), taken, taken, taken, "csysdm（车身颜色代码）：应为字典 ZD026"},
		"no dictionary":  {"clxx", like(t, "clxx", set{"xqbm": area, "hpysdm": "ZZ"}), taken, taken, taken, ""},
		"a guess":        {"ld", like(t, "ld", set{"xqbm": area, "ldbm": building, "ldh": nil}), taken, taken, taken, "ldh（楼栋号）：必填"},
		"shape":          {"clxx", like(t, "clxx", set{"xqbm": area, "czSjhm": "1"}), taken, taken, taken, "czSjhm（车主手机号码）：应为 11 位手机号码，实际是 \"***\""},
		"other field":    {"clxx", like(t, "clxx", set{"xqbm": area, "x": 1}), taken, taken, taken, "应为车辆信息的属性"},
		"swapped":        {"mjxt", like(t, "mjxt", set{"xqbm": area, "mjxtbm": system, "crkbm": "", "ldbm": "", "mjlx": "1"}), taken, taken, taken, "mjlx（门禁类型）：应为字典 ZD022"},
		"not registered": {"stk/sbzt", like(t, "stk/sbzt", set{"areaNo": area, "deviceID": "34010241011328001009"}), taken, platformtest.CodeEarlier, taken, "deviceID（设备编码）：抓拍机基础信息 34010241011328001009（zpj）尚未接入"},
	} {
		t.Run(name, func(t *testing.T) {
			for n, want := range []string{tt.usual, tt.strict, tt.lenient} {
				b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.Strictness = platformtest.Strictness(n) })
				for _, rec := range [][2]string{before[0], before[7]} {
					if v := b.post(t, rec[0], rec[1]); v.Kind != platform.Delivered {
						t.Fatal(v)
					}
				}
				v := b.post(t, tt.iface, tt.doc)
				if want != taken {
					if v.Kind != platform.Rejected || v.Code != want || !strings.Contains(v.Message, tt.says) {
						t.Errorf("strictness %d: want %s %s, got %s", n, want, tt.says, v)
					}
					continue
				}
				if v.Kind != platform.Delivered {
					t.Errorf("strictness %d: want it taken, got %s", n, v)
				}
				var shown []platformtest.Record
				if b.get(t, "/-/records?limit=1", &shown); len(shown) != 1 || !strings.Contains(strings.Join(shown[0].Remarks, "\n"), tt.says) || tt.says == "" && shown[0].Remarks != nil {
					t.Errorf("strictness %d: want the remark %q, got %q", n, tt.says, shown[0].Remarks)
				}
				if n := strings.Count(b.records.String(), "emarks"); n > 0 {
					t.Error("remarks are no part of what is written")
				}
			}
		})
	}
}

// An event that came already is refused by a strict platform alone; what else
// happened in the same second is none.
func TestRepeated(t *testing.T) {
	face := func(picture string) string {
		return like(t, "stk/zpjl", set{"areaNo": area, "snapNo": camera, "snapSmallImage": picture})
	}
	one, two := face("/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="), face("/9j/4AAQSkZJRgABAQEASABIAAD/2g==")
	for strictness, want := range map[platformtest.Strictness]string{platformtest.Usual: "0", platformtest.Strict: platformtest.CodeRepeated, platformtest.Lenient: "0"} {
		b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.Strictness = strictness })
		list := registrations(t)
		for _, rec := range [][2]string{list[0], list[7], {"stk/zpjl", one}, {"stk/zpjl", two}} {
			if v := b.post(t, rec[0], rec[1]); v.Kind != platform.Delivered {
				t.Fatal(v)
			}
		}
		v := b.post(t, "stk/zpjl", one)
		if v.Code != want || want != "0" && v.Message != "重复的记录：snapNo（抓拍机编码）、snapTime（抓拍时间）和其余内容都与已收到的相同" {
			t.Errorf("strictness %d: %s", strictness, v)
		}
		if want == "0" {
			last := b.Records()[len(b.Records())-1]
			if d := cmp.Diff([]string{"重复的记录：snapNo（抓拍机编码）、snapTime（抓拍时间）和其余内容都与已收到的相同"}, last.Remarks); d != "" {
				t.Errorf("strictness %d: %s", strictness, d)
			}
		}
	}
}
