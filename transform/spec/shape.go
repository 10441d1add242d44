package spec

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Shape is what a text should look like, beyond what the standard prints: a
// value of another shape only warns.
type Shape int

// The shapes.
const (
	AnyShape  Shape = iota
	Digits          // a code of the platform (规范 1.7)
	Devices         // 20-digit codes, joined by ,
	IDCard          // 居民身份证号码, GB 11643
	Document        // the number of any document: an IDCard if it looks like one
	Mobile          // 手机号码
	Telephone       // mobile or fixed
	Plate           // 号牌号码, GA 36
	IP              // an address, of version 4 or 6
	Port
	Decimal // 面积
)

var shapes = []struct {
	name  string
	holds func(string) bool
	want  Phrase
}{
	Digits:    {"digits", allDigits, Phrase{"digits only", "全是数字的编码"}},
	Devices:   {"devices", areDevices, Phrase{"device codes of 20 digits with commas between", "20 位数字的设备编码，几个之间用英文逗号"}},
	IDCard:    {"idcard", isIDCard, Phrase{"an ID card number with a birth date and a right check digit (GB 11643)", "出生日期和校验码正确的 18 位居民身份证号码（GB 11643）"}},
	Document:  {"document", mayBeDocument, Phrase{"an ID card number with a birth date and a right check digit (GB 11643)", "出生日期和校验码正确的 18 位居民身份证号码（GB 11643）"}},
	Mobile:    {"mobile", isMobile, Phrase{"a mobile number of 11 digits", "11 位手机号码"}},
	Telephone: {"telephone", isTelephone, Phrase{"a telephone number", "电话号码"}},
	Plate:     {"plate", isPlate, Phrase{"a plate's number like 皖A00000, without separators", "号牌号码，如 皖A00000，不带分隔符"}},
	IP:        {"ip", isIP, Phrase{"an IP address", "IP 地址"}},
	Port:      {"port", isPort, Phrase{"a port from 1 to 65535", "1 到 65535 的端口号"}},
	Decimal:   {"decimal", isDecimal, Phrase{"a number like 67 or 67.5", "数字，如 67 或 67.5"}},
}

func (s Shape) String() string { return shapes[s].name }

// idCardKinds are the kinds of document (ZD005) whose numbers are those of
// ID cards: 居民身份证, 临时居民身份证.
var idCardKinds = []string{"111", "112"}

func areDevices(s string) bool {
	for code := range strings.SplitSeq(s, ",") {
		if len(code) != 20 || !allDigits(code) {
			return false
		}
	}
	return true
}

// isIDCard proves an ID card's number. Its region is not looked at: regions
// are dissolved, their people's numbers stay.
func isIDCard(s string) bool {
	if len(s) != 18 || !allDigits(s[:17]) {
		return false
	}
	year, month, day := number(s[6:10]), number(s[10:12]), number(s[12:14])
	return year >= 1800 && year < 2100 && isDay(year, month, day) && s[17] == checkDigit(s[:17])
}

// checkDigit is ISO 7064 MOD 11-2.
func checkDigit(digits string) byte {
	sum := 0
	for _, c := range []byte(digits) {
		sum = (sum + int(c-'0')) * 2 % 11
	}
	return "10X98765432"[sum]
}

// mayBeDocument takes every number but one that looks like an ID card's and
// is none.
func mayBeDocument(s string) bool {
	return len(s) != 18 || !allDigits(s[:17]) || isIDCard(s)
}

// isMobile takes numbers of the mainland with or without its prefix, and with
// + those of anywhere (E.164).
func isMobile(s string) bool {
	if rest, ok := strings.CutPrefix(s, "+"); ok && !strings.HasPrefix(rest, "86") {
		return len(rest) >= 7 && len(rest) <= 15 && allDigits(rest)
	}
	s = strings.TrimPrefix(s, "+86")
	return len(s) == 11 && s[0] == '1' && s[1] >= '3' && allDigits(s)
}

// isTelephone takes mobile numbers, fixed ones with or without their area and
// extension, and service numbers: 0551-12345678-801, 400-123-4567, 110.
func isTelephone(s string) bool {
	if isMobile(s) {
		return true
	}
	digits := 0
	for n, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c != '-' || n == 0 || n == len(s)-1 || s[n-1] == '-':
			return false
		}
	}
	return digits >= 3 && digits <= 17 && !(digits == 11 && s[0] == '1')
}

const provinces = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"

// isPlate tells whether a text is a plate's number (GA 36): of ordinary and
// new energy vehicles, of the armed police, of the forces, of embassies.
func isPlate(s string) bool {
	if rest, ok := strings.CutPrefix(s, "WJ"); ok {
		first, n := utf8.DecodeRuneInString(rest)
		if strings.ContainsRune(provinces, first) {
			return plateTail(rest[n:], 5, 5)
		}
		return plateTail(rest, 5, 7)
	}
	first, n := utf8.DecodeRuneInString(s)
	rest := s[n:]
	switch {
	case first == '使' || first == '领':
		return len(rest) == 6 && allDigits(rest)
	case !strings.ContainsRune(provinces, first):
		return len(s) == 7 && isUpper(s[0]) && isUpper(s[1]) && allDigits(s[2:])
	case rest == "" || !isUpper(rest[0]):
		return false
	}
	tail := rest[1:]
	if urgent, ok := strings.CutSuffix(tail, "应急"); ok {
		return plateTail(urgent, 4, 4)
	}
	if last, n := utf8.DecodeLastRuneInString(tail); strings.ContainsRune("学警港澳挂超使领试临", last) {
		return plateTail(tail[:len(tail)-n], 4, 5)
	}
	return plateTail(tail, 5, 6)
}

// plateTail tells whether s is so many letters and digits; I and O are none of
// them.
func plateTail(s string, low, high int) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && !isUpper(c) || c == 'I' || c == 'O' {
			return false
		}
	}
	return len(s) >= low && len(s) <= high
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func isPort(s string) bool {
	return len(s) <= 5 && allDigits(s) && number(s) >= 1 && number(s) <= 65535
}

func isDecimal(s string) bool {
	whole, places, point := strings.Cut(s, ".")
	return allDigits(whole) && (!point || allDigits(places))
}
