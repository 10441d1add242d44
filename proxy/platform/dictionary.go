package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The bounds of a dictionary's answer. The largest of the standard, the
// administrative divisions of the country, has some 3,500 entries.
const (
	maxDictionary        = 8 << 20 // bytes
	maxDictionaryEntries = 100_000
)

// Dictionary is what the platform has for one of the dictionaries (规范 1.6).
type Dictionary struct {
	Entries []DictionaryEntry `json:"entries"`
	// Validators of the answer, for the next question; empty: it gave none.
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
}

// DictionaryEntry is a code with its label.
type DictionaryEntry struct {
	Code  string `json:"code"`
	Label string `json:"label"`
}

// Dictionary asks for the dictionary at a path like "wd/xbdm" (规范 1.6: GET
// …/api/v1/wd/…). known is the last answer: where the platform says that it
// still holds, Dictionary returns known itself and changed is false. The breaker and
// the pauses are not asked: a dictionary is one small question, and its failure
// says nothing about records.
func (c *Client) Dictionary(ctx context.Context, path string, known Dictionary) (d Dictionary, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	fail := func(err error) (Dictionary, bool, error) {
		return known, false, fmt.Errorf("dictionary %q: %s", path, c.clean(withoutURL(err).Error()))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+c.query, nil)
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "yiqiao")
	if known.ETag != "" {
		req.Header.Set("If-None-Match", known.ETag)
	}
	if known.Modified != "" {
		req.Header.Set("If-Modified-Since", known.Modified)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && len(known.Entries) > 0 {
		return known, false, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDictionary+1))
	switch {
	case err != nil:
		return fail(err)
	case len(body) > maxDictionary:
		return fail(fmt.Errorf("the answer is longer than %d bytes", maxDictionary))
	case resp.StatusCode != http.StatusOK:
		return fail(fmt.Errorf("HTTP %d %s", resp.StatusCode, readReply(body).message))
	}
	d.Entries, err = readDictionary(body)
	if err != nil {
		return fail(err)
	}
	d.ETag, d.Modified = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	return d, true, nil
}

// dictionaryRow is an entry as platforms write it: the standard's surviving
// pages do not show the form, its clients know {"zdx": code, "zdz": label}, one
// renames zdx to zdid.
type dictionaryRow struct {
	Code  json.RawMessage `json:"zdx"`
	ID    json.RawMessage `json:"zdid"`
	Label json.RawMessage `json:"zdz"`
}

// readDictionary reads a list of entries, bare or as the data of the standard's
// answer. An empty one is an error: it would make every code unknown.
func readDictionary(body []byte) ([]DictionaryEntry, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if !bytes.HasPrefix(body, []byte("[")) {
		r := readReply(body)
		switch {
		case !r.json:
			return nil, errors.New("want a JSON list of {zdx, zdz}, got " + unreadable(r, body))
		case r.code != "0":
			return nil, fmt.Errorf("the platform answered code %q: %s", r.code, r.message)
		}
		var envelope struct {
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &envelope); err != nil {
			return nil, fmt.Errorf("want a JSON list of {zdx, zdz}: %w", err)
		}
		body = envelope.Data
	}
	var rows []dictionaryRow
	if err := json.Unmarshal(body, &rows); err != nil {
		return nil, fmt.Errorf("want a JSON list of {zdx, zdz}: %w", err)
	}
	return entriesOf(rows)
}

func entriesOf(rows []dictionaryRow) ([]DictionaryEntry, error) {
	if len(rows) == 0 || len(rows) > maxDictionaryEntries {
		return nil, fmt.Errorf("want 1 to %d entries, got %d", maxDictionaryEntries, len(rows))
	}
	entries := make([]DictionaryEntry, 0, len(rows))
	labels := make(map[string]string, len(rows))
	for n, row := range rows {
		e := DictionaryEntry{scalar(row.Code), scalar(row.Label)}
		if e.Code == "" {
			e.Code = scalar(row.ID)
		}
		if e.Code == "" || e.Label == "" {
			return nil, fmt.Errorf("entry %d: want a code (zdx or zdid) and a label (zdz), got %q and %q", n+1, e.Code, e.Label)
		}
		switch first, again := labels[e.Code]; {
		case !again:
			labels[e.Code] = e.Label
			entries = append(entries, e)
		case strings.TrimSpace(first) != strings.TrimSpace(e.Label):
			return nil, fmt.Errorf("entry %d: code %q is %q here and %q before", n+1, e.Code, e.Label, first)
		}
	}
	return entries, nil
}
