package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yiqiao/proxy/platform"
	"yiqiao/transform"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// The dictionaries of the platform (规范 1.6) are newer than those of the
// catalogue. They are asked for on a timer and kept in a folder of the site, one
// file each, so that a restart with a bad line has them. What was asked for
// takes its place like any other change of the rules: a new generation is built
// aside, and if a mapping does not fit to it, nothing changes and it is said why.

// keptDictionary is a file of the folder.
type keptDictionary struct {
	Code    string    `json:"code"`
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	Checked time.Time `json:"checked"` // when the platform last said so
	platform.Dictionary
}

const (
	dictionaryLook  = time.Minute      // how often it is looked whether it is time to ask
	dictionaryRetry = 10 * time.Minute // after a failure
	// dictionaryAway: after so many failures in a row the platform is away, and
	// the others are not asked for.
	dictionaryAway = 3
	dictionaryMax  = 16 << 20 // bytes of a file
)

// keptDictionaries reads the folder. A file that cannot be read is a warning:
// the catalogue's own dictionary serves.
func (s Site) keptDictionaries(c *Config) (map[string]keptDictionary, transform.Problems) {
	kept := map[string]keptDictionary{}
	var ps transform.Problems
	for _, d := range s.Catalogue.Dicts {
		name := filepath.Join(inside(s.Dir, c.Platform.Dictionaries.Folder), d.Code+".json")
		k, err := readDictionaryFile(name)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			ps = append(ps, transform.Problem{Place: transform.Place{File: name, Line: 1, Col: 1}, Message: message.New("dictionary", err), Warning: true})
		default:
			kept[d.Code] = k
		}
	}
	return kept, ps
}

func readDictionaryFile(name string) (k keptDictionary, err error) {
	st, err := os.Stat(name)
	if err != nil {
		return k, err
	}
	if st.Size() > dictionaryMax {
		return k, fmt.Errorf("want at most %d bytes, got %d", dictionaryMax, st.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(data, &k); err != nil {
		return k, fmt.Errorf("no dictionary: %w", err)
	}
	if len(k.Entries) == 0 {
		return k, errors.New("no dictionary: it has no entries")
	}
	return k, nil
}

// writeDictionaries writes what was checked at that time.
func (s Site) writeDictionaries(c *Config, kept map[string]keptDictionary, checked time.Time) error {
	var errs []error
	for _, k := range kept {
		if k.Checked.Equal(checked) {
			errs = append(errs, s.writeDictionary(c, k))
		}
	}
	return errors.Join(errs...)
}

// writeDictionary replaces a file of the folder, whole or not at all.
func (s Site) writeDictionary(c *Config, k keptDictionary) error {
	folder := inside(s.Dir, c.Platform.Dictionaries.Folder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, "."+k.Code+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone when all went well
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(folder, k.Code+".json"))
}

// catalogue is the site's: the standard's with the dictionaries that are kept.
func (s Site) catalogue(kept map[string]keptDictionary) (*spec.Catalogue, error) {
	var live []*spec.Dict
	for code, k := range kept {
		d := s.Catalogue.Dict(code)
		if d == nil {
			continue
		}
		entries := make([]spec.Entry, len(k.Entries))
		for i, e := range k.Entries {
			entries[i] = spec.Entry{Code: e.Code, Label: e.Label}
		}
		d, err := d.With(entries)
		if err != nil {
			return nil, err
		}
		live = append(live, d)
	}
	if len(live) == 0 {
		return s.Catalogue, nil
	}
	return s.Catalogue.WithDicts(live...), nil
}

// KeptCatalogue is the catalogue with the dictionaries that are kept; where they
// cannot be read, which LoadRules tells, the built-in ones.
func (s Site) KeptCatalogue(c *Config) *spec.Catalogue {
	kept, _ := s.keptDictionaries(c)
	if catalogue, err := s.catalogue(kept); err == nil {
		return catalogue
	}
	return s.Catalogue
}

// digestOf tells two sets of dictionaries apart.
func digestOf(catalogue *spec.Catalogue, kept map[string]keptDictionary) string {
	h := sha256.New()
	for _, d := range catalogue.Dicts {
		if k, ok := kept[d.Code]; ok {
			fmt.Fprintf(h, "%s%q", d.Code, k.Entries)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// RefreshDictionaries asks the platform for its dictionaries until ctx ends,
// each time that platform.dictionaries.refresh has gone by.
func (p *Proxy) RefreshDictionaries(ctx context.Context) {
	look := time.NewTicker(dictionaryLook)
	defer look.Stop()
	var tried time.Time
	for {
		every := p.gen.Load().Config.Platform.Dictionaries.Refresh
		now := time.Now()
		if every > 0 && now.Sub(p.dictionaries.Load().Whole) >= every && now.Sub(tried) >= min(every, dictionaryRetry) {
			tried = now
			if err := p.refreshDictionaries(ctx, now); err != nil && ctx.Err() == nil {
				// Not a warning: many a platform has none. Rules that do not fit
				// are told as a refused reload.
				p.log.InfoContext(ctx, "dictionaries could not be refreshed; those that are kept, or built in, serve", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// dictionaryState is what is known of the platform's dictionaries.
type dictionaryState struct {
	Checked map[string]time.Time // by code: when the platform last said what is in it
	Whole   time.Time            // when it last answered for all of them
	Err     string               // of the last try
}

// words for the health page.
func (d *dictionaryState) words(of int) string {
	s := fmt.Sprintf("%d of %d from the platform", len(d.Checked), of)
	var oldest time.Time
	for _, at := range d.Checked {
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	if !oldest.IsZero() {
		s += ", the oldest checked " + oldest.Local().Format(time.DateTime)
	}
	if d.Err != "" {
		s += "; the last try: " + d.Err
	}
	return s
}

// stateOf is the state after a start: what is kept was asked for before.
func stateOf(kept map[string]keptDictionary, of int) *dictionaryState {
	d := &dictionaryState{Checked: map[string]time.Time{}}
	for code, k := range kept {
		d.Checked[code] = k.Checked
		if d.Whole.IsZero() || k.Checked.Before(d.Whole) {
			d.Whole = k.Checked
		}
	}
	if len(kept) < of {
		d.Whole = time.Time{}
	}
	return d
}

// refreshDictionaries asks for every dictionary, and takes what has changed as
// new rules. The error says what failed; what came is used all the same.
func (p *Proxy) refreshDictionaries(ctx context.Context, now time.Time) error {
	g := p.gen.Load()
	kept, _ := p.site.keptDictionaries(g.Config)
	a := asking{now: now, kept: map[string]keptDictionary{}}
	for _, d := range p.site.Catalogue.Dicts {
		a.ask(ctx, g, d, kept[d.Code])
	}
	err := errors.Join(a.errs...)
	if a.changed {
		// The files are written before another reload may read them.
		_, problems := p.reloadChanged(ctx, "the platform's dictionaries", func() (*Generation, transform.Problems) {
			g, problems := p.site.load(a.kept)
			if g != nil {
				err = errors.Join(err, p.site.writeDictionaries(g.Config, a.kept, now))
			}
			return g, problems
		})
		if bad := problems.Errors(); len(bad) > 0 {
			err = errors.Join(err, fmt.Errorf("the rules do not fit to the platform's dictionaries: %w", bad[0]))
			a.kept = kept
		}
	} else {
		err = errors.Join(err, p.site.writeDictionaries(g.Config, a.kept, now))
	}
	state := stateOf(a.kept, 0)
	state.Whole = now
	if a.away() {
		state.Whole = time.Time{}
	}
	if err != nil {
		state.Err = err.Error()
	}
	p.dictionaries.Store(state)
	return err
}

// asking goes through the dictionaries.
type asking struct {
	now     time.Time
	kept    map[string]keptDictionary // what will be kept
	changed bool
	errs    []error
	failed  int // in a row
}

func (a *asking) away() bool { return a.failed >= dictionaryAway }

// ask asks for one dictionary, of which k is kept. One that fails stays as it
// is.
func (a *asking) ask(ctx context.Context, g *Generation, d *spec.Dict, k keptDictionary) {
	path := g.Config.Platform.Dictionaries.path(d)
	if k.Path != path {
		k = keptDictionary{}
	}
	if len(k.Entries) > 0 {
		a.kept[d.Code] = k
	}
	if path == "" || a.away() || ctx.Err() != nil {
		return
	}
	live, changed, err := g.client.Dictionary(ctx, path, k.Dictionary)
	if err != nil {
		a.errs = append(a.errs, err)
		if a.failed++; a.away() {
			a.errs = append(a.errs, errors.New("the rest was not asked for"))
		}
		return
	}
	a.failed = 0
	a.changed = a.changed || changed
	a.kept[d.Code] = keptDictionary{Code: d.Code, Name: d.Name, Path: path, Checked: a.now, Dictionary: live}
}

// path of a dictionary at the platform; empty: it has none. ZD034 and ZD035
// share one in the standard's text, a misprint most likely: `paths` mends it.
func (c *DictionariesConfig) path(d *spec.Dict) string {
	if path, ok := c.Paths[d.Code]; ok {
		return path
	}
	return strings.TrimPrefix(strings.TrimPrefix(d.Path, "/"), "api/v1/")
}

// askable counts the dictionaries that the platform can be asked for.
func (s Site) askable(c *Config) (n int) {
	for _, d := range s.Catalogue.Dicts {
		if c.Platform.Dictionaries.path(d) != "" {
			n++
		}
	}
	return n
}
