//go:build bulk

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"yiqiao/proxy/platform/platformtest"
)

// A whole town from a sheet: 100,000 people without picture files (each cell
// holds the same tiny one, for the standard wants one) into the store on disk,
// then once more, then to a daemon.
//
//	go test -tags bulk -run TestImportTown -v ./cmd/yiqiao
//
// The rate and the memory that issue 4 wants are checked: 5,000 rows/s or
// more, less than 150 MB.
func TestImportTown(t *testing.T) {
	rows := 100_000
	if s := os.Getenv("BULK"); s != "" {
		var err error
		if rows, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, _, _, err := platformtest.LoadOrCreateKey(filepath.Join(dir, "platform.key")); err != nil {
		t.Fatal(err)
	}
	config := "platform: {url: \"http://127.0.0.1:1/api/v1\", appKey: k, publicKey: \"file:platform.key.pub\"}\nadmin: {listen: \"127.0.0.1:1\"}\nsources: []\n"
	if err := os.WriteFile(filepath.Join(dir, "yiqiao.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	sheet := filepath.Join(dir, "people.csv")
	townOf(t, sheet, rows)
	for _, run := range []struct{ what, want string }{
		{"first", fmt.Sprintf("接受 %d 行，未变 0 行，拒收 0 行", rows)},
		{"again, unchanged", fmt.Sprintf("接受 0 行，未变 %d 行，拒收 0 行", rows)},
	} {
		begun := time.Now()
		c := exec.Command(binary, "import", "-to", "rk", "-site", dir, sheet)
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), run.want) {
			refused, _ := os.ReadFile(strings.TrimSuffix(sheet, ".csv") + ".refused.csv")
			t.Fatalf("%s: %v: %.2000s\n%.2000s", run.what, err, out, refused)
		}
		took := time.Since(begun)
		rate := float64(rows) / took.Seconds()
		usage := c.ProcessState.SysUsage().(*syscall.Rusage)
		cpu := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		t.Logf("%s: %.1f s, %.0f rows/s, CPU %v a row, at most %d MB", run.what, took.Seconds(), rate, (cpu / time.Duration(rows)).Round(time.Microsecond), usage.Maxrss>>10)
		if rate < 5000 || usage.Maxrss>>10 >= 150 {
			t.Errorf("%s: want 5000 rows/s and less than 150 MB", run.what)
		}
		for _, line := range regexp.MustCompile(`(?m)^提醒.*$`).FindAllString(string(out), 1) {
			t.Log(line)
		}
	}
}

// townOf writes a sheet of made-up people; their numbers are nobody's.
func townOf(t *testing.T, name string, rows int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "小区编码,姓名,性别,证件类型,证件号码,手机号码,人员照片,人口类型,出生日期,政治面貌,户籍地详址,民族,文化程度,婚姻状况,房屋编码1,与房主关系1")
	for n := range rows {
		fmt.Fprintf(w, "340102001001001,住户%d,男,普通护照,E%08d,1990000%04d,/9j/4AAQSkZJRgABAQEASABIAAD/2Q==,常住人口,1994/11/22,13,测试路%d号,汉,10,10,340102001001001001%06d,0\n",
			n, n, n%10_000, n, n%1_000_000)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
