package spec

// EarlierIn is Earlier of a document; it yields nothing if that is none.
func (i *Interface) EarlierIn(doc []byte) func(yield func(p *Prerequisite, code string) bool) {
	values, _ := i.Values(doc)
	if values == nil {
		return func(func(*Prerequisite, string) bool) {}
	}
	return i.Earlier(values)
}

// IdentityIn returns the values that tell a record from the others of its
// interface; nil if one of them is missing. A single one is the code that later
// records name.
func (i *Interface) IdentityIn(doc []byte) (identity []string) {
	values, _ := i.Values(doc)
	if values == nil {
		return nil
	}
	for _, n := range i.Identity {
		if !values[n].there() {
			return nil
		}
		identity = append(identity, values[n].Text)
	}
	return identity
}
