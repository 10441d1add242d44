package platform_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/platform"
)

func TestDictionary(t *testing.T) {
	sexes := []platform.DictionaryEntry{{Code: "1", Label: "男性"}, {Code: "2", Label: "女性"}}
	tests := map[string]struct {
		answer string
		want   []platform.DictionaryEntry
	}{
		"envelope":        {`{"code":"0","errMsg":"","data":[{"zdx":"1","zdz":"男性"},{"zdx":"2","zdz":"女性"}]}`, sexes},
		"bare list":       {`[{"zdx":"1","zdz":"男性"},{"zdx":"2","zdz":"女性"}]`, sexes},
		"zdid":            {"\ufeff" + `{"code":0,"data":[{"zdid":"1","zdz":"男性"},{"zdid":"2","zdz":"女性","bz":null}]}`, sexes},
		"numbers":         {`[{"zdx":1,"zdz":"男性"},{"zdid":2,"zdz":"女性"}]`, sexes},
		"an entry twice":  {`[{"zdx":"1","zdz":"男性"},{"zdx":"2","zdz":"女性"},{"zdx":"1","zdz":"男性 "}]`, sexes},
		"spaces around":   {` [ {"zdx":" 1 ","zdz":"男性"},{"zdx":"2","zdz":" 女性"} ] `, sexes},
		"empty zdx, zdid": {`[{"zdx":"","zdid":"1","zdz":"男性"},{"zdx":null,"zdid":"2","zdz":"女性"}]`, sexes},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != "GET" || r.URL.Path != "/api/v1/wd/xbdm" || r.URL.Query().Get("appKey") != appKey {
					t.Errorf("got %s %s", r.Method, r.URL)
				}
				io.WriteString(w, test.answer)
			})
			d, changed, err := newClient(t, platform.Config{URL: server.URL + "/api/v1"}).Dictionary(t.Context(), "wd/xbdm", platform.Dictionary{})
			if err != nil || !changed {
				t.Fatalf("changed %t, error %v", changed, err)
			}
			if diff := cmp.Diff(test.want, d.Entries); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDictionaryErrors(t *testing.T) {
	tests := map[string]struct {
		status       int
		answer, want string
	}{
		"not there":      {404, `{"code":"404","errMsg":"没有"}`, "HTTP 404 没有"},
		"a page":         {200, `<html><title>登录 TestKey/译 桥+7</title>`, `got the HTML page "登录 ***"`},
		"refused":        {200, `{"code":"9","errMsg":"appKey TestKey/译 桥+7 未登记"}`, `code "9": appKey *** 未登记`},
		"no list":        {200, `{"code":"0","data":{}}`, "want a JSON list of {zdx, zdz}: json: cannot unmarshal object"},
		"no data":        {200, `{"code":"0"}`, "want a JSON list of {zdx, zdz}: unexpected end of JSON input"},
		"empty":          {200, `[]`, "want 1 to 100000 entries, got 0"},
		"no label":       {200, `[{"zdx":"1","zdz":"男"},{"zdx":"2"}]`, `entry 2: want a code (zdx or zdid) and a label (zdz), got "2" and ""`},
		"two labels":     {200, `[{"zdx":"1","zdz":"男"},{"zdx":"1","zdz":"女"}]`, `entry 2: code "1" is "女" here and "男" before`},
		"too long":       {200, strings.Repeat(" ", 8<<20+1), "longer than 8388608 bytes"},
		"too many":       {200, "[" + strings.Repeat("{},", 100_000) + "{}]", "want 1 to 100000 entries, got 100001"},
		"304 of nothing": {304, "", "HTTP 304"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				io.WriteString(w, test.answer)
			})
			c := newClient(t, platform.Config{URL: server.URL + "/api/v1"})
			d, changed, err := c.Dictionary(t.Context(), "wd/xbdm", platform.Dictionary{})
			if err == nil || changed || len(d.Entries) > 0 {
				t.Fatalf("got %+v, changed %t, error %v", d, changed, err)
			}
			masked(t, err.Error())
			if !strings.HasPrefix(err.Error(), `dictionary "wd/xbdm": `) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q in it", err, test.want)
			}
			if c.State() != "closed" {
				t.Error("the breaker counts a dictionary")
			}
		})
	}
}

// What still holds is not sent again; a failure keeps what is known.
func TestDictionaryConditional(t *testing.T) {
	var asked []string
	away := false
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, fmt.Sprintf("%s|%s", r.Header.Get("If-None-Match"), r.Header.Get("If-Modified-Since")))
		switch {
		case away:
			w.WriteHeader(http.StatusBadGateway)
		case r.Header.Get("If-None-Match") == `"v1"`:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("ETag", `"v1"`)
			w.Header().Set("Last-Modified", "Mon, 02 Nov 2026 03:04:05 GMT")
			io.WriteString(w, `[{"zdx":"1","zdz":"男性"}]`)
		}
	})
	c := newClient(t, platform.Config{URL: server.URL + "/api/v1"})
	first, changed, err := c.Dictionary(t.Context(), "wd/xbdm", platform.Dictionary{})
	if err != nil || !changed {
		t.Fatalf("changed %t, error %v", changed, err)
	}
	second, changed, err := c.Dictionary(t.Context(), "wd/xbdm", first)
	if err != nil || changed {
		t.Fatalf("changed %t, error %v", changed, err)
	}
	away = true
	third, changed, err := c.Dictionary(t.Context(), "wd/xbdm", second)
	if err == nil || changed {
		t.Fatalf("changed %t, error %v", changed, err)
	}
	for _, d := range []platform.Dictionary{second, third} {
		if diff := cmp.Diff(first, d); diff != "" {
			t.Errorf("what is known changed (-first +got):\n%s", diff)
		}
	}
	conditional := `"v1"|Mon, 02 Nov 2026 03:04:05 GMT`
	if diff := cmp.Diff([]string{"|", conditional, conditional}, asked); diff != "" {
		t.Errorf("validators (-want +got):\n%s", diff)
	}
}
