package transform

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"yiqiao/transform/message"
)

func lookupFunc(r *run, args []any) (any, error) {
	name, ok := args[0].(string)
	if !ok {
		return nil, want("a-table-name", args[0])
	}
	row, err := r.rowOf(name, args[1])
	if err != nil || len(args) == 2 || row == nil {
		return row, err
	}
	return memberOf(row, args[2])
}

// checkLookup proves a constant table and column now.
func (v *chains) checkLookup(n *ast.CallNode) {
	s, ok := n.Arguments[0].(*ast.StringNode)
	if !ok {
		return
	}
	t, site := v.tables[s.Value]
	if _, inline := v.inline[s.Value]; !site && !inline {
		v.problem(s, len([]rune(s.Value))+2, message.New("unknown-table", s.Value, hint(s.Value, append(keys(v.tables), keys(v.inline)...))))
		return
	}
	v.checkKey(t, n.Arguments[1])
	if len(n.Arguments) == 3 && t != nil {
		if c, ok := n.Arguments[2].(*ast.StringNode); ok && t.lacks(c.Value) {
			v.unknownColumn(c, t, c.Value)
		}
	}
}

// rowOf is table[key]: of a site table the row, of an inline table the value.
// The key of a table with several key columns is a list. No key finds nothing,
// not even the row of "*".
func (r *run) rowOf(name string, by any) (any, error) {
	if list, ok := by.([]any); ok {
		return r.rowOfList(r.rules.tables[name], name, list)
	}
	key, ok := asText(by)
	if !ok {
		if by == nil {
			return nil, nil
		}
		return nil, message.New("want", message.New("key-of-table", name), saidAs(by))
	}
	if r.mapping != nil {
		if t, ok := r.mapping.inline[name]; ok {
			row := key
			v, ok := t[row]
			if !ok {
				row = "default"
				v, ok = t[row]
			}
			if r.trace != nil {
				r.usedInline(name, key, row, ok)
			}
			return v, nil
		}
	}
	table := r.rules.tables[name]
	if table == nil {
		return nil, message.New("no-table", name)
	}
	if len(table.Key) > 1 {
		return nil, wrongKeys(table, 1)
	}
	return r.found(table, key, table.find([]string{key}))
}

// found is what a look-up of a site table gives.
func (r *run) found(t *Table, key string, row *tableRow) (any, error) {
	r.usedRow(t.Name, key, t.place(row), row != nil)
	if row == nil {
		r.miss(t, key)
		return nil, nil
	}
	return row.cells, nil
}

func (r *run) usedInline(table, key, row string, found bool) {
	rows := r.mapping.rows[table]
	at := rows.at
	if found {
		at = rows.keys[row]
	}
	r.usedRow(table, key, at, found)
}

func (r *run) rowOfList(table *Table, name string, list []any) (any, error) {
	if table == nil && r.mapping != nil && r.mapping.inline[name] == nil {
		return nil, message.New("no-table", name)
	}
	if table == nil || r.mapping != nil && r.mapping.inline[name] != nil {
		return nil, message.New("want", message.New("key-of-table", name), saidAs(list))
	}
	if len(list) != len(table.Key) {
		return nil, wrongKeys(table, len(list))
	}
	ids := make([]string, len(list))
	for i, v := range list {
		if v == nil {
			return nil, nil
		}
		id, ok := asText(v)
		if !ok {
			return nil, message.New("want", message.New("column-of-table", table.Key[i], name), saidAs(v))
		}
		ids[i] = id
	}
	return r.found(table, strings.Join(ids, ", "), table.find(ids))
}

// miss keeps what a table does not have, for messages.
func (r *run) miss(t *Table, key string) {
	if len(r.missed) < maxMissed {
		r.missed = append(r.missed, message.New("no-row", t.File, key))
		if len(t.Key) == 1 && strings.TrimSpace(key) != "" {
			r.wanted = append(r.wanted, missing{t, key})
		}
	}
}

// missing is a row that a table does not have.
type missing struct {
	table *Table
	id    string
}

// withRows adds to what is wrong the rows that were looked for, to be pasted:
// ids of one record that one table lacks are most likely those of one thing,
// a person's number and his card's.
func (r *run) withRows(why message.Speaker) error {
	var tables []*Table
	ids := map[*Table][]string{}
	for _, w := range r.wanted {
		if !slices.Contains(tables, w.table) {
			tables = append(tables, w.table)
		}
		if !slices.Contains(ids[w.table], w.id) {
			ids[w.table] = append(ids[w.table], w.id)
		}
	}
	for _, t := range tables {
		why = message.New("paste-rows", why, t.File, t.rowOf(ids[t]...))
	}
	if err, ok := why.(error); ok {
		return err
	}
	return nil
}

func wrongKeys(t *Table, got int) message.Message {
	return message.New("table-found-by", t.Name, t.Key, plural(len(t.Key), "keys-one", "keys-many"), got)
}

// checkKey proves that a table's key has as many parts as the table has key
// columns, where that is plain to see.
func (v *chains) checkKey(t *Table, key ast.Node) {
	n := 1
	switch k := key.(type) {
	case *ast.ArrayNode:
		n = len(k.Nodes)
	case *ast.StringNode, *ast.IntegerNode:
	default:
		return
	}
	if t != nil && t.Key != nil && n != len(t.Key) {
		v.problem(key, 1, message.New("table-key", wrongKeys(t, n), t.Name))
	}
}

// memberOf is value.key for any value: nil where it leads nowhere, as of a
// chain (event.a.b), so that how a path is written makes no difference.
func memberOf(v, key any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case object:
		return v.part(key)
	case map[string]any:
		if name, ok := asText(key); ok {
			return v[name], nil
		}
		return nil, nil
	case []any:
		i, ok := key.(int)
		if !ok {
			return nil, nil
		}
		if i < 0 {
			i += len(v)
		}
		if i < 0 || i >= len(v) {
			return nil, nil
		}
		return v[i], nil
	}
	return nil, nil
}
