package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"yiqiao/transform/sheet"
)

// counted counts what is read of a file.
type counted struct {
	in io.Reader
	n  atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// progress tells how far an import is: on a terminal in one line that changes,
// else in a line now and then. A library for that would be larger than import.
type progress struct {
	w        io.Writer
	terminal bool
	begun    time.Time
	told     time.Time
	done     int // rows
	part     func() float64
}

// How often a terminal and a log are told.
const (
	tellTerminal = 200 * time.Millisecond
	tellLog      = 10 * time.Second
)

func newProgress(w io.Writer, in *counted, size int64, r *sheet.Reader) *progress {
	p := &progress{w: w, terminal: isTerminal(w), begun: time.Now()}
	p.told = p.begun
	p.part = func() float64 {
		switch {
		case r.Rows > 0: // a workbook is read before its rows are
			return float64(p.done) / float64(r.Rows)
		case size > 0:
			return float64(in.n.Load()) / float64(size)
		}
		return 0
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// step says that so many rows are done.
func (p *progress) step(done int) {
	p.done = done
	every := tellLog
	if p.terminal {
		every = tellTerminal
	}
	now := time.Now()
	if now.Sub(p.told) < every {
		return
	}
	p.told = now
	if line := p.line(now.Sub(p.begun)); p.terminal {
		fmt.Fprintf(p.w, "\r\033[K%s", line)
	} else {
		fmt.Fprintln(p.w, line)
	}
}

// line is what is told after so long.
func (p *progress) line(took time.Duration) string {
	s := fmt.Sprintf("%d 行，%.0f 行/秒", p.done, float64(p.done)/took.Seconds())
	part := min(p.part(), 1)
	if part <= 0 {
		return s
	}
	const width = 30
	full := int(part * width)
	left := time.Duration(float64(took) * (1 - part) / part).Round(time.Second)
	return fmt.Sprintf("[%s%s] %3.0f%% %s，还要 %s", strings.Repeat("█", full), strings.Repeat("·", width-full), part*100, s, left)
}

// print writes a line beside the progress.
func (p *progress) print(line string) {
	if p.terminal {
		fmt.Fprint(p.w, "\r\033[K")
	}
	fmt.Fprintln(p.w, line)
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\033[K")
	}
}

func (p *progress) elapsed() time.Duration { return time.Since(p.begun) }
