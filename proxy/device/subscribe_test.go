package device

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"yiqiao/transform/event"
)

// listenTo listens to a device and returns what it was handed, and the end.
func listenTo(t *testing.T, h http.HandlerFunc, change func(l *Listener)) (bodies []string, err error) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	guard, err := NewGuard([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	l := Listener{
		Client: NewClient(Options{Guard: guard}), Address: server.URL, Stream: Streams()[0], Limit: 4096,
		Begun: func() {}, Heard: func() {}, Large: func(error) { bodies = append(bodies, "large") },
		Event: func(_ context.Context, b []byte) error {
			bodies = append(bodies, string(b))
			return nil
		},
	}
	l.Stream.Linger = time.Millisecond
	if change != nil {
		change(&l)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return bodies, l.Listen(ctx)
}

func begin(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "multipart/mixed; boundary=b")
	_ = http.NewResponseController(w).Flush()
}

func write(w http.ResponseWriter, text string) {
	_, _ = w.Write([]byte(text))
	_ = http.NewResponseController(w).Flush()
}

func part(text string) string {
	return fmt.Sprintf("--b\r\nContent-Length: %d\r\n\r\n%s\r\n", len(text), text)
}

// A device that says nothing is left; one that says little is not.
func TestListenSilence(t *testing.T) {
	bodies, err := listenTo(t, func(w http.ResponseWriter, r *http.Request) {
		begin(w)
		for range 6 { // longer than the silence, all together
			write(w, part("Heartbeat"))
			<-time.After(30 * time.Millisecond)
		}
		write(w, part("event"))
		<-r.Context().Done()
	}, func(l *Listener) { l.Silence = 150 * time.Millisecond })
	if !errors.Is(err, ErrSilent) || len(bodies) != 1 || !strings.Contains(bodies[0], "event") {
		t.Errorf("want one event and silence, got %q and %v", bodies, err)
	}
}

// The end of a connection does not lose what was read before it, and says why.
func TestListenEnds(t *testing.T) {
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want string // in the error
		n    int    // events
	}{
		"cut off": {func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			write(w, part("event")+"--b\r\nContent-Length: 99\r\n\r\nhalf of")
			panic(http.ErrAbortHandler)
		}, "the device ended the connection", 1},
		"ended": {func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			write(w, part("one")+part("two")+"--b--\r\n")
		}, "the device ended the connection", 2},
		"a login page": {func(w http.ResponseWriter, r *http.Request) { write(w, "<html>") }, "want an answer of several parts", 0},
		"not allowed":  {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }, "user or password", 0},
		"no such":      {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound) }, "404", 0},
		"too large": {func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			write(w, part(strings.Repeat("x", 5000))+part("event")+"--b--\r\n")
		}, "the device ended the connection", 2},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		}, "169.254.169.254", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bodies, err := listenTo(t, c.h, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || len(bodies) != c.n {
				t.Errorf("want %d events and %q, got %q and %v", c.n, c.want, bodies, err)
			}
		})
	}
}

// A byte at a time is slow, and nothing else.
func TestListenSlowly(t *testing.T) {
	text := part(`{"a":1,"picturesNumber":1}`) + part(string(event.SyntheticJPEG(900, 1))) + part("next") + "--b--\r\n"
	bodies, _ := listenTo(t, func(w http.ResponseWriter, r *http.Request) {
		begin(w)
		for _, c := range []byte(text) {
			write(w, string([]byte{c}))
		}
	}, nil)
	if len(bodies) != 2 || strings.Count(bodies[0], "--"+boundary) != 3 || !strings.Contains(bodies[1], "next") {
		t.Errorf("want an event with its picture and another, got %d: %.80q", len(bodies), bodies)
	}
}

// Pictures go with the event that they follow; one too many goes alone.
func TestListenGroups(t *testing.T) {
	picture := part(string(event.SyntheticJPEG(900, 1)))
	bodies, _ := listenTo(t, func(w http.ResponseWriter, r *http.Request) {
		begin(w)
		write(w, picture+part("<a><picNum>2</picNum></a>")+picture)
		<-time.After(50 * time.Millisecond) // more than may pass if no other was announced
		write(w, picture+part("b")+part(`{"picturesNumber":0}`)+picture+"--b--\r\n")
	}, func(l *Listener) { l.Stream.Linger = 10 * time.Second })
	var got []int
	for _, b := range bodies {
		got = append(got, strings.Count(b, "\xff\xd8\xff"))
	}
	if fmt.Sprint(got) != "[1 2 0 1]" {
		t.Errorf("want pictures [1 2 0 1], got %v", got)
	}
}

// An event that cannot be stored ends the connection: the next one asks for it
// again.
func TestListenEventFails(t *testing.T) {
	broken := errors.New("the store is gone")
	_, err := listenTo(t, func(w http.ResponseWriter, r *http.Request) {
		begin(w)
		write(w, part("event")+part("event"))
		<-r.Context().Done()
	}, func(l *Listener) { l.Event = func(context.Context, []byte) error { return broken } })
	if !errors.Is(err, broken) {
		t.Errorf("want %v, got %v", broken, err)
	}
}
