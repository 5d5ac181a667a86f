package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"sort"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// never is after all changes.
const never = math.MaxUint64

// lives reads the histories of znodes, one after another.
type lives struct {
	*replay
	visit func() error // of the second pass: gets each znode that exists in the end
	key   []byte       // of the current znode
	stack []ancestor   // it, and the znodes above it
	life  life
	saved bool  // it is in the snapshot
	kids  int32 // children; second pass
}

func (s *replay) lives() *lives { return &lives{replay: s, life: life{data: []byte{}}} }

// life is a znode since it was created.
type life struct {
	exists bool
	since  uint64 // the change that created it; 0 if it is in the snapshot
	until  uint64 // when its parent is deleted, or its session closed
	closes int64  // with which zxid its session is closed then; 0 if it is the parent
	stat   proto.StatPersisted
	length int32
	acl    uint32
	null   bool
	data   []byte // never nil
}

// ancestor is a znode whose history is known.
type ancestor struct {
	length int      // of its key
	before bool     // whether it is in the snapshot
	turns  []uint64 // the changes that deleted or created it
	exists bool     // in the end
	since  uint64   // if so, the change that created it
	kids   int32    // children in the end

	// What happens to its children, since it was created: the number of changes to them may be large, but few matter.
	cversion int32
	pzxid    int64
	raised   bool
	highest  int32 // cversion, and the first change that raises it so far
	raisedAt uint64
	raiser   int64
	goneAt   uint64 // the last deletion
	gone     int64
}

// existed reports whether the znode existed before a change, and returns when it is deleted next.
func (a *ancestor) existed(at uint64) (until uint64, ok bool) {
	n := sort.Search(len(a.turns), func(i int) bool { return a.turns[i] >= at })
	if a.before == (n%2 == 1) {
		return 0, false
	}
	if n == len(a.turns) {
		return never, true
	}
	return a.turns[n], true
}

// raise takes in that a change to a child raises cversion (ztree's raiseCversion). Each such change sets pzxid, too, but only the
// first that reaches the highest cversion is left in the end.
func (a *ancestor) raise(at uint64, cversion int32, zxid int64) {
	if a.exists && at > a.since && (!a.raised || cversion > a.highest || cversion == a.highest && at < a.raisedAt) {
		a.raised, a.highest, a.raisedAt, a.raiser = true, cversion, at, zxid
	}
}

// lose takes in that a child is deleted.
func (a *ancestor) lose(at uint64, zxid int64) {
	if a.exists && at > a.since && at > a.goneAt {
		a.goneAt, a.gone = at, zxid
	}
}

// settle returns whether the stat differs from what the znode's own history says.
func (a *ancestor) settle() (changed bool) {
	before := *a
	if a.raised && a.highest > a.cversion {
		a.cversion, a.pzxid = a.highest, a.raiser
	}
	if a.goneAt != 0 {
		a.pzxid = max(a.pzxid, a.gone)
	}
	return a.cversion != before.cversion || a.pzxid != before.pzxid
}

func (l *lives) run(ctx context.Context) error {
	err := l.sorted.Each(ctx, func(key, value []byte) error {
		if len(l.stack) == 0 || !bytes.Equal(key, l.key) {
			if err := l.end(); err != nil {
				return err
			}
			if err := l.begin(key); err != nil {
				return err
			}
		}
		return l.see(value)
	})
	if err != nil {
		return err
	}
	if err := l.end(); err != nil {
		return err
	}
	return l.pop(0)
}

// begin turns to the next znode.
func (l *lives) begin(key []byte) error {
	above := len(l.stack)
	for above > 0 {
		if n := l.stack[above-1].length; n < len(key) && key[n] == 0 && bytes.Equal(key[:n], l.key[:n]) {
			break
		}
		above--
	}
	if err := l.pop(above); err != nil {
		return err
	}
	l.key = append(l.key[:0], key...)
	if n := len(l.stack); n < cap(l.stack) {
		l.stack = l.stack[:n+1]
	} else {
		l.stack = append(l.stack, ancestor{})
	}
	top := l.current()
	*top = ancestor{length: len(key), turns: top.turns[:0]}
	l.life, l.saved = life{data: l.life.data[:0]}, false
	return nil
}

func (l *lives) current() *ancestor { return &l.stack[len(l.stack)-1] }

// parent returns the parent, or nil if it never existed.
func (l *lives) parent() *ancestor {
	if len(l.key) > 0 && len(l.stack) > 1 {
		if a := &l.stack[len(l.stack)-2]; a.length == bytes.LastIndexByte(l.key, 0) {
			return a
		}
	}
	return nil
}

// see takes the next part of the znode's history.
func (l *lives) see(v []byte) error {
	kind := v[0]
	v = v[1:]
	if kind <= saved {
		if l.saved {
			return storage.ErrTree // twice in the snapshot
		}
		if l.saved = true; kind == saved {
			l.restore(v)
		}
		return nil
	}
	at := binary.BigEndian.Uint64(v)
	v = v[8:]
	if l.life.exists && l.life.until < at {
		l.die()
	}
	switch kind {
	case created:
		l.create(at, v)
	case deleted:
		l.remove(at, v)
	case dataSet:
		if l.life.exists {
			l.life.stat.Mzxid, l.life.stat.Mtime = longOf(v), longOf(v[8:])
			l.life.stat.Version, l.life.length = intOf(v[16:]), intOf(v[20:])
			l.fill(v[24:])
		}
	case aclSet:
		if l.life.exists {
			l.life.stat.Aversion = intOf(v)
			l.setACL(v[4:])
		}
	}
	return nil
}

func longOf(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
func intOf(b []byte) int32  { return int32(binary.BigEndian.Uint32(b)) }

// restore takes the znode from the snapshot.
func (l *lives) restore(v []byte) {
	z := &l.life
	z.exists = true
	if l.stat {
		z.stat, z.length = decodePersisted(v)
		v = v[statSize:]
	} else {
		z.stat.EphemeralOwner = longOf(v)
		v = v[8:]
	}
	l.fill(l.setACL(v))
	l.current().before = true
	until := uint64(never)
	if p := l.parent(); p != nil {
		until, _ = p.existed(1)
	}
	l.ends(0, until)
}

// ends works out when the znode ends with its parent or its session.
func (l *lives) ends(at, parent uint64) {
	z := &l.life
	z.until, z.closes = parent, 0
	owner := z.stat.EphemeralOwner
	if owner == 0 || len(l.closings) == 0 || proto.EphemeralTypeOf(owner) != proto.EphemeralNormal {
		return
	}
	i := sort.Search(len(l.closings), func(i int) bool {
		c := &l.closings[i]
		return c.session > owner || c.session == owner && c.at > at
	})
	if i < len(l.closings) && l.closings[i].session == owner && l.closings[i].at < parent {
		z.until, z.closes = l.closings[i].at, l.closings[i].zxid
	}
}

func (l *lives) setACL(v []byte) (rest []byte) {
	if !l.opt.ACL {
		return v
	}
	l.life.acl = binary.BigEndian.Uint32(v)
	return v[4:]
}

func (l *lives) fill(v []byte) {
	l.life.null = len(v) == 0
	if !l.life.null {
		l.life.data = append(l.life.data[:0], v[1:]...)
	}
}

func (l *lives) create(at uint64, v []byte) {
	p := l.parent()
	if p == nil {
		return
	}
	until, ok := p.existed(at)
	if !ok {
		return
	}
	plain, owner := v[0] == 1, longOf(v[1:])
	v = v[9:]
	var zxid, time int64
	var length int32
	if l.stat {
		zxid, time, length = longOf(v), longOf(v[8:]), intOf(v[20:])
		if !l.life.exists || plain {
			p.raise(at, intOf(v[16:]), zxid)
		}
		v = v[24:]
	}
	v = l.setACL(v)
	if l.life.exists { // as in the fuzzy range of a snapshot
		return
	}
	l.life.exists, l.life.since, l.life.length = true, at, length
	l.life.stat = proto.StatPersisted{Czxid: zxid, Mzxid: zxid, Pzxid: zxid, Ctime: time, Mtime: time, EphemeralOwner: owner}
	l.fill(v)
	l.ends(at, until)
	l.turn(at)
}

func (l *lives) turn(at uint64) {
	top := l.current()
	top.turns = append(top.turns, at)
}

func (l *lives) remove(at uint64, v []byte) {
	p := l.parent()
	if p == nil {
		return
	}
	if _, ok := p.existed(at); !ok {
		return
	}
	p.lose(at, longOf(v))
	if l.life.exists {
		l.life.exists = false
		l.turn(at)
	}
}

// die ends the znode's life with its parent's, or with its session.
func (l *lives) die() {
	z := &l.life
	z.exists = false
	if p := l.parent(); z.closes != 0 && p != nil {
		p.lose(z.until, z.closes)
	}
	l.turn(z.until)
}

// end ends the history of the current znode.
func (l *lives) end() error {
	if len(l.stack) == 0 {
		return nil
	}
	if l.life.exists && l.life.until != never {
		l.die()
	}
	if !l.life.exists {
		return nil
	}
	top := l.current()
	top.exists, top.since, top.cversion, top.pzxid = true, l.life.since, l.life.stat.Cversion, l.life.stat.Pzxid
	if p := l.parent(); p != nil {
		p.kids++
	}
	if l.visit == nil {
		l.exist++
		return nil
	}
	return l.visit()
}

// pop leaves znodes, down to so many. The first pass then knows what their children do to their stats.
func (l *lives) pop(down int) error {
	for n := len(l.stack); n > down; n-- {
		a := &l.stack[n-1]
		if l.visit != nil || !l.stat || !a.exists || !a.settle() && a.kids == 0 {
			continue
		}
		if err := l.sums.Add(l.key[:a.length], appendLongs(appendInts(nil, a.kids, a.cversion), a.pzxid)); err != nil {
			return err
		}
	}
	l.stack = l.stack[:down]
	return nil
}

// ahead reads the sums of parents.
type ahead struct {
	next     func() (key, value []byte, err error)
	key, sum []byte // the next parent's; valid if begun and not ended
	begun    bool
	ended    bool
}

// take adds to the current znode what its children do to its stat.
func (l *lives) take(a *ahead) error {
	for !a.ended && (!a.begun || bytes.Compare(a.key, l.key) < 0) {
		var err error
		if a.key, a.sum, err = a.next(); errors.Is(err, io.EOF) {
			a.ended = true
		} else if err != nil {
			return err
		}
		a.begun = true
	}
	if l.kids = 0; !a.ended && bytes.Equal(a.key, l.key) {
		l.kids, l.life.stat.Cversion, l.life.stat.Pzxid = intOf(a.sum), intOf(a.sum[4:]), longOf(a.sum[8:])
	}
	return nil
}

// first is the first pass.
func (s *replay) first(ctx context.Context) error {
	slices.SortFunc(s.closings, func(a, b closing) int {
		return cmp.Or(cmp.Compare(a.session, b.session), cmp.Compare(a.at, b.at))
	})
	return s.lives().run(ctx)
}

// second is the second pass. It passes on the znodes in order.
func (s *replay) second(ctx context.Context, r *Report, visit func(*Znode) error) error {
	next, done, err := s.sums.Cursor()
	if err != nil {
		return err
	}
	defer done()
	sums := &ahead{next: next}
	second := s.lives()
	found := false
	var z Znode
	n := 0
	second.visit = func() error {
		if s.stat {
			if err := second.take(sums); err != nil {
				return err
			}
		}
		path := PathOf(second.key)
		level, ok := within(s.path, path)
		if !ok {
			return nil
		}
		found = found || level == 0
		if err := s.opt.pulse(ctx, n, r.Read); err != nil {
			return err
		}
		if n++; !s.opt.covers(level) {
			return nil
		}
		r.Read++
		l := &second.life
		z = Znode{Path: path, Known: true}
		if s.stat {
			z.Stat = l.stat.Stat(l.length, second.kids)
			z.Kind, z.TTL = KindOf(l.stat.EphemeralOwner), ttlOf(l.stat.EphemeralOwner)
		}
		if s.opt.ACL {
			z.ACL = s.lists.lists[l.acl]
		}
		if s.opt.Data && !l.null {
			z.Data = l.data
			s.opt.found(z.Data)
		}
		if s.opt.Match != nil && !s.opt.Match(&z) {
			return nil
		}
		return visit(&z)
	}
	if err := second.run(ctx); err != nil {
		return err
	}
	if !found {
		return none(s.path)
	}
	return nil
}
