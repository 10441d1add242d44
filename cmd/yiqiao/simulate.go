package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"yiqiao/proxy/device/devicetest"
)

// simPeople is how many people the simulated devices know.
const simPeople = 50

func runSimulate(ctx context.Context, std stdio, args []string) error {
	f := flags("simulate")
	var o devicetest.Options
	f.StringVar(&o.Target, "target", "http://127.0.0.1:8080", "where yiqiao listens for devices, with a prefix if there is one")
	f.IntVar(&o.Devices, "devices", 4, "number of devices")
	f.Float64Var(&o.Rate, "rate", 5, "events per second of all devices together; heartbeats come besides, as often as the vendor's")
	f.IntVar(&o.Events, "events", 0, "stop after so many events (0: any number)")
	length := f.Duration("for", 0, "stop after this time (0: until interrupted)")
	f.IntVar(&o.Picture, "picture", 30_000, "bytes of a picture")
	f.Float64Var(&o.Late, "late", 0, "part of the events that come from the device's memory, hours old (0 to 1)")
	f.Float64Var(&o.Resend, "resend", 0, "part of the events whose answer the device misses, so that it sends them again (0 to 1)")
	f.DurationVar(&o.ResendAfter, "resend-after", 0, "when it sends again (0: as the vendor's devices do)")
	f.DurationVar(&o.Clock, "clock", 0, "how far the devices' clocks are ahead; negative: behind")
	login := f.String("digest", "", "USER:PASSWORD for a source that asks for Digest")
	f.StringVar(&o.Token, "token", "", "sent as ?token=…")
	f.Uint64Var(&o.Seed, "seed", 1, "what is random repeats with it")
	listen := f.String("listen", "", "be one device that is called there, instead of devices that push: streams, searches in its memory, pictures")
	table := f.Bool("csv", false, "print the device table of these devices and end")
	people := f.Bool("people", false, "print the table of the simulated people and end")
	words, err := parse(f, args)
	if err != nil {
		return err
	}
	if *people {
		fmt.Fprint(std.out, devicetest.PeopleCSV(simPeople))
		return nil
	}
	if len(words) != 1 {
		return usagef("want one vendor of %s", strings.Join(devicetest.Names, ", "))
	}
	v, err := devicetest.Load(words[0])
	if err != nil {
		return usageError{err.Error()}
	}
	if o.Devices < 1 || o.Rate <= 0 {
		return usagef("want -devices of at least 1 and -rate above 0")
	}
	if *table {
		fmt.Fprint(std.out, devicetest.DevicesCSV(o.Devices, v))
		return nil
	}
	if *login != "" {
		var ok bool
		if o.User, o.Pass, ok = strings.Cut(*login, ":"); !ok || o.User == "" {
			return usagef("want -digest USER:PASSWORD")
		}
	}
	if *length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *length)
		defer cancel()
	}
	o.People = simPeople
	if *listen != "" {
		return simulateCalled(ctx, std, v, o, *listen)
	}
	return simulate(ctx, std, v, o)
}

// simulate lets a fleet push, and prints how it went; every ten seconds in
// between, for runs without an end.
func simulate(ctx context.Context, std stdio, v *devicetest.Vendor, o devicetest.Options) error {
	f := devicetest.NewFleet(v, o)
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			line, _, _ := strings.Cut(f.Report().String(), "\n")
			fmt.Fprintln(std.err, line)
			continue
		case <-done:
		}
		break
	}
	r := f.Report()
	fmt.Fprintln(std.out, r)
	if r.Trouble() {
		return errFindings
	}
	return nil
}

// simulateCalled is one device that others call: events come to its streams,
// and stay in its memory, at the rate of o.
func simulateCalled(ctx context.Context, std stdio, v *devicetest.Vendor, o devicetest.Options, addr string) error {
	kinds := slices.Concat(slices.Collect(maps.Values(v.Streams))...)
	slices.Sort(kinds)
	if len(kinds) == 0 {
		return usagef("%s has no streams; those of hikvision and dahua are simulated", v.Name)
	}
	d := devicetest.NewDevice(v, devicetest.DeviceOptions{User: o.User, Pass: o.Pass, Picture: o.Picture, People: o.People})
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen %q: %w", addr, err)
	}
	fmt.Fprintf(std.out, "%s: device %s is called at http://%s, streams %s\n%s", v.Name, d.ID(), l.Addr(), strings.Join(slices.Sorted(maps.Keys(v.Streams)), ", "), d.Row(l.Addr().String()))
	serving, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- serveUntil(serving, l, d) }()
	ticker := time.NewTicker(time.Duration(float64(time.Second) / o.Rate))
	defer ticker.Stop()
	for n := 0; ctx.Err() == nil && err == nil; n++ {
		if n == o.Events && n > 0 {
			ticker.Stop() // it stays, with what is in its memory
		}
		select {
		case <-ticker.C:
			_, err = d.EmitAt(kinds[n%len(kinds)], time.Now().Add(o.Clock))
		case <-ctx.Done():
		}
	}
	d.Cut()
	end()
	return errors.Join(err, <-served)
}
