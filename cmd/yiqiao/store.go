package main

import (
	"context"
	"fmt"

	"yiqiao/proxy"
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
		return usagef("want stats or rekey")
	}
	switch words[0] {
	case "stats":
		a, err := newAdminClient(*dir, *base)
		if err != nil {
			return err
		}
		return a.printStats(ctx, std)
	case "rekey":
		return rekey(std, *dir)
	}
	return usagef("want stats or rekey, got %q", words[0])
}

func (a *adminClient) printStats(ctx context.Context, std stdio) error {
	var s proxy.StoreStats
	if err := a.call(ctx, "GET", "/-/store", &s); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "waiting  %d entries, %d bytes", s.Waiting, s.WaitingBytes)
	if s.Oldest != nil {
		fmt.Fprintf(std.out, ", the oldest since %s", s.Oldest.Local().Format("2006-01-02 15:04:05"))
	}
	fmt.Fprintf(std.out, "\ndead     %d entries, %d bytes\nkeys     %d known\npromise  %s\n", s.Dead, s.DeadBytes, s.Keys, s.Promise)
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
