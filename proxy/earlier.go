package proxy

import (
	"strings"
	"sync"

	"yiqiao/transform"
	"yiqiao/transform/spec"
)

// maxEarlier bounds what is remembered; a site has some hundred 小区.
const maxEarlier = 100_000

// earlier remembers what the names of later records begin with: the name of a
// 小区 that went through this process, for those of its gates, poles and
// barriers (规范 3.4, 8.4, 12.4). What it never saw is not warned of.
type earlier struct {
	given map[string][]int // by interface: its fields that later names begin with
	later map[string]bool  // interfaces that have such names

	mu sync.RWMutex
	of map[nameOf]string
}

// nameOf is a field of an earlier record.
type nameOf struct{ iface, code, field string }

func newEarlier(c *spec.Catalogue) *earlier {
	n := &earlier{given: map[string][]int{}, later: map[string]bool{}, of: map[nameOf]string{}}
	for _, i := range c.Interfaces {
		for f := range i.All {
			of, field, found := strings.Cut(i.Begins(f), ".")
			if !found {
				continue
			}
			n.later[i.Name] = true
			n.given[of] = append(n.given[of], c.Interface(of).FieldIndex(field))
		}
	}
	return n
}

// compare appends to the result's violations what does not fit to earlier
// records, and remembers what later ones have to fit to.
func (n *earlier) compare(res *transform.Result) {
	for r := range res.Records {
		i, doc := res.Records[r].Interface, res.Records[r].Doc
		if !n.later[i.Name] && n.given[i.Name] == nil {
			continue
		}
		values, _ := i.Values(doc)
		if values == nil {
			continue
		}
		res.Violations = i.CheckAgainst(values, n.look, res.Violations)
		if code := i.Code(); code >= 0 {
			n.note(i, values[code].Text, values)
		}
	}
}

func (n *earlier) note(i *spec.Interface, code string, values []spec.Value) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.of) >= maxEarlier {
		clear(n.of)
	}
	for _, f := range n.given[i.Name] {
		n.of[nameOf{i.Name, code, i.Fields[f].Name}] = values[f].Text
	}
}

func (n *earlier) look(of, code, field string) (value string, ok bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	value, ok = n.of[nameOf{of, code, field}]
	return value, ok && value != ""
}
