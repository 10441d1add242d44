package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"yiqiao/proxy"
	"yiqiao/transform/spec"
)

// importSink is where records of an import go: to the daemon of the site, or,
// if none runs, into the site's store by a proxy of this process, or, dry,
// only through the rules. All three are the same code (proxy.Import).
type importSink struct {
	iface *spec.Interface
	take  func(ctx context.Context, docs [][]byte) ([]proxy.Taken, error)
	where string // for a person
	after string // what is left to do when all went well
	body  int64  // bytes of a largest record
	close func() error
}

func openSink(ctx context.Context, std stdio, site proxy.Site, o *importFlags, i *spec.Interface) (*importSink, error) {
	s := &importSink{iface: i, close: func() error { return nil }}
	options := proxy.ImportOptions{Interface: i.Name, Again: o.again}
	if o.dry {
		return s, s.proveOnly(std, o, options)
	}
	a, err := newAdminClient(o.dir, o.url)
	if err != nil {
		return nil, err
	}
	a.http.Timeout = 2 * time.Minute // a batch waits for a slow disk
	var there proxy.ImportSite
	err = a.call(ctx, "GET", "/-/import", &there)
	var dial *net.OpError
	switch {
	case err == nil:
		return s, s.toDaemon(a, there, o, options)
	case o.url == "" && errors.As(err, &dial) && dial.Op == "dial":
		return s, s.toStore(ctx, std, site, options)
	}
	return nil, err
}

// proveOnly needs the rules and no platform, store or site.
func (s *importSink) proveOnly(std stdio, o *importFlags, options proxy.ImportOptions) error {
	dir := o.dir
	if dir == "." {
		dir = "" // the bundled rules will do
	}
	rules, problems, err := loadRules(dir)
	if err != nil {
		return err
	}
	if rules == nil {
		std.problems(std.err, problems)
		return errFindings
	}
	cfg, _ := proxy.ReadConfig(o.dir)
	if s.body = int64(cfg.Limits.Body); s.body == 0 {
		s.body = 16 << 20
	}
	s.where = "试运行，什么都不送出"
	s.take = func(_ context.Context, docs [][]byte) ([]proxy.Taken, error) {
		return proxy.Prove(rules, options, docs), nil
	}
	return nil
}

// toDaemon proves that it is the daemon of this site: two sites of one machine
// may have the same address by mistake, and people of one must not be
// registered at the platform of the other.
func (s *importSink) toDaemon(a *adminClient, there proxy.ImportSite, o *importFlags, options proxy.ImportOptions) error {
	if dir, err := filepath.Abs(o.dir); o.url == "" && (err != nil || dir != there.Dir) {
		return fmt.Errorf("%s 上运行的是站点 %s，不是 %s：请改 yiqiao.yaml 的 admin.listen；如果就是它（如在容器里），加 -url %s", a.base, there.Dir, dir, a.base)
	}
	path := "/-/import/" + options.Interface
	if options.Again {
		path += "?again=true"
	}
	s.where, s.body = "交给正在运行的 yiqiao（"+a.base+"）", there.Body
	s.take = func(ctx context.Context, docs [][]byte) ([]proxy.Taken, error) {
		answer, err := a.ask(ctx, "POST", path, bytes.Join(docs, []byte("\n")))
		if err != nil {
			return nil, err
		}
		taken := make([]proxy.Taken, 0, len(docs))
		for d := json.NewDecoder(bytes.NewReader(answer)); d.More(); {
			var t proxy.Taken
			if err := d.Decode(&t); err != nil {
				return nil, err
			}
			taken = append(taken, t)
		}
		if len(taken) != len(docs) {
			return nil, fmt.Errorf("the daemon answered for %d records of %d", len(taken), len(docs))
		}
		return taken, nil
	}
	return nil
}

// toStore runs a proxy that delivers nothing. The store of a disk can be open
// once only, so no daemon starts meanwhile.
func (s *importSink) toStore(ctx context.Context, std stdio, site proxy.Site, options proxy.ImportOptions) error {
	site, g, err := loadSite(site.Dir, std)
	if err != nil {
		return err
	}
	vault, err := proxy.LoadVault(site.Dir, g.Config.Store)
	if err != nil {
		return err
	}
	log := newLog(std.err, g.Config.Log)
	st, err := openStore(ctx, site.Dir, g.Config, log)
	if err != nil {
		return err
	}
	p := proxy.New(proxy.Options{Site: site, Generation: g, Store: st, Vault: vault, Log: log})
	s.take = func(ctx context.Context, docs [][]byte) ([]proxy.Taken, error) { return p.Import(ctx, options, docs) }
	s.body, s.close = int64(g.Config.Limits.Body), st.Close
	s.where = "yiqiao 没有在运行，存入站点的存储"
	s.after = "记录已在存储里，启动 yiqiao serve 后送出"
	return nil
}
