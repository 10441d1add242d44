package console_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// described is the OpenAPI document, to prove answers by.
type described struct {
	t        *testing.T
	compiler *jsonschema.Compiler
	paths    map[string]map[string]struct {
		Responses map[string]any
	}
}

func describe(t *testing.T) *described {
	t.Helper()
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	d := &described{t: t, compiler: jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource("openapi.json", whole); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]any
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	d.paths = doc.Paths
	return d
}

// prove fails if an answer is not as the document says.
func (d *described) prove(method, path string, status int, answer any) {
	d.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	at := "openapi.json#/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + strings.ToLower(method) +
		"/responses/" + http.StatusText(status)
	code := map[int]string{200: "200", 400: "400", 404: "404", 409: "409", 413: "413", 422: "422"}[status]
	at = strings.TrimSuffix(at, http.StatusText(status)) + code + "/content/application~1json/schema"
	schema, err := d.compiler.Compile(at)
	if err != nil {
		d.t.Fatalf("%s %s answered %d: %v", method, path, status, err)
	}
	if err := schema.Validate(answer); err != nil {
		d.t.Errorf("%s %s answered %d: %v", method, path, status, err)
	}
}

// Each route of the API is described, and what is described is a route.
func TestOpenAPIRoutes(t *testing.T) {
	src, err := os.ReadFile("console.go")
	if err != nil {
		t.Fatal(err)
	}
	var routes, paths []string
	for _, m := range regexp.MustCompile(`\{"(GET|POST) (/api/[^"]*)"`).FindAllStringSubmatch(string(src), -1) {
		routes = append(routes, m[1]+" "+m[2])
	}
	for path, methods := range describe(t).paths {
		for method := range methods {
			paths = append(paths, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(routes)
	slices.Sort(paths)
	if !slices.Equal(routes, paths) || len(routes) < 9 {
		t.Errorf("the routes are\n%s\ndescribed are\n%s", strings.Join(routes, "\n"), strings.Join(paths, "\n"))
	}
}

type object = map[string]any

// Every endpoint answers as the document says, also when it refuses.
func TestAPI(t *testing.T) {
	b := newBed(t, "")
	d := describe(t)
	b.post("/acme/door-1", `{"when":"2026-01-02T03:04:05+08:00","person":"1001"}`)
	b.post("/acme/door-1", `{"time":"2026-01-02T03:04:05+08:00","person":"1001"}`)
	const name = "acme/door.yaml"
	text := bedFiles["mappings/"+name]
	call := func(method, path string, send any, want int) object {
		t.Helper()
		var got any
		status := b.ask(method, path, send, &got)
		if status != want {
			t.Fatalf("%s %s: status %d, want %d: %v", method, path, status, want, got)
		}
		d.prove(method, path, status, got)
		o, _ := got.(object)
		return o
	}
	call("GET", "/api/site", nil, 200)
	call("GET", "/api/standard", nil, 200)
	call("GET", "/api/openapi.json", nil, 200)
	for _, bad := range []string{"acme/none.yaml", "../yiqiao.yaml", "acme/../../yiqiao.yaml", "/etc/passwd", ""} {
		call("GET", "/api/file?name="+bad, nil, 404)
	}
	file := call("GET", "/api/file?name="+name, nil, 200)
	var recent, dead []object
	b.ask("GET", "/api/recent?source=acme", nil, &recent)
	b.ask("GET", "/-/dead", nil, &dead)
	if len(recent) != 2 || len(dead) != 1 {
		t.Fatalf("got %d recent events and %d dead letters, want 2 and 1", len(recent), len(dead))
	}
	call("GET", "/api/recent", nil, 200)

	good := call("POST", "/api/try", object{"name": name, "text": text, "input": object{"recent": recent[1]["id"]}}, 200)
	if good["outcome"] != "accepted" {
		t.Errorf("got %v", good)
	}
	raw, _ := json.Marshal(good)
	if strings.Contains(string(raw), "340102199001010015") {
		t.Error("an ID number is shown though nobody asked for it")
	}
	bare := call("POST", "/api/try", object{"name": name, "text": text, "input": object{"recent": recent[1]["id"]}, "reveal": true}, 200)
	if raw, _ := json.Marshal(bare); !strings.Contains(string(raw), "340102199001010015") {
		t.Error("an ID number is masked though somebody asked for it")
	}
	refused := call("POST", "/api/try", object{"name": name, "text": text, "input": object{"dead": dead[0]["id"]}}, 200)
	if refused["outcome"] != "kept" || !strings.Contains(refused["result"].(object)["refusal"].(object)["text"].(string), "开门时间") {
		t.Errorf("got %v", refused)
	}
	broken := call("POST", "/api/try", object{"name": name, "text": strings.Replace(text, "time(", "tiem(", 1), "input": object{}}, 200)
	if p := broken["problems"].([]any)[0].(object); p["here"] != true || p["line"] != 7.0 || p["col"] != 15.0 || p["width"] != 4.0 {
		t.Errorf("got problem %v", p)
	}
	call("POST", "/api/try", object{"name": name, "text": text, "input": object{"dead": "none"}}, 404)
	call("POST", "/api/try", object{"name": name, "text": text, "input": object{"recent": "acme-1"}}, 404)
	call("POST", "/api/try", object{"nmae": name}, 400)
	call("POST", "/api/try", object{"name": name, "text": text, "input": object{"body": []byte("POST /acme")}}, 200)

	call("POST", "/api/cases", object{"name": name, "text": text}, 200)
	access := call("GET", "/api/file?name=hikvision/access.yaml", nil, 200)
	cases := call("POST", "/api/cases", object{"name": "hikvision/access.yaml", "text": access["text"]}, 200)["cases"].([]any)
	if len(cases) == 0 {
		t.Error("hikvision/access.yaml has cases, none was run")
	}

	edited := strings.Replace(text, "event.when", "event.when ?? event.time", 1)
	call("POST", "/api/preview", object{"name": "../x.yaml", "text": edited}, 422)
	seen := call("POST", "/api/preview", object{"name": name, "text": edited}, 200)
	if seen["changed"] != 1.0 {
		t.Errorf("got %v", seen)
	}
	save := object{"name": name, "text": edited, "base": file["digest"], "seen": seen["digest"]}
	call("POST", "/api/save", object{"name": name, "text": edited, "base": file["digest"], "seen": "nothing"}, 409)
	call("POST", "/api/save", object{"name": name, "text": "title: [", "base": file["digest"], "seen": ""}, 422)
	if call("POST", "/api/save", save, 200)["ok"] != true {
		t.Error("the reload failed")
	}
	call("POST", "/api/save", save, 409)
}

// Whoever is not to look does not see anything.
func TestGuard(t *testing.T) {
	b, locked := newBed(t, ""), newBed(t, `admin: {password: "a long one"}`+"\n")
	ask := func(b *bed, method, path string, change func(*http.Request)) int {
		t.Helper()
		req, err := http.NewRequest(method, b.url+path, strings.NewReader("{}"))
		b.must(err)
		if change != nil {
			change(req)
		}
		resp, err := http.DefaultClient.Do(req)
		b.must(err)
		resp.Body.Close()
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") {
			t.Errorf("%s %s has the policy %q", method, path, csp)
		}
		return resp.StatusCode
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	from := func(origin string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Origin", origin); r.Header.Set("Sec-Fetch-Site", "cross-site") }
	}
	knows := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("anybody", password) }
	}
	for _, tt := range []struct {
		what, method, path string
		bed                *bed
		change             func(*http.Request)
		want               int
	}{
		{"the page", "GET", "/", b, nil, 200},
		{"by localhost", "GET", "/api/site", b, host("localhost:8081"), 200},
		{"by an address", "GET", "/api/site", b, host("[::1]:8081"), 200},
		{"by a name that somebody made lead here", "GET", "/api/site", b, host("evil.example"), 421},
		{"dead letters by such a name", "GET", "/-/dead", b, host("evil.example:8081"), 421},
		{"a scraper by a name", "GET", "/metrics", b, host("yiqiao"), 200},
		{"a probe by a name", "GET", "/-/ready", b, host("yiqiao"), 200},
		{"a page of another site saves", "POST", "/api/save", b, from("https://evil.example"), 403},
		{"a page of another site drops", "POST", "/-/dead/1/drop", b, from("https://evil.example"), 403},
		{"no such page", "GET", "/nothing", b, nil, 404},
		{"the page takes no POST", "POST", "/", b, nil, 405},
		{"without the password", "GET", "/", locked, nil, 401},
		{"dead letters without the password", "GET", "/-/dead", locked, nil, 401},
		{"with another", "GET", "/api/site", locked, knows("another"), 401},
		{"with the password, by a name", "GET", "/api/site", locked, func(r *http.Request) { knows("a long one")(r); r.Host = "yiqiao.example" }, 200},
		{"a scraper without it", "GET", "/metrics", locked, nil, 200},
	} {
		if got := ask(tt.bed, tt.method, tt.path, tt.change); got != tt.want {
			t.Errorf("%s: status %d, want %d", tt.what, got, tt.want)
		}
	}
	// Guessing is slow; who knows the password is not kept out by who guesses.
	status := 0
	for range 20 {
		status = ask(locked, "GET", "/", knows("a guess"))
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("after twenty guesses: status %d, want 429", status)
	}
	if got := ask(locked, "GET", "/", knows("a long one")); got != 200 {
		t.Errorf("with the password, while somebody guesses: status %d", got)
	}
}
