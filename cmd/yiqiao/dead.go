package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"yiqiao/proxy"
)

func runDead(ctx context.Context, std stdio, args []string) error {
	f := flags("dead")
	dir := f.String("site", ".", "folder of the site whose daemon is asked")
	base := f.String("url", "", "address of the daemon's admin listener, instead of the site's")
	source := f.String("source", "", "only of this source")
	class := f.String("class", "", "only of this class (undecodable, unknown-device, unmapped, refused, rejected, gave-up)")
	all := f.Bool("all", false, "retry or drop all that the filters select")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return usagef("want list, show, retry or drop")
	}
	a, err := newAdminClient(*dir, *base)
	if err != nil {
		return err
	}
	verb, ids := words[0], words[1:]
	if *all && len(ids) == 0 {
		list, err := a.listDead(ctx, *source, *class)
		if err != nil {
			return err
		}
		for _, d := range list {
			ids = append(ids, d.ID)
		}
	} else if verb != "list" && len(ids) == 0 {
		return usagef("%s: want ids, or -all", verb)
	}
	switch verb {
	case "list":
		return a.printDead(ctx, std.out, *source, *class)
	case "show":
		return a.showDead(ctx, std.out, ids)
	case "retry":
		return a.retryDead(ctx, std.out, ids)
	case "drop":
		for _, id := range ids {
			if err := a.call(ctx, "POST", "/-/dead/"+url.PathEscape(id)+"/drop", nil); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "%s dropped\n", id)
		}
		return nil
	}
	return usagef("want list, show, retry or drop, got %q", verb)
}

// adminClient talks to a running daemon.
type adminClient struct {
	base string
	http *http.Client
}

func newAdminClient(dir, base string) (*adminClient, error) {
	if base == "" {
		cfg, problems := proxy.ReadConfig(dir)
		if len(problems) > 0 {
			return nil, problems
		}
		addr := cfg.Admin.Listen
		if strings.HasPrefix(addr, ":") || strings.HasPrefix(addr, "0.0.0.0:") {
			addr = "127.0.0.1" + addr[strings.LastIndex(addr, ":"):]
		}
		base = "http://" + addr
	}
	return &adminClient{strings.TrimRight(base, "/"), &http.Client{Timeout: 30 * time.Second}}, nil
}

// call asks the daemon and decodes its answer into v, which may be nil.
func (a *adminClient) call(ctx context.Context, method, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return fmt.Errorf("the daemon does not answer; is it running with this site? %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(body, &e) == nil && e.Error != "" {
			return errors.New(e.Error)
		}
		return fmt.Errorf("the daemon answered %s: %s", resp.Status, bytes.TrimSpace(body[:min(len(body), 300)]))
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(body, v)
}

func (a *adminClient) listDead(ctx context.Context, source, class string) ([]proxy.DeadLetter, error) {
	var all []proxy.DeadLetter
	q := url.Values{"limit": {"1000"}, "source": {source}, "class": {class}}
	for {
		var page []proxy.DeadLetter
		if err := a.call(ctx, "GET", "/-/dead?"+q.Encode(), &page); err != nil {
			return nil, err
		}
		if all = append(all, page...); len(page) < 1000 {
			return all, nil
		}
		q.Set("after", page[len(page)-1].ID)
	}
}

func (a *adminClient) printDead(ctx context.Context, w io.Writer, source, class string) error {
	list, err := a.listDead(ctx, source, class)
	if err != nil {
		return err
	}
	for _, d := range list {
		fmt.Fprintf(w, "%s  %s  %-14s %s %s\n    %s\n", d.ID, d.Admitted.Local().Format(time.DateTime), d.Class, d.Source, d.Device, d.Reason)
	}
	fmt.Fprintln(w, count(len(list), "dead letter"))
	return nil
}

func (a *adminClient) showDead(ctx context.Context, w io.Writer, ids []string) error {
	for _, id := range ids {
		var o struct {
			proxy.DeadLetter
			Request json.RawMessage `json:"request"`
			Record  string          `json:"record"`
			Body    []byte          `json:"body"`
		}
		if err := a.call(ctx, "GET", "/-/dead/"+url.PathEscape(id), &o); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s  %s  %s\n%s: %s\nrules %s, mapping %s, attempts %d\nrequest %s\n", o.ID, o.Admitted.Local().Format(time.DateTime), o.Device, o.Class, o.Reason, o.Generation, o.Mapping, o.Attempts, o.Request)
		if o.Record != "" {
			fmt.Fprintf(w, "record %s\n", o.Record)
		}
		fmt.Fprintf(w, "body (%d bytes):\n%s\n", len(o.Body), printable(shorten(o.Body, 4000)))
	}
	return nil
}

// printable keeps a terminal in order: binary becomes dots.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == '\uFFFD' || r == 0x7f {
			return '.'
		}
		return r
	}, s)
}

func (a *adminClient) retryDead(ctx context.Context, w io.Writer, ids []string) error {
	still := 0
	for _, id := range ids {
		var r proxy.Retried
		if err := a.call(ctx, "POST", "/-/dead/"+url.PathEscape(id)+"/retry", &r); err != nil {
			return err
		}
		if r.Outcome == "" {
			still++
			fmt.Fprintf(w, "%s still dead: %s\n", id, r.Reason)
			continue
		}
		fmt.Fprintf(w, "%s %s\n", id, r.Outcome)
	}
	if still > 0 {
		return errFindings
	}
	return nil
}

func runHealth(ctx context.Context, std stdio, args []string) error {
	f := flags("health")
	dir := f.String("site", ".", "folder of the site whose daemon is asked")
	base := f.String("url", "", "address of the daemon's admin listener, instead of the site's")
	if words, err := parse(f, args); err != nil || len(words) > 0 {
		return errors.Join(err, unexpected(words))
	}
	a, err := newAdminClient(*dir, *base)
	if err != nil {
		return err
	}
	var h proxy.Health
	if err := a.call(ctx, "GET", "/-/ready", &h); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "ok: rules %s, %d waiting, %s, platform %s\n", h.Generation, h.Waiting, count(h.Dead, "dead letter"), h.Platform)
	return nil
}
