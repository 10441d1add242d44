// Package devicetest simulates devices: their pushes, one file of vendors a
// vendor's protocol, and the side of them that is called (streams, searches,
// pictures). Tests, the demo and `yiqiao simulate` use it. Its people, plates,
// numbers and pictures are made up, and nobody can have them.
package devicetest

import (
	"embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/goccy/go-yaml"
)

//go:embed vendors/*.yaml
var files embed.FS

// Names are the vendors, in the order in which their devices are numbered.
var Names = []string{"hikvision", "dahua", "iflytek", "hikvision-isc", "uniview", "gat1400", "vzenith", "zkteco"}

// Vendor is how the devices of one vendor talk, as a file of vendors says.
type Vendor struct {
	Name      string              `yaml:"-"`
	Number    int                 `yaml:"-"` // from 1; part of its devices' codes
	Title     string              `yaml:"title"`
	ID        string              `yaml:"id"`        // of device n, a format; its key in the device table
	Heartbeat time.Duration       `yaml:"heartbeat"` // between two heartbeats of a device
	Start     []string            `yaml:"start"`     // what a device sends first
	Alive     []string            `yaml:"alive"`     // what it sends at each heartbeat
	Cycle     []string            `yaml:"cycle"`     // its events; they take turns
	Streams   map[string][]string `yaml:"streams"`   // what a device that is called sends on each of its streams
	Answer    Answer              `yaml:"answer"`    // of requests that name none
	Resend    Resend              `yaml:"resend"`
	Requests  map[string]*Request `yaml:"requests"`
}

// Resend is what a device does about an answer that it does not want.
type Resend struct {
	After time.Duration `yaml:"after"` // it sends the same again
	Times int           `yaml:"times"` // so often at most; 0: it drops the event
}

// Request is one kind of request.
type Request struct {
	Name   string  `yaml:"-"`
	HTTP   string  `yaml:"http"`   // request line, header, empty line, body; text/template of a Moment
	Gives  string  `yaml:"gives"`  // interface of the record that it is; "": none
	Once   bool    `yaml:"once"`   // such records repeat, and are one for a while
	Answer *Answer `yaml:"answer"` // nil: the vendor's
	Resend *Resend `yaml:"resend"` // nil: the vendor's

	head, body *template.Template
}

// Answer is what a device reads strictly. Its texts are templates, too.
type Answer struct {
	Type string            `yaml:"type"` // media type; "": any
	Text string            `yaml:"text"` // regular expression of the whole body
	JSON map[string]string `yaml:"json"` // gjson path → value, as text
}

// Load reads the protocol of a vendor, one of Names.
func Load(name string) (*Vendor, error) {
	data, err := files.ReadFile("vendors/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("want one vendor of %s, got %q", strings.Join(Names, ", "), name)
	}
	v := &Vendor{Name: name, Number: slices.Index(Names, name) + 1}
	if err := yaml.UnmarshalWithOptions(data, v, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("vendor %q: %w", name, err)
	}
	for n, r := range v.Requests {
		r.Name = n
		if r.Answer == nil {
			r.Answer = &v.Answer
		}
		if r.Resend == nil {
			r.Resend = &v.Resend
		}
		if err := r.parse(); err != nil {
			return nil, fmt.Errorf("vendor %q: request %q: %w", name, n, err)
		}
	}
	for _, n := range slices.Concat(v.Start, v.Alive, v.Cycle, slices.Concat(slices.Collect(maps.Values(v.Streams))...)) {
		if v.Requests[n] == nil {
			return nil, fmt.Errorf("vendor %q: there is no request %q", name, n)
		}
	}
	return v, nil
}

// parse compiles the request's templates.
func (r *Request) parse() (err error) {
	head, body, ok := strings.Cut(r.HTTP, "\n\n")
	if !ok {
		head = strings.TrimSuffix(r.HTTP, "\n")
	}
	body = strings.TrimSuffix(body, "\n")
	if strings.Contains(head, "multipart/") {
		body = strings.ReplaceAll(body+"\n", "\n", "\r\n")
	}
	if r.head, err = template.New("head").Funcs(functions).Parse(head); err != nil {
		return err
	}
	if r.body, err = template.New("body").Funcs(functions).Parse(body); err != nil {
		return err
	}
	_, err = regexp.Compile(r.Answer.Text)
	return err
}
