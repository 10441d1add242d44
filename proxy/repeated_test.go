package proxy

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yiqiao/proxy/platform/platformtest"
	"yiqiao/transform/spec"
)

// forgetful takes the first record of each interface and loses the answer.
func forgetful(next http.Handler) http.Handler {
	var seen sync.Map
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, again := seen.LoadOrStore(r.URL.Path, true); again || r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(nowhere{http.Header{}}, r)
		http.Error(w, "lost", http.StatusInternalServerError)
	})
}

// A strict platform refuses a record that came already, and one whose answer
// was lost comes again. With its code among platform.delivered that is as good
// as a yes; without, it is a dead letter, which says so.
func TestRepeatedIsDelivered(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config string
		dead   int
	}{
		"listed": {`, delivered: ["1005"]`, 0},
		"not":    {"", 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBedWith(t, func(dir string) {
				file := filepath.Join(dir, "yiqiao.yaml")
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(strings.Replace(string(text), "timeout: 2s", "timeout: 2s"+tt.config, 1)), 0o644); err != nil {
					t.Fatal(err)
				}
			}, bedOptions{strictness: platformtest.Strict, before: forgetful})
			for _, iface := range []string{"xq", "zpj", "stk/zpjl"} {
				body, err := json.Marshal(exampleOf(t, catalogue.Interface(iface)))
				if err != nil {
					t.Fatal(err)
				}
				if status, answer := b.post("/iflytek/api/v1/"+iface, "application/json", string(body)); status != http.StatusOK {
					t.Fatalf("%s: %d %s", iface, status, answer)
				}
			}
			eventuallyIn(t, time.Minute, "all is settled", func() bool {
				st, err := b.store.Stats(t.Context(), time.Now())
				return err == nil && st.Ready == 0
			})
			// xq and zpj were taken twice: they are registrations.
			if c := b.platform.Counts(); c.Accepted != 5 || c.Repeated != 2 || c.Refused != 1 {
				t.Errorf("got %+v", c)
			}
			list := b.dead()
			if len(list) != tt.dead || tt.dead > 0 && !strings.Contains(list[0].Reason, "重复的记录：snapNo（抓拍机编码）、snapTime（抓拍时间）") {
				t.Errorf("want %d dead letters, got %+v", tt.dead, list)
			}
		})
	}
}
