package proxy

import (
	"errors"
	"net/http"
	"time"

	"yiqiao/transform"
	"yiqiao/transform/message"
)

// ReloadReply answers what asks of /-/reload.
type ReloadReply struct {
	OK         bool       `json:"ok"`         // the files load
	Generation string     `json:"generation"` // in use now
	Waiting    string     `json:"waiting,omitempty"`
	Since      *time.Time `json:"since,omitempty"` // it waits
	At         time.Time  `json:"at"`              // of the last reload
	Problems   []string   `json:"problems,omitempty"`
	Changed    bool       `json:"changed"` // there was something new to load
	// Difference is what the last new generation, Of, changes for past events;
	// absent if there was none since the start.
	Difference *transform.Rehearsal `json:"difference,omitempty"`
	Of         string               `json:"of,omitempty"`
	// Result is Difference in words.
	Result []string `json:"result,omitempty"`
}

func (p *Proxy) reload(w http.ResponseWriter, r *http.Request) {
	g, _ := p.Reload(r.Context(), "POST /-/reload")
	status := http.StatusOK
	if g == nil {
		status = http.StatusUnprocessableEntity
	}
	reply(w, status, p.ReloadState(languageOf(r)))
}

func (p *Proxy) showReload(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, p.ReloadState(languageOf(r)))
}

// ReloadState is how the last reload went, and what waits for a person; problems
// are told in the language.
func (p *Proxy) ReloadState(l message.Language) ReloadReply {
	state := p.reloadState.Load()
	out := ReloadReply{OK: state.OK, Generation: p.Generation().Name(), At: state.At, Changed: state.Changed, Difference: state.Rehearsal, Of: state.Of}
	if waits := p.pending.waits.Load(); waits != nil {
		out.Waiting, out.Since = waits.Generation.Name(), &waits.Since
		out.Difference, out.Of = waits.Rehearsal, out.Waiting
	}
	for _, problem := range state.Problems {
		out.Problems = append(out.Problems, problem.Excerpt(l))
	}
	if d := out.Difference; d != nil {
		out.Result = append([]string{d.Headline()}, d.Lines()...)
	}
	return out
}

func (p *Proxy) judgeReload(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("generation")
	var err error
	switch r.PathValue("verdict") {
	case "accept":
		_, err = p.AcceptReload(r.Context(), name)
	case "reject":
		err = p.RejectReload(r.Context(), name)
	default:
		http.NotFound(w, r)
		return
	}
	if errors.Is(err, ErrNotWaiting) {
		reply(w, http.StatusConflict, map[string]string{"error": err.Error()})
		return
	}
	replyOr(w, p.ReloadState(languageOf(r)), err)
}
