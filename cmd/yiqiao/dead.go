package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"yiqiao/proxy"
	"yiqiao/transform/message"
)

func runDead(ctx context.Context, std stdio, args []string) error {
	f := flags("dead")
	languageFlag(f, &std)
	dir := f.String("site", ".", "folder of the site whose daemon is asked")
	base := f.String("url", "", "address of the daemon's admin listener, instead of the site's")
	filter := url.Values{}
	for name, usage := range map[string]string{
		"source": "only of this source", "device": "only of this device", "interface": "only records of this interface",
		"class":  "only of this class (undecodable, unknown-device, unmapped, refused, picture-missing, rejected, gave-up, damaged)",
		"reason": "only those whose reason holds this text",
	} {
		f.Func(name, usage, func(v string) error { filter.Set(name, v); return nil })
	}
	for name, usage := range map[string]string{
		"since": "only those since this time (2026-01-02T15:04:05+08:00) or for so long (24h)",
		"until": "only those before this time, or older than that (24h)",
	} {
		f.Func(name, usage, func(v string) error {
			if d, err := time.ParseDuration(v); err == nil {
				v = time.Now().Add(-d).Format(time.RFC3339)
			}
			filter.Set(name, v)
			return nil
		})
	}
	all := f.Bool("all", false, "show, export, retry or drop all that the filters select")
	waiting := f.Bool("waiting", false, "list what waits for the platform, or for a registration that it refers to (-class waiting), instead of dead letters")
	again := f.Bool("again", false, "import registrations even if the platform has accepted the same before")
	to := f.String("to", ".", "folder that export writes to: one .http file for each, which map and import read")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return usagef("want list, summary, show, export, import, retry or drop")
	}
	a, err := newAdminClient(*dir, *base)
	if err != nil {
		return err
	}
	a.lang = std.language()
	verb, ids := words[0], words[1:]
	if verb == "import" {
		return a.importEvents(ctx, std, ids, *again)
	}
	if *waiting {
		if verb != "list" {
			return usagef("%s: what waits can only be listed", verb)
		}
		return a.printWaiting(ctx, std.out, filter)
	}
	if *all && len(ids) == 0 {
		list, err := a.listDead(ctx, filter)
		if err != nil {
			return err
		}
		for _, d := range list {
			ids = append(ids, d.ID)
		}
	} else if verb != "list" && verb != "summary" && len(ids) == 0 {
		return usagef("%s: want ids, or -all", verb)
	}
	switch verb {
	case "list":
		return a.printDead(ctx, std.out, filter)
	case "summary":
		return a.summarizeDead(ctx, std.out, filter)
	case "show":
		return bulk(ctx, std, verb, ids, func(id string) error { return a.showDead(ctx, std.out, id) })
	case "export":
		return a.exportDead(ctx, std, ids, *to)
	case "retry":
		return a.retryDead(ctx, std, ids)
	case "drop":
		return bulk(ctx, std, verb, ids, func(id string) error {
			if err := a.call(ctx, "POST", "/-/dead/"+url.PathEscape(id)+"/drop", nil); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "%s dropped\n", id)
			return nil
		})
	}
	return usagef("want list, summary, show, export, import, retry or drop, got %q", verb)
}

// adminClient talks to a running daemon.
type adminClient struct {
	base string
	http *http.Client
	lang message.Language // of reasons
}

func newAdminClient(dir, base string) (*adminClient, error) {
	cfg, problems := proxy.ReadConfig(dir)
	if base == "" {
		if len(problems) > 0 {
			return nil, problems
		}
		addr := cfg.Admin.Listen
		if strings.HasPrefix(addr, ":") || strings.HasPrefix(addr, "0.0.0.0:") {
			addr = "127.0.0.1" + addr[strings.LastIndex(addr, ":"):]
		}
		base = "http://" + addr
	}
	return &adminClient{base: strings.TrimRight(base, "/"), http: &http.Client{Timeout: 30 * time.Second, Transport: knocking{cfg.Admin.Password}}}, nil
}

// knocking brings the password of the admin listener along, if it has one.
type knocking struct{ password string }

func (k knocking) RoundTrip(r *http.Request) (*http.Response, error) {
	if k.password != "" {
		r = r.Clone(r.Context())
		r.SetBasicAuth("yiqiao", k.password)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// call asks the daemon and decodes its answer into v, which may be nil.
func (a *adminClient) call(ctx context.Context, method, path string, v any) error {
	body, err := a.ask(ctx, method, path, nil)
	if err != nil || v == nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// ask sends a body, which may be nil, and returns that of the answer.
func (a *adminClient) ask(ctx context.Context, method, path string, send []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(send))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Language", a.lang.String())
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the daemon does not answer; is it running with this site? %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnprocessableEntity { // 422: files that do not load
		var e struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(body, &e) == nil && e.Error != "" {
			return nil, &answeredError{resp.StatusCode, e.Error}
		}
		return nil, fmt.Errorf("the daemon answered %s: %s", resp.Status, bytes.TrimSpace(body[:min(len(body), 300)]))
	}
	return body, nil
}

func (a *adminClient) listDead(ctx context.Context, filter url.Values) ([]proxy.DeadLetter, error) {
	return listAll(ctx, a, "/-/dead", filter, func(d *proxy.DeadLetter) string { return d.ID })
}

// listAll asks for page after page.
func listAll[T any](ctx context.Context, a *adminClient, path string, filter url.Values, id func(*T) string) ([]T, error) {
	var all []T
	q := maps.Clone(filter)
	q.Set("limit", "1000")
	for {
		var page []T
		if err := a.call(ctx, "GET", path+"?"+q.Encode(), &page); err != nil {
			return nil, err
		}
		if all = append(all, page...); len(page) < 1000 {
			return all, nil
		}
		q.Set("after", id(&page[len(page)-1]))
	}
}

// printWaiting tells of each entry what it waits for. Those behind another one
// of their device or code wait for that.
func (a *adminClient) printWaiting(ctx context.Context, w io.Writer, filter url.Values) error {
	list, err := listAll(ctx, a, "/-/waiting", filter, func(i *proxy.Waiting) string { return i.ID })
	if err != nil {
		return err
	}
	for _, i := range list {
		fmt.Fprintf(w, "%s  %s  %-10s %s %s\n    %s\n", i.ID, i.Admitted.Local().Format(time.DateTime), i.Interface, i.Source, i.Device, whyWaiting(&i))
	}
	fmt.Fprintf(w, "%d waiting\n", len(list))
	return nil
}

func whyWaiting(i *proxy.Waiting) string {
	switch {
	case i.Reason == "":
		return "not tried yet"
	case i.Due.Before(time.Now()):
		return i.Reason
	}
	return fmt.Sprintf("%s (again at %s)", i.Reason, i.Due.Local().Format(time.TimeOnly))
}

// summarizeDead counts dead letters, the most frequent first.
func (a *adminClient) summarizeDead(ctx context.Context, w io.Writer, filter url.Values) error {
	var list []proxy.Summary
	if err := a.call(ctx, "GET", "/-/dead/summary?"+filter.Encode(), &list); err != nil {
		return err
	}
	total := 0
	for _, s := range list {
		total += s.Count
		fmt.Fprintf(w, "%6d  %-15s %s %s  (%s … %s)\n        %s\n", s.Count, s.Class, s.Source, s.Device, s.Oldest.Local().Format(time.DateTime), s.Newest.Local().Format(time.DateTime), a.reason(s.Sample, s.Chinese))
	}
	fmt.Fprintln(w, count(total, "dead letter"))
	return nil
}

// reason is why, in the language of who asked; not every reason has two.
func (a *adminClient) reason(english, chinese string) string {
	if a.lang == message.Chinese && chinese != "" {
		return chinese
	}
	return english
}

func (a *adminClient) printDead(ctx context.Context, w io.Writer, filter url.Values) error {
	list, err := a.listDead(ctx, filter)
	if err != nil {
		return err
	}
	for _, d := range list {
		fmt.Fprintf(w, "%s  %s  %-14s %s %s\n    %s\n", d.ID, d.Admitted.Local().Format(time.DateTime), d.Class, d.Source, d.Device, a.reason(d.Reason, d.Chinese))
	}
	fmt.Fprintln(w, count(len(list), "dead letter"))
	return nil
}

func (a *adminClient) showDead(ctx context.Context, w io.Writer, id string) error {
	var o struct {
		proxy.DeadLetter
		Request json.RawMessage `json:"request"`
		Record  string          `json:"record"`
		Trace   string          `json:"trace"`
		Body    []byte          `json:"body"`
	}
	if err := a.call(ctx, "GET", "/-/dead/"+url.PathEscape(id), &o); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s  %s  %s\n%s: %s\nrules %s, mapping %s, attempts %d\nrequest %s\n", o.ID, o.Admitted.Local().Format(time.DateTime), o.Device, o.Class, a.reason(o.Reason, o.Chinese), o.Generation, o.Mapping, o.Attempts, o.Request)
	if o.Record != "" {
		fmt.Fprintf(w, "record %s\n", o.Record)
	}
	fmt.Fprintf(w, "with the rules of now:\n%s", o.Trace)
	fmt.Fprintf(w, "body (%d bytes):\n%s\n", len(o.Body), printable(shorten(o.Body, 4000)))
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

// exportDead writes originals as captured requests.
func (a *adminClient) exportDead(ctx context.Context, std stdio, ids []string, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return bulk(ctx, std, "export", ids, func(id string) error {
		data, err := a.ask(ctx, "GET", "/-/dead/"+url.PathEscape(id)+"/original", nil)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, id+".http")
		if err := os.WriteFile(name, data, 0o600); err != nil { // it holds what the device sent
			return err
		}
		fmt.Fprintln(std.out, name)
		return nil
	})
}

// importEvents hands captured requests to the daemon as if they came now. A
// folder stands for the .http files in it.
func (a *adminClient) importEvents(ctx context.Context, std stdio, names []string, again bool) error {
	var files []string
	for _, name := range names {
		if st, err := os.Stat(name); err != nil || !st.IsDir() {
			files = append(files, name)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(name, "*.http"))
		if err != nil {
			return err
		}
		files = append(files, inside...)
	}
	if len(files) == 0 {
		return usagef("import: want .http files, or a folder that holds some")
	}
	return bulk(ctx, std, "import", files, func(name string) error {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		answer, err := a.ask(ctx, "POST", fmt.Sprintf("/-/events?again=%t", again), data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var got proxy.Imported
		if err := json.Unmarshal(answer, &got); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s %s\n", name, got.Outcome)
		return nil
	})
}

// retryDead maps letters again; those that no rule takes yet stay.
func (a *adminClient) retryDead(ctx context.Context, std stdio, ids []string) error {
	outcomes, still := map[string]int{}, 0
	err := bulk(ctx, std, "retry", ids, func(id string) error {
		var r proxy.Retried
		if err := a.call(ctx, "POST", "/-/dead/"+url.PathEscape(id)+"/retry", &r); err != nil {
			return err
		}
		if r.Outcome == "" {
			still++
			fmt.Fprintf(std.out, "%s still dead: %s\n", id, a.reason(r.Reason, r.Chinese))
			return nil
		}
		outcomes[r.Outcome]++
		fmt.Fprintf(std.out, "%s %s\n", id, r.Outcome)
		return nil
	})
	if len(ids) > 1 {
		for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
			fmt.Fprintf(std.out, "%d %s, ", outcomes[outcome], outcome)
		}
		fmt.Fprintf(std.out, "%d still dead\n", still)
	}
	if err == nil && still > 0 {
		return errFindings
	}
	return err
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
