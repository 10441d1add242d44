package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"yiqiao/proxy"
	"yiqiao/transform"
)

// runCapture waits for the next requests of a running daemon and writes each as
// a .http file, which map, test and dead import read. Without a source it takes
// all, and those that no source listens for: with a new device there is none.
func runCapture(ctx context.Context, std stdio, args []string) error {
	f := flags("capture")
	dir := f.String("site", ".", "folder of the site whose daemon is asked")
	base := f.String("url", "", "address of the daemon's admin listener, instead of the site's")
	n := f.Int("n", 1, "how many requests")
	length := f.Duration("for", 10*time.Minute, "how long to wait for them")
	to := f.String("to", ".", "folder that they are written to")
	replace := f.Bool("replace", false, "replace pictures and what is personal, so that the files may become cases")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(words) > 1 {
		return unexpected(words[1:])
	}
	q := url.Values{"n": {strconv.Itoa(*n)}, "for": {length.String()}}
	if len(words) == 1 {
		q.Set("source", words[0])
	}
	a, err := newAdminClient(*dir, *base)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*to, 0o700); err != nil {
		return err
	}
	a.http.Timeout = 0 // it answers for as long as it was told
	got, err := a.capture(ctx, std, q, keeper{*to, *replace})
	if err == nil && got < *n {
		return fmt.Errorf("%s came in %s, want %d", count(got, "request"), *length, *n)
	}
	return err
}

func (a *adminClient) capture(ctx context.Context, std stdio, q url.Values, keep keeper) (got int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/-/capture?"+q.Encode(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("the daemon does not answer; is it running with this site? %w", err)
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Error string `json:"error"`
		}
		_ = lines.Decode(&e)
		return 0, errors.New(e.Error)
	}
	fmt.Fprintln(std.err, "waiting for what devices send …")
	for {
		var c proxy.Captured
		if err := lines.Decode(&c); err != nil {
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				err = nil
			}
			return got, err
		}
		got++
		if err := keep.write(std.out, c); err != nil {
			return got, err
		}
	}
}

// keeper is where captured requests are kept, and how.
type keeper struct {
	folder  string
	replace bool // pictures and what is personal
}

// write writes a request to a file whose name is not there yet.
func (k keeper) write(w io.Writer, c proxy.Captured) error {
	if k.replace {
		c.HTTP = transform.Replace("captured.http", c.HTTP)
	}
	source := c.Source
	if source == "" {
		source = "unclaimed"
	}
	for n := 1; ; n++ {
		name := filepath.Join(k.folder, fmt.Sprintf("%s-%d.http", source, n))
		file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // it holds what the device sent
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = file.Write(c.HTTP)
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s  %s  %d bytes\n", name, c.Path, len(c.HTTP))
		return nil
	}
}
