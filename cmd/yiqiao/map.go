package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"yiqiao/proxy/seal"
	"yiqiao/transform"
	"yiqiao/transform/event"
)

// mapOptions are the flags and words of `yiqiao map`.
type mapOptions struct {
	site, contentType, path, source string
	trace, json, sealed             bool
	mapping                         string // VENDOR/EVENT or VENDOR
	payload                         string // a file, the id of an entry; empty: standard input
}

func (o *mapOptions) flags() *flag.FlagSet {
	f := flags("map")
	f.StringVar(&o.site, "site", "", "folder of the site; without it, and without yiqiao.yaml here, the bundled packs")
	f.StringVar(&o.contentType, "type", "", "content type of the payload (needed only for odd multipart)")
	f.StringVar(&o.path, "path", "", "path that the payload was posted to, for sources that tell kinds by it")
	f.BoolVar(&o.trace, "trace", false, "print each step: source, mappings and why each matched or not, device, every expression with its value and place, every check; personal values are masked")
	f.BoolVar(&o.json, "json", false, "print trace and records as one JSON object, for machines; personal values are masked")
	f.BoolVar(&o.sealed, "seal", false, "print the envelope too, sealed for a key made for this call")
	f.StringVar(&o.source, "source", "", "the vendor, where neither MAPPING nor a .http file tells it")
	return f
}

func runMap(ctx context.Context, std stdio, args []string) error {
	var o mapOptions
	f := o.flags()
	languageFlag(f, &std)
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if err := o.words(words); err != nil {
		return err
	}
	name, data, err := o.read(ctx, std)
	if err != nil {
		return err
	}
	rules, err := o.rules(std)
	if err != nil {
		return err
	}
	q, body, err := transform.ReadInput(payloadName(name, data), data)
	if err != nil {
		return err
	}
	if o.contentType != "" {
		q.ContentType = o.contentType
	}
	if o.path != "" {
		q.Path = o.path
	}
	var tr *transform.Trace
	if o.trace || o.json {
		tr = &transform.Trace{}
	}
	s, err := o.choose(rules, &q, tr)
	if err != nil {
		return err
	}
	var res transform.Result
	rules.ApplyBody(s, q, body, &res, tr)
	if err := o.print(std, s, &res, tr); err != nil {
		return err
	}
	if res.Refusal != nil {
		return errFindings
	}
	return nil
}

// rules loads the rules. What is wrong with other sources than the one that is
// named is no obstacle here, as it is for the daemon.
func (o *mapOptions) rules(std stdio) (*transform.Rules, error) {
	rules, problems, err := loadRules(o.site)
	if err != nil || len(problems.Errors()) == 0 {
		return rules, err
	}
	if name := cmp.Or(o.source, vendorOf(o.mapping)); name != "" {
		if rules, own, err := loadRules(o.site, name); err == nil && len(own.Errors()) == 0 {
			fmt.Fprintf(std.err, "note: %s in other sources: yiqiao check\n", count(len(problems.Errors()), "problem"))
			return rules, nil
		}
	}
	std.problems(std.err, problems)
	return nil, errFindings
}

// choose finds the source: by the path that the payload was posted to, or by
// its name. What was named goes before.
func (o *mapOptions) choose(rules *transform.Rules, q *event.Request, tr *transform.Trace) (*transform.Source, error) {
	name := o.source
	if name == "" && o.mapping != "" {
		name = vendorOf(o.mapping)
	}
	s := rules.Source(name)
	var byPath *transform.Trace
	if tr != nil {
		byPath = new(transform.Trace)
	}
	found := false
	if q.Path != "" {
		at, params, ok := rules.MatchTraced(q.Method, q.Path, byPath)
		if ok && (name == "" || s == at) {
			s, q.Params, found = at, params, true
		}
	}
	if err := known(rules, s, name, o.mapping); err != nil {
		return nil, err
	}
	switch {
	case tr == nil:
	case found:
		tr.Steps = byPath.Steps
	default:
		tr.Steps = []transform.Step{{What: "source", Verdict: transform.Yes, Name: s.Name, Note: s.Title + ": named on the command line, whatever the path"}}
	}
	return s, nil
}

// print prints what came of the payload.
func (o *mapOptions) print(std stdio, s *transform.Source, res *transform.Result, tr *transform.Trace) error {
	w := std.out
	var envelopes [][]byte
	if o.sealed {
		var err error
		if envelopes, err = sealAll(res.Records); err != nil {
			return err
		}
	}
	switch {
	case o.json:
		x := tr.Explain(s, res)
		for i, e := range envelopes {
			x.Records[i].Envelope = e
		}
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(x)
	case o.trace:
		tr.Write(w)
		fmt.Fprintln(w)
		transform.WriteResult(w, res, std.language())
	case res.Refusal != nil:
		fmt.Fprintf(w, "%s: %s\n", res.Refusal.Class, res.Refusal.In(std.language()))
	default:
		_, _ = w.Write(res.Describe())
	}
	for i, envelope := range envelopes {
		rec := &res.Records[i]
		text := shorten(envelope, 4000)
		if o.trace {
			text = fold(text, transform.TraceColumns)
		}
		fmt.Fprintf(w, "POST /%s?appKey=… (%d bytes, document %d bytes)\n%s\n", rec.Interface.Name, len(envelope), rec.Len(), text)
	}
	return nil
}

// fold breaks a text of ASCII into lines.
func fold(s string, columns int) string {
	var lines []string
	for len([]rune(s)) > columns {
		head := string([]rune(s)[:columns])
		lines, s = append(lines, head), s[len(head):]
	}
	return strings.Join(append(lines, s), "\n")
}

// known proves that the source and the mapping that were named are there: a
// name that is wrong must not give another mapping's answer.
func known(rules *transform.Rules, s *transform.Source, source, mapping string) error {
	var names []string
	if s == nil {
		for _, s := range rules.Sources {
			names = append(names, s.Name)
		}
		if source != "" {
			return usagef("there is no source %q; there are: %s", source, strings.Join(names, ", "))
		}
		return usagef("want a mapping like %s/…, or -source, one of: %s", names[0], strings.Join(names, ", "))
	}
	event := strings.TrimSuffix(path.Base(filepath.ToSlash(mapping)), ".yaml")
	if vendorOf(mapping) != s.Name || event == s.Name {
		return nil // no event was named
	}
	for _, m := range s.Mappings {
		names = append(names, strings.TrimSuffix(m.Name, ".yaml"))
	}
	if name := s.Name + "/" + event; !slices.Contains(names, name) {
		return usagef("there is no mapping %q; there are: %s", name, strings.Join(names, ", "))
	}
	return nil
}

// vendorOf a mapping: "hikvision" of mappings/hikvision/face.yaml, of
// hikvision/face and of hikvision.
func vendorOf(mapping string) string {
	mapping = filepath.ToSlash(mapping)
	if dir := path.Dir(mapping); dir != "." {
		return path.Base(dir)
	}
	return strings.TrimSuffix(mapping, ".yaml")
}

// payloadName is the name that tells how to read a payload: from standard
// input, one that begins like a request is one.
func payloadName(name string, data []byte) string {
	if first, _, _ := bytes.Cut(data, []byte("\n")); name == "" && bytes.Contains(first, []byte(" HTTP/1.")) {
		return "stdin.http"
	}
	return name
}

// sealAll gives what the platform would get. The key is thrown away.
func sealAll(records []transform.Record) ([][]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	sealer, err := seal.New(seal.Config{}, []byte(base64.StdEncoding.EncodeToString(der)))
	if err != nil {
		return nil, err
	}
	var list [][]byte
	for i := range records {
		rec := &records[i]
		envelope, err := sealer.Seal(nil, rec.Len(), rec.Pieces(make([]byte, 12<<10)))
		if err != nil {
			return nil, err
		}
		list = append(list, envelope)
	}
	return list, nil
}

// shorten cuts a text in its middle.
func shorten(b []byte, n int) string {
	if len(b) <= n {
		return string(b)
	}
	return fmt.Sprintf("%s…(%d bytes)…%s", b[:n/2], len(b)-n, b[len(b)-n/2:])
}
