package sheet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// read returns the rows of a table as text: "1: a|b", and what ended it.
func read(t testing.TB, in io.Reader, o Options) (rows []string, r *Reader, err error) {
	t.Helper()
	r, err = Open(in, o)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, r, nil
		}
		if err != nil {
			return rows, r, err
		}
		s := fmt.Sprintf("%d: %s", row.Line, strings.Join(row.Cells, "|"))
		if row.Names != nil {
			s += " of " + strings.Join(row.Names, "|")
		}
		if row.Problem != "" {
			s += " ! " + row.Problem
		}
		rows = append(rows, s)
	}
}

func encoded(t *testing.T, e encoding.Encoding, s string) string {
	out, err := e.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestText(t *testing.T) {
	utf16 := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	for name, tt := range map[string]struct {
		in       string
		encoding string
		comma    rune
		want     []string
	}{
		"plain":       {"姓名,性别\n甲,男\n", "UTF-8", ',', []string{"1: 姓名|性别", "2: 甲|男"}},
		"BOM":         {"\uFEFF姓名,性别\r\n甲,男", "UTF-8", ',', []string{"1: 姓名|性别", "2: 甲|男"}},
		"GBK":         {encoded(t, simplifiedchinese.GBK, "姓名,性别\n甲,男\n"), "GB18030", ',', []string{"1: 姓名|性别", "2: 甲|男"}},
		"GB18030":     {encoded(t, simplifiedchinese.GB18030, "姓名\t性别\n㐀\t男\n"), "GB18030", '\t', []string{"1: 姓名|性别", "2: 㐀|男"}},
		"UTF-16":      {encoded(t, utf16, "姓名\t性别\n甲\t男\n"), "UTF-16", '\t', []string{"1: 姓名|性别", "2: 甲|男"}},
		"semicolon":   {"a;b\n1,5;2\n", "UTF-8", ';', []string{"1: a|b", "2: 1,5|2"}},
		"in quotes":   {"\"a,b,c\";d\n1;2\n", "UTF-8", ';', []string{"1: a,b,c|d", "2: 1|2"}},
		"sep=":        {"sep=;\r\na;b\r\n1;2\r\n", "UTF-8", ';', []string{"2: a|b", "3: 1|2"}},
		"blank":       {"\n,\na,b\n , \n\u3000,\u200B\n1,2\n", "UTF-8", ',', []string{"3: a|b", "6: 1|2"}},
		"comment":     {"a,b\n# 说明,\n\"#说明,\"\n#\n#N/A,2\n####,2\n", "UTF-8", ',', []string{"1: a|b", "5: #N/A|2", "6: ####|2"}},
		"ragged":      {"a,b\n1\n1,2,3\n", "UTF-8", ',', []string{"1: a|b", "2: 1", "3: 1|2|3"}},
		"quotes":      {"a,b\n\"1,\"\"x\"\"\",2\n", "UTF-8", ',', []string{"1: a|b", "2: 1,\"x\"|2"}},
		"inner quote": {"a,b\n6\"屏,2\n", "UTF-8", ',', []string{"1: a|b", "2: 6\"屏|2"}},
		"line break":  {"a,b\n\"1\n2\",3\n4,5\n", "UTF-8", ',', []string{"1: a|b", "2: 1\n2|3 ! 第 2 到 3 行读成了一行：单元格里有换行，或引号不成对；请去掉换行、补上引号", "4: 4|5"}},
		"open quote":  {"a,b\n\"1,2\n3,4\n", "UTF-8", ',', []string{"1: a|b", "2: 1,2\n3,4\n ! 第 2 到 3 行读成了一行：单元格里有换行，或引号不成对；请去掉换行、补上引号"}},
		"two encodings": {"姓名,性别\n" + strings.Repeat("甲,男\n", 40_000) + encoded(t, simplifiedchinese.GBK, "乙乙,女\n"), "UTF-8", ',',
			append(append([]string{"1: 姓名|性别"}, repeated(2, 40_000, "甲|男")...), "40002: \xd2\xd2\xd2\xd2|Ů ! 有读不出的字符：文件里混了几种编码，请在 Excel 里另存为“CSV UTF-8”")},
		"lines": {`{"xm":"甲","xbdm":1,"bz":null,"jzxxList":[{"fwbm":"1"},{"fwbm":"2"}]}` + "\n\n" + `{"xm":"乙"}`, "UTF-8", 0,
			[]string{"1: 甲|1||1|2 of xm|xbdm|bz|jzxxList[0].fwbm|jzxxList[1].fwbm", "3: 乙 of xm"}},
		"bad lines": {"{\"a\":\"1\"}\n{\"a\":\nx\n{\"a\":true}\n{\"a\":[1]}\n{}\n{\"a\":\"\xff\"}\n", "UTF-8", 0, []string{
			"1: 1 of a", "2:  ! 这一行不是一个 JSON 对象 {…}", "3:  ! 这一行不是一个 JSON 对象 {…}", `4:  ! "a" 应为文本或数字，实际是 true`,
			`5:  ! "a" 里应是对象，实际是 1`, "6:  ! 这一行的对象是空的", "7:  ! 这一行不是 UTF-8：JSON 只用 UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, r, err := read(t, strings.NewReader(tt.in), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if r.Encoding != tt.encoding || r.Comma != tt.comma {
				t.Errorf("got %s, separator %q, want %s, %q", r.Encoding, r.Comma, tt.encoding, tt.comma)
			}
		})
	}
}

func repeated(from, n int, cells string) []string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf("%d: %s", from+i, cells))
	}
	return rows
}

// endless is a file whose only line has no end.
type endless struct{ head string }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	if e.head = e.head[n:]; n > 0 {
		return n, nil
	}
	for n = range p {
		p[n] = 'x'
	}
	return len(p), nil
}

func TestNoTable(t *testing.T) {
	bomb := func() io.Reader { // 80 MB of nothing in 80 KB
		f := excelize.NewFile()
		defer f.Close()
		check(t, f.SetCellStr("Sheet1", "A1", "甲"))
		f.Pkg.Store("xl/media/image1.jpeg", make([]byte, 80<<20))
		var b bytes.Buffer
		check(t, f.Write(&b))
		return &b
	}
	cut := func() io.Reader {
		b := workbookOf(t, func(f *excelize.File) { check(t, f.SetCellStr("Sheet1", "A1", "甲")) })
		return bytes.NewReader(b[:len(b)/2])
	}
	for name, tt := range map[string]struct {
		in   io.Reader
		o    Options
		want string
	}{
		"empty":          {strings.NewReader(""), Options{}, "文件是空的"},
		"blank":          {strings.NewReader("\uFEFF \r\n\n"), Options{}, "文件是空的"},
		"xls":            {strings.NewReader("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\x00\x00"), Options{}, "旧的 .xls 文件，或加了密码的工作簿：在 Excel 或 WPS 里"},
		"html":           {strings.NewReader("\n<html><table><tr><td>姓名"), Options{}, "这是网页（HTML/XML），只是文件名像表格"},
		"binary":         {strings.NewReader("\x7fELF\x00\x00\x00"), Options{}, "这不是表格"},
		"pdf":            {strings.NewReader("%PDF-1.7\n"), Options{}, "这不是表格"},
		"array":          {strings.NewReader(`[{"a":1}]`), Options{}, "JSON 数组"},
		"other zip":      {strings.NewReader("PK\x03\x04\x00\x00"), Options{}, "工作簿打不开"},
		"cut workbook":   {cut(), Options{}, "工作簿打不开"},
		"zip bomb":       {bomb(), Options{Unzipped: 32 << 20}, "工作簿解压后超过 32 MB"},
		"large workbook": {bomb(), Options{Workbook: 1000}, "工作簿超过 1000 字节"},
		"no such sheet":  {bytes.NewReader(workbookOf(t, func(*excelize.File) {})), Options{Sheet: "人口"}, `没有工作表 "人口"；有：Sheet1`},
		"one line":       {&endless{"a,b\n1,"}, Options{Line: 1 << 16}, "第 1 行之后 65536 字节 里没有一行结束"},
		"first line":     {&endless{"a,b"}, Options{}, "第 0 行之后 1 MB 里没有一行结束"},
		"one quote":      {&endless{"a,b\n\"1,"}, Options{}, "第 1 行之后 1 MB 里没有一行结束：引号不成对"},
		"one object":     {&endless{`{"a":"`}, Options{Line: 1 << 16}, "第 1 行超过 65536 字节"},
		"only sep":       {strings.NewReader("sep=;"), Options{}, "只有 sep= 一行"},
		"odd sep":        {strings.NewReader("sep=x\na"), Options{}, `分隔符 'x' 不认识`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, tt.in, tt.o)
			var told Error
			if !errors.As(err, &told) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func workbookOf(t *testing.T, fill func(f *excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	fill(f)
	var b bytes.Buffer
	check(t, f.Write(&b))
	return b.Bytes()
}

func TestWorkbook(t *testing.T) {
	data := workbookOf(t, func(f *excelize.File) {
		for ref, v := range map[string]any{
			"A1": "姓名", "B1": "编码", "C1": "日期", "D1": "和",
			"A2": "甲", "B2": "340102001001001", "C2": 46024, "D2": 1.0,
			"A3": "乙", "B3": 411526199001011234, "C3": 46024.5,
			"A5": "丙", "B5": "5", "A7": "丁\n戊", "A8": "己", "A9": "庚",
		} {
			check(t, f.SetCellValue("Sheet1", ref, v))
		}
		date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
		check(t, err)
		check(t, f.SetCellStyle("Sheet1", "C2", "C3", date))
		check(t, f.SetCellFormula("Sheet1", "D3", "D2+1")) // its value is not counted
		check(t, f.MergeCell("Sheet1", "B5", "B6"))
		check(t, f.SetCellStr("Sheet1", "A6", "丙二"))
		check(t, f.MergeCell("Sheet1", "A9", "B9"))
		_, err = f.NewSheet("第二")
		check(t, err)
		check(t, f.SetCellStr("第二", "B2", "这里"))
	})
	got, r, err := read(t, bytes.NewReader(data), Options{})
	check(t, err)
	want := []string{
		"1: 姓名|编码|日期|和",
		"2: 甲|340102001001001|46024|1",
		"3: 乙|411526199001011234|46024.5| ! 单元格 D3 是公式，文件里没有它算出的值：在 Excel 里打开、保存一次，或粘贴为“值”",
		"5: 丙|5",
		"6: 丙二 ! 单元格 B5:B6 是合并的，只有左上角一格有值：请取消合并，在每一行填上值",
		"7: 丁\n戊 ! 单元格 A7 里有换行：请去掉",
		"8: 己",
		"9: 庚 ! 单元格 A9:B9 是合并的，只有左上角一格有值：请取消合并，在每一行填上值",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Kind != XLSX || r.Rows != 9 || r.Date1904 {
		t.Errorf("got %s of %d rows, from 1904: %t", r.Kind, r.Rows, r.Date1904)
	}
	got, _, err = read(t, bytes.NewReader(data), Options{Sheet: "第二"})
	check(t, err)
	if diff := cmp.Diff([]string{"2: |这里"}, got); diff != "" {
		t.Error(diff)
	}
}

// A formula whose value is in the file counts as that value.
func TestFormulaWithValue(t *testing.T) {
	m := marks{merged: map[int][]string{}, uncounted: map[int][]string{}}
	check(t, m.read(strings.NewReader(`<worksheet><sheetData><row r="1"><c r="A1" t="str"><f>B1&amp;"x"</f><v>x</v></c><c r="B1"><f>1/0</f></c><x:c r="C1"><x:f>1</x:f><x:v></x:v></x:c></row></sheetData></worksheet>`)))
	if diff := cmp.Diff(map[int][]string{1: {"B1", "C1"}}, m.uncounted); diff != "" {
		t.Error(diff)
	}
}

func TestDate1904(t *testing.T) {
	data := workbookOf(t, func(f *excelize.File) {
		yes := true
		check(t, f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &yes}))
		check(t, f.SetCellStr("Sheet1", "A1", "甲"))
	})
	if _, r, err := read(t, bytes.NewReader(data), Options{}); err != nil || !r.Date1904 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// Whatever the bytes, reading ends, in an error or at the end, and rows are in
// order.
func FuzzRows(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "\uFEFFa;b\n\"1\n2\";3", "sep=\t\na\tb\n", "a,b\n\"1,2\n3", "{\"a\":1}\n{\"b\":[{\"c\":2}]}\n", "\xFF\xFEa\x00,\x00b\x00\n\x00",
		"\xd0\xd5\xc3\xfb,b\n\xff\xff,1\n", "#x\n", "PK\x03\x04", "<a", "[", "\"", "sep=",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Open(bytes.NewReader(data), Options{Line: 1 << 12, Workbook: 1 << 16, Unzipped: 1 << 20})
		if err != nil {
			return
		}
		defer r.Close()
		for last := 0; ; {
			row, err := r.Next()
			if err != nil {
				if msg := err.Error(); msg == "" {
					t.Error("an error without words")
				}
				return
			}
			if row.Line <= last {
				t.Fatalf("line %d after %d", row.Line, last)
			}
			last = row.Line
		}
	})
}
