package transform

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// invent returns what stands for v, always the same.
func (r *replacer) invent(kind personalKind, v string) string {
	if now, ok := r.seen[v]; ok {
		return now
	}
	for _, now := range r.seen {
		if now == v {
			return v // it is an invented one
		}
	}
	r.count[kind]++
	now := invented(kind, v, r.count[kind])
	r.seen[v] = now
	return now
}

func invented(kind personalKind, v string, n int) string {
	switch kind {
	case aName:
		if isASCII(v) {
			return fmt.Sprintf("Person %c", 'A'+(n-1)%26)
		}
		return "测试" + string([]rune("甲乙丙丁戊己庚辛壬癸")[(n-1)%10])
	case aNumber:
		if len(v) == 18 && idShape.MatchString(v) {
			return inventedID(v, n)
		}
	case aPlate:
		return inventedPlate(v, n)
	case anAddress:
		return "某市某路1号"
	case aSecret:
		return "***"
	case aPhone:
		if phoneShape.MatchString(v) && len(v) == 11 {
			return fmt.Sprintf("1990000%04d", n%10_000)
		}
	}
	return renumbered(v, n)
}

// inventedID is the number of nobody: there is no region 999999. It passes its
// check digit if the one it stands for does, and ends in X only if that does.
func inventedID(v string, n int) string {
	v = strings.ToUpper(v)
	_, wrong := idCardNumber(v)
	for day := 1; ; day++ {
		id := fmt.Sprintf("999999199001%02d%03d", day, n%1000)
		check := idCheckDigit(id)
		if wrong.Rule != "" {
			return id + string('0'+(check-'0'+1)%10)
		}
		if (check == 'X') == (v[17] == 'X') || day == 28 {
			return id + string(check)
		}
	}
}

// inventedPlate keeps the province, separators and the letter of new energy.
func inventedPlate(v string, n int) string {
	if !plateShape.MatchString(v) {
		return renumbered(v, n)
	}
	runes := []rune(v)
	at := 2 // of the number
	if strings.ContainsRune("·•.-", runes[2]) {
		at++
	}
	end := len(runes)
	if runes[end-1] >= utf8.RuneSelf {
		end--
	}
	if end-at == 6 {
		runes[at] = 'D'
		at++
	}
	runes[1] = 'A'
	copy(runes[at:end], []rune(fmt.Sprintf("%0*d", end-at, n))[:end-at])
	return string(runes)
}

// renumbered keeps what a value looks like: letters become A, its digits count.
func renumbered(v string, n int) string {
	runes := []rune(v)
	for i := len(runes) - 1; i >= 0; i-- {
		switch c := runes[i]; {
		case unicode.IsDigit(c):
			runes[i] = rune('0' + n%10)
			n /= 10
		case unicode.IsUpper(c):
			runes[i] = 'A'
		case unicode.IsLower(c):
			runes[i] = 'a'
		}
	}
	if len(runes) > 0 && runes[0] == '0' && v[0] != '0' {
		runes[0] = '1' // it may be a number of JSON
	}
	return string(runes)
}

// wordsOf splits a member's name into its words, in lower case: employeeNoString,
// employee_no, Employee-NO.
func wordsOf(name string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words, word = append(words, strings.ToLower(string(word))), nil
		}
	}
	runes := []rune(name)
	for i, c := range runes {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			end()
			continue
		case unicode.IsUpper(c) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])):
			end()
		}
		word = append(word, c)
	}
	end()
	return words
}
