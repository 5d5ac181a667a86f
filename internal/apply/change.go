package apply

import (
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

// change is one change of a znode.
type change struct {
	op      changeOp
	path    string
	data    []byte
	acl     []proto.ACL
	kind    source.Kind
	ttl     int64
	version int32 // that the data, or for setACL the ACL, has now
	counts  Action
	partly  bool   // the znode's ACL is still to be set
	child   string // of pairs: the znode that is created and deleted
	pairs   int    // how many
	// again means that the change was sent before, and that its outcome is not known.
	again bool
	lost  bool // the connection was lost while the change was in flight
	tries int
	found *Target // the caller has found the znode like that
}

type changeOp uint8

const (
	create  changeOp = iota
	setData          // at the version
	setACL           // at the version; servers take it alone, not in a multi
	remove           // at the version
	pair             // creates and deletes a child, to raise the next sequence number
	keep             // creates a child, so that a container is not deleted
)

// Bytes that a change adds to a multi besides its path, data and ACL: header, lengths, flags.
const (
	changeOverhead = 9 + 4 + 4 + 4 + 4 + 8
	entryOverhead  = 4 + 4 + 4
)

// replaces reports whether the change replaces or deletes what this run has not made.
func (c *change) replaces() bool { return c.counts == Alter || c.counts == Delete }

// size is about how many bytes of a multi the change takes.
func (c *change) size() int {
	n := changeOverhead + len(c.path) + len(c.data)
	for _, a := range c.acl {
		n += entryOverhead + len(a.ID.Scheme) + len(a.ID.ID)
	}
	if c.op == pair {
		n = c.pairs * pairSize(c.child)
	}
	return n
}

func pairSize(child string) int {
	return 2 * (changeOverhead + len(child) + entryOverhead + len("worldanyone"))
}

// weight is how many parts of a multi the change takes.
func (c *change) weight() int {
	if c.op == pair {
		return 2 * c.pairs
	}
	return 1
}

// appendTo appends the change, which is no setACL, to the parts of a multi.
func (c *change) appendTo(ops []proto.MultiOp) []proto.MultiOp {
	switch c.op {
	case create:
		mode := proto.Persistent
		switch c.kind {
		case source.Container:
			mode = proto.Container
		case source.TTL:
			mode = proto.PersistentTTL
		}
		return append(ops, client.CreateOp(c.path, c.data, c.acl, mode, c.ttl))
	case setData:
		return append(ops, proto.MultiOp{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: c.path, Data: c.data, Version: c.version}})
	case remove:
		return append(ops, proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: c.path, Version: c.version}})
	case keep:
		return append(ops, client.CreateOp(c.child, nil, proto.OpenACL, proto.Persistent, 0))
	}
	for range c.pairs {
		ops = append(ops, client.CreateOp(c.child, nil, proto.OpenACL, proto.Persistent, 0),
			proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: c.child, Version: 0}})
	}
	return ops
}
