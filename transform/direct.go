package transform

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"yiqiao/transform/message"
)

// directCall is a call of one of our functions with names, constants and other
// such calls as arguments: what nearly every field of a record is. It needs no
// virtual machine, which would allocate for each call.
type directCall struct {
	function *function
	from     int // in the expression's text, in characters
	args     []operand
}

// operand is one of: a call, a name, a constant.
type operand struct {
	call     *directCall
	use      *use
	constant any
}

// direct returns the direct call that n is, or nil.
func (e *expression) direct(n *ast.CallNode) *directCall {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || len(n.Arguments) == 0 {
		return nil
	}
	c := &directCall{function: functionByName(callee.Value), from: n.Location().From}
	if c.function == nil {
		c.function = hiddenByName(callee.Value)
	}
	if c.function == nil {
		return nil
	}
	for _, a := range n.Arguments[1:] { // behind the run
		o, ok := e.operand(a)
		if !ok {
			return nil
		}
		if first := o.call; len(c.args) == 0 && callee.Value == addFunc && first != nil && first.function == c.function {
			c.args = first.args // a + b + c
			continue
		}
		c.args = append(c.args, o)
	}
	return c
}

func (e *expression) operand(n ast.Node) (o operand, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		o.constant = n.Value
	case *ast.IntegerNode:
		o.constant = n.Value
	case *ast.NilNode:
	case *ast.IdentifierNode:
		i := slices.IndexFunc(e.uses, func(u use) bool { return u.name == n.Value })
		if i < 0 {
			return o, false
		}
		o.use = &e.uses[i]
	case *ast.CallNode:
		o.call = e.direct(n)
		return o, o.call != nil
	default:
		return o, false
	}
	return o, true
}

// callDirect evaluates a direct call of e. Arguments stand on a stack that the
// run keeps.
func (r *run) callDirect(e *expression, c *directCall) (any, error) {
	base := len(r.args)
	for i := range c.args {
		a := &c.args[i]
		v := a.constant
		switch {
		case a.use != nil:
			v = r.use(a.use)
		case a.call != nil:
			var err error
			if v, err = r.callDirect(e, a.call); err != nil {
				r.args = r.args[:base]
				return nil, err
			}
		}
		r.args = append(r.args, v)
	}
	args := r.args[base:]
	v, err := c.function.call(r, args)
	clear(args)
	r.args = r.args[:base]
	if err != nil {
		return nil, message.New("expression-at", e.said(), e.at(c.from), err)
	}
	return v, nil
}
