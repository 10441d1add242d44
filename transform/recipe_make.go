package transform

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"math"

	"github.com/segmentio/asm/base64"
	"golang.org/x/image/draw"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// MaxPixels is the largest picture that is decoded: 8K. A few kilobytes may
// claim any size, and a decoded one takes 3 bytes a pixel.
const MaxPixels = 7680 * 4320

// A progressive JPEG is held as coefficients, 4 bytes for each of its values,
// until the last of it was read: so it may have that part of MaxPixels.
const progressivePart = 4

// Bounds of what is made.
const (
	minEdge     = 16 // pixels: no face is smaller, and a rectangle that is has the wrong unit
	cropQuality = 92
	shrinkTries = 8
)

// Decoded is what Make needs of a picture before it decodes it: its pixels;
// 0 if the recipe needs none.
func (rc *Recipe) Decoded(data []byte) (pixels int, err error) {
	if !rc.decodes(data) {
		return 0, nil
	}
	var c image.Config
	switch event.PictureType(data) {
	case "image/jpeg":
		c, err = jpeg.DecodeConfig(bytes.NewReader(data))
	case "image/png":
		c, err = png.DecodeConfig(bytes.NewReader(data))
	default:
		return 0, message.New("picture-edit-type", event.PictureType(data))
	}
	if err != nil {
		return 0, message.New("picture-broken", err)
	}
	most := MaxPixels
	if progressive(data) {
		most /= progressivePart
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > most || c.Height > most || c.Width*c.Height > most {
		return 0, message.New("picture-pixels", c.Width, c.Height, most/1_000_000)
	}
	return c.Width * c.Height, nil
}

// progressive tells whether a JPEG comes in several scans: by the marker of its
// frame, SOF2.
func progressive(data []byte) bool {
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		switch marker := data[at+1]; {
		case marker == 0xc2:
			return true
		case marker == 0xda: // the first scan
			return false
		case marker == 0xff: // filling
			at++
		default:
			at += 2 + int(data[at+2])<<8 + int(data[at+3])
		}
	}
	return false
}

func (rc *Recipe) decodes(data []byte) bool {
	for _, e := range rc.Edits {
		if e.Crop != nil || len(data) > e.Shrink {
			return true
		}
	}
	return false
}

// PictureOf is the picture of a blob itself, decoded if it is Base64.
func PictureOf(b event.Blob) ([]byte, error) {
	if b.Raw {
		return b.Data, nil
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(b.Data)))
	n, err := base64.StdEncoding.Decode(data, b.Data)
	if err != nil {
		return nil, message.New("picture-broken", err)
	}
	return data[:n], nil
}

// Make makes the picture of its source: what was fetched, or the blob. The same
// source gives the same bytes. It takes a core for about 20 ms a megapixel, and
// memory: see Decoded.
func (rc *Recipe) Make(data []byte) ([]byte, error) {
	if _, err := rc.Decoded(data); err != nil {
		return nil, err
	}
	var img image.Image // of data; nil: not decoded yet
	decode := func() (err error) {
		if img != nil {
			return nil
		}
		if event.PictureType(data) == "image/png" {
			img, err = png.Decode(bytes.NewReader(data))
		} else {
			img, err = jpeg.Decode(bytes.NewReader(data))
		}
		if err != nil {
			return message.New("picture-broken", err)
		}
		return nil
	}
	for _, e := range rc.Edits {
		if e.Crop == nil && len(data) <= e.Shrink {
			continue
		}
		if err := decode(); err != nil {
			return nil, err
		}
		var err error
		if e.Crop != nil {
			img, data, err = crop(img, e.Crop)
		} else {
			img, data, err = shrink(img, len(data), e.Shrink)
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

// crop cuts a rectangle out, as far as it lies in the picture.
func crop(img image.Image, r *Rect) (image.Image, []byte, error) {
	b := img.Bounds()
	x, y := 1.0, 1.0
	if r.Unit > 0 {
		x, y = float64(b.Dx())/r.Unit, float64(b.Dy())/r.Unit
	}
	cut := image.Rect(int(math.Floor(r.Left*x)), int(math.Floor(r.Top*y)), int(math.Ceil(r.Right*x)), int(math.Ceil(r.Bottom*y))).Add(b.Min).Intersect(b)
	if cut.Dx() < minEdge || cut.Dy() < minEdge {
		return nil, nil, message.New("rect-outside", r.String(), b.Dx(), b.Dy(), max(0, cut.Dx()), max(0, cut.Dy()))
	}
	sub, ok := img.(interface {
		SubImage(image.Rectangle) image.Image
	})
	if !ok {
		return nil, nil, message.New("picture-edit-type", "")
	}
	part := sub.SubImage(cut)
	data, err := encode(part, cropQuality)
	return part, data, err
}

func encode(img image.Image, quality int) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, message.New("picture-broken", err)
	}
	return b.Bytes(), nil
}

// shrink makes a JPEG of at most so many bytes. Up to half of the bytes are
// saved by quality, which a face survives; the rest by size.
func shrink(img image.Image, had, most int) (image.Image, []byte, error) {
	quality := 85
	if float64(most) > 0.5*float64(had) {
		for ; quality >= 65; quality -= 10 {
			if data, err := encode(img, quality); err != nil || len(data) <= most {
				return img, data, err
			}
		}
	}
	quality = 80
	full, scale, size := img.Bounds(), math.Min(1, math.Sqrt(float64(most)/float64(had)*1.1)), 0
	for range shrinkTries {
		w, h := int(float64(full.Dx())*scale), int(float64(full.Dy())*scale)
		if w < minEdge || h < minEdge {
			break
		}
		to := image.NewRGBA(image.Rect(0, 0, w, h))
		img = halved(img, w)
		draw.ApproxBiLinear.Scale(to, to.Bounds(), img, img.Bounds(), draw.Src, nil)
		data, err := encode(to, quality)
		if err != nil || len(data) <= most {
			return to, data, err
		}
		size = len(data)
		scale *= math.Min(0.9, math.Sqrt(float64(most)/float64(size))*0.97)
	}
	return nil, nil, message.New("picture-no-smaller", most, size)
}

// halved halves a picture while it is at least twice as wide as wanted: below
// half its size the scaler would leave pixels out. (The scalers that would not
// take 32 bytes a pixel.)
func halved(img image.Image, wide int) image.Image {
	for img.Bounds().Dx() >= 2*wide && img.Bounds().Dy() >= 2 {
		half := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx()/2, img.Bounds().Dy()/2))
		draw.ApproxBiLinear.Scale(half, half.Bounds(), img, img.Bounds(), draw.Src, nil)
		img = half
	}
	return img
}
