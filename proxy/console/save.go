package console

import (
	"bytes"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"

	"yiqiao/transform"
)

// caseResult says how a case of a mapping ran with the file that is written.
type caseResult struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Wrong string `json:"wrong,omitempty"`
}

type casesReply struct {
	Problems []problem    `json:"problems"`
	Cases    []caseResult `json:"cases"`
}

// cases runs the cases of the mapping that is being written.
func (c *console) cases(w http.ResponseWriter, r *http.Request) {
	var q edit
	if !read(w, r, &q) {
		return
	}
	rules, problems := c.proxy.Edited(q.files(), path.Dir(q.Name))
	out := casesReply{problemsOf(problems, q.Name, languageOf(r)), []caseResult{}}
	if rules == nil {
		reply(w, http.StatusOK, out)
		return
	}
	cases, from, err := c.proxy.PackCases(q.Name)
	if err != nil {
		failFor(w, err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		one := caseResult{Name: name}
		if one.Wrong, err = wrongWith(rules, cases[name], from); err != nil {
			one.Wrong = err.Error()
		}
		one.OK = one.Wrong == ""
		out.Cases = append(out.Cases, one)
	}
	reply(w, http.StatusOK, out)
}

// wrongWith is empty if a case gives what it should.
func wrongWith(rules *transform.Rules, one transform.Case, from fs.FS) (string, error) {
	data, err := fs.ReadFile(from, one.Input)
	if err != nil {
		return "", err
	}
	res, err := rules.RunCase(one, data, nil)
	if err != nil {
		return "", err
	}
	want, err := fs.ReadFile(from, one.Want(res.Refused))
	if err != nil {
		if want, err = fs.ReadFile(from, one.Want(!res.Refused)); err != nil {
			return "", err
		}
	}
	if bytes.Equal(want, res.Got) {
		return "", nil
	}
	list, err := transform.Differences(rules.Catalogue, want, res.Got)
	var b bytes.Buffer
	for _, d := range list {
		b.WriteString(d.Mask().String() + "\n")
	}
	return b.String(), err
}

// previewReply is what saving a file would change.
type previewReply struct {
	Problems []problem `json:"problems"` // of the whole site
	Digest   string    `json:"digest,omitempty"`
	Events   int       `json:"events"`  // past ones that it was tried on
	Changed  int       `json:"changed"` // records that would be others
	Result   []string  `json:"result"`
}

// preview tells what saving would change for the events that came last.
func (c *console) preview(w http.ResponseWriter, r *http.Request) {
	var q edit
	if !read(w, r, &q) {
		return
	}
	p, err := c.proxy.PreviewEdit(r.Context(), q.Name, []byte(q.Text))
	if err != nil {
		failFor(w, err)
		return
	}
	out := previewReply{Problems: problemsOf(p.Problems, q.Name, languageOf(r)), Digest: p.Digest, Result: p.Result}
	if p.Effect != nil {
		out.Events, out.Changed = p.Effect.Events, p.Effect.Changed
	}
	if out.Result == nil {
		out.Result = []string{}
	}
	reply(w, http.StatusOK, out)
}

type saveRequest struct {
	edit
	Base string `json:"base"` // digest of the text that was opened; empty: a new file
	Seen string `json:"seen"` // digest of the preview
}

// save writes the file and reloads; it answers as GET /-/reload does.
func (c *console) save(w http.ResponseWriter, r *http.Request) {
	var q saveRequest
	if !read(w, r, &q) {
		return
	}
	if err := c.proxy.SaveEdit(r.Context(), q.Name, []byte(q.Text), q.Base, q.Seen); err != nil {
		failFor(w, err)
		return
	}
	c.log.InfoContext(r.Context(), "audit: a mapping was saved in the console", "name", q.Name, "remote", r.RemoteAddr)
	reply(w, http.StatusOK, c.proxy.ReloadState(languageOf(r)))
}
