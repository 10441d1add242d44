package proxy

import (
	stdbase64 "encoding/base64"
	"testing"
	"time"

	"yiqiao/proxy/seal"
	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// BenchmarkValidation shows what the standard's rules cost in an event with two
// pictures of 200 KB: of transform and seal with a reused key, at most 5 %. The
// pass over the pictures' Base64 is told apart: it is the only one that an
// event's pictures get, for lifting leaves it to the catalogue.
func BenchmarkValidation(b *testing.B) {
	const picture = 200_000
	text := func(seed byte) []byte {
		return []byte(stdbase64.StdEncoding.EncodeToString(event.SyntheticJPEG(picture/4*3, seed)))
	}
	catalogue, err := spec.Load()
	if err != nil {
		b.Fatal(err)
	}
	face := catalogue.Interface("stk/zpjl")
	values := []spec.Value{
		{Kind: spec.Text, Text: "34010200011320000001"}, {Kind: spec.Text, Text: "340102001001001"}, {Kind: spec.Text, Text: "2026-01-02 03:04:05"},
		{Kind: spec.Picture, Data: text(1)}, {Kind: spec.Picture, Data: text(2)},
	}
	var found []spec.Violation
	check := func() {
		face.Omit(values)
		if found = face.Check(values, found[:0]); len(found) > 0 {
			b.Fatal(found)
		}
	}
	small, large := text(1)[:32], text(1)
	product, body := newBench(b, seal.MaxReuse), benchBody(2*picture)
	runs := map[string]func(){
		"rules":    func() { values[3].Data, values[4].Data = small, small; check() },
		"pictures": func() { values[3].Data, values[4].Data = large, large; check() },
		"product":  func() { product.product(b, body) },
	}
	times := map[string][]float64{}
	const each = 10
	for b.Loop() {
		for name, run := range runs {
			begun := time.Now()
			for range each {
				run()
			}
			times[name] = append(times[name], float64(time.Since(begun).Nanoseconds())/1e3/each)
		}
	}
	rules, all, whole := median(times["rules"]), median(times["pictures"]), median(times["product"])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rules, "rules-µs")
	b.ReportMetric(all-rules, "base64-µs")
	b.ReportMetric(whole, "transform+seal-µs")
	b.ReportMetric(100*rules/whole, "rules-%")
	b.ReportMetric(100*(all-rules)/whole, "base64-%")
	if rules > whole*0.05 {
		b.Errorf("the rules cost %.1f µs of %.1f µs, want at most 5 %%", rules, whole)
	}
}
