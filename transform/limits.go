package transform

import (
	"reflect"
	"unsafe"

	"github.com/expr-lang/expr/ast"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
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

// hidden are the functions that only the compiler writes.
var hidden = []function{
	{name: rowFunc, call: func(r *run, args []any) (any, error) { return r.rowOf(args[0].(string), args[1]) }},
	{name: memberFunc, call: func(_ *run, args []any) (any, error) { return memberOf(args[0], args[1]) }},
	{name: addFunc, call: add},
	{name: stepFunc, call: step},
}

func hiddenByName(name string) *function {
	for i := range hidden {
		if hidden[i].name == name {
			return &hidden[i]
		}
	}
	return nil
}

// step counts what an event has cost so far.
func step(r *run, _ []any) (any, error) {
	if r.steps++; r.steps > maxSteps {
		return nil, message.New("too-many-steps", maxSteps)
	}
	return nil, nil
}

// add is + where it may be of texts. A chain of them (a + "-" + b) is one call.
func add(_ *run, args []any) (any, error) {
	length := 0
	for _, a := range args {
		s, ok := a.(string)
		if !ok {
			return addUp(args[0], args[1:])
		}
		length += len(s)
	}
	if length > maxText {
		return nil, tooLong(length)
	}
	text := make([]byte, 0, length)
	for _, a := range args {
		text = append(text, a.(string)...)
	}
	return unsafe.String(unsafe.SliceData(text), len(text)), nil
}

// addUp adds numbers from left to right, like expr.
func addUp(sum any, args []any) (any, error) {
	for _, b := range args {
		var err error
		if sum, err = addTwo(sum, b); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

func addTwo(a, b any) (any, error) {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok && len(a)+len(b) <= maxText {
			return a + b, nil
		} else if ok {
			return nil, tooLong(len(a) + len(b))
		}
	case int:
		switch b := b.(type) {
		case int:
			return a + b, nil
		case float64:
			return float64(a) + b, nil
		}
	case float64:
		switch b := b.(type) {
		case int:
			return a + float64(b), nil
		case float64:
			return a + b, nil
		}
	}
	return nil, message.New("adds", saidAs(a), saidAs(b))
}

func tooLong(length int) error {
	return message.New("text-too-long", length, maxText)
}

// bounded makes a text of a known length, if that is not too long.
func bounded(length int, text func() string) (any, error) {
	if length > maxText {
		return nil, tooLong(length)
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
	case *unmade:
		n += len(v.recipe.URL)
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
