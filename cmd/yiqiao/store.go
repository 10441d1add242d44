package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"

	"yiqiao/proxy"
	"yiqiao/proxy/store/disk"
)

func runStore(ctx context.Context, std stdio, args []string) error {
	f := flags("store")
	dir := f.String("site", ".", "folder of the site")
	base := f.String("url", "", "address of the daemon's admin listener, instead of the site's")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return usagef("want stats, verify or rekey")
	}
	switch words[0] {
	case "stats":
		a, err := newAdminClient(*dir, *base)
		if err != nil {
			return err
		}
		return a.printStats(ctx, std)
	case "verify":
		return verifyStore(std, *dir)
	case "rekey":
		return rekey(std, *dir)
	}
	return usagef("want stats, verify or rekey, got %q", words[0])
}

func (a *adminClient) printStats(ctx context.Context, std stdio) error {
	var s proxy.StoreStats
	if err := a.call(ctx, "GET", "/-/store", &s); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "state    %s\n", s.State)
	fmt.Fprintf(std.out, "waiting  %d entries, %d bytes", s.Waiting, s.WaitingBytes)
	if s.Oldest != nil {
		fmt.Fprintf(std.out, ", the oldest since %s", s.Oldest.Local().Format("2006-01-02 15:04:05"))
	}
	fmt.Fprintf(std.out, "\ndead     %d entries, %d bytes\nkeys     %d known\npromise  %s\n", s.Dead, s.DeadBytes, s.Keys, s.Promise)
	return nil
}

// verifyStore proves every sum of a store on disk whose daemon is not running.
func verifyStore(std stdio, dir string) error {
	cfg, problems := proxy.ReadConfig(dir)
	if len(problems) > 0 {
		return problems
	}
	if cfg.Store.Redis != "" {
		return usagef("verify reads a store on disk; this site has Redis, which proves its own files (redis-check-aof)")
	}
	folder := cmp.Or(cfg.Store.Disk, "data")
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(dir, folder)
	}
	list, err := disk.Verify(folder)
	if err != nil {
		return err
	}
	records, damaged := 0, 0
	for _, c := range list {
		records += c.Records
		damaged += len(c.Damage)
		fmt.Fprintf(std.out, "%s  %d records, %d bytes\n", c.File, c.Records, c.Bytes)
		for _, d := range c.Damage {
			fmt.Fprintf(std.out, "  %v\n", d)
		}
	}
	fmt.Fprintf(std.out, "%d records are sound, %d places are damaged\n", records, damaged)
	if damaged > 0 {
		return errFindings
	}
	return nil
}

func rekey(std stdio, dir string) error {
	cfg, problems := proxy.ReadConfig(dir)
	if len(problems) > 0 {
		return problems
	}
	name, err := proxy.KeyFile(dir, cfg.Store)
	if err != nil {
		return err
	}
	if err := proxy.Rekey(name); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s has a new key in its first line; it seals from the next start of the daemon on (with redis: put the same file on every replica first).\nTake the old line out when nothing that it sealed is left: when no entry waits and no dead letter is older than the restart.\n", name)
	return nil
}
