package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"yiqiao/proxy"
)

const (
	liveEvery = 200 * time.Millisecond // what happened meanwhile is told together
	liveAlive = 15 * time.Second       // a sign of life, so that who is gone is noticed
)

// happenings is one message of the stream.
type happenings struct {
	List   []proxy.Happening `json:"list"`
	Missed int               `json:"missed"` // more happened than is told
}

// live streams what happens to events, as server-sent events, until the
// watcher goes or the process ends.
func (c *console) live(w http.ResponseWriter, r *http.Request) {
	watcher, ended, stop := c.proxy.WatchEvents()
	if watcher == nil {
		fail(w, http.StatusServiceUnavailable, errors.New("看实况的人太多了，请关掉别的页面"))
		return
	}
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick, last := time.NewTicker(liveEvery), time.Time{}
	defer tick.Stop()
	for {
		text := ""
		if list, missed := watcher.Take(); len(list) > 0 || missed > 0 {
			message, err := json.Marshal(happenings{list, missed})
			if err != nil {
				return // of texts and numbers
			}
			text = "data: " + string(message) + "\n\n"
		} else if time.Since(last) > liveAlive {
			text = ": here\n\n"
		}
		if text != "" {
			last = time.Now()
			_ = out.SetWriteDeadline(last.Add(2 * liveAlive))
			if _, err := io.WriteString(w, text); err != nil || out.Flush() != nil {
				return // the watcher is gone
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		case <-r.Context().Done():
			return
		}
	}
}
