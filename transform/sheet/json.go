package sheet

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// openJSON reads JSON lines: one object a line.
func openJSON(in *bufio.Reader, o Options) (*Reader, error) {
	most := cmp.Or(o.Line, 16<<20)
	limit := &bounded{in: in, left: most, most: most}
	b := bufio.NewReaderSize(limit, 64<<10)
	if p, _ := b.Peek(len(utf8BOM)); bytes.Equal(p, utf8BOM) {
		_, _ = b.Discard(len(utf8BOM))
	}
	line := 0
	next := func() (Row, error) {
		limit.again()
		raw, err := b.ReadBytes('\n')
		line++
		switch {
		case errors.Is(err, errTooLong):
			return Row{}, errorf("第 %d 行超过 %s：一行是一个 {…} 对象", line, size(most))
		case err != nil && !errors.Is(err, io.EOF):
			return Row{}, err
		case len(raw) == 0 && err != nil:
			return Row{}, io.EOF
		}
		return jsonRow(line, bytes.TrimSpace(raw)), nil
	}
	return &Reader{Kind: JSON, Encoding: "UTF-8", next: next, close: func() error { return nil }}, nil
}

func jsonRow(line int, raw []byte) Row {
	row := Row{Line: line, Raw: raw}
	switch {
	case len(raw) == 0:
		return row
	case !utf8.Valid(raw):
		row.Problem = "这一行不是 UTF-8：JSON 只用 UTF-8"
	case !gjson.ValidBytes(raw) || raw[0] != '{':
		row.Problem = "这一行不是一个 JSON 对象 {…}"
	default:
		if row.flatten("", gjson.ParseBytes(raw)); len(row.Cells) == 0 && row.Problem == "" {
			row.Problem = "这一行的对象是空的"
		}
	}
	return row
}

// flatten makes columns of members: jzxxList[0].fwbm of an object in a list.
func (r *Row) flatten(prefix string, object gjson.Result) {
	object.ForEach(func(key, v gjson.Result) bool {
		name := prefix + key.String()
		switch {
		case v.Type == gjson.String, v.Type == gjson.Null:
			r.add(name, v.Str)
		case v.Type == gjson.Number:
			r.add(name, v.Raw)
		case v.IsArray() && prefix == "":
			n := 0
			v.ForEach(func(_, element gjson.Result) bool {
				if !element.IsObject() {
					r.Problem = fmt.Sprintf("%q 里应是对象，实际是 %.32s", name, element.Raw)
					return false
				}
				r.flatten(name+"["+strconv.Itoa(n)+"].", element)
				n++
				return true
			})
		default:
			r.Problem = fmt.Sprintf("%q 应为文本或数字，实际是 %.32s", name, v.Raw)
		}
		return r.Problem == ""
	})
}

func (r *Row) add(name, cell string) {
	r.Names, r.Cells = append(r.Names, name), append(r.Cells, cell)
}
