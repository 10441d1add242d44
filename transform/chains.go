package transform

import (
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"yiqiao/transform/event"
	"yiqiao/transform/message"
)

// chains is the visitor that turns member chains into names and tables into
// look-ups. expr walks children first, so a chain grows from its root.
type chains struct {
	*scope
	code  code
	known map[string]use  // chains by their canonical text
	local map[string]bool // names that the expression itself declares

	personal bool // a personal function is called
}

func (v *chains) problem(n ast.Node, width int, m message.Message) {
	v.code.problem(n.Location().From, width, m)
}

// Visit implements ast.Visitor.
func (v *chains) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.VariableDeclaratorNode:
		v.local[n.Name] = true
	case *ast.ChainNode:
		// Chains are safe against nil by themselves: a?.b is a.b.
		switch n.Node.(type) {
		case *ast.IdentifierNode, *ast.CallNode:
			*node = n.Node
		}
	case *ast.MemberNode:
		v.memberNode(node, n)
	case *ast.CallNode:
		v.callNode(n)
	default:
		v.bound(node)
	}
}

func (v *chains) memberNode(node *ast.Node, n *ast.MemberNode) {
	base, isName := n.Node.(*ast.IdentifierNode)
	if isName && !v.local[base.Value] {
		if name, u, ok := v.extend(base, n.Property); ok {
			v.known[name] = u
			ast.Patch(node, &ast.IdentifierNode{Value: name})
			return
		}
		_, site := v.tables[base.Value] // people["1001"] or doors[["1", "2"]]
		_, inline := v.inline[base.Value]
		if _, let := v.lets[base.Value]; (site || inline) && !let {
			v.checkKey(v.tables[base.Value], n.Property)
			ast.Patch(node, call(rowFunc, &ast.IdentifierNode{Value: runName}, &ast.StringNode{Value: base.Value}, n.Property))
			return
		}
	}
	if s, ok := n.Property.(*ast.StringNode); ok {
		if t := v.tableOf(n.Node); t != nil && t.lacks(s.Value) {
			v.unknownColumn(n, t, s.Value)
		}
		v.checkPart(n, s.Value)
	}
	ast.Patch(node, call(memberFunc, &ast.IdentifierNode{Value: runName}, n.Node, n.Property))
}

func call(name string, args ...ast.Node) *ast.CallNode {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
}

// tableOf returns the site table that a node is a row of, if that is known.
func (v *chains) tableOf(n ast.Node) *Table {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return v.lets[n.Value]
	case *ast.ChainNode:
		return v.tableOf(n.Node)
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if ok && callee.Value == rowFunc || ok && callee.Value == "lookup" && len(n.Arguments) == 3 {
			if s, ok := n.Arguments[1].(*ast.StringNode); ok {
				return v.tables[s.Value]
			}
		}
	}
	return nil
}

func (v *chains) unknownColumn(n ast.Node, t *Table, column string) {
	v.problem(n, len([]rune(column)), message.New("unknown-column", t.Name, t.File, column, hint(column, t.Columns)))
}

// extend adds a static property to the chain that base is.
func (v *chains) extend(base *ast.IdentifierNode, property ast.Node) (name string, u use, ok bool) {
	u, known := v.known[base.Value]
	if !known {
		r, isRoot := v.root(base.Value)
		if !isRoot {
			return "", use{}, false
		}
		if _, shadowed := v.lets[base.Value]; shadowed {
			return "", use{}, false
		}
		u = use{name: base.Value, root: r, from: base.Location().From}
	}
	var step event.Step
	switch p := property.(type) {
	case *ast.StringNode:
		step.Name = p.Value
	case *ast.IntegerNode:
		if u.root == rootDevice || u.root == rootRequest || p.Value < 0 {
			return "", use{}, false
		}
		step = event.Step{Index: p.Value, List: true}
	default:
		return "", use{}, false
	}
	switch u.root {
	case rootDevice:
		if u.key != "" {
			return "", use{}, false
		}
		if v.device != nil && v.device.lacks(step.Name) {
			v.unknownColumn(property, v.device, step.Name)
		}
		u.key = step.Name
	case rootRequest:
		if !v.requestStep(&u, property, step.Name) {
			return "", use{}, false
		}
	}
	u.name = chainName(u.name, step)
	return u.name, u, true
}

func (v *chains) requestStep(u *use, n ast.Node, name string) bool {
	if u.key == "" {
		if _, ok := requestMembers[name]; !ok {
			v.problem(n, len([]rune(name)), message.New("unknown-member", "request", name, hint(name, keys(requestMembers))))
		}
		u.key = name
		return true
	}
	if !requestMembers[u.key] || u.sub != "" {
		v.problem(n, len([]rune(name)), message.New("member-below", u.key))
		return true
	}
	u.sub = name
	if u.key == "header" {
		u.sub = strings.ToLower(name)
	}
	return true
}

// chainName is the canonical text of a chain: event.a["b-c"][0].
func chainName(base string, s event.Step) string {
	if s.List {
		return base + "[" + strconv.Itoa(s.Index) + "]"
	}
	for i, r := range s.Name {
		if !(r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || i > 0 && '0' <= r && r <= '9') {
			return base + "[" + strconv.Quote(s.Name) + "]"
		}
	}
	return base + "." + s.Name
}

// chainSteps parses what chainName wrote.
func chainSteps(name string) []event.Step {
	tree, err := parser.Parse(name)
	if err != nil {
		return nil
	}
	var steps []event.Step
	for n := tree.Node; ; {
		if c, ok := n.(*ast.ChainNode); ok {
			n = c.Node
			continue
		}
		m, ok := n.(*ast.MemberNode)
		if !ok {
			slices.Reverse(steps)
			return steps
		}
		switch p := m.Property.(type) {
		case *ast.StringNode:
			steps = append(steps, event.Step{Name: p.Value})
		case *ast.IntegerNode:
			steps = append(steps, event.Step{Index: p.Value, List: true})
		}
		n = m.Node
	}
}

// callNode checks the function's name and arguments and hands it the run.
func (v *chains) callNode(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || hiddenByName(callee.Value) != nil {
		return
	}
	f := functionByName(callee.Value)
	if f == nil {
		m := message.New("unknown-function", callee.Value, hint(callee.Value, functionNames()))
		if instead, off := disabled[callee.Value]; off {
			m = message.New("no-function", callee.Value, message.New(instead))
		}
		v.problem(n.Callee, len([]rune(callee.Value)), m)
		return
	}
	if len(n.Arguments) > 0 {
		if id, ok := n.Arguments[0].(*ast.IdentifierNode); ok && id.Value == runName {
			return // visited before
		}
	}
	if len(n.Arguments) < f.min || f.max >= 0 && len(n.Arguments) > f.max {
		v.problem(n, len([]rune(callee.Value)), message.New("arguments", f.name, f.arity(), len(n.Arguments), f.usage))
	} else if f.check != nil {
		f.check(v, n)
	}
	v.personal = v.personal || f.personal
	n.Arguments = append([]ast.Node{&ast.IdentifierNode{Value: runName}}, n.Arguments...)
}

// checkPart reports a part that a function's result does not have.
func (v *chains) checkPart(n *ast.MemberNode, name string) {
	c, ok := n.Node.(*ast.CallNode)
	if !ok {
		return
	}
	callee, ok := c.Callee.(*ast.IdentifierNode)
	if !ok {
		return
	}
	if f := functionByName(callee.Value); f != nil && f.parts != nil && !slices.Contains(f.parts, name) {
		v.problem(n, len([]rune(name)), message.New("unknown-part", f.name, name, hint(name, f.parts)))
	}
}

// uses lists the names left in the finished tree, adds the chains among them
// to the paths and reports those that are nothing.
func (v *chains) uses(root *ast.Node) []use {
	c := &collector{}
	ast.Walk(root, c)
	var list []use
	seen := map[string]bool{}
	for _, id := range c.idents {
		name := id.Value
		if seen[name] || name == runName || v.local[name] || slices.Contains(c.callees, id) {
			continue
		}
		seen[name] = true
		u, chain := v.known[name]
		r, isRoot := v.root(name)
		_, let := v.lets[name]
		switch {
		case let:
			u = use{name: name}
		case chain:
		case isRoot && r != rootDevice && r != rootRequest:
			u = use{name: name, root: r, from: id.Location().From}
		case isRoot:
			v.problem(id, len(name), message.New("name-alone", name))
			continue
		case v.cycles[name] != nil:
			v.problem(id, len([]rune(name)), message.New("let-cycle", strings.Join(v.cycles[name], " → ")))
			continue
		case v.later[name]:
			v.problem(id, len([]rune(name)), message.New("let-order", name))
			continue
		default:
			v.problem(id, len([]rune(name)), message.New("unknown-name", name, hint(name, v.names())))
			continue
		}
		switch {
		case u.root == rootEvent && v.frozen:
			var known bool
			if u.slot, known = v.event.Find(chainSteps(u.name), false); !known { // left out of the whole
				v.problem(id, len(name), message.New("unknown-name", name, ""))
				continue
			}
		case u.root == rootEvent:
			u.slot = v.event.Add(chainSteps(u.name), false)
		case u.root == rootIt && v.it == nil && v.later["it"]:
			v.code.problem(u.from, len("it"), message.New("it-order"))
		case u.root == rootIt && v.it == nil:
			v.code.problem(u.from, len("it"), message.New("it-without-each"))
		case u.root == rootIt:
			u.steps = chainSteps(u.name)
			u.slot = v.it.Add(u.steps, false)
		case u.root == rootElement:
			u.steps = chainSteps(u.name)
		}
		u.keys, u.parts = c.onlyKeys(name), c.parts(name)
		list = append(list, u)
	}
	return list
}

type collector struct {
	idents  []*ast.IdentifierNode
	callees []*ast.IdentifierNode
	keys    []*ast.IdentifierNode // below the key of a table, or a condition
	members map[*ast.IdentifierNode]string
}

func (c *collector) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		c.idents = append(c.idents, n)
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			c.callees = append(c.callees, id)
			c.member(n, id.Value)
			// Behind the run and the table stands the key; behind the run and
			// the value the condition of need, which is no value either.
			if (id.Value == rowFunc || id.Value == "lookup" || id.Value == "need") && len(n.Arguments) > 2 {
				below := &collector{}
				ast.Walk(&n.Arguments[2], below)
				c.keys = append(c.keys, below.idents...)
			}
		}
	}
}

// member notes which member of a name is used: p["a"].b is "p.a.b". Inner
// calls are visited first, so the longest chain is the last.
func (c *collector) member(n *ast.CallNode, callee string) {
	if root, path, ok := memberChain(n); ok && callee == memberFunc {
		if c.members == nil {
			c.members = map[*ast.IdentifierNode]string{}
		}
		c.members[root] = path
	}
}

// memberChain is the name that a chain of constant members begins with, and
// the whole chain; where a member is no constant, the chain ends before it.
func memberChain(n ast.Node) (root *ast.IdentifierNode, path string, ok bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n, n.Value, true
	case *ast.ChainNode:
		return memberChain(n.Node)
	case *ast.CallNode:
		if id, is := n.Callee.(*ast.IdentifierNode); !is || id.Value != memberFunc {
			return nil, "", false
		}
		if root, path, ok = memberChain(n.Arguments[1]); !ok {
			return nil, "", false
		}
		if s, is := n.Arguments[2].(*ast.StringNode); is {
			path += "." + s.Value
		}
		return root, path, true
	}
	return nil, "", false
}

// parts are the members of a name that are used, by their chains.
func (c *collector) parts(name string) []string {
	var list []string
	for _, id := range c.idents {
		part, ok := c.members[id]
		if !ok {
			part = name
		}
		if id.Value == name && !slices.Contains(list, part) {
			list = append(list, part)
		}
	}
	return list
}

// onlyKeys tells whether a name serves for nothing but finding rows.
func (c *collector) onlyKeys(name string) bool {
	found := false
	for _, id := range c.idents {
		if id.Value == name {
			if found = true; !slices.Contains(c.keys, id) {
				return false
			}
		}
	}
	return found
}
