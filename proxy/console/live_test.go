package console_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"yiqiao/proxy"
)

// The stream tells the whole story of an event, is as described, and ends when
// the process is about to.
func TestLive(t *testing.T) {
	b := newBed(t, "")
	ctx, end := context.WithTimeout(context.Background(), 30*time.Second)
	defer end()
	req, err := http.NewRequestWithContext(ctx, "GET", b.url+"/api/live", nil)
	b.must(err)
	resp, err := http.DefaultClient.Do(req)
	b.must(err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != ": here" { // it watches now
		t.Fatalf("got %q", lines.Text())
	}
	const good = `{"when":"2026-01-02T03:04:05+08:00","person":"1001"}`
	b.post("/acme/door-1", good)
	b.post("/acme/door-1", good)
	b.post("/acme/door-1", `{"person":"1001"}`)
	b.post("/acme/stranger", good)
	schema, err := describe(t).compiler.Compile("openapi.json#/components/schemas/Happenings")
	b.must(err)
	seen := map[string]proxy.Happening{}
	for len(seen) < 5 && lines.Scan() {
		text, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		b.must(err)
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if bytes.Contains(text, []byte("340102199001010015")) {
			t.Errorf("an ID number is told: %s", text)
		}
		var message struct{ List []proxy.Happening }
		b.must(json.Unmarshal(text, &message))
		for _, h := range message.List {
			seen[h.What+h.Class] = h
		}
	}
	admitted, delivered := seen["admitted"], seen["delivered"]
	if admitted.ID == "" || delivered.ID != admitted.ID || seen["duplicate"].Of != admitted.ID || admitted.Interface != "stk/rytxjl" || delivered.Attempt != 1 {
		t.Errorf("got %+v", seen)
	}
	if seen["keptrefused"].Chinese == "" || seen["keptunknown-device"].ID == "" {
		t.Errorf("got %+v", seen)
	}
	b.Ending()
	for lines.Scan() {
	}
	if ctx.Err() != nil {
		t.Error("the stream goes on while the process ends")
	}
}
