package ztree

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
)

// The errors of Restore.
var (
	ErrPath      = errors.New("not a valid znode path")
	ErrParent    = errors.New("the parent is missing")
	ErrDuplicate = errors.New("the znode already exists")
	ErrACL       = errors.New("the ACL is not in the table")
)

// Restore adds a znode from a snapshot whose ACL table has been restored; parents come before
// children, and "" is the root. data is copied. Errors are those of this package; on error
// nothing was added, except that a znode with an unknown ACL was.
func (t *Tree) Restore(path string, data []byte, acl int64, stat proto.StatPersisted) error {
	t.restoring = true
	if err := t.place(path, data, acl, stat); err != nil {
		return err
	}
	t.acls.claim(acl)
	if acl != openACL && t.acls.lists[acl] == nil {
		return fmt.Errorf("%w: key %d", ErrACL, acl)
	}
	return nil
}

// RestoreACL adds an entry of a snapshot's ACL table.
func (t *Tree) RestoreACL(key int64, acl []proto.ACL) {
	t.restoring = true
	t.acls.restore(key, acl)
}

// RestoreSession adds a session of a snapshot.
func (t *Tree) RestoreSession(id int64, timeout int32) { t.sessions[id] = timeout }

// Restored ends a restore: it counts what is below each quota and drops the ACLs that no znode
// uses, as DataTree.deserialize does. It runs by itself before the tree is next used.
func (t *Tree) Restored() { t.settle() }

func (t *Tree) settle() {
	if !t.restoring {
		return
	}
	t.restoring = false
	t.parent, t.added = place{}, place{}
	t.restoreQuotas()
	t.acls.purge()
}

// place adds a znode without changing its parent's stat.
func (t *Tree) place(path string, data []byte, acl int64, stat proto.StatPersisted) error {
	if path == "" {
		if t.root != nil {
			return ErrDuplicate
		}
		t.root = newNode(nil, "", data, acl, stat)
		t.count++
		t.bytes += 1 + int64(len(data))
		t.digest.later(t.root)
		return nil
	}
	parentPath, name, ok := Split(path)
	if !ok {
		return ErrPath
	}
	// In a snapshot a znode's children follow it, and siblings are adjacent.
	switch parentPath {
	case string(t.parent.path):
	case string(t.added.path):
		t.parent, t.added = t.added, t.parent
	default:
		t.parent.set(parentPath, t.find(parentPath))
	}
	parent := t.parent.node
	if parent == nil {
		if parent = t.find(parentPath); parent == nil {
			return ErrParent
		}
		t.parent.node = parent
	}
	if parent.child(name) != nil {
		return ErrDuplicate
	}
	n := newNode(parent, name, data, acl, stat)
	t.attach(n)
	t.added.set(path, n)
	return nil
}

// Split splits a path into its parent ("" for the root) and its name. It rejects a path with an
// empty name, such as "/".
func Split(path string) (parent, name string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || path[0] != '/' || i == len(path)-1 || len(path) > int(nameLength) {
		return "", "", false
	}
	return path[:i], path[i+1:], true
}

// attach adds the znode to its parent and to the lists by kind.
func (t *Tree) attach(n *Node) {
	n.parent.adopt(n)
	n.grow(1, int64(n.size()))
	t.count++
	t.bytes += n.weight()
	switch owner := n.Owner(); proto.EphemeralTypeOf(owner) {
	case proto.EphemeralContainer:
		t.containers[n] = struct{}{}
	case proto.EphemeralTTL:
		t.ttls[n] = struct{}{}
	case proto.EphemeralNormal:
		set := t.ephemerals[owner]
		if set == nil {
			set = map[*Node]struct{}{}
			t.ephemerals[owner] = set
		}
		set[n] = struct{}{}
	}
	t.digest.later(n)
}

// detach undoes attach, including everything below the znode. ZooKeeper would leave that in its
// table of paths, out of reach, but never logs the deletion of a znode with children.
func (t *Tree) detach(n *Node) {
	n.grow(-1-n.Descendants(), -int64(n.size())-n.bytesBelow())
	n.parent.disown(n)
	n.under(func(n *Node) {
		t.count--
		t.bytes -= n.weight()
		t.acls.release(n.ACL)
		t.digest.remove(n)
		switch owner := n.Owner(); proto.EphemeralTypeOf(owner) {
		case proto.EphemeralContainer:
			delete(t.containers, n)
		case proto.EphemeralTTL:
			delete(t.ttls, n)
		case proto.EphemeralNormal:
			if set := t.ephemerals[owner]; set != nil {
				if delete(set, n); len(set) == 0 {
					delete(t.ephemerals, owner)
				}
			}
		}
	})
}
