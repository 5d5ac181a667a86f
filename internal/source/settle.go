package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sorted"
)

// settling is an attempt to read a tree as it was at one moment, on one connection:
//
//  1. A recursive watch is set, and then everything is read.
//  2. What has changed since it was read is read again, until a reply arrives before which no change was reported. All
//     data are now as they were at that reply's zxid, since a server reports a change before any reply that shows it.
//  3. ACLs change without an event, but count their changes: if a znode still has the count that was read, its ACL was at
//     that zxid as it was read. Where the count has changed, the znode is read again, and all goes on at 2.
//
// If there was no transaction since the start, there is nothing to do after 1. A server before 3.6 has no recursive watches;
// then 3 compares everything that a change leaves a mark on, and not only the ACLs' counts.
type settling struct {
	l       *live
	opt     *Options
	watch   bool
	start   int64
	seen    int            // by the walk
	sorted  *sorted.Sorter // everything that was read; of a path that was read again, the last counts
	touched map[string]found
	errs    map[string]error // why something could not be read
	key     []byte
	value   []byte
	list    []byte
}

// found is what is compared of a znode.
type found struct {
	state byte
	stat  proto.Stat
}

// The states of a znode.
const (
	gone byte = iota
	known
	unread
)

const (
	settleRoom = 4 << 20 // bytes that are sorted in memory: they come in order, mostly
	maxTouched = 100_000 // znodes that were read again and are remembered
	rereads    = 64      // that are in flight
)

// sayAgain is the least time between two notes that changed znodes are read again.
const sayAgain = 10 * time.Second

// Reasons to start over.
var (
	errNoWatch  = errors.New("the servers have no recursive watches (3.6); what has been read is compared with a second walk")
	errNotApart = errors.New("a consistent walk needs a session of its own") // a mistake in the program
)

// settled is Walk with Options.Settle.
func (l *live) settled(ctx context.Context, opt Options, visit func(*Znode) error) (r Report, err error) {
	if !l.own {
		return r, errNotApart
	}
	defer client.LessGarbage()() // also while what was read is sorted and visited
	until, cut := time.Now().Add(opt.Settle), 0
	if err := l.conn.WaitConnected(ctx); err != nil { // there is nothing yet that could start over
		return r, err
	}
	for {
		s := &settling{l: l, opt: &opt, watch: !l.watchless, sorted: sorted.NewSorter(settleRoom), touched: map[string]found{}, errs: map[string]error{}}
		m, err := s.try(ctx, until)
		if err == nil {
			r, err = s.visit(ctx, m, visit)
		}
		_ = s.sorted.Close() // its folder is temporary
		var loss *client.LossError
		switch lost := errors.As(err, &loss); {
		case err == nil || ctx.Err() != nil:
			return r, err
		case errors.Is(err, errNoWatch):
			l.watchless = true
		case lost && loss.Op == proto.OpAddWatch && loss.Sent: // maybe that is how the server refuses it
			if cut++; cut > 1 {
				l.watchless, err = true, errNoWatch
			}
		case lost && time.Now().Before(until), errors.Is(err, errLost), errors.Is(err, errOver):
		default:
			return r, err
		}
		if err := l.conn.WaitConnected(ctx); err != nil {
			return r, err
		}
		if opt.Settling != nil {
			opt.Settling(fmt.Sprintf("%v; the walk starts over", err))
		}
	}
}

// try reads everything. The moment is inconsistent if time runs out.
func (s *settling) try(ctx context.Context, until time.Time) (Moment, error) {
	conn, path := s.l.conn, s.l.path
	s.l.dirt.reset(path)
	s.seen = 0
	if s.opt.Bytes != nil {
		s.opt.Bytes.Store(0)
	}
	if s.watch {
		if err := conn.AddWatch(ctx, path, proto.WatchPersistentRecursive); errors.Is(err, proto.ErrUnimplemented) {
			return Moment{}, errNoWatch
		} else if err != nil {
			return Moment{}, err
		}
		defer func() {
			_ = conn.RemoveWatches(context.WithoutCancel(ctx), path, proto.WatcherPersistentRecursive, true)
		}()
		s.l.count(ctx, s.opt)
	} else if _, err := conn.Exists(ctx, path, false); err != nil {
		return Moment{}, err
	}
	walk := client.WalkOptions{Begin: func() { s.start = conn.Zxid() }, Stat: true, Data: s.opt.Data, ACL: s.opt.ACL, Levels: s.opt.Levels, Rate: s.opt.Rate}
	if err := conn.Walk(ctx, path, walk, s.walked); err != nil {
		return Moment{}, err
	}
	said := time.Time{}
	for {
		zxid := conn.Zxid() // before take: all changes up to it have been reported
		paths, missing := s.l.dirt.Take()
		late := time.Now().After(until)
		switch {
		case s.watch && missing != nil && !late:
			return Moment{}, missing
		case s.watch && missing != nil:
			return Moment{Start: s.start, End: zxid, Dirty: max(len(paths), 1)}, nil
		case len(paths) > 0:
			if err := s.again(ctx, paths); err != nil {
				return Moment{}, err
			}
			if left, _ := s.l.dirt.Left(); left > 0 && time.Now().After(until) {
				return Moment{Start: s.start, End: conn.Zxid(), Dirty: left}, nil
			}
			continue
		case zxid == s.start:
			return Moment{Start: zxid, End: zxid, Consistent: true}, nil
		}
		changed, err := s.compare(ctx)
		switch {
		case err != nil:
			return Moment{}, err
		case len(changed) == 0:
			return Moment{Start: s.start, End: zxid, Consistent: true}, nil
		case time.Now().After(until):
			return Moment{Start: s.start, End: conn.Zxid(), Dirty: len(changed)}, nil
		}
		if now := time.Now(); s.opt.Settling != nil && now.Sub(said) >= sayAgain {
			said = now
			s.opt.Settling(fmt.Sprintf("znodes that changed during the walk are read again: %d", len(changed)))
		}
		s.l.dirt.Add(slices.Collect(maps.Keys(changed))...)
	}
}

// walked notes what the walk has found.
func (s *settling) walked(z *client.Walked) error {
	if isGone(z.Err) && z.Path == s.l.path {
		return none(z.Path)
	}
	s.opt.found(z.Data)
	if s.seen++; s.seen&0x3f == 1 && s.opt.Progress != nil {
		s.opt.Progress(s.seen)
	}
	return s.add(z.Path, stateOf(z.Err), &z.Stat, z.Data, z.ACL, z.Err)
}

func stateOf(err error) byte {
	switch {
	case err == nil:
		return known
	case isGone(err):
		return gone
	}
	return unread
}

// again reads znodes again.
func (s *settling) again(ctx context.Context, paths []string) error {
	var mu sync.Mutex // for add, which one goroutine may call at a time
	return s.each(ctx, paths, func(path string) error {
		stat, data, acl, err := s.read(ctx, path)
		var op *client.OpError
		if err != nil && !errors.As(err, &op) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		state := stateOf(err)
		if _, old := s.touched[path]; old || len(s.touched) < maxTouched {
			s.touched[path] = found{state, stat}
		}
		return s.add(path, state, &stat, data, acl, err)
	})
}

// each calls do for each path that is walked, many at a time. The first error ends it.
func (s *settling) each(ctx context.Context, paths []string, do func(path string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, rereads)
	var all sync.WaitGroup
	for _, path := range paths {
		level, ok := within(s.l.path, path)
		if !ok || !s.opt.covers(level) {
			continue
		}
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := do(path); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// read reads a znode. Its stat is that of the data, except for the version of the ACL.
func (s *settling) read(ctx context.Context, path string) (stat proto.Stat, data []byte, acl []proto.ACL, err error) {
	conn, aversion := s.l.conn, int32(0)
	if s.opt.ACL {
		if acl, stat, err = conn.GetACL(ctx, path); err != nil {
			return stat, nil, nil, err
		}
		aversion = stat.Aversion
	}
	if s.opt.Data {
		data, stat, err = conn.Get(ctx, path, false)
	} else {
		stat, err = conn.Exists(ctx, path, false)
	}
	if s.opt.ACL {
		stat.Aversion = aversion
	}
	return stat, data, acl, err
}

// compare returns what has changed since it was read, as far as events do not tell.
func (s *settling) compare(ctx context.Context) (map[string]struct{}, error) {
	var mu sync.Mutex
	changed := map[string]struct{}{}
	note := func(path string) {
		mu.Lock()
		defer mu.Unlock()
		changed[path] = struct{}{}
	}
	// What has changed before may soon change again or vanish, so it is asked about first.
	if err := s.each(ctx, slices.Collect(maps.Keys(s.touched)), func(path string) error {
		stat, err := s.l.conn.Exists(ctx, path, false)
		var op *client.OpError
		if err != nil && !errors.As(err, &op) {
			return err
		}
		if s.differ(s.touched[path], found{stateOf(err), stat}) {
			note(path)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	each, done, err := s.sorted.Cursor()
	if err != nil {
		return nil, err
	}
	defer done()
	before := sorted.Latest(each)
	key, value, err := before()
	var walked []byte
	walk := client.WalkOptions{Stat: true, Levels: s.opt.Levels, Rate: s.opt.Rate}
	pass := func(key []byte, now found) {
		path := PathOf(key)
		if _, asked := s.touched[path]; asked {
			return
		}
		was := found{}
		if value != nil {
			was = foundIn(value)
		}
		if s.differ(was, now) {
			note(path)
		}
	}
	// upTo passes what was read and comes before a key, or at the end everything.
	upTo := func(end []byte, all bool) error {
		for err == nil && (all || slices.Compare(key, end) < 0) {
			pass(key, found{})
			key, value, err = before()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if err := s.l.conn.Walk(ctx, s.l.path, walk, func(z *client.Walked) error {
		walked = AppendKey(walked[:0], z.Path)
		if err := upTo(walked, false); err != nil {
			return err
		}
		now := found{stateOf(z.Err), z.Stat}
		if err == nil && slices.Equal(key, walked) {
			pass(key, now)
			key, value, err = before()
			return nil
		}
		held := value
		value = nil // it was not there
		pass(walked, now)
		value = held
		return nil
	}); err != nil {
		return nil, err
	}
	if err := upTo(nil, true); err != nil {
		return nil, err
	}
	return changed, nil
}

// differ reports whether a znode has changed in a way that no event has reported or will report. What could not be read
// is not known to have changed.
func (s *settling) differ(was, now found) bool {
	a, b := &was.stat, &now.stat
	switch {
	case was.state == unread:
		return false
	case s.watch:
		// What was created since then is of no interest, and its event, like that of a deletion, has been seen or will be. But
		// the ACL of what was deleted is not known to have been the same until then.
		return was.state == known && (now.state != known || a.Czxid != b.Czxid || a.Aversion != b.Aversion)
	case was.state != now.state:
		return true
	}
	return was.state == known && (a.Czxid != b.Czxid || a.Mzxid != b.Mzxid || a.Pzxid != b.Pzxid || a.Version != b.Version ||
		a.Cversion != b.Cversion || a.Aversion != b.Aversion || a.NumChildren != b.NumChildren)
}

// add notes what a znode is.
func (s *settling) add(path string, state byte, stat *proto.Stat, data []byte, acl []proto.ACL, err error) error {
	if state == unread && len(s.errs) < maxUnread {
		s.errs[path] = err
	}
	c := jute.NewEncoder(append(s.value[:0], state))
	stat.Visit(c)
	list := jute.NewEncoder(s.list[:0])
	for i := range acl {
		acl[i].Visit(list)
	}
	s.list = list.Bytes()
	v := binary.BigEndian.AppendUint32(c.Bytes(), uint32(len(s.list)))
	v = append(v, s.list...)
	if data != nil {
		v = append(append(v, 1), data...)
	}
	s.key, s.value = AppendKey(s.key[:0], path), v
	return s.sorted.Add(s.key, v)
}

func foundIn(v []byte) found {
	f := found{state: v[0]}
	c := jute.NewDecoder(v[1 : 1+proto.StatSize])
	f.stat.Visit(c)
	return f
}

// visit passes on what was read.
func (s *settling) visit(ctx context.Context, m Moment, visit func(*Znode) error) (r Report, err error) {
	each, done, err := s.sorted.Cursor()
	if err != nil {
		return r, err
	}
	defer done()
	next := sorted.Latest(each)
	s.opt.moment(m)
	acls := map[string][]proto.ACL{}
	var z Znode
	for {
		if r.Read&0x3ff == 0 && ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		key, v, err := next()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		state := v[0]
		if state == gone {
			r.Gone++
			continue
		}
		r.Read++
		z = Znode{Path: PathOf(key), Known: state == known}
		c := jute.NewDecoder(v[1:])
		z.Stat.Visit(c)
		z.Kind = KindOf(z.Stat.EphemeralOwner)
		rest := v[1+proto.StatSize:]
		size := binary.BigEndian.Uint32(rest)
		list, rest := rest[4:4+size], rest[4+size:]
		z.ACL = decodeACL(list, acls)
		if len(rest) > 0 {
			z.Data = rest[1:]
		}
		if state == unread {
			if z.Err = s.errs[z.Path]; z.Err == nil {
				z.Err = &client.OpError{Op: proto.OpGetData, Path: z.Path, Code: proto.ErrNoAuth}
			}
			r.failed(z.Path, z.Err)
		}
		if s.opt.Match != nil && !s.opt.Match(&z) {
			continue
		}
		if err := visit(&z); err != nil {
			return r, err
		}
	}
}

// mostLists bounds the table of lists that are not decoded again.
const mostLists = 1000

// decodeACL returns a list, shared with others of the same znodes.
func decodeACL(b []byte, known map[string][]proto.ACL) []proto.ACL {
	if len(b) == 0 {
		return nil
	}
	if list, ok := known[string(b)]; ok {
		return list
	}
	var list []proto.ACL
	for c := jute.NewDecoder(b); c.Remaining() > 0 && c.Err() == nil; {
		var a proto.ACL
		a.Visit(c)
		list = append(list, a)
	}
	if len(known) < mostLists {
		known[string(b)] = list
	}
	return list
}
