package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"yiqiao/mappings"
	"yiqiao/proxy/platform"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store"
	"yiqiao/proxy/store/disk"
	"yiqiao/proxy/store/storetest"
	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// counted counts what a store is asked.
type counted struct {
	store.Store
	settles, loads, registered atomic.Int64
}

func (c *counted) Settle(ctx context.Context, now time.Time, claim store.Claim, o store.Outcome) error {
	c.settles.Add(1)
	return c.Store.Settle(ctx, now, claim, o)
}

func (c *counted) Load(ctx context.Context, id string, dst []byte) ([]byte, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, id, dst)
}

func (c *counted) Registered(ctx context.Context, refs []store.Ref) ([]store.Registration, error) {
	c.registered.Add(1)
	return c.Store.Registered(ctx, refs)
}

// wire is a platform without a network, for fake time: it is busy as long as
// nobody says otherwise.
type wire struct {
	open  atomic.Bool
	taken atomic.Int64
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	r.Body.Close()
	resp := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"10"}}, Body: io.NopCloser(strings.NewReader("")), Request: r}
	if w.open.Load() {
		w.taken.Add(1)
		resp.StatusCode, resp.Body = http.StatusOK, io.NopCloser(strings.NewReader(`{"code":"0","errMsg":"","data":{}}`))
	}
	return resp, nil
}

// bare is a proxy without listeners, with a store in memory.
func bare(t *testing.T, s store.Store, w *wire) *Proxy {
	t.Helper()
	dir := t.TempDir()
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := platformtest.LoadOrCreateKey(filepath.Join(dir, "platform.key")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"yiqiao.yaml": strings.Replace(bedConfig, "PLATFORM", "http://192.0.2.1", 1), "devices.csv": bedDevices, "people.csv": bedPeople} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	site := Site{Dir: dir, Bundled: mappings.FS, Catalogue: catalogue}
	g, problems := site.Load()
	if g == nil {
		t.Fatal(problems)
	}
	if g.client, err = platform.New(platform.Config{URL: "http://192.0.2.1/api/v1", AppKey: "k", Client: &http.Client{Transport: w}}); err != nil {
		t.Fatal(err)
	}
	vault, err := NewVault(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Site: site, Generation: g, Store: s, Vault: vault, Log: slog.New(slog.DiscardHandler)})
}

// take has the proxy accept a near-spec record.
func (p *Proxy) take(t *testing.T, iface, body string) {
	t.Helper()
	g := p.gen.Load()
	s, params, ok := g.Rules.Match("POST", "/iflytek/api/v1/"+iface)
	if !ok {
		t.Error("no source")
		return
	}
	w := p.works.Get().(*work)
	defer p.release(w)
	w.event.Request = event.Request{Method: "POST", Path: "/iflytek/api/v1/" + iface, Params: params, ContentType: "application/json", Received: time.Now(), Remote: "192.0.2.9"}
	outcome, err := p.Accept(t.Context(), g, s, w, []byte(body))
	if err != nil || outcome != "accepted" {
		t.Errorf("%s: %s, %v", iface, outcome, err)
	}
}

// pass lets fake time pass.
func pass(d time.Duration) { <-time.After(d) }

// Ten thousand records, each of another camera, that wait for one 小区 cost
// the store next to nothing, and all go on when that arrives.
func TestManyWaitForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := disk.Open(t.TempDir(), disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		s, w := &counted{Store: st}, new(wire)
		p := bare(t, s, w)
		area, err := json.Marshal(exampleOf(t, p.gen.Load().Rules.Catalogue.Interface("xq")))
		if err != nil {
			t.Fatal(err)
		}
		p.take(t, "xq", string(area))
		picture := jpeg(300)
		var taking sync.WaitGroup
		for first := range 20 {
			taking.Go(func() {
				for i := first; i < manyWaiters; i += 20 {
					p.take(t, "stk/zpjl", fmt.Sprintf(`{"areaNo":"340102001001001","snapNo":"340102000113%08d","snapTime":"2026-01-02 12:00:00","snapSmallImage":%q,"snapBigImage":%q}`, i, picture, picture))
				}
			})
		}
		taking.Wait()
		ctx, end := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.Deliver(ctx, time.Second) }()

		pass(waitPause * 13 / 10) // each has looked again once
		t.Logf("%d records: %d settles, %d bodies loaded, %d questions", manyWaiters, s.settles.Load(), s.loads.Load(), s.registered.Load())
		const others = 100 // the 小区 is tried every 10 s
		if n := s.settles.Load(); n > 2*manyWaiters+others {
			t.Errorf("%d settles, want at most 2 a record", n)
		}
		if n := s.loads.Load(); n > manyWaiters+others {
			t.Errorf("%d bodies were loaded", n)
		}
		if got := p.gate.waitingFor()[[2]string{"stk/zpjl", "xq"}]; got < manyWaiters-10 { // some look just now
			t.Errorf("%d are counted, want %d", got, manyWaiters)
		}

		w.open.Store(true)
		for w.taken.Load() == 0 { // until the 小区 is tried next
			pass(100 * time.Millisecond)
		}
		pass(2 * time.Second)
		if n := w.taken.Load(); n != manyWaiters+1 {
			t.Errorf("2 s later %d of %d have arrived", n, manyWaiters+1)
		}
		end()
		<-done
	})
}

// hastened is a store in which what is hastened goes on before the call has
// returned, as another goroutine may let it.
type hastened struct {
	store.Store
	then func(ids []string) error
}

func (h *hastened) Hasten(_ context.Context, _ time.Time, ids []string) error { return h.then(ids) }

// An entry that is let go and waits for something else at once stays in the
// gate; so does one that the store did not let go.
func TestGateKeepsWhoWaitsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &hastened{Store: storetest.NewModel()}
		p := bare(t, s, new(wire))
		first, second := need{ref: store.Ref{Group: "a", Key: store.Key{1}}}, need{ref: store.Ref{Group: "b", Key: store.Key{2}}}
		calls := 0
		s.then = func(ids []string) error {
			if len(ids) == 0 {
				return nil
			}
			if calls++; calls == 1 {
				return errors.New("the store is away")
			}
			p.gate.add(ids[0], waiter{need: second, until: time.Now().Add(waitPause)})
			return nil
		}
		first.of, second.of = p.site.Catalogue.Interface("xq"), p.site.Catalogue.Interface("zpj")
		p.gate.add("id", waiter{need: first, until: time.Now().Add(waitPause)})
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go p.attend(ctx)
		p.gate.note(first.ref, true)
		synctest.Wait()
		if w, ok := p.gate.take("id"); !ok || w.ref != first.ref {
			t.Fatalf("after a failure the gate has %+v, %t", w.ref, ok)
		}
		p.gate.add("id", waiter{need: first, until: time.Now().Add(waitPause)})
		p.gate.note(first.ref, true)
		synctest.Wait()
		if w, ok := p.gate.take("id"); !ok || w.ref != second.ref || calls != 2 {
			t.Fatalf("after %d calls the gate has %+v, %t", calls, w.ref, ok)
		}
	})
}
