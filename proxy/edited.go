package proxy

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/event"
)

// The bench is where a mapping is worked on while traffic goes on: the rules
// with a file as if it was saved, and real events to try it on. It changes
// nothing; SaveEdit does.

// trials keep what all tries against one generation share: reading a table of
// a hundred thousand rows at every keystroke would be felt.
type trials struct {
	mu         sync.Mutex
	generation *Generation
	options    transform.Options
	problems   transform.Problems
}

// PackFile is a mapping file of a source in use.
type PackFile struct {
	Name  string `json:"name"` // hikvision/access.yaml
	Title string `json:"title"`
	To    string `json:"to,omitempty"` // its interface; empty: it only ignores
	Own   bool   `json:"own"`          // it stands in the site's folder; otherwise it came with the binary
}

// benchOptions are what the rules of a generation were made of.
func (p *Proxy) benchOptions(g *Generation) (transform.Options, transform.Problems) {
	b := &p.trials
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.generation != g {
		kept, ps := p.site.keptDictionaries(g.Config)
		o, more := p.site.options(g.Config, kept)
		b.generation, b.options, b.problems = g, o, slices.Concat(ps, more)
	}
	o := b.options
	o.Packs = slices.Clone(o.Packs)
	return o, b.problems
}

// Edited compiles the rules with files as if they were saved, by their names
// in a pack (hikvision/access.yaml). sources are those that are loaded; none:
// all that the site uses. The rules are nil if a problem is an error.
func (p *Proxy) Edited(files map[string][]byte, sources ...string) (*transform.Rules, transform.Problems) {
	o, ps := p.benchOptions(p.gen.Load())
	if len(sources) > 0 {
		o.Sources, o.SourceAt = sources, nil
	}
	rules, more := transform.LoadWith(o, filepath.Join(p.site.Dir, "mappings"), files)
	return rules, slices.Concat(ps.Errors(), more)
}

// PackFiles are the mapping files of the sources in use.
func (p *Proxy) PackFiles() []PackFile {
	var list []PackFile
	for _, s := range p.gen.Load().Rules.Sources {
		for _, m := range s.Mappings {
			f := PackFile{Name: m.Name, Title: m.Title, Own: !strings.HasPrefix(m.File(), "bundled/")}
			if m.To != nil {
				f.To = m.To.Name
			}
			list = append(list, f)
		}
		list = append(list, PackFile{Name: s.Name + "/source.yaml", Title: s.Title, Own: p.owns(s.Name + "/source.yaml")})
	}
	return list
}

func (p *Proxy) owns(name string) bool {
	_, err := os.Stat(filepath.Join(p.site.Dir, "mappings", filepath.FromSlash(name)))
	return err == nil
}

// ReadPackFile reads a file of a pack: the site's, or else the bundled one. The
// name is looked for among PackFiles, so it is no way out of the folder.
func (p *Proxy) ReadPackFile(name string) ([]byte, error) {
	if !slices.ContainsFunc(p.PackFiles(), func(f PackFile) bool { return f.Name == name }) {
		return nil, fmt.Errorf("mapping %q: %w", name, fs.ErrNotExist)
	}
	if p.owns(name) {
		return os.ReadFile(filepath.Join(p.site.Dir, "mappings", filepath.FromSlash(name)))
	}
	if p.site.Bundled == nil {
		return nil, fmt.Errorf("mapping %q: %w", name, fs.ErrNotExist)
	}
	return fs.ReadFile(p.site.Bundled, name)
}

// PackCases are the cases of a mapping with their files: those of the site go
// before those that came with the binary.
func (p *Proxy) PackCases(mapping string) (map[string]transform.Case, fs.FS, error) {
	var from fs.FS = p.site.Bundled
	if dir := filepath.Join(p.site.Dir, "mappings"); p.site.Bundled == nil || isDir(filepath.Join(dir, strings.TrimSuffix(filepath.FromSlash(mapping), ".yaml")+".cases")) {
		from = os.DirFS(dir)
	}
	cases, err := transform.Cases(transform.Pack{FS: from})
	found := map[string]transform.Case{}
	for _, c := range cases {
		if c.Vendor+"/"+c.Event+".yaml" == mapping {
			found[c.Name] = c
		}
	}
	return found, from, err
}

// Sample is a real event to try rules on.
type Sample struct {
	Source  string
	Request event.Request
	Body    []byte
}

// Recent is one of the last events of a source, for a list.
type Recent struct {
	ID       string    `json:"id"`
	Source   string    `json:"source"`
	Received time.Time `json:"received"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Remote   string    `json:"remote"`
	Size     int       `json:"size"` // bytes that are kept: of pictures only the ends
}

// RecentEvents are the last events, of one source or, if it is empty, of all;
// the newest first.
func (p *Proxy) RecentEvents(source string) []Recent {
	list := []Recent{}
	for name, r := range *p.past.sources.Load() {
		if source != "" && source != name {
			continue
		}
		for _, e := range r.inOrder() {
			q := &e.request
			list = append(list, Recent{recentID(name, q), name, q.Received, q.Method, q.Path, q.Remote, len(e.body)})
		}
	}
	slices.SortFunc(list, func(a, b Recent) int {
		return cmp.Or(b.Received.Compare(a.Received), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func recentID(source string, q *event.Request) string {
	return fmt.Sprintf("%s-%d", source, q.Received.UnixNano())
}

// RecentSample is one of RecentEvents with its body; store.ErrNotFound if it is
// gone.
func (p *Proxy) RecentSample(id string) (Sample, error) {
	sources := *p.past.sources.Load()
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		for _, e := range sources[name].inOrder() {
			if recentID(name, &e.request) == id {
				return Sample{name, e.request, e.body}, nil
			}
		}
	}
	return Sample{}, fmt.Errorf("event %q: %w", id, store.ErrNotFound)
}

// DeadSample is a dead letter's original.
func (p *Proxy) DeadSample(ctx context.Context, id string) (Sample, error) {
	_, e, err := p.loadDead(ctx, id)
	if err != nil {
		return Sample{}, err
	}
	masked := e.head.Request.masked()
	return Sample{e.head.Source, masked.event(), e.original}, nil
}

// EnvelopeSize is how many bytes a record is on its way to the platform, after
// the platform's quirks and sealed.
func (p *Proxy) EnvelopeSize(r *transform.Record) (int, error) {
	g := p.gen.Load()
	dressed, err := g.Config.Platform.dress().put(r, r.Interface)
	if err != nil {
		return 0, err
	}
	return g.sealer.Size(dressed.Len()), nil
}
