package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// walkBatch is znodes that are read together.
type walkBatch struct {
	nodes    []*walkNode
	lists    []walkList // of nodes
	multi    []walkPart // what a multiRead can ask
	singly   []walkPart
	ops      []proto.MultiOp          // of multi
	reqs     []proto.PathWatchRequest // of multi
	mu       sync.Mutex               // guards the following, and lists, while requests are in flight
	size     int                      // bytes of names and data
	data     int                      // bytes of data, and how many
	datas    int
	err      error
	stat     bool // the data of getData is not wanted, only its stat
	alone    bool // exists instead, because data is long
	watch    bool
	probe    bool    // the first: whether the server knows multiRead is open
	single   bool    // without multiRead
	others   []*Conn // that are asked for singly, if there are any
	deserted bool    // one of them cannot be asked
}

// walkPart is a request about a znode.
type walkPart struct {
	node int // in walkBatch.nodes
	op   proto.Op
}

// walkList is the answer about a znode: the names of its children, or what is known besides.
type walkList struct {
	names []string
	info  *walkInfo
	size  int // bytes of names, or of info
	left  int // answers that are missing
	err   error
}

const (
	infoBytes = int(unsafe.Sizeof(walkInfo{}))
	aclBytes  = int(unsafe.Sizeof(proto.ACL{})) + 32
)

// take notes the stat that came with an answer. Data and ACL may come from different moments: the stat is that of the data,
// except for the version of the ACL, which is that of the ACL.
func (i *walkInfo) take(op proto.Op, stat proto.Stat) {
	switch {
	case op != proto.OpGetACL:
		aversion := i.stat.Aversion
		if i.stat = stat; i.acl != nil {
			i.stat.Aversion = aversion
		}
		i.whole = true
	case i.whole:
		i.stat.Aversion = stat.Aversion
	default:
		i.stat = stat
	}
}

func (i *walkInfo) bytes() int { return infoBytes + len(i.data) + aclBytes*len(i.acl) }

// ask adds what is to be asked about a znode next.
func (b *walkBatch) ask(n *walkNode, opt WalkOptions, more bool) {
	node := len(b.nodes)
	b.nodes = append(b.nodes, n)
	add := func(op proto.Op) {
		part := walkPart{node, op}
		if multi := op == proto.OpGetChildren || op == proto.OpGetData; multi && !b.single {
			b.multi = append(b.multi, part)
		} else {
			b.singly = append(b.singly, part)
		}
	}
	if !more || n.known {
		add(proto.OpGetChildren)
		return
	}
	if opt.ACL { // with the stat
		add(proto.OpGetACL)
	}
	switch {
	case opt.Data, !opt.ACL && !b.alone && !b.single:
		add(proto.OpGetData)
	case !opt.ACL:
		add(proto.OpExists)
	}
}

// list asks for everything. A server before 3.6 does not know multiRead and closes the connection
// on it; a reply can also be too long. Then each znode is asked for.
func (b *walkBatch) list(ctx context.Context, c *Conn) {
	for _, parts := range [][]walkPart{b.multi, b.singly} {
		for _, p := range parts {
			b.lists[p.node].left++
		}
	}
	var others sync.WaitGroup
	switch {
	case len(b.singly) == 0:
	case len(b.others) == 0 || b.single:
		others.Go(func() { b.askSingly(ctx, c, b.singly) })
	default:
		share := (len(b.singly) + len(b.others) - 1) / len(b.others)
		i := 0
		for parts := range slices.Chunk(b.singly, share) {
			other := b.others[i]
			i++
			others.Go(func() { b.askOther(ctx, c, other, parts) })
		}
	}
	if len(b.multi) > 0 && b.askMulti(ctx, c) {
		b.askSingly(ctx, c, b.multi)
	}
	others.Wait()
}

// fail ends the walk.
func (b *walkBatch) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
}

// full reports whether no further reply is wanted.
func (b *walkBatch) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil || b.size > longReply
}

// take notes the answer to a part. Once there is too much, it only counts, except for the first
// znode, without which the walk does not advance.
func (b *walkBatch) take(p walkPart, a Answer) {
	size, unwanted := len(a.Data)+aclBytes*len(a.ACL), 0
	if b.stat {
		unwanted = len(a.Data)
	}
	if p.op == proto.OpGetChildren {
		slices.Sort(a.Names)
		for _, name := range a.Names {
			size += len(name)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.size
	b.size += size
	if p.node > 0 && before > longReply {
		return
	}
	list := &b.lists[p.node]
	list.left--
	if list.err == nil {
		list.err = a.Err
	}
	if p.op == proto.OpGetChildren {
		list.names, list.size = a.Names, size
		return
	}
	if list.info == nil {
		list.info = &walkInfo{}
		size += infoBytes
	}
	list.size += size - unwanted
	if a.Err == nil {
		list.info.take(p.op, a.Stat)
	}
	if p.op == proto.OpGetData {
		b.data += len(a.Data)
		b.datas++
	}
	if a.Data != nil && !b.stat {
		list.info.data = a.Data
	}
	if a.ACL != nil {
		list.info.acl = a.ACL
	}
}

// asked is a request about a part, on its way.
type asked struct {
	part walkPart
	Reading
}

// askOther is askSingly on another session, or on this one for what the other does not answer.
func (b *walkBatch) askOther(ctx context.Context, c, other *Conn, parts []walkPart) {
	var left []walkPart
	b.askOn(ctx, other, parts, func(p walkPart, _ error) { left = append(left, p) })
	if len(left) == 0 {
		return
	}
	b.mu.Lock()
	b.deserted = true
	b.mu.Unlock()
	b.askSingly(ctx, c, left)
}

// askSingly makes a request for each part. What is not answered ends the walk.
func (b *walkBatch) askSingly(ctx context.Context, c *Conn, parts []walkPart) {
	b.askOn(ctx, c, parts, func(_ walkPart, err error) { b.fail(err) })
}

// askOn makes a request for each part, many in flight. Once the replies are long it stops.
//
// One goroutine sends and receives all of them: the replies come in the order of the requests, so that it seldom waits.
func (b *walkBatch) askOn(ctx context.Context, c *Conn, parts []walkPart, fail func(p walkPart, err error)) {
	var same sameACL
	take := func(q asked) (tooLong error) {
		q.same = &same
		switch a, err := q.Wait(); {
		case err == nil:
			b.take(q.part, a)
		case isTooLong(err):
			return err
		default:
			fail(q.part, err)
		}
		return nil
	}
	var long []walkPart // parts whose replies, or others in flight beside them, are too long
	flying := make([]asked, 0, min(len(parts), maxSingles))
	first := 0 // of flying, a ring once it is full
	land := func() {
		q := flying[first]
		flying[first] = asked{}
		if take(q) != nil {
			long = append(long, q.part)
		}
	}
	left := 0
	for i, p := range parts {
		if i > 0 && b.full() {
			break
		}
		q := b.send(ctx, c, p)
		if left < maxSingles {
			flying = append(flying, q)
			left++
			continue
		}
		land()
		flying[first] = q
		first = (first + 1) % len(flying)
	}
	for ; left > 0; left-- {
		land()
		first = (first + 1) % len(flying)
	}
	for i, p := range long { // one at a time, which shows whose it is
		if i > 0 && b.full() {
			return
		}
		if err := take(b.send(ctx, c, p)); err != nil {
			b.take(p, Answer{Err: &TooLongError{Op: p.op, Path: b.nodes[p.node].path, Err: err}})
		}
	}
}

// send sends the request of a part.
func (b *walkBatch) send(ctx context.Context, c *Conn, p walkPart) asked {
	return asked{p, c.StartRead(ctx, p.op, b.nodes[p.node].path, b.watch && p.op == proto.OpGetChildren)}
}

// askMulti asks for all in one multiRead. It returns true when they should be asked for one by
// one instead.
func (b *walkBatch) askMulti(ctx context.Context, c *Conn) bool {
	b.reqs = slices.Grow(b.reqs[:0], len(b.multi))[:len(b.multi)]
	for i, p := range b.multi {
		b.reqs[i].Path = b.nodes[p.node].path
		b.ops = append(b.ops, proto.MultiOp{Type: p.op, Request: &b.reqs[i]})
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
		b.fail(err)
		return false
	case len(results) != len(b.multi):
		b.fail(&ProtocolError{What: "the reply to multiRead lacks parts"})
		return false
	}
	var hidden []walkPart // whose data may not be read, but maybe the stat
	for i, p := range b.multi {
		r := &results[i]
		a := Answer{Names: r.Children, Data: r.Data}
		if b.stat && r.Err == proto.ErrNoAuth && p.op == proto.OpGetData {
			hidden = append(hidden, walkPart{p.node, proto.OpExists})
			continue
		}
		if r.Stat != nil {
			a.Stat = *r.Stat
		}
		if r.Err != proto.OK {
			a.Err = &OpError{Op: p.op, Path: b.nodes[p.node].path, Code: r.Err}
		}
		b.take(p, a)
	}
	b.askSingly(ctx, c, hidden)
	return false
}

// TooLongError means that a reply about a znode is longer than Config.MaxPacket.
type TooLongError struct {
	Op   proto.Op
	Path string
	Err  error
}

func (e *TooLongError) Error() string {
	what := "the data"
	if e.Op == proto.OpGetChildren {
		what = "the list of children"
	}
	return fmt.Sprintf("%s of %s is too long for one reply (raise -jute-maxbuffer)", what, escape.Line(e.Path))
}

// Unwrap returns what ended the connection.
func (e *TooLongError) Unwrap() error { return e.Err }

func isTooLong(err error) bool {
	var p *ProtocolError
	return errors.As(err, &p) && p.tooLong
}
