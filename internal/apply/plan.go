package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/zpath"
)

// plan reads the wanted znodes beside those that exist, and passes what is to be changed to the writer.
type plan struct {
	*run
	ctx    context.Context
	actual existing      // nil if Root does not exist
	next   *source.Znode // of actual
	single bool          // parents need not be wanted, too
	last   string        // the wanted znode before
	above  []*branch     // the wanted znodes from Root down to the last one
	extra  []*surplus    // those that are not wanted, from the top down to the last one
}

// existing passes the znodes that exist, in order, and then nil.
type existing interface {
	Next() (*source.Znode, error)
	Stop()
}

// branch is a wanted znode while its children come.
type branch struct {
	path   string
	create *change     // until it is known whether the znode has children
	acl    []proto.ACL // to be set once the children are there; nil for none
	// aversion is the version of the ACL until then; counts is what setting it counts as.
	aversion   int32
	counts     Action
	raise      bool  // the next sequence number is to be at least want
	want, have int32 // have includes the children that are created
	container  bool
}

// surplus is a znode that is not wanted, while those below it come.
type surplus struct {
	path  string
	stat  proto.Stat
	stay  error // why it cannot be deleted
	fails bool  // which counts as a failure
}

func newPlan(ctx context.Context, r *run) (*plan, error) {
	p := &plan{run: r, ctx: ctx}
	if !p.mine(r.opt.Root) {
		return nil, fmt.Errorf("%s %w", escape.Line(r.opt.Root), ErrReserved)
	}
	_, err := r.conn.Exists(ctx, r.opt.Root, false)
	switch {
	case errors.Is(err, proto.ErrNoNode):
		return p, nil
	case notOfZnode(err) != nil:
		return nil, err
	case r.opt.OnConflict == Fail && !r.opt.Resume && r.opt.Root != "/":
		return nil, &ConflictError{Path: r.opt.Root}
	}
	opt := client.WalkOptions{Stat: true, Data: true, ACL: true, From: r.opt.From}
	if r.opt.Alone {
		opt.Levels = -1
	}
	p.actual = source.Pull(ctx, func(ctx context.Context, visit func(*source.Znode) error) (source.Report, error) {
		return source.Report{}, r.conn.Walk(ctx, r.opt.Root, opt, func(z *client.Walked) error {
			if errors.Is(z.Err, proto.ErrNoNode) {
				return nil
			}
			return visit(source.OfWalk(z))
		})
	})
	return p, p.advance()
}

func (p *plan) close() {
	if p.actual != nil {
		p.actual.Stop()
	}
}

// advance takes the next znode that exists.
func (p *plan) advance() (err error) {
	p.next, err = p.actual.Next()
	if errors.Is(err, proto.ErrNoNode) { // Root was deleted meanwhile
		p.next, err = nil, nil
	}
	return err
}

// see takes the next wanted znode.
func (p *plan) see(z *source.Znode) error {
	switch {
	case p.last == "" && !p.single && z.Path != p.opt.Root:
		return fmt.Errorf("the tree begins with %s, not with %s", escape.Line(z.Path), escape.Line(p.opt.Root))
	case p.last != "" && source.Compare(p.last, z.Path) >= 0:
		return fmt.Errorf("%s comes after %s, which is out of order or twice the same", escape.Line(z.Path), escape.Line(p.last))
	}
	p.last = z.Path
	if !p.mine(z.Path) {
		return nil
	}
	if err := p.ascend(z.Path); err != nil {
		return err
	}
	var parent *branch
	if top := len(p.above) - 1; top >= 0 {
		if parent = p.above[top]; parent.path != zpath.Parent(z.Path) && !p.single {
			return fmt.Errorf("%s has no parent in the tree", escape.Line(z.Path))
		}
		if err := p.begin(parent, true); err != nil {
			return err
		}
	}
	for p.next != nil && source.Compare(p.next.Path, z.Path) < 0 {
		if err := p.unwanted(p.next); err != nil {
			return err
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	if err := p.leaveExtra(z.Path); err != nil {
		return err
	}
	if z.Kind == source.Ephemeral {
		p.res.Ephemeral++
		p.res.Skipped.add(z.Path, errEphemeral)
	}
	if p.next != nil && p.next.Path == z.Path {
		found := *p.next
		if err := p.advance(); err != nil {
			return err
		}
		if z.Kind == source.Ephemeral {
			return nil
		}
		return p.exists(z, &found)
	}
	if z.Kind == source.Ephemeral {
		return nil
	}
	b := p.branch(z)
	if err := p.known(z); err != nil {
		p.fail(z.Path, err)
		return nil
	}
	if parent != nil {
		parent.have++
	}
	b.create = &change{op: create, path: z.Path, data: slices.Clone(z.Data), acl: z.ACL, kind: z.Kind, ttl: z.TTL, counts: Create}
	if z.Data != nil && b.create.data == nil {
		b.create.data = []byte{}
	}
	return nil
}

var (
	errTheirs    = errors.New("was created or changed by somebody else")
	errEphemeral = errors.New("ephemeral znodes belong to sessions and are not copied")
	errUnread    = errors.New("could not be read at the source")
)

// ErrUnreadable means that the server does not show a znode at the destination to this session.
var ErrUnreadable = errors.New("exists there, and this session may not read it; give the destination an identity that may")

// ofSession says why an ephemeral znode at the destination is left alone.
func ofSession(owner int64) error {
	return fmt.Errorf("is an ephemeral znode of session 0x%x, and stays", uint64(owner))
}

// fail records that a znode is not as it is wanted, nor what is below it.
func (r *run) fail(path string, err error) {
	if r.failed == nil {
		r.failed = map[string]bool{}
	}
	r.failed[path] = true
	r.miss(path, err)
}

// lostAbove reports whether the znode, or one above it, has failed.
func (r *run) lostAbove(path string) bool {
	for len(r.failed) > 0 {
		if r.failed[path] {
			return true
		}
		if path == "/" {
			break
		}
		path = zpath.Parent(path)
	}
	return false
}

// mine reports whether a znode may be written: all but the server's own.
func (p *plan) mine(path string) bool {
	if !Reserved(p.conn, path) {
		return true
	}
	return p.opt.System && (path == zookeeper || path == proto.QuotaPath || strings.HasPrefix(path, proto.QuotaPath+"/"))
}

const zookeeper = "/zookeeper"

// Reserved reports whether a znode is the servers' own.
func Reserved(conn *client.Conn, path string) bool {
	return conn.Chroot() == "" && zpath.Within(path, zookeeper)
}

// ErrReserved means that no part of the tree can be written.
var ErrReserved = errors.New("belongs to the servers, which accept only quotas there (--system)")

// branch opens a wanted znode.
func (p *plan) branch(z *source.Znode) *branch {
	raise := !p.opt.NoSequences && (p.opt.From == "" || !zpath.IsBelow(p.opt.From, z.Path)) // children before From may be missing
	b := &branch{path: z.Path, raise: raise, want: source.NextSequence(&z.Stat), container: z.Kind == source.Container}
	p.above = append(p.above, b)
	return b
}

// exists compares a wanted znode with that at its place.
func (p *plan) exists(z, found *source.Znode) error {
	b := p.branch(z)
	changes, err := p.compare(b, z, found)
	for _, c := range changes {
		if err == nil {
			err = p.w.add(c)
		}
	}
	return err
}

// compare decides what happens to a znode that exists.
func (r *run) compare(b *branch, z, found *source.Znode) (changes []*change, err error) {
	sameData := bytes.Equal(z.Data, found.Data) && (z.Data == nil) == (found.Data == nil)
	sameACL := r.opt.NoACL || r.opt.SameACL(found.ACL, z.ACL)
	if !found.Known {
		if sameData, err = r.unread(z, found); err != nil {
			return nil, err
		}
		sameACL = sameData
	}
	b.have = source.NextSequence(&found.Stat)
	system := Reserved(r.conn, z.Path)
	switch {
	case r.opt.OnConflict == Fail && !r.opt.Resume && z.Path != "/" && !system:
		return nil, &ConflictError{Path: z.Path}
	case found.Stat.EphemeralOwner != 0:
		return nil, r.stays(b, ofSession(found.Stat.EphemeralOwner), ", and is an ephemeral znode")
	case sameData && sameACL, system && (z.Path == zookeeper || z.Path == proto.QuotaPath || strings.HasSuffix(z.Path, "/"+proto.StatsNode)):
		b.raise = b.raise && (r.opt.Resume || r.opt.OnConflict == Overwrite) && !system
		r.res.Same++
		r.opt.Wrote(z.Path, &found.Stat, true)
		r.higher(b)
		return nil, nil
	case r.opt.Resume && sameData && unfinished(found.ACL, z.ACL):
		b.acl, b.aversion, b.counts = z.ACL, found.Stat.Aversion, Alter
		return nil, nil
	case r.opt.OnConflict == Overwrite && r.opt.Mine != nil && found.Stat != (proto.Stat{}) && !r.opt.Mine(z.Path, &found.Stat):
		b.raise = false
		r.res.Foreign.add(z.Path, fmt.Errorf("its %s was changed by somebody else", differs(sameData)))
		return nil, nil
	case !found.Known:
		return nil, r.stays(b, ErrUnreadable, ", and this session may not read it")
	case r.opt.OnConflict != Overwrite:
		what := ", and its " + differs(sameData) + " differs"
		return nil, r.stays(b, errors.New("exists"+what), what+" from what is wanted")
	}
	if err := r.known(z); err != nil {
		b.raise = false
		r.miss(z.Path, err)
		return nil, nil
	}
	r.higher(b)
	counts := Alter
	if !sameData {
		changes = append(changes, &change{op: setData, path: z.Path, data: slices.Clone(z.Data), version: found.Stat.Version, counts: counts, partly: !sameACL})
		counts = ""
	}
	if !sameACL {
		b.acl, b.aversion, b.counts = z.ACL, found.Stat.Aversion, counts
	}
	return changes, nil
}

// stays notes that a znode that exists does not become as it is wanted, and why. conflict says so after "exists".
func (r *run) stays(b *branch, why error, conflict string) error {
	b.raise = false
	switch {
	case r.opt.OnConflict == Overwrite:
		r.miss(b.path, why)
	case r.opt.OnConflict == Fail && b.path != "/":
		return &ConflictError{Path: b.path, Why: conflict}
	default:
		r.res.Skipped.add(b.path, why)
	}
	return nil
}

// unread looks at a znode that this session may not read. Servers before ZOOKEEPER-2590 tell its stat even so: then an
// interrupted run takes one of the right length for its own.
func (r *run) unread(z, found *source.Znode) (same bool, err error) {
	if found.Stat, err = r.conn.Exists(r.w.ctx, z.Path, false); err != nil {
		return false, notOfZnode(err)
	}
	return r.opt.Resume && int(found.Stat.DataLength) == len(z.Data), nil
}

// known returns an error if not all that is to be written is known.
func (r *run) known(z *source.Znode) error {
	switch {
	case z.Err != nil:
		return fmt.Errorf("%w: %w", errUnread, z.Err)
	case !z.Known:
		return errUnread
	}
	return CheckACL(z.Path, z.ACL)
}

func differs(sameData bool) string {
	if sameData {
		return "ACL"
	}
	return "data"
}

// higher notes a next sequence number that is above the wanted one: it is never lowered.
func (r *run) higher(b *branch) {
	if b.raise && b.have > b.want {
		r.res.Higher.add(b.path, fmt.Errorf("the next sequential child gets %010d, at the source %010d", b.have, b.want))
	}
}

// begin creates a znode once it is known whether it has children.
func (p *plan) begin(b *branch, parent bool) error {
	c := b.create
	if c == nil {
		return nil
	}
	b.create = nil
	if p.opt.Instead == nil && (parent || b.raise && b.want > b.have) && !open(c.acl) {
		b.acl, c.partly = c.acl, true
		var err error
		if c.acl, err = p.meanwhile(p.ctx, c.acl); err != nil {
			return err
		}
	}
	return p.w.add(c)
}

// ascend leaves the wanted znodes that are not above path.
func (p *plan) ascend(path string) error {
	for len(p.above) > 0 {
		top := len(p.above) - 1
		b := p.above[top]
		if within(b.path, path) {
			return nil
		}
		p.above[top] = nil
		p.above = p.above[:top]
		if err := p.leave(b); err != nil {
			return err
		}
	}
	return nil
}

// leave finishes a wanted znode once its children are there.
func (p *plan) leave(b *branch) error {
	if err := p.begin(b, false); err != nil {
		return err
	}
	if b.raise && b.want > b.have && !p.lostAbove(b.path) {
		return p.late.add(p.ctx, b)
	}
	return p.finish(b)
}

// finish gives a znode the wanted ACL.
func (r *run) finish(b *branch) error {
	if b.acl == nil || r.lostAbove(b.path) {
		return nil
	}
	return r.w.add(&change{op: setACL, path: b.path, acl: b.acl, version: b.aversion, counts: b.counts})
}

// unwanted takes a znode that exists and is not wanted.
func (p *plan) unwanted(z *source.Znode) error {
	if !p.opt.DeleteExtra && !(p.opt.Resume && leftBehind(z)) || !p.mine(z.Path) {
		return nil
	}
	if err := p.leaveExtra(z.Path); err != nil {
		return err
	}
	s := &surplus{path: z.Path, stat: z.Stat}
	if !z.Known {
		var err error
		switch s.stat, err = p.conn.Exists(p.ctx, z.Path, false); {
		case errors.Is(err, proto.ErrNoNode):
			return nil
		case notOfZnode(err) != nil:
			return err
		case err != nil:
			s.stay, s.fails = ErrUnreadable, true
		}
	}
	if s.stat.EphemeralOwner != 0 {
		s.stay = ofSession(s.stat.EphemeralOwner)
	}
	p.extra = append(p.extra, s)
	return nil
}

// leaveExtra deletes the znodes that are not wanted and not above path.
func (p *plan) leaveExtra(path string) error {
	for len(p.extra) > 0 {
		top := len(p.extra) - 1
		s := p.extra[top]
		if within(s.path, path) {
			return nil
		}
		p.extra[top] = nil
		p.extra = p.extra[:top]
		if s.stay != nil {
			if s.fails {
				p.miss(s.path, s.stay)
			} else {
				p.res.Skipped.add(s.path, s.stay)
			}
			if top > 0 && within(p.extra[top-1].path, s.path) {
				above := p.extra[top-1]
				above.stay, above.fails = errors.New("is not wanted, and stays because of what is below it"), above.fails || s.fails
			}
			continue
		}
		if err := p.w.add(&change{op: remove, path: s.path, version: s.stat.Version, counts: Delete}); err != nil {
			return err
		}
	}
	return nil
}

// end takes the end of the wanted znodes.
func (p *plan) end() error {
	if p.last == "" {
		return fmt.Errorf("the tree is empty: %w", fs.ErrNotExist)
	}
	for p.next != nil {
		if err := p.unwanted(p.next); err != nil {
			return err
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	if err := p.leaveExtra("//"); err != nil {
		return err
	}
	return p.ascend("//")
}

// within reports whether path is root, or below it. Nothing is above "//".
func within(root, path string) bool {
	return path != "//" && zpath.Within(path, root)
}
