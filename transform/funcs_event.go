package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"unsafe"

	"github.com/tidwall/gjson"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

func timeFunc(r *run, args []any) (any, error) { return r.formatTime(args, timeLayout) }
func dateFunc(r *run, args []any) (any, error) { return r.formatTime(args, dateLayout) }

func (r *run) formatTime(args []any, layout string) (any, error) {
	if args[0] == nil || args[0] == "" {
		return nil, nil
	}
	var layouts []string
	for _, a := range args[1:] {
		s, ok := a.(string)
		if !ok {
			return nil, want("a-layout", a)
		}
		layouts = append(layouts, s)
	}
	t, err := r.source.zone.parse(args[0], layouts)
	if err != nil {
		return nil, err
	}
	return r.source.zone.format(t, layout), nil
}

func pictureFunc(r *run, args []any) (any, error) {
	var b *event.Blob
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case *unmade:
		return v, nil
	case *event.Blob:
		b = v
	case string:
		if v == "" {
			return nil, nil
		}
		// Nobody writes to a blob, and it lives no longer than the event that
		// the text is of.
		b = r.picture(unsafe.Slice(unsafe.StringData(v), len(v)))
	default:
		return nil, want("a-picture", v)
	}
	if b.Len() == 0 {
		return nil, nil
	}
	if b.Raw {
		if event.PictureType(b.Data) == "" {
			return nil, notAPicture(b.Data)
		}
		return b, nil
	}
	if skip := dataPrefix(b.Data); skip > 0 {
		b = r.picture(b.Data[skip:])
	}
	// That the text is Base64 of a picture is proved by the catalogue (GF005),
	// once; here only what can never be one is turned away.
	if len(b.Data)%4 != 0 && !bytes.ContainsAny(b.Data[max(0, len(b.Data)-3):], "=\r\n") && len(b.Data) < 16 {
		return nil, notAPicture(b.Data)
	}
	return b, nil
}

// picture makes a blob of a text's bytes.
func (r *run) picture(data []byte) *event.Blob {
	r.pictures = append(r.pictures, event.Blob{Data: data})
	return &r.pictures[len(r.pictures)-1]
}

func notAPicture(b []byte) error {
	return message.New("want-picture-bytes", len(b), string(b[:min(len(b), 12)]))
}

// dataPrefix is the length of a data URI's head ("data:image/png;base64,").
func dataPrefix(b []byte) int {
	if !bytes.HasPrefix(b, []byte("data:")) {
		return 0
	}
	return bytes.IndexByte(b[:min(len(b), 128)], ',') + 1
}

func partFunc(r *run, args []any) (any, error) {
	for _, a := range args {
		s, ok := a.(string)
		if !ok {
			continue // a missing name finds nothing
		}
		if b := r.event.Find(s); b != nil {
			return b, nil
		}
	}
	return nil, nil
}

func getFunc(r *run, args []any) (any, error) {
	path, ok := args[0].(string)
	if !ok {
		return nil, want("a-path", args[0])
	}
	res := gjson.GetBytes(r.event.Doc, path)
	if !res.Exists() {
		return nil, nil
	}
	return r.event.Value([]byte(res.Raw))
}

func firstFunc(_ *run, args []any) (any, error) {
	for _, a := range args {
		if a != nil && a != "" {
			return a, nil
		}
	}
	return nil, nil
}

func needFunc(_ *run, args []any) (any, error) {
	if len(args) == 2 && args[1] != true || args[0] != nil && args[0] != "" {
		return args[0], nil
	}
	return nil, want("kind-value", args[0])
}

func digestFunc(_ *run, args []any) (any, error) {
	h := sha256.New()
	for _, a := range args {
		if b, ok := a.(*event.Blob); ok {
			fmt.Fprintf(h, "%d:", b.Len())
			h.Write(b.Data)
			continue
		}
		if u, ok := a.(*unmade); ok {
			if u.blob != nil {
				h.Write(u.blob.Data)
			}
			a = u.recipe.identity()
		}
		s, ok := asText(a)
		if !ok {
			if weight(a) >= maxWeight {
				return nil, message.New("too-large-to-digest", saidAs(a))
			}
			s = fmt.Sprint(a)
		}
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}
