package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"yiqiao/proxy/seal"
	"yiqiao/transform"
)

// Config is yiqiao.yaml. Every key but those of platform has a default.
type Config struct {
	Listen   string                 `yaml:"listen"`
	Platform PlatformConfig         `yaml:"platform"`
	Store    StoreConfig            `yaml:"store"`
	Dedup    DedupConfig            `yaml:"dedup"`
	Dead     DeadConfig             `yaml:"dead"`
	Sources  []string               `yaml:"sources"`
	Tables   map[string]TableConfig `yaml:"tables"`
	Admin    AdminConfig            `yaml:"admin"`
	Limits   LimitsConfig           `yaml:"limits"`
	Log      LogConfig              `yaml:"log"`
	Reload   ReloadConfig           `yaml:"reload"`

	sourceAt map[string]transform.Problem // where each source is named
}

// PlatformConfig says where records go and how they are sealed.
type PlatformConfig struct {
	URL         string        `yaml:"url"`       // http://ip:port/api/v1
	AppKey      string        `yaml:"appKey"`    // 规范 1.2: on the URL of every request
	PublicKey   string        `yaml:"publicKey"` // Base64 X.509 or PEM, or file:NAME
	Cipher      CipherConfig  `yaml:"cipher"`
	Timeout     time.Duration `yaml:"timeout"`
	Concurrency int           `yaml:"concurrency"`
	Rate        float64       `yaml:"rate"`  // records a second that the platform allows, of each process; 0: any number
	Later       []string      `yaml:"later"` // codes that mean: try again later
	// Delivered are codes that mean, as "0" does, that the platform has the
	// record: some refuse one that came already, and so one whose answer was lost.
	Delivered   []string `yaml:"delivered"`
	MaxAttempts int      `yaml:"maxAttempts"` // 0: never give up
	// Prerequisites (前置接入): order, a record waits while a registration that
	// it refers to is still in the store; strict, until it was accepted; off.
	Prerequisites string `yaml:"prerequisites"`
	// Newest is how many of a hundred deliveries go to the newest events while
	// there is a backlog. 0: the records of a device keep their order. Otherwise
	// records with a time of their own (snapshots, not registrations or states)
	// may arrive out of it.
	Newest int `yaml:"newest"`
	// MaxPicture is the largest picture that the platform takes, counted
	// without its Base64; a larger one is refused. 0: no limit, for the
	// standard's is not known.
	MaxPicture Size `yaml:"maxPicture"`
	// Integers, Pictures and Quirks say how this platform departs from the
	// standard: see quirks.go.
	Integers string   `yaml:"integers"` // number or string
	Pictures string   `yaml:"pictures"` // base64 or data-uri
	Quirks   []string `yaml:"quirks"`

	Dictionaries DictionariesConfig `yaml:"dictionaries"`
}

// TableConfig is a table's file, and the columns that its rows are found by: a
// text is the file, whose first column is the key.
type TableConfig struct {
	File string   `yaml:"file"`
	Key  []string `yaml:"key"`
}

// UnmarshalYAML reads "tables/devices.csv" or {file: …, key: [building, door]}.
func (c *TableConfig) UnmarshalYAML(read func(any) error) error {
	if read(&c.File) == nil {
		return nil
	}
	type plain TableConfig
	return read((*plain)(c))
}

// DictionariesConfig says how the platform's own dictionaries are come by
// (规范 1.6).
type DictionariesConfig struct {
	Refresh time.Duration     `yaml:"refresh"` // 0: they are not asked for
	Folder  string            `yaml:"folder"`  // of the last good copies, in the site's
	Paths   map[string]string `yaml:"paths"`   // by code, where the platform has another: {ZD035: wd/wyrygwdm}
}

// CipherConfig is seal.Config as a person writes it.
type CipherConfig struct {
	Suite  string `yaml:"suite"`
	Mode   string `yaml:"mode"`
	Bits   int    `yaml:"bits"`
	Key    string `yaml:"key"`
	IV     string `yaml:"iv"`
	RSA    string `yaml:"rsa"`
	Output string `yaml:"output"`
	Reuse  int    `yaml:"reuse"`
	Names  struct {
		Encrypted   string `yaml:"encrypted"`
		RequestData string `yaml:"requestData"`
	} `yaml:"names"` // of the envelope's members, where the platform has others
}

// StoreConfig chooses the store: a folder of this machine, a Redis, or a
// folder of each replica with the dedup keys of all in a Redis.
type StoreConfig struct {
	Disk     string `yaml:"disk"`
	Redis    string `yaml:"redis"`
	Dedup    string `yaml:"dedup"`    // the Redis of the keys
	Key      string `yaml:"key"`      // file:NAME or 64 hex digits; seals entries at rest
	MaxBytes Size   `yaml:"maxBytes"` // of all entries, on disk
	MinFree  Size   `yaml:"minFree"`  // of the disk, left to others; 0: 5 %, 2 GB at least, 10 % at most
	// Of redis and dedup: what the names of its keys begin with; over how many
	// partitions a cluster may spread them (0: 16 in a cluster, 1 elsewhere;
	// fixed by the first start); how many replicas of the server must have
	// what is acknowledged.
	Prefix     string `yaml:"prefix"`
	Partitions int    `yaml:"partitions"`
	Replicas   int    `yaml:"replicas"`
}

// DedupConfig says for how long a resend is a duplicate, and what becomes of
// events while the Redis of store.dedup is away: admit or refuse.
type DedupConfig struct {
	Window   time.Duration `yaml:"window"`
	OnOutage string        `yaml:"onOutage"`
}

// DeadConfig bounds the dead letters: the oldest fall off, counted and logged.
type DeadConfig struct {
	MaxAge   time.Duration `yaml:"maxAge"`
	MaxBytes Size          `yaml:"maxBytes"`
}

// AdminConfig is the listener for people and probes.
type AdminConfig struct {
	Listen string `yaml:"listen"`
}

// LimitsConfig bounds what devices can ask of the process.
type LimitsConfig struct {
	Body   Size `yaml:"body"`   // of one request
	Memory Size `yaml:"memory"` // of all requests under way
}

// LogConfig shapes the log.
type LogConfig struct {
	Format string `yaml:"format"` // text or json
	Level  string `yaml:"level"`  // debug, info, warn, error
}

// ReloadConfig says what happens when the site's files change. A text is the
// mode.
type ReloadConfig struct {
	Mode string `yaml:"mode"` // auto: new rules take traffic at once; confirm: a person accepts them
	// Events is how many of each source's last events new rules are tried on,
	// Bytes how much memory they may take together. 0: none are kept.
	Events int  `yaml:"events"`
	Bytes  Size `yaml:"bytes"`
}

// UnmarshalYAML reads "confirm" or {mode: confirm, events: 500}.
func (c *ReloadConfig) UnmarshalYAML(read func(any) error) error {
	if read(&c.Mode) == nil {
		return nil
	}
	type plain ReloadConfig
	return read((*plain)(c))
}

// Size is a number of bytes, written as 16MB or 512KiB.
type Size int64

// UnmarshalYAML reads a size.
func (s *Size) UnmarshalYAML(b []byte) error {
	text := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	number := strings.TrimRight(text, "KMGTiBb ")
	units := map[string]int64{"": 1, "B": 1, "KB": 1 << 10, "KIB": 1 << 10, "K": 1 << 10, "MB": 1 << 20, "MIB": 1 << 20, "M": 1 << 20, "GB": 1 << 30, "GIB": 1 << 30, "G": 1 << 30}
	unit, ok := units[strings.ToUpper(strings.TrimSpace(text[len(number):]))]
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !ok || n < 0 {
		return fmt.Errorf("want a size like 16MB, got %q", text)
	}
	*s = Size(n * float64(unit))
	return nil
}

func defaults() Config {
	return Config{
		Listen:   ":8080",
		Platform: PlatformConfig{Timeout: 30 * time.Second, Concurrency: 8, Prerequisites: inOrder, Integers: "number", Pictures: "base64", Dictionaries: DictionariesConfig{Refresh: 12 * time.Hour, Folder: "dictionaries"}},
		Store:    StoreConfig{Prefix: "yiqiao", MaxBytes: 20 << 30},
		Dedup:    DedupConfig{Window: 72 * time.Hour, OnOutage: "admit"},
		Dead:     DeadConfig{MaxAge: 90 * 24 * time.Hour, MaxBytes: 5 << 30},
		Admin:    AdminConfig{Listen: "127.0.0.1:8081"},
		Limits:   LimitsConfig{Body: 16 << 20, Memory: 256 << 20},
		Log:      LogConfig{Format: "text", Level: "info"},
		Reload:   ReloadConfig{Mode: reloadAuto, Events: 200, Bytes: 16 << 20},
	}
}

// What some keys may be.
var (
	logFormats        = []string{"text", "json"}
	logLevels         = []string{"debug", "info", "warn", "error"}
	onOutage          = []string{"admit", "refuse"}
	prerequisiteModes = []string{inOrder, strict, off}
	reloadModes       = []string{reloadAuto, reloadConfirm}
)

// The modes of reload.
const (
	reloadAuto    = "auto"
	reloadConfirm = "confirm"
)

// maxRehearsed bounds reload.events: what they are tried on takes a moment in
// which the old rules go on.
const maxRehearsed = 10_000

func (c ReloadConfig) check() (errs []error) {
	if !slices.Contains(reloadModes, c.Mode) {
		errs = append(errs, fmt.Errorf("reload: want auto or confirm, got %q", c.Mode))
	}
	if c.Events < 0 || c.Events > maxRehearsed {
		errs = append(errs, fmt.Errorf("reload.events: want 0 (none) to %d, got %d", maxRehearsed, c.Events))
	}
	return errs
}

var dictionaryPath = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_/.-]*$`)

// ConfigFile is the name of a site's configuration inside its folder.
const ConfigFile = "yiqiao.yaml"

// envName is ${NAME} in a value.
var envName = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// parseConfig reads yiqiao.yaml. Unknown keys are problems with a place;
// ${NAME} in a value is taken from the environment. Without serve, what only
// the daemon needs (secrets, the platform) may be missing.
func parseConfig(name string, data []byte, serve bool) (*Config, transform.Problems) {
	doc, err := transform.ParseYAML(data)
	if err != nil {
		return nil, transform.Problems{transform.YAMLProblem(name, data, err)}
	}
	var ps transform.Problems
	for _, d := range doc.Docs {
		if d.Body != nil {
			ast.Walk(&environment{name: name, data: data, problems: &ps}, d.Body)
		}
	}
	c := defaults()
	if !serve {
		ps = nil // a tool does with what is set
	}
	if len(doc.Docs) > 0 && doc.Docs[0].Body != nil {
		if err := decode(doc.Docs[0].Body, &c); err != nil {
			return nil, append(ps, meant(transform.YAMLProblem(name, data, err)))
		}
		c.sourceAt = places(name, data, doc.Docs[0].Body)
	}
	if len(ps) > 0 || !serve {
		return &c, ps
	}
	if err := c.check(); err != nil {
		for _, e := range err {
			ps = append(ps, transform.Problem{Place: transform.Place{File: name}, Rule: "config", Text: e.Error()})
		}
	}
	return &c, ps
}

// decode reads a document strictly. The library panics at some documents that
// make no sense (a list's place taken by an alias of nothing): a person's file
// must not end the process.
func decode(n ast.Node, c *Config) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the YAML makes no sense here: %v", v)
		}
	}()
	return yaml.NodeToValue(n, c, yaml.Strict())
}

var unknownKey = regexp.MustCompile(`unknown field "([^"]+)"`)

// meant adds the key that was probably meant to a problem about an unknown one.
func meant(p transform.Problem) transform.Problem {
	if m := unknownKey.FindStringSubmatch(p.Text); m != nil {
		p.Rule, p.Hint = "unknown-key", transform.DidYouMean(m[1], keysOf(reflect.TypeFor[Config]()))
	}
	return p
}

// keysOf are the keys of a section and of those below it.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		f := t.Field(i)
		if key := f.Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type)...)
		}
	}
	return keys
}

// places finds where the list `sources` names each source.
func places(name string, data []byte, body ast.Node) map[string]transform.Problem {
	at := map[string]transform.Problem{}
	path, err := yaml.PathString("$.sources")
	if err != nil {
		return at
	}
	n, err := path.FilterNode(body)
	list, ok := n.(*ast.SequenceNode)
	if err != nil || !ok {
		return at
	}
	for _, v := range list.Values {
		if t := v.GetToken(); t != nil && t.Position != nil {
			at[t.Value] = transform.ProblemAt(name, data, t.Position.Line, t.Position.Column, len([]rune(t.Value)))
		}
	}
	return at
}

// environment puts the environment's values into the texts of a document.
type environment struct {
	name     string
	data     []byte
	problems *transform.Problems
}

func (v *environment) Visit(n ast.Node) ast.Visitor {
	s, ok := n.(*ast.StringNode)
	if !ok {
		return v
	}
	s.Value = envName.ReplaceAllStringFunc(s.Value, func(ref string) string {
		name := envName.FindStringSubmatch(ref)[1]
		value, ok := os.LookupEnv(name)
		if !ok {
			p := transform.ProblemAt(v.name, v.data, s.GetToken().Position.Line, s.GetToken().Position.Column, len(ref))
			p.Rule, p.Text = "environment", fmt.Sprintf("the environment variable %q is not set", name)
			p.Hint = "set it where yiqiao is started, or in its service file"
			*v.problems = append(*v.problems, p)
		}
		return value
	})
	return v
}

// check proves the values against each other.
func (c *Config) check() (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(c.Platform.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		fail("platform.url: want the platform's address like http://192.0.2.10:8000/api/v1, got %q", c.Platform.URL)
	}
	if c.Platform.AppKey == "" {
		fail("platform.appKey: want the appKey that the platform's administrator gave (规范 1.2)")
	}
	if c.Platform.PublicKey == "" && c.Platform.Cipher.Suite != "plain" {
		fail("platform.publicKey: want the publicKey that the platform's administrator gave (规范 1.2), or file:NAME")
	}
	errs = append(errs, c.Store.check()...)
	if c.Store.Disk == "" && c.Store.Redis == "" {
		c.Store.Disk = "data"
	}
	if !slices.Contains(onOutage, c.Dedup.OnOutage) {
		fail("dedup.onOutage: want admit or refuse, got %q", c.Dedup.OnOutage)
	}
	if c.Dedup.Window <= 0 {
		fail("dedup.window: want a duration like 72h, got %s", c.Dedup.Window)
	}
	if c.Dead.MaxAge < time.Hour || c.Dead.MaxBytes < 1<<20 {
		fail("dead: want maxAge of at least 1h and maxBytes of at least 1MB, got %s and %d bytes", c.Dead.MaxAge, c.Dead.MaxBytes)
	}
	if c.Platform.Concurrency < 1 || c.Platform.Concurrency > 1024 {
		fail("platform.concurrency: want 1 to 1024, got %d", c.Platform.Concurrency)
	}
	if c.Platform.Rate < 0 || c.Platform.Rate > 100_000 {
		fail("platform.rate: want 0 (any number) to 100000 records a second, got %g", c.Platform.Rate)
	}
	if c.Platform.Newest < 0 || c.Platform.Newest > 90 {
		fail("platform.newest: want 0 to 90 (of a hundred deliveries), got %d", c.Platform.Newest)
	}
	if !slices.Contains(prerequisiteModes, c.Platform.Prerequisites) {
		fail("platform.prerequisites: want order, strict or off, got %q", c.Platform.Prerequisites)
	}
	if !slices.Contains(integerForms, c.Platform.Integers) {
		fail("platform.integers: want %s, got %q", strings.Join(integerForms, " or "), c.Platform.Integers)
	}
	if !slices.Contains(pictureForms, c.Platform.Pictures) {
		fail("platform.pictures: want %s, got %q", strings.Join(pictureForms, " or "), c.Platform.Pictures)
	}
	for _, q := range c.Platform.Quirks {
		if !slices.Contains(quirkNames, q) {
			fail("platform.quirks: want some of %s, got %q", strings.Join(quirkNames, ", "), q)
		}
	}
	if d := c.Platform.Dictionaries; d.Refresh != 0 && d.Refresh < time.Minute || d.Folder == "" {
		fail("platform.dictionaries: want refresh of 0 or at least 1m and a folder, got %s and %q", d.Refresh, d.Folder)
	}
	for code, path := range c.Platform.Dictionaries.Paths {
		if !dictionaryPath.MatchString(path) {
			fail("platform.dictionaries.paths: want a path like wd/wyrygwdm for %s, got %q", code, path)
		}
	}
	if c.Limits.Body < 1<<10 || c.Limits.Memory < c.Limits.Body {
		fail("limits: want body of at least 1KB and memory of at least body, got %d and %d bytes", c.Limits.Body, c.Limits.Memory)
	}
	errs = append(errs, c.Reload.check()...)
	if !slices.Contains(logFormats, c.Log.Format) {
		fail("log.format: want text or json, got %q", c.Log.Format)
	}
	if !slices.Contains(logLevels, c.Log.Level) {
		fail("log.level: want debug, info, warn or error, got %q", c.Log.Level)
	}
	return errs
}

// Bounds of store.partitions and store.replicas.
const (
	maxPartitions = 1024
	maxReplicas   = 16
)

// check proves that the parts of the store fit together.
func (c StoreConfig) check() (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case c.Redis != "" && c.Disk != "":
		fail("store: disk and redis are given, want one; disk with only the dedup keys in Redis is {disk: …, dedup: redis://…}")
	case c.Redis != "" && c.Dedup != "":
		fail("store.dedup: redis holds the keys of its entries itself; dedup is for disk")
	}
	if c.Key == "" && c.Redis != "" {
		fail("store.key: want file:NAME or 64 hex digits: with redis the key that seals entries must be given, the same on every replica")
	}
	if c.Key == "" && c.Dedup != "" {
		fail("store.key: want file:NAME or 64 hex digits: with dedup the key must be given, the same on every replica, because duplicates are known by a hash under it")
	}
	bounded := func(name string, n, max int) {
		if n < 0 || n > max {
			fail("store.%s: want 0 to %d, got %d", name, max, n)
		} else if n > 0 && c.Redis == "" && c.Dedup == "" {
			fail("store.%s: is for redis and dedup, this store is on disk only", name)
		}
	}
	bounded("partitions", c.Partitions, maxPartitions)
	bounded("replicas", c.Replicas, maxReplicas)
	return errs
}

func (c CipherConfig) seal() seal.Config {
	return seal.Config{Suite: c.Suite, Mode: c.Mode, Bits: c.Bits, Key: c.Key, IV: c.IV, RSA: c.RSA, Output: c.Output, Reuse: c.Reuse, KeyName: c.Names.Encrypted, DataName: c.Names.RequestData}
}

// fileOrText returns the content of file:NAME (inside dir unless absolute), or
// the text itself.
func fileOrText(dir, s string) ([]byte, error) {
	name, ok := strings.CutPrefix(s, "file:")
	if !ok {
		return []byte(s), nil
	}
	b, err := os.ReadFile(inside(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %q", inside(dir, name))
	}
	return b, err
}

func inside(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
