package disk

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"yiqiao/proxy/store"
)

// presenceName is the file of the sightings. It is not worth a place in the
// log: what is lost with it is when devices were last heard of, and they are
// heard of again. Damage, and a disk that is full, cost no more than that.
const presenceName = "presence.json"

// presenceEvery is how much of what was seen the end of the process may cost.
const presenceEvery = time.Minute

// presence is the board of the one process that has the folder open.
type presence struct {
	sync.Mutex
	board store.Board
	saved time.Time // when the file was written, by the caller's clock
}

func (s *Store) loadPresence() {
	data, err := os.ReadFile(filepath.Join(s.folder, presenceName))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var all []store.Sighting
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		s.notes = append(s.notes, presenceName+" cannot be read, and is begun anew: when devices were last heard of is not known: "+err.Error())
		return
	}
	s.presence.board.Load(all)
}

// savePresence replaces the file, or leaves it as it was.
func (s *Store) savePresence() error {
	data, err := json.Marshal(s.presence.board.All())
	if err != nil {
		return err
	}
	name := filepath.Join(s.folder, presenceName)
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// Meet implements store.Store.
func (s *Store) Meet(ctx context.Context, now time.Time, m store.Meeting) (store.Attendance, error) {
	if err := s.enter(ctx); err != nil {
		return store.Attendance{}, err
	}
	defer s.leave()
	p := &s.presence
	p.Lock()
	defer p.Unlock()
	a, told := p.board.Meet(now, m)
	if told || now.Sub(p.saved) >= presenceEvery || now.Before(p.saved) {
		p.saved = now
		// It is tried again in a minute; a full disk is told elsewhere.
		_ = s.savePresence()
	}
	return a, nil
}
