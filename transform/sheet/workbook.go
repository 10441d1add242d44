package sheet

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// openWorkbook reads a .xlsx. excelize unpacks it, parts above 16 MiB into a
// temporary file, and streams the rows; what it does not tell of a row (merged
// cells, formulas without a value) marks finds.
func openWorkbook(in io.Reader, o Options) (*Reader, error) {
	most := cmp.Or(o.Workbook, 64<<20)
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, errorf("工作簿超过 %s：请拆成几个，或另存为 CSV UTF-8（CSV 没有大小限制）", size(int(most)))
	}
	unzipped := cmp.Or(o.Unzipped, 512<<20)
	f, err := open(data, unzipped)
	if err != nil {
		return nil, err
	}
	r, err := workbook(f, data, o.Sheet, unzipped)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func open(data []byte, unzipped int64) (f *excelize.File, err error) {
	defer func() {
		if v := recover(); v != nil { // a damaged file is no reason to end
			err = errorf("工作簿已损坏：请在 Excel 里打开、另存一次")
		}
	}()
	f, err = excelize.OpenReader(bytes.NewReader(data), excelize.Options{UnzipSizeLimit: unzipped, UnzipXMLSizeLimit: min(16<<20, unzipped), RawCellValue: true})
	switch {
	case err == nil:
		return f, nil
	case strings.Contains(err.Error(), "unzip size exceeds"):
		return nil, errorf("工作簿解压后超过 %s：请只留要导入的工作表", size(int(unzipped)))
	}
	return nil, errorf("工作簿打不开（%v）：请在 Excel 里打开、另存为 .xlsx", err)
}

func workbook(f *excelize.File, data []byte, name string, unzipped int64) (*Reader, error) {
	sheets := f.GetSheetList()
	if len(sheets) == 0 {
		return nil, errorf("工作簿里没有工作表")
	}
	if name == "" {
		name = sheets[0]
	}
	if n, err := f.GetSheetIndex(name); err != nil || n < 0 {
		return nil, errorf("没有工作表 %q；有：%s", name, strings.Join(sheets, "、"))
	}
	marks, err := readMarks(data, name, unzipped)
	if err != nil {
		return nil, err
	}
	rows, err := f.Rows(name)
	if err != nil {
		return nil, errorf("工作表 %q 读不出来：%v", name, err)
	}
	r := &Reader{Kind: XLSX, Rows: marks.last}
	if p, err := f.GetWorkbookProps(); err == nil && p.Date1904 != nil {
		r.Date1904 = *p.Date1904
	}
	line := 0
	r.next = func() (Row, error) {
		if !rows.Next() {
			if err := rows.Error(); err != nil {
				return Row{}, errorf("工作表 %q 读到第 %d 行时出错：%v", name, line+1, err)
			}
			return Row{}, io.EOF
		}
		line++
		cells, err := rows.Columns()
		if err != nil {
			return Row{}, errorf("工作表 %q 第 %d 行读不出来：%v", name, line, err)
		}
		return Row{Line: line, Cells: cells, Problem: marks.problem(line, cells)}, nil
	}
	r.close = func() error { return errors.Join(rows.Close(), f.Close()) }
	return r, nil
}

// problem says why the cells of a row are not what a person sees.
func (m *marks) problem(line int, cells []string) string {
	var list []string
	for _, ref := range m.merged[line] {
		list = append(list, fmt.Sprintf("单元格 %s 是合并的，只有左上角一格有值：请取消合并，在每一行填上值", ref))
	}
	for _, ref := range m.uncounted[line] {
		list = append(list, fmt.Sprintf("单元格 %s 是公式，文件里没有它算出的值：在 Excel 里打开、保存一次，或粘贴为“值”", ref))
	}
	for n, c := range cells {
		if strings.Contains(strings.TrimSpace(c), "\n") {
			ref, _ := excelize.CoordinatesToCellName(n+1, line)
			list = append(list, fmt.Sprintf("单元格 %s 里有换行：请去掉", ref))
		}
		if len(c) > 1<<20 || !utf8.ValidString(c) {
			list = append(list, "有读不出的内容")
		}
	}
	return strings.Join(list, "；")
}
