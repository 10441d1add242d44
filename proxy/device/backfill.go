package device

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Bounds of a search in a device's memory.
const (
	pageSize  = 30   // of Hikvision; more is refused by some
	manyOnce  = 1000 // of Dahua, whose devices give as many as they like
	maxPages  = 2000
	maxAnswer = 4 << 20
	askTime   = 30 * time.Second // of one page
)

// Filler asks a device for what happened between two times of its own clock,
// and hands each on as a body; take returns when it is stored.
type Filler func(ctx context.Context, c *Client, address string, cred Credentials, from, to time.Time, take func(ctx context.Context, contentType string, body []byte) error) error

// ErrNoMemory says that a device keeps no events that could be asked for.
var ErrNoMemory = fmt.Errorf("the device keeps no events that could be asked for")

// ask does one request of a search.
func ask(ctx context.Context, c *Client, method, address string, cred Credentials, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req, cred)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, ErrCredentials
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return nil, fmt.Errorf("%w: %w", ErrNoMemory, &Status{res.StatusCode})
	default:
		return nil, &Status{res.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if len(data) > maxAnswer {
		return nil, &TooLarge{maxAnswer}
	}
	return data, err
}

// acsCond is what Hikvision's search is asked; major 5 are the events of doors,
// minor 0 all of these.
type acsCond struct {
	SearchID  string `json:"searchID"`
	Position  int    `json:"searchResultPosition"`
	Max       int    `json:"maxResults"`
	Major     int    `json:"major"`
	Minor     int    `json:"minor"`
	StartTime string `json:"startTime"`
	EndTime   string `json:"endTime"`
}

// acsEvent searches the memory of a Hikvision terminal (POST
// /ISAPI/AccessControl/AcsEvent). Each event found is handed on alone, as
// {"AcsEvent":{"InfoList":[…]}}: one that cannot be mapped holds up no other.
func acsEvent(ctx context.Context, c *Client, address string, cred Credentials, from, to time.Time, take func(context.Context, string, []byte) error) error {
	cond := acsCond{SearchID: strconv.FormatInt(to.UnixNano(), 36), Max: pageSize, Major: 5, StartTime: from.Format(time.RFC3339), EndTime: to.Format(time.RFC3339)}
	for range maxPages {
		body, err := json.Marshal(map[string]acsCond{"AcsEventCond": cond})
		if err != nil {
			return err
		}
		data, err := ask(ctx, c, http.MethodPost, address+"/ISAPI/AccessControl/AcsEvent?format=json", cred, body)
		if err != nil {
			return err
		}
		page := gjson.GetBytes(data, "AcsEvent")
		if !gjson.ValidBytes(data) || !page.Exists() {
			return fmt.Errorf("want a page of AcsEvent, got %.80q", data)
		}
		list := page.Get("InfoList").Array()
		for _, item := range list {
			if err := take(ctx, "application/json", []byte(`{"AcsEvent":{"InfoList":[`+item.Raw+`]}}`)); err != nil {
				return err
			}
		}
		if cond.Position += len(list); len(list) == 0 || page.Get("responseStatusStrg").String() != "MORE" {
			return nil
		}
	}
	return fmt.Errorf("the device has more than %d pages", maxPages)
}

// recordFinder searches the memory of a Dahua terminal (recordFinder.cgi): lines
// records[0].RecNo=…. Each record is handed on alone, as records[0]. Where one
// answer does not hold all, the next is asked from the last one's time on.
func recordFinder(ctx context.Context, c *Client, address string, cred Credentials, from, to time.Time, take func(context.Context, string, []byte) error) error {
	for range maxPages {
		q := url.Values{"action": {"find"}, "name": {"AccessControlCardRec"}, "StartTime": {strconv.FormatInt(from.Unix(), 10)}, "EndTime": {strconv.FormatInt(to.Unix(), 10)}, "count": {strconv.Itoa(manyOnce)}}
		data, err := ask(ctx, c, http.MethodGet, address+"/cgi-bin/recordFinder.cgi?"+q.Encode(), cred, nil)
		if err != nil {
			return err
		}
		records, last, err := splitRecords(data)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := take(ctx, "text/plain", r); err != nil {
				return err
			}
		}
		// It ends when nothing later than the last one's second is left; more
		// in one second than an answer holds cannot be asked for.
		if !last.After(from) {
			return nil
		}
		from = last
	}
	return fmt.Errorf("the device has more than %d pages", maxPages)
}

// splitRecords makes a text of each record of an answer, with the lines that
// it had there; last is the latest CreateTime.
func splitRecords(data []byte) (list [][]byte, last time.Time, err error) {
	place := map[string]int{}
	found := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "found=") || strings.HasPrefix(line, "totalCount=") {
			found = true
		}
		rest, ok := strings.CutPrefix(line, "records[")
		if !ok {
			continue
		}
		n, field, ok := strings.Cut(rest, "].")
		if !ok {
			continue
		}
		i, seen := place[n]
		if !seen {
			i = len(list)
			place[n], list = i, append(list, nil)
		}
		list[i] = append(list[i], "records[0]."+field+"\r\n"...)
		if v, ok := strings.CutPrefix(field, "CreateTime="); ok {
			if sec, err := strconv.ParseInt(v, 10, 64); err == nil && sec > last.Unix() {
				last = time.Unix(sec, 0)
			}
		}
	}
	if !found && len(list) == 0 {
		return nil, last, fmt.Errorf("want records, got %.80q", data)
	}
	return list, last, nil
}
