package transform

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"yiqiao/transform/event"
)

const pastMapping = `title: 门
when: event.kind == "pass"
ignore:
  - {when: event.test == true, because: a test}
tables:
  way: {card: "1", face: "2"}
each: event.people
to: stk/rytxjl
record:
  accessControlNo: device.mjxtbm
  areaNo: device.xqbm
  accessType: way[it.way]
  accessTime: time(event.at)
  cardNo: it.id
  snapSmallImage: picture(it.img)
  snapBigImage: picture(it.img)
`

// pastRules are rules of the mapping, with each old text replaced by a new one.
func pastRules(t *testing.T, source string, replaced ...string) *Rules {
	t.Helper()
	files := map[string]string{"pass.yaml": strings.NewReplacer(replaced...).Replace(pastMapping), "tables/devices.csv": "id,xqbm,mjxtbm\nd1,340102001001001,3401020010010010150001\n"}
	if source != "" {
		files["source.yaml"] = source
	}
	rules, problems := loadFiles(t, files, nil)
	if rules == nil {
		t.Fatal(problems)
	}
	return rules
}

// pastEvents are n events of two people each, the one known and the other not.
func pastEvents(n int) []PastEvent {
	img := base64.StdEncoding.EncodeToString(event.SyntheticJPEG(3000, 1))
	var list []PastEvent
	for i := range n {
		kind, test := "pass", false
		if i%10 == 9 {
			kind, test = "pass", true
		}
		body := fmt.Sprintf(`{"kind":%q,"test":%v,"at":"2026-01-02 03:%02d:%02d","people":[{"way":"card","id":"340102199001010010"},{"way":"face","img":"%s"}]}`, kind, test, i/60, i%60, img)
		list = append(list, PastEvent{Name: fmt.Sprint("event ", i+1), Request: event.Request{Method: "POST", Path: "/acme/d1", Remote: "192.0.2.1", Received: CaseTime}, Body: []byte(body)})
	}
	return list
}

func TestRehearse(t *testing.T) {
	for name, tt := range map[string]struct {
		source   string
		replaced []string
		want     string // Headline and Lines
	}{
		"nothing": {"", nil, "0 of 38 records change"},
		"renamed": {"", []string{"way:", "how:", "way[it", "how[it"}, "0 of 38 records change"},
		"a code":  {"", []string{`face: "2"`, `face: "4"`}, "18 of 38 records change\nstk/rytxjl accessType (通行方式)  \"2\" → \"4\"  ×18"},
		"no code": {"", []string{`face: "2"`, `face: "7"`}, "36 of 38 records change\nstk/rytxjl (人员通行记录信息)  records → refused (refused): accessType (通行方式)  ×36"},
		"many values": {"", []string{"time(event.at)", `time(replace(event.at, "2026", "2025"))`}, "36 of 38 records change\n" +
			"stk/rytxjl accessTime (开门时间)  \"2026-01-02 03:00:00\" → \"2025-01-02 03:00:00\"  ×2\n" +
			"stk/rytxjl accessTime (开门时间)  \"2026-01-02 03:00:01\" → \"2025-01-02 03:00:01\"  ×2\n" +
			"stk/rytxjl accessTime (开门时间)  \"2026-01-02 03:00:02\" → \"2025-01-02 03:00:02\"  ×2\n" +
			"stk/rytxjl accessTime (开门时间)  other values  ×30"},
		"personal":       {"", []string{"cardNo: it.id", `cardNo: 'it.id == nil ? nil : replace(it.id, "0010", "0029")'`}, "18 of 38 records change\nstk/rytxjl cardNo (证件号码)  \"3***0\" → \"3***9\"  ×18"},
		"field goes":     {"", []string{"  snapBigImage: picture(it.img)\n", ""}, "36 of 38 records change\nstk/rytxjl (人员通行记录信息)  records → refused (picture-missing): snapBigImage (抓拍大图)  ×36"},
		"other picture":  {"", []string{"snapBigImage: picture(it.img)", `snapBigImage: 'picture(it.img == nil ? nil : "/9j/" + it.way)'`}, "18 of 38 records change\nstk/rytxjl snapBigImage (抓拍大图)  a picture → another picture  ×18"},
		"masked alike":   {"", []string{"cardNo: it.id", `cardNo: 'it.id == nil ? nil : replace(it.id, "1990", "1991")'`}, "18 of 38 records change\nstk/rytxjl cardNo (证件号码)  \"3***0\" → \"3***0\" (another one)  ×18"},
		"another kind":   {"", []string{`"pass"`, `"walk"`}, "38 of 38 records change\noutcome  ignored: a test → refused (unmapped)  ×2\nstk/rytxjl (人员通行记录信息)  records → refused (unmapped)  ×36"},
		"fewer":          {"", []string{"each: event.people", "each: event.people[:1]"}, "18 of 38 records change\nstk/rytxjl (人员通行记录信息)  a record → none  ×18"},
		"not ignored":    {"", []string{"event.test == true", "event.test == nil"}, "4 of 40 records change\nstk/rytxjl (人员通行记录信息)  ignored: a test → records  ×4"},
		"ignored by":     {"", []string{"a test", "an exercise"}, "2 of 38 records change\noutcome  ignored: a test → ignored: an exercise  ×2"},
		"refused":        {"", []string{"time(event.at)", "time(event.a)"}, "36 of 38 records change\nstk/rytxjl (人员通行记录信息)  records → refused (refused): accessTime (开门时间)  ×36"},
		"listens not":    {strings.Replace(goodSource, "/acme/", "/acme2/", 1), nil, "38 of 38 records change\nsource  acme → nobody (404)  ×38"},
		"another answer": {goodSource + "answers: [{type: text/plain, body: opened}]\n", nil, "0 of 38 records change, answers to devices do\nanswer of source acme  200 0 bytes (00000000) → 200 text/plain 6 bytes (ad56275b)  ×20"},
	} {
		t.Run(name, func(t *testing.T) {
			was, will := pastRules(t, ""), pastRules(t, tt.source, tt.replaced...)
			r := Rehearse(was.Catalogue, was.ForAll, will.ForAll, slices.Values(pastEvents(20)))
			got := strings.Join(append([]string{r.Headline()}, r.Lines()...), "\n")
			if got != tt.want {
				t.Errorf("want:\n%s\ngot:\n%s", tt.want, got)
			}
			if strings.Contains(got, "19900101") {
				t.Error("a personal value is shown")
			}
		})
	}
	rules := pastRules(t, "")
	if r := Rehearse(rules.Catalogue, rules.ForAll, rules.ForAll, slices.Values[[]PastEvent](nil)); r.Headline() != "there is no event to try the rules on" {
		t.Error(r.Headline())
	}
}
