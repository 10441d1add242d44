package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/asm/base64"

	"yiqiao/proxy/seal"
	"yiqiao/transform/event"
)

const multipartMapping = `title: 抓拍
to: stk/zpjl
record:
  snapNo: device.zpjbm
  areaNo: device.xqbm
  snapTime: time(event.dateTime)
  snapSmallImage: picture(part("faceImage"))
  snapBigImage: picture(part("backgroundImage"))
distinct: event.eventType
`

const multipartDelimiter = "--MIME_boundary"

// multipartBody is an event with a crop and a scene, 375 KB of raw JPEG.
func multipartBody(lengths bool) []byte {
	var b bytes.Buffer
	part := func(disposition, media string, data []byte) {
		fmt.Fprintf(&b, "%s\r\nContent-Disposition: form-data; %s\r\nContent-Type: %s\r\n", multipartDelimiter, disposition, media)
		if lengths {
			fmt.Fprintf(&b, "Content-Length: %d\r\n", len(data))
		}
		fmt.Fprintf(&b, "\r\n%s\r\n", data)
	}
	part(`name="faceCapture"`, "application/json", []byte(`{"dateTime":"2026-11-24T10:00:00+08:00","eventType":"faceCapture","channelID":1,"faceCapture":[{"faces":[{"faceId":17,"faceRect":{"height":0.2315,"width":0.1302,"x":0.4412,"y":0.3127}}]}]}`))
	part(`name="faceImage"; filename="face.jpg"`, "image/jpeg", noisyJPEG(25<<10))
	part(`name="backgroundImage"; filename="bg.jpg"`, "image/jpeg", noisyJPEG(350<<10))
	b.WriteString(multipartDelimiter + "--\r\n")
	return b.Bytes()
}

// noisyJPEG has bytes as evenly spread as those of a real picture, so that a
// search stumbles as often.
func noisyJPEG(n int) []byte {
	p := event.SyntheticJPEG(n, 1)
	for i, x := 0, uint32(n); i < len(p); i++ {
		x = x*1664525 + 1013904223
		if 'a' <= p[i] && p[i] <= 'z' {
			p[i] = byte(x >> 24)
		}
	}
	return p
}

// multipartFloor makes the passes that nobody can leave out with parts: scan
// for the delimiters, encode the pictures, encrypt, encode the envelope.
func (f *floor) multipart(body []byte) {
	ends := []int{0}
	for at := 0; ; {
		i := bytes.Index(body[at:], []byte(multipartDelimiter))
		if i < 0 {
			break
		}
		at += i + len(multipartDelimiter)
		ends = append(ends, at)
	}
	f.work = f.work[:0]
	for i, end := range ends[1:] {
		from, size := len(f.work), base64.StdEncoding.EncodedLen(end-ends[i])
		f.work = slices.Grow(f.work, size)[:from+size]
		base64.StdEncoding.Encode(f.work[from:], body[ends[i]:end])
	}
	n := len(f.work) / 16 * 16
	for i := 0; i < n; i += 16 {
		f.block.Encrypt(f.work[i:i+16], f.work[i:i+16])
	}
	if size := base64.StdEncoding.EncodedLen(n); cap(f.out) < size {
		f.out = make([]byte, size)
	}
	base64.StdEncoding.Encode(f.out[:base64.StdEncoding.EncodedLen(n)], f.work[:n])
}

// BenchmarkMultipart compares, in turns of one run, an event with 375 KB of raw
// pictures with the floor of such a body. It fails above 1.5 floors.
func BenchmarkMultipart(b *testing.B) {
	for name, lengths := range map[string]bool{"lengths": true, "no lengths": false} {
		b.Run(name, func(b *testing.B) {
			body := multipartBody(lengths)
			product, f := newBenchOf(b, seal.MaxReuse, multipartMapping), newFloor()
			product.event.Request.ContentType = "multipart/form-data; boundary=MIME_boundary"
			times := map[bool][]float64{}
			for b.Loop() {
				for _, isFloor := range []bool{true, false} {
					begun := time.Now()
					for range 8 {
						if isFloor {
							f.multipart(body)
						} else {
							product.product(b, body)
						}
					}
					times[isFloor] = append(times[isFloor], float64(time.Since(begun).Nanoseconds())/8e3)
				}
			}
			// The fastest of each: what a busy machine adds is not theirs.
			floorUS, productUS := slices.Min(times[true]), slices.Min(times[false])
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(floorUS, "floor-µs")
			b.ReportMetric(productUS, "product-µs")
			b.ReportMetric(productUS/floorUS, "floors")
			if productUS > 1.5*floorUS {
				b.Errorf("%.2f floors, want at most 1.5", productUS/floorUS)
			}
		})
	}
}
