package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/seal"
	"yiqiao/transform/spec"
)

func runPlatform(ctx context.Context, std stdio, args []string) error {
	f := flags("platform")
	listen := f.String("listen", "127.0.0.1:8000", "address to listen on")
	keyFile := f.String("private-key", "platform.key", "private key; it is made if the file is missing, its public key goes to FILE.pub")
	records := f.String("records", "", "file to which each accepted record is appended as a line of JSON")
	appKeys := f.String("app-keys", "", "appKeys that are accepted, separated by commas; empty: all")
	var o platformOptions
	strict := f.Bool("strict", false, "refuse all that the standard's text says: what refers to a record that is not registered, repetitions, coordinates, names, codes beyond the dictionaries")
	lenient := f.Bool("lenient", false, "take all that is a JSON object for an interface; what is wrong is remarked in /-/records")
	f.BoolVar(&o.dictionaries.ID, "zdid", false, "call the codes of dictionaries zdid, not zdx")
	f.BoolVar(&o.dictionaries.Bare, "bare", false, "answer dictionaries as bare lists")
	f.StringVar(&o.cipher.Mode, "mode", "ecb", "cipher mode of the envelopes: ecb, cbc or gcm")
	f.DurationVar(&o.behaviour.Latency, "latency", 0, "wait so long before each answer")
	f.Float64Var(&o.behaviour.Failures, "failures", 0, "part of the requests that is answered with HTTP 500 (0 to 1)")
	f.BoolVar(&o.behaviour.Down, "down", false, "answer every request with HTTP 503")
	f.StringVar(&o.behaviour.Code, "code", "", "answer every record with this code")
	f.BoolVar(&o.behaviour.HTML, "html", false, "answer every request with a web page")
	f.BoolVar(&o.behaviour.HangUp, "hang-up", false, "close every connection without an answer")
	if words, err := parse(f, args); err != nil || len(words) > 0 {
		return errors.Join(err, unexpected(words))
	}
	if err := o.behaviour.Validate(); err != nil {
		return usagef("-%v", err)
	}
	switch {
	case *strict && *lenient:
		return usagef("want one of -strict and -lenient")
	case *strict:
		o.strictness = platformtest.Strict
	case *lenient:
		o.strictness = platformtest.Lenient
	}
	var public string
	var made bool
	var err error
	if o.key, public, made, err = platformtest.LoadOrCreateKey(*keyFile); err != nil {
		return err
	}
	if *records != "" {
		file, err := os.OpenFile(*records, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		o.records = file
	}
	if *appKeys != "" {
		for key := range strings.SplitSeq(*appKeys, ",") {
			o.appKeys = append(o.appKeys, strings.TrimSpace(key))
		}
	}
	p, err := newPlatform(o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(std.out, "made a key pair: %s and %s.pub\n", *keyFile, *keyFile)
	}
	fmt.Fprintf(std.out, "simulated platform at http://%s/api/v1; what it has taken: http://%s/-/records\npublicKey: %s\n", l.Addr(), l.Addr(), public)
	return serveUntil(ctx, l, p)
}

type platformOptions struct {
	key       []byte
	cipher    seal.Config
	records   io.Writer
	appKeys   []string
	keep      int // records that can be shown; 0: the default
	behaviour platformtest.Behaviour

	strictness   platformtest.Strictness
	dictionaries platformtest.DictionaryForm
}

// newPlatform makes a simulated platform that proves records against the
// catalogue, as the proxy does.
func newPlatform(o platformOptions) (*platformtest.Platform, error) {
	catalogue, err := spec.Load()
	if err != nil {
		return nil, err
	}
	p, err := platformtest.New(platformtest.Options{
		PrivateKey: o.key, Seal: o.cipher, AppKeys: o.appKeys, Records: o.records, Keep: o.keep, Catalogue: catalogue,
		Strictness: o.strictness, Dictionaries: o.dictionaries,
	})
	if err != nil {
		return nil, err
	}
	p.Behave(o.behaviour)
	return p, nil
}

// serveUntil serves h on l until ctx ends; requests under way then have five
// seconds to end.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return s.Close()
	}
}
