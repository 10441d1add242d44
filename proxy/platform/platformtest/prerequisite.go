package platformtest

import "fmt"

// registered is one code that a caller has registered.
type registered struct{ appKey, iface, code string }

// missing says which earlier records a document refers to that this caller has
// not registered (前置接入).
func (p *Platform) missing(name, appKey string, doc []byte) (errs []string) {
	if !p.opts.Prerequisites {
		return nil
	}
	iface := p.opts.Catalogue.Interface(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	for pre, code := range iface.EarlierIn(doc) {
		if of := p.opts.Catalogue.Interface(pre.Of); of != nil && !p.codes[registered{appKey, of.Name, code}] {
			errs = append(errs, fmt.Sprintf("%s %s（%s）尚未接入", of.Title, iface.Field(pre.Field).Masked(code), of.Name))
		}
	}
	return errs
}

// register notes the code of an accepted record; p is locked.
func (p *Platform) register(rec *Record) {
	if !p.opts.Prerequisites {
		return
	}
	if id := p.opts.Catalogue.Interface(rec.Interface).IdentityIn(rec.Record); len(id) == 1 {
		p.codes[registered{rec.AppKey, rec.Interface, id[0]}] = true
	}
}
