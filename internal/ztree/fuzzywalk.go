package ztree

import "unsafe"

// FuzzyWalk walks the tree while it changes: the owner of the tree calls Next when there is time,
// and applies transactions in between. It yields every znode that existed when the walk started
// and still exists when its turn comes, in its current state; parents before children, siblings
// in no order.
//
// That is what DataTree.serializeNode writes, except for znodes created meanwhile, which come
// with the transactions after Zxid that are to be applied on top. So no child is yielded that its
// parent's stat does not yet count. ZooKeeper must do the same for another reason: replaying a
// create2 would not raise the cversion of a parent that already has the child.
//
// It holds a few dozen pointers per level of the tree, however many children there are.
type FuzzyWalk struct {
	zxid  int64
	root  *Node
	begun bool
	path  []byte
	stack []fuzzyFrame
}

// fuzzyFrame is a znode whose children are being walked.
type fuzzyFrame struct {
	node   *Node
	path   int     // how much of the path belongs to the znode
	list   []*Node // children to come next
	at     uint64  // the position of the children after them
	reused []*Node // space for list
}

// Fuzzy starts a walk.
func (t *Tree) Fuzzy() *FuzzyWalk {
	t.settle()
	return &FuzzyWalk{zxid: t.last, root: t.root}
}

// Zxid returns the zxid of the last transaction before the walk started.
func (w *FuzzyWalk) Zxid() int64 { return w.zxid }

// Next returns a znode and its path ("" for the root); ok is false at the end. The znode must not
// be changed. The path is valid until the next call.
func (w *FuzzyWalk) Next() (path string, n *Node, ok bool) {
	if !w.begun {
		w.begun = true
		if w.root == nil {
			return "", nil, false
		}
		w.enter(w.root)
		return "", w.root, true
	}
	for len(w.stack) > 0 {
		f := &w.stack[len(w.stack)-1]
		if len(f.list) == 0 {
			if f.node.kids == nil || f.at >= endOfHashes {
				w.stack = w.stack[:len(w.stack)-1]
				continue
			}
			f.reused, f.at = f.node.kids.from(f.at, f.reused[:0])
			f.list = f.reused
			continue
		}
		kid := f.list[0]
		f.list = f.list[1:]
		if kid.is(gone) || kid.czxid > w.zxid {
			continue
		}
		w.path = append(append(w.path[:f.path], '/'), kid.name()...)
		path = unsafe.String(unsafe.SliceData(w.path), len(w.path))
		if kid.kids != nil {
			w.enter(kid)
		}
		return path, kid, true
	}
	return "", nil, false
}

func (w *FuzzyWalk) enter(n *Node) {
	depth := len(w.stack)
	if depth < cap(w.stack) { // reuse the space of an earlier frame
		w.stack = w.stack[:depth+1]
	} else {
		w.stack = append(w.stack, fuzzyFrame{})
	}
	f := &w.stack[depth]
	*f = fuzzyFrame{node: n, path: len(w.path), reused: f.reused[:0]}
}
