package transform

import (
	"testing"

	"yiqiao/transform/event"
)

// A flat record with tiny pictures: what rules cost beside the pictures.
func BenchmarkApply(b *testing.B) {
	rules, problems := loadAcme(b, goodSource, goodMapping, goodDevices)
	if rules == nil {
		b.Fatal(problems)
	}
	body := []byte(`{"kind":"face","at":"2026-01-02T03:04:05Z","small":"` + jpegText + `","big":"` + jpegText + `"}`)
	s := rules.Source("acme")
	ev := &event.Event{Request: event.Request{Method: "POST", Params: map[string]string{"device": "cam-1"}, Remote: "192.0.2.9", Received: CaseTime}}
	var res Result
	b.ReportAllocs()
	for b.Loop() {
		if err := rules.Decode(s, ev, body); err != nil {
			b.Fatal(err)
		}
		rules.Apply(s, ev, &res, nil)
		if res.Refusal != nil {
			b.Fatal(res.Refusal.Text)
		}
	}
}
