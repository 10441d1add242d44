package transform

import (
	"fmt"
	"strings"
	"time"

	"yiqiao/transform/spec"
)

// personal masks what stands for a person in messages, as the catalogue does.
var personal = spec.Field{Mask: spec.Personal}

// idcardFunc reads a resident identity card's number (GB 11643). Whether a
// number is one is a question; what it says is only there if it is one.
func idcardFunc(_ *run, args []any) (any, error) {
	text, err := trimmed(args[0], "an id card number")
	if err != nil || text == "" {
		return nil, err
	}
	number, reason := idCardNumber(strings.ToUpper(halfWidth(text)))
	if reason != "" {
		err := fmt.Errorf("want a valid id card number, got %q: %s", personal.Masked(text), reason)
		return object{what: "an invalid id card number", parts: map[string]any{"valid": false, "number": err, "birth": err, "sex": err, "region": err}}, nil
	}
	// The 17th digit is odd for men (ZD004: 1) and even for women (2).
	sex := "2"
	if number[16]%2 == 1 {
		sex = "1"
	}
	return object{what: "a valid id card number", parts: map[string]any{
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
func idCardNumber(s string) (number, wrong string) {
	if len(s) != 15 && len(s) != 18 {
		return "", fmt.Sprintf("it has %d characters, not 18 or 15", len([]rune(s)))
	}
	digits := s[:min(len(s), 17)]
	if !onlyDigits(digits) {
		return "", "it has other characters than digits"
	}
	if len(s) == 15 {
		digits = s[:6] + "19" + s[6:]
	}
	if _, err := time.Parse("20060102", digits[6:14]); err != nil || digits[6:8] != "19" && digits[6:8] != "20" {
		return "", "there is no such birth date"
	}
	check := idCheckDigit(digits)
	if len(s) == 18 && s[17] != check {
		return "", "its check digit is wrong"
	}
	return digits + string(check), ""
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
