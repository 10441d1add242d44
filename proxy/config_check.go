package proxy

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"yiqiao/transform"
	"yiqiao/transform/message"
)

// Bounds of what yiqiao.yaml may say.
const (
	maxPartitions  = 1024
	maxReplicas    = 16
	maxConcurrency = 1024
	maxRate        = 100_000 // records a second
	maxNewest      = 90      // of a hundred deliveries
	minBody        = 1 << 10 // bytes
	minDeadBytes   = 1 << 20
	maxConnections = 1_000_000
	minDeadAge     = time.Hour
	minRefresh     = time.Minute
)

var dictionaryPath = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_/.-]*$`)

// checker collects what is wrong with a configuration, at its places.
type checker struct {
	*Config
	problems transform.Problems
}

// fail tells what is wrong at a path, unless it is told already that what stands
// there makes no sense.
func (c *checker) fail(path, rule string, args ...any) {
	if c.doc.Bad(path) {
		return
	}
	c.problems = append(c.problems, c.doc.At(path, message.New(rule, append([]any{path}, args...)...)))
}

// want fails unless ok; what is wanted is the rule's.
func (c *checker) want(ok bool, path, rule string, args ...any) {
	if !ok {
		c.fail(path, rule, args...)
	}
}

// oneOf proves that a value is one of some.
func (c *checker) oneOf(path, got string, wanted ...string) {
	if !slices.Contains(wanted, got) {
		c.fail(path, "site-choice", message.Choice(wanted), got, transform.Nearby(got, wanted))
	}
}

// check proves the values against each other.
func (c *Config) check() transform.Problems {
	k := &checker{Config: c}
	k.platform()
	k.store()
	k.pictures()
	k.names()
	k.want(c.Dedup.Window > 0, "dedup.window", "dedup-positive", c.Dedup.Window)
	k.want(c.Dead.MaxAge >= minDeadAge, "dead.maxAge", "dead-age", c.Dead.MaxAge)
	k.want(c.Dead.MaxBytes >= minDeadBytes, "dead.maxBytes", "dead-bytes", int64(c.Dead.MaxBytes))
	k.want(c.Limits.Body >= minBody, "limits.body", "limits-body", int64(c.Limits.Body))
	k.want(c.Limits.Memory >= c.Limits.Body, "limits.memory", "limits-memory", int64(c.Limits.Memory), int64(c.Limits.Body))
	k.want(c.Limits.Connections >= 0 && c.Limits.Connections <= maxConnections, "limits.connections", "site-range", 0, maxConnections, c.Limits.Connections)
	k.want(c.Limits.ConnectionsPerAddress >= 0 && c.Limits.ConnectionsPerAddress <= maxConnections, "limits.connectionsPerAddress", "site-range", 0, maxConnections, c.Limits.ConnectionsPerAddress)
	k.oneOf("dedup.onOutage", c.Dedup.OnOutage, onOutage...)
	k.oneOf("log.format", c.Log.Format, logFormats...)
	k.oneOf("log.level", c.Log.Level, logLevels...)
	k.oneOf("reload.mode", c.Reload.Mode, reloadModes...)
	k.want(c.Reload.Events >= 0 && c.Reload.Events <= maxRehearsed, "reload.events", "site-range", 0, maxRehearsed, c.Reload.Events)
	return k.problems
}

func (c *checker) platform() {
	p := &c.Platform
	u, err := url.Parse(p.URL)
	c.want(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "platform.url", "platform-url", p.URL)
	c.want(p.AppKey != "", "platform.appKey", "platform-app-key")
	c.want(p.PublicKey != "" || p.Cipher.Suite == "plain", "platform.publicKey", "platform-public-key")
	c.want(p.Concurrency >= 1 && p.Concurrency <= maxConcurrency, "platform.concurrency", "site-range", 1, maxConcurrency, p.Concurrency)
	c.want(p.Rate >= 0 && p.Rate <= maxRate, "platform.rate", "platform-rate", maxRate, p.Rate)
	c.want(p.Newest >= 0 && p.Newest <= maxNewest, "platform.newest", "platform-newest", maxNewest, p.Newest)
	c.want(p.Timeout > 0, "platform.timeout", "platform-timeout", p.Timeout)
	c.oneOf("platform.prerequisites", p.Prerequisites, prerequisiteModes...)
	c.oneOf("platform.integers", p.Integers, integerForms...)
	c.oneOf("platform.pictures", p.Pictures, pictureForms...)
	for i, q := range p.Quirks {
		c.oneOf(fmt.Sprintf("platform.quirks[%d]", i), q, quirkNames...)
	}
	d := &p.Dictionaries
	c.want(d.Refresh == 0 || d.Refresh >= minRefresh, "platform.dictionaries.refresh", "dictionaries-refresh", d.Refresh)
	c.want(d.Folder != "", "platform.dictionaries.folder", "dictionaries-folder")
	for _, code := range slices.Sorted(maps.Keys(d.Paths)) {
		c.want(dictionaryPath.MatchString(d.Paths[code]), "platform.dictionaries.paths."+code, "dictionaries-path", d.Paths[code])
	}
}

// store proves that the parts of the store fit together.
func (c *checker) store() {
	s := &c.Store
	switch {
	case s.Redis != "" && s.Disk != "":
		c.fail("store.redis", "store-two")
	case s.Redis != "" && s.Dedup != "":
		c.fail("store.dedup", "store-dedup")
	}
	if s.Key == "" && s.Redis != "" {
		c.fail("store.key", "store-key-redis")
	}
	if s.Key == "" && s.Dedup != "" {
		c.fail("store.key", "store-key-dedup")
	}
	bounded := func(path string, n, most int) {
		c.want(n >= 0 && n <= most, path, "site-range", 0, most, n)
		c.want(n <= 0 || s.Redis != "" || s.Dedup != "", path, "store-shared-only")
	}
	bounded("store.partitions", s.Partitions, maxPartitions)
	bounded("store.replicas", s.Replicas, maxReplicas)
	if s.Disk == "" && s.Redis == "" {
		s.Disk = "data"
	}
}

// names proves that lists name nothing twice, and tables their files.
func (c *checker) names() {
	for i, s := range c.Sources {
		c.want(!slices.Contains(c.Sources[:i], s), fmt.Sprintf("sources[%d]", i), "source-twice", s)
	}
}

// files proves what the keys of a configuration are read from: none of it is
// made here, as the daemon would.
func (c *checker) files(dir string) {
	if c.Store.Key == "" {
		return
	}
	b, err := fileOrText(dir, c.Store.Key)
	if err == nil {
		_, err = vaultOf(b)
	}
	if err != nil {
		c.problems = append(c.problems, c.doc.At("store.key", message.New("store-key", err)))
	}
}

// sourceAt is where a source is named, as a problem without words.
func (c *Config) sourceAt(name string) transform.Problem {
	return c.doc.At(fmt.Sprintf("sources[%d]", slices.Index(c.Sources, name)), message.Message{})
}

// noTable says that a table's file cannot be read, where the site names it.
func (c *Config) noTable(name, file string, err error) transform.Problem {
	path := "tables." + name
	if c.Tables[name].File == "" {
		return c.doc.At(path, message.New("table-file", path, name))
	}
	if c.doc.Knows(path + ".file") {
		path += ".file"
	}
	if !os.IsNotExist(err) {
		return c.doc.At(path, message.New("table-unreadable", name, err))
	}
	return c.doc.At(path, message.New("no-table-file", name, file, transform.Nearby(filepath.Base(file), beside(file))))
}

// beside are the names of the files in a file's folder.
func beside(file string) (names []string) {
	entries, _ := os.ReadDir(cmp.Or(filepath.Dir(file), "."))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}
