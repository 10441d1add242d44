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
	space() (free, total int64, err error) // bytes that can still be written, and of all; total 0: unknown
}

type file interface {
	io.ReaderAt
	io.Closer
	write(parts [][]byte, off int64) error // all of them, one behind the other
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

// class of a segment: dead letters lie apart, or they would keep segments of
// the traffic from going.
type class int

const (
	live class = iota
	dead
	classes
)

var suffixes = [classes]string{".seg", ".dead.seg"}

// segment is a file of the log. Both classes share one series of numbers.
type segment struct {
	n     int64
	class class
}

func (s segment) String() string { return fmt.Sprintf("%016x%s", s.n, suffixes[s.class]) }

// segments lists the segments, their numbers ascending.
func segments(fs fileSystem) ([]segment, error) {
	names, err := fs.list()
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, name := range names {
		var s segment
		hex, suffix, _ := strings.Cut(name, ".")
		if s.class = class(slices.Index(suffixes[:], "."+suffix)); s.class < 0 {
			continue
		}
		if _, err := fmt.Sscanf(hex, "%016x", &s.n); err == nil && s.String() == name {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b segment) int { return int(a.n - b.n) })
	return list, nil
}

// behind is what is left of parts when n bytes of them were written.
func behind(parts [][]byte, n int) [][]byte {
	for len(parts) > 0 && n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if n == 0 || len(parts) == 0 {
		return parts
	}
	return append([][]byte{parts[0][n:]}, parts[1:]...)
}
