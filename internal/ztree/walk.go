package ztree

import "iter"

// All walks the tree depth first, children sorted, the root as "/". The tree must not change
// meanwhile.
func (t *Tree) All() iter.Seq2[string, *Node] { return t.Below("/") }

// Below is All for a subtree, starting with its root; it yields nothing if the znode does not
// exist.
func (t *Tree) Below(path string) iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		n := t.Get(path)
		if n == nil {
			return
		}
		top := ""
		if n.parent != nil {
			top = n.Path()
		}
		if top == "" && !yield("/", n) || top != "" && !yield(top, n) {
			return
		}
		// One frame per level, so that a deep tree costs heap and not stack.
		type frame struct {
			kids   []*Node
			prefix int // bytes of buf that are the parent's path
		}
		buf := []byte(top)
		stack := []frame{{n.sorted(), len(buf)}}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if len(f.kids) == 0 {
				stack = stack[:len(stack)-1]
				continue
			}
			kid := f.kids[0]
			f.kids = f.kids[1:]
			buf = append(append(buf[:f.prefix], '/'), kid.name()...)
			if !yield(string(buf), kid) {
				return
			}
			if kid.NumChildren() > 0 {
				stack = append(stack, frame{kid.sorted(), len(buf)})
			}
		}
	}
}

// under visits the znode and everything below it, parents first, children in no order.
func (n *Node) under(visit func(*Node)) {
	stack := []*Node{n}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		visit(n)
		n.each(func(kid *Node) { stack = append(stack, kid) })
	}
}
