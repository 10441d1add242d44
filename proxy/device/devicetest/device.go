package devicetest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/icholy/digest"
	"github.com/tidwall/gjson"

	"yiqiao/transform/event"
)

// DeviceOptions are what a Device is made of.
type DeviceOptions struct {
	Index      int    // number of the device, from 0
	User, Pass string // for Digest; "": it asks nobody
	Heartbeat  time.Duration
	Picture    int // bytes of a picture
	People     int // of PeopleCSV
}

// Device is one simulated device as who calls it sees it: streams of its
// events (alertStream, eventManager, snapManager), its memory to be searched
// (AcsEvent, recordFinder) and pictures (/pictures/…), all behind Digest.
type Device struct {
	v     *Vendor
	o     DeviceOptions
	nonce string
	mux   *http.ServeMux

	mu      sync.Mutex
	n       int
	silent  bool
	streams map[chan []byte]string // open ones, with the stream's name
	memory  []access               // which can be searched for
	cut     chan struct{}          // closed to end all streams
	asked   map[string]int         // requests with good credentials, by path
	refused int                    // requests with bad ones
}

// access is somebody at the door.
type access struct {
	Moment
	nobody bool // whom the device does not know
}

// NewDevice makes a device of a vendor that can be called.
func NewDevice(v *Vendor, o DeviceOptions) *Device {
	d := &Device{v: v, o: o, nonce: rand.Text(), mux: http.NewServeMux(), streams: map[chan []byte]string{}, cut: make(chan struct{}), asked: map[string]int{}}
	if d.o.Heartbeat == 0 {
		d.o.Heartbeat = 10 * time.Second
	}
	stream := func(name, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { d.stream(w, r, name, contentType) }
	}
	d.mux.HandleFunc("GET /ISAPI/Event/notification/alertStream", stream("alertStream", "multipart/mixed; boundary=boundary"))
	d.mux.HandleFunc("GET /cgi-bin/eventManager.cgi", stream("eventManager", "multipart/x-mixed-replace; boundary=boundary"))
	d.mux.HandleFunc("GET /cgi-bin/snapManager.cgi", stream("snapManager", "multipart/x-mixed-replace; boundary=boundary"))
	d.mux.HandleFunc("POST /ISAPI/AccessControl/AcsEvent", d.acsEvent)
	d.mux.HandleFunc("GET /cgi-bin/recordFinder.cgi", d.recordFinder)
	d.mux.HandleFunc("GET /pictures/", d.pictureOf)
	return d
}

// Row is the device's row in a table, with its head, for a site that listens to
// it at address; of several streams the first.
func (d *Device) Row(address string) string {
	var b strings.Builder
	head, _, _ := strings.Cut(DevicesCSV(0), "\n")
	lines := strings.Split(strings.TrimSpace(DevicesCSV(d.o.Index+1, d.v)), "\n")
	stream := ""
	if names := slices.Sorted(maps.Keys(d.v.Streams)); len(names) > 0 {
		stream = names[0]
	}
	fmt.Fprintf(&b, "%s,pull,address,user,password\n%s,%s,%s,%s,%s\n", head, lines[len(lines)-1], stream, address, d.o.User, d.o.Pass)
	return b.String()
}

// ID is the device's key in DevicesCSV.
func (d *Device) ID() string { return d.v.id(d.o.Index) }

// ServeHTTP asks for credentials first (RFC 7616, MD5, qop=auth).
func (d *Device) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	challenge := &digest.Challenge{Realm: "sim", Nonce: d.nonce, Algorithm: "MD5", QOP: []string{"auth"}}
	if d.o.User != "" && !d.knows(challenge, r) {
		d.mu.Lock()
		if r.Header.Get("Authorization") != "" {
			d.refused++
		}
		d.mu.Unlock()
		w.Header().Set("WWW-Authenticate", challenge.String())
		http.Error(w, "401 Unauthorized", http.StatusUnauthorized)
		return
	}
	d.mu.Lock()
	d.asked[r.URL.Path]++
	d.mu.Unlock()
	d.mux.ServeHTTP(w, r)
}

func (d *Device) knows(challenge *digest.Challenge, r *http.Request) bool {
	got, err := digest.ParseCredentials(r.Header.Get("Authorization"))
	if err != nil || got.Nonce != d.nonce || got.URI != r.RequestURI {
		return false
	}
	want, err := digest.Digest(challenge, digest.Options{Method: r.Method, URI: got.URI, Count: got.Nc, Cnonce: got.Cnonce, Username: d.o.User, Password: d.o.Pass})
	return err == nil && got.Username == d.o.User && got.Response == want.Response
}

// Asked is how often a path was asked for with good credentials.
func (d *Device) Asked(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[path]
}

// Refused is how often a user was turned away.
func (d *Device) Refused() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused
}

// Listeners is how many streams are open.
func (d *Device) Listeners() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.streams)
}

// Cut ends all streams in the middle of whatever they are doing.
func (d *Device) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.cut)
	d.cut = make(chan struct{})
}

// Silence lets the device send neither events nor heartbeats, or again.
func (d *Device) Silence(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = on
}

// Emit makes an event of a kind (a request of the vendor's file): it goes to
// the open streams that carry such events, and into the device's memory. It returns the event.
func (d *Device) Emit(kind string) (Moment, error) { return d.EmitAt(kind, time.Now()) }

// EmitAt is Emit with another time of the device's clock.
func (d *Device) EmitAt(kind string, at time.Time) (Moment, error) {
	r := d.v.Requests[kind]
	if r == nil {
		return Moment{}, fmt.Errorf("vendor %q: there is no request %q", d.v.Name, kind)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := Moment{vendor: d.v, picture: d.o.Picture, N: d.n, Device: d.o.Index, ID: d.ID(), Time: at.In(Beijing)}
	if d.n++; d.o.People > 0 {
		m.Person = m.N % d.o.People
	}
	q, err := r.render(m)
	if err != nil {
		return m, err
	}
	if r.Gives == "stk/rytxjl" {
		d.memory = append(d.memory, access{m, kind == "stranger"})
	}
	if d.silent {
		return m, nil
	}
	parts := streamed(q)
	for s, name := range d.streams {
		if !slices.Contains(d.v.Streams[name], kind) {
			continue
		}
		select {
		case s <- parts:
		default: // nobody reads: a device does not wait either, its memory has the event
		}
	}
	return m, nil
}

// streamed makes the parts of a stream of a pushed request.
func streamed(q message) []byte {
	contentType := "text/plain"
	for _, h := range q.header {
		if h[0] == "Content-Type" {
			contentType = h[1]
		}
	}
	var b bytes.Buffer
	part := func(head string, data []byte) {
		fmt.Fprintf(&b, "--boundary\r\n%sContent-Length: %d\r\n\r\n%s\r\n", head, len(data), data)
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		part("Content-Type: "+contentType+"\r\n", q.body)
		return b.Bytes()
	}
	for r := multipart.NewReader(bytes.NewReader(q.body), params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err != nil {
			return b.Bytes()
		}
		data, _ := io.ReadAll(p)
		head := ""
		for _, name := range []string{"Content-Disposition", "Content-Type", "Content-ID"} {
			if v := p.Header.Get(name); v != "" {
				head += name + ": " + v + "\r\n"
			}
		}
		part(head, data)
	}
}

// stream is an endless answer.
func (d *Device) stream(w http.ResponseWriter, r *http.Request, name, contentType string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	events := make(chan []byte, 64)
	d.mu.Lock()
	d.streams[events] = name
	cut := d.cut
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.streams, events)
	}()
	beat := time.NewTicker(d.o.Heartbeat)
	defer beat.Stop()
	for {
		var data []byte
		select {
		case data = <-events:
		case <-beat.C:
			data = d.heartbeat()
		case <-cut:
			panic(http.ErrAbortHandler) // as when the cable is pulled
		case <-r.Context().Done():
			return
		}
		if _, err := w.Write(data); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// heartbeat is what the vendor sends on a stream to say that it lives.
func (d *Device) heartbeat() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.silent {
		return nil
	}
	if d.v.Name == "dahua" {
		return []byte("--boundary\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nHeartbeat\r\n")
	}
	m := Moment{vendor: d.v, Device: d.o.Index, ID: d.ID(), Time: time.Now().In(Beijing)}
	q, err := d.v.Requests["heartbeat"].render(m)
	if err != nil {
		return nil
	}
	return streamed(q)
}

// acsEvent searches the memory as Hikvision's terminals do: other names for the
// same things, a page at a time.
func (d *Device) acsEvent(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	cond := gjson.GetBytes(body, "AcsEventCond")
	from, err1 := time.Parse(time.RFC3339, cond.Get("startTime").String())
	to, err2 := time.Parse(time.RFC3339, cond.Get("endTime").String())
	if err1 != nil || err2 != nil || cond.Get("searchID").String() == "" || cond.Get("maxResults").Int() < 1 {
		http.Error(w, `{"statusCode":6,"statusString":"Invalid Content"}`, http.StatusBadRequest)
		return
	}
	all := d.remembered(from, to)
	position := min(int(cond.Get("searchResultPosition").Int()), len(all))
	page := all[position:min(position+int(cond.Get("maxResults").Int()), len(all))]
	list := make([]map[string]any, 0, len(page))
	for _, m := range page {
		one := map[string]any{
			"major": 5, "minor": 75, "time": m.ISO(), "cardReaderNo": 1, "doorNo": 1, "type": 0,
			"serialNo": m.Serial(), "currentVerifyMode": "faceOrFpOrCardOrPw", "picturesNumber": 1,
			"pictureURL": fmt.Sprintf("http://%s/pictures/%d.jpeg@WEB000000000061", r.Host, m.N),
		}
		if !m.nobody {
			one["employeeNoString"] = m.PersonID()
		}
		list = append(list, one)
	}
	state := "OK"
	switch {
	case len(all) == 0:
		state = "NO MATCH"
	case position+len(page) < len(all):
		state = "MORE"
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"AcsEvent": map[string]any{
		"searchID": cond.Get("searchID").String(), "responseStatusStrg": state, "numOfMatches": len(page), "totalMatches": len(all), "InfoList": list,
	}})
}

func (d *Device) remembered(from, to time.Time) (list []access) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.memory {
		if at := m.Time.Truncate(time.Second); !at.Before(from.Truncate(time.Second)) && !at.After(to) {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b access) int { return a.Time.Compare(b.Time) })
	return list
}

// recordsOnce is what a Dahua device gives at once, whatever it is asked for.
const recordsOnce = 20

// recordFinder searches the memory as Dahua's terminals do.
func (d *Device) recordFinder(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, err1 := strconv.ParseInt(q.Get("StartTime"), 10, 64)
	to, err2 := strconv.ParseInt(q.Get("EndTime"), 10, 64)
	count, err3 := strconv.Atoi(q.Get("count"))
	if err1 != nil || err2 != nil || err3 != nil || q.Get("action") != "find" || q.Get("name") != "AccessControlCardRec" {
		http.Error(w, "Error\r\nBad Request!", http.StatusBadRequest)
		return
	}
	list := d.remembered(time.Unix(from, 0), time.Unix(to, 0))
	list = list[:min(count, len(list), recordsOnce)]
	fmt.Fprintf(w, "found=%d\r\n", len(list))
	for i, m := range list {
		for _, l := range []string{
			"CardName=", "CardNo=", fmt.Sprintf("CreateTime=%d", m.Unix()), "Door=0", "ErrorCode=0", "Method=1",
			fmt.Sprintf("RecNo=%d", m.N), "Status=1", "Type=Entry", fmt.Sprintf("URL=/pictures/%d.jpg", m.N), "UserID=" + m.PersonID(),
		} {
			fmt.Fprintf(w, "records[%d].%s\r\n", i, l)
		}
	}
}

// pictureOf serves a picture that an event names: /pictures/7.jpeg, with or
// without what Hikvision puts behind it.
func (d *Device) pictureOf(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/pictures/"), ".")
	n, err := strconv.Atoi(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(event.SyntheticJPEG(max(d.o.Picture, 1000), byte(n)))
}
