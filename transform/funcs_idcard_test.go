package transform

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// weightedCheckDigit is the check digit as the standard itself tells it
// (GB 11643: weights and a table), for 17 digits.
func weightedCheckDigit(digits string) string {
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += w * int(digits[i]-'0')
	}
	return "10X98765432"[sum%11:][:1]
}

// Numbers of the region 999999, which does not exist.
func TestIDCard(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		born := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 73048).Draw(rt, "day"))
		sequence := rapid.IntRange(0, 999).Draw(rt, "sequence")
		digits := fmt.Sprintf("999999%s%03d", born.Format("20060102"), sequence)
		number := digits + weightedCheckDigit(digits)
		sex := "2"
		if sequence%2 == 1 {
			sex = "1"
		}
		want := map[string]any{"valid": true, "number": number, "birth": born.Format("2006-01-02"), "sex": sex, "region": "999999"}

		spellings := []string{number, strings.ToLower(number), "　" + number + "\r\n"}
		if born.Year() < 2000 {
			spellings = append(spellings, digits[:6]+digits[8:])
		}
		for _, s := range spellings {
			v, err := callFunction(t, "idcard", s)
			if err != nil {
				rt.Fatal(err)
			}
			for part, w := range want {
				if got, err := memberOf(v, part); got != w || err != nil {
					rt.Fatalf("idcard(%q).%s = %v, want %v, %v", s, part, got, w, err)
				}
			}
		}
		// Every single wrong digit is found.
		i := rapid.IntRange(0, 16).Draw(rt, "at")
		wrong := []byte(number)
		wrong[i] = '0' + (wrong[i]-'0'+byte(rapid.IntRange(1, 9).Draw(rt, "by")))%10
		v, err := callFunction(t, "idcard", string(wrong))
		if err != nil {
			rt.Fatal(err)
		}
		if valid, _ := memberOf(v, "valid"); valid != false {
			rt.Fatalf("%s counts as valid", wrong)
		}
	})
}

func TestInvalidIDCard(t *testing.T) {
	digits := "99999919850608003"
	for _, tt := range []struct {
		value any
		want  string // the error of .birth
	}{
		{digits, `want a valid id card number, got "9***3": it has 17 characters, not 18 or 15`},
		{digits + "66", `want a valid id card number, got "9***6": it has 19 characters, not 18 or 15`},
		{"A", `want a valid id card number, got "***": it has 1 characters, not 18 or 15`},
		{"张三张三张", `want a valid id card number, got "张***张": it has other characters than digits`},
		{"9999991985060800X6", `want a valid id card number, got "9***6": it has other characters than digits`},
		{digits + "A", `want a valid id card number, got "9***A": its check digit is wrong`},
		{"999999198502290031", `want a valid id card number, got "9***1": there is no such birth date`},
		{"999999850229003", `want a valid id card number, got "9***3": there is no such birth date`},
		{"999999189912310031", `want a valid id card number, got "9***1": there is no such birth date`},
		{"000000000000000000", `want a valid id card number, got "0***0": there is no such birth date`},
		{850608003, `want a valid id card number, got "8***3": it has 9 characters, not 18 or 15`},
	} {
		v, err := callFunction(t, "idcard", tt.value)
		if err != nil {
			t.Errorf("%v: %v", tt.value, err)
			continue
		}
		if valid, err := memberOf(v, "valid"); valid != false || err != nil {
			t.Errorf("idcard(%v).valid = %v, %v", tt.value, valid, err)
		}
		for _, part := range []string{"birth", "sex", "region", "number"} {
			if got, err := memberOf(v, part); got != nil || err == nil || err.Error() != tt.want {
				t.Errorf("idcard(%v).%s = %v\n got %v\nwant %s", tt.value, part, got, err, tt.want)
			}
		}
	}
	for _, tt := range []struct {
		value any
		want  string
	}{
		{nil, "nil"},
		{"", "nil"},
		{" 　", "nil"},
		{true, "error: want an id card number, got true"},
		{[]any{1}, "error: want an id card number, got a list of 1"},
	} {
		if got := result(callFunction(t, "idcard", tt.value)); got != tt.want {
			t.Errorf("idcard(%v) = %s, want %s", tt.value, got, tt.want)
		}
	}
}

// Neither a message nor a trace shows the number, wherever the object lands.
func TestIDCardIsNotShown(t *testing.T) {
	for _, number := range []string{"99999919850608004X", "999999198506080041"} {
		v, err := callFunction(t, "idcard", number)
		if err != nil {
			t.Fatal(err)
		}
		_, part := memberOf(v, "nothing")
		texts := []string{describe(v), fmt.Sprint(v), fmt.Sprintf("%+v", v), part.Error()}
		for _, e := range []string{`"a" + idcard("%s")`, `idcard("%s") + 1`, `time(idcard("%s"))`, `pad(idcard("%s"), 3)`, `way[idcard("%s")]`, `idcard("%s").sex > 1`} {
			if _, err := eval(t, fmt.Sprintf(e, number)); err == nil {
				t.Errorf("%s gave no error", e)
			} else if _, cause, ok := strings.Cut(err.Error(), "example.yaml"); ok {
				texts = append(texts, cause) // before it stands the expression, which names the number here
			}
		}
		for _, s := range texts {
			if strings.Contains(s, "1985") || strings.Contains(s, "0608") {
				t.Errorf("%q shows the number", s)
			}
		}
	}
}

// A refusal and a trace name the values that an expression used; those of an
// id card are masked there, whatever field they are for.
func TestIDCardIsNotShownByRefusals(t *testing.T) {
	mapping := strings.Replace(goodMapping, "time(event.at)", "idcard(event.id).birth", 1)
	mapping = strings.Replace(mapping, "to:", "ignore: [{when: '!idcard(event.id).valid and event.skip', because: x}]\nlet:\n  number: 'idcard(event.id).valid ? idcard(event.id).number : event.id'\nto:", 1)
	rules, problems := loadAcme(t, goodSource, mapping, goodDevices)
	if rules == nil {
		t.Fatal(problems)
	}
	for _, number := range []string{"99999919850608004X", "999999198506080041"} {
		var tr Trace
		res := applyAcme(t, rules, fmt.Sprintf(`{"kind":"face","id":%q,"skip":false,"small":%q,"big":%q}`, number, jpegText, jpegText), &tr)
		if res.Refusal == nil {
			t.Fatal("a birth date is no time, and there is no refusal")
		}
		var b strings.Builder
		tr.Write(&b)
		for _, s := range []string{res.Refusal.Text, b.String()} {
			if strings.Contains(s, number[:14]) || !strings.Contains(s, "event.id = 9***"+number[17:]) {
				t.Error(s)
			}
		}
		if !strings.Contains(b.String(), "event.id  → 9***"+number[17:]) {
			t.Errorf("the let is not masked: %s", b.String())
		}
	}
}

func TestPartsOfObjects(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`idcard("99999919850608004X").brith`, `example.yaml:1:30: idcard gives no "brith"; did you mean "birth"?`},
		{`bd09(event.x, event.y, "wgs84").lng`, `example.yaml:1:33: bd09 gives no "lng"; there are: jd, wd`},
		{`let p = bd09(117.3, 31.8, "bd09"); p.lng`, `the place 117.300000,31.800000 has no "lng"; it has jd, wd`},
		{`time(bd09(117.3, 31.8, "bd09"))`, `want a time, got the place 117.300000,31.800000`},
		{`let c = idcard("99999919850608004X"); c[event.name]`, `a valid id card number has no "x"; it has birth, number, region, sex, valid`},
		{`bd09(117.3, 31.8, "wsg84")`, `example.yaml:1:19: want coordinates "wgs84", "gcj02" or "bd09", got "wsg84"; did you mean "wgs84"?`},
		{`polygon(event.list, "gcj2")`, `example.yaml:1:21: want coordinates "wgs84", "gcj02" or "bd09", got "gcj2"; did you mean "gcj02"?`},
	} {
		if v, err := eval(t, tt.expr); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s = %v\n got %v\nwant %s", tt.expr, v, err, tt.want)
		}
	}
	// The parts that are promised are those that are given.
	for name, args := range map[string][]any{"idcard": {"99999919850608004X"}, "bd09": {117.3, 31.8, "bd09"}} {
		v, err := callFunction(t, name, args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range functionByName(name).parts {
			if got, err := memberOf(v, part); got == nil || err != nil {
				t.Errorf("%s(…).%s = %v, %v", name, part, got, err)
			}
		}
		if n := len(v.(object).parts); n != len(functionByName(name).parts) {
			t.Errorf("%s gives %d parts", name, n)
		}
	}
}

func FuzzIDCard(f *testing.F) {
	for _, s := range []string{"99999919850608004X", "999999850608004", " 99999919850608004x", "张三", "９９９９９９"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := callFunction(t, "idcard", text)
		if err != nil || v == nil {
			return
		}
		number, err := memberOf(v, "number")
		if err != nil {
			if s := strings.TrimSpace(text); len(s) > 4 && onlyDigits(s) && strings.Contains(err.Error(), s) {
				t.Errorf("%q shows the number", err)
			}
			return
		}
		again, err := callFunction(t, "idcard", number)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := memberOf(again, "number"); same != number || err != nil {
			t.Errorf("%q gave %v, which gives %v, %v", text, number, same, err)
		}
	})
}
