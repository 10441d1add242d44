package proxy

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"yiqiao/proxy/seal"
	"yiqiao/transform"
	"yiqiao/transform/message"
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
	Pictures PicturesConfig         `yaml:"pictures"`

	doc *transform.Document // where each value stands; nil: nowhere
}

// PlatformConfig says where records go and how they are sealed.
type PlatformConfig struct {
	URL         string        `yaml:"url"`              // http://ip:port/api/v1
	AppKey      string        `yaml:"appKey" secret:""` // 规范 1.2: on the URL of every request
	PublicKey   string        `yaml:"publicKey"`        // Base64 X.509 or PEM, or file:NAME
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

// UnmarshalText reads "tables/devices.csv"; {file: …, key: [building, door]} is
// read by its fields.
func (c *TableConfig) UnmarshalText(b []byte) error {
	c.File = string(b)
	return nil
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
	Dedup    string `yaml:"dedup"`         // the Redis of the keys
	Key      string `yaml:"key" secret:""` // file:NAME or 64 hex digits; seals entries at rest
	MaxBytes Size   `yaml:"maxBytes"`      // of all entries, on disk
	MinFree  Size   `yaml:"minFree"`       // of the disk, left to others; 0: 5 %, 2 GB at least, 10 % at most
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
	// Password, if not empty, is asked of who opens the console or asks the
	// listener for anything but its health and metrics, with any user's name.
	Password string `yaml:"password" secret:""`
}

// LimitsConfig bounds what devices can ask of the process.
type LimitsConfig struct {
	Body   Size `yaml:"body"`   // of one request
	Memory Size `yaml:"memory"` // of all requests under way
	// Of the listener for devices, at once; 0: any number. Behind a gateway or a
	// load balancer all devices have one address.
	Connections           int `yaml:"connections"`
	ConnectionsPerAddress int `yaml:"connectionsPerAddress"`
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

// UnmarshalText reads a mode alone; {mode: …, events: …} is read as a section.
func (c *ReloadConfig) UnmarshalText(b []byte) error {
	c.Mode = string(b)
	return nil
}

// Size is a number of bytes, written as 16MB or 512KiB.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	number := strings.TrimRight(text, "KMGTiBbkmgt ")
	units := map[string]int64{"": 1, "B": 1, "KB": 1 << 10, "KIB": 1 << 10, "K": 1 << 10, "MB": 1 << 20, "MIB": 1 << 20, "M": 1 << 20, "GB": 1 << 30, "GIB": 1 << 30, "G": 1 << 30}
	unit, ok := units[strings.ToUpper(strings.TrimSpace(text[len(number):]))]
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !ok || n < 0 || n*float64(unit) > 1<<62 {
		return message.New("size", text)
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
		Limits:   LimitsConfig{Body: 16 << 20, Memory: 256 << 20, Connections: 20_000, ConnectionsPerAddress: 4_000},
		Log:      LogConfig{Format: "text", Level: "info"},
		Reload:   ReloadConfig{Mode: reloadAuto, Events: 200, Bytes: 16 << 20},
		Pictures: defaultPictures(),
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

// ConfigFile is the name of a site's configuration inside its folder.
const ConfigFile = "yiqiao.yaml"

// envName is ${NAME} in a value.
var envName = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// parseConfig reads yiqiao.yaml. ${NAME} in a value is taken from the
// environment. Without serve, what only the daemon needs (secrets, the platform)
// may be missing. The configuration is nil if it is not known which sources and
// tables there are.
func parseConfig(name string, data []byte, serve bool) (*Config, transform.Problems) {
	c := defaults()
	c.doc = transform.Decode(name, data, &c, func(text string) (string, []message.Message) { return environment(text, serve) })
	ps := c.doc.Problems
	if len(ps) > 0 && !c.usable() {
		return nil, ps
	}
	if serve {
		ps = append(ps, c.check()...)
	}
	ps.Sort()
	return &c, ps
}

// usable tells whether what was wrong leaves sources and tables in no doubt.
func (c *Config) usable() bool {
	return c.doc.Sound("sources", "tables")
}

// environment puts the environment's values into a text. Without strict, what is
// not set is empty.
func environment(text string, strict bool) (string, []message.Message) {
	var missing []message.Message
	text = envName.ReplaceAllStringFunc(text, func(ref string) string {
		name := envName.FindStringSubmatch(ref)[1]
		value, ok := os.LookupEnv(name)
		if !ok && strict {
			missing = append(missing, message.New("environment", name))
		}
		return value
	})
	return text, missing
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
		return nil, message.New("no-file", inside(dir, name))
	}
	return b, err
}

func inside(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
