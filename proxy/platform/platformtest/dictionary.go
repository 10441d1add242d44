package platformtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// DictionaryForm is how the platform writes its dictionaries: the pages of the
// standard that would show it are lost, and its clients have met all four.
type DictionaryForm struct {
	ID   bool // codes are called zdid; otherwise zdx
	Bare bool // the list alone; otherwise as the data of the standard's answer (规范 1.4)
}

// dictionary answers GET /api/v1/wd/… (规范 1.6) from the catalogue, with an
// ETag. What the catalogue knows in part it does not serve: who asks takes a
// list as whole, and would refuse what it lacks. Dictionaries with one path
// (ZD034 and ZD035) are answered together.
func (p *Platform) dictionary(w http.ResponseWriter, r *http.Request) {
	if b := p.Behaviour(); b.act(r.Context(), w) {
		return
	}
	if !p.knows(r.URL.Query().Get("appKey")) {
		reply(w, http.StatusOK, answer{Code: CodeAppKey, Message: "appKey 缺失或未登记"})
		return
	}
	name := r.PathValue("name")
	rows := p.dictionaryRows("wd/" + name)
	if len(rows) == 0 {
		reply(w, http.StatusOK, answer{Code: CodeDictionary, Message: "没有字典 " + name + "，或不知道它的全部值"})
		return
	}
	var whole any = rows
	if !p.opts.Dictionaries.Bare {
		whole = map[string]any{"code": "0", "errMsg": "", "data": rows}
	}
	body, err := json.Marshal(whole)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(body))[:16]))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (p *Platform) dictionaryRows(path string) []map[string]string {
	if p.opts.Catalogue == nil {
		return nil
	}
	code := "zdx"
	if p.opts.Dictionaries.ID {
		code = "zdid"
	}
	var rows []map[string]string
	for _, d := range p.opts.Catalogue.Dicts {
		if d.Path != path || !d.Complete {
			continue
		}
		for _, e := range d.Entries {
			rows = append(rows, map[string]string{code: e.Code, "zdz": e.Label})
		}
	}
	return rows
}
