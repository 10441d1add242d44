package reference

import (
	"fmt"
	"strings"

	"yiqiao/transform/spec"
)

// rule says one rule in words: 当 … 时，不传 ….
func (r *Reference) rule(i *spec.Interface, rule *spec.Rule) string {
	var when []string
	for _, c := range rule.When {
		when = append(when, r.condition(i, &c))
	}
	s := strings.Join(when, r.say("，且 ", " and "))
	if s != "" {
		s = r.say("若 "+s+"：", "if "+s+": ")
	}
	var what []string
	if len(rule.Require) > 0 {
		what = append(what, r.say("必须有 ", "there must be ")+r.fields(i, rule.Require))
	}
	if len(rule.Omit) > 0 {
		what = append(what, r.say("不传 ", "leave out ")+r.fields(i, rule.Omit))
	}
	s += strings.Join(what, r.say("，", ", "))
	if rule.Severity == spec.Warning {
		s += r.say("（只告警）", " (only warns)")
	}
	return s + r.say("。", ".")
}

func (r *Reference) fields(i *spec.Interface, list []int) string {
	var names []string
	for _, n := range list {
		names = append(names, r.named(&i.Fields[n]))
	}
	return r.join(names)
}

func (r *Reference) condition(i *spec.Interface, c *spec.Condition) string {
	f := &i.Fields[c.Field]
	if len(c.Is) == 0 {
		if c.Present {
			return r.named(f) + r.say("有值", " is given")
		}
		return r.named(f) + r.say("没有值", " is not given")
	}
	var list []string
	for _, code := range c.Is {
		if f.Dict != nil {
			if label, ok := f.Dict.Label(code); ok {
				code += " " + label
			}
		}
		list = append(list, code)
	}
	return r.named(f) + r.say("是 ", " is ") + strings.Join(list, r.say("、", " or "))
}

// because is the reason of a rule.
func (r *Reference) because(rule *spec.Rule) string { return r.phrase(rule.Because) }

// identity says what tells a record from another, and what sending it again
// does.
func (r *Reference) identity(i *spec.Interface) string {
	list := r.fields(i, i.Identity)
	switch {
	case i.Time >= 0:
		return fmt.Sprintf(r.say(
			"同样的 %s，映射的 distinct（默认是记录内容）也一样，就是同一件事：去重窗口（默认 72 小时）内只送一次。",
			"with the same %s and the same distinct of the mapping (by default: the content), it is the same event: it goes once within the window (72 h by default)."), list)
	case i.Code() >= 0:
		return fmt.Sprintf(r.say(
			"%s是这条记录自己的编码，后面的记录用它引用；再送一次就是修改。",
			"%s is the record's own code, by which later records name it; to send it again is to change it."), list)
	}
	return fmt.Sprintf(r.say("%s认出一条记录；再送一次就是修改。", "%s tell a record; to send it again is to change it."), list)
}

// prerequisite says which earlier record a field names.
func (r *Reference) prerequisite(p *spec.Prerequisite) string {
	of := r.c.Interface(p.Of)
	code := of.Fields[of.Code()].Name
	s := fmt.Sprintf(r.say("是 %[1]s（%[2]s）的 %[3]s", "the %[3]s of %[1]s, %[2]s"), p.Of, r.title(of), code)
	if p.First > 0 {
		s = fmt.Sprintf(r.say("前 %d 位", "its first %d digits: "), p.First) + s
	}
	if p.Separator != "" {
		s += fmt.Sprintf(r.say("，多个以 %s 隔开", ", several joined by %s"), p.Separator)
	}
	if p.Source == "inferred" {
		s += r.say("（原文缺页，按编码推断）", " (page lost: inferred from the codes)")
	}
	return s
}
