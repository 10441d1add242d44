package spec

import "github.com/tidwall/gjson"

// EarlierIn yields what a record refers to: its prerequisites, each with the
// code of the earlier record.
func (i *Interface) EarlierIn(doc []byte) func(yield func(p *Prerequisite, code string) bool) {
	return func(yield func(*Prerequisite, string) bool) {
		for n := range i.Prerequisites {
			p := &i.Prerequisites[n]
			if code := gjson.GetBytes(doc, p.Field); code.Type == gjson.String && code.Str != "" && !yield(p, code.Str) {
				return
			}
		}
	}
}

// IdentityIn returns the values that tell a record from the others of its
// interface; nil if it says none. A single one is the code that later records
// name.
func (i *Interface) IdentityIn(doc []byte) []string {
	if i.Device < 0 {
		return nil
	}
	code := gjson.GetBytes(doc, i.Fields[i.Device].Name)
	if code.Type != gjson.String || code.Str == "" {
		return nil
	}
	return []string{code.Str}
}
