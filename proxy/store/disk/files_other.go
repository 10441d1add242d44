//go:build !linux

package disk

func (f osFile) sync() error { return f.Sync() }

func (d osFiles) free() (int64, error) { return -1, nil }
