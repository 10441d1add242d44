// Package console is the web page for people and its API: a mapping is mended
// beside the event that it fails on. It stands on the admin listener, beside
// what proxy.Admin offers, and uses that where it is enough.
package console

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"

	"yiqiao/proxy"
	"yiqiao/proxy/store"
	"yiqiao/transform/message"
)

// Options are what a console is made of.
type Options struct {
	Proxy *proxy.Proxy
	Log   *slog.Logger
}

// console holds nothing of its own: what it shows, the proxy knows.
type console struct {
	proxy *proxy.Proxy
	log   *slog.Logger
}

// New is the handler of the admin listener: the console's page and API, and
// for all other paths proxy.Admin.
func New(o Options) http.Handler {
	c := &console{proxy: o.Proxy, log: o.Log}
	mux := http.NewServeMux()
	for _, r := range c.routes() {
		mux.HandleFunc(r.pattern, r.handle)
	}
	admin := o.Proxy.Admin()
	mux.Handle("/-/", admin)
	mux.Handle("/metrics", admin)
	mux.Handle("/", page())
	return guard(mux, func() string { return o.Proxy.Generation().Config.Admin.Password })
}

// route is a row of the API; openapi.json describes each.
type route struct {
	pattern string
	handle  http.HandlerFunc
}

func (c *console) routes() []route {
	return []route{
		{"GET /api/site", c.site},
		{"GET /api/standard", c.standard},
		{"GET /api/file", c.file},
		{"GET /api/recent", c.recent},
		{"GET /api/live", c.live},
		{"POST /api/try", c.try},
		{"POST /api/cases", c.cases},
		{"POST /api/preview", c.preview},
		{"POST /api/save", c.save},
		{"GET /api/openapi.json", openAPI},
	}
}

// bodyMost is how much one request of the API may send: an event with its
// pictures in Base64, and a file.
const bodyMost = 48 << 20

// read reads a request's JSON; false: it is answered.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMost))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		return true
	}
	status := http.StatusBadRequest
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		status = http.StatusRequestEntityTooLarge
	}
	fail(w, status, err)
	return false
}

// failure is what an endpoint answers instead of its own document.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, err error) { reply(w, status, failure{err.Error()}) }

// failFor tells an error with the status that is its own.
func failFor(w http.ResponseWriter, err error) {
	status := http.StatusUnprocessableEntity
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, store.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, proxy.ErrStale):
		status = http.StatusConflict
	}
	fail(w, status, err)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the asker is gone
}

// languageOf is the language that the page is shown in: Chinese, unless it
// asks for another.
func languageOf(r *http.Request) message.Language {
	if r.Header.Get("Accept-Language") == "en" {
		return message.English
	}
	return message.Chinese
}
