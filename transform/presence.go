package transform

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// Presence says when the silence of a source's devices means that they are
// gone, and what the platform is told then.
type Presence struct {
	Silent  time.Duration // for so long nothing came: the device is offline
	Refresh time.Duration // so often it is told though nothing has changed; 0: never

	// Events is the source whose events are PresenceEvents; nil: nobody is told.
	Events *Source

	heartbeat *expression // nil: any event shows that silence means something
}

// presenceEvents names the source of the presence of another, and the cases of
// its record: hikvision/presence.
const presenceEvents = "presence"

// OfPresence tells whether a source is that of another one's presence, whose
// events no device sends.
func OfPresence(source string) bool { return strings.HasSuffix(source, "/"+presenceEvents) }

// PresenceEvent is the event that a device came, went, or is as it was. Its members
// are what the record of presence may use.
type PresenceEvent struct {
	Device string    `json:"device"` // the first id of its row
	Online bool      `json:"online"`
	Since  time.Time `json:"since"` // offline: when it was last heard of
	At     time.Time `json:"at"`
}

// Body is the event as a source would send it.
func (c PresenceEvent) Body() ([]byte, error) { return json.Marshal(c) }

// Judges tells whether the silence of a device says something: beats is
// whether it was ever heard to send a heartbeat.
func (p *Presence) Judges(beats bool) bool { return beats || p.heartbeat == nil }

// leastSilent is what a meeting of replicas can still tell apart.
const leastSilent = time.Second

// presence reads the section and compiles its record like a mapping whose
// events are PresenceEvents.
func (b *sourceBuilder) presence(n ast.Node, l *loader) {
	p := new(Presence)
	s := b.source
	child := &Source{Name: s.Name + "/" + presenceEvents, Title: s.Title + " 在线状态", place: s.place, zone: s.zone, devices: s.devices}
	child.layout.Kind = event.JSON
	at := tokenOf(n).Position
	m := &Mapping{Name: child.Name, Title: child.Title, place: Place{b.name, at.Line, at.Column}, eachRaw: -1, inline: map[string]inlineTable{}, rows: map[string]inlineRows{}}
	mf := &mappingFile{file: b.file, m: m, spec: l.catalogue, parts: map[string][]part{}, names: map[string]Place{}}
	mf.scope = scope{event: &child.paths, device: l.deviceTable(b), tables: l.tables, inline: m.inline, lets: map[string]*Table{}, later: map[string]bool{}, catalogue: l.catalogue}
	keys := []key{
		{"silent", true, func(n ast.Node) { p.Silent = b.span(n, "presence.silent") }},
		{"refresh", false, func(n ast.Node) { p.Refresh = b.span(n, "presence.refresh") }},
		{"heartbeat", false, func(n ast.Node) {
			if c, ok := b.code(n, "presence.heartbeat"); ok {
				p.heartbeat = b.scope.compile(c)
			}
		}},
	}
	for _, name := range []string{"ignore", "let", "to", "record"} {
		keys = append(keys, key{name, false, func(n ast.Node) { mf.parts[name] = append(mf.parts[name], part{b.file, n}) }})
	}
	b.read(b.members(n, "presence"), "presence", keys)
	s.Presence = p
	if s.devices == nil {
		b.at(tokenOf(n), message.New("presence-device", s.Name))
	}
	if len(mf.parts) == 0 {
		return // it is only watched
	}
	child.deviceIDs = []*expression{mf.scope.compile(code{file: b.file, text: "event.device", place: m.place})}
	mf.foresee()
	mf.read("ignore", mf.ignore)
	mf.read("let", mf.let)
	mf.record()
	m.device = true // of a device that is gone from the table nobody is told
	m.findPrivate()
	child.Mappings = []*Mapping{m}
	p.Events = child
}

func (b *sourceBuilder) span(n ast.Node, what string) time.Duration {
	text, _ := b.text(n, what)
	d, err := time.ParseDuration(text)
	if err != nil || d < leastSilent {
		b.at(n.GetToken(), message.New("presence-span", what, text))
	}
	return d
}

// sight notes in the result which device was heard of. Nobody who traces asks.
func (r *run) sight(res *Result) {
	if r.source.devices == nil || r.trace != nil {
		return
	}
	// Who sent it, not whom its elements are about: those may be silent.
	r.mapping = nil
	if r.findDevice(); r.device == nil {
		return
	}
	if row := r.source.devices.exact(r.deviceID); row != nil {
		res.Sighted = row.first
	}
	res.Beats = r.beats
}

// unknownBeats tells whether the event is a heartbeat of a device that nobody
// knows: no mapping would miss it, and nobody would see that it is not watched.
func (r *run) unknownBeats() bool {
	p := r.source.Presence
	if p == nil || p.heartbeat == nil {
		return false
	}
	r.beats, _ = r.condition(p.heartbeat)
	return r.beats && r.findDevice() == nil
}

// DeviceTable is the table that the devices of the source stand in; nil: none.
func (s *Source) DeviceTable() *Table { return s.devices }

// Names are the first ids of all rows of a table with one key column, in order.
func (t *Table) Names() []string {
	var names []string
	for _, r := range t.rows {
		names = append(names, r.first)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
