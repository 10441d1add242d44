package disk

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// Compact gives back what a store does not need: it writes again what is
// needed of segments that are not full of it, and packs the index. A running
// store tidies itself, but leaves a segment alone until three quarters of it
// are not needed. It returns the bytes of the folder before and after.
func Compact(folder string, o Options) (before, after int64, err error) {
	o.still = true
	if before, err = sizeOf(folder); err != nil {
		return 0, 0, err
	}
	s, err := Open(folder, o)
	if err != nil {
		return 0, 0, err
	}
	err = s.compact()
	if err = errors.Join(err, s.Close()); err != nil {
		return 0, 0, err
	}
	after, err = sizeOf(folder)
	return before, after, err
}

func (s *Store) compact() error {
	if err := s.tidyBelow(9, 10); err != nil {
		return err
	}
	s.db.Lock()
	defer s.db.Unlock()
	for _, text := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := s.db.conn.ExecContext(context.Background(), text); err != nil {
			return explain(err)
		}
	}
	return nil
}

// sizeOf is how much a folder takes; the ballast is not counted.
func sizeOf(folder string) (n int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "ballast" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
