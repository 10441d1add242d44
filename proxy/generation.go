package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"yiqiao/proxy/device"
	"yiqiao/proxy/platform"
	"yiqiao/proxy/seal"
	"yiqiao/transform"
	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// Site is a folder that a person wrote: yiqiao.yaml, mappings/, tables/.
type Site struct {
	Dir       string
	Bundled   fs.FS // the packs inside the binary
	Catalogue *spec.Catalogue
}

// Generation is one loaded set of rules with the route to the platform. It is
// immutable: an event takes one and keeps it to its end.
type Generation struct {
	Number   int
	Config   *Config
	Rules    *transform.Rules
	Loaded   time.Time
	Warnings transform.Problems

	publicKey    []byte
	dictionaries string // digest of those of the platform
	checked      *dictionaryState
	sealer       *seal.Sealer
	client       *platform.Client
	caller       *device.Client // asks devices for pictures
}

// Name identifies a generation in logs, labels and dead letters: its number
// since the start, and the digest of the files that made it.
func (g *Generation) Name() string { return fmt.Sprintf("%d-%s", g.Number, g.Rules.Digest) }

// Load reads everything of the site and builds what can run, or says what is
// wrong, all of it at once. It touches nothing.
func (s Site) Load() (*Generation, transform.Problems) { return s.load(nil) }

// load is Load with other dictionaries of the platform than those that are
// kept; nil: with those.
func (s Site) load(dictionaries map[string]keptDictionary) (*Generation, transform.Problems) {
	name := filepath.Join(s.Dir, ConfigFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, transform.Problems{noConfig(name, err)}
	}
	cfg, ps := parseConfig(name, data, true)
	if cfg == nil {
		return nil, ps // without it nobody knows which sources and tables there are
	}
	if dictionaries == nil {
		kept, more := s.keptDictionaries(cfg)
		dictionaries, ps = kept, append(ps, more...)
	}
	rules, more := s.loadRules(cfg, dictionaries)
	ps = append(ps, more...)
	if rules != nil {
		_, more = pulls(rules)
		ps = append(ps, more...)
	}
	g := &Generation{Config: cfg, Rules: rules, Loaded: time.Now(), dictionaries: digestOf(s.Catalogue, dictionaries), checked: stateOf(dictionaries, s.askable(cfg))}
	k := &checker{Config: cfg}
	k.files(s.Dir)
	k.fetches(rules)
	g.seal(s.Dir, k)
	if ps = append(ps, k.problems...); len(ps.Errors()) == 0 {
		if err := g.route(); err != nil {
			ps = append(ps, cfg.doc.At("platform", message.New("platform-client", err)))
		}
	}
	if len(ps.Errors()) > 0 {
		return nil, ps
	}
	g.Warnings = ps
	return g, ps
}

// LoadRules reads mappings, tables and the dictionaries that are kept, as cfg
// names them.
func (s Site) LoadRules(cfg *Config) (*transform.Rules, transform.Problems) {
	kept, ps := s.keptDictionaries(cfg)
	rules, more := s.loadRules(cfg, kept)
	return rules, append(ps, more...)
}

func (s Site) loadRules(cfg *Config, dictionaries map[string]keptDictionary) (*transform.Rules, transform.Problems) {
	o, ps := s.options(cfg, dictionaries)
	rules, more := transform.Load(o)
	return rules, append(ps, more...)
}

// LoadMapping compiles a mapping of rows with the site's tables and the
// dictionaries that are kept; see transform.LoadRows.
func (s Site) LoadMapping(cfg *Config, fileName string, data []byte) (*transform.Rules, transform.Problems) {
	kept, ps := s.keptDictionaries(cfg)
	o, more := s.options(cfg, kept)
	rules, wrong := transform.LoadRows(o, fileName, data)
	return rules, slices.Concat(ps, more, wrong)
}

func (s Site) options(cfg *Config, dictionaries map[string]keptDictionary) (transform.Options, transform.Problems) {
	var ps transform.Problems
	catalogue, err := s.catalogue(dictionaries)
	if err != nil {
		ps = append(ps, cfg.doc.At("platform.dictionaries", message.New("dictionaries", err)))
		catalogue = s.Catalogue
	}
	o := transform.Options{Catalogue: catalogue.WithMaxPicture(int(cfg.Platform.MaxPicture)), Sources: cfg.Sources}
	if len(cfg.Sources) > 0 && cfg.doc != nil {
		o.SourceAt = cfg.sourceAt
	}
	if s.Bundled != nil {
		o.Packs = append(o.Packs, transform.Pack{Prefix: "bundled", FS: s.Bundled})
	}
	if dir := filepath.Join(s.Dir, "mappings"); isDir(dir) {
		o.Packs = append(o.Packs, transform.Pack{Prefix: dir, FS: os.DirFS(dir)})
	}
	ps = append(ps, s.unused(cfg)...)
	tables, more := s.Tables(cfg)
	o.Tables = tables
	return o, append(ps, more...)
}

// unused warns of the site's own sources that cfg does not name: nothing reads
// them, and who just wrote one wonders.
func (s Site) unused(cfg *Config) (ps transform.Problems) {
	files, _ := filepath.Glob(filepath.Join(s.Dir, "mappings", "*", "source.yaml"))
	for _, f := range files {
		if name := filepath.Base(filepath.Dir(f)); len(cfg.Sources) > 0 && !slices.Contains(cfg.Sources, name) {
			ps = append(ps, transform.Problem{Place: transform.Place{File: f, Line: 1, Col: 1}, Message: message.New("unused-source", ConfigFile, name), Warning: true})
		}
	}
	return ps
}

// Tables reads the tables that cfg names. One that cannot be read is there
// without columns.
func (s Site) Tables(cfg *Config) (tables []*transform.Table, ps transform.Problems) {
	for _, name := range tableNames(cfg.Tables) {
		file := inside(s.Dir, cfg.Tables[name].File)
		data, err := os.ReadFile(file)
		if err != nil {
			ps = append(ps, cfg.noTable(name, file, err))
			tables = append(tables, &transform.Table{Name: name, File: file})
			continue
		}
		t, more := transform.ParseTable(name, file, data, cfg.Tables[name].Key...)
		tables, ps = append(tables, t), append(ps, more...)
	}
	return tables, ps
}

func tableNames(m map[string]TableConfig) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// seal makes the sealer, and tells k what keeps it from that.
func (g *Generation) seal(dir string, k *checker) {
	p := &g.Config.Platform
	fail := func(path string, m message.Message) { k.problems = append(k.problems, k.doc.At(path, m)) }
	plain := p.Cipher.Suite == "plain"
	if plain && !loopback(p.URL) {
		fail("platform.cipher.suite", message.New("platform-plain", p.URL))
	}
	if err := p.Cipher.seal().Validate(); err != nil {
		for _, e := range parts(err) {
			key, _, _ := strings.Cut(e.Error(), ":")
			fail("platform.cipher."+key, message.New("platform-cipher", e))
		}
		return
	}
	if p.PublicKey == "" && !plain {
		return // told by check
	}
	key, err := fileOrText(dir, p.PublicKey)
	if err == nil {
		g.publicKey = key
		g.sealer, err = seal.New(p.Cipher.seal(), key)
	}
	if err != nil {
		fail("platform.publicKey", message.New("platform-key", err))
	}
}

// route builds the way to the platform.
func (g *Generation) route() (err error) {
	p := &g.Config.Platform
	if g.caller, err = newCaller(&g.Config.Pictures); err != nil {
		return err
	}
	g.client, err = platform.New(platform.Config{URL: p.URL, AppKey: p.AppKey, Timeout: p.Timeout, Codes: codes(*p)})
	return err
}

// parts are the errors that one is made of.
func parts(err error) []error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()
	}
	return []error{err}
}

func codes(p PlatformConfig) map[string]platform.Kind {
	m := map[string]platform.Kind{}
	for _, c := range p.Later {
		m[c] = platform.Later
	}
	for _, c := range p.Delivered {
		m[c] = platform.Delivered
	}
	return m
}

func loopback(rawURL string) bool {
	_, rest, _ := strings.Cut(rawURL, "://")
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		if after, ok := strings.CutPrefix(rest, host); ok && (after == "" || after[0] == ':' || after[0] == '/') {
			return true
		}
	}
	return false
}

// sameRoute tells whether two generations deliver in the same way, so that
// the client with its connections and its breaker can go on.
func (g *Generation) sameRoute(o *Generation) bool {
	a, b := g.Config.Platform, o.Config.Platform
	return a.URL == b.URL && a.AppKey == b.AppKey && a.Timeout == b.Timeout && slices.Equal(a.Later, b.Later) && slices.Equal(a.Delivered, b.Delivered)
}

func (g *Generation) sameConfig(o *Generation) bool {
	return bytes.Equal(g.publicKey, o.publicKey) && reflect.DeepEqual(withoutPlaces(*g.Config), withoutPlaces(*o.Config))
}

// withoutPlaces is a configuration as far as it says something.
func withoutPlaces(c Config) Config {
	c.doc = nil
	return c
}

// needsRestart lists changed keys that a reload cannot apply.
func (g *Generation) needsRestart(o *Generation) []string {
	a, b := g.Config, o.Config
	var list []string
	for name, same := range map[string]bool{
		"listen": a.Listen == b.Listen, "admin.listen": a.Admin == b.Admin, "store": a.Store == b.Store,
		"dedup.onOutage":       a.Dedup.OnOutage == b.Dedup.OnOutage,
		"pictures.concurrency": a.Pictures.Concurrency == b.Pictures.Concurrency,
		"limits.memory":        a.Limits.Memory == b.Limits.Memory, "platform.concurrency": a.Platform.Concurrency == b.Platform.Concurrency,
		"log":                          a.Log == b.Log,
		"limits.connections":           a.Limits.Connections == b.Limits.Connections,
		"limits.connectionsPerAddress": a.Limits.ConnectionsPerAddress == b.Limits.ConnectionsPerAddress,
	} {
		if !same {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// ReadConfig reads a site's configuration for tools that need no platform and
// no secret: what is missing there is not told, and defaults stand in.
func ReadConfig(dir string) (*Config, transform.Problems) {
	name := filepath.Join(dir, ConfigFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return &Config{}, transform.Problems{noConfig(name, err)}
	}
	cfg, ps := parseConfig(name, data, false)
	if cfg == nil {
		cfg = new(Config)
	}
	return cfg, ps
}

// noConfig says that a site has no configuration.
func noConfig(name string, err error) transform.Problem {
	p := transform.Problem{Place: transform.Place{File: name, Line: 1, Col: 1}, Message: message.New("site-file", ConfigFile)}
	if !errors.Is(err, os.ErrNotExist) {
		p.Message = message.New("file", err)
	}
	return p
}
