package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"yiqiao/proxy"
)

// runReload asks a running daemon to load the site's files, and says what
// changes; or says what a person makes of a generation that waits.
func runReload(ctx context.Context, std stdio, args []string) error {
	f := flags("reload")
	languageFlag(f, &std)
	dir := f.String("site", ".", "folder of the site whose daemon is asked")
	base := f.String("url", "", "address of the daemon's admin listener, instead of the site's")
	show := f.Bool("show", false, "show how the last reload went and what waits; load nothing")
	accept := f.Bool("accept", false, "let the generation that waits take traffic")
	reject := f.Bool("reject", false, "drop the generation that waits; the same files do not wait again by themselves")
	asJSON := f.Bool("json", false, "the daemon's answer as it is")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	method, path, verdicts := http.MethodPost, "/-/reload", 0
	for _, v := range []struct {
		set          bool
		method, path string
	}{{*show, http.MethodGet, "/-/reload"}, {*accept, method, "/-/reload/accept"}, {*reject, method, "/-/reload/reject"}} {
		if v.set {
			method, path = v.method, v.path
			verdicts++
		}
	}
	switch {
	case verdicts > 1:
		return usagef("want one of -show, -accept and -reject")
	case len(words) > 1 || len(words) == 1 && !*accept && !*reject:
		return unexpected(words)
	case len(words) == 1:
		path += "?" + url.Values{"generation": {words[0]}}.Encode()
	}
	a, err := newAdminClient(*dir, *base)
	if err != nil {
		return err
	}
	a.lang = std.language()
	a.http.Timeout = 5 * time.Minute // many events may have to be tried
	body, err := a.ask(ctx, method, path, nil)
	if err != nil {
		return err
	}
	var r proxy.ReloadReply
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	if *asJSON {
		_, err = std.out.Write(body)
	} else {
		printReload(std, &r, *show || *accept || *reject)
	}
	if err == nil && !r.OK && !*accept && !*reject {
		return errFindings
	}
	return err
}

func printReload(std stdio, r *proxy.ReloadReply, show bool) {
	for _, p := range r.Problems {
		fmt.Fprintln(std.out, p)
	}
	switch {
	case !r.OK:
		fmt.Fprintln(std.out, "refused: the files do not load")
	case !r.Changed && !show:
		fmt.Fprintln(std.out, "the files are as they were loaded")
	}
	if r.Difference != nil && r.OK {
		fmt.Fprintf(std.out, "generation %s: ", r.Of)
		r.Difference.Write(std.out)
	}
	fmt.Fprintf(std.out, "in use: generation %s\n", r.Generation)
	if r.Waiting != "" {
		fmt.Fprintf(std.out, "waiting since %s: generation %s\n", r.Since.Format(time.DateTime), r.Waiting)
		fmt.Fprintf(std.out, "  yiqiao reload -accept %[1]s takes it, yiqiao reload -reject %[1]s does not\n", r.Waiting)
	}
}
