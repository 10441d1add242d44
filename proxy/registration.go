package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/spec"
)

// registers tells states from what happens: a base record, of which the
// platform keeps one of each code, and a device's status (规范 第 16 章) have no
// time of their own, and the latest counts. Online, offline, online are three.
func registers(i *spec.Interface) bool { return i.Time < 0 }

// ref names a thing of the platform by its interface and what tells it from
// others there. Each appKey has its own: another one is another platform's, or
// another caller's, of whose registrations nothing is known. What was admitted
// under an old appKey and delivered under a new one is noted under the old.
func (p *Proxy) ref(g *Generation, iface string, identity ...string) store.Ref {
	key := p.vault.key(append([]string{"registration", g.Config.Platform.AppKey, iface}, identity...)...)
	return store.Ref{Group: hex.EncodeToString(key[:]), Key: key}
}

// refOf is what a record registers; the zero Ref if it is none that does.
func (p *Proxy) refOf(g *Generation, iface string, doc []byte) store.Ref {
	i := g.Rules.Catalogue.Interface(iface)
	if i == nil || !registers(i) {
		return store.Ref{}
	}
	identity := i.IdentityIn(doc)
	if identity == nil {
		return store.Ref{}
	}
	return p.ref(g, iface, identity...)
}

// register makes e a version of what rec registers, if it does: its lane is
// that thing's alone, so that its versions keep their order and wait for no
// others.
func (p *Proxy) register(g *Generation, rec *transform.Record, e *store.Entry) {
	ref := p.refOf(g, rec.Interface.Name, rec.Doc)
	if ref == (store.Ref{}) {
		return
	}
	e.Key, e.Registers, e.Digest = store.Key{}, ref, p.vault.digest(rec)
	e.Group, e.Lane = ref.Group, rec.Interface.Name+" "+ref.Group
}

// digest tells two contents apart, pictures included. It is keyed as the keys
// are: nobody finds out a telephone number by trying all of them.
func (v *Vault) digest(rec *transform.Record) store.Key {
	h := hmac.New(sha256.New, v.mac)
	h.Write([]byte("content\n"))
	h.Write(rec.Doc)
	// A mapping that says what is distinct wants a refresh when that changes.
	h.Write([]byte(rec.Distinct))
	for i := range rec.Holes {
		h.Write(rec.Holes[i].Blob.Data)
	}
	return store.Key(h.Sum(nil)[:16])
}

// newer says which of entries would put an old version in the place of a newer
// one that was accepted or waits; empty: none. Ids grow with the time at which
// their events were received.
func (p *Proxy) newer(ctx context.Context, entries []store.Entry) (string, error) {
	for i := range entries {
		e := &entries[i]
		if e.Registers == (store.Ref{}) {
			continue
		}
		r, err := p.store.Registered(ctx, []store.Ref{e.Registers})
		switch {
		case err != nil:
			return "", err
		case r[0].AcceptedID > e.ID:
			return fmt.Sprintf("a newer version of this %s was accepted at %s: drop this one", e.Labels.Interface, r[0].Accepted.Local().Format(time.DateTime)), nil
		case r[0].Waiting > e.ID:
			return fmt.Sprintf("a newer version of this %s waits since %s: drop this one", e.Labels.Interface, r[0].Since.Local().Format(time.DateTime)), nil
		}
	}
	return "", nil
}

// need is an earlier record that a record refers to (前置接入).
type need struct {
	ref  store.Ref
	of   *spec.Interface
	code string // as it may be shown
}

// needs are what the record of an interface refers to.
func (p *Proxy) needs(g *Generation, iface string, doc []byte) (list []need) {
	i := g.Rules.Catalogue.Interface(iface)
	if i == nil {
		return nil
	}
	for pre, code := range i.EarlierIn(doc) {
		of, f := g.Rules.Catalogue.Interface(pre.Of), i.Field(pre.Field)
		if of == nil || f == nil {
			continue
		}
		list = append(list, need{p.ref(g, pre.Of, code), of, f.Masked(code)})
	}
	return list
}

// What platform.prerequisites may say.
const (
	inOrder = "order"
	strict  = "strict"
	off     = "off"
)

// holdsUp tells whether a record has to wait that refers to what r is known
// of. Once a version was accepted, a newer one that waits holds up nobody.
func holdsUp(mode string, r store.Registration) bool {
	switch mode {
	case inOrder:
		return r.Accepted.IsZero() && r.Waiting != ""
	case strict:
		return r.Accepted.IsZero()
	}
	return false
}

// waiting says what a record waits for.
func (n *need) waiting(r store.Registration) string {
	if r.Waiting == "" {
		return fmt.Sprintf("waiting for %s %s (%s), which is not registered: send it, or look for it among the dead letters", n.of.Name, n.code, n.of.Title)
	}
	return fmt.Sprintf("waiting for %s %s (%s), registered at %s, not yet accepted", n.of.Name, n.code, n.of.Title, r.Since.Local().Format(time.DateTime))
}
