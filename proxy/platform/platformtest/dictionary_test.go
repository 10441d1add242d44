package platformtest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/transform/spec"
)

// The client reads every dictionary that is known whole, in every form, and is
// told that nothing has changed when it asks again.
func TestDictionaries(t *testing.T) {
	catalogue, err := sharedCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []platformtest.DictionaryForm{{}, {ID: true}, {Bare: true}, {ID: true, Bare: true}} {
		t.Run(fmt.Sprintf("%+v", form), func(t *testing.T) {
			b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.Dictionaries = form })
			asked := 0
			for _, d := range catalogue.Dicts {
				if d.Path == "" || !d.Complete {
					continue
				}
				var want []platform.DictionaryEntry
				for _, e := range d.Entries {
					want = append(want, platform.DictionaryEntry(e))
				}
				got, changed, err := b.client.Dictionary(t.Context(), d.Path, platform.Dictionary{})
				if diff := cmp.Diff(want, got.Entries); err != nil || !changed || diff != "" || got.ETag == "" {
					t.Errorf("%s: %t %v %q %s", d.Code, changed, err, got.ETag, diff)
				}
				if again, changed, err := b.client.Dictionary(t.Context(), d.Path, got); err != nil || changed || again.ETag != got.ETag {
					t.Errorf("%s again: %t %v %q", d.Code, changed, err, again.ETag)
				}
				asked++
			}
			if asked < 15 {
				t.Errorf("asked for %d dictionaries", asked)
			}
		})
	}
}

// What it answers is in the form that was chosen.
func TestDictionaryForms(t *testing.T) {
	for form, want := range map[platformtest.DictionaryForm]string{
		{}:                     `{"code":"0","data":[{"zdx":"0","zdz":"未知的性别"},`,
		{ID: true}:             `{"code":"0","data":[{"zdid":"0","zdz":"未知的性别"},`,
		{Bare: true}:           `[{"zdx":"0","zdz":"未知的性别"},`,
		{ID: true, Bare: true}: `[{"zdid":"0","zdz":"未知的性别"},`,
	} {
		b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.Dictionaries = form })
		if got := b.text(t, "/api/v1/wd/xbdm?appKey=key-1"); !strings.HasPrefix(got, want) {
			t.Errorf("%+v: got %s", form, got)
		}
	}
}

// What it does not know, and whom it does not know; that it behaves as told.
func TestDictionaryRefused(t *testing.T) {
	b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.AppKeys = []string{"key-1"} })
	for path, want := range map[string]string{
		"/api/v1/wd/none?appKey=key-1": `"code":"1006","errMsg":"没有字典 none`,
		"/api/v1/wd/gajg?appKey=key-1": `"code":"1006"`,
		"/api/v1/wd/xzqh?appKey=key-1": `"code":"1006","errMsg":"没有字典 xzqh，或不知道它的全部值"`,
		"/api/v1/wd/xbdm":              `"code":"1001"`,
		"/api/v1/wd/xbdm?appKey=key-2": `"code":"1001"`,
	} {
		if got := b.text(t, path); !strings.Contains(got, want) {
			t.Errorf("%s: got %s", path, got)
		}
	}
	if _, _, err := b.client.Dictionary(t.Context(), "wd/gajg", platform.Dictionary{}); err == nil || !strings.Contains(err.Error(), `code "1006"`) {
		t.Errorf("an unknown dictionary: %v", err)
	}
	b.Behave(platformtest.Behaviour{Down: true})
	if _, _, err := b.client.Dictionary(t.Context(), "wd/xbdm", platform.Dictionary{}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("down: %v", err)
	}
	if c := b.Counts(); c != (platformtest.Counts{}) {
		t.Errorf("dictionaries are no records: %+v", c)
	}
}

// ZD034 and ZD035 have one path: both are in its answer.
func TestDictionariesOfOnePath(t *testing.T) {
	catalogue, err := sharedCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	roles, err := catalogue.Dict("ZD034").With([]spec.Entry{{Code: "01", Label: "管理员"}})
	if err != nil {
		t.Fatal(err)
	}
	positions, err := catalogue.Dict("ZD035").With([]spec.Entry{{Code: "0101", Label: "项目经理"}})
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, func(o *platformtest.Options, _ *platform.Config) { o.Catalogue = catalogue.WithDicts(roles, positions) })
	got, _, err := b.client.Dictionary(t.Context(), "wd/wyrylbdm", platform.Dictionary{})
	if d := cmp.Diff([]platform.DictionaryEntry{{Code: "01", Label: "管理员"}, {Code: "0101", Label: "项目经理"}}, got.Entries); err != nil || d != "" {
		t.Error(err, d)
	}
}

func (b *bed) text(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get(b.server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, resp.Status, err)
	}
	return string(body)
}
