package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"yiqiao/proxy"
	"yiqiao/transform/schema"
	"yiqiao/transform/spec"
)

func runSchema(_ context.Context, std stdio, args []string) error {
	f := flags("schema")
	dir := f.String("site", "", "write all of them into this site, where its files look for them")
	out := f.String("o", "", "write it to this file")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	catalogue, err := spec.Load()
	if err != nil {
		return err
	}
	switch {
	case len(words) == 0 && *dir != "" && *out == "":
		if _, err := os.Stat(filepath.Join(*dir, proxy.ConfigFile)); err != nil {
			return fmt.Errorf("%s is no site: %w; yiqiao init DIR makes one", *dir, err)
		}
		return writeSchemas(std, catalogue, *dir)
	case len(words) == 1 && *dir == "":
	default:
		return usagef("want one of %s, or -site DIR", strings.Join(schemaKinds(), ", "))
	}
	doc, err := schemaOf(catalogue, words[0])
	if err != nil {
		return usagef("%v; there are: %s", err, strings.Join(schemaKinds(), ", "))
	}
	if *out != "" {
		return os.WriteFile(*out, doc, 0o644)
	}
	_, err = std.out.Write(doc)
	return err
}

func schemaKinds() (names []string) {
	for _, f := range schema.Files() {
		names = append(names, f.Name)
	}
	return names
}

func schemaOf(c *spec.Catalogue, kind string) ([]byte, error) {
	return schema.Write(kind, c, proxy.ConfigKeys())
}

// schemaFiles are the schemas with their places in a site: where a bundled
// mapping that is copied into it finds them too.
func schemaFiles(c *spec.Catalogue) (files []siteFile, err error) {
	for _, kind := range schemaKinds() {
		doc, err := schemaOf(c, kind)
		if err != nil {
			return nil, err
		}
		files = append(files, siteFile{"mappings/" + schema.FileName(kind), doc})
	}
	return files, nil
}

// writeSchemas writes those that are not there or of another version.
func writeSchemas(std stdio, c *spec.Catalogue, dir string) error {
	files, err := schemaFiles(c)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.name))
		if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, f.data) {
			continue
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, f.data, 0o644)); err != nil {
			return err
		}
		fmt.Fprintln(std.out, name)
	}
	return nil
}
