package transform

import (
	"errors"
	"time"

	exprfile "github.com/expr-lang/expr/file"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// eval runs one expression.
func (r *run) eval(e *expression) (any, error) {
	if e.isConst {
		return e.constant, nil
	}
	if e.single {
		return r.use(&e.uses[0]), nil
	}
	if e.call != nil {
		return r.callDirect(e, e.call)
	}
	for i := range e.uses {
		if u := &e.uses[i]; u.root != rootLocal {
			r.env[u.name] = r.use(u)
		}
	}
	v, err := r.vm.Run(e.program, r.env)
	if err == nil {
		return referred(v), nil
	}
	var fe *exprfile.Error
	place, why := e.place, error(nil)
	if errors.As(err, &fe) {
		place = e.at(fe.From)
		// expr keeps what our own functions said behind its own words.
		var own message.Message
		if why = exprMessage(fe.Message); errors.As(fe.Prev, &own) {
			why = own
		}
	} else {
		why = message.New("expression", err)
	}
	return nil, message.New("expression-at", e.said(), place, why)
}

// referred undoes what expr's ?? does to a value that is a pointer.
func referred(v any) any {
	switch v := v.(type) {
	case event.Blob:
		return &v
	case unmade:
		return &v
	}
	return v
}

// spoken is an error as far as it can be said in both languages.
func spoken(err error) message.Speaker {
	if s, ok := err.(message.Speaker); ok {
		return s
	}
	return message.Both{English: err.Error(), Chinese: err.Error()}
}

// use fetches the value of a name.
func (r *run) use(u *use) any {
	switch u.root {
	case rootEvent:
		return r.slots[u.slot]
	case rootIt:
		if r.mapping.eachRaw >= 0 {
			return r.its[u.slot]
		}
		return walk(r.it, u.steps)
	case rootElement:
		return walk(r.element, u.steps)
	case rootDevice:
		if v, ok := r.findDevice()[u.key]; ok {
			return v
		}
		return nil
	case rootRequest:
		if s, ok := requestText(&r.event.Request, u); ok {
			return s
		}
		return nil
	}
	return r.env[u.name]
}

// walk follows a chain into a value.
func walk(v any, steps []event.Step) any {
	for _, s := range steps {
		key := any(s.Name)
		if s.List {
			key = s.Index
		}
		v, _ = memberOf(v, key)
	}
	return v
}

func requestText(q *event.Request, u *use) (string, bool) {
	from := map[string]string(nil)
	switch u.key {
	case "path":
		from = q.Params
	case "query":
		from = q.Query
	case "header":
		from = q.Header
	case "remote":
		return q.Remote, true
	case "received":
		return q.Received.Format(time.RFC3339Nano), true
	case "method":
		return q.Method, true
	case "url":
		return q.Path, true
	}
	s, ok := from[u.sub]
	return s, ok && u.sub != ""
}
