package event

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"syscall"
	"testing"
)

// cameraXML is an event of n bytes at least, of the shape that a plate camera
// sends: many short elements, some that repeat, attributes, a name space.
func cameraXML(n int) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<EventNotificationAlert version="2.0" xmlns="http://www.example.org/ver20/XMLSchema">` + "\n")
	b.WriteString("<ipAddress>192.0.2.21</ipAddress>\n<macAddress>44:19:b6:00:00:01</macAddress>\n<dateTime>2026-09-02T13:32:56+08:00</dateTime>\n<eventType>ANPR</eventType>\n<channelName>东门入口 &amp; 出口</channelName>\n<ANPR>\n")
	for b.Len() < n-60 {
		b.WriteString("<pictureInfo>\n  <fileName>detectionPicture.jpg</fileName>\n  <type>detectionPicture</type>\n  <dataType>0</dataType>\n  <plateRect>\n    <X>412</X><Y>618</Y><width>97</width><height>31</height>\n  </plateRect>\n  <absTime>20260902133256123</absTime>\n  <pId/>\n</pictureInfo>\n")
	}
	b.WriteString("</ANPR>\n</EventNotificationAlert>\n")
	return []byte(b.String())
}

// cpu is the time that this process has used, in µs.
func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e3
}

// BenchmarkXML compares, in one run, the decoding and walk of 5 KB with what
// the tokens alone cost in encoding/xml. cpu-µs is the processor's time, which
// others on the machine disturb less: the goal is 60.
func BenchmarkXML(b *testing.B) {
	body := cameraXML(5 << 10)
	var p Paths
	p.Add([]Step{{Name: "dateTime"}}, false)
	p.Add([]Step{{Name: "ANPR"}, {Name: "pictureInfo"}, {Index: 1, List: true}, {Name: "absTime"}}, false)
	out := make([]any, p.Len())
	b.Run("Decode", func(b *testing.B) {
		d, ev := NewDecoder(), new(Event)
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		begun, n := cpu(b), 0
		for ; b.Loop(); n++ {
			if err := d.Decode(ev, "application/xml", body, Layout{Unwrap: []string{"EventNotificationAlert"}}); err != nil {
				b.Fatal(err)
			}
			if err := ev.Fill(&p, out); err != nil || out[1] == nil {
				b.Fatal(err, out)
			}
		}
		b.ReportMetric((cpu(b)-begun)/float64(n), "cpu-µs")
	})
	b.Run("tokens", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		begun, n := cpu(b), 0
		for ; b.Loop(); n++ {
			d := xml.NewDecoder(bytes.NewReader(body))
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric((cpu(b)-begun)/float64(n), "cpu-µs")
	})
}
