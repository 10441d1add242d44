package transform

import (
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/message"
)

// A fragment is a file that is no mapping of its own but a piece that mappings
// of the same folder share: its name begins with "_", and it is taken in by
//
//	merge: _common.yaml        # or a list of them; a fragment may merge others
//
// It adds tables, ignore, let and record. What two files give twice is a
// problem: nothing is replaced in silence.
type fragment struct {
	vendor  string
	file    *file
	members []member
	path    []string // of the files that merge it, the mapping first
}

// isFragment tells fragments from mappings by their file name.
func isFragment(name string) bool { return strings.HasPrefix(path.Base(name), "_") }

// fragmentKeys are the keys that a fragment may have; a mapping has them too.
func (mf *mappingFile) fragmentKeys() []key {
	return []key{{"device", false, nil}, {"tables", false, nil}, {"ignore", false, nil}, {"let", false, nil}, {"record", false, nil}}
}

// merge keeps the parts of the fragments that a file names, and those that
// they name themselves; each of them once.
func (l *loader) merge(mf *mappingFile, into fragment) {
	self := path.Base(into.file.name)
	into.path = append(slices.Clone(into.path), self)
	for _, m := range into.members {
		if m.key != "merge" {
			continue
		}
		for _, n := range into.file.elements(m.value) {
			if name, ok := into.file.text(n, "merge"); ok {
				l.mergeOne(mf, into, name, n)
			}
		}
	}
}

func (l *loader) mergeOne(mf *mappingFile, into fragment, name string, at ast.Node) {
	full := path.Join(into.vendor, name)
	found, ok := l.files[full]
	switch {
	case slices.Contains(into.path, name):
		into.file.at(at.GetToken(), message.New("merge-cycle", strings.Join(append(into.path, name), " → ")))
		return
	case !isFragment(name) || strings.Contains(name, "/"):
		into.file.at(at.GetToken(), message.New("merge", name))
		l.unread[into.vendor] = true
		return
	case !ok:
		into.file.at(at.GetToken(), message.New("unknown-fragment", name, hint(name, l.fragments(into.vendor))))
		l.unread[into.vendor] = true
		return
	case slices.Contains(mf.merged, name):
		return // by two ways
	}
	mf.merged = append(mf.merged, name)
	l.used[full] = true
	f, ms := parseFile(found.name, found.data, &l.problems)
	if ms == nil {
		l.unread[into.vendor] = true
		return
	}
	l.merge(mf, fragment{vendor: into.vendor, file: f, members: ms, path: into.path})
	mf.keep(f, ms, message.New("a-fragment"), append(mf.fragmentKeys(), key{"merge", false, nil}))
}

// fragments lists the fragments of a vendor's folder.
func (l *loader) fragments(vendor string) []string {
	var names []string
	for n := range l.files {
		if path.Dir(n) == vendor && isFragment(n) {
			names = append(names, path.Base(n))
		}
	}
	slices.Sort(names)
	return names
}
