package transform

import (
	"strings"
	"testing"

	"yiqiao/transform/spec"
)

func TestDifferences(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	record := func(to, record string) string { return `{"to":"` + to + `","record":` + record + `}` }
	records := func(list ...string) string { return `{"records":[` + strings.Join(list, ",") + `]}` }
	face := func(no, time string) string {
		return record("stk/zpjl", `{"snapNo":"`+no+`","snapTime":"`+time+`"}`)
	}
	for _, tt := range []struct{ name, want, got, differences string }{
		{"equal but for blanks and order", records(record("stk/zpjl", `{"snapNo": "1", "areaNo":"\u0032"}`)), records(record("stk/zpjl", `{"areaNo":"2","snapNo":"1"}`)), ""},
		{"a value", records(face("1", "a")), records(face("1", "b")), `snapTime (抓拍时间): want "a", got "b"`},
		{"a missing and an unexpected one", records(record("stk/zpjl", `{"snapNo":"1","areaNo":"2"}`)), records(record("stk/zpjl", `{"snapNo":"1","snapTime":"x"}`)),
			"areaNo (小区编码): missing, want \"2\"\nsnapTime (抓拍时间): unexpected, got \"x\""},
		{"a number is no text, and keeps its digits", records(record("ld", `{"dys":12345678901234567890123}`)), records(record("ld", `{"dys":"12345678901234567890123"}`)), `dys (单元数): want 12345678901234567890123, got "12345678901234567890123"`},
		{"only the other face", records(face("1", "a"), face("2", "b"), face("3", "c")), records(face("1", "a"), face("3", "c")),
			`record stk/zpjl (人脸抓拍记录信息): missing, want {"snapNo":"2","snapTime":"b"}`},
		{"another interface", records(face("1", "a")), records(record("stk/sbzt", `{"sbbm":"1"}`)),
			"record stk/zpjl (人脸抓拍记录信息): missing, want {\"snapNo\":\"1\",\"snapTime\":\"a\"}\nrecord stk/sbzt (设备状态): unexpected, got {\"sbbm\":\"1\"}"},
		{"lists", records(record("rk", `{"jzxxList":[{"fwbm":"1","yhzgxdm":"0"},{"fwbm":"2"}]}`)), records(record("rk", `{"jzxxList":[{"fwbm":"1","yhzgxdm":"1"}]}`)),
			"jzxxList[0].yhzgxdm (与房主关系): want \"0\", got \"1\"\njzxxList[1] (居住信息列表): missing, want {\"fwbm\":\"2\"}"},
		{"a refusal in place of records", records(face("1", "a")), "refused: snapNo (抓拍机编码): want a value, got nothing\n",
			"unexpected refusal: refused: snapNo (抓拍机编码): want a value, got nothing"},
		{"the folder that a tool was called in", "refused: not in site/tables/devices.csv: \"a/b.csv\" at mappings/acme/a.yaml:1:2\n", "refused: not in devices.csv: \"b.csv\" at a.yaml:1:2", ""},
		{"no refusal", "refused: a\n", `{"ignored":["b"]}`, "want the refusal \"refused: a\", got none\nignored: unexpected, got [\"b\"]"},
		{"another refusal", "refused: a\n", "unmapped: b\n", "refusal: want refused: a, got unmapped: b"},
		{"ignored", `{"ignored":["a"]}`, `{"ignored":["b"]}`, `ignored: want ["a"], got ["b"]`},
		{"ignored in place of records", records(face("1", "a")), `{"ignored":["b"]}`, "record stk/zpjl (人脸抓拍记录信息): missing, want {\"snapNo\":\"1\",\"snapTime\":\"a\"}\nignored: unexpected, got [\"b\"]"},
		{"distinct", `{"records":[{"to":"stk/zpjl","distinct":"7","record":{}}]}`, records(record("stk/zpjl", "{}")), `distinct: missing, want "7"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := Differences(catalogue, []byte(tt.want), []byte(tt.got))
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, d := range list {
				lines = append(lines, d.String())
			}
			if got := strings.Join(lines, "\n"); got != tt.differences {
				t.Errorf("want\n%s\ngot\n%s", tt.differences, got)
			}
		})
	}
	for _, bad := range []string{"", "{", `{"recrods":[]}`, `{"records":[{"to":"rk","record":7}]}`} {
		if _, err := Differences(catalogue, []byte(bad), []byte(`{}`)); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
}

// A difference that is shown in passing tells of nobody.
func TestDifferenceMask(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	list, err := Differences(catalogue,
		[]byte(`{"records":[{"to":"stk/rytxjl","record":{"cardNo":"340102199001010015","accessType":"1"}},{"to":"stk/rytxjl","record":{"cardNo":"340102199001010016"}}]}`),
		[]byte(`{"records":[{"to":"stk/rytxjl","record":{"cardNo":"340102199001010014","accessType":"2"}}]}`))
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	for _, d := range list {
		if s := d.Mask().String(); strings.Contains(s, "19900101") || !strings.Contains(s, "***") && d.Path != "accessType" {
			t.Error(s)
		}
	}
	if d := list[0].Mask(); d.Path != "accessType" || d.Want != `"1"` || d.Got != `"2"` || !d.Masked {
		t.Errorf("%+v", d)
	}
}
