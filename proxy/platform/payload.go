package platform

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// payload lends the envelope to the transport and knows when it is given back.
// The transport may go on reading a body after it has returned (net/http,
// RoundTripper), but the caller's buffer is pooled and soon another record's.
type payload struct {
	data []byte
	lent sync.WaitGroup
}

func (p *payload) attach(req *http.Request) {
	if len(p.data) == 0 {
		return
	}
	req.ContentLength = int64(len(p.data))
	req.GetBody = func() (io.ReadCloser, error) { return p.open(), nil }
	req.Body = p.open()
}

func (p *payload) open() io.ReadCloser {
	p.lent.Add(1)
	return &loan{Reader: bytes.NewReader(p.data), back: sync.OnceFunc(p.lent.Done)}
}

// loan is one reading of the payload: the first, a redirect's, or that of a
// request repeated on another connection.
type loan struct {
	*bytes.Reader
	back func()
}

func (l *loan) Close() error {
	l.back()
	return nil
}
