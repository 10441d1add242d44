// Package sheet reads the rows of a table as people keep it: CSV as Excel and
// WPS save it, workbooks (.xlsx), JSON lines. What a file is, its encoding and
// its separator are found out from its first bytes.
//
// The package is pure: a reader in, rows out. It knows nothing of the standard;
// what it tells a person is Chinese.
package sheet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Kind of a table.
type Kind string

// The kinds.
const (
	CSV  Kind = "CSV"
	XLSX Kind = "XLSX"
	JSON Kind = "JSON lines"
)

// Options bound what is read. Zero values are the defaults.
type Options struct {
	Sheet    string // of a workbook; empty: the first
	Line     int    // bytes of one row of text; 1 MiB, of JSON lines 16 MiB
	Workbook int64  // bytes of a workbook; 64 MiB
	Unzipped int64  // bytes of what a workbook unpacks to; 512 MiB
}

// Row is one row. It is the caller's own.
type Row struct {
	Line  int      // where it begins: line of a text, row of a workbook; from 1
	Names []string // of its columns, where each row has its own: JSON lines
	Cells []string
	// Raw is the row as it stands in the file: JSON lines.
	Raw []byte
	// Problem says why its cells cannot be trusted, and what to do; else empty.
	Problem string
}

// Reader gives rows one after another. It holds one row in memory, of a
// workbook also its shared texts.
type Reader struct {
	Kind     Kind
	Encoding string // "UTF-8", "GB18030", "UTF-16"
	Comma    rune   // of CSV
	Date1904 bool   // a workbook counts days from 1904
	// Rows is how many rows a workbook says that it has; 0: unknown.
	Rows int

	next  func() (Row, error)
	close func() error
}

// Next returns the next row that is not blank and no comment (its first cell
// begins with # and a blank or a Chinese character; #N/A is an error of Excel);
// io.EOF at the end. Any other error ends the table.
func (r *Reader) Next() (Row, error) {
	for {
		row, err := r.next()
		if err != nil || !blank(row.Cells) && !comment(row.Cells) || len(row.Cells) == 0 && row.Problem != "" {
			return row, err
		}
	}
}

func comment(cells []string) bool {
	s := Trim(cells[0])
	return s != "" && s[0] == '#' && (len(s) == 1 || s[1] == ' ' || s[1] >= utf8.RuneSelf)
}

// Close lets go of what the reader holds, not of what it reads from.
func (r *Reader) Close() error { return r.close() }

func blank(cells []string) bool {
	for _, c := range cells {
		if Trim(c) != "" {
			return false
		}
	}
	return true
}

// Error is a table that cannot be read at all, in Chinese.
type Error string

func (e Error) Error() string { return string(e) }

func errorf(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }

// peek is how much of a file decides what it is.
const peek = 256 << 10

var (
	utf8BOM    = []byte("\xEF\xBB\xBF")
	utf16LE    = []byte("\xFF\xFE")
	utf16BE    = []byte("\xFE\xFF")
	zipMagic   = []byte("PK\x03\x04")
	emptyZip   = []byte("PK\x05\x06")
	oleMagic   = []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")
	excelAsCSV = `在 Excel 或 WPS 里“另存为”选“CSV UTF-8”或“.xlsx”`
)

// Open finds out what in is.
func Open(in io.Reader, o Options) (*Reader, error) {
	b := bufio.NewReaderSize(in, peek)
	head, err := b.Peek(peek)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, utf8BOM), " \t\r\n")
	switch {
	case len(text) == 0:
		return nil, errorf("文件是空的：第一行应是列名")
	case bytes.HasPrefix(head, zipMagic), bytes.HasPrefix(head, emptyZip):
		return openWorkbook(b, o)
	case bytes.HasPrefix(head, oleMagic):
		return nil, errorf("这是旧的 .xls 文件，或加了密码的工作簿：%s（先取消密码）", excelAsCSV)
	case bytes.HasPrefix(head, utf16LE), bytes.HasPrefix(head, utf16BE):
		return openCSV(b, head, o)
	case text[0] == '<':
		return nil, errorf("这是网页（HTML/XML），只是文件名像表格：用 Excel 打开它，%s", excelAsCSV)
	case text[0] == '{':
		return openJSON(b, o)
	case text[0] == '[':
		return nil, errorf("这是一个 JSON 数组：应为 JSON lines，每行一个 {…}，行尾没有逗号")
	case bytes.IndexByte(head, 0) >= 0 || bytes.HasPrefix(head, []byte("%PDF")):
		return nil, errorf("这不是表格：既不是文本（CSV、JSON lines），也不是 .xlsx；%s", excelAsCSV)
	}
	return openCSV(b, head, o)
}

// bounded ends a text whose row does not end: an unclosed quote, or a file
// that is no table. Without it one row could take all memory.
type bounded struct {
	in   io.Reader
	left int
	most int
}

var errTooLong = errors.New("too long")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func (b *bounded) again() { b.left = b.most }

// unreadable tells characters that the encoding did not explain.
func unreadable(cells []string) bool {
	for _, c := range cells {
		if !utf8.ValidString(c) || bytes.ContainsRune([]byte(c), utf8.RuneError) {
			return true
		}
	}
	return false
}

// size in words.
func size(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d 字节", n)
}
