package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fileSystem is what the log needs of a folder. Tests have one that fails and
// one that forgets what was not synced.
type fileSystem interface {
	create(name string) (file, error) // which must not be there yet
	open(name string) (file, error)
	remove(name string) error
	syncDir() error
	list() ([]string, error)
	free() (int64, error) // bytes that can still be written; <0: unknown
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	size() (int64, error)
	sync() error // of data, and of what is needed to read it
}

// osFiles is a real folder.
type osFiles struct{ dir string }

type osFile struct{ *os.File }

func (d osFiles) create(name string) (file, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osFiles) open(name string) (file, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osFiles) remove(name string) error { return os.Remove(filepath.Join(d.dir, name)) }

func (d osFiles) syncDir() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d osFiles) list() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (f osFile) size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func segmentName(n int64) string { return fmt.Sprintf("%016x.seg", n) }

// segments lists the numbers of the segments, ascending.
func segments(fs fileSystem) ([]int64, error) {
	names, err := fs.list()
	if err != nil {
		return nil, err
	}
	var ns []int64
	for _, name := range names {
		var n int64
		if hex, ok := strings.CutSuffix(name, ".seg"); ok {
			if _, err := fmt.Sscanf(hex, "%016x", &n); err == nil && segmentName(n) == name {
				ns = append(ns, n)
			}
		}
	}
	slices.Sort(ns)
	return ns, nil
}
