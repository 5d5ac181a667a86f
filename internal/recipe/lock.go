package recipe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// The marks of zkctl's znodes. A contender is one znode for each of them, all made in one transaction, so that their numbers follow
// each other. Curator's contenders wait for znodes with their own mark and a lower number, and sort all others by their whole names:
// those that begin with ours come last. kazoo's wait for those with its mark. Ours waits for every sequential znode with a lower
// number. So each excludes each, and no two can wait for each other.
const (
	mutexMark = "-lock-"   // InterProcessMutex, LeaderSelector
	latchMark = "-latch-"  // LeaderLatch
	kazooMark = "__lock__" // Lock, WriteLock, Election
)

// Options say what to contend for.
type Options struct {
	Path   string
	Data   []byte // of the contender's znodes, by which others show who holds the lock
	Leader bool   // an election: exclude LeaderLatch, too
	// Waiting is called when the contender has to wait, for how many others, and for whose znode next; again when that changes.
	Waiting func(before int, next string, owner int64)
}

// Lock is a contender for a lock, with a session of its own.
type Lock struct {
	cfg   client.Config
	opt   Options
	conn  *client.Conn
	id    string
	marks []string
	names []string // of its znodes, in the order of marks
	seq   int64    // the lowest of their numbers
	token int64

	mu     sync.Mutex
	change chan struct{} // closed at the next event
}

// NewLock opens the contender's session. Release ends it.
func NewLock(ctx context.Context, cfg client.Config, opt Options) (*Lock, error) {
	if err := client.ValidatePath(opt.Path); err != nil {
		return nil, err
	}
	cfg.RequestTimeout = 0 // SessionTimeout bounds each answer
	l := &Lock{cfg: cfg, opt: opt, id: newUUID(), marks: []string{mutexMark, kazooMark}, change: make(chan struct{})}
	if opt.Leader {
		l.marks = append(l.marks, latchMark)
	}
	if err := l.open(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *Lock) open(ctx context.Context) error {
	cfg := l.cfg
	cfg.OnEvent = func(client.Event) { l.happened() }
	conn, err := client.Open(cfg)
	if err != nil {
		return err
	}
	l.conn = conn
	return conn.WaitConnected(ctx)
}

func (l *Lock) close() {
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

func (l *Lock) happened() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.change)
	l.change = make(chan struct{})
}

// next returns a channel that is closed at the next event.
func (l *Lock) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.change
}

// Znode returns the path of the znode that stands for the lock.
func (l *Lock) Znode() string { return path.Join(l.opt.Path, l.names[0]) }

// Token returns the zxid that made the znode: each holder's is higher than those of the holders before. It is valid once the lock is
// held.
func (l *Lock) Token() int64 { return l.token }

// Acquire waits until the lock is held. It survives lost connections, and if the session expires meanwhile, it starts again with
// another. After an error the lock is not held; Release still has to be called.
func (l *Lock) Acquire(ctx context.Context) error {
	for {
		next := l.next() // before anything is asked, so that no event is missed
		held, err := l.try(ctx)
		switch {
		case held:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// try does what can be done now. If the lock is not held then, an event will say when to try again.
func (l *Lock) try(ctx context.Context) (held bool, err error) {
	err = l.join(ctx)
	if err == nil {
		held, err = l.look(ctx)
	}
	switch state := l.conn.State(); {
	case err == nil, ctx.Err() != nil:
		return held, err
	case state == client.Expired, errors.Is(err, proto.ErrSessionExpired): // the answer may come before the connection ends
		return l.again(ctx)
	case client.IsLoss(err) && state.Alive():
		if state != client.Connecting { // it is back already
			l.happened()
		}
		return false, nil
	}
	return false, err
}

// again starts with another session, at the end of the queue.
func (l *Lock) again(ctx context.Context) (bool, error) {
	l.cfg.Auth = l.conn.Identities()
	l.cfg.Wait = true // the servers were there before
	l.close()
	l.names = nil
	if err := l.open(ctx); err != nil && (ctx.Err() != nil || !client.IsLoss(err)) {
		return false, err
	}
	l.happened()
	return false, nil
}

// mostJoins is how often joining the queue may fail because the lock's znode, a container, was deleted in between.
const mostJoins = 10

// join makes the contender's znodes, unless they are there.
func (l *Lock) join(ctx context.Context) error {
	if l.names != nil {
		return nil
	}
	// A create may have happened although its answer was lost; the UUID finds it.
	children, _, err := l.conn.Children(ctx, l.opt.Path, false)
	if err != nil && !errors.Is(err, proto.ErrNoNode) {
		return err
	}
	if l.adopt(children) {
		return nil
	}
	missing := err != nil
	for range mostJoins {
		if missing {
			if err = makeContainers(ctx, l.conn, l.opt.Path); err != nil {
				return err
			}
		}
		var ops []proto.MultiOp
		for _, mark := range l.marks {
			// Not create2, which servers before 3.5 lack.
			ops = append(ops, proto.MultiOp{Type: proto.OpCreate, Request: &proto.CreateRequest{
				Path: path.Join(l.opt.Path, ours+l.id+mark), Data: l.opt.Data, ACL: proto.OpenACL, Flags: proto.EphemeralSequential}})
		}
		var results []proto.MultiResult
		if results, err = l.conn.Multi(ctx, ops); err == nil {
			var names []string
			for _, r := range results {
				names = append(names, path.Base(r.Path))
			}
			if !l.adopt(names) {
				return fmt.Errorf("the children of %s have been numbered beyond %d; locks need another znode", l.opt.Path, int32(1<<31-1))
			}
			return nil
		}
		if missing = errors.Is(err, proto.ErrNoNode); !missing {
			return err
		}
	}
	return err
}

// adopt finds the contender's znodes among names.
func (l *Lock) adopt(names []string) bool {
	var found []string
	lowest := int64(-1)
	for _, mark := range l.marks {
		for _, name := range names {
			before, seq, ok := sequence(name)
			// A number beyond 31 bits is negative and has fewer digits, or a second dash before it.
			if !ok || before != ours+l.id+mark {
				continue
			}
			found = append(found, name)
			if lowest < 0 || seq < lowest {
				lowest = seq
			}
		}
	}
	if len(found) != len(l.marks) {
		return false
	}
	l.names, l.seq = found, lowest
	return true
}

// look reports whether it is the contender's turn. If not, it watches the znode before it.
func (l *Lock) look(ctx context.Context) (bool, error) {
	for {
		children, _, err := l.conn.Children(ctx, l.opt.Path, false)
		if err != nil && !errors.Is(err, proto.ErrNoNode) {
			return false, err
		}
		if !l.adopt(children) { // somebody has deleted them
			l.names = nil
			return false, fmt.Errorf("%s: the znodes of this contender were deleted by somebody else", l.opt.Path)
		}
		before, n := predecessor(children, l.seq)
		if n == 0 {
			stat, err := l.conn.Exists(ctx, l.Znode(), false)
			l.token = stat.Czxid
			return err == nil, err
		}
		stat, err := l.conn.Exists(ctx, path.Join(l.opt.Path, before), true)
		switch {
		case errors.Is(err, proto.ErrNoNode):
			continue
		case err != nil:
			return false, err
		}
		if l.opt.Waiting != nil {
			l.opt.Waiting(n, before, stat.EphemeralOwner)
		}
		return false, nil
	}
}

// releaseTime is how long Release may take. What cannot be deleted ends with the session.
const releaseTime = 3 * time.Second

// Release lets go of the lock, or leaves the queue, and closes the session.
func (l *Lock) Release() {
	ctx, cancel := context.WithTimeout(client.Unasked(context.Background()), releaseTime) // they are its own
	defer cancel()
	if l.conn.State() == client.Connected {
		// Closing the session deletes them, too, but not before it has answered what is on its way.
		var ops []proto.MultiOp
		for _, name := range l.names {
			ops = append(ops, proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: path.Join(l.opt.Path, name), Version: -1}})
		}
		if len(ops) > 0 {
			_, _ = l.conn.Multi(ctx, ops)
		}
	}
	l.close()
}

// makeContainers makes a znode and its missing parents. They are containers, as Curator's: the server deletes them some time after
// their last child. Servers before 3.5.3 have none.
func makeContainers(ctx context.Context, conn *client.Conn, znode string) error {
	mode := proto.Container
	for i := 1; i <= len(znode); i++ {
		if i < len(znode) && znode[i] != '/' {
			continue
		}
		_, _, err := conn.Create(ctx, znode[:i], nil, proto.OpenACL, mode, 0)
		if errors.Is(err, proto.ErrUnimplemented) && mode == proto.Container {
			mode = proto.Persistent
			if err := conn.WaitConnected(ctx); err != nil { // the server hung up
				return err
			}
			_, _, err = conn.Create(ctx, znode[:i], nil, proto.OpenACL, mode, 0)
		}
		if err == nil || errors.Is(err, proto.ErrNodeExists) {
			continue
		}
		if errors.Is(err, proto.ErrNoAuth) { // maybe it is there, and only what is below may be made
			if _, exists := conn.Exists(ctx, znode[:i], false); exists == nil {
				continue
			}
		}
		return err
	}
	return nil
}

// newUUID returns a random UUID, as Curator puts it into names.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return strings.Join([]string{fmt.Sprintf("%x", b[:4]), fmt.Sprintf("%x", b[4:6]), fmt.Sprintf("%x", b[6:8]), fmt.Sprintf("%x", b[8:10]), fmt.Sprintf("%x", b[10:])}, "-")
}
