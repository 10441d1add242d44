package disk

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxParts is how many parts one pwritev takes (IOV_MAX).
const maxParts = 1024

func (f osFile) sync() error { return syscall.Fdatasync(int(f.Fd())) }

// write writes parts without putting them together first.
func (f osFile) write(parts [][]byte, off int64) error {
	for len(parts) > 0 {
		n, err := unix.Pwritev(int(f.Fd()), parts[:min(len(parts), maxParts)], off)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return &os.PathError{Op: "pwritev", Path: f.Name(), Err: err}
		case n == 0:
			return io.ErrShortWrite
		}
		off += int64(n)
		parts = behind(parts, n)
	}
	return nil
}

func (d osFiles) space() (free, total int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, nil
}

// allocate gives a file n bytes of the disk.
func allocate(f *os.File, n int64) error { return syscall.Fallocate(int(f.Fd()), 0, 0, n) }
