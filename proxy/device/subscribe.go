package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Stream is a way in which devices are listened to that do not push.
type Stream struct {
	Name    string        // as a device's row has it in the column pull
	Push    string        // where the same vendor's devices would post; %s is the device's id
	Path    string        // what is asked for
	Silence time.Duration // without a single byte's worth of a part for so long, the connection is dead
	Linger  time.Duration // how long after an event its pictures may still begin
	Fill    Filler        // asks for what happened while nobody listened; nil: there is no way
}

// Streams are all of them. A heartbeat comes every ten seconds from Hikvision,
// though newer models send none (home-assistant/core#82767): an hour without a
// word is then as likely as not, and a new connection does no harm. Dahua sends
// them as often as it is asked to.
func Streams() []Stream {
	return []Stream{
		{"alertStream", "/hikvision/%s", "/ISAPI/Event/notification/alertStream", 5 * time.Minute, 500 * time.Millisecond, acsEvent},
		{"eventManager", "/dahua/%s", "/cgi-bin/eventManager.cgi?action=attach&codes=[All]&heartbeat=10", 45 * time.Second, 0, recordFinder},
		{"snapManager", "/dahua/%s", "/cgi-bin/snapManager.cgi?action=attachFileProc&channel=1&heartbeat=10&Flags[0]=Event&Events=[All]", 45 * time.Second, 3 * time.Second, nil},
	}
}

// ErrCredentials says that the device does not know the user or the password.
var ErrCredentials = errors.New("user or password is wrong, or the user may not do this")

// ErrSilent says that a device was silent for too long.
var ErrSilent = errors.New("the device was silent")

// pictureWait is how long pictures may take that an event announces.
const pictureWait = 8 * time.Second

// boundary stands between the parts that are handed on together.
const boundary = "yiqiao-stream"

// GroupType is the Content-Type of what Event gets.
const GroupType = "multipart/mixed; boundary=" + boundary

// Listener is one connection to a device.
type Listener struct {
	Client      *Client
	Credentials Credentials
	Address     string // http://host:port
	Stream      Stream
	Limit       int           // bytes of an event with its pictures
	Silence     time.Duration // 0: the stream's

	Begun func() // the device has answered; it may be listened to
	Heard func() // a part came, a heartbeat too
	// Event gets an event, and the pictures that came with it, as a multipart
	// body, and returns when it is stored. Until then nothing is read. Its
	// error ends the connection.
	Event func(ctx context.Context, body []byte) error
	Large func(error) // an event is too large, and is passed over
}

// Listen connects and hands events on until the connection ends, for whatever
// reason; it never returns nil.
func (l *Listener) Listen(ctx context.Context) error {
	// Ended when Listen returns, and with it the request and its reader.
	reading, end := context.WithCancel(ctx)
	defer end()
	req, err := http.NewRequestWithContext(reading, http.MethodGet, l.Address+l.Stream.Path, nil)
	if err != nil {
		return err
	}
	res, err := l.Client.Do(req, l.Credentials)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrCredentials
	default:
		return &Status{res.StatusCode}
	}
	parts, err := NewParts(res.Body, res.Header.Get("Content-Type"), l.Limit)
	if err != nil {
		return err
	}
	l.Begun()
	came, ended := make(chan Part), make(chan error, 1)
	go func() { ended <- l.read(reading, parts, came) }()
	return l.group(ctx, came, ended)
}

// read hands parts on, each in memory of its own.
func (l *Listener) read(ctx context.Context, parts *Parts, came chan<- Part) error {
	for {
		p, err := parts.Next()
		if large := new(TooLarge); errors.As(err, &large) {
			l.Large(err)
			continue
		}
		if err != nil {
			return fmt.Errorf("the device ended the connection: %w", err)
		}
		p.Raw = bytes.Clone(p.Raw)
		p.Data = p.Raw[p.head : p.head+len(p.Data)]
		select {
		case came <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// group puts pictures to the event that they follow.
func (l *Listener) group(ctx context.Context, came <-chan Part, ended <-chan error) error {
	silence := l.Silence
	if silence == 0 {
		silence = l.Stream.Silence
	}
	quiet, more := time.NewTimer(silence), time.NewTimer(time.Hour)
	defer quiet.Stop()
	defer more.Stop()
	var g group
	flush := func() (err error) {
		if len(g.body) > 0 {
			err = l.Event(ctx, g.close())
		}
		g = group{}
		quiet.Reset(silence) // it was not read for a while
		return err
	}
	var err error
	for err == nil {
		select {
		case p := <-came:
			quiet.Reset(silence)
			l.Heard()
			if heartbeat.Match(p.Data) {
				continue
			}
			if !p.Picture() || !g.open || len(g.body)+len(p.Raw) > l.Limit {
				err = flush()
			}
			if g.add(p); err != nil {
				continue
			}
			if wait := g.wait(l.Stream.Linger); wait > 0 {
				more.Reset(wait)
			} else {
				err = flush()
			}
		case <-more.C:
			err = flush()
		case e := <-ended:
			return errors.Join(flush(), e)
		case <-quiet.C:
			return errors.Join(flush(), fmt.Errorf("%w for %s", ErrSilent, silence))
		case <-ctx.Done():
			return errors.Join(flush(), ctx.Err())
		}
	}
	return err
}

// heartbeat is a Dahua part that is nothing else. (Hikvision's are events.)
var heartbeat = regexp.MustCompile(`^\s*Heartbeat\s*$`)

// group is an event, and the pictures that came behind it.
type group struct {
	body []byte
	open bool // it has an event
	want int  // pictures that it announces and that are not there yet
}

func (g *group) add(p Part) {
	g.body = append(append(append(g.body, "--"+boundary+"\r\n"...), p.Raw...), "\r\n"...)
	if p.Picture() {
		g.want--
		return
	}
	g.open, g.want = true, announced(p.Data)
}

// wait is how long to wait for a picture; 0: not at all.
func (g *group) wait(linger time.Duration) time.Duration {
	switch {
	case g.want > 0:
		return pictureWait
	case !g.open:
		return 0
	}
	return linger
}

func (g *group) close() []byte { return append(g.body, "--"+boundary+"--\r\n"...) }

// maxAnnounced bounds what an event can have us wait for.
const maxAnnounced = 8

var announces = regexp.MustCompile(`(?:"picturesNumber"\s*:\s*|"picNum"\s*:\s*|<picNum>)(\d)`)

// announced is how many pictures an event says that it has. One that carries
// their addresses (pictureURL) sends none.
func announced(doc []byte) int {
	m := announces.FindSubmatch(doc)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return min(n, maxAnnounced)
}
