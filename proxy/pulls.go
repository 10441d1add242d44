package proxy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"yiqiao/proxy/device"
	"yiqiao/transform"
	"yiqiao/transform/message"
)

// pull is a device that is listened to, as its row in the device table says:
// its columns pull (the stream), address, user and password.
type pull struct {
	device  string // its id
	stream  string
	address string // http://host:port
	path    string // where it would post
	login   device.Credentials
}

// pulls reads the device tables of the sources.
func pulls(rules *transform.Rules) (list []pull, ps transform.Problems) {
	var seen []*transform.Table
	for _, s := range rules.Sources {
		t := s.Devices()
		if t == nil || slices.Contains(seen, t) {
			continue
		}
		seen = append(seen, t)
		for _, row := range t.DeviceRows() {
			name, _ := row.Cells["pull"].(string)
			if name == "" {
				continue
			}
			p, m := pullOf(rules, t, row, name)
			if m != nil {
				ps = append(ps, row.Problem(*m))
				continue
			}
			list = append(list, p)
		}
	}
	return list, ps
}

func pullOf(rules *transform.Rules, t *transform.Table, row transform.DeviceRow, name string) (pull, *message.Message) {
	wrong := func(rule string, args ...any) (pull, *message.Message) {
		m := message.New(rule, args...)
		return pull{}, &m
	}
	streams := device.Streams()
	i := slices.IndexFunc(streams, func(s device.Stream) bool { return s.Name == name })
	if i < 0 {
		var names []string
		for _, s := range streams {
			names = append(names, s.Name)
		}
		return wrong("pull-stream", row.ID, names, name, transform.Nearby(name, names))
	}
	cell := func(column string) string {
		s, _ := row.Cells[column].(string)
		return s
	}
	address, ok := deviceAddress(cell("address"))
	if !ok {
		return wrong("pull-address", row.ID, cell("address"))
	}
	path := fmt.Sprintf(streams[i].Push, row.ID)
	s, _, ok := rules.Match("POST", path)
	if s == nil || !ok || s.Devices() != t {
		return wrong("pull-source", row.ID, name, path)
	}
	user, password := rules.Credentials(s.Name, row.ID)
	return pull{row.ID, name, address, path, device.Credentials{User: fromEnvironment(user), Password: fromEnvironment(password)}}, nil
}

// deviceAddress reads 192.0.2.21, 192.0.2.21:8000 or https://192.0.2.21.
func deviceAddress(text string) (string, bool) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" {
		return "", false
	}
	return u.Scheme + "://" + u.Host, true
}
