package transform

import (
	"fmt"
	"reflect"

	"github.com/expr-lang/expr/ast"

	"yiqiao/transform/event"
)

// What an expression may cost. Neither a payload nor a file can hold a worker
// or eat the memory: what goes beyond is refused, and the event is a dead
// letter like any other that a mapping refuses.
const (
	maxCode     = 8 << 10  // characters of an expression
	maxText     = 64 << 10 // bytes of a text that an expression makes
	maxSteps    = 200_000  // elements that map, filter, … visit for one event
	maxElements = 100_000  // elements of the lists that one evaluation makes
	maxWeight   = 8 << 20  // elements and bytes that digest reads
	maxMissed   = 8        // tables without a row that a message names
)

// bound puts the limits into a tree: a step into each predicate of map and its
// like, and a limit into each + that can make a text.
func (v *chains) bound(node *ast.Node) {
	self := &ast.IdentifierNode{Value: runName}
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{call(stepFunc, self), n.Node}}
	case *ast.BinaryNode:
		_, left := n.Left.(*ast.StringNode)
		_, right := n.Right.(*ast.StringNode)
		if n.Operator == "+" && mayBeText(n.Left) && mayBeText(n.Right) && !(left && right) {
			ast.Patch(node, call(addFunc, self, n.Left, n.Right))
		}
	}
}

func mayBeText(n ast.Node) bool {
	t := n.Type()
	return t == nil || t.Kind() == reflect.Interface || t.Kind() == reflect.String
}

// step counts what an event has cost so far.
func step(args ...any) (any, error) {
	r := args[0].(*run)
	if r.steps++; r.steps > maxSteps {
		return nil, fmt.Errorf("more than %d steps for one event", maxSteps)
	}
	return nil, nil
}

// adder is + where it may be of texts.
var adder = function{name: addFunc, min: 2, max: 2, call: func(_ *run, args []any) (any, error) {
	switch a := args[0].(type) {
	case string:
		if b, ok := args[1].(string); ok {
			return bounded(len(a)+len(b), func() string { return a + b })
		}
	case int:
		switch b := args[1].(type) {
		case int:
			return a + b, nil
		case float64:
			return float64(a) + b, nil
		}
	case float64:
		switch b := args[1].(type) {
		case int:
			return a + float64(b), nil
		case float64:
			return a + b, nil
		}
	}
	return nil, fmt.Errorf("+ wants two texts or two numbers, got %s and %s", describe(args[0]), describe(args[1]))
}}

// bounded makes a text of a known length, if that is not too long.
func bounded(length int, text func() string) (any, error) {
	if length > maxText {
		return nil, fmt.Errorf("the text would have %d bytes, more than %d", length, maxText)
	}
	return text(), nil
}

// weight counts elements and bytes of a value, up to maxWeight: a list may
// hold another many times over, and so be larger than the memory it takes.
func weight(v any) int {
	n := 1
	add := func(v any) bool { n += weight(v); return n < maxWeight }
	switch v := v.(type) {
	case string:
		n += len(v)
	case *event.Blob:
		n += v.Len()
	case []any:
		for _, el := range v {
			if !add(el) {
				break
			}
		}
	case map[string]any:
		for k, el := range v {
			if n += len(k); !add(el) {
				break
			}
		}
	}
	return n
}
