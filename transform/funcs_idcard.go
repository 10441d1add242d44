package transform

import (
	"strings"
	"time"

	"yiqiao/transform/message"
	"yiqiao/transform/spec"
)

// personal masks what stands for a person in messages, as the catalogue does.
var personal = spec.Field{Mask: spec.Personal}

// idcardFunc reads a resident identity card's number (GB 11643). Whether a
// number is one is a question; what it says is only there if it is one.
func idcardFunc(_ *run, args []any) (any, error) {
	text, err := trimmed(args[0], message.New("an-id-card"))
	if err != nil || text == "" {
		return nil, err
	}
	number, reason := idCardNumber(strings.ToUpper(halfWidth(text)))
	if reason.Rule != "" {
		err := message.New("id-card", personal.Masked(text), reason)
		return object{what: message.New("id-card-invalid"), parts: map[string]any{"valid": false, "number": err, "birth": err, "sex": err, "region": err}}, nil
	}
	// The 17th digit is odd for men (ZD004: 1) and even for women (2).
	sex := "2"
	if number[16]%2 == 1 {
		sex = "1"
	}
	return object{what: message.New("id-card-valid"), parts: map[string]any{
		"valid": true, "number": number, "sex": sex, "region": number[:6],
		"birth": number[6:10] + "-" + number[10:12] + "-" + number[12:14],
	}}, nil
}

// idCardNumber returns the number in 18 characters, or says what is wrong with
// it without a word of what stands in it.
//
// One of 15 digits (GB 11643-1989, until 2013) becomes one of 18; the century
// that it leaves out is the 20th. That the region is a real one is not
// checked: regions are renamed and dissolved, their people's numbers stay.
func idCardNumber(s string) (number string, wrong message.Message) {
	if len(s) != 15 && len(s) != 18 {
		return "", message.New("id-card-length", len([]rune(s)))
	}
	digits := s[:min(len(s), 17)]
	if !onlyDigits(digits) {
		return "", message.New("id-card-digits")
	}
	if len(s) == 15 {
		digits = s[:6] + "19" + s[6:]
	}
	if _, err := time.Parse("20060102", digits[6:14]); err != nil || digits[6:8] != "19" && digits[6:8] != "20" {
		return "", message.New("id-card-birth")
	}
	check := idCheckDigit(digits)
	if len(s) == 18 && s[17] != check {
		return "", message.New("id-card-check")
	}
	return digits + string(check), message.Message{}
}

// idCheckDigit is ISO 7064 MOD 11-2 of 17 digits.
func idCheckDigit(digits string) byte {
	p := 0
	for _, c := range []byte(digits) {
		p = (p + int(c-'0')) * 2 % 11
	}
	return "10X98765432"[p]
}

func onlyDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
