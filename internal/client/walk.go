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
	// Watch leaves a watch on the children of each znode that is listed. It takes a request for
	// each znode, where otherwise one lists many.
	Watch bool
	// Progress is called with the number of znodes found so far, now and then, on the
	// goroutine that called Walk.
	Progress func(found int)
}

// ErrTooLarge ends the walk of a tree of which too much would have to be held at once.
var ErrTooLarge = errors.New("the tree is too large to be walked, or endless")

// Walk lists the subtree below root, many requests in flight at once. It calls visit for
// each znode, on the caller's goroutine: first root, then depth first with siblings in
// order. children are the znode's, sorted; err, a *OpError, says that they could not be
// listed: proto.ErrNoNode when the znode vanished meanwhile, proto.ErrNoAuth without the
// right to read it.
//
// What Walk holds does not grow with the tree: it is the lists of children above the znode
// that is visited, and a bounded part of what comes next.
//
// Walk ends with visit's error (nil for fs.SkipAll), the context's, a *LossError, or
// ErrTooLarge if the lists above a znode take too much.
func (c *Conn) Walk(ctx context.Context, root string, opt WalkOptions, visit func(path string, children []string, err error) error) error {
	if err := ValidatePath(root); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := newWalk(c, opt, visit).run(ctx, root)
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

const (
	walkBatches = 4       // in flight at once
	firstParts  = 16      // of the first batches; the number grows while replies are short
	maxParts    = 500     // of one multiRead
	maxSingles  = 128     // in flight at once of a batch without multiRead
	maxRequest  = 512000  // bytes of paths in one multiRead, well below a server's limit
	goodReply   = 1 << 20 // names' bytes up to which batches grow
	longReply   = 4 << 20 // names' bytes beyond which they shrink

	// aheadBytes is up to how many bytes of znodes to be visited are held while several batches
	// fly. From there on one flies at a time. Beyond twice as many, lists are thrown away except the
	// one that is needed next, and nothing else is asked for.
	aheadBytes = 16 << 20
	// maxAbove bounds the lists above the znode to be visited, the longest list aside.
	maxAbove = 32 << 20
	// maxWatched bounds the paths that the session keeps for its watches.
	maxWatched = 256 << 20

	nodeBytes  = int(unsafe.Sizeof(walkNode{}))
	nameBytes  = int(unsafe.Sizeof("")) + 4 // with the length before it in a jute.Codec's block
	watchBytes = 100
)

// walkNode is a znode from when it is asked for until it has been visited and all its
// children have been asked for.
type walkNode struct {
	path    string
	names   []string // of its children, sorted
	asked   int      // how many of them have been asked for
	err     error
	size    int  // bytes that it takes
	flying  bool // in a batch
	listed  bool
	visited bool

	before, after *walkNode // in walk.open
	first, last   *walkNode // children that have been asked for and are to be visited
	sibling       *walkNode // the next of those
}

// more reports whether children are to be asked for.
func (n *walkNode) more() bool { return n.asked < len(n.names) }

// drop lets go of what is not needed once the znode is done with.
func (n *walkNode) drop() { n.path, n.names, n.asked = "", nil, 0 }

type walk struct {
	c       *Conn
	opt     WalkOptions
	visit   func(string, []string, error) error
	found   int
	parts   int // limit of the next batch
	batches int // how many may fly
	flying  int // how many do
	results chan *walkBatch
	single  bool // the server has no multiRead, or cannot do with it what is wanted
	probed  bool // a multiRead has been answered

	// open is a ring of the znodes that are to be listed or have children to be asked for, in the
	// order of their visits. The first comes after open itself.
	open walkNode
	// way leads to the next znode to be visited: those that have been visited and have children
	// that have not, the deepest last.
	way []*walkNode

	spare []*walkBatch // to be used again
	idle  *walkNode    // the same, linked by sibling

	room    int // see aheadBytes
	most    int // see maxAbove
	ahead   int // bytes of znodes that are to be visited
	above   int // bytes of znodes that have been visited and have children to be asked for
	longest int // bytes of the largest znode
	watched int // bytes of what is watched
}

// walkBatch is znodes that are listed together.
type walkBatch struct {
	nodes  []*walkNode
	lists  []walkList // of nodes
	ops    []proto.MultiOp
	reqs   []proto.PathWatchRequest // of ops
	size   int                      // bytes of names
	watch  bool
	probe  bool // the first: whether the server knows multiRead is open
	single bool // without multiRead
	err    error
}

// walkList is the answer about a znode.
type walkList struct {
	names []string
	size  int // bytes of names
	err   error
	got   bool
}

func newWalk(c *Conn, opt WalkOptions, visit func(string, []string, error) error) *walk {
	w := &walk{c: c, opt: opt, visit: visit, found: 1, parts: firstParts, batches: 1,
		results: make(chan *walkBatch, walkBatches),
		single:  opt.Watch, probed: opt.Watch, // multiRead sets no watches
		room: aheadBytes, most: maxAbove}
	w.open.before, w.open.after = &w.open, &w.open
	return w
}

func (w *walk) run(ctx context.Context, root string) error {
	top := &walkNode{visited: true}
	w.way = append(w.way, top)
	w.add(root, top, &w.open)
	for {
		if err := w.fly(ctx); err != nil {
			return err
		}
		if w.flying == 0 {
			return nil
		}
		var b *walkBatch
		select {
		case b = <-w.results:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		w.flying--
		if b.err != nil {
			return b.err
		}
		w.take(b)
		if w.opt.Progress != nil {
			w.opt.Progress(w.found)
		}
		if err := w.advance(); err != nil {
			return err
		}
	}
}

// add opens a znode that is to be listed, before the next in the order of visits.
func (w *walk) add(path string, parent, next *walkNode) *walkNode {
	n := w.idle
	if n == nil {
		n = new(walkNode)
	} else {
		w.idle = n.sibling
	}
	*n = walkNode{path: path, size: nodeBytes + len(path), before: next.before, after: next}
	n.before.after, n.after.before = n, n
	if parent.first == nil {
		parent.first = n
	} else {
		parent.last.sibling = n
	}
	parent.last = n
	w.ahead += n.size
	return n
}

// shut takes a znode that is listed, and whose children have been asked for, out of the ring.
func (w *walk) shut(n *walkNode) {
	n.before.after, n.after.before = n.after, n.before
	n.before, n.after = nil, nil
	if n.visited {
		w.above -= n.size
		n.drop()
	}
}

// fly keeps as many batches in flight as there is use and room for.
func (w *walk) fly(ctx context.Context) error {
	for {
		batches := w.batches
		// Until the server has shown that it knows multiRead, one batch tries it.
		if !w.probed || w.ahead >= w.room {
			batches = 1
		}
		if w.flying >= batches {
			return nil
		}
		b := new(walkBatch)
		if last := len(w.spare) - 1; last >= 0 {
			b, w.spare = w.spare[last], w.spare[:last]
		}
		*b = walkBatch{nodes: b.nodes[:0], lists: b.lists[:0], ops: b.ops[:0], reqs: b.reqs,
			watch: w.opt.Watch, probe: !w.probed, single: w.single}
		if err := w.fill(b); err != nil || len(b.nodes) == 0 {
			return err
		}
		w.flying++
		go func() {
			b.list(ctx, w.c)
			w.results <- b
		}()
	}
}

// fill puts the znodes that are to be listed next into a batch.
func (w *walk) fill(b *walkBatch) error {
	parts, size := w.parts, 0
	if w.ahead >= 2*w.room {
		parts = 1
	}
	for open := w.open.after; open != &w.open && len(b.nodes) < parts; {
		n, path := open, open.path
		switch {
		case n.flying:
			open = open.after
			continue
		case n.listed:
			path = childPath(n.path, n.names[n.asked])
		}
		size += len(w.c.chroot) + len(path)
		if size > maxRequest && len(b.nodes) > 0 {
			break
		}
		if size > serverMaxBuffer {
			return fmt.Errorf("%w: the path of a znode is %d bytes long, more than a server takes", ErrTooLarge, len(path))
		}
		if w.opt.Watch {
			if w.watched += len(path) + watchBytes; w.watched > maxWatched {
				return fmt.Errorf("%w: it takes too many watches", ErrTooLarge)
			}
		}
		if n.listed {
			n = w.add(path, open, open)
			open.asked++
		}
		n.flying = true
		b.nodes = append(b.nodes, n)
		if done := open; open.listed && !open.more() {
			open = open.after
			w.shut(done)
		} else if !open.listed {
			open = open.after
		}
	}
	b.lists = slices.Grow(b.lists, len(b.nodes))[:len(b.nodes)]
	return nil
}

func childPath(parent, name string) string {
	if parent == "/" {
		return parent + name
	}
	return parent + "/" + name
}

// take notes what a batch found.
func (w *walk) take(b *walkBatch) {
	w.probed = true
	w.single = w.single || b.single
	thrown := false
	for i, n := range b.nodes {
		n.flying = false
		list := b.lists[i]
		size := len(list.names)*nameBytes + list.size
		// Lists without room are requested again later. The first may be the next to be visited.
		if !list.got || i > 0 && size > 0 && w.ahead+size > 2*w.room {
			thrown = true
			continue
		}
		n.listed, n.names, n.err = true, list.names, list.err
		n.size += size
		w.ahead += size
		w.longest = max(w.longest, n.size)
		w.found += len(n.names)
		if !n.more() {
			w.shut(n)
		}
	}
	switch {
	case thrown || b.size > longReply:
		w.parts, w.batches = max(1, w.parts/4), 1
	case b.size < goodReply:
		w.batches = min(2*w.batches, walkBatches)
		if len(b.nodes) >= w.parts {
			w.parts = min(2*w.parts, maxParts)
		}
	}
	clear(b.nodes)
	clear(b.lists)
	w.spare = append(w.spare, b)
}

// advance visits znodes up to the next that is not listed.
func (w *walk) advance() error {
	for len(w.way) > 0 {
		end := len(w.way) - 1
		parent := w.way[end]
		n := parent.first
		if n == nil && parent.more() || n != nil && !n.listed {
			return nil
		}
		if n == nil || n.sibling == nil && !parent.more() {
			w.way[end] = nil
			w.way = w.way[:end] // n is its last child
		}
		if n == nil {
			continue
		}
		parent.first, n.sibling = n.sibling, nil
		leaf := len(n.names) == 0
		if !leaf {
			w.way = append(w.way, n)
		}
		if err := w.see(n); err != nil {
			return err
		}
		if leaf {
			*n = walkNode{sibling: w.idle}
			w.idle = n
		}
	}
	return nil
}

// see visits a znode.
func (w *walk) see(n *walkNode) error {
	if err := w.visit(n.path, n.names, n.err); err != nil {
		return err
	}
	n.visited = true
	w.ahead -= n.size
	if !n.more() {
		n.drop()
		return nil
	}
	if w.above += n.size; w.above > w.most+w.longest {
		return fmt.Errorf("%w: %d znodes so far, and ever more of them must be held in memory", ErrTooLarge, w.found)
	}
	return nil
}

// list lists the batch's znodes. A server before 3.6 does not know multiRead and closes
// the connection on it; a reply can also be too long. Then each znode is asked for.
func (b *walkBatch) list(ctx context.Context, c *Conn) {
	if b.single || b.listMulti(ctx, c) {
		b.listSingly(ctx, c)
	}
}

// listSingly asks for each. Once the replies are long it stops.
func (b *walkBatch) listSingly(ctx context.Context, c *Conn) {
	b.err, b.size = nil, 0
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, maxSingles)
	stop := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return b.err != nil || b.size > longReply
	}
	for i, n := range b.nodes {
		slots <- struct{}{}
		if stop() {
			break
		}
		all.Add(1)
		go func() {
			defer all.Done()
			defer func() { <-slots }()
			var res proto.GetChildrenResponse
			err := c.op(ctx, n.path, proto.OpGetChildren, &proto.PathWatchRequest{Path: c.real(n.path), Watch: b.watch}, &res)
			var answer *OpError
			if err != nil && !errors.As(err, &answer) {
				mu.Lock()
				b.err = err
				mu.Unlock()
				return
			}
			list := newWalkList(res.Children, err)
			mu.Lock()
			defer mu.Unlock()
			if i == 0 || b.size <= longReply {
				b.lists[i] = list
			}
			b.size += list.size
		}()
	}
	all.Wait()
}

// listMulti asks for all in one multiRead. It returns true when they should be asked for
// one by one instead.
func (b *walkBatch) listMulti(ctx context.Context, c *Conn) bool {
	b.reqs = slices.Grow(b.reqs[:0], len(b.nodes))[:len(b.nodes)]
	for i, n := range b.nodes {
		b.reqs[i].Path = n.path
		b.ops = append(b.ops, proto.MultiOp{Type: proto.OpGetChildren, Request: &b.reqs[i]})
	}
	results, err := c.MultiRead(ctx, b.ops)
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
		b.lists[i] = newWalkList(results[i].Children, err)
		b.size += b.lists[i].size
	}
	return false
}

// newWalkList takes over names, and sorts them.
func newWalkList(names []string, err error) walkList {
	list := walkList{names: names, err: err, got: true}
	slices.Sort(names)
	for _, name := range names {
		list.size += len(name)
	}
	return list
}
