package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// The shape of JUnit's XML that CI systems read: Jenkins, GitLab and GitHub's
// reporters agree on these elements.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"` // seconds
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`

	took time.Duration
}

type junitCase struct {
	Class   string        `xml:"classname,attr"` // vendor.event
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"` // it gave something else
	Error   *junitFailure `xml:"error"`   // it could not be run
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes results, one suite a vendor.
func writeJUnit(name string, results []caseReport) error {
	all := junitSuites{Name: "yiqiao test"}
	var total time.Duration
	for _, r := range results {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != r.vendor {
			all.Suites = append(all.Suites, junitSuite{Name: r.vendor})
		}
		s := &all.Suites[len(all.Suites)-1]
		c := junitCase{Class: r.vendor + "." + r.event, Name: r.name, Time: seconds(r.took)}
		if r.failure != "" {
			first, _, _ := strings.Cut(strings.TrimSpace(r.failure), "\n")
			what := &junitFailure{Message: clean(first), Type: "difference", Text: clean(r.failure)}
			if r.broken {
				what.Type, c.Error = "error", what
				s.Errors, all.Errors = s.Errors+1, all.Errors+1
			} else {
				c.Failure = what
				s.Failures, all.Failures = s.Failures+1, all.Failures+1
			}
		}
		s.Cases = append(s.Cases, c)
		s.Tests, all.Tests = s.Tests+1, all.Tests+1
		s.took += r.took
		s.Time, total = seconds(s.took), total+r.took
	}
	all.Time = seconds(total)
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString(xml.Header + string(text) + "\n")
	return errors.Join(err, f.Close())
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// clean takes out what XML cannot hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}
