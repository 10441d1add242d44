package transform

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"yiqiao/transform/message"
	"yiqiao/transform/spec"
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

// missing is a row that a table does not have.
type missing struct {
	table *Table
	id    string
}

// miss keeps what a table does not have, for messages. No id misses nothing.
func (r *run) miss(t *Table, key string) {
	if len(r.missed) < maxMissed && strings.TrimSpace(key) != "" {
		r.missed = append(r.missed, missing{t, key})
	}
}

// keepMissed keeps what a let missed: who reads its value wants to know why
// there is none.
func (r *run) keepMissed(l let, before int) {
	of := slices.Clone(r.missed[before:])
	for i := range l.value.uses {
		of = append(of, r.letMissed[l.value.uses[i].name]...)
	}
	if len(of) == 0 {
		return
	}
	if r.letMissed == nil {
		r.letMissed = map[string][]missing{}
	}
	r.letMissed[l.name] = of
}

// missedBy is which rows an expression did not find, itself or in the lets
// that it uses. It evaluates it once more: it is for messages only.
func (r *run) missedBy(e *expression) []missing {
	all, rows := r.missed, r.rows
	r.missed = nil
	_, _ = r.eval(e)
	of := r.missed
	r.missed, r.rows = all, rows
	for i := range e.uses {
		of = append(of, r.letMissed[e.uses[i].name]...)
	}
	var once []missing
	for _, m := range of {
		if !slices.Contains(once, m) {
			once = append(once, m)
		}
	}
	return once
}

// missedFor is which rows a field lacks that must have a value: where a
// condition wants it, any of the record's may be to blame.
func (r *run) missedFor(v *spec.Violation, e *expression) []missing {
	switch {
	case v.Because.English != "":
		return r.missed
	case e == nil:
		return nil
	}
	return r.missedBy(e)
}

func saidMissing(list []missing) []message.Speaker {
	var said []message.Speaker
	for _, m := range list {
		said = append(said, message.New("no-row", m.table.File, m.id))
	}
	return said
}

// withRows adds to what is wrong the rows that were looked for, to be pasted:
// ids of one record that one table lacks are most likely those of one thing,
// a person's number and his card's.
func withRows(why message.Speaker, missed []missing) error {
	var tables []*Table
	ids := map[*Table][]string{}
	for _, w := range missed {
		if len(w.table.Key) > 1 {
			continue
		}
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
	return why.(error) // violations and messages are errors
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
