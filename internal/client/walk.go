package client

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/zkctl/zkctl/internal/proto"
)

// WalkOptions change how [Conn.Walk] goes about. The zero value is useful.
type WalkOptions struct {
	// Unordered visits a znode as soon as it is listed. Parents still come before their
	// children.
	Unordered bool
	// Progress is called with the number of znodes found so far, now and then, on the
	// goroutine that called Walk.
	Progress func(found int)
}

// Walk lists the subtree below root, many requests in flight at once. It calls visit for
// each znode, on the caller's goroutine: first root, then, unless Unordered, depth first
// with siblings in order. children are the znode's, sorted; err, a *OpError, says that
// they could not be listed: proto.ErrNoNode when the znode vanished meanwhile,
// proto.ErrNoAuth without the right to read it.
//
// Walk ends with visit's error (nil for fs.SkipAll), the context's, or a *LossError.
func (c *Conn) Walk(ctx context.Context, root string, opt WalkOptions, visit func(path string, children []string, err error) error) error {
	if err := ValidatePath(root); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &walk{c: c, opt: opt, visit: visit, found: 1, parts: firstParts, results: make(chan walkBatch, walkBatches)}
	err := w.run(ctx, &walkNode{path: root})
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

const (
	walkBatches = 4       // in flight at once
	firstParts  = 16      // of the first batches; the number grows while replies are short
	maxParts    = 500     // of one multiRead
	maxRequest  = 512000  // bytes of paths in one multiRead, well below a server's limit
	goodReply   = 1 << 20 // names' bytes up to which batches grow; beyond they shrink
)

// walkNode is a znode on its way from being found to being visited.
type walkNode struct {
	path     string
	children []string
	err      error
	nodes    []walkNode // of children
	listed   bool
}

type walk struct {
	c       *Conn
	opt     WalkOptions
	visit   func(string, []string, error) error
	found   int
	parts   int         // limit of the next batch
	single  bool        // the server has no multiRead
	probed  bool        // a multiRead has been answered
	todo    []*walkNode // to be listed, the next one last
	unseen  []*walkNode // to be visited, the next one last
	flying  int
	results chan walkBatch
}

// walkBatch is a batch of znodes that have been listed.
type walkBatch struct {
	nodes  []*walkNode
	size   int  // bytes of names
	probe  bool // the first: whether the server knows multiRead is open
	single bool // without multiRead
	err    error
}

func (w *walk) run(ctx context.Context, root *walkNode) error {
	w.todo = []*walkNode{root}
	w.unseen = []*walkNode{root}
	for len(w.todo) > 0 || w.flying > 0 {
		// Until the server has shown that it knows multiRead, one batch tries it.
		for len(w.todo) > 0 && w.flying < walkBatches && (w.probed || w.flying == 0) {
			w.launch(ctx)
		}
		var b walkBatch
		select {
		case b = <-w.results:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		w.flying--
		if b.err != nil {
			return b.err
		}
		if err := w.take(b); err != nil {
			return err
		}
	}
	return nil
}

// launch lists the next znodes on a goroutine of their own.
func (w *walk) launch(ctx context.Context) {
	n, size := 0, 0
	for n < len(w.todo) && n < w.parts {
		size += len(w.todo[len(w.todo)-1-n].path) + len(w.c.chroot)
		if n > 0 && size > maxRequest {
			break
		}
		n++
	}
	nodes := slices.Clone(w.todo[len(w.todo)-n:])
	slices.Reverse(nodes)
	w.todo = w.todo[:len(w.todo)-n]
	w.flying++
	b := walkBatch{nodes: nodes, single: w.single, probe: !w.probed}
	go func() {
		b.list(ctx, w.c)
		w.results <- b
	}()
}

// take notes what a batch found, and visits what can be visited.
func (w *walk) take(b walkBatch) error {
	w.probed = true
	w.single = w.single || b.single
	switch {
	case b.size > 4*goodReply:
		w.parts = max(1, w.parts/4)
	case b.size < goodReply && len(b.nodes) >= w.parts:
		w.parts = min(2*w.parts, maxParts)
	}
	for i := len(b.nodes) - 1; i >= 0; i-- {
		n := b.nodes[i]
		n.listed = true
		w.found += len(n.nodes)
		for j := len(n.nodes) - 1; j >= 0; j-- {
			w.todo = append(w.todo, &n.nodes[j])
		}
	}
	if w.opt.Progress != nil {
		w.opt.Progress(w.found)
	}
	if w.opt.Unordered {
		for _, n := range b.nodes {
			if err := w.visit(n.path, n.children, n.err); err != nil {
				return err
			}
			n.children = nil
		}
		return nil
	}
	for len(w.unseen) > 0 {
		n := w.unseen[len(w.unseen)-1]
		if !n.listed {
			break
		}
		w.unseen = w.unseen[:len(w.unseen)-1]
		if err := w.visit(n.path, n.children, n.err); err != nil {
			return err
		}
		for j := len(n.nodes) - 1; j >= 0; j-- {
			w.unseen = append(w.unseen, &n.nodes[j])
		}
		n.children, n.nodes = nil, nil
	}
	return nil
}

// list fills in the batch's znodes. A server before 3.6 does not know multiRead and closes
// the connection on it; a reply can also be too long. Then each znode is asked for.
func (b *walkBatch) list(ctx context.Context, c *Conn) {
	if !b.single {
		again := b.listMulti(ctx, c)
		if !again {
			return
		}
	}
	b.err, b.size = nil, 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, n := range b.nodes {
		all.Add(1)
		go func() {
			defer all.Done()
			var res proto.GetChildrenResponse
			err := c.op(ctx, n.path, proto.OpGetChildren, &proto.PathWatchRequest{Path: c.real(n.path)}, &res)
			var answer *OpError
			if err != nil && !errors.As(err, &answer) {
				mu.Lock()
				b.err = err
				mu.Unlock()
				return
			}
			size := n.fill(res.Children, err)
			mu.Lock()
			b.size += size
			mu.Unlock()
		}()
	}
	all.Wait()
}

// listMulti asks for all in one multiRead. It returns true when they should be asked for
// one by one instead.
func (b *walkBatch) listMulti(ctx context.Context, c *Conn) bool {
	ops := make([]proto.MultiOp, len(b.nodes))
	reqs := make([]proto.PathWatchRequest, len(b.nodes))
	for i, n := range b.nodes {
		reqs[i].Path = n.path
		ops[i] = proto.MultiOp{Type: proto.OpGetChildren, Request: &reqs[i]}
	}
	results, err := c.MultiRead(ctx, ops)
	var foreign *ProtocolError
	var loss *LossError
	switch {
	case errors.Is(err, proto.ErrUnimplemented):
		b.single = true
		return true
	case errors.As(err, &foreign):
		return true
	case errors.As(err, &loss) && loss.Sent && hungUp(loss.Cause):
		b.single = b.probe
		return true
	case err != nil:
		b.err = err
		return false
	case len(results) != len(b.nodes):
		b.err = &ProtocolError{What: "the reply to multiRead lacks parts"}
		return false
	}
	for i, n := range b.nodes {
		var err error
		if code := results[i].Err; code != proto.OK {
			err = &OpError{Op: proto.OpGetChildren, Path: n.path, Code: code}
		}
		b.size += n.fill(results[i].Children, err)
	}
	return false
}

// fill notes the znode's children and returns the bytes of their names.
func (n *walkNode) fill(children []string, err error) (size int) {
	n.err = err
	if len(children) == 0 {
		return 0
	}
	slices.Sort(children)
	n.children = children
	n.nodes = make([]walkNode, len(children))
	prefix := n.path + "/"
	if n.path == "/" {
		prefix = "/"
	}
	for i, name := range children {
		n.nodes[i].path = prefix + name
		size += len(name)
	}
	return size
}
