package console

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"regexp"
	"time"

	"yiqiao/proxy"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// input is what a mapping is tried on: a body that somebody pasted or a file,
// a recent event or a dead letter, by its id.
type input struct {
	Body   []byte `json:"body,omitempty"` // JSON, XML …, or a whole captured request (.http)
	Path   string `json:"path,omitempty"` // that the body was posted to
	Type   string `json:"type,omitempty"` // its content type, of an odd multipart
	Recent string `json:"recent,omitempty"`
	Dead   string `json:"dead,omitempty"`
}

// edit is a mapping file that somebody is writing.
type edit struct {
	Name string `json:"name"` // hikvision/access.yaml
	Text string `json:"text"`
}

func (e *edit) files() map[string][]byte { return map[string][]byte{e.Name: []byte(e.Text)} }

type tryRequest struct {
	edit
	Input input `json:"input"`
	// Reveal shows personal values and pictures as they are. It is logged.
	Reveal bool `json:"reveal,omitempty"`
}

// tried is what a mapping makes of an event.
type tried struct {
	Problems []problem `json:"problems"`
	// The rest is absent while a problem is an error, or without an input.
	Outcome string  `json:"outcome,omitempty"` // accepted, ignored or kept
	Result  *result `json:"result,omitempty"`
	Micros  int64   `json:"micros"` // to decode and map
}

// result is what became of an event.
type result struct {
	Source  string               `json:"source"`
	Device  string               `json:"device,omitempty"`
	Refusal *refusal             `json:"refusal,omitempty"`
	Ignored []string             `json:"ignored"`
	Steps   []transform.ToldStep `json:"steps"`
	Records []record             `json:"records"`
	Answer  answer               `json:"answer"`
	Paths   []eventPath          `json:"paths"` // of the event, for who writes expressions
	Event   string               `json:"event"` // its document, pictures lifted; empty unless revealed
}

type refusal struct {
	Class string `json:"class"`
	Text  string `json:"text"`
}

type answer struct {
	Status int         `json:"status"`
	Header [][2]string `json:"header"`
	Body   string      `json:"body"`
}

// problem is one thing wrong with a file, with its place in it.
type problem struct {
	File    string `json:"file"`
	Here    bool   `json:"here"` // in the file that is being written
	Line    int    `json:"line"` // from 1; 0: unknown
	Col     int    `json:"col"`  // from 1, in characters
	Width   int    `json:"width"`
	Warning bool   `json:"warning"`
	Rule    string `json:"rule"`
	Text    string `json:"text"`
	Hint    string `json:"hint,omitempty"` // what to do
}

func problemsOf(ps transform.Problems, name string, l message.Language) []problem {
	list := make([]problem, 0, len(ps))
	for _, p := range ps {
		here := path.Base(path.Dir(filepath.ToSlash(p.File)))+"/"+path.Base(filepath.ToSlash(p.File)) == name
		list = append(list, problem{p.File, here, p.Line, p.Col, p.Width(), p.Warning, p.Rule, p.Text(l), p.Hint(l)})
	}
	return list
}

// try compiles the file that is being written within the site's rules and maps
// the input with it, as traffic would be. It changes nothing.
func (c *console) try(w http.ResponseWriter, r *http.Request) {
	var q tryRequest
	if !read(w, r, &q) {
		return
	}
	l := languageOf(r)
	rules, problems := c.proxy.Edited(q.files(), path.Dir(q.Name))
	out := tried{Problems: problemsOf(problems, q.Name, l)}
	if rules == nil {
		reply(w, http.StatusOK, out)
		return
	}
	sample, ok, err := c.sample(r.Context(), q.Input, path.Dir(q.Name))
	switch {
	case err != nil:
		failFor(w, err)
		return
	case !ok:
		reply(w, http.StatusOK, out)
		return
	}
	if q.Reveal {
		c.log.InfoContext(r.Context(), "audit: an event was shown unmasked in the console", "source", sample.Source, "recent", q.Input.Recent, "dead", q.Input.Dead, "remote", r.RemoteAddr)
	}
	begun := time.Now()
	out.Outcome, out.Result, err = c.apply(rules, sample, q.Reveal, l)
	if err != nil {
		failFor(w, err)
		return
	}
	out.Micros = time.Since(begun).Microseconds()
	reply(w, http.StatusOK, out)
}

// requestLine begins a captured request.
var requestLine = regexp.MustCompile(`^[A-Z]+ /\S* HTTP/1\.[01]\r?\n`)

// sample fetches an input; false: there is none.
func (c *console) sample(ctx context.Context, in input, source string) (proxy.Sample, bool, error) {
	switch {
	case in.Dead != "":
		s, err := c.proxy.DeadSample(ctx, in.Dead)
		return s, err == nil, err
	case in.Recent != "":
		s, err := c.proxy.RecentSample(in.Recent)
		return s, err == nil, err
	case len(in.Body) == 0:
		return proxy.Sample{}, false, nil
	}
	q, body, err := transform.ReadInput(inputName(in.Body), in.Body)
	if err != nil {
		return proxy.Sample{}, false, err
	}
	if in.Path != "" && q.Path == "" {
		q.Path = in.Path
	}
	if in.Type != "" {
		q.ContentType = in.Type
	}
	return proxy.Sample{Source: source, Request: q, Body: body}, true, nil
}

// inputName tells how an input is read.
func inputName(data []byte) string {
	if requestLine.Match(data) {
		return "input.http"
	}
	return "input.json"
}

// apply maps an event and tells each step.
func (c *console) apply(rules *transform.Rules, sample proxy.Sample, reveal bool, l message.Language) (string, *result, error) {
	q, s := sample.Request, rules.Source(sample.Source)
	if q.Path != "" {
		found, params, ok := rules.Match(q.Method, q.Path)
		if ok && (s == nil || s == found) {
			s, q.Params = found, params
		}
	}
	if s == nil {
		return "", nil, fmt.Errorf("来源 %q 的事件不归这个文件管；请选 %s/ 里的映射", sample.Source, sample.Source)
	}
	var tr transform.Trace
	var res transform.Result
	ev := rules.ApplyBody(s, q, append([]byte(nil), sample.Body...), &res, &tr)
	out := &result{Source: s.Name, Device: res.Device, Steps: stepsOf(tr.Steps, l), Ignored: []string{}, Records: []record{}, Paths: pathsOf(ev)}
	for _, ig := range res.Ignored {
		out.Ignored = append(out.Ignored, ig.Because)
	}
	if reveal {
		out.Event = string(ev.Doc)
	}
	outcome := transform.Accepted
	switch {
	case res.Refusal != nil:
		outcome = transform.Kept
		out.Refusal = &refusal{string(res.Refusal.Class), res.Refusal.In(l)}
	case len(res.Records) == 0:
		outcome = transform.Ignored
	}
	for i := range res.Records {
		rec, err := c.record(&res.Records[i], reveal)
		if err != nil {
			return "", nil, err
		}
		out.Records = append(out.Records, rec)
	}
	out.Answer = answerOf(rules.Answer(s, outcome, ev))
	return string(outcome), out, nil
}

func answerOf(a transform.Answer) answer {
	out := answer{Status: a.Status, Header: a.Header, Body: string(a.Body)}
	if out.Header == nil {
		out.Header = [][2]string{}
	}
	return out
}
