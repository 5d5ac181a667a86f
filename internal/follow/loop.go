package follow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

const (
	// mostDirty is how many znodes may wait to be read. If there are more, the whole tree is read again.
	mostDirty = 1 << 16
	// mostReads is how many are read at once.
	mostReads = 256
	// settleEvery is how often Settled is called while there is always something else to be taken.
	settleEvery = time.Millisecond
)

// follower is the state of a Run. Its goroutine is that of the caller; only what mu guards is shared with the session's events.
type follower struct {
	cfg   client.Config
	path  string
	opt   Options
	visit func(*Change) error

	conn      *client.Conn
	oneShot   bool // the server has no persistent watches
	started   bool // the state at the start is complete
	unsettled bool // something was yielded since Settled
	reading   uint32
	known     *known
	values    map[uint32][]byte // by id in known, with Options.Keep
	settled   time.Time         // when Settled was last called
	names     []string          // of the children of path, with Options.Names
	cversion  int32             // of path
	warned    map[string]bool   // paths of which Warn knows

	wake chan struct{}
	mu   sync.Mutex
	news
}

// news is what events have reported since it was last taken.
type news struct {
	dirty  []string // znodes to be read, in the order of their first events
	queued map[string]struct{}
	flood  bool // dirty would be too long
	lost   bool // the connection broke
	back   bool // and there is another, or a new session
	ended  bool // the session expired
}

// event takes an event of the session, on the session's goroutine.
func (f *follower) event(from *client.Conn, e client.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case from != f.conn:
		return
	case e.Type == proto.EventNone:
		switch e.State {
		case proto.StateDisconnected:
			f.lost, f.back = true, false
		case proto.StateExpired, proto.StateAuthFailed:
			f.lost, f.ended = true, true
		default:
			f.back = f.lost
		}
	case e.Type == proto.EventDataWatchRemoved, e.Type == proto.EventChildWatchRemoved, e.Type == proto.EventPersistentWatchRemoved:
		return
	case len(f.dirty) >= mostDirty:
		f.flood = true
	default:
		if _, is := f.queued[e.Path]; is {
			return
		}
		if f.queued == nil {
			f.queued = map[string]struct{}{}
		}
		f.queued[e.Path] = struct{}{}
		f.dirty = append(f.dirty, e.Path)
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// takeNews returns what was reported, and forgets it. That the connection is lost stays known until it is back.
func (f *follower) takeNews() news {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.news
	f.news = news{lost: n.lost && !n.back && !n.ended}
	return n
}

// moreDirty returns which other znodes are to be read, unless something else is to be done first.
func (f *follower) moreDirty() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost || f.flood {
		return nil
	}
	n := f.news
	f.news = news{}
	return n.dirty
}

func (f *follower) open() error {
	ready := make(chan struct{})
	var own *client.Conn
	cfg := f.cfg
	cfg.Watched = func(e client.Event) {
		<-ready
		f.event(own, e)
	}
	conn, err := client.Open(cfg)
	if err != nil {
		return err
	}
	own = conn
	f.mu.Lock()
	f.conn, f.news = conn, news{}
	f.mu.Unlock()
	close(ready)
	return nil
}

func (f *follower) close() {
	if f.conn != nil {
		_ = f.conn.Close()
	}
}

// run is Run.
func (f *follower) run(ctx context.Context) error {
	if err := f.open(); err != nil {
		return err
	}
	if err := f.conn.WaitConnected(ctx); err != nil {
		return err
	}
	err := f.readAll(ctx, false)
	for broken := false; ; {
		if err != nil && !client.IsLoss(err) {
			return err
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		n := f.takeNews()
		if n.lost && !broken {
			broken = true
			f.tell(false)
		}
		switch {
		case n.ended:
			if err = f.renew(ctx); err == nil {
				err = f.readAll(ctx, true)
			}
		case n.back, n.flood && !n.lost:
			err = f.readAll(ctx, true)
		case n.lost:
			continue // everything is read again once it is back
		default:
			err = f.readSome(ctx, n.dirty, false, f.moreDirty)
			continue
		}
		if err == nil && broken {
			broken = false
			f.tell(true)
		}
	}
}

func (f *follower) tell(back bool) {
	if f.opt.Connection != nil {
		f.opt.Connection(back)
	}
}

func (f *follower) settle() error {
	if !f.unsettled || f.opt.Settled == nil {
		return nil
	}
	f.unsettled, f.settled = false, time.Now()
	return f.opt.Settled()
}

// renew opens another session after the last one ended.
func (f *follower) renew(ctx context.Context) error {
	if err := f.conn.Err(); f.conn.State() == client.AuthFailed && err != nil {
		return err
	}
	identities := f.conn.Identities()
	f.close()
	f.cfg.Auth = identities
	f.cfg.Wait = true // the servers were there before
	if err := f.open(); err != nil {
		return err
	}
	for f.conn.WaitConnected(ctx) != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !f.conn.State().Alive() {
			return f.conn.Err()
		}
	}
	// The server may lag behind the one of the old session.
	return f.conn.Sync(ctx, f.path)
}

// readAll sets the watch and reads everything. What differs from what was known was missed.
func (f *follower) readAll(ctx context.Context, missed bool) error {
	if err := f.watch(ctx); err != nil {
		return err
	}
	f.reading++
	var err error
	if f.opt.Tree {
		err = f.readTree(ctx, missed)
	} else {
		err = f.readSome(ctx, []string{f.path}, missed, nil)
	}
	if err == nil && f.opt.Tree {
		err = f.unseen()
	}
	if err != nil {
		return err
	}
	first := !f.started
	f.started = true
	f.unsettled = f.unsettled || first
	return f.settle()
}

// watch sets the watch that tells of every change. Servers before 3.6 have none such: then each reading leaves one-shot watches.
func (f *follower) watch(ctx context.Context) error {
	if f.oneShot {
		return nil
	}
	mode := proto.WatchPersistent
	if f.opt.Tree {
		mode = proto.WatchPersistentRecursive
	}
	err := f.conn.AddWatch(ctx, f.path, mode)
	var loss *client.LossError
	hungUp := !f.started && errors.As(err, &loss) && loss.Sent && loss.Code == proto.ErrConnectionLoss
	if !hungUp && !errors.Is(err, proto.ErrUnimplemented) {
		return err
	}
	// A server before 3.6 hangs up, with or without an answer.
	if again := f.conn.WaitConnected(ctx); again != nil {
		return errors.Join(err, again)
	}
	f.oneShot = true
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn.State() == client.Connected && !f.ended {
		f.lost, f.back = false, false // nothing was missed: nothing has been read
	}
	return nil
}

// readTree reads the tree, parents first.
func (f *follower) readTree(ctx context.Context, missed bool) error {
	opt := client.WalkOptions{Stat: true, Data: f.opt.Data, Watch: f.oneShot}
	var again []string // to be read one by one
	err := f.conn.Walk(ctx, f.path, opt, func(z *client.Walked) error {
		r := found{path: z.Path, exists: true, stat: z.Stat, data: z.Data, hasData: f.opt.Data}
		switch {
		case errors.Is(z.Err, proto.ErrNoNode):
			if z.Path != f.path || f.started && !f.oneShot {
				return nil // unseen notices
			}
			again = append(again, z.Path)
		case z.Err != nil && !z.Known:
			f.warn(z.Path, z.Err)
			again = append(again, z.Path)
		case f.oneShot:
			again = append(again, z.Path)
		default:
			if z.Err != nil {
				f.warn(z.Path, z.Err)
			}
			return f.take(&r, missed)
		}
		if len(again) < mostReads {
			return nil
		}
		err := f.readSome(ctx, again, missed, nil)
		again = again[:0]
		return err
	})
	if err == nil {
		err = f.readSome(ctx, again, missed, nil)
	}
	return err
}

// warn reports what cannot be followed, once for each znode.
func (f *follower) warn(path string, err error) {
	if f.warned[path] || f.opt.Warn == nil {
		return
	}
	if f.warned == nil {
		f.warned = map[string]bool{}
	}
	if len(f.warned) < mostDirty {
		f.warned[path] = true
	}
	f.opt.Warn(err)
}

// readSome reads znodes, many at once, and takes them in the order of the paths. more, if not nil, returns others that have become
// known meanwhile.
func (f *follower) readSome(ctx context.Context, paths []string, missed bool, more func() []string) error {
	flying := make([]reading, 0, min(len(paths), mostReads))
	for {
		for len(paths) > 0 && len(flying) < mostReads {
			flying = append(flying, f.start(ctx, paths[0]))
			paths = paths[1:]
		}
		if len(flying) == 0 {
			return nil
		}
		r := f.finish(ctx, &flying[0])
		flying[0] = reading{}
		flying = flying[1:]
		if r.err != nil {
			return r.err
		}
		if err := f.take(&r, missed); err != nil {
			return err
		}
		if f.oneShot && f.opt.Tree && f.started && !missed {
			if err := f.readSome(ctx, f.unknownChildren(ctx, r.path), missed, nil); err != nil {
				return err
			}
		}
		if more == nil {
			continue
		}
		paths = append(paths, more()...)
		idle := len(paths) == 0 && (len(flying) == 0 || !flying[0].arrived())
		if idle || time.Since(f.settled) > settleEvery {
			if err := f.settle(); err != nil {
				return err
			}
		}
	}
}

// reading is a znode whose reading has been started.
type reading struct {
	path                    string
	stat, data, children    client.Reading
	asked, dataAsked, named bool
}

func (r *reading) arrived() bool {
	return (!r.asked || r.stat.Arrived()) && (!r.dataAsked || r.data.Arrived()) && (!r.named || r.children.Arrived())
}

func (f *follower) start(ctx context.Context, path string) reading {
	r := reading{path: path}
	if f.opt.Data {
		r.data, r.dataAsked = f.conn.StartRead(ctx, proto.OpGetData, path, f.oneShot), true
	} else {
		r.stat, r.asked = f.conn.StartRead(ctx, proto.OpExists, path, f.oneShot), true
	}
	if !f.opt.Tree && (f.opt.Names || f.oneShot) {
		r.children, r.named = f.conn.StartRead(ctx, proto.OpGetChildren2, path, f.oneShot), true
	}
	return r
}

// finish returns what a reading has found.
func (f *follower) finish(ctx context.Context, r *reading) (z found) {
	z = found{path: r.path, exists: true}
	var children, answer client.Answer
	if r.named {
		children, z.err = r.children.Wait()
	}
	if r.dataAsked && z.err == nil {
		answer, z.err = r.data.Wait()
		if z.hasData = z.err == nil && answer.Err == nil; !z.hasData && z.err == nil {
			if !errors.Is(answer.Err, proto.ErrNoNode) {
				z.refused = answer.Err
			}
			if z.refused != nil || f.oneShot { // a watch for its creation, too
				r.stat, r.asked = f.conn.StartRead(ctx, proto.OpExists, r.path, f.oneShot), true
			}
		}
		z.data = answer.Data
	}
	if r.asked && z.err == nil {
		answer, z.err = r.stat.Wait()
	}
	if z.err == nil && answer.Err == nil && r.named {
		answer.Err = children.Err
		if answer.Err == nil {
			z.named, z.names = f.opt.Names, children.Names
			slices.Sort(z.names)
		} else if !errors.Is(answer.Err, proto.ErrNoNode) {
			z.refused, answer.Err = answer.Err, nil
		}
	}
	switch {
	case z.err != nil:
	case errors.Is(answer.Err, proto.ErrNoNode):
		return found{path: r.path}
	default:
		z.stat, z.err = answer.Stat, answer.Err
	}
	return z
}

// unknownChildren lists a znode again after its one-shot watches have fired, and returns children that are new. Those that were
// deleted have watches of their own.
func (f *follower) unknownChildren(ctx context.Context, path string) (more []string) {
	isKnown := func(path string) bool {
		id := f.known.find(path, false)
		return id != 0 && f.known.node(id).is()
	}
	if !isKnown(path) {
		return nil
	}
	names, _, err := f.conn.Children(ctx, path, true)
	if err != nil {
		f.refusedChildren(path, err)
		return nil
	}
	slices.Sort(names)
	for _, name := range names {
		if child := strings.TrimSuffix(path, "/") + "/" + name; !isKnown(child) {
			more = append(more, child)
		}
	}
	return more
}

// refusedChildren warns, unless the connection broke, after which everything is read again.
func (f *follower) refusedChildren(path string, err error) {
	var op *client.OpError
	if errors.As(err, &op) && !errors.Is(err, proto.ErrNoNode) {
		f.warn(path, err)
	}
}
