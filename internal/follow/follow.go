// Package follow keeps up with a znode, or with a whole tree: it yields the state at the start and then what changed. It yields
// states, not every write: what changes twice before it is read again is one change.
//
//	follow.go   what is followed, and what a change is
//	loop.go     events, reconnects, and the reading that they cause
//	table.go    how a new state differs from what is known of a znode
//	known.go    what is known of each znode, in little memory
//
// Watches say that something changed; what changed is always read. After a reconnect, everything is read again: servers set
// persistent watches anew without reporting what happened meanwhile (DataTree.setWatches), and no watch reports a new ACL.
package follow

import (
	"context"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// Kind is what happened to a znode.
type Kind string

// The kinds of changes.
const (
	Start    Kind = "start"    // nothing yet: the state when following began
	Created  Kind = "created"  //
	Changed  Kind = "changed"  // its data was written
	Deleted  Kind = "deleted"  //
	Children Kind = "children" // its list of children changed; not for trees, in which each of them is followed
	ACL      Kind = "acl"      // its ACL changed
)

// Change is a change of one znode. It is valid until the function that gets it returns.
type Change struct {
	Kind   Kind
	Path   string
	Old    *Version    // nil if it did not exist, and at the start
	New    *proto.Stat // nil if it does not exist
	Missed bool        // found by reading again after the connection broke, or events came too fast

	Data, OldData       []byte // see Options; nil if null
	HasData, HasOldData bool
	Names, Added, Gone  []string // children, sorted, with Options.Names
	HasNames            bool
	Refused             error // why the data or the children could not be read
	Time                time.Time
}

// Version is what is kept of a znode. There is one for each znode of a tree, so that its size matters.
type Version struct {
	Czxid, Mzxid int64
	Version, ACL int32  // of the data and of the ACL
	Length       int32  // of the data
	seen         uint32 // the reading of everything that last found it, from 1 on
}

// Options say what to follow.
type Options struct {
	Tree  bool // everything below the znode, too
	Data  bool // read the data
	Keep  bool // keep the data, for Change.OldData; it takes as much memory as the data
	Names bool // read the names of the children, for Change.Added and Gone; not for trees
	// Warn reports what cannot be followed, such as a znode whose children may not be listed.
	Warn func(err error)
	// Settled is called when nothing else is known to have changed, now and then meanwhile, and when the state at the start is
	// complete.
	Settled func() error
	// Connection is called when the connection is lost (false) and when changes missed meanwhile have been read (true).
	Connection func(back bool)
}

// Run follows a path until ctx ends or visit fails, and returns the cause. It opens a session of its own, and another when that
// expires. visit and the functions of the options are called on the caller's goroutine.
func Run(ctx context.Context, cfg client.Config, path string, opt Options, visit func(*Change) error) error {
	if err := client.ValidatePath(path); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opt.Data = opt.Data || opt.Keep
	cfg.RequestTimeout = 0 // a slow answer is no reason to give up; SessionTimeout bounds it
	f := &follower{cfg: cfg, path: path, opt: opt, visit: visit, wake: make(chan struct{}, 1), known: newKnown(path)}
	if opt.Keep {
		f.values = map[uint32][]byte{}
	}
	defer f.close()
	if opt.Tree {
		defer client.LessGarbage()()
	}
	err := f.run(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
