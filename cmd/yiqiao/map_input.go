package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"yiqiao/proxy"
	"yiqiao/proxy/store"
)

// words tells the mapping from the payload: VENDOR/EVENT, with or without
// .yaml and the folders before it, is a mapping; a file, - or the id of a dead
// letter is a payload.
func (o *mapOptions) words(words []string) error {
	for _, w := range words {
		_, missing := os.Stat(w)
		switch {
		case w == "-":
		case missing != nil && store.IsID(w) && o.payload == "":
			o.payload = w
		case o.mapping == "" && (strings.HasSuffix(w, ".yaml") || missing != nil && len(words) > 1 || missing != nil && !strings.Contains(filepath.Base(w), ".")):
			o.mapping = w
		case o.payload == "":
			o.payload = w
		default:
			return unexpected([]string{w})
		}
	}
	return nil
}

// read reads the payload. The name tells how to read what came.
func (o *mapOptions) read(ctx context.Context, std stdio) (name string, data []byte, err error) {
	in := std.in
	if o.payload != "" {
		file, err := os.Open(o.payload)
		if errors.Is(err, os.ErrNotExist) && store.IsID(o.payload) {
			data, err := entryOriginal(ctx, std, cmp.Or(o.site, "."), o.payload)
			return o.payload + ".http", data, err
		}
		if err != nil {
			return "", nil, err
		}
		defer file.Close()
		in = file
	}
	data, err = io.ReadAll(io.LimitReader(in, 64<<20))
	return o.payload, data, err
}

// entryOriginal gets the request of a dead letter: from the daemon, or, when
// none answers, from the store of the site.
func entryOriginal(ctx context.Context, std stdio, dir, id string) ([]byte, error) {
	a, err := newAdminClient(dir, "")
	if err != nil {
		return nil, err
	}
	data, noDaemon := a.ask(ctx, "GET", "/-/dead/"+id+"/original", nil)
	var answered *answeredError
	if noDaemon == nil || errors.As(noDaemon, &answered) {
		return data, noDaemon
	}
	cfg, problems := proxy.ReadConfig(dir)
	if len(problems) > 0 {
		return nil, problems
	}
	if cfg.Store.Redis == "" {
		folder, _, err := diskFolder(dir, "map")
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(folder); err != nil {
			return nil, errors.Join(noDaemon, err) // opening it would make one
		}
		cfg.Store.Disk = cmp.Or(cfg.Store.Disk, "data")
		cfg.Store.Dedup = "" // what this machine holds can be had without the others
	}
	vault, err := proxy.LoadVault(dir, cfg.Store)
	if err != nil {
		return nil, errors.Join(noDaemon, err)
	}
	st, err := openStore(ctx, dir, cfg, newLog(std.err, cfg.Log))
	if err != nil {
		return nil, errors.Join(noDaemon, err)
	}
	data, err = proxy.OriginalOf(ctx, st, vault, id)
	return data, errors.Join(err, st.Close())
}
