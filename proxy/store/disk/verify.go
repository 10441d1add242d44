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
	ns, err := segments(fs)
	if err != nil {
		return nil, err
	}
	var list []Checked
	for _, n := range ns {
		c, err := verifySegment(fs, n)
		if err != nil {
			return list, fmt.Errorf("%s: %w", segmentName(n), err)
		}
		list = append(list, c)
	}
	return list, nil
}

func verifySegment(fs fileSystem, n int64) (c Checked, err error) {
	f, err := fs.open(segmentName(n))
	if err != nil {
		return c, err
	}
	defer f.Close()
	c.File = segmentName(n)
	if c.Bytes, err = f.size(); err != nil {
		return c, err
	}
	for at := int64(0); at < c.Bytes; {
		group, end, damage := scan(f, at, c.Bytes)
		c.Records += len(group)
		at = end
		if damage == nil {
			continue
		}
		c.Damage = append(c.Damage, &store.CorruptError{File: c.File, Offset: end, Err: damage})
		if at = resync(f, end+8, c.Bytes); at < 0 {
			break
		}
	}
	return c, nil
}
