package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yiqiao/proxy"
	"yiqiao/proxy/device/devicetest"
	"yiqiao/proxy/platform/platformtest"
	"yiqiao/proxy/store"
	"yiqiao/transform"
	"yiqiao/transform/spec"
)

func runDemo(ctx context.Context, std stdio, args []string) error {
	f := flags("demo")
	length := f.Duration("for", 0, "end by itself after this time, with a summary (0: until interrupted)")
	rate := f.Float64("rate", 3, "events per second of each vendor")
	if words, err := parse(f, args); err != nil || len(words) > 0 {
		return errors.Join(err, unexpected(words))
	}
	if *rate <= 0 {
		return usagef("want -rate above 0")
	}
	dir, err := os.MkdirTemp("", "yiqiao-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{out: std.out, dir: dir, rate: *rate, length: *length, delivered: map[string]string{}}
	for _, name := range demoVendors {
		v, err := devicetest.Load(name)
		if err != nil {
			return err
		}
		d.vendors = append(d.vendors, v)
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	return d.run(ctx)
}

// demo is a platform, a proxy and simulated devices of all vendors in one
// process, with an embedded store in a temporary folder.
type demo struct {
	out    io.Writer
	dir    string
	rate   float64
	length time.Duration

	vendors   []*devicetest.Vendor
	platform  *platformtest.Platform
	endServe  context.CancelFunc
	daemon    *daemon
	catalogue *spec.Catalogue
	extra     atomic.Int64 // odd events posted by hand

	mu        sync.Mutex
	delivered map[string]string // sources by entry
	shown     int
}

var demoVendors = []string{"hikvision", "dahua", "iflytek"}

const demoConfig = `listen: 127.0.0.1:0
platform: {url: "http://%s/api/v1", appKey: demo, publicKey: "file:platform.key.pub"}
store: {disk: data}
sources: [hikvision, dahua, iflytek]
tables: {devices: devices.csv, people: people.csv}
admin: {listen: "127.0.0.1:0"}
log: {level: error}
`

func (d *demo) start(ctx context.Context) error {
	keyFile := filepath.Join(d.dir, "platform.key")
	key, _, _, err := platformtest.LoadOrCreateKey(keyFile)
	if err != nil {
		return err
	}
	if d.platform, err = newPlatform(platformOptions{key: key}); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	d.endServe = end
	go func() { _ = serveUntil(serving, l, d.platform) }()
	for name, text := range map[string]string{
		"yiqiao.yaml": fmt.Sprintf(demoConfig, l.Addr()),
		"devices.csv": devicetest.DevicesCSV(3, d.vendors...),
		"people.csv":  devicetest.PeopleCSV(simPeople),
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	var problems bytes.Buffer
	site, g, err := loadSite(d.dir, stdio{err: &problems})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, problems.String())
	}
	d.catalogue = site.Catalogue
	log := newLog(d.out, g.Config.Log)
	d.daemon, err = start(ctx, daemonOptions{site: site, generation: g, log: log, observe: d.observe})
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "译桥 yiqiao demo: devices post to http://%s, the simulated platform is http://%s\nconsole 控制台: http://%s/ (health and metrics: /-/ready, /metrics)\n\n", d.daemon.devices, l.Addr(), d.daemon.admin)
	fmt.Fprintf(d.out, "%s %s %s %s %s\n", pad("时间", 9), pad("来源", 10), pad("设备", 23), pad("接口", 28), "记录（个人信息已脱敏）")
	return nil
}

func (d *demo) run(ctx context.Context) error {
	sending, stop := context.WithCancel(ctx)
	if d.length > 0 {
		sending, stop = context.WithTimeout(ctx, d.length)
	}
	defer stop()
	var fleets []*devicetest.Fleet
	var posting sync.WaitGroup
	for i, v := range d.vendors {
		f := devicetest.NewFleet(v, devicetest.Options{
			Target: "http://" + d.daemon.devices, Devices: 3, Rate: d.rate, Picture: 20_000, People: simPeople,
			Late: 0.05, Resend: 0.15, ResendAfter: time.Second, Seed: uint64(i),
		})
		fleets = append(fleets, f)
		posting.Go(func() { f.Run(sending) })
	}
	d.odd()
	posting.Wait()
	a, err := d.drain(fleets)
	d.summary(fleets, a)
	err = errors.Join(err, d.daemon.stop())
	d.endServe()
	if err == nil && !a.balanced() {
		return errFindings
	}
	return err
}

// odd posts what no rule can map: a broken body and an unknown device.
func (d *demo) odd() {
	for path, body := range map[string]string{
		"/iflytek/api/v1/stk/zpjl":       `{"areaNo":"340102001001001","snapNo":`,
		"/hikvision/device-nobody-knows": `{"eventType":"AccessControllerEvent","dateTime":"2026-01-02T03:04:05+08:00","AccessControllerEvent":{"majorEventType":5,"subEventType":75,"employeeNoString":"P001","serialNo":1}}`,
	} {
		resp, err := http.Post("http://"+d.daemon.devices+path, "application/json", strings.NewReader(body))
		if err != nil {
			fmt.Fprintln(d.out, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			d.extra.Add(1)
		}
	}
}

// drain waits until every event is accounted for, and the store holds nothing
// that is still to be delivered.
func (d *demo) drain(fleets []*devicetest.Fleet) (a account, err error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if a, err = d.account(fleets); err != nil || a.balanced() {
			break
		}
		timer := time.NewTimer(50 * time.Millisecond)
		<-timer.C
	}
	return a, err
}

// observe prints each record as it is delivered, in a line.
func (d *demo) observe(e proxy.Delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.Do != store.Delivered {
		fmt.Fprintf(d.out, "%s %s\n", time.Now().Format(time.TimeOnly), e.Verdict)
		return
	}
	l := e.Claim.Labels
	d.delivered[e.Claim.ID] = l.Source
	title := l.Interface
	iface := d.catalogue.Interface(l.Interface)
	if iface != nil {
		title += " " + iface.Title
	}
	fmt.Fprintf(d.out, "%s %s %s %s %s\n", pad(time.Now().Format(time.TimeOnly), 9), pad(l.Source, 10), pad(l.Device, 23), pad(title, 28), describeRecord(iface, e.Doc))
}

// describeRecord shows a record's fields; what is personal is masked.
func describeRecord(iface *spec.Interface, doc []byte) string {
	var values map[string]any
	if err := json.Unmarshal(doc, &values); err != nil || iface == nil {
		return ""
	}
	var b strings.Builder
	pictures := 0
	for i := range iface.Fields {
		f := &iface.Fields[i]
		s, ok := values[f.Name].(string)
		if !ok {
			continue
		}
		if f.Format == spec.GF005 {
			pictures++
			continue
		}
		if f.Mask != spec.Open {
			s = f.Masked(s)
		}
		fmt.Fprintf(&b, "%s=%s ", f.Name, s)
	}
	if pictures > 0 {
		fmt.Fprintf(&b, "图片×%d", pictures)
	}
	return strings.TrimSpace(b.String())
}

// pad fills a text to so many columns; a Chinese character takes two.
func pad(s string, n int) string {
	for _, r := range s {
		if n--; r >= 0x1100 {
			n--
		}
	}
	return s + strings.Repeat(" ", max(n, 0))
}

// account is what became of every event that was answered with success:
// sent = delivered + duplicates + dead letters + ignored. What the proxy tells
// of devices by itself is delivered beside that.
type account struct {
	sent, delivered, duplicates, dead, ignored int64

	presence int64 // records
	platform platformtest.Counts
	waiting  int
	failed   int64 // given up by devices, or answered as they do not expect
}

func (a account) balanced() bool {
	return a.sent == a.delivered+a.duplicates+a.dead+a.ignored && a.waiting == 0 && a.failed == 0 &&
		a.platform.Accepted-a.platform.Repeated == a.delivered+a.presence && a.delivered > 0 && a.dead >= 2
}

func (d *demo) account(fleets []*devicetest.Fleet) (a account, err error) {
	outcomes, err := d.daemon.proxy.Outcomes()
	if err != nil {
		return a, err
	}
	st, err := d.daemon.store.Stats(context.Background(), time.Now())
	if err != nil {
		return a, err
	}
	a.duplicates, a.ignored, a.dead, a.waiting = outcomes["duplicate"], outcomes["ignored"], int64(st.Dead), st.Ready
	d.mu.Lock()
	for _, source := range d.delivered {
		if transform.OfPresence(source) {
			a.presence++
		} else {
			a.delivered++
		}
	}
	d.mu.Unlock()
	a.sent, a.platform = d.extra.Load(), d.platform.Counts()
	for _, f := range fleets {
		r := f.Report()
		a.sent += int64(r.Taken)
		a.failed += int64(r.Lost + r.Unexpected)
	}
	return a, nil
}

// summary prints the account.
func (d *demo) summary(fleets []*devicetest.Fleet, a account) {
	fmt.Fprintln(d.out)
	for _, f := range fleets {
		fmt.Fprintln(d.out, f.Report())
	}
	fmt.Fprintf(d.out, "platform: %d records accepted, %d of them twice, %d refused\n", a.platform.Accepted, a.platform.Repeated, a.platform.Refused)
	fmt.Fprintf(d.out, "presence: %d records of devices that came or are silent\n", a.presence)
	fmt.Fprintf(d.out, "sent %d = delivered %d + duplicates %d + dead letters %d + ignored %d", a.sent, a.delivered, a.duplicates, a.dead, a.ignored)
	if a.balanced() {
		fmt.Fprintln(d.out, "   ✓ every event is accounted for")
		return
	}
	fmt.Fprintf(d.out, "   ✗ not every event is accounted for (%d still wait, %d given up)\n", a.waiting, a.failed)
}
