package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"yiqiao/proxy"
	"yiqiao/proxy/store"
	"yiqiao/proxy/store/disk"
)

func runStore(ctx context.Context, std stdio, args []string) error {
	f := flags("store")
	dir := f.String("site", ".", "folder of the site")
	base := f.String("url", "", "address of the daemon's admin listener, instead of the site's")
	to := f.String("to", "export", "folder that export writes to: one .http file for each event, which map and dead import read")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return usagef("want stats, verify, compact, export or rekey")
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
	case "compact":
		return compactStore(std, *dir)
	case "export":
		return exportStore(ctx, std, *dir, *to)
	case "rekey":
		return rekey(std, *dir)
	}
	return usagef("want stats, verify, compact, export or rekey, got %q", words[0])
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
	fmt.Fprintf(std.out, "\ndead     %d entries, %d bytes\nkeys     %d known\n", s.Dead, s.DeadBytes, s.Keys)
	if s.Unshared > 0 || s.Twice > 0 {
		fmt.Fprintf(std.out, "dedup    %d entries were admitted while Redis was away, %d by another replica too\n", s.Unshared, s.Twice)
	}
	fmt.Fprintf(std.out, "promise  %s\n", s.Promise)
	return nil
}

// diskFolder is where a site's store on disk lies; verb is told when there is
// none.
func diskFolder(dir, verb string) (string, *proxy.Config, error) {
	cfg, problems := proxy.ReadConfig(dir)
	if len(problems) > 0 {
		return "", nil, problems
	}
	if cfg.Store.Redis != "" {
		return "", nil, usagef("%s is for a store on disk; this site has Redis, which keeps its own files (redis-check-aof, BGREWRITEAOF)", verb)
	}
	folder := cmp.Or(cfg.Store.Disk, "data")
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(dir, folder)
	}
	return folder, cfg, nil
}

// verifyStore proves every sum of a store on disk whose daemon is not running.
func verifyStore(std stdio, dir string) error {
	folder, _, err := diskFolder(dir, "verify")
	if err != nil {
		return err
	}
	r, err := disk.Verify(folder)
	if err != nil {
		return err
	}
	records, damaged := 0, 0
	for _, c := range r.Segments {
		records += c.Records
		damaged += len(c.Damage)
		fmt.Fprintf(std.out, "%s  %d records, %d bytes\n", c.File, c.Records, c.Bytes)
		for _, d := range c.Damage {
			fmt.Fprintf(std.out, "  %v\n", d)
		}
	}
	for _, line := range r.Index {
		fmt.Fprintf(std.out, "index: %s\n", line)
	}
	fmt.Fprintf(std.out, "%d records are sound, %d places are damaged; the index names %d entries, %d records are not in it yet\n", records, damaged, r.Entries, r.Behind)
	if damaged > 0 || len(r.Index) > 0 {
		return errFindings
	}
	return nil
}

// compactStore gives back what a store on disk does not need.
func compactStore(std stdio, dir string) error {
	folder, cfg, err := diskFolder(dir, "compact")
	if err != nil {
		return err
	}
	before, after, err := disk.Compact(folder, disk.Options{MaxBytes: int64(cfg.Store.MaxBytes), MinFree: int64(cfg.Store.MinFree)})
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s: %d bytes before, %d now\n", folder, before, after)
	return nil
}

// exportStore writes the original of every entry as a captured request, which
// dead import gives to any daemon: to save what a machine holds that will not
// run again, or to move it to another store.
func exportStore(ctx context.Context, std stdio, dir, to string) error {
	cfg, problems := proxy.ReadConfig(dir)
	if len(problems) > 0 {
		return problems
	}
	cfg.Store.Disk = cmp.Or(cfg.Store.Disk, "data")
	vault, err := proxy.LoadVault(dir, cfg.Store)
	if err != nil {
		return err
	}
	cfg.Store.Dedup = "" // what this machine holds can be had without the others
	st, err := openStore(ctx, dir, cfg, newLog(std.err, cfg.Log))
	if err != nil {
		return err
	}
	n := map[store.State]int{}
	err = proxy.Export(ctx, st, vault, func(e proxy.Exported) error {
		folder := filepath.Join(to, string(e.Info.State))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		n[e.Info.State]++
		return os.WriteFile(filepath.Join(folder, e.Info.ID+".http"), e.Capture, 0o600) // what the device sent
	})
	fmt.Fprintf(std.out, "%s in %s, %s in %s; they are not sealed\n", count(n[store.Ready], "event"), filepath.Join(to, string(store.Ready)), count(n[store.Dead], "dead letter"), filepath.Join(to, string(store.Dead)))
	return errors.Join(err, st.Close())
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
