package transform

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"yiqiao/transform/event"
)

// typical is a mapping as they are: 12 fields, two tables, four expressions
// that are more than a name, a constant or a call.
const typical = `title: 抓拍机
when: event.type == "camera" and event.state != "off"
tables:
  ways: {east: "1", south: "2", default: "3"}
let:
  model: models[event.device.model]
to: zpj
record:
  zpjbm: device.zpjbm
  mc: event.device.name + " " + event.device.serial
  ip: event.net.ip
  xqbm: device.xqbm
  jd: event.place.lng
  wd: event.place.lat
  lx: model.lx
  fx: ways[event.place.side]
  dkh: 'event.net.port > 0 ? event.net.port : nil'
  bbh: event.device.version ?? "V1"
  xh: model.name
  bz: event.state
distinct: event.id
`

const models = "id,name,lx\nDS-1,型号一,1\nDS-2,型号二,2\n"

// typicalEvent is a document of about 3 KB, most of which nobody asks for.
func typicalEvent() []byte {
	var rest strings.Builder
	for i := range 37 {
		fmt.Fprintf(&rest, `,"channel%d":{"channelName":"channel no. %d","enabled":true,"signalLevel":%d.5}`, i, i, i)
	}
	return []byte(`{"type":"camera","state":"on","id":12345678,"device":{"model":"DS-2","name":"东门","serial":"S0017","version":null},` +
		`"net":{"ip":"192.0.2.21","port":8000},"place":{"lng":"117.302269","lat":"31.895616","side":"east"}` + rest.String() + `}`)
}

func typicalRules(tb testing.TB) (*Rules, *Source, *event.Event) {
	tb.Helper()
	rules, problems := loadFiles(tb, map[string]string{"camera.yaml": typical, "tables/models.csv": models}, nil)
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	s := rules.Source("acme")
	ev := &event.Event{Request: event.Request{Method: "POST", Params: map[string]string{"device": "cam-1"}, Remote: "192.0.2.9", Received: CaseTime}}
	if err := rules.Decode(s, ev, typicalEvent()); err != nil {
		tb.Fatal(err)
	}
	return rules, s, ev
}

// What a typical mapping costs with its validation, without a trace: at most
// 6 µs and 12 allocations on a document of 3 KB.
// The floor is what encoding/json takes to prove the same document well-formed,
// in the same run: figures of a busy machine can be compared by it. Measured on
// two busy cores: 5.6 to 6.3 µs and 7 allocations, the floor 9 to 13 µs.
func BenchmarkTypical(b *testing.B) {
	rules, s, ev := typicalRules(b)
	b.Run("apply", func(b *testing.B) {
		var res Result
		b.ReportAllocs()
		for b.Loop() {
			if rules.Apply(s, ev, &res, nil); res.Refusal != nil {
				b.Fatal(res.Refusal.Text)
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			if !json.Valid(ev.Doc) {
				b.Fatal("not well-formed")
			}
		}
	})
}

func TestTypicalAllocations(t *testing.T) {
	rules, s, ev := typicalRules(t)
	var res Result
	n := testing.AllocsPerRun(200, func() {
		if rules.Apply(s, ev, &res, nil); res.Refusal != nil {
			t.Fatal(res.Refusal.Text)
		}
	})
	if n > 12 {
		t.Errorf("%v allocations for a typical event, want at most 12", n)
	}
	if n := len(ev.Doc); n < 3000 || n > 3300 {
		t.Errorf("the document has %d bytes, want about 3 KB", n)
	}
	const want = `{"zpjbm":"34010200011321000001","mc":"东门 S0017","ip":"192.0.2.21","xqbm":"340102001001001","jd":"117.302269","wd":"31.895616","lx":"2","fx":"1","dkh":"8000","bbh":"V1","xh":"型号二","bz":"on"}`
	if got := string(res.Records[0].Doc); got != want {
		t.Errorf("got %s", got)
	}
}

// Loading 500 mapping files: under a second.
func BenchmarkLoad500(b *testing.B) {
	catalogue, err := loadOnce()
	if err != nil {
		b.Fatal(err)
	}
	devices, _ := ParseTable("devices", "devices.csv", []byte(goodDevices))
	table, _ := ParseTable("models", "models.csv", []byte(models))
	pack := fstest.MapFS{}
	for v := range 25 {
		pack[fmt.Sprintf("v%d/source.yaml", v)] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(goodSource, "acme", fmt.Sprint("v", v)))}
		for m := range 20 {
			pack[fmt.Sprintf("v%d/m%d.yaml", v, m)] = &fstest.MapFile{Data: []byte(typical)}
		}
	}
	for b.Loop() {
		if rules, problems := Load(Options{Catalogue: catalogue, Tables: []*Table{devices, table}, Packs: []Pack{{FS: pack}}}); rules == nil {
			b.Fatal(problems)
		}
	}
}
