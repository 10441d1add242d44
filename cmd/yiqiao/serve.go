package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"yiqiao/mappings"
	"yiqiao/proxy"
	"yiqiao/proxy/console"
	"yiqiao/proxy/store"
	"yiqiao/proxy/store/disk"
	"yiqiao/proxy/store/redis"
	"yiqiao/proxy/store/shared"
	"yiqiao/transform/spec"
)

// grace is how long deliveries under way may take when the process ends;
// whatever is not delivered by then stays in the store.
const grace = 20 * time.Second

// siteOf makes the site of a folder with the packs inside the binary.
func siteOf(dir string) (proxy.Site, error) {
	catalogue, err := spec.Load()
	if err != nil {
		return proxy.Site{}, err
	}
	return proxy.Site{Dir: dir, Bundled: mappings.FS, Catalogue: catalogue}, nil
}

// loadSite loads a site, and prints its problems to std.err.
func loadSite(dir string, std stdio) (proxy.Site, *proxy.Generation, error) {
	site, err := siteOf(dir)
	if err != nil {
		return site, nil, err
	}
	g, problems := site.Load()
	std.problems(std.err, problems)
	if g == nil {
		return site, nil, fmt.Errorf("%s: %s, nothing was started", dir, count(len(problems.Errors()), "problem"))
	}
	return site, g, nil
}

func runServe(ctx context.Context, io stdio, args []string) error {
	f := flags("serve")
	languageFlag(f, &io)
	dir := f.String("site", ".", "folder of the site")
	if words, err := parse(f, args); err != nil || len(words) > 0 {
		return errors.Join(err, unexpected(words))
	}
	site, g, err := loadSite(*dir, io)
	if err != nil {
		return err
	}
	log := newLog(io.err, g.Config.Log)
	d, err := start(ctx, daemonOptions{site: site, generation: g, log: log})
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-hup:
			d.proxy.Reload(ctx, "SIGHUP")
		case err := <-d.failed:
			return errors.Join(err, d.stop())
		case <-ctx.Done():
			log.Info("ending: no new events are taken, deliveries under way are finished", "grace", grace)
			return d.stop()
		}
	}
}

func unexpected(words []string) error {
	if len(words) == 0 {
		return nil
	}
	return usagef("unexpected %q", words[0])
}

func newLog(w io.Writer, c proxy.LogConfig) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // proved by the config's check
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// daemon is a proxy with its store and its listeners, running.
type daemon struct {
	proxy   *proxy.Proxy
	store   store.Store
	log     *slog.Logger
	devices string // addresses it really listens on
	admin   string
	failed  chan error

	servers []*http.Server
	end     context.CancelFunc
	running sync.WaitGroup
}

type daemonOptions struct {
	site       proxy.Site
	generation *proxy.Generation
	log        *slog.Logger
	observe    func(proxy.Delivery)
}

// start opens the store and starts everything. What is started ends by stop.
func start(ctx context.Context, o daemonOptions) (*daemon, error) {
	cfg := o.generation.Config
	vault, err := proxy.LoadVault(o.site.Dir, cfg.Store)
	if err != nil {
		return nil, err
	}
	st, err := openStore(ctx, o.site.Dir, cfg, o.log)
	if err != nil {
		return nil, err
	}
	d := &daemon{store: st, log: o.log, failed: make(chan error, 4)}
	d.proxy = proxy.New(proxy.Options{Site: o.site, Generation: o.generation, Store: st, Vault: vault, Log: o.log, Observe: o.observe})
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	d.end = end
	if d.devices, err = d.listen(cfg.Listen, d.proxy.Devices(), 0, d.proxy.DeviceListener); err == nil {
		d.admin, err = d.listen(cfg.Admin.Listen, console.New(console.Options{Proxy: d.proxy, Log: o.log}), 30*time.Second, nil)
	}
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	d.running.Go(func() { d.proxy.Deliver(work, grace) })
	d.running.Go(func() { d.proxy.Tidy(work) })
	d.running.Go(func() { d.proxy.RefreshDictionaries(work) })
	d.running.Go(func() { d.proxy.WatchDevices(work) })
	d.running.Go(func() { d.proxy.Subscribe(work) })
	d.running.Go(func() {
		if err := d.proxy.Watch(work); err != nil {
			o.log.Warn("files are not watched; use POST /-/reload or SIGHUP", "err", err)
		}
	})
	o.log.Info("started", "devices", d.devices, "admin", d.admin, "console", "http://"+d.admin+"/", "generation", o.generation.Name(), "store", st.Promise())
	return d, nil
}

// openStore is the only place that knows which store is used.
func openStore(ctx context.Context, dir string, cfg *proxy.Config, log *slog.Logger) (store.Store, error) {
	c := cfg.Store
	options := redis.Options{Prefix: c.Prefix, Partitions: c.Partitions, Replicas: c.Replicas}
	if c.Redis != "" {
		st, err := redis.Open(ctx, c.Redis, options)
		if err != nil {
			return nil, err
		}
		warn(log, st.Warnings())
		return st, nil
	}
	folder := c.Disk
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(dir, folder)
	}
	st, err := disk.Open(folder, disk.Options{MaxBytes: int64(c.MaxBytes), MinFree: int64(c.MinFree)})
	if err != nil {
		return nil, err
	}
	for _, note := range st.Notes() {
		log.Error("the store was damaged", "note", note)
	}
	if c.Dedup == "" {
		return st, nil
	}
	keys, err := redis.OpenKeys(ctx, c.Dedup, options)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store.dedup: %w", err), st.Close())
	}
	warn(log, keys.Warnings())
	return shared.New(ctx, st, keys, shared.Options{
		OnOutage: shared.Policy(cfg.Dedup.OnOutage),
		Note:     func(text string) { log.Warn("store.dedup", "note", text) },
	}), nil
}

func warn(log *slog.Logger, warnings []string) {
	for _, w := range warnings {
		log.Warn("redis", "warning", w)
	}
}

// listen serves h at addr. Devices are slow and many: a header must come
// within ten seconds, a body has its own deadline (see proxy.ingest), an idle
// connection lives two minutes. bound, if any, bounds the connections.
func (d *daemon) listen(addr string, h http.Handler, timeout time.Duration, bound func(net.Listener) net.Listener) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen %q: %w", addr, err)
	}
	if bound != nil {
		l = bound(l)
	}
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ReadTimeout: timeout, WriteTimeout: 2 * time.Minute, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	d.servers = append(d.servers, s)
	d.running.Go(func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			d.failed <- fmt.Errorf("serve %q: %w", addr, err)
		}
	})
	return l.Addr().String(), nil
}

// stop ends in order: no new requests, those under way are answered; then
// deliveries under way are finished; then the store is closed.
func (d *daemon) stop() error {
	d.proxy.Ending()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var errs []error
	for _, s := range d.servers {
		errs = append(errs, s.Shutdown(ctx))
	}
	d.end()
	d.running.Wait()
	return errors.Join(append(errs, d.store.Close())...)
}
