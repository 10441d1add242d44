package proxy

import (
	"context"
	"net/http"
	"time"

	"yiqiao/proxy/store"
)

// Waiting is an entry that waits for the platform, or for what it refers to.
type Waiting struct {
	ID         string    `json:"id"`
	Admitted   time.Time `json:"admitted"`
	Due        time.Time `json:"due"`              // not before then is it tried again
	Class      string    `json:"class,omitempty"`  // "waiting": for a registration
	Reason     string    `json:"reason,omitempty"` // what it waits for, or how the last try ended
	Source     string    `json:"source"`
	Mapping    string    `json:"mapping,omitempty"`
	Interface  string    `json:"interface"`
	Device     string    `json:"device,omitempty"`
	Generation string    `json:"generation"`
	Attempts   int       `json:"attempts"`
	Size       int       `json:"size"`
}

// ListWaiting lists entries that wait, oldest first. Of those with one device
// or code only the first one is tried, and only it has a reason.
func (p *Proxy) ListWaiting(ctx context.Context, f store.Filter) ([]Waiting, error) {
	f.State = store.Ready
	infos, err := p.store.List(ctx, f)
	list := make([]Waiting, len(infos))
	for n, i := range infos {
		list[n] = Waiting{
			ID: i.ID, Admitted: i.Admitted, Due: i.Due, Class: string(i.Reason.Class), Reason: i.Reason.Text,
			Source: i.Labels.Source, Mapping: i.Labels.Mapping, Interface: i.Labels.Interface,
			Device: i.Labels.Device, Generation: i.Labels.Generation, Attempts: i.Attempts, Size: i.Size,
		}
	}
	return list, err
}

func (p *Proxy) listWaiting(w http.ResponseWriter, r *http.Request) {
	f, err := listFilter(r)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	list, err := p.ListWaiting(r.Context(), f)
	replyOr(w, list, err)
}
