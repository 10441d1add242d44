package devicetest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"text/template"
	"time"

	"yiqiao/transform/event"
)

// Beijing is the clock of the simulated devices.
var Beijing = time.FixedZone("+08:00", 8*3600)

// Moment is one event of one device: what the templates of a protocol name.
type Moment struct {
	vendor  *Vendor
	picture int

	N      int       // number of the event in its fleet, from 0
	Device int       // number of the device, from 0
	ID     string    // its key in the device table
	Time   time.Time // by the device's clock
	Late   bool      // it comes from the device's memory
	Person int       // number of the person, from 0
	Seed   uint64
}

func (m Moment) ISO() string     { return m.Time.Format(time.RFC3339) }
func (m Moment) Millis() string  { return m.Time.Format("2006-01-02T15:04:05.000-07:00") }
func (m Moment) Local() string   { return m.Time.Format(time.DateTime) }
func (m Moment) Compact() string { return m.Time.Format("20060102150405") }
func (m Moment) Unix() int64     { return m.Time.Unix() }
func (m Moment) Now() string     { return time.Now().In(Beijing).Format(time.DateTime) }

// Stored is 1 for an event from memory, as most vendors write it.
func (m Moment) Stored() int {
	if m.Late {
		return 1
	}
	return 0
}

// Serial counts up to 100000 and begins again, as Hikvision's serialNo does.
func (m Moment) Serial() int { return m.N%100000 + 1 }

// UUID is the same for the same seed and number, and else for nobody.
func (m Moment) UUID() string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(m.Seed), m.N)
}

func (m Moment) IP() string       { return fmt.Sprintf("192.0.2.%d", m.Device%250+1) }
func (m Moment) MAC() string      { return fmt.Sprintf("44:19:b6:00:%02x:%02x", m.Device/256, m.Device%256) }
func (m Moment) PersonID() string { return personID(m.Person) }
func (m Moment) Card() string     { return cardNo(m.Person) }
func (m Moment) Identity() string { return Identity(m.Person) }
func (m Moment) Plate() string    { return fmt.Sprintf("测A%05d", m.N%100000) } // there is no 测
func (m Moment) Area() string     { return Area }
func (m Moment) Camera() string   { return camera(m.vendor, m.Device) }
func (m Moment) Door() string     { return door(m.vendor, m.Device) }

// Picture is a real JPEG that differs from event to event.
func (m Moment) Picture(k int) string {
	return string(event.SyntheticJPEG(m.picture, byte(m.N+k)))
}

// Base64 is Picture as text.
func (m Moment) Base64(k int) string {
	return base64.StdEncoding.EncodeToString([]byte(m.Picture(k)))
}

var functions = template.FuncMap{
	"nul": func() string { return "\x00" },
	"mod": func(a, b int) int { return a % b },
	"hex": func(s string) string { return strings.ReplaceAll(s, "-", "") },
}

// message is a rendered request.
type message struct {
	method, path string
	header       [][2]string
	body         []byte
}

func (r *Request) render(m Moment) (message, error) {
	var b bytes.Buffer
	if err := r.head.Execute(&b, m); err != nil {
		return message{}, err
	}
	lines := strings.Split(b.String(), "\n")
	var q message
	if n, _ := fmt.Sscanf(lines[0], "%s %s HTTP/1.1", &q.method, &q.path); n != 2 {
		return q, fmt.Errorf("no request line in %q", lines[0])
	}
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if !ok {
			return q, fmt.Errorf("no header in %q", l)
		}
		q.header = append(q.header, [2]string{name, strings.TrimSpace(value)})
	}
	var body bytes.Buffer
	err := r.body.Execute(&body, m)
	q.body = body.Bytes()
	return q, err
}
