package disk

import "syscall"

func (f osFile) sync() error { return syscall.Fdatasync(int(f.Fd())) }

func (d osFiles) free() (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
