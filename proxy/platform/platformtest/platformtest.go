// Package platformtest is the simulated platform: it opens envelopes with its
// private key, proves the records, keeps them and answers in the standard's
// form (规范 1.4). It can be told, at run time, to be slow, lossy, down, or to
// answer what a platform in trouble answers. Tests, the demo and `yiqiao
// platform` use it.
package platformtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"yiqiao/proxy/seal"
	"yiqiao/transform/spec"
)

// Options of a Platform.
type Options struct {
	PrivateKey []byte // PEM or Base64 DER
	Seal       seal.Config
	// AppKeys that are accepted; empty: every one but the empty one.
	AppKeys []string
	// Records, if not nil, gets each accepted record as a line of JSON, before
	// its answer goes out: {"interface","appKey","record"}.
	Records io.Writer
	// Catalogue that records are proved against, and whose dictionaries are
	// served; nil: everything is taken, and there are none.
	Catalogue *spec.Catalogue
	// Strictness in proving. What is not refused is remarked on.
	Strictness Strictness
	// Prerequisites refuses a record that refers to one which its caller has
	// not registered yet (前置接入), whatever the Strictness.
	Prerequisites bool
	Dictionaries  DictionaryForm
	// Keep is how many of the last records GET /-/records can show; 1000.
	Keep int
}

// maxBody bounds one request.
const maxBody = 64 << 20

// maxSeen bounds the memory for telling repetitions, and that for codes that
// were registered.
const maxSeen = 1 << 20

// Platform is an http.Handler. Its interfaces stand below /api/v1/; below /-/
// it is watched and told how to behave.
type Platform struct {
	opts   Options
	opener *seal.Opener
	mux    *http.ServeMux

	mu        sync.Mutex
	behaviour Behaviour
	counts    Counts
	kept      []Record
	seen      map[[16]byte]bool
	codes     map[registered]names
	named     map[string][]string // by interface, its fields that later records begin with
}

// Record is one that was accepted.
type Record struct {
	Interface string          `json:"interface"`
	AppKey    string          `json:"appKey"`
	Record    json.RawMessage `json:"record"`
	Received  time.Time       `json:"received,omitzero"`
	Remarks   []string        `json:"remarks,omitempty"` // in Chinese
}

// Counts of records. Repeated ones are among the accepted: the same document
// for the same interface came before.
type Counts struct {
	Accepted int64 `json:"accepted"`
	Repeated int64 `json:"repeated"`
	Refused  int64 `json:"refused"`
}

// New makes a platform.
func New(o Options) (*Platform, error) {
	opener, err := seal.NewOpener(o.Seal, o.PrivateKey)
	if err != nil {
		return nil, err
	}
	if o.Keep < 0 {
		return nil, fmt.Errorf("keep: want 0 (1000) or more records, got %d", o.Keep)
	}
	if o.Keep == 0 {
		o.Keep = 1000
	}
	if o.Catalogue == nil && (o.Prerequisites || o.Strictness != Usual) {
		return nil, errors.New("strictness, prerequisites: want a catalogue, which tells what is right")
	}
	p := &Platform{
		opts: o, opener: opener, mux: http.NewServeMux(),
		seen: map[[16]byte]bool{}, codes: map[registered]names{}, named: namedFields(o.Catalogue),
	}
	p.mux.HandleFunc("POST /api/v1/{interface...}", p.take)
	p.mux.HandleFunc("GET /api/v1/wd/{name}", p.dictionary)
	p.mux.HandleFunc("GET /-/records", p.records)
	p.mux.HandleFunc("GET /-/counts", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, p.Counts()) })
	p.mux.HandleFunc("GET /-/behave", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, p.Behaviour()) })
	p.mux.HandleFunc("POST /-/behave", p.behave)
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Counts are those since the start.
func (p *Platform) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// answer is the standard's form of every answer (规范 1.4).
type answer struct {
	Code    string   `json:"code"`
	Message string   `json:"errMsg"`
	Data    struct{} `json:"data"`
}

// Codes of refusals. The standard lists none but "0"; these are ours.
const (
	CodeAppKey     = "1001"
	CodeInterface  = "1002"
	CodeRecord     = "1003"
	CodeEarlier    = "1004" // what it refers to is not registered
	CodeRepeated   = "1005"
	CodeDictionary = "1006" // it is not known, or not whole
)

func (p *Platform) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, err.Error(), status)
		return
	}
	b := p.Behaviour()
	if b.act(r.Context(), w) {
		return
	}
	appKey := r.URL.Query().Get("appKey")
	if !p.knows(appKey) {
		p.refuse(w, CodeAppKey, "appKey 缺失或未登记")
		return
	}
	doc, err := p.opener.Open(body)
	// One envelope in 250 that was sealed for another key opens to noise.
	if err != nil || !json.Valid(doc) {
		p.undecipherable(w, r)
		return
	}
	a, err := p.decide(p.examine(r.PathValue("interface"), appKey, doc), b.Code)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, http.StatusOK, a)
}

func (p *Platform) knows(appKey string) bool {
	return appKey != "" && (len(p.opts.AppKeys) == 0 || slices.Contains(p.opts.AppKeys, appKey))
}

// keep writes and counts a record; p is locked.
func (p *Platform) keep(e *examined, remarks []string) error {
	rec := Record{Interface: e.name, AppKey: e.appKey, Record: e.doc}
	if p.opts.Records != nil {
		var line bytes.Buffer
		enc := json.NewEncoder(&line)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(rec); err != nil {
			return err
		}
		if _, err := p.opts.Records.Write(line.Bytes()); err != nil {
			return err
		}
	}
	p.counts.Accepted++
	if p.seen[e.digest] {
		p.counts.Repeated++
	} else if len(p.seen) < maxSeen {
		p.seen[e.digest] = true
	}
	p.register(e)
	rec.Received, rec.Remarks = time.Now(), remarks
	if p.kept = append(p.kept, rec); len(p.kept) > p.opts.Keep {
		p.kept = slices.Delete(p.kept, 0, len(p.kept)-p.opts.Keep)
	}
	return nil
}

func (p *Platform) refuse(w http.ResponseWriter, code, message string) {
	p.mu.Lock()
	p.counts.Refused++
	p.mu.Unlock()
	reply(w, http.StatusOK, answer{Code: code, Message: message})
}

// undecipherable is what the Spring application that the standard's scheme
// comes from answers to an envelope that it cannot open, or that holds no JSON.
func (p *Platform) undecipherable(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.counts.Refused++
	p.mu.Unlock()
	reply(w, http.StatusBadRequest, map[string]any{
		"timestamp": time.Now().Format("2006-01-02T15:04:05.000-0700"), "status": http.StatusBadRequest,
		"error": "Bad Request", "message": "Required request body is missing", "path": r.URL.Path,
	})
}

// Records are the last ones that were accepted, the newest last.
func (p *Platform) Records() []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.kept)
}

func (p *Platform) records(w http.ResponseWriter, r *http.Request) {
	list := p.Records()
	if iface := r.URL.Query().Get("interface"); iface != "" {
		list = slices.DeleteFunc(list, func(rec Record) bool { return rec.Interface != iface })
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && n >= 0 && n < len(list) {
		list = list[len(list)-n:]
	}
	if list == nil {
		list = []Record{}
	}
	reply(w, http.StatusOK, list)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the asker has gone
}
