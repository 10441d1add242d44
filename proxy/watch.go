package proxy

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleFor is how long a site's files must rest before they are loaded: an
// editor writes several times, a copy writes many files.
const settleFor = 200 * time.Millisecond

// settleMost is how long changes may put off a reload.
const settleMost = 2 * time.Second

// Watch reloads when a file of the site changes, until ctx ends. Folders are
// watched, not files: editors replace files.
func (p *Proxy) Watch(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	p.watchFolders(w)
	timer := time.NewTimer(0)
	<-timer.C
	defer timer.Stop()
	var first time.Time // of the changes that are not loaded yet
	changed := func() {
		if first.IsZero() {
			first = time.Now()
		}
		timer.Reset(min(settleFor, time.Until(first.Add(settleMost))))
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return nil
			}
			if e.Op != fsnotify.Chmod && p.interesting(e.Name) {
				changed()
			}
		case err, ok := <-w.Errors:
			if !ok {
				return nil
			}
			p.log.WarnContext(ctx, "watching the site's files", "err", err)
			changed() // events may have been lost
		case <-timer.C:
			first = time.Time{}
			p.watchFolders(w)
			p.reloadChanged(ctx, "a file changed", p.site.Load)
		}
	}
}

// interesting leaves out what the process writes itself and editors' files.
func (p *Proxy) interesting(name string) bool {
	base := filepath.Base(name)
	if strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~") || strings.HasSuffix(base, ".swp") {
		return false
	}
	data := inside(p.site.Dir, p.Generation().Config.Store.Disk)
	return p.Generation().Config.Store.Disk == "" || !strings.HasPrefix(name, data+string(filepath.Separator)) && name != data
}

// watchFolders adds the site's folders, and those of its tables; adding one
// twice does nothing.
func (p *Proxy) watchFolders(w *fsnotify.Watcher) {
	dir := p.site.Dir
	folders := map[string]bool{dir: true}
	configs := []*Config{p.Generation().Config}
	if w := p.pending.waits.Load(); w != nil {
		configs = append(configs, w.Generation.Config)
	}
	for _, c := range configs {
		for _, t := range c.Tables {
			folders[filepath.Dir(inside(dir, t.File))] = true
		}
	}
	_ = filepath.WalkDir(filepath.Join(dir, "mappings"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			folders[name] = true
		}
		return nil // a folder that cannot be read is told by the reload
	})
	for f := range folders {
		if err := w.Add(f); err != nil {
			p.log.Warn("folder not watched", "folder", f, "err", err)
		}
	}
}
