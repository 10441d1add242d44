package spec

import (
	"strings"
	"testing"
)

// face is a record of stk/zpjl with two pictures of 200 KB.
func face(t testing.TB) (*Interface, []Value) {
	picture := []byte(jpeg[:24] + strings.Repeat("AAAA", 200_000/4))
	return catalogue(t).Interface("stk/zpjl"), []Value{
		{Kind: Text, Text: "34010241011328001001"},
		{Kind: Text, Text: "340102001001001"},
		{Kind: Text, Text: "2026-01-02 03:04:05"},
		{Kind: Picture, Data: picture},
		{Kind: Picture, Data: picture},
	}
}

func BenchmarkCheck(b *testing.B) {
	i, values := face(b)
	var out []Violation
	b.ReportAllocs()
	for b.Loop() {
		i.Omit(values)
		if out = i.Check(values, out[:0]); len(out) > 0 {
			b.Fatal(out)
		}
	}
}

// Without the pictures, whose Base64 outweighs all else.
func BenchmarkCheckTexts(b *testing.B) {
	i, values := face(b)
	tiny := []byte(jpeg)
	values[3].Data, values[4].Data = tiny, tiny
	var out []Violation
	b.ReportAllocs()
	for b.Loop() {
		i.Omit(values)
		if out = i.Check(values, out[:0]); len(out) > 0 {
			b.Fatal(out)
		}
	}
}
