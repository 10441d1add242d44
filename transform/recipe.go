package transform

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"yiqiao/transform/event"
)

// Recipe says how a picture is made that does not stand in the event as it is
// wanted: it has to be fetched, cut out or made smaller. A mapping only writes
// it (nothing is asked and nothing decoded while an event is taken); whoever
// delivers the record makes the picture first: see Make.
type Recipe struct {
	Field string `json:"field"` // of the record
	// URL is where the picture is; empty: it is the blob of the record's hole.
	URL string `json:"url,omitempty"`
	// Expires is when the URL is good for nothing any more; zero: not known.
	Expires time.Time `json:"expires,omitzero"`
	Edits   []Edit    `json:"edits,omitempty"` // in this order
	// Later is the name of a picture that another request brings (join).
	Later string `json:"later,omitempty"`
}

// Edit is one step of making a picture: one of its members is set.
type Edit struct {
	Crop   *Rect `json:"crop,omitempty"`
	Shrink int   `json:"shrink,omitempty"` // to at most so many bytes
}

// Rect is a part of a picture: its edges in units of which Unit are the whole
// width or height; Unit 0: in pixels.
type Rect struct {
	Left, Top, Right, Bottom, Unit float64
}

// unmade is a picture in an expression that has yet to be made.
type unmade struct {
	blob   *event.Blob // nil: it is fetched
	recipe Recipe
}

// String shows no secret of the URL.
func (u *unmade) String() string { return u.recipe.text(u.blob) }

// edited is u with one more step.
func (u *unmade) edited(e Edit) *unmade {
	c := *u
	c.recipe.Edits = append(c.recipe.Edits[:len(c.recipe.Edits):len(c.recipe.Edits)], e)
	return &c
}

// text describes a picture that has yet to be made.
func (rc *Recipe) text(b *event.Blob) string {
	of := ""
	switch {
	case rc.Later != "":
		of = "@later " + rc.Later
	case rc.URL != "":
		of = "@fetch " + shownURL(rc.URL)
	default:
		of = PictureText(b)
	}
	for _, e := range rc.Edits {
		of = "@" + e.String() + " of " + of
	}
	return of
}

func (e Edit) String() string {
	if e.Crop == nil {
		return fmt.Sprintf("shrink %d", e.Shrink)
	}
	return "crop " + e.Crop.String()
}

func (r *Rect) String() string {
	n := func(f float64) string { return strconv.FormatFloat(f, 'g', 7, 64) }
	unit := "pixels"
	if r.Unit > 0 {
		unit = "0.." + n(r.Unit)
	}
	return fmt.Sprintf("left %s top %s right %s bottom %s (%s)", n(r.Left), n(r.Top), n(r.Right), n(r.Bottom), unit)
}

// identity is what tells the recipe from others: of a URL without what is
// another one each time it is signed.
func (rc *Recipe) identity() string {
	s := stableURL(rc.URL) + rc.Later
	for _, e := range rc.Edits {
		s += "\n" + e.String()
	}
	return s
}

// Where is the URL for a person: what opens it is masked.
func (rc *Recipe) Where() string { return shownURL(rc.URL) }

// A signed URL has parameters that open it and that say until when.
var (
	secretWords = []string{"sign", "sig", "token", "auth", "secret", "passw", "pwd", "credential", "accesskey", "ticket", "session"}
	expiryNames = []string{"expires", "expire", "expiry", "exp", "deadline", "x-amz-expires", "e"}
	signedNames = []string{"x-amz-date", "x-amz-algorithm", "timestamp", "nonce", "ossaccesskeyid", "q-sign-time", "q-key-time", "ak", "sk", "key"}
)

func secretParam(name string) bool {
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return name == "ak" || name == "sk" || name == "key"
}

// expiryParam tells whether a parameter belongs to a signature and is another
// one each time, without being secret.
func expiryParam(name string) bool {
	for _, list := range [][]string{expiryNames, signedNames} {
		for _, n := range list {
			if n == name {
				return true
			}
		}
	}
	return false
}

// eachParam yields the parameters of a URL as they stand in it; their names in
// lower case.
func eachParam(address string, yield func(name, value string)) (base string) {
	address, _, _ = strings.Cut(address, "#")
	base, query, _ := strings.Cut(address, "?")
	for query != "" {
		var param string
		param, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(param, "=")
		yield(name, value)
	}
	return base
}

// withoutUser takes a user and password off a URL.
func withoutUser(base string) string {
	scheme, rest, ok := strings.Cut(base, "://")
	host, path, slash := strings.Cut(rest, "/")
	i := strings.LastIndexByte(host, '@')
	if !ok || i < 0 {
		return base
	}
	if slash {
		path = "/" + path
	}
	return scheme + "://" + host[i+1:] + path
}

func shownURL(address string) string {
	var b strings.Builder
	base := eachParam(address, func(name, value string) {
		b.WriteString("&" + name)
		switch {
		case value == "":
		case secretParam(strings.ToLower(name)):
			b.WriteString("=***")
		default:
			b.WriteString("=" + value)
		}
	})
	return withoutUser(base) + strings.Replace(b.String(), "&", "?", 1)
}

func stableURL(address string) string {
	var b strings.Builder
	base := eachParam(address, func(name, value string) {
		if low := strings.ToLower(name); !secretParam(low) && !expiryParam(low) {
			b.WriteString("&" + name + "=" + value)
		}
	})
	return withoutUser(base) + b.String()
}

// expiryOf is when a signed URL expires by its own parameters; zero: it does
// not say.
func expiryOf(address string) time.Time {
	var at, signed time.Time
	var seconds int64
	eachParam(address, func(name, value string) {
		n, err := strconv.ParseInt(value, 10, 64)
		switch low := strings.ToLower(name); {
		case low == "x-amz-date":
			signed, _ = time.Parse("20060102T150405Z", value)
		case low == "q-sign-time": // from;until
			_, until, _ := strings.Cut(strings.ReplaceAll(strings.ToUpper(value), "%3B", ";"), ";")
			if n, err := strconv.ParseInt(until, 10, 64); err == nil {
				at = time.Unix(n, 0)
			}
		case err != nil || n <= 0 || !expiryParam(low):
		case low == "x-amz-expires" && n < 1e9:
			seconds = n
		case low == "timestamp" || n < 1e9:
		case n < 1e11:
			at = time.Unix(n, 0)
		case n < 1e14:
			at = time.UnixMilli(n)
		}
	})
	if seconds > 0 && !signed.IsZero() {
		return signed.Add(time.Duration(seconds) * time.Second)
	}
	return at
}

// maxURL is how long the address of a picture may be, in bytes.
const maxURL = 8 << 10

func fetchFunc(r *run, args []any) (any, error) {
	if args[0] == nil || args[0] == "" {
		return nil, nil
	}
	var text string
	switch v := args[0].(type) {
	case *unmade:
		return v, nil
	case string:
		if text = strings.TrimSpace(v); strings.HasPrefix(text, "data:") {
			return pictureFunc(r, args[:1])
		}
	case *event.Blob:
		// Some platforms put the picture itself where others put its address.
		if v.Raw || !strings.HasPrefix(strings.ToLower(string(v.Data[:min(len(v.Data), 8)])), "http") {
			return pictureFunc(r, args[:1])
		}
		text = strings.TrimSpace(string(v.Data[:min(len(v.Data), maxURL+1)]))
	default:
		return nil, want("a-url", v)
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if scheme = strings.ToLower(scheme); !ok || scheme != "http" && scheme != "https" || rest == "" || len(text) > maxURL || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return nil, want("a-url", shownURL(text[:min(len(text), 200)]))
	}
	u := &unmade{recipe: Recipe{URL: strings.Clone(text), Expires: expiryOf(text)}}
	if len(args) > 1 && args[1] != nil && args[1] != "" {
		at, err := r.source.zone.parse(args[1], nil)
		if err != nil {
			return nil, err
		}
		u.recipe.Expires = at
	}
	return u, nil
}

// toEdit is the picture that an edit is of; nil: there is none.
func toEdit(r *run, v any) (*unmade, error) {
	if u, ok := v.(*unmade); ok {
		return u, nil
	}
	b, err := pictureFunc(r, []any{v})
	if b == nil || err != nil {
		return nil, err
	}
	return &unmade{blob: b.(*event.Blob)}, nil
}

func shrinkFunc(r *run, args []any) (any, error) {
	most, err := byteCount(args[1])
	if err != nil {
		return nil, err
	}
	u, err := toEdit(r, args[0])
	if u == nil || err != nil {
		return nil, err
	}
	if u.blob != nil && len(u.recipe.Edits) == 0 && pictureBytes(u.blob) <= most {
		return u.blob, nil // nothing to do
	}
	return u.edited(Edit{Shrink: most}), nil
}

// pictureBytes is at least how many bytes the picture of a blob has.
func pictureBytes(b *event.Blob) int {
	if b.Raw {
		return len(b.Data)
	}
	return (len(b.Data) + 3) / 4 * 3
}

// minShrink: no picture is of use below it.
const minShrink = 4 << 10

// byteCount reads 200000, "200KB" or "1MB".
func byteCount(v any) (int, error) {
	text, ok := asText(v)
	number, unit := strings.ToUpper(strings.ReplaceAll(text, " ", "")), 1
	for suffix, n := range map[string]int{"KB": 1 << 10, "MB": 1 << 20} {
		if rest, found := strings.CutSuffix(number, suffix); found {
			number, unit = rest, n
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || n*float64(unit) < minShrink || n*float64(unit) > 64<<20 {
		return 0, want("a-size", v)
	}
	return int(n * float64(unit)), nil
}

// same tells whether two recipes, of which each may be none, make the same.
func (rc *Recipe) same(o *Recipe) bool {
	if rc == nil || o == nil {
		return rc == o
	}
	return rc.identity() == o.identity()
}
