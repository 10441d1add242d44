package platformtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"yiqiao/transform/spec"
)

// Strictness is how much a platform refuses. What it does not refuse, it
// remarks on.
type Strictness int

const (
	// Usual refuses what is an error of the catalogue.
	Usual Strictness = iota
	// Strict refuses too what only warns there and is certain by the standard's
	// text: coordinates that are not as 1.5 says, names that do not begin with
	// their 小区's (3.4, 8.4, 12.4), what refers to a record that is not
	// registered (前置接入), and an event that was there already, word for word.
	// What is a guess it takes: shapes, prefixes of codes, GF006 and GF007, codes
	// beyond dictionaries that are known in part, unknown fields.
	Strict
	// Lenient takes every JSON object for an interface that there is.
	Lenient
)

// refuses tells whether a violation keeps a record out.
func (s Strictness) refuses(v *spec.Violation) bool {
	switch {
	case s == Lenient:
		return false
	case v.Severity == spec.Error:
		return true
	}
	return s == Strict && certain(v)
}

// certain tells what only warns in the catalogue, and yet stands in the text.
func certain(v *spec.Violation) bool {
	if v.Field == nil {
		return false
	}
	switch v.Rule {
	case spec.RuleFormat:
		return v.Field.Format == spec.GF001
	case spec.RulePrefix:
		return strings.Contains(v.Interface.Begins(v.Field), ".") // xq.xqmc
	}
	return false
}

// examined is a record with what can be said of it alone.
type examined struct {
	name, appKey string
	iface        *spec.Interface // nil: there is none, or no catalogue
	doc          []byte          // without blanks
	digest       [16]byte
	values       []spec.Value // nil: the record is no object
	found        []spec.Violation
}

func (p *Platform) examine(name, appKey string, doc []byte) *examined {
	e := &examined{name: name, appKey: appKey}
	var compact bytes.Buffer
	_ = json.Compact(&compact, doc) // it is valid
	e.doc = compact.Bytes()
	sum := sha256.Sum256(append([]byte(name+"\n"), e.doc...))
	e.digest = [16]byte(sum[:16])
	if p.opts.Catalogue == nil {
		return e
	}
	if e.iface = p.opts.Catalogue.Interface(name); e.iface != nil {
		if e.values, e.found = e.iface.Values(e.doc); e.values != nil {
			e.found = e.iface.Check(e.values, e.found)
		}
	}
	return e
}

// decide keeps a record or refuses it. code, unless it is "0" or nothing, is
// what good ones are told to get.
func (p *Platform) decide(e *examined, code string) (answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.judge(e)
	if j.code == "" && code != "" && code != "0" {
		j.refuse(code, "按设定返回的错误码")
	}
	if j.code != "" {
		p.counts.Refused++
		return answer{Code: j.code, Message: strings.Join(j.why, "；")}, nil
	}
	return answer{Code: "0"}, p.keep(e, j.remarks)
}

// judgement of a record: refused with a code, or taken.
type judgement struct {
	code         string
	why, remarks []string
}

// refuse notes a reason; the first kind of them gives the code.
func (j *judgement) refuse(code, why string) {
	if j.code == "" {
		j.code = code
	}
	if j.code == code {
		j.why = append(j.why, why)
	}
}

// say refuses a record, or remarks on it.
func (j *judgement) say(refused bool, code, text string) {
	if refused {
		j.refuse(code, text)
	} else {
		j.remarks = append(j.remarks, text)
	}
}

// judge holds a record against what came before; p is locked.
func (p *Platform) judge(e *examined) (j judgement) {
	switch {
	case p.opts.Catalogue == nil:
		return j
	case e.iface == nil:
		j.refuse(CodeInterface, "没有接口 "+e.name)
		return j
	case e.values == nil:
		for n := range e.found {
			j.refuse(CodeRecord, e.found[n].Chinese())
		}
		return j
	}
	s := p.opts.Strictness
	found := e.iface.CheckAgainst(e.values, p.lookup(e.appKey), e.found)
	for n := range found {
		j.say(s.refuses(&found[n]), CodeRecord, found[n].Chinese())
	}
	for pre, code := range e.iface.Earlier(e.values) {
		if _, ok := p.codes[registered{e.appKey, pre.Of, code}]; !ok {
			j.say(s == Strict || p.opts.Prerequisites, CodeEarlier, p.missing(e.iface, pre, code))
		}
	}
	// A registration comes again when it changes, and a state when it lasts.
	if e.iface.Time >= 0 && p.seen[e.digest] {
		j.say(s == Strict, CodeRepeated, repeated(e.iface))
	}
	return j
}

func repeated(i *spec.Interface) string {
	var names []string
	for _, n := range i.Identity {
		names = append(names, i.Fields[n].Name+"（"+i.Fields[n].Label+"）")
	}
	return fmt.Sprintf("重复的记录：%s和其余内容都与已收到的相同", strings.Join(names, "、"))
}
