package platformtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// Behaviour is what the platform does to requests.
type Behaviour struct {
	Latency  time.Duration // before each answer
	Failures float64       // part of the requests that is answered with HTTP 500
	Down     bool          // HTTP 503 for all
	Code     string        // this code for every good record; "0" is success, as without
	HTML     bool          // HTTP 200 with a page, as a captive portal or a wrong address
	HangUp   bool          // the connection is closed without an answer
}

// Validate says which value makes no sense, by its name in POST /-/behave.
func (b Behaviour) Validate() error {
	if b.Latency < 0 {
		return fmt.Errorf("latency: want 0 or more, got %s", b.Latency)
	}
	if !(b.Failures >= 0 && b.Failures <= 1) { // NaN is neither
		return fmt.Errorf("failures: want 0 to 1, got %g", b.Failures)
	}
	return nil
}

// Behave changes the behaviour from the next request on.
func (p *Platform) Behave(b Behaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behaviour = b
}

// Behaviour is the one in force.
func (p *Platform) Behaviour() Behaviour {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.behaviour
}

// act does what the behaviour says before a request is looked at; done: the
// request has been answered.
func (b Behaviour) act(ctx context.Context, w http.ResponseWriter) (done bool) {
	if b.Latency > 0 {
		timer := time.NewTimer(b.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return true
		}
	}
	switch {
	case b.HangUp:
		panic(http.ErrAbortHandler)
	case b.Down:
		http.Error(w, "service unavailable", http.StatusServiceUnavailable)
	case b.HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html><body>登录</body></html>")
	case b.Failures > 0 && rand.Float64() < b.Failures:
		http.Error(w, "internal server error", http.StatusInternalServerError)
	default:
		return false
	}
	return true
}

// behaviourJSON is Behaviour as POST /-/behave takes it.
type behaviourJSON struct {
	Latency  string  `json:"latency"` // "250ms"
	Failures float64 `json:"failures"`
	Down     bool    `json:"down"`
	Code     string  `json:"code"`
	HTML     bool    `json:"html"`
	HangUp   bool    `json:"hangUp"`
}

// MarshalJSON writes the latency as text.
func (b Behaviour) MarshalJSON() ([]byte, error) {
	return json.Marshal(behaviourJSON{b.Latency.String(), b.Failures, b.Down, b.Code, b.HTML, b.HangUp})
}

func (p *Platform) behave(w http.ResponseWriter, r *http.Request) {
	b, err := readBehaviour(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	p.Behave(b)
	reply(w, http.StatusOK, b)
}

// readBehaviour reads all of a behaviour: what is left out is off.
func readBehaviour(r io.Reader) (Behaviour, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var in behaviourJSON
	if err := dec.Decode(&in); err != nil {
		return Behaviour{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Behaviour{}, errors.New("want one JSON object and nothing behind it")
	}
	b := Behaviour{0, in.Failures, in.Down, in.Code, in.HTML, in.HangUp}
	if in.Latency != "" {
		var err error
		if b.Latency, err = time.ParseDuration(in.Latency); err != nil {
			return Behaviour{}, fmt.Errorf("latency: %w", err)
		}
	}
	return b, b.Validate()
}
