package transform

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/encoding/simplifiedchinese"

	"yiqiao/transform/message"
)

// yamlErrors are what the library says most, by a piece of it, and what it means.
var yamlErrors = []struct{ says, rule string }{
	{"found character '\t'", "yaml-tab"},
	{"mapping value is not allowed", "yaml-colon"},
	{"found an invalid key", "yaml-key"},
	{"unexpected key name", "yaml-key"},
	{"non-map value is specified", "yaml-key"},
	{"value is not allowed in this context", "yaml-indent"},
	{"block sequence entries are not allowed", "yaml-indent"},
	{"implicit line break", "yaml-key"},
	{"must be specified", "yaml-bracket"},
	{"end token", "yaml-bracket"},
	{"could not find '", "yaml-bracket"},
	{"could not find flow map", "yaml-bracket"},
	{"expected sequence element", "yaml-bracket"},
	{"could not find end character of", "yaml-quote"},
	{"anchor", "yaml-alias"},
	{"alias", "yaml-alias"},
	{"tag", "yaml-alias"},
}

var yamlDuplicate = regexp.MustCompile(`^mapping key ("(?:[^"\\]|\\.)*") already defined at \[(\d+):\d+\]$`)

func (f *file) yamlError(err error) {
	p := Problem{Place: Place{f.name, 1, 1}, Message: message.New("yaml", err.Error())}
	var y yaml.Error
	if errors.As(err, &y) {
		p.Message = yamlMessage(y.GetMessage())
		if t := y.GetToken(); t != nil && t.Position != nil {
			f.point(&p, t)
		}
	}
	f.refine(&p)
	if p.Rule == "yaml-tab" || p.Line <= len(f.lines) && tabIndents(f.lines[p.Line-1]) {
		p.Message = message.New("yaml-tab")
		if i := strings.IndexByte(f.lines[min(p.Line, len(f.lines))-1], '\t'); i >= 0 {
			p.Col, p.width = i+1, 1
		}
	}
	f.add(p)
}

var openQuote = regexp.MustCompile(`^\s*(?:- )?[^\s"'#][^"'#]*:\s+"[^"]*$`)

// refine moves a problem to what a person did: the library notices a quote
// that is open lines later, and a line that is indented too far at the value
// above it.
func (f *file) refine(p *Problem) {
	if p.Line > len(f.lines) || p.Rule == "duplicate-key" {
		return
	}
	for i, line := range f.lines[:p.Line] {
		if openQuote.MatchString(strings.TrimRight(line, " \r")) {
			col := utf8.RuneCountInString(line[:strings.IndexByte(line, '"')]) + 1
			*p = Problem{Place: Place{f.name, i + 1, col}, Message: message.New("yaml-quote"), width: 1}
			return
		}
	}
	line := f.lines[p.Line-1]
	rest := string([]rune(line)[min(p.Col-1, utf8.RuneCountInString(line)):])
	switch {
	case p.Rule == "yaml-indent" && (strings.HasPrefix(rest, "}") || strings.HasPrefix(rest, "]")):
		p.Message = message.New("yaml-bracket")
	case p.Rule == "yaml-colon" && !strings.Contains(rest, ": "):
		for i := p.Line; i < len(f.lines); i++ {
			next := f.lines[i]
			if text := strings.TrimLeft(next, " "); strings.TrimSpace(text) != "" {
				*p = Problem{Place: Place{f.name, i + 1, len(next) - len(text) + 1}, Message: message.New("yaml-indent"), width: 1}
				return
			}
		}
	}
}

func yamlMessage(text string) message.Message {
	if m := yamlDuplicate.FindStringSubmatch(text); m != nil {
		key, _ := strconv.Unquote(m[1])
		return message.New("duplicate-key", key, m[2])
	}
	for _, e := range yamlErrors {
		if strings.Contains(text, e.says) {
			return message.New(e.rule)
		}
	}
	return message.New("yaml", text)
}

// tabIndents tells whether a line is indented by a tab.
func tabIndents(line string) bool {
	return strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], "\t")
}

// wrongEncoding tells of a file that is not UTF-8; of one that is GBK, as which
// it can be shown.
func (f *file) wrongEncoding(data []byte, at Place) {
	p := Problem{Place: at, Message: message.New("encoding"), width: 1}
	if text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data); err == nil && !bytes.ContainsRune(text, utf8.RuneError) {
		p.Message = message.New("encoding-gbk")
		f.lines = strings.Split(string(text), "\n")
	} else {
		f.lines[at.Line-1] = strings.ToValidUTF8(f.lines[at.Line-1], "\uFFFD")
	}
	f.add(p)
}

// notUTF8 finds the first byte that is none of UTF-8; line 0: there is none.
func notUTF8(data []byte) (line, col int) {
	if utf8.Valid(data) {
		return 0, 0
	}
	line, col = 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if col++; r == '\n' {
			line, col = line+1, 1
		}
		data = data[size:]
	}
	return line, col
}
