package transform

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"golang.org/x/text/encoding/simplifiedchinese"

	"yiqiao/transform/event"
)

// Replace makes of what a device sent a sample that may lie in a folder of
// cases: pictures become {{jpeg:N}} and {{b64jpeg:N}}, other long texts (they
// may be a face's features) a row of A; names, ID numbers, telephone numbers,
// plates and passwords become invented ones of the same shape, the same value
// always the same one. name tells how to read the file, as in ReadInput.
//
// It goes by the names of members and the shapes of values, so it can miss
// what neither shows. Numbers of employees and cards stay: tables are looked
// up by them. GBK becomes UTF-8.
func Replace(name string, data []byte) []byte {
	r := &replacer{seen: map[string]string{}, count: map[personalKind]int{}}
	if !strings.HasSuffix(name, ".http") {
		return r.body(data, "")
	}
	head, body := splitHead(data)
	contentType := ""
	var out []byte
	for n, line := range strings.SplitAfter(string(head), "\n") {
		key, value, _ := strings.Cut(line, ":")
		switch key = strings.ToLower(strings.TrimSpace(key)); {
		case n == 0:
			line = r.text(line)
		case key == "content-length":
			continue // it is another one now
		case key == "content-type":
			contentType = strings.TrimSpace(value)
		case slices.Contains(secretHeaders, key):
			line = key + ": ***\r\n"
		}
		out = append(out, line...)
	}
	return append(out, r.body(body, contentType)...)
}

// secretHeaders let their owner in.
var secretHeaders = []string{"authorization", "proxy-authorization", "cookie", "user-identify", "x-auth-token", "x-api-key", "token"}

// splitHead parts a .http file behind the empty line.
func splitHead(data []byte) (head, body []byte) {
	end := len(data)
	for _, blank := range []string{"\r\n\r\n", "\n\n", "\n\r\n"} {
		if i := bytes.Index(data, []byte(blank)); i >= 0 {
			end = min(end, i+len(blank))
		}
	}
	return data[:end], data[end:]
}

type personalKind int

const (
	aName personalKind = iota + 1
	aNumber
	aPhone
	aPlate
	anAddress
	aSecret
)

type replacer struct {
	seen  map[string]string
	count map[personalKind]int
}

// body replaces in the parts of a multipart body, or in all of it.
func (r *replacer) body(body []byte, contentType string) []byte {
	var ev event.Event
	if err := event.NewDecoder().Decode(&ev, contentType, body, event.Layout{}); err != nil || len(ev.Parts) == 0 {
		if event.PictureType(body) != "" {
			return fmt.Appendf(nil, "{{jpeg:%d}}", len(body))
		}
		return []byte(r.text(utf8Text(body)))
	}
	var out []byte
	done := 0
	for _, p := range ev.Parts {
		data := ev.Blobs[p.Blob].Data
		at, ok := event.Offset(body, data)
		if !ok || at < done {
			continue
		}
		switch {
		case event.PictureType(data) != "":
			out = append(out, r.text(utf8Text(body[done:at]))...)
			out = fmt.Appendf(out, "{{jpeg:%d}}", len(data))
		case bytes.IndexByte(data, 0) >= 0:
			out = append(out, r.text(utf8Text(body[done:at]))...)
			out = fmt.Appendf(out, "(%d bytes)", len(data))
		default:
			continue // text, with what follows it
		}
		done = at + len(data)
	}
	return append(out, r.text(utf8Text(body[done:]))...)
}

func utf8Text(b []byte) string {
	if !utf8.Valid(b) {
		if text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b); err == nil {
			b = text
		}
	}
	return string(b)
}

var (
	xmlEncoding = regexp.MustCompile(`(<\?xml[^>]*encoding=["'])[\w-]+(["'])`)
	jsonLiteral = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	xmlElement  = regexp.MustCompile(`<(?:[\w-]+:)?([\pL_][\pL\pN_.-]*)(?:\s[^<>]*)?>([^<>"\\]*)</`)
	plainPair   = regexp.MustCompile(`(?m)(?:^|[?&\s])([\pL_][\pL\pN_.\[\]-]*)=([^\s&"<>\\{}\[\],]+)`)

	idShape    = regexp.MustCompile(`\b[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]\b`)
	phoneShape = regexp.MustCompile(`\b1[3-9]\d{9}\b`)
	plateShape = regexp.MustCompile(`[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·•.-]?[A-Z0-9]{4,6}[学警港澳挂]?`)
)

// text replaces in a text of any kind: string literals of JSON by the name
// before them, elements of XML, pairs key=value; then shapes wherever they are.
func (r *replacer) text(s string) string {
	s = xmlEncoding.ReplaceAllString(s, "${1}UTF-8$2") // it is by now
	s = r.literals(s)
	s = r.submatches(xmlElement, s)
	s = r.submatches(plainPair, s)
	s = idShape.ReplaceAllStringFunc(s, func(v string) string { return r.invent(aNumber, v) })
	s = phoneShape.ReplaceAllStringFunc(s, func(v string) string { return r.invent(aPhone, v) })
	s = plateShape.ReplaceAllStringFunc(s, func(v string) string { return r.invent(aPlate, v) })
	return r.again(s)
}

// again replaces what was replaced by its name where it stands inside of other
// texts: "张三 刷卡", or a plate in the name of a file.
func (r *replacer) again(s string) string {
	longest := slices.SortedFunc(maps.Keys(r.seen), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, was := range longest {
		now := r.seen[was]
		if _, n := utf8.DecodeRuneInString(was); n > 1 && utf8.RuneCountInString(was) >= 2 && !strings.ContainsAny(was, `"\<>{}`) {
			s = strings.ReplaceAll(s, was, now)
			// A plate may stand there with its province in another encoding.
			if tail := was[n:]; len(tail) >= 6 && isASCII(tail) {
				_, k := utf8.DecodeRuneInString(now)
				s = strings.ReplaceAll(s, tail, now[k:])
			}
		}
	}
	return s
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= utf8.RuneSelf }) < 0
}

func (r *replacer) submatches(re *regexp.Regexp, s string) string {
	var b strings.Builder
	done := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		b.WriteString(s[done:m[4]])
		b.WriteString(r.value(s[m[2]:m[3]], s[m[4]:m[5]]))
		done = m[5]
	}
	return b.String() + s[done:]
}

// literals goes through the string literals of JSON. One behind a colon is the
// value of the literal before it, as is each of a list.
func (r *replacer) literals(s string) string {
	var b strings.Builder
	key, done := "", 0
	for _, m := range jsonLiteral.FindAllStringIndex(s, -1) {
		lit := s[m[0]+1 : m[1]-1]
		before := strings.TrimRight(s[done:m[0]], " \t\r\n")
		after := strings.TrimLeft(s[m[1]:min(len(s), m[1]+64)], " \t\r\n")
		b.WriteString(s[done:m[0]])
		done = m[1]
		if strings.HasPrefix(after, ":") {
			key = unquoted(lit)
			b.WriteString(s[m[0]:m[1]])
			continue
		}
		if strings.HasSuffix(before, "=") || key == "" {
			b.WriteString(s[m[0]:m[1]]) // of a header
			continue
		}
		was := unquoted(lit)
		if now := r.value(key, was); now != was {
			b.Write(event.AppendString(nil, now))
		} else {
			b.WriteString(s[m[0]:m[1]])
		}
	}
	return b.String() + s[done:]
}

func unquoted(lit string) string {
	v, err := new(event.Event).Value([]byte(`"` + lit + `"`))
	if s, ok := v.(string); ok && err == nil {
		return s
	}
	return lit
}

// value is what stands for a value of that name.
func (r *replacer) value(key, v string) string {
	if strings.HasPrefix(v, "{{") || strings.TrimSpace(v) == "" {
		return v
	}
	switch inner := strings.TrimSpace(v); { // a document inside of a text
	case (inner[0] == '{' || inner[0] == '[') && gjson.Valid(inner):
		return r.literals(v)
	case inner[0] == '<' && strings.HasSuffix(inner, ">"):
		return r.submatches(xmlElement, v)
	}
	head := v[:dataPrefix([]byte(v))]
	if base := v[len(head):]; base64Picture(base) {
		return fmt.Sprintf("%s{{b64jpeg:%d}}", head, len(base))
	}
	if len(v) > event.LiftMin && !strings.ContainsAny(v, "{<") {
		return strings.Repeat("A", 64)
	}
	if kind := personalKey(key, v); kind != 0 {
		return r.invent(kind, v)
	}
	return v
}

// base64Picture tells by the first characters of a JPEG, PNG, GIF or BMP.
func base64Picture(s string) bool {
	return len(s) >= 64 && slices.ContainsFunc([]string{"/9j/", "iVBORw0KGgo", "R0lGOD", "Qk0", "Qk1", "Qk2"}, func(magic string) bool { return strings.HasPrefix(s, magic) })
}

// personalKeys are the words by which names of members tell what is personal:
// all words of one entry stand in it.
var personalKeys = []struct {
	kind  personalKind
	words []string
}{
	{aSecret, []string{"password"}}, {aSecret, []string{"passwd"}}, {aSecret, []string{"pwd"}}, {aSecret, []string{"token"}},
	{aSecret, []string{"signature"}}, {aSecret, []string{"app", "key"}}, {aSecret, []string{"appkey"}}, {aSecret, []string{"access", "key"}}, {aSecret, []string{"secret"}}, {aSecret, []string{"密码"}},
	{aName, []string{"person", "name"}}, {aName, []string{"user", "name"}}, {aName, []string{"employee", "name"}}, {aName, []string{"owner", "name"}},
	{aName, []string{"visitor", "name"}}, {aName, []string{"staff", "name"}}, {aName, []string{"student", "name"}}, {aName, []string{"real", "name"}},
	{aName, []string{"face", "info", "name"}}, {aName, []string{"customer", "name"}}, {aName, []string{"holder", "name"}}, {aName, []string{"resident", "name"}},
	{aName, []string{"full", "name"}}, {aName, []string{"nick", "name"}}, {aName, []string{"people", "name"}}, {aName, []string{"cert", "name"}},
	{aName, []string{"姓名"}}, {aName, []string{"xm"}}, {aName, []string{"realname"}}, {aName, []string{"username"}}, {aName, []string{"nickname"}},
	{aNumber, []string{"id", "card"}}, {aNumber, []string{"idcard"}}, {aNumber, []string{"id", "num"}}, {aNumber, []string{"identity", "no"}}, {aNumber, []string{"identity", "number"}},
	{aNumber, []string{"certificate"}}, {aNumber, []string{"cert", "no"}}, {aNumber, []string{"zjhm"}}, {aNumber, []string{"sfzh"}}, {aNumber, []string{"身份证"}}, {aNumber, []string{"证件号"}},
	{aPhone, []string{"phone"}}, {aPhone, []string{"mobile"}}, {aPhone, []string{"tel"}}, {aPhone, []string{"telephone"}}, {aPhone, []string{"电话"}}, {aPhone, []string{"手机"}},
	{aPlate, []string{"plate", "no"}}, {aPlate, []string{"plate", "number"}}, {aPlate, []string{"license", "plate"}}, {aPlate, []string{"car", "no"}}, {aPlate, []string{"license"}},
	{aPlate, []string{"plate"}}, {aPlate, []string{"plate", "num"}}, {aPlate, []string{"car", "num"}}, {aPlate, []string{"vehicle", "no"}}, {aPlate, []string{"cph"}}, {aPlate, []string{"车牌"}},
	{anAddress, []string{"address"}}, {anAddress, []string{"地址"}}, {anAddress, []string{"addr"}},
}

// deviceWords make a "name" that of a thing.
var deviceWords = []string{"device", "channel", "file", "event", "camera", "door", "area", "site", "region", "pic", "type", "group", "org"}

// attributeWords say that a member is about a plate or a person, not it itself.
var attributeWords = []string{"type", "color", "colour", "class", "kind", "group", "list", "url", "path", "pic", "mode"}

func personalKey(key, v string) personalKind {
	words := wordsOf(key)
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(attributeWords, w) }) {
		return 0
	}
	for _, k := range personalKeys {
		if !slices.ContainsFunc(k.words, func(w string) bool {
			return !slices.Contains(words, w) && (len(k.words) > 1 || strings.Join(words, "") != w) && !(w[0] >= utf8.RuneSelf && strings.Contains(key, w))
		}) && k.kind.fits(v) {
			return k.kind
		}
	}
	if slices.Equal(words, []string{"name"}) && !slices.ContainsFunc(deviceWords, func(w string) bool { return strings.Contains(strings.ToLower(v), w) }) && aName.fits(v) {
		return aName
	}
	return 0
}

// fits leaves alone what the name promises but the value is not: the colour of
// a plate, the address of a device, the type of a certificate.
func (k personalKind) fits(v string) bool {
	letters := strings.IndexFunc(v, unicode.IsLetter) >= 0
	numbers := strings.IndexFunc(v, unicode.IsDigit) >= 0
	switch k {
	case aName:
		return letters && !strings.ContainsAny(v, "_./:$") && !strings.ContainsAny(v, "门口岗机道闸楼库区") && !noPlate[strings.ToUpper(v)]
	case aNumber:
		return numbers && len(v) >= 6
	case aPhone:
		return numbers && len(v) >= 7 && len(v) <= 20
	case aPlate:
		return letters && numbers && len(v) <= 16
	case anAddress:
		return strings.IndexFunc(v, func(c rune) bool { return unicode.Is(unicode.Han, c) }) >= 0
	}
	return true
}
