package event

import "bytes"

// rows reads lines of cells with tabs between, as ZKTeco terminals send them.
// The document is {"rows": […]}: a row is the list of its cells, or an object
// where its cells are named (PIN=1). A word before the first cell stands in
// front of it, or is the member "@row":
//
//	1001 ⇥ 2026-01-02 03:04:05 ⇥ 0      ["1001","2026-01-02 03:04:05","0"]
//	OPLOG 4 ⇥ 0                         ["OPLOG","4","0"]
//	USER PIN=1 ⇥ Name=X                 {"@row":"USER","PIN":"1","Name":"X"}
func (ev *Event) rows(body []byte) ([]byte, error) {
	body = ev.utf8(bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")))
	t := ev.tree.begin(ev)
	for len(body) > 0 {
		line := firstLine(body)
		body = body[min(len(body), len(line)+1):]
		if blank(line) {
			continue // NULs too
		}
		row, err := t.append(0, []byte("rows"), nil)
		if err == nil {
			err = t.row(row, bytes.TrimRight(line, "\r\x00"))
		}
		if err != nil {
			return nil, err
		}
	}
	return t.document()
}

// row reads the cells of a line.
func (t *tree) row(n int32, line []byte) error {
	word, line := rowWord(line)
	if named(line) {
		if word != nil {
			if _, err := t.add(n, []byte("@row"), word); err != nil {
				return err
			}
		}
		return cells(line, func(cell []byte) error {
			name, value, _ := bytes.Cut(cell, []byte("="))
			if name = bytes.TrimSpace(name); len(name) == 0 {
				return nil
			}
			_, err := t.add(n, name, value)
			return err
		})
	}
	if word != nil {
		if _, err := t.append(n, nil, word); err != nil {
			return err
		}
	}
	return cells(line, func(cell []byte) error {
		_, err := t.append(n, nil, cell)
		return err
	})
}

func cells(line []byte, do func([]byte) error) error {
	for {
		cell, rest, more := bytes.Cut(line, []byte("\t"))
		if err := do(cell); err != nil || !more {
			return err
		}
		line = rest
	}
}

// rowWord splits the word in capitals off that stands before the first cell.
func rowWord(line []byte) (word, rest []byte) {
	i := 0
	for i < len(line) && ('A' <= line[i] && line[i] <= 'Z' || line[i] == '_') {
		i++
	}
	if i < 2 || i >= len(line) || line[i] != ' ' {
		return nil, line
	}
	return line[:i], line[i+1:]
}

// named tells whether each cell of a line that holds anything is name=value.
func named(line []byte) bool {
	some, all := false, true
	_ = cells(line, func(cell []byte) error {
		isPair := pair(cell)
		some, all = some || isPair, all && (isPair || blank(cell))
		return nil
	})
	return some && all
}
