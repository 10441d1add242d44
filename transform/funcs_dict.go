package transform

import (
	"cmp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// dictFunc finds the code of a label. Nothing, and what the dictionary does
// not have, gives the default; without one nothing gives nil and the rest is
// refused: a guess would stand in the records of the platform for years.
func dictFunc(r *run, args []any) (any, error) {
	d, err := dictNamed(r.rules.Catalogue, args[0])
	if err != nil {
		return nil, err
	}
	text, err := trimmed(args[1], message.Message{})
	if err != nil {
		return nil, message.New("want", message.New("label-or-code", dictTitle(d)), saidAs(args[1]))
	}
	var found []spec.Entry
	if text != "" {
		found = Entries(d, text)
	}
	switch {
	case len(found) == 1:
		return found[0].Code, nil
	case len(args) == 3:
		return args[2], nil
	case text == "":
		return nil, nil
	}
	return nil, noCode(d, text, found)
}

func dictNamed(c *spec.Catalogue, v any) (*spec.Dict, error) {
	name, ok := v.(string)
	if !ok {
		return nil, want("a-dictionary", v)
	}
	if d := c.Dict(name); d != nil {
		return d, nil
	}
	return nil, message.New("no-dictionary", name)
}

func dictTitle(d *spec.Dict) string { return d.Code + " (" + d.Name + ")" }

// Entries returns the entry whose code the text is, or those whose label it
// is. A label counts as the same with and without its generic ending: 男 is
// 男性, 汉 is 汉族, 白色 is 白. Nothing else is guessed.
func Entries(d *spec.Dict, text string) []spec.Entry {
	if label, ok := d.Label(text); ok {
		return []spec.Entry{{Code: text, Label: label}}
	}
	if len(text) > maxLabel {
		return nil
	}
	var found []spec.Entry
	for _, form := range []func(string) string{plainLabel, labelStem} {
		want := form(text)
		for _, e := range d.Entries {
			if form(e.Label) == want {
				found = append(found, e)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	return found
}

// noCode says why a text has no code: no entry is found for it, or several.
func noCode(d *spec.Dict, text string, found []spec.Entry) message.Message {
	if len(found) > 1 {
		return message.New("dictionary-several", dictTitle(d), len(found), saidAs(text), entryList(found))
	}
	if len(d.Entries) == 0 {
		return message.New("dictionary-unknown", dictTitle(d), saidAs(text))
	}
	if near := NearEntries(d, text); len(near) > 0 {
		return message.New("dictionary-nearest", dictTitle(d), saidAs(text), entryList(near))
	}
	return message.New("dictionary-lacks", dictTitle(d), saidAs(text))
}

// plainLabel is a label without what people write differently: width, case,
// blanks.
func plainLabel(s string) string {
	return strings.ToLower(strings.ReplaceAll(halfWidth(s), " ", ""))
}

// labelStem is a label without the ending that only says what kind of thing
// its dictionary is of.
func labelStem(s string) string {
	s = plainLabel(s)
	for _, ending := range []string{"的性别", "性", "族", "色"} {
		if stem, ok := strings.CutSuffix(s, ending); ok && stem != "" {
			return stem
		}
	}
	return s
}

// maxLabel is how long a text may be that is compared with labels, in bytes.
const maxLabel = 300

// maxListed is how many entries a message names.
const maxListed = 5

func entryList(entries []spec.Entry) string {
	var list []string
	for _, e := range entries[:min(len(entries), maxListed)] {
		list = append(list, e.Code+" "+e.Label)
	}
	if len(entries) > maxListed {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}

// NearEntries are the entries that may have been meant: those whose label
// holds the text or is held by it, or whose code differs in leading zeros only;
// without such ones those that share a character with it, the nearest first; in
// a small dictionary all. A text longer than any label is near to none.
func NearEntries(d *spec.Dict, text string) []spec.Entry {
	if len(text) > maxLabel {
		return nil
	}
	text = plainLabel(text)
	var held, near []spec.Entry
	edits := map[string]int{}
	for _, e := range d.Entries {
		label := plainLabel(e.Label)
		switch {
		case strings.Contains(label, text), strings.Contains(text, label), strings.TrimLeft(e.Code, "0") == strings.TrimLeft(text, "0"):
			held = append(held, e)
		case len(d.Entries) <= maxListed, strings.ContainsAny(label, text):
			near = append(near, e)
			edits[e.Code] = distance(text, label)
		}
	}
	if len(held) > 0 {
		return held
	}
	slices.SortStableFunc(near, func(a, b spec.Entry) int { return cmp.Compare(edits[a.Code], edits[b.Code]) })
	return near[:min(len(near), maxListed)]
}

// checkDict proves the constants of a call now: the dictionary, and the label
// and default if they are constants too.
func (v *chains) checkDict(n *ast.CallNode) {
	name, ok := n.Arguments[0].(*ast.StringNode)
	if !ok {
		return
	}
	width := func(s *ast.StringNode) int { return len([]rune(s.Value)) + 2 }
	d, err := dictNamed(v.catalogue, name.Value)
	if err != nil {
		var codes []string
		for _, d := range v.catalogue.Dicts {
			codes = append(codes, d.Code)
		}
		v.problem(name, width(name), message.New("unknown-dictionary", name.Value, hint(name.Value, codes)))
		return
	}
	if len(d.Entries) == 0 {
		v.problem(name, width(name), message.New("empty-dictionary", dictTitle(d)))
		v.code.file.warn()
		return
	}
	if label, ok := n.Arguments[1].(*ast.StringNode); ok && len(n.Arguments) == 2 && strings.TrimSpace(label.Value) != "" {
		text := strings.TrimSpace(label.Value)
		if found := Entries(d, text); len(found) != 1 {
			v.problem(label, width(label), message.New("unknown-label", noCode(d, text, found)))
		}
	}
	if len(n.Arguments) < 3 || !d.Complete {
		return
	}
	if code, ok := n.Arguments[2].(*ast.StringNode); ok && code.Value != "" {
		if _, ok := d.Label(code.Value); !ok {
			v.problem(code, width(code), message.New("unknown-code", code.Value, dictTitle(d)))
		}
	}
}

// maxPad is the longest code that pad writes; the standard's longest has 24
// digits.
const maxPad = 32

// padFunc writes a number as the standard's codes hold it: 3 of 3 digits is
// 003. It never cuts.
func padFunc(_ *run, args []any) (any, error) {
	n, ok := args[1].(int)
	if !ok || n < 1 || n > maxPad {
		return nil, message.New("want", message.New("digit-count", maxPad), saidAs(args[1]))
	}
	text, err := trimmed(args[0], message.New("some-digits"))
	if err != nil || text == "" {
		return nil, err
	}
	text = halfWidth(text)
	if !onlyDigits(text) {
		return nil, want("some-digits", text)
	}
	if len(text) > n {
		return nil, message.New("want", plural(n, "at-most-digit", "at-most-digits"), saidAs(text))
	}
	return strings.Repeat("0", n-len(text)) + text, nil
}

// plural is n of a thing.
func plural(n int, one, many string) message.Message {
	if n == 1 {
		return message.New(one)
	}
	return message.New(many, n)
}
