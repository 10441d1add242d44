package sheet

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// openCSV reads a text of cells. head is what of it is known.
func openCSV(in *bufio.Reader, head []byte, o Options) (*Reader, error) {
	r := &Reader{Kind: CSV, close: func() error { return nil }}
	var text io.Reader = in
	if d := r.decoding(head); d != nil {
		text = d.NewDecoder().Reader(in)
	}
	most := cmp.Or(o.Line, 1<<20)
	limit := &bounded{in: text, left: most + peek, most: most}
	b := bufio.NewReaderSize(limit, 64<<10)
	if p, _ := b.Peek(len(utf8BOM)); bytes.Equal(p, utf8BOM) {
		_, _ = b.Discard(len(utf8BOM))
	}
	skipped := 0
	first, _ := b.Peek(64 << 10)
	if rest, ok := bytes.CutPrefix(first, []byte("sep=")); ok && len(rest) > 0 {
		// A line for Excel alone.
		r.Comma = rune(rest[0])
		if _, err := b.ReadSlice('\n'); err != nil {
			return nil, errorf("文件里只有 sep= 一行：下一行应是列名")
		}
		skipped = 1
	} else {
		r.Comma = separator(first)
	}
	if !strings.ContainsRune(",;\t|", r.Comma) {
		return nil, errorf("分隔符 %q 不认识：应为逗号、分号或制表符", r.Comma)
	}
	c := csv.NewReader(b)
	c.Comma, c.FieldsPerRecord, c.LazyQuotes = r.Comma, -1, true
	last := skipped
	r.next = func() (Row, error) {
		limit.again()
		cells, err := c.Read()
		switch {
		case errors.Is(err, errTooLong):
			return Row{}, errorf("第 %d 行之后 %s 里没有一行结束：引号不成对，或者这不是 CSV", last, size(limit.most))
		case err != nil && !errors.As(err, new(*csv.ParseError)):
			return Row{}, err
		}
		row := csvRow(c, cells, err, skipped)
		last = row.Line
		return row, nil
	}
	return r, nil
}

// decoding finds out the encoding; nil: the text is UTF-8 already.
func (r *Reader) decoding(head []byte) encoding.Encoding {
	switch {
	case bytes.HasPrefix(head, utf16LE), bytes.HasPrefix(head, utf16BE):
		r.Encoding = "UTF-16" // Excel's "Unicode text"
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case utf8.Valid(whole(head)):
		r.Encoding = "UTF-8"
		return nil
	}
	r.Encoding = "GB18030"
	return simplifiedchinese.GB18030
}

// whole cuts off a character that the end of head cuts through.
func whole(head []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(head); n++ {
		if c := head[len(head)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(head[len(head)-n:]) {
				return head[:len(head)-n]
			}
			break
		}
	}
	return head
}

// separator is what most often stands between the cells of the first line.
func separator(text []byte) rune {
	counts := map[rune]int{}
	quoted := false
	for _, c := range string(text) {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '\n' && len(counts) > 0:
			return most(counts)
		case c == ',' || c == ';' || c == '\t':
			counts[c]++
		}
	}
	return most(counts)
}

func most(counts map[rune]int) rune {
	best := ','
	for _, c := range ";\t" {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return best
}

func csvRow(c *csv.Reader, cells []string, err error, skipped int) Row {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return Row{Line: parse.StartLine + skipped, Problem: "这一行读不出来：引号不成对，请检查双引号"}
	}
	line, _ := c.FieldPos(0)
	line += skipped
	row := Row{Line: line, Cells: cells}
	lines := 0
	for _, cell := range cells {
		lines += strings.Count(strings.TrimRight(cell, "\r\n"), "\n")
	}
	switch {
	case unreadable(cells):
		row.Problem = "有读不出的字符：文件里混了几种编码，请在 Excel 里另存为“CSV UTF-8”"
	case lines > 0:
		row.Problem = fmt.Sprintf("第 %d 到 %d 行读成了一行：单元格里有换行，或引号不成对；请去掉换行、补上引号", line, line+lines)
	}
	return row
}
