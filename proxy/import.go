package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/event"
	"yiqiao/transform/spec"
)

// Bounds of one POST /-/import: an import is many of them.
const (
	ImportRecords = 4096
	importBody    = 8 << 20 // bytes beside a largest event
)

// importers is how many records of one import are on their way at once: the
// disk store shares a sync among all that wait for one.
const importers = 128

// Taken is what became of one record of an import.
type Taken struct {
	// Outcome is accepted, duplicate (the same was accepted before), refused,
	// or full: it could not be stored now, and neither could those behind it.
	Outcome  string   `json:"outcome"`
	Breaches []Breach `json:"breaches,omitempty"`
}

// Breach is what is wrong with a record, or looks so.
type Breach struct {
	Rule    string `json:"rule,omitempty"`
	Field   string `json:"field,omitempty"` // path: jzxxList[].fwbm
	Text    string `json:"text"`            // Chinese, personal values masked
	Warning bool   `json:"warning,omitempty"`
}

// ImportOptions say what is imported.
type ImportOptions struct {
	Interface string
	Again     bool // send what is unchanged too
}

// importPath begins the path of an event of an import; no device posts there.
const importPath = "/-/import/"

const (
	outcomeRefused = "refused"
	outcomeFull    = "full"
)

// Import takes records of one interface, each JSON with the standard's own
// names, through Accept. Whoever imports has the originals and waits for the
// answer: what is refused is told, and is no dead letter. Records with one
// identity keep their order. taken is parallel to docs.
func (p *Proxy) Import(ctx context.Context, o ImportOptions, docs [][]byte) (taken []Taken, err error) {
	g := p.gen.Load()
	i := g.Rules.Catalogue.Interface(o.Interface)
	if i == nil {
		return nil, fmt.Errorf("the standard has no interface %q", o.Interface)
	}
	taken = make([]Taken, len(docs))
	var queues [importers][]int
	seed := maphash.MakeSeed()
	for n, doc := range docs {
		q := queueOf(seed, i, doc)
		queues[q] = append(queues[q], n)
	}
	var wg sync.WaitGroup
	for _, queue := range queues {
		if len(queue) > 0 {
			wg.Go(func() {
				for _, n := range queue {
					if taken[n] = p.importRecord(ctx, g, o, docs[n]); taken[n].Outcome == outcomeFull {
						for _, rest := range queue {
							if taken[rest].Outcome == "" {
								taken[rest] = taken[n]
							}
						}
						return
					}
				}
			})
		}
	}
	wg.Wait()
	return taken, nil
}

// queueOf is the same for two versions of one record.
func queueOf(seed maphash.Seed, i *spec.Interface, doc []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, n := range i.Identity {
		_, _ = h.WriteString(gjson.GetBytes(doc, i.Fields[n].Name).String())
		_ = h.WriteByte(0)
	}
	return h.Sum64() % importers
}

func (p *Proxy) importRecord(ctx context.Context, g *Generation, o ImportOptions, doc []byte) Taken {
	s := g.Rules.Source(transform.ImportSource)
	w := p.works.Get().(*work)
	defer p.release(w)
	w.event.Request = importRequest(o.Interface)
	w.again, w.attended = o.Again, true
	begun := time.Now()
	outcome, err := p.Accept(ctx, g, s, w, doc)
	if err != nil {
		return Taken{Outcome: outcomeFull, Breaches: []Breach{{Text: storeTrouble(err)}}}
	}
	p.metrics.event(s, outcome, time.Since(begun), len(doc))
	return takenOf(outcome, &w.result)
}

func importRequest(name string) event.Request {
	return event.Request{Method: "POST", Path: importPath + name, Received: time.Now()}
}

func storeTrouble(err error) string {
	switch {
	case errors.Is(err, store.ErrFull):
		return "存储已满：等积压送出，或加大 store.maxBytes"
	case errors.Is(err, store.ErrTooLarge):
		return "这条记录太大，存不下：请缩小照片"
	}
	return "存储出错：" + err.Error()
}

func takenOf(outcome transform.Outcome, res *transform.Result) Taken {
	t := Taken{Outcome: string(outcome)}
	errors := 0
	for _, v := range res.Violations {
		b := Breach{Rule: v.Rule, Text: v.Chinese(), Warning: v.Severity == spec.Warning}
		if v.Field != nil {
			b.Field = v.Field.Path
		}
		if !b.Warning {
			errors++
		}
		t.Breaches = append(t.Breaches, b)
	}
	if res.Refusal != nil {
		t.Outcome = outcomeRefused
		if errors == 0 {
			t.Breaches = append(t.Breaches, Breach{Text: res.Refusal.Chinese})
		}
	}
	return t
}

// Prove says what Import would, without the store: it knows no duplicates.
func Prove(rules *transform.Rules, o ImportOptions, docs [][]byte) []Taken {
	s := rules.Source(transform.ImportSource)
	taken := make([]Taken, len(docs))
	var res transform.Result
	for n, doc := range docs {
		rules.ApplyBody(s, importRequest(o.Interface), doc, &res, nil)
		taken[n] = takenOf(transform.Accepted, &res)
	}
	return taken
}

// ImportSite answers GET /-/import: whose records an import would be.
type ImportSite struct {
	Dir  string `json:"dir"`  // of the site, absolute
	Body int64  `json:"body"` // bytes of a largest record
}

func (p *Proxy) importSite(w http.ResponseWriter, r *http.Request) {
	dir, err := filepath.Abs(p.site.Dir)
	replyOr(w, ImportSite{dir, int64(p.gen.Load().Config.Limits.Body)}, err)
}

// importRecords takes JSON lines and answers with a Taken for each.
func (p *Proxy) importRecords(w http.ResponseWriter, r *http.Request) {
	limit := int64(p.gen.Load().Config.Limits.Body) + importBody
	if r.ContentLength > limit || r.ContentLength < 0 {
		reply(w, http.StatusRequestEntityTooLarge, map[string]string{"error": fmt.Sprintf("want a Content-Length of at most %d bytes", limit)})
		return
	}
	held := min(2*r.ContentLength+8<<10, int64(p.gen.Load().Config.Limits.Memory))
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	if err := p.memory.Acquire(ctx, held); err != nil {
		reply(w, http.StatusServiceUnavailable, map[string]string{"error": "too many requests at once (limits.memory)"})
		return
	}
	defer p.memory.Release(held)
	body := make([]byte, r.ContentLength)
	if n, err := io.ReadFull(r.Body, body); err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": cutOff(err, n, r.ContentLength).Error()})
		return
	}
	var docs [][]byte
	for line := range bytes.Lines(body) {
		docs = append(docs, bytes.TrimRight(line, "\r\n"))
	}
	if len(docs) > ImportRecords {
		reply(w, http.StatusRequestEntityTooLarge, map[string]string{"error": fmt.Sprintf("want at most %d records at once, got %d", ImportRecords, len(docs))})
		return
	}
	o := ImportOptions{Interface: r.PathValue("interface"), Again: r.URL.Query().Get("again") == "true"}
	taken, err := p.Import(r.Context(), o, docs)
	if err != nil {
		reply(w, http.StatusNotFound, map[string]string{"error": err.Error()})
		return
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for n := range taken {
		_ = enc.Encode(&taken[n]) // texts only
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	_, _ = io.WriteString(w, out.String())
}
