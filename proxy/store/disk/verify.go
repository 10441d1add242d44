package disk

import (
	"fmt"
	"path/filepath"

	"yiqiao/proxy/store"
)

// Checked is what Verify found in one segment.
type Checked struct {
	File    string
	Bytes   int64
	Records int
	Damage  []*store.CorruptError
}

// Verify reads the whole log of a folder and proves every sum. Nothing is
// changed. Nobody else may have the store open.
func Verify(folder string) ([]Checked, error) {
	lock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	fs := osFiles{filepath.Join(folder, logFolder)}
	segs, err := segments(fs)
	if err != nil {
		return nil, err
	}
	var list []Checked
	for _, seg := range segs {
		c, err := verifySegment(fs, seg)
		if err != nil {
			return list, fmt.Errorf("%s: %w", seg, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func verifySegment(fs fileSystem, seg segment) (c Checked, err error) {
	f, err := fs.open(seg.String())
	if err != nil {
		return c, err
	}
	defer f.Close()
	c.File = seg.String()
	if c.Bytes, err = f.size(); err != nil {
		return c, err
	}
	r := &segmentReader{file: f, size: c.Bytes, damage: func(at, _ int64, err error) bool {
		c.Damage = append(c.Damage, &store.CorruptError{File: c.File, Offset: at, Err: err})
		return false
	}}
	for {
		found, err := r.next()
		if found == nil || err != nil {
			return c, err
		}
		c.Records++
	}
}
