package localserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// Znode is a znode of the tree, with its stat.
type Znode struct {
	Path     string
	Data     []byte   // nil if null
	Children []string // names, sorted
	ACL      []ACL

	Created, Modified                    time.Time // ctime, mtime
	Czxid, Mzxid, Pzxid                  int64
	Version, ChildrenVersion, ACLVersion int32         // dataVersion, cversion, aclVersion
	Session                              int64         // of an ephemeral one; otherwise 0
	Container                            bool          // it is deleted after its last child
	TTL                                  time.Duration // its time to live; 0 without one
}

// ACL is an entry of an access control list.
type ACL struct {
	Perms      string // a subset of "cdrwa"
	Scheme, ID string
}

// ErrNoNode is wrapped by the error for a znode that does not exist.
var ErrNoNode = errors.New("no such znode")

// Znode returns a znode, or ErrNoNode, whatever its ACL says. It sees every write that a client has
// had an answer to.
func (e *Ensemble) Znode(ctx context.Context, path string) (*Znode, error) {
	var z *Znode
	err := e.see(ctx, func(t *ztree.Tree) {
		if n := t.Get(path); n != nil {
			z = znodeOf(t, path, n)
		}
	})
	if err == nil && z == nil {
		err = ErrNoNode
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", path, err)
	}
	return z, nil
}

func znodeOf(t *ztree.Tree, path string, n *ztree.Node) *Znode {
	s := n.ClientStat()
	z := &Znode{
		Path: path, Data: slices.Clone(n.Data()), Children: t.Children(path),
		Created: time.UnixMilli(s.Ctime), Modified: time.UnixMilli(s.Mtime), Czxid: s.Czxid, Mzxid: s.Mzxid, Pzxid: s.Pzxid,
		Version: s.Version, ChildrenVersion: s.Cversion, ACLVersion: s.Aversion,
	}
	for _, a := range t.ACL(n.ACL) {
		z.ACL = append(z.ACL, ACL{a.Perms.String(), a.ID.Scheme, a.ID.ID})
	}
	switch owner := n.Owner(); proto.EphemeralTypeOf(owner) {
	case proto.EphemeralNormal:
		z.Session = owner
	case proto.EphemeralContainer:
		z.Container = true
	case proto.EphemeralTTL:
		z.TTL = time.Duration(proto.TTLOf(owner)) * time.Millisecond
	}
	return z
}

// Dump returns the data of all znodes by their paths, but for the root and what is below /zookeeper.
func (e *Ensemble) Dump(ctx context.Context) (map[string]string, error) {
	tree := map[string]string{}
	err := e.see(ctx, func(t *ztree.Tree) {
		for path, n := range t.All() {
			if path != "/" && path != "/zookeeper" && !strings.HasPrefix(path, "/zookeeper/") {
				tree[path] = string(n.Data())
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("dump the tree: %w", err)
	}
	return tree, nil
}

// see has f look at the tree of the leader, once it has what any member has.
func (e *Ensemble) see(ctx context.Context, f func(*ztree.Tree)) error {
	if err := e.onlyEmbedded(); err != nil {
		return err
	}
	leader, err := e.WaitLeader(ctx)
	if err != nil {
		return err
	}
	newest := int64(0)
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil && m.mode(ctx) != "" {
			newest = max(newest, s.LastZxid())
		}
	}
	s := leader.embedded()
	if s == nil {
		return ErrNoLeader
	}
	if err := await.Until(ctx, func() bool { return s.LastZxid() >= newest }); err != nil {
		return err
	}
	s.See(f)
	return nil
}

// seedPatience bounds Seed if its context has no deadline.
const seedPatience = time.Minute

// Seed makes znodes with data by their paths, and the missing ones above them. Those that exist get
// the data. All may be changed by everybody.
func (e *Ensemble) Seed(ctx context.Context, tree map[string]string) error {
	if err := e.seed(ctx, tree); err != nil {
		return fmt.Errorf("seed the tree: %w", err)
	}
	return nil
}

func (e *Ensemble) seed(ctx context.Context, tree map[string]string) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, seedPatience)
		defer cancel()
	}
	all := map[string]bool{} // by path: it is in tree
	for path := range tree {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("path %q does not start with /", path)
		}
		for up := path; up != "/" && up != ""; up = up[:strings.LastIndexByte(up, '/')] {
			all[up] = all[up] || up == path
		}
	}
	c, err := client.Open(client.Config{Servers: e.ConnectString(), Wait: true})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, path := range slices.Sorted(maps.Keys(all)) {
		_, _, err := c.Create(ctx, path, []byte(tree[path]), proto.OpenACL, proto.Persistent, 0)
		if errors.Is(err, proto.ErrNodeExists) {
			err = nil
			if all[path] {
				_, err = c.Set(ctx, path, []byte(tree[path]), -1)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// Session is a client's session.
type Session struct {
	ID         int64
	Timeout    time.Duration
	Member     int64    // the number of the embedded member that its client is connected to; 0 for none
	Ephemerals []string // paths, sorted
}

// Sessions are the sessions that embedded members know, in the order of their ids.
func (e *Ensemble) Sessions() []Session {
	found := map[int64]*Session{}
	for _, m := range e.Members() {
		server := m.embedded()
		if server == nil {
			continue
		}
		for _, one := range server.OpenSessions() {
			s := found[one.ID]
			if s != nil && !one.Connected {
				continue
			}
			if s == nil {
				s = &Session{ID: one.ID, Timeout: one.Timeout}
				found[one.ID] = s
			}
			if one.Connected { // this member has what it has acknowledged to the client; others may lag
				s.Member = m.id
			}
			server.See(func(t *ztree.Tree) { s.Ephemerals = t.Ephemerals(one.ID) })
			slices.Sort(s.Ephemerals)
		}
	}
	list := []Session{}
	for _, s := range found {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Session) int { return cmp.Compare(uint64(a.ID), uint64(b.ID)) })
	return list
}

// WatchKind is what a watch waits for, and how often.
type WatchKind string

// Kinds of watches.
const (
	WatchData                WatchKind = "data"                 // left by getData or exists; fires once
	WatchChildren            WatchKind = "children"             // left by getChildren; fires once
	WatchPersistent          WatchKind = "persistent"           // left by addWatch
	WatchPersistentRecursive WatchKind = "persistent recursive" // left by addWatch, for what is below, too
)

// String is the kind in words.
func (k WatchKind) String() string { return string(k) }

// Watch is a watch of a client.
type Watch struct {
	Path    string
	Kind    WatchKind
	Session int64
	Member  int64 // the number of the member that its client is connected to
}

// Watches are the watches of the clients that are connected to embedded members, in the order of
// paths, kinds and sessions.
func (e *Ensemble) Watches() []Watch {
	list := []Watch{}
	for _, m := range e.Members() {
		server := m.embedded()
		if server == nil {
			continue
		}
		for _, one := range server.Watches() {
			w := Watch{Path: one.Path, Kind: WatchData, Session: one.Session, Member: m.id}
			switch {
			case one.Recursive:
				w.Kind = WatchPersistentRecursive
			case one.Persistent:
				w.Kind = WatchPersistent
			case one.Children:
				w.Kind = WatchChildren
			}
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b Watch) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), cmp.Compare(uint64(a.Session), uint64(b.Session)))
	})
	return list
}
