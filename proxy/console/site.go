package console

import (
	"net/http"
	"path"
	"slices"

	"yiqiao/proxy"
	"yiqiao/transform"
	"yiqiao/transform/spec"
)

// site is what an editor has to know of the site.
type site struct {
	Generation string           `json:"generation"`
	Sources    []source         `json:"sources"`
	Files      []proxy.PackFile `json:"files"`
	Tables     []table          `json:"tables"`
	Functions  []function       `json:"functions"`
	Keys       []key            `json:"keys"` // of a mapping file
}

type source struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Listen []string `json:"listen"`
}

type table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Rows    int      `json:"rows"`
}

type function struct {
	Usage    string    `json:"usage"`
	Doc      string    `json:"doc"`
	Examples []example `json:"examples"`
}

type example struct {
	Expression string `json:"expression"`
	Value      string `json:"value"`
}

type key struct {
	Name    string   `json:"name"`
	Chinese string   `json:"chinese"`
	English string   `json:"english"`
	Example string   `json:"example,omitempty"`
	Values  []string `json:"values,omitempty"`
}

func (c *console) site(w http.ResponseWriter, r *http.Request) {
	g := c.proxy.Generation()
	out := site{Generation: g.Name(), Files: c.proxy.PackFiles(), Sources: []source{}, Tables: []table{}}
	for _, s := range g.Rules.Sources {
		one := source{s.Name, s.Title, []string{}}
		for _, listen := range s.Routes {
			one.Listen = append(one.Listen, listen.String())
		}
		out.Sources = append(out.Sources, one)
	}
	for name := range g.Config.Tables {
		if t := g.Rules.Table(name); t != nil {
			out.Tables = append(out.Tables, table{name, t.Columns, t.Len()})
		}
	}
	slices.SortFunc(out.Tables, func(a, b table) int { return compare(a.Name, b.Name) })
	for _, f := range transform.Functions() {
		one := function{f.Usage, f.Doc, []example{}}
		for _, e := range f.Examples {
			one.Examples = append(one.Examples, example{e.Expr, e.Want})
		}
		out.Functions = append(out.Functions, one)
	}
	for _, k := range transform.MappingKeys() {
		out.Keys = append(out.Keys, key{k.Name, k.Chinese, k.English, k.Example, k.Values})
	}
	reply(w, http.StatusOK, out)
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// standard is the catalogue, to look up and to complete from.
type standard struct {
	Interfaces   []iface      `json:"interfaces"`
	Dictionaries []dictionary `json:"dictionaries"`
}

type iface struct {
	Name     string      `json:"name"`
	Title    string      `json:"title"`
	Chapter  string      `json:"chapter"`
	After    []string    `json:"after"` // interfaces whose records have to be there before (前置接入)
	Fields   []specField `json:"fields"`
	Rules    []string    `json:"rules"`
	Examples []string    `json:"examples"`
}

type specField struct {
	Name   string   `json:"name"` // "jzxxList[].fwbm" in a list
	Label  string   `json:"label"`
	Need   string   `json:"need"` // 必填, 可选, 有条件
	Checks []string `json:"checks"`
	Dict   string   `json:"dict,omitempty"`
	Source string   `json:"source"` // seed, client or inferred: how sure it is
	Note   string   `json:"note,omitempty"`
}

type dictionary struct {
	Code     string      `json:"code"`
	Name     string      `json:"name"`
	Complete bool        `json:"complete"`
	Entries  []dictEntry `json:"entries"`
}

type dictEntry struct {
	Code  string `json:"code"`
	Label string `json:"label"`
}

var needs = map[spec.Need]string{spec.Required: "必填", spec.Optional: "可选", spec.Conditional: "有条件"}

func (c *console) standard(w http.ResponseWriter, r *http.Request) {
	cat := c.proxy.Generation().Rules.Catalogue
	out := standard{Interfaces: []iface{}, Dictionaries: []dictionary{}}
	for _, i := range cat.Interfaces {
		out.Interfaces = append(out.Interfaces, interfaceOf(i))
	}
	for _, d := range cat.Dicts {
		one := dictionary{d.Code, d.Name, d.Complete, []dictEntry{}}
		for _, e := range d.Entries {
			one.Entries = append(one.Entries, dictEntry{e.Code, e.Label})
		}
		out.Dictionaries = append(out.Dictionaries, one)
	}
	reply(w, http.StatusOK, out)
}

func interfaceOf(i *spec.Interface) iface {
	out := iface{Name: i.Name, Title: i.Title, Chapter: i.Chapter, After: []string{}, Fields: []specField{}, Rules: []string{}, Examples: []string{}}
	for _, p := range i.Prerequisites {
		if !slices.Contains(out.After, p.Of) {
			out.After = append(out.After, p.Of)
		}
	}
	for f := range i.All {
		one := specField{Name: f.Path, Label: f.Label, Need: needs[f.Need], Checks: []string{}, Source: f.Source, Note: f.Note}
		for _, check := range i.Checks(f) {
			if check.Want.Chinese != "" {
				one.Checks = append(one.Checks, check.Want.Chinese)
			}
		}
		if f.Dict != nil {
			one.Dict = f.Dict.Code
		}
		out.Fields = append(out.Fields, one)
	}
	for k := range i.Rules {
		out.Rules = append(out.Rules, i.Rules[k].Because.Chinese)
	}
	for k := range i.Examples {
		out.Examples = append(out.Examples, string(i.Examples[k].Document()))
	}
	return out
}

// packFile is a mapping file's text.
type packFile struct {
	Name   string `json:"name"`
	Text   string `json:"text"`
	Digest string `json:"digest"` // saving wants it back
}

// file answers with a file of a source in use: by its name among those that
// there are, never by a path.
func (c *console) file(w http.ResponseWriter, r *http.Request) {
	name := path.Clean(r.URL.Query().Get("name"))
	text, err := c.proxy.ReadPackFile(name)
	if err != nil {
		failFor(w, err)
		return
	}
	reply(w, http.StatusOK, packFile{name, string(text), proxy.TextDigest(text)})
}

// recentMost is how many events are listed.
const recentMost = 200

func (c *console) recent(w http.ResponseWriter, r *http.Request) {
	list := c.proxy.RecentEvents(r.URL.Query().Get("source"))
	reply(w, http.StatusOK, list[:min(len(list), recentMost)])
}
