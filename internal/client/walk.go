package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"unsafe"

	"github.com/zkctl/zkctl/internal/proto"
)

// WalkOptions change how [Conn.Walk] goes about. The zero value is useful.
type WalkOptions struct {
	// Unordered visits a znode as soon as it is listed. Parents still come before their
	// children.
	Unordered bool
	// Watch sets a child watch on each znode that is listed.
	Watch bool
	// Progress is called with the number of znodes found so far, now and then, on the
	// goroutine that called Walk.
	Progress func(found int)
}

// ErrTooLarge is in the error of a walk that would have to hold too many znodes at once, or a
// path that no server takes in a request: the tree of a server that makes it up as it goes has
// no end.
var ErrTooLarge = errors.New("the tree is too large to walk, or has no end")

// Walk lists the subtree below root, many requests in flight at once. It calls visit for
// each znode, on the caller's goroutine: first root, then, unless Unordered, depth first
// with siblings in order. children are the znode's, sorted; err, a *OpError, says that
// they could not be listed: proto.ErrNoNode when the znode vanished meanwhile,
// proto.ErrNoAuth without the right to read it. It holds the znodes that are found and not yet
// visited, but no more than a bound.
//
// Walk ends with visit's error (nil for fs.SkipAll), the context's, a *LossError, or one with
// ErrTooLarge in it.
func (c *Conn) Walk(ctx context.Context, root string, opt WalkOptions, visit func(path string, children []string, err error) error) error {
	if err := ValidatePath(root); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := newWalk(c, opt, visit).run(ctx, &walkNode{name: root})
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

	// aheadBytes is up to how many bytes of znodes are listed ahead of those that are visited,
	// besides the longest list of children; beyond it znodes are listed one by one, in the order in
	// which they are visited. maxAbove is what the lists of the children of those may take that have
	// been visited and are not done with: the ones above the next.
	aheadBytes = 64 << 20
	maxAbove   = 64 << 20
	// nodeBytes is what a znode takes besides its name.
	nodeBytes = int(unsafe.Sizeof(walkNode{})) + 16
)

// walkNode is a znode on its way from being found until it and all below it have been visited.
type walkNode struct {
	parent   *walkNode
	name     string // of root the path
	full     string // its path, from when it is asked for until it is visited
	children []walkNode
	err      error
	left     int32 // children that are on their way
	asked    bool
	listed   bool
}

// path is the znode's path. It is not kept: in a deep tree all of them would take more than all
// else.
func (n *walkNode) path() string {
	if n.parent == nil {
		return n.name
	}
	size := len(n.name)
	for p := n; p.parent != nil; p = p.parent {
		size += len(p.parent.name) + 1
	}
	b := make([]byte, size)
	end := size
	for ; n.parent != nil; n = n.parent {
		end -= len(n.name)
		copy(b[end:], n.name)
		end--
		b[end] = '/'
	}
	if n.name == "/" { // the root, whose children's slash is its own
		return string(b[end:])
	}
	copy(b, n.name)
	return string(b)
}

// names are those of the children.
func (n *walkNode) names() []string {
	if len(n.children) == 0 {
		return nil
	}
	names := make([]string, len(n.children))
	for i := range n.children {
		names[i] = n.children[i].name
	}
	return names
}

// bytes is what the children take.
func (n *walkNode) bytes() int {
	size := len(n.children) * nodeBytes
	for i := range n.children {
		size += len(n.children[i].name)
	}
	return size
}

type walk struct {
	c       *Conn
	opt     WalkOptions
	visit   func(string, []string, error) error
	ahead   int // see aheadBytes
	most    int // see maxAbove
	found   int
	parts   int         // limit of the next batch
	single  bool        // the server has no multiRead, or it cannot do what is wanted
	probed  bool        // a multiRead has been answered
	todo    []*walkNode // to be listed, the next one last; perhaps asked for already
	unseen  []*walkNode // to be visited, the next one last
	held    int         // bytes of the children of znodes that are on their way
	above   int         // those of znodes that have been visited
	longest int         // bytes of the longest list of children
	batch   int         // bytes of the largest batch so far
	watched int         // bytes of what is watched
	flying  int
	results chan walkBatch
}

// walkBatch is a batch of znodes that have been listed.
type walkBatch struct {
	nodes  []*walkNode
	watch  bool
	size   int  // bytes of names
	probe  bool // the first: whether the server knows multiRead is open
	single bool // without multiRead
	err    error
}

func newWalk(c *Conn, opt WalkOptions, visit func(string, []string, error) error) *walk {
	w := &walk{c: c, opt: opt, visit: visit, ahead: aheadBytes, most: maxAbove, found: 1, parts: firstParts,
		single: opt.Watch, probed: opt.Watch, // multiRead sets no watches
		results: make(chan walkBatch, walkBatches)}
	if opt.Unordered { // what is listed ahead has been visited, too
		w.most *= 4
	}
	return w
}

func (w *walk) run(ctx context.Context, root *walkNode) error {
	w.todo = []*walkNode{root}
	w.unseen = []*walkNode{root}
	for {
		if err := w.fly(ctx); err != nil {
			return err
		}
		if w.flying == 0 {
			return nil
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
}

// fly keeps as many batches in flight as there is use for.
func (w *walk) fly(ctx context.Context) error {
	// Until the server has shown that it knows multiRead, one batch tries it.
	for w.flying < walkBatches && (w.probed || w.flying == 0) {
		nodes := w.next()
		if len(nodes) == 0 {
			return nil
		}
		if err := w.launch(ctx, nodes); err != nil {
			return err
		}
	}
	return nil
}

// next takes the znodes that are to be listed next.
func (w *walk) next() (nodes []*walkNode) {
	// A batch may bring as much as the largest one so far.
	full := w.held+(w.flying+1)*w.batch > w.ahead+w.longest
	if full && !w.opt.Unordered {
		// What is found from here on is held until all before it is visited.
		n := w.unseen[len(w.unseen)-1]
		if n.asked || w.flying > 0 {
			return nil
		}
		for len(w.todo) > 0 && (w.todo[len(w.todo)-1].asked || w.todo[len(w.todo)-1] == n) {
			w.todo = w.todo[:len(w.todo)-1]
		}
		return append(nodes, n)
	}
	parts := w.parts
	if full {
		parts = 1
	}
	for len(w.todo) > 0 && len(nodes) < parts {
		n := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if !n.asked {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// launch lists znodes on a goroutine of their own.
func (w *walk) launch(ctx context.Context, nodes []*walkNode) error {
	b := walkBatch{watch: w.opt.Watch, single: w.single, probe: !w.probed}
	size := 0
	for _, n := range nodes {
		path := n.path()
		if size += len(path) + len(w.c.chroot); size > serverMaxBuffer && len(b.nodes) == 0 {
			return fmt.Errorf("%w: the path of a znode is %d bytes long, more than a server takes in a request", ErrTooLarge, len(path))
		}
		if size > maxRequest && len(b.nodes) > 0 {
			break
		}
		n.asked, n.full = true, path
		if w.opt.Watch { // the session remembers its path
			if w.watched += len(path) + nodeBytes; w.watched > w.most {
				return fmt.Errorf("%w: its watches are too many", ErrTooLarge)
			}
		}
		b.nodes = append(b.nodes, n)
	}
	for i := len(nodes) - 1; i >= len(b.nodes); i-- { // back to where they were
		w.todo = append(w.todo, nodes[i])
	}
	w.flying++
	go func() {
		b.list(ctx, w.c)
		w.results <- b
	}()
	return nil
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
	before := w.held
	for i := len(b.nodes) - 1; i >= 0; i-- {
		n := b.nodes[i]
		n.listed = true
		w.found += len(n.children)
		bytes := n.bytes()
		w.held += bytes
		w.longest = max(w.longest, bytes)
		for j := len(n.children) - 1; j >= 0; j-- {
			w.todo = append(w.todo, &n.children[j])
		}
	}
	w.batch = max(w.batch, w.held-before)
	if w.opt.Progress != nil {
		w.opt.Progress(w.found)
	}
	if w.opt.Unordered {
		for _, n := range b.nodes {
			if err := w.see(n); err != nil {
				return err
			}
		}
		return nil
	}
	for len(w.unseen) > 0 {
		n := w.unseen[len(w.unseen)-1]
		if !n.listed {
			break
		}
		w.unseen = w.unseen[:len(w.unseen)-1]
		for j := len(n.children) - 1; j >= 0; j-- {
			w.unseen = append(w.unseen, &n.children[j])
		}
		if err := w.see(n); err != nil {
			return err
		}
	}
	return nil
}

// see visits a znode, and forgets it if nothing below it is to come.
func (w *walk) see(n *walkNode) error {
	err := w.visit(n.full, n.names(), n.err)
	n.full = ""
	if w.above += n.bytes(); err == nil && w.above > w.most+w.longest {
		return fmt.Errorf("%w: %d znodes have been found, and too many of them wait for what comes before them", ErrTooLarge, w.found)
	}
	for n != nil && n.left == 0 {
		bytes := n.bytes()
		w.held, w.above = w.held-bytes, w.above-bytes
		n.children = nil
		if n = n.parent; n != nil {
			n.left--
		}
	}
	return err
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
			err := c.op(ctx, n.full, proto.OpGetChildren, &proto.PathWatchRequest{Path: c.real(n.full), Watch: b.watch}, &res)
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
		reqs[i].Path = n.full
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
			err = &OpError{Op: proto.OpGetChildren, Path: n.full, Code: code}
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
	n.children = make([]walkNode, len(children))
	n.left = int32(len(children))
	for i, name := range children {
		n.children[i] = walkNode{parent: n, name: name}
		size += len(name)
	}
	return size
}
