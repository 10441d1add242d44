package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"yiqiao/proxy/device"
	"yiqiao/transform"
	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// PicturesConfig says how pictures are come by that an event only names.
type PicturesConfig struct {
	// From are the addresses that may be asked: 192.0.2.7, 192.0.2.0/24 or host
	// names. None: nobody is asked.
	From []string `yaml:"from"`
	// User and Password are for devices whose row has no user and password.
	User     string `yaml:"user"`
	Password string `yaml:"password" secret:""`
	// Certificates are verified, or any is taken, as devices make their own.
	Certificates string        `yaml:"certificates"`
	Timeout      time.Duration `yaml:"timeout"`     // of one picture
	MaxBytes     Size          `yaml:"maxBytes"`    // of one picture
	Patience     time.Duration `yaml:"patience"`    // from the event to the last try
	Concurrency  int           `yaml:"concurrency"` // records whose pictures are made at once
}

var certificateModes = []string{"verify", "any"}

func defaultPictures() PicturesConfig {
	return PicturesConfig{Certificates: "verify", Timeout: 15 * time.Second, MaxBytes: 8 << 20, Patience: 10 * time.Minute, Concurrency: 8}
}

func (c *checker) pictures() {
	p := &c.Pictures
	for i, text := range p.From {
		_, err := device.NewGuard([]string{text})
		c.want(err == nil, fmt.Sprintf("pictures.from[%d]", i), "pictures-from", text)
	}
	c.oneOf("pictures.certificates", p.Certificates, certificateModes...)
	c.want(p.Timeout >= time.Second && p.Timeout <= 5*time.Minute, "pictures.timeout", "pictures-time", time.Second, 5*time.Minute, p.Timeout)
	c.want(p.Patience >= 0 && p.Patience <= 24*time.Hour, "pictures.patience", "pictures-time", time.Duration(0), 24*time.Hour, p.Patience)
	c.want(p.MaxBytes >= minBody && p.MaxBytes <= 64<<20, "pictures.maxBytes", "site-range", minBody, 64<<20, int64(p.MaxBytes))
	c.want(p.Concurrency >= 1 && p.Concurrency <= maxConcurrency, "pictures.concurrency", "site-range", 1, maxConcurrency, p.Concurrency)
}

// fetches warns of mappings that have pictures fetched where the site allows
// no address: each of their events would be a dead letter.
func (c *checker) fetches(rules *transform.Rules) {
	if rules == nil || len(c.Pictures.From) > 0 {
		return
	}
	for _, s := range rules.Sources {
		for _, m := range s.Mappings {
			if m.Fetches() {
				p := c.doc.At("sources", message.New("pictures-nowhere", m.Name))
				p.Warning = true
				c.problems = append(c.problems, p)
				return // one says it
			}
		}
	}
}

// newCaller is the client with which devices are asked.
func newCaller(c *PicturesConfig) (*device.Client, error) {
	guard, err := device.NewGuard(c.From)
	if err != nil {
		return nil, err
	}
	return device.NewClient(device.Options{Guard: guard, AnyCertificate: c.Certificates == "any"}), nil
}

// noPicture says why a picture could not be made. It shows no secret.
type noPicture struct {
	text  message.Message
	final bool // trying again would not help
}

// make fills the holes of an entry's record: each picture is fetched once, made
// and proved (GF005). nil: the record is whole.
func (p *Proxy) make(ctx context.Context, g *Generation, e *entry) *noPicture {
	fetched := map[string][]byte{}
	for i := range e.record.Holes {
		hole := &e.record.Holes[i]
		rc := hole.Recipe
		if rc == nil {
			continue
		}
		why := p.makeOne(ctx, g, e, hole, fetched)
		if why != nil {
			why.text = message.New("picture-missing", g.fieldName(e.head.Interface, rc.Field), why.text)
			return why
		}
	}
	for i := range e.record.Holes {
		e.record.Holes[i].Recipe = nil
	}
	return nil
}

func (p *Proxy) makeOne(ctx context.Context, g *Generation, e *entry, hole *transform.Hole, fetched map[string][]byte) *noPicture {
	rc := hole.Recipe
	source, err := transform.PictureOf(hole.Blob)
	if rc.URL != "" {
		data, ok := fetched[rc.URL]
		if !ok {
			if data, err = p.fetch(ctx, g, e, rc.URL); err != nil {
				return whyNot(err, rc)
			}
			fetched[rc.URL] = data
		}
		source = data
	}
	if err != nil {
		return &noPicture{spokenAs(err), true}
	}
	data, err := p.edited(ctx, rc, source)
	if err != nil {
		return &noPicture{spokenAs(err), ctx.Err() == nil}
	}
	if i := g.Rules.Catalogue.Interface(e.head.Interface); i != nil {
		for _, v := range i.CheckPicture(rc.Field, data, nil) {
			if v.Severity == spec.Error {
				return &noPicture{message.New("field-breaks", message.Both{English: v.Error(), Chinese: v.Chinese()}, ""), true}
			}
		}
	}
	hole.Blob = event.Blob{Data: data, Raw: true}
	return nil
}

// edited cuts and shrinks, one picture at a time of the whole process.
func (p *Proxy) edited(ctx context.Context, rc *transform.Recipe, source []byte) ([]byte, error) {
	if pixels, err := rc.Decoded(source); err != nil || pixels == 0 {
		return source, err
	}
	select {
	case p.pictures.edit <- struct{}{}:
		defer func() { <-p.pictures.edit }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return rc.Make(source)
}

func (p *Proxy) fetch(ctx context.Context, g *Generation, e *entry, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, g.Config.Pictures.Timeout)
	defer cancel()
	return g.caller.Picture(ctx, url, g.credentials(e.head.Source, e.head.Await.Labels.Device), int64(g.Config.Pictures.MaxBytes))
}

// credentials are those of the device's row, or the site's.
func (g *Generation) credentials(source, id string) device.Credentials {
	if user, password := g.Rules.Credentials(source, id); user != "" {
		return device.Credentials{User: fromEnvironment(user), Password: fromEnvironment(password)}
	}
	return device.Credentials{User: g.Config.Pictures.User, Password: g.Config.Pictures.Password}
}

// fromEnvironment puts the environment's value in the place of ${NAME} or
// env:NAME: a table goes by mail, a password should not.
func fromEnvironment(cell string) string {
	if name, ok := strings.CutPrefix(cell, "env:"); ok {
		return os.Getenv(name)
	}
	text, _ := environment(cell, false)
	return text
}

// whyNot tells whether a picture that did not come is tried again, and why it
// did not.
func whyNot(err error, rc *transform.Recipe) *noPicture {
	status, large, odd, refused := new(device.Status), new(device.TooLarge), new(device.NotPicture), new(device.Refused)
	where := rc.Where()
	expired := !rc.Expires.IsZero() && time.Now().After(rc.Expires)
	switch {
	case errors.As(err, new(*device.Denied)):
		return &noPicture{message.New("fetch-denied", where), true}
	case errors.As(err, &refused) && refused.Special:
		return &noPicture{message.New("fetch-special", where, refused.Addr), true}
	case errors.As(err, &refused):
		return &noPicture{message.New("fetch-address", where, refused.Addr), true}
	case errors.As(err, &status):
		rule := "fetch-status"
		if status.Code == 401 {
			rule = "fetch-credentials"
		}
		// 403 is what an expired or wrong signature gives; 404 may be a picture
		// that the platform has not stored yet.
		final := status.Code == 401 || status.Code == 403 || status.Code == 410 || expired && status.Code < 500
		return &noPicture{message.New(rule, where, status.Code), final}
	case errors.As(err, &large):
		return &noPicture{message.New("fetch-large", where, large.Limit), true}
	case errors.As(err, &odd):
		return &noPicture{message.New("fetch-odd", where, string(odd.Head)), true}
	case errors.Is(err, device.ErrScheme):
		return &noPicture{message.New("fetch-scheme", where), true}
	}
	return &noPicture{message.New("fetch-failed", where, err), false}
}

func spokenAs(err error) message.Message {
	if m := (message.Message{}); errors.As(err, &m) {
		return m
	}
	return message.New("file", err)
}

// fieldName is a field with its label.
func (g *Generation) fieldName(iface, field string) message.Speaker {
	if i := g.Rules.Catalogue.Interface(iface); i != nil {
		for n := range i.Fields {
			if f := &i.Fields[n]; f.Name == field {
				return message.New("field", f.Name, f.Label)
			}
		}
	}
	return message.Both{English: field, Chinese: field}
}

// madeAtOnce makes the pictures of registrations, which keep their order and
// so never wait: a mapping cannot have them fetched.
func (p *Proxy) madeAtOnce(ctx context.Context, g *Generation, res *transform.Result) *transform.Refusal {
	for i := range res.Records {
		rec := &res.Records[i]
		if rec.Interface.Time >= 0 || !rec.Unmade() {
			continue
		}
		e := &entry{head: head{Interface: rec.Interface.Name}, record: *rec}
		if why := p.make(ctx, g, e); why != nil {
			refusal := transform.NewRefusal(transform.NoPicture, why.text)
			refusal.Mapping = rec.Mapping.Name
			return refusal
		}
	}
	return nil
}

// recipesOf says what a record waits for.
func recipesOf(holes []transform.Hole) message.List {
	list := message.List{Separator: ", "}
	for i := range holes {
		if rc := holes[i].Recipe; rc != nil {
			text := strings.TrimSpace(rc.Field + " " + rc.Later)
			if rc.URL != "" {
				text += " " + rc.Where()
			}
			list.Of = append(list.Of, message.Both{English: text, Chinese: text})
		}
	}
	return list
}
