package transform

import "maps"

// LoadWith is Load with files as if the last pack held them: by their name in
// a pack, hikvision/access.yaml, the texts that somebody is writing. prefix is
// put before the names in messages, as Pack.Prefix is.
func LoadWith(o Options, prefix string, files map[string][]byte) (*Rules, Problems) {
	edited := maps.Clone(o.files)
	if edited == nil {
		edited = map[string]packFile{}
	}
	for name, data := range files {
		edited[name] = packFile{prefix + "/" + name, data}
	}
	o.files = edited
	return Load(o)
}
