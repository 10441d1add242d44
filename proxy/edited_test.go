package proxy

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is saved is what was seen: a person sees what a file changes for the
// events that came, and only then it is written and takes traffic.
func TestSaveEdit(t *testing.T) {
	b := newBed(t, nil)
	ctx := context.Background()
	b.mustPost("/iflytek/api/v1/stk/zpjl", faceEvent(t))
	text, err := b.ReadPackFile("hikvision/heartbeat.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const file = "hikvision/heartbeat.yaml"
	edited := append([]byte("# 改过\n"), text...)
	seen, err := b.PreviewEdit(ctx, file, edited)
	if err != nil || seen.Digest == "" || seen.Effect == nil {
		t.Fatalf("got %+v, %v", seen, err)
	}
	if broken, err := b.PreviewEdit(ctx, file, []byte("title: x\nwhen: evnt.a\n")); err != nil || broken.Digest != "" || len(broken.Problems.Errors()) == 0 {
		t.Errorf("a broken file: got %+v, %v, want problems and no digest", broken, err)
	}
	for _, bad := range []string{"../x.yaml", "hikvision/../../x.yaml", "/etc/x.yaml", "hikvision/x.txt", "a/b/c.yaml", "hikvision/.x.yaml"} {
		if _, err := b.PreviewEdit(ctx, bad, edited); err == nil {
			t.Errorf("%q was taken for the name of a file", bad)
		}
	}
	base := TextDigest(text)
	if err := b.SaveEdit(ctx, file, edited, base, "not seen"); !errors.Is(err, ErrStale) {
		t.Errorf("without having seen the difference: got %v", err)
	}
	if err := b.SaveEdit(ctx, file, edited, TextDigest([]byte("another")), seen.Digest); !errors.Is(err, ErrStale) {
		t.Errorf("from another text than the file's: got %v", err)
	}
	before := b.Generation().Name()
	if err := b.SaveEdit(ctx, file, edited, base, seen.Digest); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(b.dir, "mappings", file)); string(got) != string(edited) {
		t.Errorf("the site's file holds %q", got)
	}
	if g := b.Generation(); g.Name() == before || g.Rules.Digest != seen.Digest {
		t.Errorf("generation %s is in use, want that with digest %s", g.Name(), seen.Digest)
	}
	for _, f := range b.PackFiles() {
		if f.Name == file && !f.Own {
			t.Error("the file does not count as the site's own")
		}
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "mappings", "*", ".saving-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// The last events can be had again as they came.
func TestRecentEvents(t *testing.T) {
	b := newBed(t, nil)
	b.mustPost("/iflytek/api/v1/stk/zpjl", faceEvent(t))
	list := b.RecentEvents("iflytek")
	if len(list) != 1 || list[0].Path != "/iflytek/api/v1/stk/zpjl" || len(b.RecentEvents("dahua")) != 0 {
		t.Fatalf("got %+v", list)
	}
	sample, err := b.RecentSample(list[0].ID)
	if err != nil || sample.Source != "iflytek" || !strings.Contains(string(sample.Body), "snapTime") {
		t.Errorf("got %+v, %v", sample, err)
	}
	if _, err := b.RecentSample("iflytek-1"); err == nil {
		t.Error("there is no such event")
	}
}

func faceEvent(t *testing.T) []byte {
	t.Helper()
	return []byte(`{"snapTime":"2026-01-02 03:04:05","snapNo":"34010200011321000001"}`)
}

func (b *bed) mustPost(path string, body []byte) {
	b.t.Helper()
	resp, err := http.Post(b.devices.URL+path, "application/json", strings.NewReader(string(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("POST %s: %s", path, resp.Status)
	}
}
