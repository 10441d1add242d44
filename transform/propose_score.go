package transform

import (
	"regexp"
	"slices"
	"strings"

	"yiqiao/transform/spec"
)

// pick finds the leaf that a field's value probably stands in; nil: none.
func (p *proposer) pick(f *spec.Field) *leaf {
	var best *leaf
	most := 0
	for _, l := range p.tree.leaves {
		if n := p.score(f, l); n > most {
			best, most = l, n
		}
	}
	return best
}

// The scores of names; below scoreLeast a leaf is none for a field.
const (
	scoreExact = 100 // the standard's own name or label
	scoreWord  = 80  // a word of the concept, less its rank in the table
	scoreEnd   = 45  // it ends in one
	scoreShape = 25  // only the value looks like one
	scoreLeast = 20
)

// score is how probably the leaf holds the field's value; 0: it does not.
func (p *proposer) score(f *spec.Field, l *leaf) int {
	v := l.first()
	if v.picture > 0 || f.Format == spec.GF005 {
		return 0
	}
	c := conceptOf(f.Name)
	n := 0
	switch name := l.name(); {
	case collapsed(name) == collapsed(f.Name), f.Label != "" && strings.Contains(name, f.Label):
		n = scoreExact
	case c != nil:
		n = c.score(l)
	}
	switch {
	case f.Format == spec.GF004:
		if !timeLike(v) {
			return 0
		}
		if n == 0 && !c.against(l.name()) {
			n = timeShape(l.name(), v.text)
		}
		// One list is where events stand; what lies deeper is about a part of them.
		n += []int{0, 2, 0}[min(l.lists(), 2)]
	case f.Shape == spec.Plate:
		if n == 0 && plateShape.FindString(v.text) == v.text && v.text != "" && !c.against(l.name()) {
			n = scoreShape
		}
		if n > 0 && !plateLike(v.text) {
			n -= 30
		}
	case f.Shape == spec.Document:
		if v.text != "" && !idLike(v.text) {
			return 0
		}
		if n == 0 && idShape.FindString(v.text) == v.text && v.text != "" {
			n = scoreShape
		}
		if v.text == "" {
			n -= 10
		}
	case f.Shape == spec.Digits && f.Min == f.Max && f.Max > 0:
		if !fits(f, v.text) {
			return 0 // a code of the platform looks like one, or is none
		}
	case n == scoreExact && f.Dict == nil && v.text != "" && !fits(f, v.text):
		n = 0
	}
	if n < scoreLeast {
		return 0
	}
	return n
}

func (c *concept) score(l *leaf) int {
	best := 0
	name := l.name()
	bare := collapsed(name)
	for rank, w := range c.names {
		word := collapsed(w)
		n := 0
		switch {
		case l.called(w):
			n = scoreWord - rank
		case strings.HasSuffix(bare, word) && (len(word) >= 5 || strings.HasPrefix(w, " ")):
			n = scoreEnd - rank/2
		}
		best = max(best, n)
	}
	if best > 0 && best < scoreWord-len(c.names) && c.against(name) {
		return best - scoreShape - scoreLeast
	}
	return best
}

// against tells whether a word in the name speaks against it.
func (c *concept) against(name string) bool {
	return c != nil && slices.ContainsFunc(wordsOf(name), func(w string) bool { return slices.Contains(c.not, w) })
}

func conceptOf(field string) *concept {
	for i := range concepts {
		if slices.Contains(concepts[i].fields, field) {
			return &concepts[i]
		}
	}
	return nil
}

// collapsed is a name without case, blanks and separators.
func collapsed(name string) string { return strings.Join(wordsOf(name), "") }

func fits(f *spec.Field, text string) bool {
	if text == "" {
		return false
	}
	for _, v := range f.CheckText(text, nil) {
		if v.Severity == spec.Error || v.Rule == spec.RuleShape {
			return false
		}
	}
	return true
}

// timeLike: it reads as a time of this century.
func timeLike(v leafValue) bool {
	z := zone{source: CaseTime.Location(), target: CaseTime.Location()}
	t, err := z.parse(v.is, nil)
	if err != nil || len(v.text) < 10 || dayShape.MatchString(v.text) && strings.ContainsAny(v.text, "-/") {
		return false // a day alone would be midnight
	}
	return t.Year() >= 2001 && t.Year() < 2100
}

// timeShape is the score of a value without a name that says time: written as
// one, or seconds of these years where nothing says that it is a number.
func timeShape(name, s string) int {
	switch {
	case strings.ContainsAny(s, "-:T"), len(s) >= 14 && strings.HasPrefix(s, "20"):
		return scoreShape
	case (len(s) == 10 || len(s) == 13) && s >= "15" && s < "22" && !slices.ContainsFunc(wordsOf(name), func(w string) bool { return slices.Contains(countWords, w) }):
		return scoreLeast
	}
	return 0
}

var (
	dayShape   = regexp.MustCompile(`^20\d\d[-/]?\d{1,2}[-/]?\d{1,2}$`)
	clockShape = regexp.MustCompile(`^\d{1,2}:\d\d:\d\d$`)
)

// dayAndClock are two leaves of one object that make a time together.
func (p *proposer) dayAndClock() (day, clock *leaf) {
	for _, d := range p.tree.leaves {
		if !dayShape.MatchString(d.first().text) || len(d.first().text) < 8 {
			continue
		}
		for _, c := range p.tree.leaves {
			if len(c.steps) == len(d.steps) && c.within(d.steps[:len(d.steps)-1]) && clockShape.MatchString(c.first().text) {
				return d, c
			}
		}
	}
	return nil, nil
}

func plateLike(s string) bool {
	plate, err := plateFunc(nil, []any{s})
	return err == nil && (plate == "" && s != "" || len(s) >= 4 && len(s) <= 16 && strings.ContainsAny(s, "0123456789"))
}

func idLike(s string) bool {
	return len(s) >= 15 && strings.ContainsAny(s, "0123456789") && !strings.ContainsAny(s, "-:/ ")
}
