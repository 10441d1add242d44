package proxy

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"yiqiao/proxy/platform"
	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/spec"
)

// metrics are what /metrics shows. Labels are names from files and words of
// ours, never values from events: their number is bounded.
type metrics struct {
	registry     *prometheus.Registry
	events       *prometheus.CounterVec // source, outcome
	bytes        *prometheus.CounterVec // source
	ignoredBy    *prometheus.CounterVec // source, mapping, because
	records      *prometheus.CounterVec // source, interface, result
	deadLetters  *prometheus.CounterVec // source, class
	fallen       *prometheus.CounterVec // why
	refused      *prometheus.CounterVec // why
	warnings     *prometheus.CounterVec // source, interface, field, rule
	tries        *prometheus.CounterVec // interface, verdict
	acceptTime   prometheus.Histogram
	platformTime prometheus.Histogram
	age          prometheus.Histogram
	pictures     *prometheus.CounterVec // source, result
	storeErrors  prometheus.Counter
	generation   prometheus.Gauge
	reloadOK     prometheus.Gauge
	reloadTime   prometheus.Gauge
	reloads      *prometheus.CounterVec // result
	pending      prometheus.Gauge
	tried        prometheus.Gauge
	changed      *prometheus.GaugeVec // interface, field, what

	subscriptionEnds *prometheus.CounterVec // stream, why
}

func newMetrics(p *Proxy) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "yiqiao", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "yiqiao", Name: name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "yiqiao", Name: name, Help: help, Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 600, 3600, 86400}})
	}
	m := &metrics{
		registry:     prometheus.NewRegistry(),
		events:       counter("events_total", "Events by source and by what the device was told.", "source", "outcome"),
		bytes:        counter("event_bytes_total", "Bytes of the bodies of events.", "source"),
		ignoredBy:    counter("ignored_total", "Events that a rule ignored, by its reason.", "source", "mapping", "because"),
		records:      counter("records_total", "Records by what the store said: admitted or duplicate.", "source", "interface", "result"),
		deadLetters:  counter("dead_letters_total", "Dead letters by class.", "source", "class"),
		fallen:       counter("dead_letters_dropped_total", "Dead letters that fell off by age or bytes.", "why"),
		refused:      counter("requests_refused_total", "Requests that did not become an event.", "why"),
		warnings:     counter("warnings_total", "Values that went out and yet look wrong, by what the catalogue warns of; yiqiao map -trace shows one.", "source", "interface", "field", "rule"),
		tries:        counter("platform_tries_total", "Tries to deliver by the platform's verdict.", "interface", "verdict"),
		pictures:     counter("pictures_total", "Tries to make the pictures of a record (fetch, crop, shrink) by result: made, later, missing.", "source", "result"),
		acceptTime:   seconds("accept_seconds", "From the first byte of an event to its answer."),
		platformTime: seconds("platform_seconds", "How long the platform takes to answer."),
		age:          seconds("delivered_age_seconds", "From admission to delivery."),
		storeErrors:  prometheus.NewCounter(prometheus.CounterOpts{Namespace: "yiqiao", Name: "store_errors_total", Help: "Errors of the store."}),
		generation:   gauge("generation", "Number of the rules in use since the start."),
		reloadOK:     gauge("config_last_reload_successful", "Whether the last reload was accepted."),
		reloadTime:   gauge("config_last_reload_success_timestamp_seconds", "When rules were last loaded."),
		pending:      gauge("reload_pending", "Whether a generation of rules waits for a person (reload: confirm)."),
		tried:        gauge("reload_rehearsed_events", "Past events that the last new generation of rules was tried on."),
		changed: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "yiqiao", Name: "reload_changed_records",
			Help: "Records of those events that the last new generation makes otherwise, by interface, field and what changes."}, []string{"interface", "field", "what"}),
		subscriptionEnds: counter("subscription_ends_total", "Connections to devices that are listened to, by why they ended.", "stream", "why"),

		reloads: counter("config_reloads_total", "Reloads by result.", "result"),
	}
	m.registry.MustRegister(m.events, m.bytes, m.ignoredBy, m.records, m.deadLetters, m.fallen, m.refused, m.warnings, m.tries, m.pictures, m.acceptTime,
		m.platformTime, m.age, m.storeErrors, m.generation, m.reloadOK, m.reloadTime, m.reloads, m.pending, m.tried, m.changed, &storeCollector{p},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.subscriptionEnds, &subscriptionCollector{p})
	m.generation.Set(1)
	m.reload(true)
	return m
}

func (m *metrics) event(s *transform.Source, o transform.Outcome, took time.Duration, size int) {
	m.events.WithLabelValues(s.Name, string(o)).Inc()
	m.bytes.WithLabelValues(s.Name).Add(float64(size))
	if o != transform.Full {
		m.acceptTime.Observe(took.Seconds())
	}
}

func (m *metrics) ignored(s *transform.Source, list []transform.IgnoredBy) {
	for _, ig := range list {
		m.ignoredBy.WithLabelValues(s.Name, ig.Mapping, ig.Because).Inc()
	}
}

func (m *metrics) kept(s *transform.Source, class store.Class) {
	m.deadLetters.WithLabelValues(s.Name, string(class)).Inc()
}

// warned counts the warnings of an event.
func (m *metrics) warned(s *transform.Source, list []spec.Violation) {
	for i := range list {
		if v := &list[i]; v.Severity == spec.Warning && v.Field != nil {
			m.warnings.WithLabelValues(s.Name, v.Interface.Name, v.Field.Path, v.Rule).Inc()
		}
	}
}

func (m *metrics) refusedRequest(why string) { m.refused.WithLabelValues(why).Inc() }

func (m *metrics) verdict(iface string, v platform.Verdict, do store.Action, admitted time.Time) {
	m.tries.WithLabelValues(iface, v.Kind.String()).Inc()
	if v.Latency > 0 {
		m.platformTime.Observe(v.Latency.Seconds())
	}
	if do == store.Delivered {
		m.age.Observe(time.Since(admitted).Seconds())
	}
}

func (m *metrics) reload(ok bool) {
	if !ok {
		m.reloadOK.Set(0)
		m.reloads.WithLabelValues("refused").Inc()
		return
	}
	m.reloadOK.Set(1)
	m.reloadTime.SetToCurrentTime()
	m.reloads.WithLabelValues("accepted").Inc()
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

// rehearsed shows what the last new generation changes.
func (m *metrics) rehearsed(r *transform.Rehearsal) {
	m.tried.Set(float64(r.Events))
	m.changed.Reset()
	for i := range r.Changes {
		c := &r.Changes[i]
		m.changed.WithLabelValues(c.To, listIndex.ReplaceAllString(c.Path, "[]"), c.What).Add(float64(c.Count))
	}
}

// storeCollector asks the store when metrics are read.
type storeCollector struct{ p *Proxy }

var (
	waitingDesc  = prometheus.NewDesc("yiqiao_waiting_entries", "Entries that wait for the platform.", nil, nil)
	bytesDesc    = prometheus.NewDesc("yiqiao_waiting_bytes", "Bytes of entries that wait for the platform.", nil, nil)
	oldestDesc   = prometheus.NewDesc("yiqiao_waiting_oldest_seconds", "Age of the oldest entry that waits.", nil, nil)
	picturesDesc = prometheus.NewDesc("yiqiao_waiting_for_pictures", "Records of this process whose pictures are being made, or come in another request.", nil, nil)
	deadDesc     = prometheus.NewDesc("yiqiao_dead_entries", "Dead letters that wait for a person.", nil, nil)
	dictDesc     = prometheus.NewDesc("yiqiao_dictionary_age_seconds", "Since the platform last said what is in a dictionary.", []string{"dictionary"}, nil)
	captureDesc  = prometheus.NewDesc("yiqiao_captures", "Captures of requests under way.", nil, nil)
	earlierDesc  = prometheus.NewDesc("yiqiao_waiting_for_registration", "Entries of this process that wait for a registration of another interface, without those behind them.", []string{"interface", "of"}, nil)
	stateDesc    = prometheus.NewDesc("yiqiao_store_state", "1 for the state that the store is in.", []string{"state"}, nil)
	keysDesc     = prometheus.NewDesc("yiqiao_dedup_keys", "Keys by which duplicates are known.", nil, nil)
	devicesDesc  = prometheus.NewDesc("yiqiao_devices", "Devices of the device tables by whether they are there: online, offline, never (seen).", []string{"state"}, nil)

	unsharedDesc = prometheus.NewDesc("yiqiao_dedup_outage_admitted_total", "Entries admitted while the keys that replicas share were out of reach.", nil, nil)
	twiceDesc    = prometheus.NewDesc("yiqiao_dedup_admitted_twice_total", "Entries that turned out to be admitted by another replica too.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitingDesc, bytesDesc, oldestDesc, deadDesc, picturesDesc, keysDesc, stateDesc, devicesDesc, dictDesc, captureDesc, earlierDesc, unsharedDesc, twiceDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	for pair, n := range c.p.gate.waitingFor() {
		ch <- prometheus.MustNewConstMetric(earlierDesc, prometheus.GaugeValue, float64(n), pair[0], pair[1])
	}
	devices := map[string]int{Online: 0, Offline: 0, NeverSeen: 0}
	for _, d := range c.p.Presence(time.Now()) {
		devices[d.State]++
	}
	for state, n := range devices {
		ch <- prometheus.MustNewConstMetric(devicesDesc, prometheus.GaugeValue, float64(n), state)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	word, _, _ := strings.Cut(c.p.storeState(), ":")
	for _, state := range []string{"ok", "full", "read-only", "degraded"} {
		v := 0.0
		if state == word {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(stateDesc, prometheus.GaugeValue, v, state)
	}
	now := time.Now()
	ch <- prometheus.MustNewConstMetric(captureDesc, prometheus.GaugeValue, float64(c.p.taps.waiting.Load()))
	for code, at := range c.p.dictionaries.Load().Checked {
		ch <- prometheus.MustNewConstMetric(dictDesc, prometheus.GaugeValue, now.Sub(at).Seconds(), code)
	}
	st, err := c.p.store.Stats(ctx, now)
	if err != nil {
		return // the store's absence shows in yiqiao_store_errors_total and /-/ready
	}
	oldest := 0.0
	if !st.Oldest.IsZero() {
		oldest = now.Sub(st.Oldest).Seconds()
	}
	for d, v := range map[*prometheus.Desc]float64{
		waitingDesc: float64(st.Ready), bytesDesc: float64(st.ReadyBytes), oldestDesc: oldest,
		deadDesc: float64(max(0, st.Dead-c.p.pictures.waiting())), picturesDesc: float64(c.p.pictures.waiting()), keysDesc: float64(st.Keys),
	} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	for d, v := range map[*prometheus.Desc]int64{unsharedDesc: st.Unshared, twiceDesc: st.Twice} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
}

// Outcomes counts the events since the start by what their senders were told;
// events of presence have none.
func (p *Proxy) Outcomes() (map[string]int64, error) {
	families, err := p.metrics.registry.Gather()
	counts := map[string]int64{}
	for _, f := range families {
		if f.GetName() != "yiqiao_events_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if !transform.OfPresence(labels["source"]) {
				counts[labels["outcome"]] += int64(m.GetCounter().GetValue())
			}
		}
	}
	return counts, err
}
