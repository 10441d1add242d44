package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func runSimulate(ctx context.Context, std stdio, args []string) error {
	f := flags("simulate")
	base := f.String("url", "http://127.0.0.1:8080", "where yiqiao listens for devices")
	devices := f.Int("devices", 4, "number of devices")
	rate := f.Float64("rate", 5, "events per second of all devices together")
	length := f.Duration("for", 0, "stop after this time (0: until interrupted)")
	picture := f.Int("picture", 30_000, "bytes of a picture")
	repeat := f.Float64("repeat", 0, "part of the events that are sent a second time (0 to 1)")
	table := f.Bool("csv", false, "print the device table of these devices and end")
	people := f.Bool("people", false, "print the table of the simulated people and end")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if *people {
		fmt.Fprint(std.out, simPeopleCSV(simPeople))
		return nil
	}
	if len(words) != 1 || vendors[words[0]] == nil {
		return usagef("want one vendor of %s", strings.Join(vendorNames, ", "))
	}
	if *devices < 1 || *rate <= 0 {
		return usagef("want -devices of at least 1 and -rate above 0")
	}
	if *table {
		fmt.Fprint(std.out, simDevicesCSV(words, *devices))
		return nil
	}
	if *length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *length)
		defer cancel()
	}
	s := &simulator{fleet: fleet{words[0], *devices, *picture, simPeople}, base: strings.TrimRight(*base, "/"), rate: *rate, repeat: *repeat}
	s.run(ctx)
	fmt.Fprintln(std.out, s.summary())
	if s.failed.Load() > 0 {
		return errFindings
	}
	return nil
}

const simPeople = 50

// beijing is the clock of the simulated devices.
var beijing = time.FixedZone("+08:00", 8*3600)

// simulator posts the events of one fleet at a steady rate. An event that was
// not answered with success is posted again, as good firmware does.
type simulator struct {
	fleet  fleet
	base   string
	rate   float64
	repeat float64

	sent     atomic.Int64 // requests that got their success answer
	repeated atomic.Int64 // of these, sent a second time on purpose
	busy     atomic.Int64 // answers 503
	failed   atomic.Int64 // events given up
	took     latencies
}

func (s *simulator) run(ctx context.Context) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	ticker := time.NewTicker(time.Duration(float64(time.Second) / s.rate))
	defer ticker.Stop()
	queue := make(chan simEvent, 256)
	var posting sync.WaitGroup
	for range 16 {
		posting.Go(func() {
			for e := range queue {
				s.post(ctx, client, e)
			}
		})
	}
	defer posting.Wait()
	defer close(queue)
	due := 0.0
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		e := s.fleet.next(n, time.Now().In(beijing))
		queue <- e
		if due += s.repeat; due >= 1 {
			due--
			s.repeated.Add(1)
			queue <- e
		}
	}
}

// post sends one event until it is taken; after the end of the run it is
// given a few seconds more.
func (s *simulator) post(ctx context.Context, client *http.Client, e simEvent) {
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		begun := time.Now()
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, s.base+e.path, bytes.NewReader(e.body))
		if err != nil {
			break
		}
		req.Header.Set("Content-Type", e.contentType)
		resp, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				s.sent.Add(1)
				s.took.add(time.Since(begun))
				return
			}
			if resp.StatusCode != http.StatusServiceUnavailable {
				break
			}
			s.busy.Add(1)
		}
		timer := time.NewTimer(200 * time.Millisecond)
		<-timer.C
	}
	s.failed.Add(1)
}

func (s *simulator) summary() string {
	p50, p99 := s.took.quantiles()
	return fmt.Sprintf("%s: %d events taken (%d of them sent twice on purpose), %d times told to come again, %d given up; answer p50 %s, p99 %s",
		s.fleet.vendor, s.sent.Load(), s.repeated.Load(), s.busy.Load(), s.failed.Load(), p50.Round(100*time.Microsecond), p99.Round(100*time.Microsecond))
}

// latencies keeps the last 10,000 times.
type latencies struct {
	mu   sync.Mutex
	last []time.Duration
	n    int
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) < 10_000 {
		l.last = append(l.last, d)
	} else {
		l.last[l.n%len(l.last)] = d
	}
	l.n++
}

func (l *latencies) quantiles() (p50, p99 time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) == 0 {
		return 0, 0
	}
	s := slices.Sorted(slices.Values(l.last))
	return s[len(s)/2], s[len(s)*99/100]
}
