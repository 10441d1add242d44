package proxy

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// nearSpec are the requests of the standard, one of each interface, as a system
// sends them that knows the standard but neither the envelope nor its small
// print: in a picture's place there is a picture.
func nearSpec(t *testing.T) map[string]map[string]any {
	t.Helper()
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]map[string]any{}
	for n, i := range c.Interfaces {
		var doc map[string]any
		if err := json.Unmarshal(i.Examples[0].Document(), &doc); err != nil {
			t.Fatal(err)
		}
		for k := range i.Fields {
			if f := &i.Fields[k]; f.Format == spec.GF005 && doc[f.Name] != nil {
				doc[f.Name] = base64.StdEncoding.EncodeToString(event.SyntheticJPEG(3000*(k+1), byte(n)))
			}
		}
		docs[i.Name] = doc
	}
	return docs
}

// All 15 request shapes arrive at the platform, decrypted, as they were sent:
// whether a system writes what the standard wants, or adds a data: prefix and
// members of its own.
func TestAllInterfacesArrive(t *testing.T) {
	for name, dress := range map[string]func(doc map[string]any){
		"as the standard": func(map[string]any) {},
		"dressed up": func(doc map[string]any) {
			for k, v := range doc {
				if s, ok := v.(string); ok && strings.HasPrefix(s, "/9j/") {
					doc[k] = "data:image/jpeg;base64," + s
				}
			}
			doc["infoKind"] = 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			docs := nearSpec(t)
			for iface, doc := range docs {
				sent := maps.Clone(doc)
				dress(sent)
				body, err := json.Marshal(sent)
				if err != nil {
					t.Fatal(err)
				}
				if status, answer := b.post("/iflytek/api/v1/"+iface, "application/json", string(body)); status != 200 || answer != `{"code":"0","errMsg":"","data":{}}` {
					t.Fatalf("%s: want success, got %d %s", iface, status, answer)
				}
			}
			if dead := b.dead(); len(dead) > 0 {
				t.Fatalf("refused: %+v", dead)
			}
			got := map[string]map[string]any{}
			for _, r := range b.delivered(15) {
				var doc map[string]any
				if err := json.Unmarshal(r.Record, &doc); err != nil {
					t.Fatal(err)
				}
				got[r.Interface] = doc
			}
			if d := cmp.Diff(docs, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// One rule broken in each of the 15 shapes: the device is not punished, nothing
// goes out, and the dead letter names the field by its label.
func TestEachInterfaceRefused(t *testing.T) {
	b := newBed(t, nil)
	docs := nearSpec(t)
	breaks := map[string]struct {
		field string
		value any    // nil: the field is left out
		want  string // how the reason begins
	}{
		"xq":         {"dtzbj", "117.198149,31.840765;117.198719,31.840920", `dtzbj (地图坐标集): want at least 3 points longitude,latitude with ; between, got 2 points`},
		"crk":        {"lx", "东门", `lx (出入口类型): want an integer, got "东门"`},
		"rk":         {"jzxxList", []any{map[string]any{"fwbm": "340102001001001001012201", "yhzgxdm": "0"}, map[string]any{"fwbm": "340102001001001001012202"}}, `jzxxList[1].yhzgxdm (与房主关系): want a value, got nothing`},
		"wyry":       {"ryjsdm", "1", `ryjsdm (人员角色代码): want 2 characters, got 1: "1"`},
		"ld":         {"lcs", 128, `lcs (楼层数): want an integer from 0 to 127, got the number 128`},
		"fw":         {"fwztdm", "3", `fwztdm (房屋状态代码): want a code of ZD014 房屋状态代码 (1 出租, 2 自住, 4 空置, 9 其他), got "3"`},
		"gj":         {"gjmc", strings.Repeat("杆", 41), `gjmc (杆件名称): want at most 40 characters, got 41: "` + strings.Repeat("杆", 41) + `"`},
		"zpj":        {"jd", "E117.303113", `jd (经度): want a longitude with 6 decimal places (BD-09), like 117.302269, got "E117.303113"`},
		"mjxt":       {"mjxtbm", "3401020050030011130001x", `mjxtbm (门禁系统编码): want 22 characters, got 23: "3401020050030011130001x"`},
		"clxx":       {"czxm", nil, `czxm (车主姓名): event.czxm is empty (bundled`},
		"cldz":       {"tplj", "http://192.0.2.9/gate.jpg", `tplj (图片链接): want a picture in Base64, got a link`},
		"stk/zpjl":   {"snapBigImage", "aGVsbG8gd29ybGQh", `snapBigImage (抓拍大图): want a picture (JPEG, PNG, GIF, BMP, …), got bytes that begin with 68 65 6c 6c 6f 20 77 6f`},
		"stk/rytxjl": {"snapSmallImage", nil, `snapSmallImage (抓拍小图): picture(event.snapSmallImage) is empty: event.snapSmallImage = nothing; a face that was not recognised goes with both pictures (规范 V1.0.3) (bundled`},
		"stk/cltxjl": {"accessTime", "yesterday", `accessTime (通行时间): time(event.accessTime) at bundled/iflytek/vehicle.yaml:10:15: want a time, got "yesterday"`},
		"stk/sbzt":   {"isOnLine", "3", `isOnLine (设备在线状态): want a code of SBZT_ISONLINE 设备在线状态 (1 在线, 2 离线, 9 其他), got "3"`},
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(docs)), slices.Sorted(maps.Keys(breaks))); d != "" {
		t.Fatal(d)
	}
	for iface, broken := range breaks {
		doc := docs[iface]
		if doc[broken.field] = broken.value; broken.value == nil {
			delete(doc, broken.field)
		}
		body, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := b.post("/iflytek/api/v1/"+iface, "application/json", string(body)); status != 200 {
			t.Errorf("%s: want the device answered with success, got %d", iface, status)
		}
	}
	var reasons []string
	for _, d := range b.dead() {
		reasons = append(reasons, d.Reason)
	}
	for iface, broken := range breaks {
		if !slices.ContainsFunc(reasons, func(r string) bool { return strings.HasPrefix(r, broken.want) }) {
			t.Errorf("%s: want a dead letter that begins with\n%s\namong\n%s", iface, broken.want, strings.Join(reasons, "\n"))
		}
	}
	if len(reasons) != len(breaks) {
		t.Errorf("want %d dead letters, got %d", len(breaks), len(reasons))
	}
	if n := b.platform.Counts(); n.Accepted+n.Refused > 0 {
		t.Errorf("want nothing sent, got %+v", n)
	}
}

// A site that knows the platform's limit of pictures says so.
func TestMaxPicture(t *testing.T) {
	b := newBed(t, nil)
	b.write("yiqiao.yaml", strings.Replace(b.read("yiqiao.yaml"), "timeout: 2s}", "timeout: 2s, maxPicture: 10KB}", 1)+"pictures: {from: [192.0.2.0/24]}\n")
	if _, problems := b.Reload(t.Context(), "test"); len(problems) > 0 {
		t.Fatal(problems)
	}
	doc := nearSpec(t)["stk/zpjl"] // with pictures of 12,000 and 15,000 bytes
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	b.post("/iflytek/api/v1/stk/zpjl", "application/json", string(body))
	dead := b.dead()
	if len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "snapSmallImage (抓拍小图): want a picture of at most 10240 bytes, got 12000 bytes [") {
		t.Errorf("got %+v", dead)
	}
}
