package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"yiqiao/transform/event"
)

// Case is one example of an event beside its mapping: an input and what is
// wanted of it.
//
//	hikvision/face.cases/two-faces.in.http     the request as the device sends it
//	hikvision/face.cases/two-faces.want.json   its records, or why it is ignored
//	hikvision/face.cases/no-picture.want.err   the text of its refusal
//
// An input may be .http (request line, headers, body), .json or .xml (the body
// alone). In it {{jpeg:N}} stands for N bytes of a synthetic JPEG, and
// {{b64jpeg:N}} for the Base64 of one.
type Case struct {
	Vendor string
	Event  string // the mapping's name without .yaml
	Name   string
	Input  string // file name inside the pack
}

// CaseTime is the time at which cases are received.
var CaseTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("+08:00", 8*3600))

// Cases lists the cases of a pack.
func Cases(p Pack) ([]Case, error) {
	names, err := fs.Glob(p.FS, "*/*.cases/*.in.*")
	var cases []Case
	for _, n := range names {
		dir, file := path.Split(n)
		name, _, _ := strings.Cut(file, ".in.")
		dir = strings.TrimSuffix(dir, "/")
		cases = append(cases, Case{Vendor: path.Dir(dir), Event: strings.TrimSuffix(path.Base(dir), ".cases"), Name: name, Input: n})
	}
	return cases, err
}

// ID names a case in reports: "hikvision/face/two-faces".
func (c Case) ID() string { return path.Join(c.Vendor, c.Event, c.Name) }

// Want returns the file that holds what is wanted: .want.json or .want.err.
func (c Case) Want(refused bool) string {
	ext := ".want.json"
	if refused {
		ext = ".want.err"
	}
	return path.Join(path.Dir(c.Input), c.Name+ext)
}

// CaseResult is what a case gave.
type CaseResult struct {
	Got     []byte // what .want.json or .want.err would have to hold
	Refused bool
}

// places in a refusal change with every line that is added to a mapping, and
// with the folder it lies in: a case does not look at them.
var places = regexp.MustCompile(` at [^ ]+\.yaml:\d+(:\d+)?| \([^ ]+\.yaml:\d+(:\d+)?\)`)

// RunCase runs a case's input through the rules, as traffic is. tr may be nil.
func (r *Rules) RunCase(c Case, input []byte, tr *Trace) (CaseResult, error) {
	q, body, err := ReadInput(c.Input, input)
	if err != nil {
		return CaseResult{}, err
	}
	s := r.Source(c.Vendor)
	if c.Event == presenceEvents {
		s = r.Source(c.Vendor + "/" + presenceEvents)
	}
	if s == nil {
		return CaseResult{}, fmt.Errorf("source %q is not in use", c.Vendor)
	}
	if q.Path != "" {
		found, params, ok := r.Match(q.Method, q.Path)
		if !ok || found != s {
			return CaseResult{}, fmt.Errorf("%s %s: source %s does not listen there", q.Method, q.Path, s.Name)
		}
		q.Params = params
	}
	var res Result
	r.ApplyBody(s, q, body, &res, tr)
	return CaseResult{Got: places.ReplaceAll(res.Describe(), nil), Refused: res.Refusal != nil}, nil
}

// ApplyBody decodes a body and applies the rules to it: for tools. The event
// it returns is what the records share memory with.
func (r *Rules) ApplyBody(s *Source, q event.Request, body []byte, res *Result, tr *Trace) *event.Event {
	ev := &event.Event{Request: q}
	err := r.Decode(s, ev, body)
	if tr != nil {
		step := Step{What: "decoded", Verdict: Yes, Note: fmt.Sprintf("%s, document %d bytes, %d lifted or parts", ev.Kind, len(ev.Doc), len(ev.Blobs)), Err: err}
		if err != nil {
			step.Verdict = Failed
		}
		tr.add(step)
		for _, n := range ev.Notes {
			tr.add(Step{What: "body", Verdict: Warned, Note: n})
		}
	}
	if err != nil {
		res.reset()
		res.refuse(Undecodable, nil, err)
		return ev
	}
	r.Apply(s, ev, res, tr)
	return ev
}

// Describe renders a result for a person and for a case: records with their
// pictures as "@jpeg 12000 bytes sha256:…".
func (res *Result) Describe() []byte { return res.describe(false) }

func (res *Result) describe(masked bool) []byte {
	if res.Refusal != nil {
		return []byte(fmt.Sprintf("%s: %s\n", res.Refusal.Class, res.Refusal.Text))
	}
	type line struct {
		To       string          `json:"to"`
		Distinct string          `json:"distinct,omitempty"`
		Join     string          `json:"join,omitempty"`
		Record   json.RawMessage `json:"record"`
	}
	type half struct {
		Join     string          `json:"join,omitempty"`
		Pictures json.RawMessage `json:"pictures"`
	}
	var out struct {
		Records []line   `json:"records,omitempty"`
		Brought []half   `json:"brought,omitempty"`
		Ignored []string `json:"ignored,omitempty"`
		Left    string   `json:"left,omitempty"`
	}
	for i := range res.Records {
		rec := &res.Records[i]
		l := line{To: rec.Interface.Name, Record: rec.Describe()}
		if rec.Mapping.distinct != nil {
			l.Distinct = rec.Distinct
		}
		l.Join = rec.Join
		if masked {
			if rec.Join != "" {
				l.Join = personal.Masked(rec.Join)
			}
			l.Record = rec.Masked(rec.Interface)
			l.Distinct = rec.Mapping.shownDistinct(rec)
		}
		out.Records = append(out.Records, l)
	}
	for i := range res.Brought {
		b := &res.Brought[i]
		h := half{Join: b.Key, Pictures: b.Pictures.Describe()}
		if masked {
			h.Join = personal.Masked(b.Key)
		}
		out.Brought = append(out.Brought, h)
	}
	for _, ig := range res.Ignored {
		out.Ignored = append(out.Ignored, ig.Because)
	}
	if res.Left != nil {
		out.Left = fmt.Sprintf("%s: %s", res.Left.Class, res.Left.Text)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(out) // of texts and valid documents
	return b.Bytes()
}

// Describe returns the document with its pictures described, not shown.
func (r *Record) Describe() []byte {
	var doc []byte
	from := 0
	for _, h := range r.Holes {
		doc = append(doc, r.Doc[from:h.At]...)
		if h.Recipe != nil {
			doc = append(doc, strings.Trim(string(event.AppendString(nil, h.Recipe.text(&h.Blob))), `"`)...)
		} else {
			doc = append(doc, PictureText(&h.Blob)...)
		}
		from = h.At
	}
	return append(doc, r.Doc[from:]...)
}

// PictureText describes a picture without showing it.
func PictureText(b *event.Blob) string {
	data := b.Data
	if !b.Raw {
		decoded, err := base64.StdEncoding.DecodeString(string(data))
		if err != nil {
			return fmt.Sprintf("@text %d bytes", len(data))
		}
		data = decoded
	}
	kind := strings.TrimPrefix(event.PictureType(data), "image/")
	if kind == "" {
		kind = "data"
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("@%s %d bytes sha256:%x", kind, len(data), sum[:6])
}

// AppendInput appends a request as a .http file that ReadInput reads: with the
// address it came from and the time in headers of ours.
func AppendInput(dst []byte, q *event.Request, body []byte) []byte {
	query := url.Values{}
	for k, v := range q.Query {
		query.Set(k, v)
	}
	target := (&url.URL{Path: q.Path, RawQuery: query.Encode()}).RequestURI()
	dst = fmt.Appendf(dst, "%s %s HTTP/1.1\r\n", q.Method, target)
	for _, k := range slices.Sorted(maps.Keys(q.Header)) {
		if k != "x-remote" && k != "x-received" && k != "content-type" {
			dst = fmt.Appendf(dst, "%s: %s\r\n", k, q.Header[k])
		}
	}
	if q.ContentType != "" {
		dst = fmt.Appendf(dst, "Content-Type: %s\r\n", q.ContentType)
	}
	dst = fmt.Appendf(dst, "X-Remote: %s\r\nX-Received: %s\r\n\r\n", q.Remote, q.Received.Format(time.RFC3339Nano))
	return append(dst, body...)
}

var pictureToken = regexp.MustCompile(`\{\{(b64)?jpeg:(\d+)\}\}`)

// ReadInput reads the input of a case or of `yiqiao map`: by the file's name a
// captured request (.http) or a body alone.
func ReadInput(name string, data []byte) (event.Request, []byte, error) {
	n := byte(0)
	data = pictureToken.ReplaceAllFunc(data, func(tok []byte) []byte {
		m := pictureToken.FindSubmatch(tok)
		size, _ := strconv.Atoi(string(m[2]))
		size = min(size, 16<<20)
		n++
		if m[1] == nil {
			return event.SyntheticJPEG(size, n)
		}
		return []byte(base64.StdEncoding.EncodeToString(event.SyntheticJPEG(size*3/4, n)))
	})
	if !strings.HasSuffix(name, ".http") {
		return event.Request{Method: "POST", Remote: "192.0.2.1", Received: CaseTime}, data, nil
	}
	q, body, err := ReadCapture(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return q, body, err
}

// ReadCapture reads a captured request: request line, headers, body. The
// headers X-Remote and X-Received say where from and when it came.
func ReadCapture(data []byte) (event.Request, []byte, error) {
	q := event.Request{Method: "POST", Remote: "192.0.2.1", Received: CaseTime}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	words := strings.Fields(string(first))
	if len(words) < 2 {
		return q, nil, fmt.Errorf("want a request line like \"POST /path HTTP/1.1\", got %.100q", bytes.TrimSpace(first))
	}
	u, err := url.ParseRequestURI(words[1])
	if err == nil && !strings.HasPrefix(u.Path, "/") {
		err = fmt.Errorf("want a path, got %.100q", words[1])
	}
	if err != nil {
		return q, nil, err
	}
	q.Method, q.Path, q.Query, q.Header = words[0], u.Path, map[string]string{}, map[string]string{}
	for k, v := range u.Query() {
		q.Query[k] = v[0]
	}
	for {
		line, after, more := bytes.Cut(rest, []byte("\n"))
		rest = after
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 || !more {
			break
		}
		k, v, _ := strings.Cut(string(line), ":")
		q.Header[strings.ToLower(strings.TrimSpace(k))] = strings.TrimSpace(v)
	}
	q.ContentType = q.Header["content-type"]
	if r := q.Header["x-remote"]; r != "" {
		q.Remote = r
	}
	if at, err := time.Parse(time.RFC3339Nano, q.Header["x-received"]); err == nil {
		q.Received = at
	}
	return q, rest, nil
}
