package transform

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
)

func lookupFunc(r *run, args []any) (any, error) {
	name, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("want the name of a table, got %s", describe(args[0]))
	}
	row, err := rowOf(r, name, args[1])
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
		v.problem(s, len([]rune(s.Value))+2, Problem{Rule: "unknown-table", Text: fmt.Sprintf("there is no table %q", s.Value), Hint: hint(s.Value, append(keys(v.tables), keys(v.inline)...))})
		return
	}
	if len(n.Arguments) == 3 && t != nil {
		if c, ok := n.Arguments[2].(*ast.StringNode); ok && t.lacks(c.Value) {
			v.unknownColumn(c, t, c.Value)
		}
	}
}

// rowOf is table[key]: of a site table the row, of an inline table the value.
func rowOf(args ...any) (any, error) {
	r, name := args[0].(*run), args[1].(string)
	key, ok := asText(args[2])
	if !ok {
		if args[2] == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("want a key of table %s, got %s", name, describe(args[2]))
	}
	if r.mapping != nil {
		if t, ok := r.mapping.inline[name]; ok {
			if v, ok := t[key]; ok {
				return v, nil
			}
			return t["default"], nil
		}
	}
	table := r.rules.tables[name]
	row := table.Row(key)
	if row == nil {
		r.missed = append(r.missed, fmt.Sprintf("%s has no row %q", table.File, key))
		return nil, nil
	}
	return row, nil
}

// memberOf is value.key for any value: nil where there is nothing.
func memberOf(args ...any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case object:
		return v.part(args[1])
	case map[string]any:
		key, ok := asText(args[1])
		if !ok {
			return nil, fmt.Errorf("want a member's name, got %s", describe(args[1]))
		}
		return v[key], nil
	case []any:
		return elementOf(v, args[1])
	case []string: // of split
		return elementOf(v, args[1])
	}
	return nil, fmt.Errorf("%s has no member %v", describe(args[0]), args[1])
}

// elementOf counts from the end below 0; beyond the ends there is nothing.
func elementOf[T any](list []T, index any) (any, error) {
	i, ok := index.(int)
	if !ok {
		return nil, fmt.Errorf("want an index into a list of %d, got %s", len(list), describe(index))
	}
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return nil, nil
	}
	return list[i], nil
}
