package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"yiqiao/proxy/seal"
	"yiqiao/transform"
)

func runMap(_ context.Context, std stdio, args []string) error {
	f := flags("map")
	languageFlag(f, &std)
	dir := f.String("site", "", "folder of the site; without it, and without yiqiao.yaml here, the bundled packs")
	contentType := f.String("type", "", "content type of the payload (needed only for odd multipart)")
	posted := f.String("path", "", "path that the payload was posted to, for sources that tell kinds by it")
	trace := f.Bool("trace", false, "print each rule, its value and its place")
	sealed := f.Bool("seal", false, "print the envelope too, sealed for a key made for this call")
	source := f.String("source", "", "the vendor, where neither MAPPING nor a .http file tells it")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	mapping, name, err := mapWords(words)
	if err != nil {
		return err
	}
	in := std.in
	if name != "" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, 64<<20))
	if err != nil {
		return err
	}
	rules, problems, err := loadRules(*dir, false)
	if err != nil {
		return err
	}
	if len(problems.Errors()) > 0 {
		std.problems(std.err, problems)
		return errFindings
	}
	q, body, err := transform.ReadInput(payloadName(name, data), data)
	if err != nil {
		return err
	}
	if *contentType != "" {
		q.ContentType = *contentType
	}
	if *posted != "" {
		q.Path = *posted
	}
	if mapping != "" && *source == "" {
		*source = vendorOf(mapping)
	}
	s := rules.Source(*source)
	if q.Path != "" {
		if found, params, ok := rules.Match(q.Method, q.Path); ok && (*source == "" || s == found) {
			s, q.Params = found, params
		}
	}
	if err := known(rules, s, *source, mapping); err != nil {
		return err
	}
	var tr *transform.Trace
	if *trace {
		tr = &transform.Trace{}
	}
	var res transform.Result
	rules.ApplyBody(s, q, body, &res, tr)
	if tr != nil {
		tr.Write(std.out)
		fmt.Fprintln(std.out)
	}
	if res.Refusal != nil {
		fmt.Fprintf(std.out, "%s: %s\n", res.Refusal.Class, res.Refusal.In(std.language()))
		return errFindings
	}
	_, _ = std.out.Write(res.Describe())
	if *sealed {
		return printSealed(std.out, res.Records)
	}
	return nil
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

// mapWords tells the mapping from the payload: VENDOR/EVENT, with or without
// .yaml and the folders before it, is a mapping.
func mapWords(words []string) (mapping, payload string, err error) {
	for _, w := range words {
		_, missing := os.Stat(w)
		switch {
		case w == "-":
		case mapping == "" && (strings.HasSuffix(w, ".yaml") || missing != nil && len(words) > 1 || missing != nil && !strings.Contains(filepath.Base(w), ".")):
			mapping = w
		case payload == "":
			payload = w
		default:
			return "", "", unexpected([]string{w})
		}
	}
	return mapping, payload, nil
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

// printSealed shows what the platform would get. The key is thrown away.
func printSealed(w io.Writer, records []transform.Record) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	sealer, err := seal.New(seal.Config{}, []byte(base64.StdEncoding.EncodeToString(der)))
	if err != nil {
		return err
	}
	for i := range records {
		rec := &records[i]
		envelope, err := sealer.Seal(nil, rec.Len(), rec.Pieces(make([]byte, 12<<10)))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "POST /%s?appKey=… (%d bytes, document %d bytes)\n%s\n", rec.Interface.Name, len(envelope), rec.Len(), shorten(envelope, 4000))
	}
	return nil
}

// shorten cuts a text in its middle.
func shorten(b []byte, n int) string {
	if len(b) <= n {
		return string(b)
	}
	return fmt.Sprintf("%s…(%d bytes)…%s", b[:n/2], len(b)-n, b[len(b)-n/2:])
}
