package storetest

import (
	"context"
	"time"

	"yiqiao/proxy/store"
)

// modelVersion of a registration.
type modelVersion struct {
	id     string
	digest store.Key
	at     time.Time // of its acceptance
}

// registers is the key of what an entry registers; zero: nothing.
func registers(e *store.Entry) store.Key {
	if e.Dead != nil {
		return store.Key{}
	}
	return e.Registers.Key
}

// unchanged tells whether e is the latest version already, and which entry
// brought it. In one call the entries before it, pending, come first.
func (m *Model) unchanged(e *store.Entry, pending map[store.Key]modelVersion) (string, bool) {
	v, ok := pending[e.Registers.Key]
	if !ok {
		v, ok = m.latest(e.Registers.Key)
	}
	return v.id, ok && v.digest == e.Digest && !e.Again
}

func (m *Model) latest(key store.Key) (modelVersion, bool) {
	for i := len(m.entries) - 1; i >= 0; i-- {
		if e := m.entries[i]; e.info.State == store.Ready && e.registers == key {
			return modelVersion{id: e.info.ID, digest: e.digest}, true
		}
	}
	v, ok := m.accepted[key]
	return v, ok
}

// Registered implements store.Store.
func (m *Model) Registered(ctx context.Context, refs []store.Ref) ([]store.Registration, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	out := make([]store.Registration, len(refs))
	for i, ref := range refs {
		v := m.accepted[ref.Key]
		out[i].Accepted, out[i].AcceptedID = v.at, v.id
		for _, e := range m.entries {
			if e.info.State == store.Ready && e.registers == ref.Key {
				out[i].Waiting, out[i].Since = e.info.ID, e.info.Admitted
				break
			}
		}
	}
	return out, nil
}

// Hasten implements store.Store.
func (m *Model) Hasten(ctx context.Context, now time.Time, ids []string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, id := range ids {
		if e := m.find(id); e != nil && e.info.State == store.Ready && e.info.Due.After(now) {
			e.info.Due = now
		}
	}
	return nil
}

// Meet implements store.Store.
func (m *Model) Meet(ctx context.Context, now time.Time, meeting store.Meeting) (store.Attendance, error) {
	if err := m.enter(ctx); err != nil {
		return store.Attendance{}, err
	}
	defer m.mu.Unlock()
	a, _ := m.board.Meet(now, meeting)
	return a, nil
}
