package spec

import "slices"

// WithDicts returns a copy of the catalogue with these dictionaries in place
// of those with their codes, for what the platform tells of its own
// (GET /api/v1/wd/…). The catalogue itself stays as it is: what was compiled
// with it goes on with it.
func (c *Catalogue) WithDicts(dicts ...*Dict) *Catalogue {
	changed := map[*Dict]*Dict{}
	for _, d := range dicts {
		if old := c.Dict(d.Code); old != nil {
			changed[old] = d
		}
	}
	now := func(d *Dict) *Dict {
		if new, ok := changed[d]; ok {
			return new
		}
		return d
	}
	out := c.copy()
	for n, d := range out.Dicts {
		out.Dicts[n] = now(d)
	}
	for _, i := range out.Interfaces {
		i.Fields = slices.Clone(i.Fields)
		for n := range i.Fields {
			f := &i.Fields[n]
			f.Dict = now(f.Dict)
			f.Fields = slices.Clone(f.Fields)
			for m := range f.Fields {
				f.Fields[m].Dict = now(f.Fields[m].Dict)
			}
		}
	}
	return out
}

// WithMaxPicture returns a copy of the catalogue that takes no picture larger
// than n bytes (of the picture itself, not of its Base64). Without it a picture
// over 500 KB, the limit of another client, warns.
func (c *Catalogue) WithMaxPicture(n int) *Catalogue {
	out := c.copy()
	for _, i := range out.Interfaces {
		i.maxPicture = n
	}
	return out
}

func (c *Catalogue) copy() *Catalogue {
	out := &Catalogue{Version: c.Version, Dicts: slices.Clone(c.Dicts)}
	for _, i := range c.Interfaces {
		one := *i
		out.Interfaces = append(out.Interfaces, &one)
	}
	return out
}
