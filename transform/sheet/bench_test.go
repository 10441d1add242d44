package sheet

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// 10,000 rows of 25 cells.
func BenchmarkWorkbook(b *testing.B) {
	f := excelize.NewFile()
	w, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		b.Fatal(err)
	}
	for n := range 10_000 {
		cells := make([]any, 25)
		for k := range cells {
			cells[k] = fmt.Sprintf("值%d-%d", n, k)
		}
		if err := w.SetRow(fmt.Sprintf("A%d", n+1), cells); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	var buf bytes.Buffer
	if err := f.Write(&buf); err != nil {
		b.Fatal(err)
	}
	bench(b, buf.Bytes())
}

func BenchmarkCSV(b *testing.B) {
	bench(b, []byte(strings.Repeat(strings.Repeat("一个单元格,", 24)+"end\n", 10_000)))
}

func bench(b *testing.B, data []byte) {
	for b.Loop() {
		r, err := Open(bytes.NewReader(data), Options{})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for {
			_, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10_000 {
			b.Fatalf("%d rows", n)
		}
		r.Close()
	}
}
