package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zpath"
)

// WalkOptions change how [Conn.Walk] goes about. With the zero value it only lists names.
type WalkOptions struct {
	// Stat, Data and ACL ask for these of each znode. Data comes with the stat, and the stat with the data where that is
	// short. Each takes a request for each znode, but one that has no children, as its stat says, is not listed.
	Stat, Data, ACL bool
	// Levels is how many levels below the root are walked; 0 means all, and -1 the root alone. What is on the last
	// level is not listed.
	Levels int
	// Most is how many children of each znode are walked, the first ones; 0 means all. Walked.Children has no others.
	Most int
	// From, if set, leaves out what would be visited before it, except what is above it. It is at or below the root, and
	// need not exist. Walked.Children leaves out the same.
	From string
	// Rate is how many requests are made in a second at most, each part of a multiRead being one; 0
	// means as many as the server answers.
	Rate int
	// Watch leaves a watch on the children of each znode that is listed. It takes a request for
	// each znode, where otherwise one lists many.
	Watch bool
	// Begin is called before the first request, except those that find out whether the tree is large. It may be nil.
	Begin func()
	// Progress is called with the number of znodes found so far, now and then, on the
	// goroutine that called Walk.
	Progress func(found int)
}

// Walked is a znode as [Conn.Walk] found it. It is reused; what it refers to is not.
type Walked struct {
	Path     string
	Children []string   // sorted
	Stat     proto.Stat // with WalkOptions.Stat, Data or ACL
	Data     []byte     // with WalkOptions.Data; nil if null
	ACL      []proto.ACL
	Known    bool // what was asked for besides the names is there
	// Err says which of it is missing, and why: proto.ErrNoNode when the znode vanished meanwhile,
	// proto.ErrNoAuth without the right to read it, a *TooLongError. The first
	// of several counts.
	Err error
}

// ErrTooLarge ends the walk of a tree of which too much would have to be held at once.
var ErrTooLarge = errors.New("the tree is too large to be walked, or endless")

// Walk reads the subtree below root, many requests in flight at once. It calls visit for each
// znode, on the caller's goroutine: first root, then depth first with siblings in the order of
// their bytes.
//
// What Walk holds does not grow with the tree: it is the lists of children above the znode
// that is visited, and a bounded part of what comes next.
//
// In large trees, ACLs are read on other sessions, which Walk opens and closes. At its end, the session has caught up with
// them: nothing that was read is newer than Zxid then.
//
// Walk ends with visit's error (nil for fs.SkipAll), the context's, a *LossError, or
// ErrTooLarge if the lists above a znode take too much.
func (c *Conn) Walk(ctx context.Context, root string, opt WalkOptions, visit func(z *Walked) error) error {
	if err := ValidatePath(root); err != nil {
		return err
	}
	defer LessGarbage()()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newWalk(c, opt, visit)
	if opt.ACL {
		others, done := c.beside(ctx, root, opt)
		defer done()
		if len(others) > 0 { // their creation is not to be taken for a change of the tree
			if err := c.Sync(ctx, root); err != nil {
				return err
			}
		}
		if opt.Begin != nil {
			opt.Begin()
		}
		w.others = c.catchUp(ctx, others, root)
	} else if opt.Begin != nil {
		opt.Begin()
	}
	beside := len(w.others) > 0
	err := w.run(ctx, root)
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	if err == nil && beside {
		err = c.Sync(ctx, root)
	}
	return err
}

const (
	walkBatches = 4         // in flight at once
	firstParts  = 16        // of the first batches; the number grows while replies are short
	maxParts    = 500       // of one multiRead
	maxSingles  = 128       // in flight at once of a batch without multiRead
	maxRequest  = 512000    // bytes of paths in one multiRead, well below a server's limit
	goodReply   = 256 << 10 // names' bytes up to which batches grow
	longReply   = 1 << 20   // names' bytes beyond which they shrink
	// expectedName is how many bytes a name in a list is expected to take, with the string that it becomes.
	expectedName = 32

	// A server tells the stats of many znodes at once only with their data. If a batch of these has
	// more than longData bytes each, the next aloneBatches ask for each stat alone.
	longData     = 1 << 10
	aloneBatches = 16

	// aheadBytes is up to how many bytes of znodes to be visited are held while several batches
	// fly. From there on one flies at a time. Beyond twice as many, lists are thrown away except the
	// one that is needed next, and nothing else is asked for.
	aheadBytes = 4 << 20
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
	names   []string  // of its children, sorted
	info    *walkInfo // besides the names, if that was asked for
	asked   int       // how many of them have been asked for
	err     error
	size    int  // bytes that it takes
	level   int  // below the root
	flying  bool // in a batch
	known   bool // besides the names, everything is there
	listed  bool
	visited bool

	before, after *walkNode // in walk.open
	first, last   *walkNode // children that have been asked for and are to be visited
	sibling       *walkNode // the next of those
}

// more reports whether children are to be asked for.
func (n *walkNode) more() bool { return n.asked < len(n.names) }

// drop lets go of what is not needed once the znode is done with.
func (n *walkNode) drop() { n.path, n.names, n.info, n.asked = "", nil, nil, 0 }

// walkInfo is what is known of a znode besides its children's names.
type walkInfo struct {
	stat proto.Stat
	data []byte
	acl  []proto.ACL
	all  bool // nothing that was asked for is missing
	// whole says that the stat came with the data, and not with the ACL.
	whole bool
}

type walk struct {
	c       *Conn
	opt     WalkOptions
	visit   func(*Walked) error
	seen    Walked    // what visit gets
	asks    bool      // for more than names
	settled bool      // a znode that needs no request may be visited
	paced   time.Time // when the next batch may fly
	alone   int       // batches that are to ask for a stat without the data
	found   int
	parts   int // limit of the next batch
	batches int // how many may fly
	flying  int // how many do
	results chan *walkBatch
	single  bool    // the server has no multiRead, or cannot do with it what is wanted
	others  []*Conn // sessions that are asked what multiRead cannot ask
	turn    int     // of others
	probed  bool    // a multiRead has been answered

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

func newWalk(c *Conn, opt WalkOptions, visit func(*Walked) error) *walk {
	w := &walk{c: c, opt: opt, visit: visit, found: 1, parts: firstParts, batches: 1,
		asks:    opt.Stat || opt.Data || opt.ACL,
		results: make(chan *walkBatch, walkBatches),
		single:  opt.Watch, probed: opt.Watch, // multiRead sets no watches
		room: aheadBytes, most: maxAbove}
	w.open.before, w.open.after = &w.open, &w.open
	return w
}

func (w *walk) run(ctx context.Context, root string) error {
	top := &walkNode{visited: true, level: -1}
	w.way = append(w.way, top)
	w.add(root, top, &w.open)
	for {
		if err := w.fly(ctx); err != nil {
			return err
		}
		if w.settled {
			w.settled = false
			if err := w.advance(); err != nil {
				return err
			}
			continue
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
	*n = walkNode{path: path, size: nodeBytes + len(path), level: parent.level + 1, before: next.before, after: next}
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
		*b = walkBatch{nodes: b.nodes[:0], lists: b.lists[:0], multi: b.multi[:0], singly: b.singly[:0], ops: b.ops[:0], reqs: b.reqs,
			watch: w.opt.Watch, probe: !w.probed, single: w.single, stat: !w.opt.Data, alone: w.alone > 0}
		w.alone = max(0, w.alone-1)
		if len(w.others) > 0 {
			for range max(1, len(w.others)/walkBatches) {
				b.others = append(b.others, w.others[w.turn%len(w.others)])
				w.turn++
			}
		}
		if err := w.fill(b); err != nil || len(b.nodes) == 0 {
			return err
		}
		w.flying++
		wait := w.pace(len(b.multi) + len(b.singly))
		go func() {
			if err := sleep(ctx, wait); err != nil {
				b.err = err
			} else {
				b.list(ctx, w.c)
			}
			w.results <- b
		}()
	}
}

// pace returns how long a batch of requests must wait for the rate to be kept.
func (w *walk) pace(requests int) time.Duration {
	if w.opt.Rate <= 0 {
		return 0
	}
	now := time.Now()
	if w.paced.Before(now) {
		w.paced = now
	}
	wait := w.paced.Sub(now)
	w.paced = w.paced.Add(time.Duration(requests) * time.Second / time.Duration(w.opt.Rate))
	return wait
}

// mostParts is how many znodes a batch may have now.
func (w *walk) mostParts() int {
	switch parts := w.parts; {
	case w.ahead >= 2*w.room:
		return 1
	case w.opt.Rate > 0: // ten batches a second, so that the load is even
		return max(1, min(parts, w.opt.Rate/10))
	default:
		return parts
	}
}

// fill puts the znodes that are to be read next into a batch.
func (w *walk) fill(b *walkBatch) error {
	parts, taken, size, expected := w.mostParts(), 0, 0, 0
	for open := w.open.after; open != &w.open && taken < parts; {
		n, path := open, open.path
		switch {
		case n.flying:
			open = open.after
			continue
		case n.listed:
			path = childPath(n.path, n.names[n.asked])
		case n.known && n.info != nil: // its list is next
			expected += int(n.info.stat.NumChildren) * expectedName
		}
		if expected > longReply && taken > 0 {
			break
		}
		size += len(w.c.chroot) + len(path)
		if size > maxRequest && taken > 0 {
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
		taken++
		if w.asks && !n.known || !w.last(n) {
			n.flying = true
			b.ask(n, w.opt, w.asks)
		} else {
			n.listed, w.settled = true, true
			w.shut(n)
			if n == open {
				open = w.open.after
				continue
			}
		}
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

// last reports whether what is below a znode is not walked.
func (w *walk) last(n *walkNode) bool {
	return w.opt.Levels < 0 || w.opt.Levels > 0 && n.level >= w.opt.Levels
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
	if b.deserted {
		w.others = nil
	}
	thrown := false
	for i, n := range b.nodes {
		n.flying = false
		list := &b.lists[i]
		size := len(list.names)*nameBytes + list.size
		// What there is no room for is requested again later. The first may be the next to be visited.
		if list.left > 0 || i > 0 && size > 0 && w.ahead+size > 2*w.room {
			thrown = true
			continue
		}
		if n.err == nil {
			n.err = list.err
		}
		if list.info != nil {
			n.known, n.info = true, list.info
			n.info.all = list.err == nil
			n.listed = n.info.all && n.info.stat.NumChildren == 0 || w.last(n) || errors.Is(n.err, proto.ErrNoNode)
		} else {
			n.listed, n.names = true, w.since(n.path, list.names)
			if w.opt.Most > 0 && len(n.names) > w.opt.Most {
				n.names = slices.Clone(n.names[:w.opt.Most])
			}
			w.found += len(n.names)
		}
		n.size += size
		w.ahead += size
		w.longest = max(w.longest, n.size)
		if n.listed && !n.more() {
			w.shut(n)
		}
	}
	if b.stat && b.data > longData*b.datas {
		w.alone, w.parts = aloneBatches, firstParts
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
	clear(b.ops)
	w.spare = append(w.spare, b)
}

// since leaves out the children before WalkOptions.From.
func (w *walk) since(parent string, names []string) []string {
	if w.opt.From == "" || !zpath.IsBelow(w.opt.From, parent) {
		return names
	}
	name, _, _ := strings.Cut(zpath.Rebase(w.opt.From, parent, "/")[1:], "/")
	first, _ := slices.BinarySearch(names, name)
	return names[first:]
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
	w.seen = Walked{Path: n.path, Children: n.names, Err: n.err}
	if n.info != nil {
		w.seen.Stat, w.seen.Data, w.seen.ACL = n.info.stat, n.info.data, n.info.acl
		w.seen.Known = n.info.all
	}
	if err := w.visit(&w.seen); err != nil {
		return err
	}
	n.visited = true
	w.ahead -= n.size
	if !n.more() {
		n.drop()
		return nil
	}
	if n.info != nil {
		n.size -= n.info.bytes()
		n.info = nil
	}
	if w.above += n.size; w.above > w.most+w.longest {
		return fmt.Errorf("%w: %d znodes so far, and ever more of them must be held in memory", ErrTooLarge, w.found)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
