package transform

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"strings"
	"testing"
	"time"

	"yiqiao/transform/event"
)

// scene is a synthetic picture with what a camera's has: soft light, edges and
// some grain. It is the same each time.
func scene(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	grain := uint32(1)
	for y := range h {
		for x := range w {
			grain = grain*1664525 + 1013904223
			v := 120 + 60*math.Sin(float64(x)/90)*math.Cos(float64(y)/70) + float64(grain>>29)
			if (x/64+y/48)%7 == 0 {
				v += 50 // edges
			}
			img.Set(x, y, color.RGBA{uint8(v), uint8(v * 0.9), uint8(255 - v), 255})
		}
	}
	return img
}

func sceneJPEG(t testing.TB, w, h int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, scene(w, h), &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// psnr compares the brightness of two pictures of one size, in dB: above 35
// nobody sees a difference.
func psnr(a, b image.Image) float64 {
	var sum float64
	r := a.Bounds()
	for y := range r.Dy() {
		for x := range r.Dx() {
			p := color.GrayModel.Convert(a.At(r.Min.X+x, r.Min.Y+y)).(color.Gray).Y
			q := color.GrayModel.Convert(b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y)).(color.Gray).Y
			d := float64(p) - float64(q)
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64(r.Dx()*r.Dy())/max(sum, 1e-9))
}

func made(t *testing.T, rc Recipe, data []byte) (image.Image, []byte) {
	t.Helper()
	out, err := rc.Make(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := rc.Make(data)
	if err != nil || !bytes.Equal(out, again) {
		t.Error("the same source gives other bytes")
	}
	img, err := jpeg.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return img, out
}

func TestCropQuality(t *testing.T) {
	data := sceneJPEG(t, 1280, 720)
	whole, _ := jpeg.Decode(bytes.NewReader(data))
	want := image.Rect(320, 180, 960, 540)
	// One rectangle in each unit and form.
	for name, args := range map[string][]any{
		"0..1":      {map[string]any{"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, "0..1"},
		"0..1 text": {map[string]any{"X": "0.25", "Y": "0.25", "Width": "0.5", "Height": "0.5"}, "0..1"},
		"0..1000":   {[]any{250, 250, 500, 500}, "0..1000", "xywh"},
		"0..8191":   {[]any{2047.75, 2047.75, 6143.25, 6143.25}, "0..8191", "ltrb"},
		"0..10000":  {map[string]any{"left": 2500, "top": 2500, "right": 7500, "bottom": 7500}, "0..10000"},
		"pixels":    {map[string]any{"LeftTopX": "320", "LeftTopY": "180", "RightBtmX": "960", "RightBtmY": "540"}, "pixels"},
		"xywh":      {[]any{320, 180, 640, 360}, "pixels", "xywh"},
	} {
		v, err := cropFunc(new(run), append([]any{&event.Blob{Data: data, Raw: true}}, args...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		img, _ := made(t, v.(*unmade).recipe, data)
		if img.Bounds().Dx() != want.Dx() || img.Bounds().Dy() != want.Dy() {
			t.Errorf("%s: %v, want %v", name, img.Bounds(), want)
			continue
		}
		if db := psnr(img, whole.(*image.YCbCr).SubImage(want)); db < 38 {
			t.Errorf("%s: %.1f dB, want 38 at least", name, db)
		}
	}
}

func TestShrinkQuality(t *testing.T) {
	data := sceneJPEG(t, 1920, 1080)
	whole, _ := jpeg.Decode(bytes.NewReader(data))
	for _, tt := range []struct {
		part float64 // of the bytes that it has
		db   float64
	}{{0.9, 36}, {0.6, 34}, {0.3, 26}, {0.1, 24}, {0.02, 20}} {
		most := int(tt.part * float64(len(data)))
		img, out := made(t, Recipe{Edits: []Edit{{Shrink: most}}}, data)
		if len(out) > most || len(out) < most/4 {
			t.Errorf("%v of %d: %d bytes, want at most %d and not much fewer", tt.part, len(data), len(out), most)
		}
		if a, b := float64(img.Bounds().Dx())/float64(img.Bounds().Dy()), 1920.0/1080; math.Abs(a-b) > 0.05 {
			t.Errorf("%v: the sides are %v", tt.part, img.Bounds())
		}
		if db := psnr(enlarged(img, 1920, 1080), whole); db < tt.db {
			t.Errorf("%v: %.1f dB, want %.0f at least", tt.part, db, tt.db)
		} else {
			t.Logf("%v of the bytes: %v, %.1f dB", tt.part, img.Bounds().Size(), db)
		}
	}
	// What is small enough stays as it is.
	out, err := (&Recipe{Edits: []Edit{{Shrink: len(data)}}}).Make(data)
	if err != nil || !bytes.Equal(out, data) {
		t.Errorf("a picture that is small enough was touched: %v", err)
	}
}

// enlarged brings a picture to a size by its nearest pixels.
func enlarged(img image.Image, w, h int) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	b := img.Bounds()
	for y := range h {
		for x := range w {
			out.Set(x, y, img.At(b.Min.X+x*b.Dx()/w, b.Min.Y+y*b.Dy()/h))
		}
	}
	return out
}

func TestRecipeRefuses(t *testing.T) {
	data := sceneJPEG(t, 320, 240)
	bomb := bytes.Clone(data)
	i := bytes.Index(bomb, []byte{0xff, 0xc0})
	copy(bomb[i+5:], []byte{0xff, 0xff, 0xff, 0xff})
	scans := bytes.Clone(data)
	scans[i+1] = 0xc2
	copy(scans[i+5:], []byte{3000 >> 8, 3000 & 0xff, 4000 >> 8, 4000 & 0xff})
	var tall bytes.Buffer
	if err := png.Encode(&tall, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	crop := func(r Rect) Recipe { return Recipe{Edits: []Edit{{Crop: &r}}} }
	half := Rect{0, 0, 0.5, 0.5, 1}
	for name, tt := range map[string]struct {
		rc   Recipe
		data []byte
		want string
	}{
		"outside":   {crop(Rect{400, 300, 500, 400, 0}), data, "leaves 0 × 0 pixels of a picture of 320 × 240"},
		"tiny":      {crop(Rect{0.1, 0.1, 0.11, 0.11, 1}), data, "is it another unit"},
		"bomb":      {crop(half), bomb, "claims 65535 × 65535 pixels"},
		"scans":     {crop(half), scans, "claims 4000 × 3000 pixels, more than 8 million"},
		"cut off":   {crop(half), data[:len(data)/2], "cannot be decoded"},
		"empty":     {crop(half), nil, "only JPEG and PNG"},
		"GIF":       {crop(half), []byte("GIF89a............"), "image/gif"},
		"one pixel": {crop(half), tall.Bytes(), "leaves 1 × 1"},
		"too small": {Recipe{Edits: []Edit{{Shrink: 100}}}, data, "cannot be brought under 100 bytes"},
	} {
		if _, err := tt.rc.Make(tt.data); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestURLs(t *testing.T) {
	at := time.Unix(1594436819, 0)
	for _, tt := range []struct {
		url, shown, stable string
		expires            time.Time
	}{
		{"http://a/p.jpg", "http://a/p.jpg", "http://a/p.jpg", time.Time{}},
		{"http://a/pic?=d4*x&AccessKeyId=K&Expires=1594436819&Signature=S", "http://a/pic?=d4*x&AccessKeyId=***&Expires=1594436819&Signature=***", "http://a/pic&=d4*x", at},
		{"http://admin:pw@a:80/p?x=1#f", "http://a:80/p?x=1", "http://a:80/p&x=1", time.Time{}},
		{"https://s3/p?X-Amz-Date=20200711T030000Z&X-Amz-Expires=19&X-Amz-Signature=S&X-Amz-Credential=C", "https://s3/p?X-Amz-Date=20200711T030000Z&X-Amz-Expires=19&X-Amz-Signature=***&X-Amz-Credential=***", "https://s3/p", time.Date(2020, 7, 11, 3, 0, 19, 0, time.UTC)},
		{"http://c/p?q-sign-time=1594430000%3B1594436819&q-signature=S", "http://c/p?q-sign-time=***&q-signature=***", "http://c/p", at},
		{"http://c/p?expire=1594436819000", "http://c/p?expire=1594436819000", "http://c/p", at},
		{"http://c/p?expire=17", "http://c/p?expire=17", "http://c/p", time.Time{}},
	} {
		if got := shownURL(tt.url); got != tt.shown {
			t.Errorf("shown %s, want %s", got, tt.shown)
		}
		if got := stableURL(tt.url); got != tt.stable {
			t.Errorf("stable %s, want %s", got, tt.stable)
		}
		if got := expiryOf(tt.url); !got.Equal(tt.expires) {
			t.Errorf("%s expires %s, want %s", tt.url, got, tt.expires)
		}
	}
}

// Whatever a device sends as a picture or as a rectangle, nothing panics and
// what comes out is a picture.
func FuzzRecipe(f *testing.F) {
	f.Add(sceneJPEG(f, 64, 48), 0.1, 0.1, 0.9, 0.9, 1.0, 5000)
	f.Add([]byte("\xff\xd8\xff"), 0.0, 0.0, 8191.0, 1e300, 8191.0, 1)
	f.Fuzz(func(t *testing.T, data []byte, l, top, r, b, unit float64, most int) {
		rect := &Rect{l, top, r, b, unit}
		if n, err := (&Recipe{Edits: []Edit{{Crop: rect}}}).Decoded(data); err != nil || n > 1<<20 {
			return
		}
		out, err := (&Recipe{Edits: []Edit{{Crop: rect}, {Shrink: most}}}).Make(data)
		if err == nil && event.PictureType(out) != "image/jpeg" {
			t.Errorf("made %q", out[:min(len(out), 12)])
		}
	})
}

func BenchmarkRecipe(b *testing.B) {
	data := sceneJPEG(b, 1920, 1080)
	for name, rc := range map[string]Recipe{
		"crop":   {Edits: []Edit{{Crop: &Rect{0.4, 0.4, 0.6, 0.6, 1}}}},
		"shrink": {Edits: []Edit{{Shrink: len(data) / 4}}},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := rc.Make(data); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/(1920*1080/1e6), "ms/megapixel")
		})
	}
}
