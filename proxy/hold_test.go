package proxy

import (
	"context"
	"time"

	"yiqiao/proxy/store"
)

// holding keeps every admission until it is released, so that events are in
// flight at a time that a test chooses.
type holding struct {
	store.Store
	at      chan struct{} // hears of each that waits
	release chan struct{}
}

func (h *holding) Admit(ctx context.Context, now time.Time, entries []store.Entry) ([]store.Admission, error) {
	h.at <- struct{}{}
	<-h.release
	return h.Store.Admit(ctx, now, entries)
}
