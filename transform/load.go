package transform

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// Pack is a set of vendor folders: <vendor>/source.yaml, <vendor>/*.yaml.
type Pack struct {
	Prefix string // put before file names in messages: "mappings"
	FS     fs.FS
}

// Options are what rules are made of.
type Options struct {
	Catalogue *spec.Catalogue
	// Packs: a file of a later pack replaces the file of the same name.
	Packs []Pack
	// Sources in use, by name; nil: all that the packs hold. SourceAt, if not
	// nil, is the place where a source is named, as a problem without words.
	Sources  []string
	SourceAt func(name string) Problem
	Tables   []*Table
	Zone     *time.Location // of the records; nil: +08:00

	files map[string]packFile // as if a pack held them; see LoadRows
}

// Rules is one loaded set of sources, mappings and tables. It is immutable
// and safe for many goroutines.
type Rules struct {
	Sources   []*Source
	Digest    string // of every file that went into the rules: 12 hex digits
	Catalogue *spec.Catalogue

	tables  map[string]*Table
	decoder *event.Decoder
	imports func() *Source // ImportSource
}

type loader struct {
	catalogue *spec.Catalogue
	problems  Problems
	tables    map[string]*Table
	zone      *time.Location
	files     map[string]packFile // by <vendor>/<file>
	used      map[string]bool     // fragments that a mapping merges
	unread    map[string]bool     // vendors of which it is not known what their mappings merge
	sourceAt  func(name string) Problem
}

type packFile struct {
	name string // for messages
	data []byte
}

// Load reads and compiles everything, and reports every problem at once. The
// rules are nil if a problem is an error; warnings come beside rules.
func Load(o Options) (*Rules, Problems) {
	l := &loader{catalogue: o.Catalogue, tables: map[string]*Table{}, zone: o.Zone, files: map[string]packFile{}, used: map[string]bool{}, unread: map[string]bool{}, sourceAt: o.SourceAt}
	if l.zone == nil {
		l.zone = time.FixedZone("+08:00", 8*3600)
	}
	for _, t := range o.Tables {
		l.tables[t.Name] = t
	}
	for _, p := range o.Packs {
		l.readPack(p)
	}
	maps.Copy(l.files, o.files)
	names := o.Sources
	if names == nil {
		names = l.vendors()
	}
	r := &Rules{Catalogue: o.Catalogue, tables: l.tables, decoder: event.NewDecoder()}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue // told where they are named
		}
		if s := l.loadSource(name); s != nil {
			r.Sources = append(r.Sources, s)
		}
	}
	l.routes(r.Sources)
	l.problems.Sort()
	// A fragment is read again for each mapping that merges it.
	l.problems = slices.CompactFunc(l.problems, func(a, b Problem) bool { return reflect.DeepEqual(a, b) })
	if len(l.problems.Errors()) > 0 {
		return nil, l.problems
	}
	r.Digest = l.digest(o)
	r.imports = sync.OnceValue(func() *Source { return importSource(o.Catalogue, l.zone) })
	for _, s := range r.Sources {
		s.runs.New = func() any { return newRun(r, s) }
		if p := s.Presence; p != nil && p.Events != nil {
			p.Events.runs.New = func() any { return newRun(r, p.Events) }
		}
	}
	return r, l.problems
}

func (l *loader) readPack(p Pack) {
	names, err := fs.Glob(p.FS, "*/*.yaml")
	if err != nil {
		l.problems = append(l.problems, Problem{Place: Place{p.Prefix, 1, 1}, Message: message.New("file", err)})
	}
	for _, n := range names {
		data, err := fs.ReadFile(p.FS, n)
		if err != nil {
			l.problems = append(l.problems, Problem{Place: Place{path.Join(p.Prefix, n), 1, 1}, Message: message.New("file", err)})
			continue
		}
		l.files[n] = packFile{path.Join(p.Prefix, n), data}
	}
}

func (l *loader) vendors() []string {
	var names []string
	for n := range l.files {
		names = append(names, path.Dir(n))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (l *loader) loadSource(name string) *Source {
	f, ok := l.files[path.Join(name, "source.yaml")]
	if !ok {
		p := Problem{Place: Place{path.Join("mappings", name, "source.yaml"), 1, 1}}
		if l.sourceAt != nil {
			p = l.sourceAt(name)
		}
		p.Message = message.New("unknown-source", name, hint(name, l.vendors()))
		l.problems = append(l.problems, p)
		return nil
	}
	b := l.compileSource(name, f.name, f.data)
	var names []string
	for n := range l.files {
		if path.Dir(n) == name && path.Base(n) != "source.yaml" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		if isFragment(n) {
			continue
		}
		b.source.Mappings = append(b.source.Mappings, l.compileMapping(b, l.files[n].name, l.files[n].data))
	}
	for _, n := range l.fragments(name) {
		if n = path.Join(name, n); !l.used[n] && !l.unread[name] {
			l.problems = append(l.problems, Problem{Place: Place{l.files[n].name, 1, 1}, Message: message.New("unused", path.Base(n)), Warning: true})
		}
	}
	return b.source
}

// routes reports two sources that listen at one place.
func (l *loader) routes(sources []*Source) {
	taken := map[string]*Source{}
	for _, s := range sources {
		for i, r := range s.Routes {
			// Names of wildcards do not matter for who gets a request.
			key := r.Method
			for seg := range strings.SplitSeq(r.Path, "/") {
				if strings.HasPrefix(seg, "{") {
					seg = "{}"
				}
				key += "/" + seg
			}
			if other := taken[key]; other != nil {
				p := s.listenAt[i]
				p.Message = message.New("route-taken", r, other.Name)
				l.problems = append(l.problems, p)
			}
			taken[key] = s
		}
	}
}

func (l *loader) digest(o Options) string {
	h := sha256.New()
	for _, n := range slices.Sorted(func(yield func(string) bool) {
		for n := range l.files {
			if !yield(n) {
				return
			}
		}
	}) {
		fmt.Fprintf(h, "%s %d\n", n, len(l.files[n].data))
		h.Write(l.files[n].data)
	}
	for _, t := range o.Tables {
		ids := make([]string, 0, len(t.rows))
		for id := range t.rows {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			fmt.Fprintf(h, "%s %q %q\n", t.Name, id, t.rows[id].cells)
		}
	}
	fmt.Fprintf(h, "%q %s\n", o.Sources, l.zone)
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// Source returns a source by name; nil if the rules have none.
func (r *Rules) Source(name string) *Source {
	if name == ImportSource {
		return r.imports()
	}
	of, presence := strings.CutSuffix(name, "/"+presenceEvents)
	for _, s := range r.Sources {
		switch {
		case s.Name != of:
		case !presence:
			return s
		case s.Presence != nil:
			return s.Presence.Events
		}
	}
	return nil
}

// Table returns a table of the site by name; nil if there is none.
func (r *Rules) Table(name string) *Table { return r.tables[name] }

// Decode decodes a body that came to source s.
func (r *Rules) Decode(s *Source, ev *event.Event, body []byte) error {
	err := r.decoder.Decode(ev, ev.Request.ContentType, body, s.layout)
	if err != nil && len(ev.Notes) > 0 {
		return message.New("body-odd", bodyMessage(err), bodyNotes(ev))
	}
	return err
}
