package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/transform/schema"
)

// languageServer is the one that editors run, pinned in testdata/editor;
// make setup installs it.
const languageServer = "testdata/editor/node_modules/yaml-language-server/bin/yaml-language-server"

// editor speaks LSP to a language server, as an editor does.
type editor struct {
	t   *testing.T
	in  io.WriteCloser
	mu  sync.Mutex // of in
	ids int

	replies     chan rpcMessage
	diagnostics chan published
}

type rpcMessage struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`
}

type published struct {
	URI         string       `json:"uri"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Range struct {
		Start struct{ Line, Character int } `json:"start"`
	} `json:"range"`
	Message string `json:"message"`
}

// String is "line: message", lines counted from 1.
func (d diagnostic) String() string { return fmt.Sprintf("%d: %s", d.Range.Start.Line+1, d.Message) }

func startEditor(t *testing.T) *editor {
	t.Helper()
	if _, err := os.Stat(languageServer); err != nil {
		t.Fatalf("make setup installs the language server: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "node", languageServer, "--stdio")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e := &editor{t: t, in: in, replies: make(chan rpcMessage, 16), diagnostics: make(chan published, 256)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		e.read(bufio.NewReader(out))
	}()
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	e.ask("initialize", map[string]any{"processId": os.Getpid(), "rootUri": nil, "capabilities": map[string]any{
		"workspace":    map[string]any{"configuration": true},
		"textDocument": map[string]any{"completion": map[string]any{"completionItem": map[string]any{"documentationFormat": []string{"plaintext"}}}},
	}})
	e.tell("initialized", map[string]any{})
	return e
}

// read takes what the server says until it ends.
func (e *editor) read(r *bufio.Reader) {
	for {
		header, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil {
			return
		}
		n, err := strconv.Atoi(header.Get("Content-Length"))
		if err != nil {
			return
		}
		body := make([]byte, n)
		var m rpcMessage
		if _, err := io.ReadFull(r, body); err != nil || json.Unmarshal(body, &m) != nil {
			return
		}
		switch {
		case m.Method == "textDocument/publishDiagnostics":
			var p published
			if json.Unmarshal(m.Params, &p) == nil {
				e.diagnostics <- p
			}
		case m.Method == "workspace/configuration":
			e.send(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": e.settings(m.Params)})
		case m.Method != "" && m.ID != nil:
			e.send(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": nil})
		case m.Method == "":
			e.replies <- m
		}
	}
}

// settings answers what the server asks for. Nothing of the network: a schema
// is found by the first line of a file, or not at all.
func (e *editor) settings(params json.RawMessage) []any {
	var p struct {
		Items []struct{ Section string } `json:"items"`
	}
	_ = json.Unmarshal(params, &p) // one that makes no sense has no items
	var list []any
	for _, item := range p.Items {
		if item.Section == "yaml" {
			list = append(list, map[string]any{"schemaStore": map[string]any{"enable": false}, "validate": true, "completion": true, "hover": true})
			continue
		}
		list = append(list, map[string]any{})
	}
	return list
}

func (e *editor) send(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of our own maps
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = fmt.Fprintf(e.in, "Content-Length: %d\r\n\r\n%s", len(b), b) // a server that is gone does not answer
}

func (e *editor) tell(method string, params any) {
	e.send(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

const serverPatience = time.Minute

func (e *editor) ask(method string, params any) json.RawMessage {
	e.t.Helper()
	e.ids++
	e.send(map[string]any{"jsonrpc": "2.0", "id": e.ids, "method": method, "params": params})
	select {
	case m := <-e.replies:
		if m.Error != nil {
			e.t.Fatalf("%s: %s", method, m.Error)
		}
		return m.Result
	case <-time.After(serverPatience):
		e.t.Fatalf("%s: no answer", method)
	}
	return nil
}

// open shows a file to the server and waits for what it has against it.
func (e *editor) open(name, text string) (uri string, list []diagnostic) {
	e.t.Helper()
	full, err := filepath.Abs(name)
	if err != nil {
		e.t.Fatal(err)
	}
	uri = (&url.URL{Scheme: "file", Path: full}).String()
	e.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
	timeout := time.After(serverPatience)
	for {
		select {
		case p := <-e.diagnostics:
			if p.URI == uri {
				return uri, p.Diagnostics
			}
		case <-timeout:
			e.t.Fatalf("%s: no diagnostics", name)
		}
	}
}

type completion struct {
	Label         string `json:"label"`
	Documentation any    `json:"documentation"`
}

func (e *editor) complete(uri string, line, character int) map[string]string {
	e.t.Helper()
	result := e.ask("textDocument/completion", map[string]any{"textDocument": map[string]any{"uri": uri}, "position": map[string]any{"line": line, "character": character}})
	var list struct{ Items []completion }
	if err := json.Unmarshal(result, &list); err != nil {
		if err := json.Unmarshal(result, &list.Items); err != nil {
			e.t.Fatalf("%v: %s", err, result)
		}
	}
	offered := map[string]string{}
	for _, c := range list.Items {
		offered[c.Label] = fmt.Sprint(c.Documentation)
	}
	return offered
}

// An editor has nothing against the bundled files, nor against what init and
// new write.
func TestEditorGoodFiles(t *testing.T) {
	files := everyYAML(t)
	site := filepath.Join(t.TempDir(), "site")
	std := stdio{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	if err := runInit(t.Context(), std, []string{site}); err != nil {
		t.Fatal(err)
	}
	sample := filepath.Join(t.TempDir(), "sample.json")
	if err := os.WriteFile(sample, []byte(`{"type":"open","time":"2026-01-02 03:04:05","cardNo":"100200","device":"d1"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := runNew(t.Context(), std, []string{"acme/open", "-from", sample, "-to", "stk/rytxjl", "-site", site}); err != nil {
		t.Fatal(err)
	}
	files = append(files, filepath.Join(site, "yiqiao.yaml"), filepath.Join(site, "mappings/acme/source.yaml"), filepath.Join(site, "mappings/acme/open.yaml"))
	e := startEditor(t)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, list := e.open(name, string(data)); len(list) > 0 {
			t.Errorf("%s: %v", name, list)
		}
	}
}

// What is wrong in a file is underlined where it is wrong.
func TestEditorBadFiles(t *testing.T) {
	const rest = "  areaNo: device.xqbm\n  accessType: '\"1\"'\n  accessTime: time(event.at)\n"
	good := "title: 门\nto: stk/rytxjl\nrecord:\n  accessControlNo: device.mjxtbm\n" + rest
	tests := map[string]struct {
		kind, text string
		want       []string // the beginnings of diagnostics; nil: none
	}{
		"good":              {"mapping", good, nil},
		"unknown key":       {"mapping", good + "distinkt: event.n\n", []string{"9: Property distinkt is not allowed"}},
		"wrong interface":   {"mapping", strings.Replace(good, "rytxjl", "rytxjk", 1), []string{`3: Value is not accepted. Valid values: "xq"`}},
		"unknown field":     {"mapping", good + "  accesTime: event.at\n", []string{"9: Property accesTime is not allowed"}},
		"field of another":  {"mapping", good + "  carNo: event.plate\n", []string{"9: Property carNo is not allowed"}},
		"wrong type":        {"mapping", strings.Replace(good, "time(event.at)", "[event.at]", 1), []string{"8: Incorrect type"}},
		"missing field":     {"mapping", strings.Replace(good, "  areaNo: device.xqbm\n", "", 1), []string{`4: Missing property "areaNo"`}},
		"missing, merged":   {"mapping", "merge: _common.yaml\n" + strings.Replace(good, "  areaNo: device.xqbm\n", "", 1), nil},
		"ignore without":    {"mapping", "title: x\nignore:\n  - when: true\n", []string{`4: Missing property "because"`}},
		"ignore only":       {"mapping", "title: x\nignore: {when: true, because: none}\n", nil},
		"to without record": {"mapping", "title: x\nto: xq\n", []string{`2: Missing property "record"`}},
		"nested loops":      {"mapping", good + "each: {group: event.groups, person: group.people}\n", nil},
		"nested list":       {"fragment", "record:\n  jzxxList:\n    - {fwbm: event.code, yhzgxdm: '\"1\"', frw: '\"1\"'}\n", []string{"4: Property frw is not allowed"}},
		"fragment":          {"fragment", "let: {a: event.a}\nrecord: {areaNo: device.xqbm, accessTime: time(a)}\n", nil},
		"fragment with to":  {"fragment", "to: xq\n", []string{"2: Property to is not allowed"}},
		"source":            {"source", "title: x\nlisten: POST /x\nanswers: [{for: [acepted], body: ok}]\n", []string{`4: Value is not accepted. Valid values: "accepted"`}},
		"source, status":    {"source", "title: x\nlisten: POST /x\nanswers:\n  - status: OK\n", []string{"5: 要一个整数"}},
		"source, listen":    {"source", "title: x\n", []string{`2: Missing property "listen"`}},
		"site":              {"site", "platform: {url: http://127.0.0.1/api/v1, appKey: a}\nreload: {mode: confirm, events: 10, bytes: 4MB}\n", nil},
		"site, short":       {"site", "platform: {url: http://127.0.0.1/api/v1, appKey: 17}\nreload: confirm\ntables: {devices: d.csv, doors: {file: e.csv, key: [a, b]}}\n", nil},
		"site, mode":        {"site", "platform: {url: http://127.0.0.1/api/v1, appKey: a}\nreload: perhaps\n", []string{`3: Value is not accepted. Valid values: "auto"`}},
		"site, duration":    {"site", "platform: {url: http://127.0.0.1/api/v1, appKey: a}\ndedup:\n  window: 3 days\n", []string{"4: 要一段时间"}},
		"site, size":        {"site", "platform: {url: http://127.0.0.1/api/v1, appKey: a}\nlimits: {body: much}\n", []string{"3: 要一个大小"}},
		"site, unknown key": {"site", "platform: {url: http://127.0.0.1/api/v1, appKey: a}\nlimit: {}\n", []string{"3: Property limit is not allowed"}},
	}
	folder := copiedSchemas(t)
	e := startEditor(t)
	for name, tt := range tests {
		text := "# yaml-language-server: $schema=../" + schema.FileName(tt.kind) + "\n" + tt.text
		_, list := e.open(filepath.Join(folder, "acme", strings.ReplaceAll(name, " ", "-")+".yaml"), text)
		ok := len(list) == len(tt.want)
		for i := 0; ok && i < len(list); i++ {
			ok = strings.HasPrefix(list[i].String(), tt.want[i])
		}
		if !ok {
			t.Errorf("%s:\nwant %q\ngot  %q", name, tt.want, list)
		}
	}
}

// copiedSchemas is a folder with the committed schemas.
func copiedSchemas(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, kind := range schemaKinds() {
		data, err := os.ReadFile(filepath.Join(bundledFolder, schema.FileName(kind)))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, schema.FileName(kind)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// An editor offers the fields of the interface with their labels, lengths and
// codes, the interfaces, and the keys.
func TestEditorCompletion(t *testing.T) {
	folder := copiedSchemas(t)
	e := startEditor(t)
	text := "# yaml-language-server: $schema=../mapping.schema.json\ntitle: x\nto: stk/rytxjl\nrecord:\n  areaNo: device.xqbm\n  \n"
	uri, _ := e.open(filepath.Join(folder, "acme", "open.yaml"), text)
	offered := e.complete(uri, 5, 2)
	for field, words := range map[string][]string{
		"accessType":     {"通行方式", "必填", "ZD018", "2 人脸"},
		"accessTime":     {"开门时间", "yyyy-MM-dd HH:mm:ss"},
		"snapSmallImage": {"GF005"},
	} {
		doc, ok := offered[field]
		for _, w := range words {
			if !ok || !strings.Contains(doc, w) {
				t.Errorf("%s: want it offered with %q, got %q", field, w, doc)
			}
		}
	}
	if _, ok := offered["carNo"]; ok {
		t.Error("a field of another interface is offered")
	}
	if _, ok := offered["areaNo"]; ok {
		t.Error("a field that is there is offered again")
	}
	hover := string(e.ask("textDocument/hover", map[string]any{"textDocument": map[string]any{"uri": uri}, "position": map[string]any{"line": 4, "character": 4}}))
	if !strings.Contains(hover, "小区编码") || !strings.Contains(hover, "必填") {
		t.Errorf("areaNo is explained as %s", hover)
	}
	uri, _ = e.open(filepath.Join(folder, "acme", "to.yaml"), "# yaml-language-server: $schema=../mapping.schema.json\ntitle: x\nto: \n")
	if offered = e.complete(uri, 2, 4); len(offered) < 15 {
		t.Errorf("interfaces: got %v", offered)
	}
	uri, _ = e.open(filepath.Join(folder, "site", "yiqiao.yaml"), "# yaml-language-server: $schema=../site.schema.json\n\n")
	offered = e.complete(uri, 1, 0)
	if !strings.Contains(offered["reload"], "confirm") || !strings.Contains(offered["dedup"], "去重") {
		t.Errorf("keys of a site: got %v", offered)
	}
}

// An editor has nothing against the examples of the language reference that
// load: the schema knows all of the language.
func TestEditorReference(t *testing.T) {
	folder := copiedSchemas(t)
	e := startEditor(t)
	tried := 0
	for _, page := range []string{"README.md", "README.zh-CN.md"} {
		data, err := os.ReadFile(filepath.Join(bundledFolder, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, ex := range referenceFiles(string(data)) {
			text := "# yaml-language-server: $schema=../" + schema.FileName(kindOfFile(ex.name)) + "\n" + ex.text
			if _, list := e.open(filepath.Join(folder, "acme", fmt.Sprintf("%d-%s", tried, filepath.Base(ex.name))), text); len(list) > 0 {
				t.Errorf("%s:%d: %v", page, ex.line, list)
			}
			tried++
		}
	}
	if tried < 25 {
		t.Errorf("only %d examples", tried)
	}
}

type referenceFile struct {
	name, text string
	line       int
}

// referenceFiles are the mappings, fragments and sources of the language
// reference but for those that are there to show problems.
func referenceFiles(page string) (files []referenceFile) {
	lines := strings.Split(page, "\n")
	for i := 0; i+2 < len(lines); i++ {
		name, ok := strings.CutPrefix(lines[i], "**`acme/")
		name, ok2 := strings.CutSuffix(name, "`**")
		if ok && ok2 && strings.HasSuffix(name, ".yaml") && lines[i+2] == "```yaml" {
			end := i + 3
			for lines[end] != "```" {
				end++
			}
			files = append(files, referenceFile{name, strings.Join(lines[i+3:end], "\n") + "\n", i + 4})
			i = end
		}
		if lines[i] == "**Problems**" || lines[i] == "**问题**" {
			files = files[:len(files)-1]
		}
	}
	return files
}
