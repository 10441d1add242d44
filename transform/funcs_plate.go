package transform

import (
	"strings"
	"unicode"

	"yiqiao/transform/message"
)

// noPlate are the words by which devices and platforms say that a car has no
// plate or that it was not read, as plateFunc leaves them. A number of zeros
// only is one more.
var noPlate = map[string]bool{
	"无": true, "无牌": true, "无牌车": true, "无车牌": true, "无号牌": true, "无牌照": true, "车牌": true,
	"未知": true, "未识别": true, "未识别到车牌": true,
	"UNKNOWN": true, "UNKNOW": true, "UNRECOGNIZED": true, "NOPLATE": true, "NOPLATENUMBER": true, "NONE": true, "NULL": true, "NA": true, "N/A": true,
}

// plateFunc writes a plate's number in one way. It always gives a text: what
// says that there is no plate gives the empty one. It does not judge: foreign,
// temporary and half-read plates pass as they are.
func plateFunc(_ *run, args []any) (any, error) {
	s, err := trimmed(args[0], message.New("a-plate"))
	if err != nil {
		return nil, err
	}
	s = strings.Map(func(r rune) rune {
		switch r {
		case '·', '•', '・', '‧', '∙', '●', '.', '-', '–', '—', '_':
			return -1
		}
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, halfWidth(s))
	if noPlate[s] || strings.Trim(s, "0") == "" {
		return "", nil
	}
	return s, nil
}
