package event

import (
	"bytes"
	"fmt"
	"strconv"
)

// keyValue reads the two texts of Dahua, and what resembles them:
//
//	Code=X;action=Pulse;index=0;data={…}     an event: an object with Code, action, index and the tree data
//	Events[0].Data.Name=X                    a line a value: a tree, whose indexes make lists
//	A=1,~B=2,C=3                             options on one line
//
// Several events of the first form become a list. Behind a NUL a picture may
// follow, which is a part named "picture" (ZKTeco's ATTPHOTO).
func (ev *Event) keyValue(body []byte) ([]byte, error) {
	if i := pictureBehindNUL(body); i >= 0 {
		data := body[i:]
		ev.Blobs = append(ev.Blobs, Blob{Data: data, Raw: true})
		ev.Parts = append(ev.Parts, Part{Name: "picture", Type: PictureType(data), Blob: len(ev.Blobs) - 1})
		body = trim(body[:bytes.IndexByte(body, 0)])
	}
	body = ev.utf8(body)
	text := body
	if bytes.IndexByte(body, '{') >= 0 {
		// The JSON in it is lifted with all the rest, which has no quotes.
		blobs, skel := len(ev.Blobs), len(ev.skel)
		lifted, _, err := ev.lift(body)
		if err != nil {
			ev.Blobs, ev.skel = ev.Blobs[:blobs], ev.skel[:skel]
			return nil, &Error{KeyValue, -1, err.(*Error).Text}
		}
		text = lifted
	}
	if bytes.HasPrefix(text, []byte("Code=")) && bytes.IndexByte(firstLine(text), ';') >= 0 {
		return ev.codes(text)
	}
	return ev.lines(text)
}

// codes reads events of the form Code=…;action=…;data={…}.
func (ev *Event) codes(text []byte) ([]byte, error) {
	var events [][]byte
	for len(text) > 0 {
		if !bytes.HasPrefix(text, []byte("Code=")) {
			return nil, &Error{KeyValue, -1, fmt.Sprintf("want Code= behind %d events", len(events))}
		}
		if len(events) == MaxElements/100 {
			return nil, &Error{KeyValue, -1, fmt.Sprintf("more than %d events", MaxElements/100)}
		}
		t := ev.tree.begin(ev)
		rest, err := ev.code(t, text)
		if err != nil {
			return nil, err
		}
		doc, err := t.document()
		if err != nil {
			return nil, err
		}
		events = append(events, doc)
		text = trim(rest)
	}
	if len(events) == 1 {
		return events[0], nil
	}
	ev.note("%d events one behind the other became a list", len(events))
	return listOf(events), nil
}

// code reads the fields of one event up to the end of its line, or of its data.
func (ev *Event) code(t *tree, text []byte) (rest []byte, err error) {
	for len(text) > 0 && text[0] != '\n' && text[0] != '\r' {
		key, value, ok := bytes.Cut(text, []byte("="))
		if !ok || bytes.ContainsAny(key, ";\n") {
			return nil, &Error{KeyValue, -1, "want Code=…;name=value;…"}
		}
		n, err := t.add(0, key, nil)
		if err != nil {
			return nil, err
		}
		if inner := bytes.TrimLeft(value, " \t\r\n"); len(inner) > 0 && (inner[0] == '{' || inner[0] == '[') {
			w := walker{b: inner}
			end, problem := w.value(0, 0, nil)
			if problem != "" {
				return nil, &Error{KeyValue, -1, fmt.Sprintf("%.24s is JSON that is cut off or broken: %s", key, problem)}
			}
			t.nodes[n].doc = inner[:end]
			text = bytes.TrimPrefix(inner[end:], []byte(";"))
			continue
		}
		end := bytes.IndexAny(value, ";\r\n")
		if end < 0 {
			end = len(value)
		}
		t.nodes[n].text = value[:end]
		text = bytes.TrimPrefix(value[end:], []byte(";"))
	}
	return text, nil
}

// lines reads a line a value.
func (ev *Event) lines(text []byte) ([]byte, error) {
	t := ev.tree.begin(ev)
	if bytes.IndexByte(text, '\n') < 0 {
		text = options(text)
	}
	ignored := 0
	for at := 0; at < len(text); {
		line := firstLine(text[at:])
		eq := bytes.IndexByte(line, '=')
		key := bytes.TrimSpace(line[:max(eq, 0)])
		if len(key) == 0 {
			if bytes.ContainsAny(line, "{<") {
				return nil, &Error{KeyValue, -1, fmt.Sprintf("want name=value in line %d", 1+bytes.Count(text[:at], []byte("\n")))}
			}
			at += len(line) + 1
			if !blank(line) {
				ignored++
			}
			continue
		}
		n, err := t.path(key)
		if err != nil {
			return nil, err
		}
		if p := &t.nodes[n]; p.text != nil || p.doc != nil {
			ev.note("%.60q is given more than once: the last counts", key)
			p.doc = nil
		}
		at = t.lineValue(n, text, at+eq+1)
	}
	if len(t.nodes) == 1 {
		return nil, &Error{KeyValue, 0, fmt.Sprintf("want lines name=value, got text that begins with %.12q", text)}
	}
	if ignored > 0 {
		ev.note("%d lines are not of the form name=value and were left out", ignored)
	}
	return t.document()
}

// lineValue reads the value that begins at from, up to the end of its line, or
// of its JSON, which may go on over several lines. It returns where the next
// line begins.
func (t *tree) lineValue(n int32, text []byte, from int) (next int) {
	p := &t.nodes[n]
	line := firstLine(text[from:])
	next = from + len(line) + 1
	w := walker{b: text}
	var doc []byte
	if at := w.space(from); at < len(text) && (text[at] == '{' || text[at] == '[') {
		if end := w.ends(at); end >= 0 {
			doc = text[at:end]
			behind := firstLine(text[end:])
			next = end + len(behind) + 1
			if !blank(behind) {
				t.ev.note("%d bytes behind the JSON of a line were left out", len(bytes.TrimSpace(behind)))
			}
		}
	}
	if p.doc = doc; doc == nil {
		p.text = bytes.TrimSpace(line)
	}
	return next
}

// options makes lines of A=1,~B=2,C=3 on one line.
func options(line []byte) []byte {
	var out []byte
	done := 0
	for i, c := range line {
		if c == ',' && pair(line[i+1:]) {
			out = append(append(out, line[done:i]...), '\n')
			done = i + 1
		}
	}
	return append(out, line[done:]...)
}

// path returns the node of a name like Events[0].Data.Name, and adds what is
// not there of it.
func (t *tree) path(key []byte) (n int32, err error) {
	steps := 0
	for len(key) > 0 {
		if steps++; steps > MaxDepth/2 {
			return 0, &Error{t.ev.Kind, -1, fmt.Sprintf("a name has more than %d steps", MaxDepth/2)}
		}
		end := bytes.IndexAny(key, ".[")
		if end < 0 {
			end = len(key)
		}
		name := key[:end]
		index, behind := indexStep(key[end:])
		if index < 0 {
			if key = bytes.TrimPrefix(key[end:], []byte(".")); len(key) > 0 && key[0] == '[' {
				name, key = append(bytes.Clone(name), key...), nil // no index
			}
			if n, err = t.child(n, name); err != nil {
				return 0, err
			}
			continue
		}
		if n, err = t.element(n, name, int32(index)); err != nil {
			return 0, err
		}
		key = bytes.TrimPrefix(behind, []byte("."))
	}
	return n, nil
}

// indexStep reads [12]; -1 if b does not begin with an index.
func indexStep(b []byte) (index int, behind []byte) {
	if len(b) == 0 || b[0] != '[' {
		return -1, b
	}
	end := bytes.IndexByte(b[:min(len(b), 9)], ']')
	if end < 0 {
		return -1, b
	}
	n, err := strconv.Atoi(string(b[1:end]))
	if err != nil || n < 0 {
		return -1, b
	}
	return n, b[end+1:]
}
