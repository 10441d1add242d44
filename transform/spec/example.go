package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Example is a request of the standard, or, where its page is lost, one like
// those of its clients.
type Example struct {
	Title  string // "3.3"
	Source string // seed, client or inferred
	JSON   string // with placeholders for pictures and for numbers of people
	Except []Exception
}

// Exception is where an example contradicts its own table.
type Exception struct {
	Fields  []string `yaml:"fields"` // their paths
	Rule    string   `yaml:"rule"`
	Because string   `yaml:"because"`
}

// tinyPicture stands for <Base64 图片编码>: a JPEG's first bytes.
const tinyPicture = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="

// fictional stands for <证件号码>: a number of a region that there is not, with
// the birth date of the example of 规范 4.3. nobodys stands for <手机号码>.
const (
	fictional = "00000019941122001"
	nobodys   = "19900000000"
)

// Document is the example with something in place of the placeholders.
func (e *Example) Document() []byte {
	id := fictional + string(checkDigit(fictional))
	return []byte(strings.NewReplacer("<Base64 图片编码>", tinyPicture, "<证件号码>", id, "<手机号码>", nobodys).Replace(e.JSON))
}

// proveExample returns what an example breaks beyond its exceptions, warnings
// too, and exceptions that it does not need. An integer given as a text is
// taken from everybody, and yet contradicts the table: examples tell it.
func (i *Interface) proveExample(e *Example) []error {
	values, found := i.Values(e.Document())
	if values == nil {
		return []error{found[0]}
	}
	found = i.Check(values, found)
	for n := range i.Fields {
		if f := &i.Fields[n]; f.Type == Integer && values[n].Kind == Text {
			found = append(found, Violation{Field: f, Rule: RuleType, Want: wantInteger, Got: f.got(&values[n])})
		}
	}
	var errs []error
	used := make([][]string, len(e.Except))
	for _, v := range found {
		name := v.Field.Path
		n := slices.IndexFunc(e.Except, func(x Exception) bool { return x.Rule == v.Rule && slices.Contains(x.Fields, name) })
		if n < 0 {
			errs = append(errs, v)
			continue
		}
		used[n] = append(used[n], name)
	}
	for n, x := range e.Except {
		for _, name := range x.Fields {
			if !slices.Contains(used[n], name) {
				errs = append(errs, fmt.Errorf("it needs no exception for %s of %s", x.Rule, name))
			}
		}
		if x.Because == "" {
			errs = append(errs, errors.New("an exception does not say why"))
		}
	}
	return errs
}
