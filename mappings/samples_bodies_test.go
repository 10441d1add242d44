//go:build samples

// What becomes of each file of a folder of samples when it is decoded, and
// when the bundled sources would take it (it is not part of the project):
//
//	go test -tags samples -run TestBodies -v ./mappings -args -samples DIR
package mappings_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yiqiao/transform"
	"yiqiao/transform/event"
)

func TestBodies(t *testing.T) {
	t.Logf("%-55s %-9s %5s %5s %5s  %s", "file", "kind", "doc", "parts", "pict.", "members; notes")
	n := 0
	err := filepath.WalkDir(*samples, func(name string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(*samples, name)
		if err != nil || d.IsDir() || !strings.ContainsRune(rel, filepath.Separator) {
			return err
		}
		n++
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		data = regexp.MustCompile(`\{\{b64png:(\d+)\}\}`).ReplaceAll(data, []byte("{{b64jpeg:$1}}"))
		q, body, err := transform.ReadInput(rel, data)
		if err != nil {
			return err
		}
		ev := &event.Event{Request: q}
		if err := event.NewDecoder().Decode(ev, q.ContentType, body, event.Layout{}); err != nil {
			t.Errorf("%-55s %v", rel, err)
			return nil
		}
		v, err := ev.Value(ev.Doc)
		if err != nil {
			t.Errorf("%-55s %-9s %v", rel, ev.Kind, err)
			return nil
		}
		pictures := bytes.Count(ev.Doc, []byte("/9j/")) // small ones stay in the document
		for _, b := range ev.Blobs {
			if event.PictureType(b.Data) != "" || bytes.HasPrefix(b.Data, []byte("/9j/")) || bytes.HasPrefix(b.Data, []byte("data:image/")) {
				pictures++
			}
		}
		t.Logf("%-55s %-9s %5d %5d %5d  %s %s", rel, ev.Kind, len(ev.Doc), len(ev.Parts), pictures, members(v), strings.Join(ev.Notes, "; "))
		if tokens := bytes.Count(data, []byte("jpeg:")); pictures < tokens {
			t.Errorf("%s: %d of %d pictures were found", rel, pictures, tokens)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files, %v", n, err)
	}
}

// members names the first members of a document.
func members(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var names []string
		for k := range v {
			names = append(names, k)
		}
		if len(names) == 1 {
			return names[0] + "." + members(v[names[0]])
		}
		return fmt.Sprintf("%d members", len(names))
	case []any:
		return fmt.Sprintf("list of %d", len(v))
	}
	return fmt.Sprintf("%.20v", v)
}
