//go:build !linux

package disk

import "os"

func (f osFile) sync() error { return f.Sync() }

func (f osFile) write(parts [][]byte, off int64) error {
	for _, p := range parts {
		n, err := f.WriteAt(p, off)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

func (d osFiles) space() (free, total int64, err error) { return 0, 0, nil }

// allocate gives a file n bytes of the disk.
func allocate(f *os.File, n int64) error {
	_, err := f.Write(make([]byte, n))
	return err
}
