package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"yiqiao/transform"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
	"yiqiao/transform/spec/reference"
)

func runSpec(_ context.Context, std stdio, args []string) error {
	f := flags("spec")
	lang := f.String("lang", "zh", "language of the page: zh or en (labels of codes are Chinese in both)")
	asJSON := f.Bool("json", false, "interfaces and dictionaries as one JSON object")
	asMarkdown := f.Bool("markdown", false, "the reference page, in both languages")
	asSchema := f.Bool("schema", false, "JSON Schema (draft 2020-12) of an interface's records, or, without one, of all in $defs")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if *lang != "zh" && *lang != "en" {
		return usagef("want -lang zh or en, got %q", *lang)
	}
	word := strings.Join(words, " ")
	forms := 0
	for _, set := range []bool{*asJSON, *asMarkdown, *asSchema} {
		if set {
			forms++
		}
	}
	switch {
	case forms > 1:
		return usagef("want one of -json, -markdown and -schema")
	case (*asJSON || *asMarkdown) && word != "":
		return usagef("-json and -markdown tell all: want no %q", word)
	}
	catalogue, err := spec.Load()
	if err != nil {
		return err
	}
	ref, err := reference.New(catalogue, *lang == "en")
	if err != nil {
		return err
	}
	var doc []byte
	switch {
	case *asJSON:
		doc, err = ref.JSON()
	case *asMarkdown:
		doc = []byte(ref.Markdown())
	case *asSchema:
		doc, err = schemaDocument(catalogue, ref, word)
	default:
		var text string
		text, err = specPage(catalogue, ref, word)
		doc = []byte(text)
	}
	if err == nil {
		_, err = std.out.Write(doc)
	}
	return err
}

func schemaDocument(c *spec.Catalogue, ref *reference.Reference, name string) ([]byte, error) {
	if name == "" {
		return ref.Schema()
	}
	if i := interfaceNamed(c, name); i != nil {
		return ref.InterfaceSchema(i)
	}
	return nil, usagef("there is no interface %q; there are: %s", name, strings.Join(c.Names(), ", "))
}

// interfaceNamed takes stk/zpjl, zpjl and the path on the platform.
func interfaceNamed(c *spec.Catalogue, name string) *spec.Interface {
	name = strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "/"), "api/v1/"))
	for _, full := range []string{name, "stk/" + name} {
		if i := c.Interface(full); i != nil {
			return i
		}
	}
	return nil
}

// specPage is the page that a word asks for: of the thing with that name, or
// else what a search finds.
func specPage(c *spec.Catalogue, ref *reference.Reference, word string) (string, error) {
	if word == "" {
		return ref.Overview(), nil
	}
	if i := interfaceNamed(c, word); i != nil {
		return ref.Interface(i), nil
	}
	for _, d := range c.Dicts {
		if strings.EqualFold(d.Code, word) {
			return ref.Dict(d), nil
		}
	}
	if page, ok := ref.Format(strings.ToUpper(word)); ok {
		return page, nil
	}
	if page := functionPage(word); page != "" {
		return page, nil
	}
	if page := ref.Find(word); page != "" {
		return page, nil
	}
	err := fmt.Errorf("nothing of the standard is called %q", word)
	known := ref.Words()
	for _, f := range transform.Functions() {
		known = append(known, functionName(f))
	}
	if near := transform.Nearest(word, known); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near[:min(len(near), 5)], ", "))
	}
	return "", err
}

func functionName(f transform.FunctionDoc) string {
	name, _, _ := strings.Cut(f.Usage, "(")
	return name
}

// functionPage is the page of all functions, or of the one with that name.
func functionPage(word string) string {
	all := slices.Contains([]string{"functions", "function", "函数"}, word)
	var b strings.Builder
	if all {
		b.WriteString("映射里的函数：参数可以是 event、it、device、request、站点的表和 let 里的任何值\n")
	}
	for _, f := range transform.Functions() {
		if !all && functionName(f) != strings.TrimSuffix(word, "()") {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		writeFunction(&b, f)
	}
	return b.String()
}

func writeFunction(w io.Writer, f transform.FunctionDoc) {
	const indent, widest = "  ", 56
	fmt.Fprintln(w, f.Usage)
	for _, line := range reference.Wrap(f.Doc, 96) {
		fmt.Fprintln(w, indent+line)
	}
	column := 0
	for _, e := range f.Examples {
		if n := message.Width(e.Expr); n <= widest {
			column = max(column, n)
		}
	}
	for _, e := range f.Examples {
		gap := column - message.Width(e.Expr)
		if gap < 0 {
			fmt.Fprintf(w, "%s  %s\n%s  %s  = %s\n", indent, e.Expr, indent, strings.Repeat(" ", column), e.Want)
			continue
		}
		fmt.Fprintf(w, "%s  %s%s  = %s\n", indent, e.Expr, strings.Repeat(" ", gap), e.Want)
	}
}
