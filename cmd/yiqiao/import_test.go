package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"yiqiao/proxy"
	"yiqiao/transform/sheet"
	"yiqiao/transform/spec"
)

// runIn runs import and returns what it prints.
func runIn(t *testing.T, args ...string) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	err = runImport(context.Background(), stdio{out: &o, err: &e}, args)
	return o.String(), e.String(), err
}

// Each template, as it is written, can be imported.
func TestImportTemplates(t *testing.T) {
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range c.Interfaces {
		for _, ext := range []string{".csv", ".xlsx"} {
			t.Run(i.Name+ext, func(t *testing.T) {
				dir := t.TempDir()
				for f := range i.All {
					write(t, filepath.Join(dir, f.Name+".jpg"), "\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\xFF\xD9")
				}
				name := filepath.Join(dir, "sheet"+ext)
				if _, _, err := runIn(t, "-template", i.Name, name); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, "yiqiao.yaml"), "sources: []\n")
				out, errs, err := runIn(t, "-dry-run", "-to", i.Name, "-site", dir, name)
				if err != nil || !strings.HasPrefix(out, "可以导入 1 行，拒收 0 行") {
					t.Errorf("%v\n%s\n%s", err, out, errs)
				}
			})
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What Excel does to a sheet is told row by row, and the file of what was
// refused can be read again.
func TestImportWorkbook(t *testing.T) {
	dir := t.TempDir()
	f := excelize.NewFile()
	for n, row := range [][]any{
		{"杆件表"},
		{"杆件编码", "杆件名称", "小区编码", "经度", "纬度"},
		{1000001, "一号杆", 340102001001001, 117.2, 31.839976},
		{1000002, "二号杆", "340102001001001", 117.2, 31.839976},
		{1000003, "", "340102001001001", 117.2, 31.839976},
		{1000004, "四号杆", "340102001001001", 117.2},
		{1000005, "#REF!", "340102001001001", 117.2, 31.839976},
	} {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", n+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		f.MergeCell("Sheet1", "A1", "E1"), f.MergeCell("Sheet1", "B4", "B5"), f.SetCellFormula("Sheet1", "E6", "E5"),
		f.SaveAs(filepath.Join(dir, "poles.xlsx")), f.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "yiqiao.yaml"), "sources: []\n")
	out, errs, err := runIn(t, "-dry-run", "-to", "gj", "-site", dir, filepath.Join(dir, "poles.xlsx"))
	if !errors.Is(err, errFindings) || !strings.HasPrefix(out, "可以导入 2 行，拒收 3 行") {
		t.Fatalf("%v\n%s\n%s", err, out, errs)
	}
	refused := filepath.Join(dir, "poles.refused.csv")
	data, err := os.ReadFile(refused)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"第 5 行：单元格 B4:B5 是合并的，只有左上角一格有值：请取消合并，在每一行填上值",
		"第 6 行：单元格 E6 是公式，文件里没有它算出的值",
		"第 7 行：列“杆件名称”：公式出错（#REF!）",
		`"=""340102001001001"""`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s is not in\n%s", want, data)
		}
	}
	// Mended in place, it is imported; its reasons do not matter.
	mended := strings.NewReplacer(`1000003,,`, `1000003,三号杆,`, `#REF!`, `五号杆`, `四号杆,"=""340102001001001""",117.2,`, `四号杆,"=""340102001001001""",117.2,31.8`).Replace(string(data))
	write(t, refused, mended)
	if out, errs, err = runIn(t, "-dry-run", "-to", "gj", "-site", dir, refused); err != nil || !strings.HasPrefix(out, "可以导入 3 行，拒收 0 行") {
		t.Errorf("%v\n%s\n%s\n%s", err, out, errs, mended)
	}
}

// A second import of what is still wrong has one column of reasons, the newer.
func TestRefusalsTwice(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "yiqiao.yaml"), "sources: []\n")
	name := filepath.Join(dir, "poles.refused.csv")
	write(t, name, "拒收原因,杆件编码,杆件名称,小区编码,经度,纬度\n第 9 行：旧,1,,340102001001001,117.2,31.8\n")
	_, _, err := runIn(t, "-dry-run", "-to", "gj", "-site", dir, name)
	if !errors.Is(err, errFindings) {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "poles.refused.2.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got), "拒收原因"); n != 1 || strings.Contains(string(got), "旧") || !strings.Contains(string(got), "\"第 2 行：gjbm（杆件编码）：") {
		t.Errorf("got %s", got)
	}
}

func TestPictures(t *testing.T) {
	dir := t.TempDir()
	faces := filepath.Join(dir, "faces")
	if err := os.Mkdir(faces, 0o700); err != nil {
		t.Fatal(err)
	}
	jpeg := "\xFF\xD8\xFF\xE0\x00\x10JFIF"
	write(t, filepath.Join(dir, "outside.jpg"), jpeg)
	write(t, filepath.Join(faces, "a.jpg"), jpeg)
	write(t, filepath.Join(faces, "text.jpg"), "text")
	write(t, filepath.Join(faces, "empty.jpg"), "")
	if err := os.Truncate(filepath.Join(faces, "empty.jpg"), 0); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(faces, "large.jpg"), jpeg)
	if err := os.Truncate(filepath.Join(faces, "large.jpg"), maxPictureFile+1); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../outside.jpg", filepath.Join(faces, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	p, err := openPictures(faces)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for name, want := range map[string]string{
		"a.jpg": "", "a": "", `.\a.jpg`: "", "./a.jpg": "",
		"../outside.jpg": "只写文件名", "/etc/passwd": "只写文件名", `..\outside.jpg`: "只写文件名", "link.jpg": "打不开",
		"b.jpg": "没有照片", "text.jpg": "不是照片", "empty.jpg": "不是照片", "large.jpg": "有 8 MB，超过 8 MB", ".": "不是照片文件",
	} {
		data, err := p.read(name)
		switch {
		case want == "" && (err != nil || string(data) != jpeg):
			t.Errorf("%s: %v", name, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want …%s…", name, err, want)
		}
	}
	if _, err := openPictures(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that there is not was taken")
	}
}

func TestProgress(t *testing.T) {
	var w bytes.Buffer
	in := &counted{in: strings.NewReader("0123456789")}
	p := newProgress(&w, in, 10, &sheet.Reader{})
	if got := p.line(2 * time.Second); got != "0 行，0 行/秒" {
		t.Errorf("before anything is read: %s", got)
	}
	if _, err := in.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	p.done = 100
	if got, want := p.line(2*time.Second), "["+strings.Repeat("█", 15)+strings.Repeat("·", 15)+"]  50% 100 行，50 行/秒，还要 2s"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if p.step(100); w.Len() > 0 { // a log hears of it every ten seconds
		t.Errorf("got %q", w.String())
	}
	p.terminal, p.told = true, time.Time{}
	if p.step(100); !strings.HasPrefix(w.String(), "\r\033[K[") {
		t.Errorf("got %q", w.String())
	}
	book := newProgress(&w, in, 10, &sheet.Reader{Rows: 200})
	if book.done = 100; !strings.Contains(book.line(time.Second), " 50% ") {
		t.Errorf("a workbook: %s", book.line(time.Second))
	}
}

// An import that is broken off says how to go on; what is on its way is
// finished.
func TestImportBrokenOff(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "yiqiao.yaml"), "sources: []\n")
	var rows strings.Builder
	rows.WriteString("gjbm,gjmc,xqbm,jd,wd\n")
	for n := range 5 * batchItems {
		fmt.Fprintf(&rows, "%07d,测试,340102001001001,117.200164,31.839976\n", n)
	}
	name := filepath.Join(dir, "poles.csv")
	write(t, name, rows.String())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	err := runImport(ctx, stdio{out: &out, err: &out}, []string{"-dry-run", "-to", "gj", "-site", dir, name})
	if err == nil || !strings.Contains(err.Error(), "中断了") {
		t.Errorf("got %v\n%s", err, out.String())
	}
}

// Batches are bounded in bytes too.
func TestBatches(t *testing.T) {
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	picture := "/9j/" + strings.Repeat("A", 1<<20-4)
	var in strings.Builder
	for n := range 10 {
		fmt.Fprintf(&in, "{\"snapNo\":\"%020d\",\"snapBigImage\":%q}\n", n, picture)
	}
	reader, err := sheet.Open(strings.NewReader(in.String()), sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rowReader{sheet: reader, flags: &importFlags{to: "stk/zpjl"}, iface: c.Interface("stk/zpjl"), body: 16 << 20, pictures: &pictures{}}
	if err := r.prepare(stdio{}, proxy.Site{Catalogue: c}); err != nil {
		t.Fatal(err)
	}
	out := make(chan *batch, 20)
	if err := r.read(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	close(out)
	var sizes []int
	for b := range out {
		sizes = append(sizes, len(b.items))
	}
	if want := []int{4, 4, 2}; !slices.Equal(sizes, want) {
		t.Errorf("got batches of %v, want %v", sizes, want)
	}
}
