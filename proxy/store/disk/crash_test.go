package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
)

// crashFS is a folder in memory that knows what was synced. crashed returns
// what is left of it after a power cut.
type crashFS struct {
	mu      sync.Mutex
	files   map[string]*crashFile // as the process sees them
	durable map[string]*crashFile // as the folder is on the disk
	lazy    bool                  // planted: sync of data does nothing
	lazyDir bool                  // planted: sync of the folder does nothing
	fail    func(op string) error // before each operation; nil: none
	waits   func()                // before each sync of data, outside of the lock
}

// before has wait called before each sync.
func (c *crashFS) before(wait func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = wait
}

// plant has f called before each operation.
func (c *crashFS) plant(f func(op string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = f
}

type crashFile struct {
	fs     *crashFS
	data   []byte
	synced []byte

	written int // bytes
}

func newCrashFS() *crashFS {
	return &crashFS{files: map[string]*crashFile{}, durable: map[string]*crashFile{}}
}

func (c *crashFS) failing(op string) error {
	if c.fail == nil {
		return nil
	}
	return c.fail(op)
}

func (c *crashFS) create(name string) (file, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failing("create"); err != nil {
		return nil, err
	}
	if c.files[name] != nil {
		return nil, fs.ErrExist
	}
	f := &crashFile{fs: c}
	c.files[name] = f
	return f, nil
}

func (c *crashFS) open(name string) (file, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.files[name]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

func (c *crashFS) remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failing("remove"); err != nil {
		return err
	}
	delete(c.files, name)
	return nil
}

func (c *crashFS) syncDir() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failing("syncDir"); err != nil {
		return err
	}
	if c.lazyDir {
		return nil
	}
	clear(c.durable)
	for name, f := range c.files {
		c.durable[name] = f
	}
	return nil
}

func (c *crashFS) list() ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range c.files {
		names = append(names, name)
	}
	return names, nil
}

func (c *crashFS) space() (free, total int64, err error) { return 0, 0, nil }

// crashed is the folder after a power cut: of what was not synced, each block
// of 4 KB and each change of the folder is there or not, by chance.
func (c *crashFS) crashed(r *rand.Rand) *crashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := newCrashFS()
	names := map[string]bool{}
	for name := range c.files {
		names[name] = true
	}
	for name := range c.durable {
		names[name] = true
	}
	for name := range names {
		f, old := c.files[name], c.durable[name]
		if f != old && r.IntN(2) == 0 {
			f = old
		}
		if f == nil {
			continue
		}
		data := append([]byte(nil), f.synced...)
		size := len(data)
		if len(f.data) != size && r.IntN(2) == 0 {
			size = len(f.data)
		}
		data = append(data, make([]byte, max(0, size-len(data)))...)[:size]
		for at := 0; at < size; at += 4096 {
			if at < len(f.data) && r.IntN(2) == 0 {
				copy(data[at:min(at+4096, size)], f.data[at:min(at+4096, len(f.data))])
			}
		}
		kept := &crashFile{fs: out, data: data, synced: append([]byte(nil), data...)}
		out.files[name], out.durable[name] = kept, kept
	}
	return out
}

func (f *crashFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.data)) {
		return 0, errEOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, errEOF
	}
	return n, nil
}

func (f *crashFile) write(parts [][]byte, off int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	b := bytes.Join(parts, nil)
	if err := f.fs.failing("write"); err != nil {
		f.put(b[:len(b)/2], off) // a short write
		return err
	}
	f.put(b, off)
	return nil
}

func (f *crashFile) put(b []byte, off int64) {
	f.written += len(b)
	if end := int(off) + len(b); end > len(f.data) {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[off:], b)
}

func (f *crashFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.data = append([]byte(nil), f.data[:min(int(size), len(f.data))]...)
	return nil
}

func (f *crashFile) size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *crashFile) sync() error {
	f.fs.mu.Lock()
	wait := f.fs.waits
	f.fs.mu.Unlock()
	if wait != nil {
		wait()
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.failing("sync"); err != nil {
		return err
	}
	if !f.fs.lazy {
		f.synced = append(f.synced[:0], f.data...)
	}
	return nil
}

func (f *crashFile) Close() error { return nil }

var errIO = errors.New("planted: input/output error")

var errEOF = io.EOF
