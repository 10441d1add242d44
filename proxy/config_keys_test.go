package proxy

import (
	"strings"
	"testing"

	"yiqiao/transform"
	"yiqiao/transform/message"
)

// Each key of yiqiao.yaml has words in both languages, and no words are of a
// key that there is not.
func TestConfigKeys(t *testing.T) {
	words := configWords()
	var walk func(prefix string, docs []transform.KeyDoc)
	walk = func(prefix string, docs []transform.KeyDoc) {
		for _, d := range docs {
			path := prefix + d.Name
			if d.Chinese == "" || d.English == "" {
				t.Errorf("%s has no words in both languages", path)
			}
			delete(words, path)
			if d.Kind == transform.NamedTextOr {
				path += ".*"
			}
			walk(path+".", d.Keys)
		}
	}
	walk("", ConfigKeys())
	for path := range words {
		t.Errorf("%s is no key of yiqiao.yaml", path)
	}
	for path, want := range map[[2]string]string{
		{"dedup", "window"}: "72h", {"platform", "timeout"}: "30s", {"limits", "body"}: "16MB", {"store", "maxBytes"}: "20GB", {"reload", "events"}: "200",
	} {
		if got := transform.Key(transform.Key(ConfigKeys(), path[0]).Keys, path[1]).Default; got != want {
			t.Errorf("%v: want the default %s, got %s", path, want, got)
		}
	}
}

// The values and defaults that the editor is told are what the daemon takes.
func TestConfigValues(t *testing.T) {
	var walk func(prefix []string, docs []transform.KeyDoc)
	tried := 0
	walk = func(prefix []string, docs []transform.KeyDoc) {
		for _, d := range docs {
			for _, v := range append(d.Values, d.Default) {
				if v == "" || d.Kind == transform.NamedTextOr {
					continue
				}
				if d.Kind == transform.TextList {
					v = "[" + v + "]"
				}
				section := ""
				for i, p := range prefix {
					section += strings.Repeat("  ", i) + p + ":\n"
				}
				section += strings.Repeat("  ", len(prefix)) + d.Name + ": \"" + v + "\"\n"
				if d.Kind != transform.Text && d.Kind != transform.TextOr {
					section = strings.ReplaceAll(section, `"`, "")
				}
				const platform = "platform:\n  url: http://127.0.0.1/api/v1\n  appKey: a\n  publicKey: k\n"
				section = platform + strings.TrimPrefix(section, "platform:\n")
				if _, ps := parseConfig("yiqiao.yaml", []byte(section), true); len(ps) > 0 {
					t.Errorf("%s%v", section, ps)
				}
				tried++
			}
			if len(d.Keys) > 0 && d.Kind != transform.NamedTextOr {
				walk(append(prefix[:len(prefix):len(prefix)], d.Name), d.Keys)
			}
		}
	}
	walk(nil, ConfigKeys())
	if tried < 40 {
		t.Errorf("only %d values were tried", tried)
	}
}

func TestReloadSetting(t *testing.T) {
	for text, want := range map[string]ReloadConfig{
		"":                                     {reloadAuto, 200, 16 << 20},
		"reload: confirm\n":                    {reloadConfirm, 200, 16 << 20},
		"reload: {mode: confirm, events: 0}\n": {reloadConfirm, 0, 16 << 20},
		"reload: {bytes: 1MB}\n":               {reloadAuto, 200, 1 << 20},
	} {
		cfg, ps := parseConfig("yiqiao.yaml", []byte("listen: :0\n"+text), false)
		if len(ps) > 0 || cfg.Reload != want {
			t.Errorf("%q: want %+v, got %+v %v", text, want, cfg.Reload, ps)
		}
	}
	for text, want := range map[string]string{
		"reload: perhaps":         "yiqiao.yaml:2:9: reload.mode: want auto or confirm, got \"perhaps\"",
		"reload: {mode: perhaps}": "yiqiao.yaml:2:16: reload.mode: want auto or confirm",
		"reload: {events: -1}":    "yiqiao.yaml:2:18: reload.events: want 0 to 10000, got -1",
		"reload: {evnts: 1}":      "did you mean \"events\"?",
	} {
		_, ps := parseConfig("yiqiao.yaml", []byte("platform: {url: 'http://127.0.0.1/api/v1', appKey: a, publicKey: k}\n"+text+"\n"), true)
		if len(ps) != 1 || !strings.Contains(ps[0].Excerpt(message.English), want) {
			t.Errorf("%q: want %s, got %v", text, want, ps)
		}
	}
}
